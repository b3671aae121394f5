//! [`Expression`]: one step of a rule, as the kernel has it.
//!
//! A value is loaded into registers, masked, and compared or looked up; a step that does not match ends the rule.
//! Registers are counted here in words of four bytes from the first one that holds data (`NFT_REG32_00`).

use core::fmt;

use super::super::attribute::{attributes, text_of};
use super::buffer::Buffer;
use super::{DATA_VALUE, DATA_VERDICT, LIST_ELEMENT, long, number, text};
use crate::state::nft::{Counter, Datum, Limit, Reject};

/// NFTA_EXPR_*.
const NAME: u16 = 1;
const DATA: u16 = 2;

/// NFT_REG_VERDICT, NFT_REG_1 and NFT_REG32_00.
const VERDICT_REGISTER: u32 = 0;
const FIRST_REGISTER: u32 = 1;
const FIRST_WORD: u32 = 8;
/// Words in a register of the old kind, of which there are four.
const WORDS: u32 = 4;

/// NFT_LOGLEVEL_INFO.
const LEVEL_INFO: u32 = 6;
/// NFT_FIB_RESULT_ADDRTYPE.
const RESULT_TYPE: u32 = 3;
/// NFT_RANGE_NEQ, NFT_LOOKUP_F_INV.
const RANGE_NOT: u32 = 1;
const LOOKUP_NOT: u32 = 1;
/// NFT_REJECT_TCP_RST: has no code.
const REJECT_RESET: u32 = 1;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// NFT_META_*.
    Meta(u32),
    /// NFT_CT_*, of no direction.
    Ct(u32),
    /// Bytes of a header.
    Payload {
        /// NFT_PAYLOAD_NETWORK_HEADER or _TRANSPORT_HEADER.
        base: u32,
        /// In it, bytes.
        offset: u32,
        /// Bytes.
        len: u32,
    },
    /// What kind of address it is here; of NFTA_FIB_F_*.
    AddressType(u32),
}

/// NFT_CMP_*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// Equal.
    Eq = 0,
    /// Not equal.
    Ne = 1,
    /// Less or equal.
    Lte = 3,
    /// Greater or equal.
    Gte = 5,
}

/// NF_* and NFT_* verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision<'a> {
    Accept,
    Drop,
    Return,
    Jump(&'a str),
}

/// A step. Comparisons are of the first register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression<'a> {
    /// A value into the registers from this word on.
    Load(Load, u32),
    /// Nothing: nft(8) turns around the bytes of what has only one of them.
    Nothing,
    /// The first register: only these bits stay.
    Mask(Datum),
    /// Against this.
    Compare(Compare, Datum),
    /// Not from the first to the second.
    Outside(Datum, Datum),
    /// In the set, or not in it.
    Lookup {
        set: &'a str,
        not: bool,
    },
    Limit(Limit),
    Counter(Counter),
    Log(&'a str),
    Reject(Reject),
    Decide(Decision<'a>),
}

/// NFTA_* of each kind of expression, in one place for both directions.
mod nfta {
    pub const META_DREG: u16 = 1;
    pub const META_KEY: u16 = 2;
    pub const CT_DREG: u16 = 1;
    pub const CT_KEY: u16 = 2;
    pub const CT_DIRECTION: u16 = 3;
    pub const PAYLOAD_DREG: u16 = 1;
    pub const PAYLOAD_BASE: u16 = 2;
    pub const PAYLOAD_OFFSET: u16 = 3;
    pub const PAYLOAD_LEN: u16 = 4;
    pub const FIB_DREG: u16 = 1;
    pub const FIB_RESULT: u16 = 2;
    pub const FIB_FLAGS: u16 = 3;
    pub const BYTEORDER_SREG: u16 = 1;
    pub const BYTEORDER_DREG: u16 = 2;
    pub const BYTEORDER_LEN: u16 = 4;
    pub const BYTEORDER_SIZE: u16 = 5;
    pub const BITWISE_SREG: u16 = 1;
    pub const BITWISE_DREG: u16 = 2;
    pub const BITWISE_LEN: u16 = 3;
    pub const BITWISE_MASK: u16 = 4;
    pub const BITWISE_XOR: u16 = 5;
    pub const BITWISE_OP: u16 = 6;
    pub const CMP_SREG: u16 = 1;
    pub const CMP_OP: u16 = 2;
    pub const CMP_DATA: u16 = 3;
    pub const RANGE_SREG: u16 = 1;
    pub const RANGE_OP: u16 = 2;
    pub const RANGE_FROM: u16 = 3;
    pub const RANGE_TO: u16 = 4;
    pub const LOOKUP_SET: u16 = 1;
    pub const LOOKUP_SREG: u16 = 2;
    pub const LOOKUP_DREG: u16 = 3;
    pub const LOOKUP_FLAGS: u16 = 5;
    pub const LIMIT_RATE: u16 = 1;
    pub const LIMIT_UNIT: u16 = 2;
    pub const LIMIT_BURST: u16 = 3;
    pub const LIMIT_TYPE: u16 = 4;
    pub const LIMIT_FLAGS: u16 = 5;
    pub const COUNTER_BYTES: u16 = 1;
    pub const COUNTER_PACKETS: u16 = 2;
    pub const LOG_GROUP: u16 = 1;
    pub const LOG_PREFIX: u16 = 2;
    pub const LOG_LEVEL: u16 = 5;
    pub const LOG_FLAGS: u16 = 6;
    pub const REJECT_TYPE: u16 = 1;
    pub const REJECT_CODE: u16 = 2;
    pub const IMMEDIATE_DREG: u16 = 1;
    pub const IMMEDIATE_DATA: u16 = 2;
    pub const VERDICT_CODE: u16 = 1;
    pub const VERDICT_CHAIN: u16 = 2;
}
use nfta::*;

/// NF_DROP, NF_ACCEPT, NFT_JUMP, NFT_RETURN.
mod verdict {
    pub const DROP: u32 = 0;
    pub const ACCEPT: u32 = 1;
    pub const JUMP: u32 = -3_i32 as u32;
    pub const RETURN: u32 = -5_i32 as u32;
}

/// How the kernel numbers the register that starts at this word, and shows it again (`nft_dump_register`).
const fn register(word: u32) -> u32 {
    if word.is_multiple_of(WORDS) {
        FIRST_REGISTER + word / WORDS
    } else {
        FIRST_WORD + word
    }
}

/// The other way.
fn word(register: u32) -> Option<u32> {
    match register {
        VERDICT_REGISTER => None,
        1..=4 => Some((register - FIRST_REGISTER) * WORDS),
        _ => register.checked_sub(FIRST_WORD),
    }
}

fn put_data(buffer: &mut Buffer, kind: u16, datum: &Datum) {
    buffer.nest(kind, |b| b.put(DATA_VALUE, datum.bytes()));
}

fn data(value: &[u8]) -> Option<Datum> {
    Datum::new(Fields::of(value).get(DATA_VALUE)?)
}

/// Highest number of an attribute of an expression that is read here, and one more.
const FIELDS: usize = 8;

/// The attributes of a nest by their number: ten thousand rules have a hundred thousand nests, and each is walked once.
struct Fields<'a>([Option<&'a [u8]>; FIELDS]);

impl<'a> Fields<'a> {
    fn of(body: &'a [u8]) -> Self {
        let mut fields = [None; FIELDS];
        for (kind, value) in attributes(body) {
            if let Some(slot) = fields.get_mut(usize::from(kind)) {
                slot.get_or_insert(value);
            }
        }
        Self(fields)
    }

    fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.0.get(usize::from(kind)).copied().flatten()
    }

    fn number(&self, kind: u16) -> Option<u32> {
        self.get(kind).and_then(number)
    }

    /// Text of the kernel without its NUL, as it is; not UTF-8: `None`.
    fn text(&self, kind: u16) -> Option<&'a str> {
        self.get(kind).and_then(text)
    }
}

impl Expression<'_> {
    /// How the kernel calls its kind.
    const fn name(&self) -> &'static str {
        match self {
            Self::Load(Load::Meta(_), _) => "meta",
            Self::Load(Load::Ct(_), _) => "ct",
            Self::Load(Load::Payload { .. }, _) => "payload",
            Self::Load(Load::AddressType(_), _) => "fib",
            Self::Nothing => "byteorder",
            Self::Mask(_) => "bitwise",
            Self::Compare(..) => "cmp",
            Self::Outside(..) => "range",
            Self::Lookup { .. } => "lookup",
            Self::Limit(_) => "limit",
            Self::Counter(_) => "counter",
            Self::Log(_) => "log",
            Self::Reject(_) => "reject",
            Self::Decide(_) => "immediate",
        }
    }

    /// As an element of a list of expressions.
    pub(super) fn put(&self, buffer: &mut Buffer) {
        self.put_as(buffer, LIST_ELEMENT);
    }

    /// As an attribute of this kind.
    pub(super) fn put_as(&self, buffer: &mut Buffer, kind: u16) {
        buffer.nest(kind, |b| {
            b.put_text(NAME, self.name());
            b.nest(DATA, |b| self.put_data(b));
        });
    }

    fn put_data(&self, b: &mut Buffer) {
        match self {
            Self::Load(Load::Meta(key), word) => {
                b.put_number(META_KEY, *key);
                b.put_number(META_DREG, register(*word));
            }
            Self::Load(Load::Ct(key), word) => {
                b.put_number(CT_DREG, register(*word));
                b.put_number(CT_KEY, *key);
            }
            Self::Load(Load::Payload { base, offset, len }, word) => {
                b.put_number(PAYLOAD_DREG, register(*word));
                b.put_number(PAYLOAD_BASE, *base);
                b.put_number(PAYLOAD_OFFSET, *offset);
                b.put_number(PAYLOAD_LEN, *len);
            }
            Self::Load(Load::AddressType(flags), word) => {
                b.put_number(FIB_FLAGS, *flags);
                b.put_number(FIB_RESULT, RESULT_TYPE);
                b.put_number(FIB_DREG, register(*word));
            }
            // Never written.
            Self::Nothing => {}
            Self::Mask(mask) => {
                let zeros = [0; crate::state::nft::MAX_DATUM];
                let length = mask.bytes().len();
                b.put_number(BITWISE_SREG, FIRST_REGISTER);
                b.put_number(BITWISE_DREG, FIRST_REGISTER);
                b.put_number(BITWISE_LEN, u32::try_from(length).unwrap_or(0));
                put_data(b, BITWISE_MASK, mask);
                b.nest(BITWISE_XOR, |b| {
                    b.put(DATA_VALUE, zeros.get(..length).unwrap_or_default());
                });
            }
            Self::Compare(compare, datum) => {
                b.put_number(CMP_SREG, FIRST_REGISTER);
                b.put_number(CMP_OP, *compare as u32);
                put_data(b, CMP_DATA, datum);
            }
            Self::Outside(from, to) => {
                b.put_number(RANGE_SREG, FIRST_REGISTER);
                b.put_number(RANGE_OP, RANGE_NOT);
                put_data(b, RANGE_FROM, from);
                put_data(b, RANGE_TO, to);
            }
            Self::Lookup { set, not } => {
                b.put_text(LOOKUP_SET, set);
                b.put_number(LOOKUP_SREG, FIRST_REGISTER);
                if *not {
                    b.put_number(LOOKUP_FLAGS, LOOKUP_NOT);
                }
            }
            Self::Limit(limit) => {
                b.put_long(LIMIT_RATE, limit.rate);
                b.put_long(LIMIT_UNIT, limit.unit);
                b.put_number(LIMIT_BURST, limit.burst);
            }
            Self::Counter(counter) => {
                if *counter != Counter::default() {
                    b.put_long(COUNTER_BYTES, counter.bytes);
                    b.put_long(COUNTER_PACKETS, counter.packets);
                }
            }
            Self::Log(prefix) => {
                b.put_text(LOG_PREFIX, prefix);
                b.put_number(LOG_LEVEL, LEVEL_INFO);
            }
            Self::Reject(reject) => {
                let [kind, code] = reject.number().to_be_bytes();
                b.put_number(REJECT_TYPE, u32::from(kind));
                b.put(REJECT_CODE, &[code]);
            }
            Self::Decide(decision) => {
                b.put_number(IMMEDIATE_DREG, VERDICT_REGISTER);
                b.nest(IMMEDIATE_DATA, |b| {
                    b.nest(DATA_VERDICT, |b| put_decision(b, decision))
                });
            }
        }
    }
}

fn put_decision(b: &mut Buffer, decision: &Decision<'_>) {
    let (code, chain) = match decision {
        Decision::Accept => (verdict::ACCEPT, None),
        Decision::Drop => (verdict::DROP, None),
        Decision::Return => (verdict::RETURN, None),
        Decision::Jump(chain) => (verdict::JUMP, Some(chain)),
    };
    b.put_number(VERDICT_CODE, code);
    if let Some(chain) = chain {
        b.put_text(VERDICT_CHAIN, chain);
    }
}

impl fmt::Display for Load {
    /// Bytes of headers as nft(8) has them where it has no name for them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meta(key) => write!(f, "meta key {key}"),
            Self::Ct(key) => write!(f, "ct key {key}"),
            Self::Payload { base, offset, len } => {
                let header = match base {
                    0 => "ll",
                    1 => "nh",
                    2 => "th",
                    _ => "ih",
                };
                let bits = |bytes: &u32| u64::from(*bytes) * 8;
                write!(f, "@{header},{},{}", bits(offset), bits(len))
            }
            Self::AddressType(flags) => write!(f, "fib flags {flags} type"),
        }
    }
}

impl fmt::Display for Expression<'_> {
    /// For people who look at what others made: the kernel's name of its kind, and what it is about.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Load(load, _) => load.fmt(f),
            Self::Nothing => f.write_str(name),
            Self::Mask(mask) => write!(f, "{name} and 0x{mask:?}"),
            Self::Compare(compare, datum) => {
                let how = match compare {
                    Compare::Eq => "eq",
                    Compare::Ne => "neq",
                    Compare::Lte => "lte",
                    Compare::Gte => "gte",
                };
                write!(f, "{name} {how} 0x{datum:?}")
            }
            Self::Outside(from, to) => write!(f, "{name} neq 0x{from:?} 0x{to:?}"),
            Self::Lookup { set, not } => {
                write!(f, "{name}{} @{set}", if *not { " not in" } else { "" })
            }
            Self::Limit(_) | Self::Counter(_) | Self::Log(_) => f.write_str(name),
            Self::Reject(how) => write!(f, "{name} with {how}"),
            Self::Decide(Decision::Accept) => f.write_str("accept"),
            Self::Decide(Decision::Drop) => f.write_str("drop"),
            Self::Decide(Decision::Return) => f.write_str("return"),
            Self::Decide(Decision::Jump(chain)) => write!(f, "jump {chain}"),
        }
    }
}

/// Reads the inside of an element of a list. The name of its kind where it is nothing that this program writes.
pub(super) fn read(element: &[u8]) -> Result<Expression<'_>, String> {
    let fields = Fields::of(element);
    let name = fields.get(NAME).unwrap_or_default();
    let body = Fields::of(fields.get(DATA).unwrap_or_default());
    let read = text(name).and_then(|name| read_data(name, &body));
    read.ok_or_else(|| text_of(name))
}

fn read_data<'a>(name: &str, body: &Fields<'a>) -> Option<Expression<'a>> {
    let is = |kind, value| body.number(kind) == Some(value);
    let destination = |kind| body.number(kind).and_then(word);
    let first = |kind| is(kind, FIRST_REGISTER).then_some(());
    Some(match name {
        "meta" => Expression::Load(Load::Meta(body.number(META_KEY)?), destination(META_DREG)?),
        "ct" => {
            body.get(CT_DIRECTION).is_none().then_some(())?;
            Expression::Load(Load::Ct(body.number(CT_KEY)?), destination(CT_DREG)?)
        }
        "payload" => {
            let load = Load::Payload {
                base: body.number(PAYLOAD_BASE)?,
                offset: body.number(PAYLOAD_OFFSET)?,
                len: body.number(PAYLOAD_LEN)?,
            };
            Expression::Load(load, destination(PAYLOAD_DREG)?)
        }
        "fib" => {
            is(FIB_RESULT, RESULT_TYPE).then_some(())?;
            let load = Load::AddressType(body.number(FIB_FLAGS)?);
            Expression::Load(load, destination(FIB_DREG)?)
        }
        // Whole numbers of this size alone are turned around (`nft_byteorder_eval`).
        "byteorder" => {
            let same = body.number(BYTEORDER_SREG)? == body.number(BYTEORDER_DREG)?;
            let less = body.number(BYTEORDER_LEN)? < body.number(BYTEORDER_SIZE)?;
            (same && less).then_some(Expression::Nothing)?
        }
        "bitwise" => {
            first(BITWISE_SREG)?;
            first(BITWISE_DREG)?;
            let xor = data(body.get(BITWISE_XOR)?)?;
            let plain = body.number(BITWISE_OP).unwrap_or(0) == 0
                && xor.bytes().iter().all(|byte| *byte == 0);
            plain.then_some(())?;
            Expression::Mask(data(body.get(BITWISE_MASK)?)?)
        }
        "cmp" => {
            first(CMP_SREG)?;
            let all = [Compare::Eq, Compare::Ne, Compare::Lte, Compare::Gte];
            let compare = all.into_iter().find(|one| is(CMP_OP, *one as u32))?;
            Expression::Compare(compare, data(body.get(CMP_DATA)?)?)
        }
        "range" => {
            first(RANGE_SREG)?;
            is(RANGE_OP, RANGE_NOT).then_some(())?;
            Expression::Outside(data(body.get(RANGE_FROM)?)?, data(body.get(RANGE_TO)?)?)
        }
        "lookup" => {
            first(LOOKUP_SREG)?;
            body.get(LOOKUP_DREG).is_none().then_some(())?;
            let flags = body.number(LOOKUP_FLAGS).unwrap_or(0);
            (flags <= LOOKUP_NOT).then_some(())?;
            Expression::Lookup {
                set: body.text(LOOKUP_SET)?,
                not: flags == LOOKUP_NOT,
            }
        }
        "limit" => {
            let zero = |kind| body.number(kind).unwrap_or(0) == 0;
            (zero(LIMIT_TYPE) && zero(LIMIT_FLAGS)).then_some(())?;
            Expression::Limit(Limit {
                rate: body.get(LIMIT_RATE).and_then(long)?,
                unit: body.get(LIMIT_UNIT).and_then(long)?,
                burst: body.number(LIMIT_BURST)?,
            })
        }
        "counter" => Expression::Counter(counter(body)),
        "log" => {
            let plain = body.get(LOG_GROUP).is_none() && body.get(LOG_FLAGS).is_none();
            (plain && is(LOG_LEVEL, LEVEL_INFO)).then_some(())?;
            Expression::Log(body.text(LOG_PREFIX)?)
        }
        "reject" => {
            let kind = body.number(REJECT_TYPE)?;
            let code = match (kind, body.get(REJECT_CODE)) {
                (REJECT_RESET, _) => 0,
                (_, Some([code])) => *code,
                _ => return None,
            };
            let number = u16::from_be_bytes([u8::try_from(kind).ok()?, code]);
            Expression::Reject(Reject::from_number(number)?)
        }
        "immediate" => {
            is(IMMEDIATE_DREG, VERDICT_REGISTER).then_some(())?;
            let data = Fields::of(body.get(IMMEDIATE_DATA)?);
            let verdict = Fields::of(data.get(DATA_VERDICT)?);
            Expression::Decide(match verdict.number(VERDICT_CODE)? {
                verdict::ACCEPT => Decision::Accept,
                verdict::DROP => Decision::Drop,
                verdict::RETURN => Decision::Return,
                verdict::JUMP => Decision::Jump(verdict.text(VERDICT_CHAIN)?),
                _ => return None,
            })
        }
        _ => return None,
    })
}

fn counter(body: &Fields<'_>) -> Counter {
    Counter {
        packets: body.get(COUNTER_PACKETS).and_then(long).unwrap_or(0),
        bytes: body.get(COUNTER_BYTES).and_then(long).unwrap_or(0),
    }
}
