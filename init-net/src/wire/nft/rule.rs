//! A rule as a list of expressions, and back.
//!
//! The kernel knows bytes at an offset, not fields: at the ninth byte of the network header there is the hop limit of IPv4
//! or the first byte of a source of IPv6. As nft(8) does, reading goes by what the rule compared before: `meta nfproto`, or
//! a `meta l4proto` that only one family has.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::attribute::attributes;
use super::buffer::Buffer;
use super::expression::{self, Compare, Decision, Expression, Load};
use super::user_data;
use crate::state::Family;
use crate::state::nft::{Counter, Datum, Field, Log, Match, Rule, Test, Verdict};
use crate::value::Prefix;

/// NFT_PAYLOAD_NETWORK_HEADER and _TRANSPORT_HEADER.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

/// NFT_META_IIFNAME, _OIFNAME, _NFPROTO, _L4PROTO.
const IIFNAME: u32 = 6;
const OIFNAME: u32 = 7;
const NFPROTO: u32 = 15;
const L4PROTO: u32 = 16;

/// NFT_CT_STATE, NFT_CT_STATUS.
const STATE: u32 = 0;
const STATUS: u32 = 2;

/// NFTA_FIB_F_DADDR, and with NFTA_FIB_F_IIF.
const DESTINATION: u32 = 2;
const DESTINATION_BY_IIF: u32 = 2 | 8;

/// Where addresses and the hop limit are in their headers, bytes (RFC 791 §3.1, RFC 8200 §3).
const SOURCE_4: u32 = 12;
const DESTINATION_4: u32 = 16;
const SOURCE_6: u32 = 8;
const DESTINATION_6: u32 = 24;
const HOP_LIMIT_4: u32 = 8;
const HOP_LIMIT_6: u32 = 7;

/// NFPROTO_IPV4, NFPROTO_IPV6, IPPROTO_ICMP, IPPROTO_ICMPV6.
const IPV4: u8 = 2;
const IPV6: u8 = 10;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

fn payload(base: u32, offset: u32, len: u32) -> Load {
    Load::Payload { base, offset, len }
}

/// Where a field is.
fn load_of(field: Field) -> Load {
    match field {
        Field::Iifname => Load::Meta(IIFNAME),
        Field::Oifname => Load::Meta(OIFNAME),
        Field::NfProto => Load::Meta(NFPROTO),
        Field::L4Proto => Load::Meta(L4PROTO),
        Field::CtState => Load::Ct(STATE),
        Field::CtStatus => Load::Ct(STATUS),
        Field::Saddr(Family::Inet4) => payload(NETWORK, SOURCE_4, 4),
        Field::Saddr(Family::Inet6) => payload(NETWORK, SOURCE_6, 16),
        Field::Daddr(Family::Inet4) => payload(NETWORK, DESTINATION_4, 4),
        Field::Daddr(Family::Inet6) => payload(NETWORK, DESTINATION_6, 16),
        Field::HopLimit(Family::Inet4) => payload(NETWORK, HOP_LIMIT_4, 1),
        Field::HopLimit(Family::Inet6) => payload(NETWORK, HOP_LIMIT_6, 1),
        Field::Sport => payload(TRANSPORT, 0, 2),
        Field::Dport => payload(TRANSPORT, 2, 2),
        Field::IcmpType(_) => payload(TRANSPORT, 0, 1),
        Field::IcmpCode(_) => payload(TRANSPORT, 1, 1),
        Field::DaddrType => Load::AddressType(DESTINATION),
        Field::DaddrTypeByIif => Load::AddressType(DESTINATION_BY_IIF),
    }
}

/// Length of its value in registers, words.
fn words(field: Field) -> u32 {
    match field {
        Field::Iifname
        | Field::Oifname
        | Field::Saddr(Family::Inet6)
        | Field::Daddr(Family::Inet6) => 4,
        _ => 1,
    }
}

/// The field of a value, and for an address of which only the first bytes are loaded, how many.
fn field_of(load: Load, family: Option<Family>) -> Option<(Field, Option<u8>)> {
    let of_family = family.unwrap_or(Family::Inet4);
    let whole = |field| Some((field, None));
    let address = |field, len: u32, full| {
        let len = u8::try_from(len)
            .ok()
            .filter(|len| (1..=full).contains(len))?;
        Some((field, (len < full).then_some(len)))
    };
    let is_6 = family == Some(Family::Inet6);
    match load {
        Load::Meta(IIFNAME) => whole(Field::Iifname),
        Load::Meta(OIFNAME) => whole(Field::Oifname),
        Load::Meta(NFPROTO) => whole(Field::NfProto),
        Load::Meta(L4PROTO) => whole(Field::L4Proto),
        Load::Ct(STATE) => whole(Field::CtState),
        Load::Ct(STATUS) => whole(Field::CtStatus),
        Load::AddressType(DESTINATION) => whole(Field::DaddrType),
        Load::AddressType(DESTINATION_BY_IIF) => whole(Field::DaddrTypeByIif),
        Load::Meta(_) | Load::Ct(_) | Load::AddressType(_) => None,
        Load::Payload { base, offset, len } => match (base, offset, len) {
            (TRANSPORT, 0, 2) => whole(Field::Sport),
            (TRANSPORT, 2, 2) => whole(Field::Dport),
            (TRANSPORT, 0, 1) => whole(Field::IcmpType(of_family)),
            (TRANSPORT, 1, 1) => whole(Field::IcmpCode(of_family)),
            (NETWORK, HOP_LIMIT_4, 1) if !is_6 => whole(Field::HopLimit(Family::Inet4)),
            (NETWORK, HOP_LIMIT_6, 1) => whole(Field::HopLimit(Family::Inet6)),
            (NETWORK, SOURCE_4, len) => address(Field::Saddr(Family::Inet4), len, 4),
            (NETWORK, DESTINATION_4, len) => address(Field::Daddr(Family::Inet4), len, 4),
            (NETWORK, SOURCE_6, len) => address(Field::Saddr(Family::Inet6), len, 16),
            (NETWORK, DESTINATION_6, len) => address(Field::Daddr(Family::Inet6), len, 16),
            _ => None,
        },
    }
}

/// Two fields side by side that nft(8) compares as one, each with its length, bytes. It does so with single values of at most
/// 16 bytes together (`payload_can_merge`, src/payload.c): of what this program compares, these.
fn pair_of(
    load: Load,
    family: Option<Family>,
    protocol: Option<u8>,
) -> Option<[(Field, usize); 2]> {
    let Load::Payload { base, offset, len } = load else {
        return None;
    };
    let of_family = family.unwrap_or(Family::Inet4);
    let is_icmp = matches!(protocol, Some(ICMP | ICMPV6));
    match (base, offset, len) {
        (TRANSPORT, 0, 2) if is_icmp => Some([
            (Field::IcmpType(of_family), 1),
            (Field::IcmpCode(of_family), 1),
        ]),
        (TRANSPORT, 0, 4) if !is_icmp => Some([(Field::Sport, 2), (Field::Dport, 2)]),
        (NETWORK, SOURCE_4, 8) if family == Some(Family::Inet4) => {
            let family = Family::Inet4;
            Some([(Field::Saddr(family), 4), (Field::Daddr(family), 4)])
        }
        _ => None,
    }
}

/// The expressions of `rule`, which starts to count at `counter`.
pub(super) fn put(buffer: &mut Buffer, rule: &Rule, counter: Counter) {
    for one in &rule.matches {
        put_match(buffer, one);
    }
    let limit = rule.limit.map(Expression::Limit);
    let counter = rule.counter.then_some(Expression::Counter(counter));
    let log = rule.log.as_ref().map(|log| Expression::Log(&log.prefix));
    let verdict = match &rule.verdict {
        Verdict::Accept => Some(Expression::Decide(Decision::Accept)),
        Verdict::Drop => Some(Expression::Decide(Decision::Drop)),
        Verdict::Return => Some(Expression::Decide(Decision::Return)),
        Verdict::Jump(chain) => Some(Expression::Decide(Decision::Jump(chain))),
        Verdict::Reject(reject) => Some(Expression::Reject(*reject)),
        Verdict::Continue => None,
    };
    for expression in [limit, counter, log, verdict].into_iter().flatten() {
        expression.put(buffer);
    }
}

fn put_match(buffer: &mut Buffer, one: &Match) {
    match one {
        Match::Is { field, test } => put_test(buffer, *field, *test),
        Match::In { fields, set, not } => {
            let mut word = 0;
            for field in fields {
                Expression::Load(load_of(*field), word).put(buffer);
                word += words(*field);
            }
            Expression::Lookup { set, not: *not }.put(buffer);
        }
        // Nothing that is wanted is foreign.
        Match::Foreign(_) => {}
    }
}

fn put_test(buffer: &mut Buffer, field: Field, test: Test) {
    let mut put = |all: &[Expression<'_>]| all.iter().for_each(|one| one.put(buffer));
    let load = load_of(field);
    let loaded = Expression::Load(load, 0);
    match test {
        Test::Eq(datum) => put(&[loaded, Expression::Compare(Compare::Eq, datum)]),
        Test::Ne(datum) => put(&[loaded, Expression::Compare(Compare::Ne, datum)]),
        Test::Between(from, to) => put(&[
            loaded,
            Expression::Compare(Compare::Gte, from),
            Expression::Compare(Compare::Lte, to),
        ]),
        Test::Outside(from, to) => put(&[loaded, Expression::Outside(from, to)]),
        Test::Inside(prefix) | Test::NotInside(prefix) => {
            let compare = match test {
                Test::Inside(_) => Compare::Eq,
                _ => Compare::Ne,
            };
            let network = Datum::address(prefix.network().address());
            let bytes = usize::from(prefix.len() / 8);
            let start = network.bytes().get(..bytes).and_then(Datum::new);
            match (load, start) {
                // As nft(8) does it: only the bytes that count are loaded.
                (Load::Payload { base, offset, .. }, Some(start))
                    if prefix.len() > 0 && prefix.len().is_multiple_of(8) =>
                {
                    let part = payload(base, offset, u32::from(prefix.len() / 8));
                    put(&[
                        Expression::Load(part, 0),
                        Expression::Compare(compare, start),
                    ]);
                }
                _ => put(&[
                    loaded,
                    Expression::Mask(mask_of(&prefix)),
                    Expression::Compare(compare, network),
                ]),
            }
        }
        Test::AnyOf(bits) | Test::NoneOf(bits) => {
            let compare = match test {
                Test::AnyOf(_) => Compare::Ne,
                _ => Compare::Eq,
            };
            put(&[
                loaded,
                Expression::Mask(Datum::word(bits)),
                Expression::Compare(compare, Datum::word(0)),
            ]);
        }
    }
}

/// Ones where the network is.
fn mask_of(prefix: &Prefix) -> Datum {
    let len = u32::from(prefix.len());
    Datum::address(if prefix.is_ipv4() {
        let bits = u32::MAX.checked_shl(32 - len).unwrap_or(0);
        IpAddr::V4(Ipv4Addr::from_bits(bits))
    } else {
        let bits = u128::MAX.checked_shl(128 - len).unwrap_or(0);
        IpAddr::V6(Ipv6Addr::from_bits(bits))
    })
}

/// The prefix of which these are the first bytes, `len` bits long.
fn prefix_of(family: Family, bytes: &[u8], len: u8) -> Option<Prefix> {
    let address = match family {
        Family::Inet4 => {
            let mut whole = [0; 4];
            whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
            IpAddr::from(whole)
        }
        Family::Inet6 => {
            let mut whole = [0; 16];
            whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
            IpAddr::from(whole)
        }
    };
    Prefix::new(address, len).ok()
}

/// How many ones a mask starts with; `None`: there are others behind the first zero.
fn len_of(mask: &[u8]) -> Option<u8> {
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let mut leading = 0;
    for byte in mask {
        leading += byte.leading_ones();
        if *byte != u8::MAX {
            break;
        }
    }
    (leading == ones).then(|| u8::try_from(ones).ok()).flatten()
}

/// The rule in the attributes of a message about one, and what it has counted.
pub(super) fn read(expressions: &[u8], userdata: &[u8]) -> (Rule, Counter) {
    let mut reader = Reader::default();
    for (_, element) in attributes(expressions) {
        let taken = match expression::read(element) {
            Ok(expression) => reader
                .take(&expression)
                .ok_or_else(|| expression.to_string()),
            Err(name) => Err(name),
        };
        if let Err(words) = taken {
            reader.rule.matches.push(Match::Foreign(words));
            reader.loaded.clear();
            break;
        }
    }
    if !reader.loaded.is_empty() {
        let words = "a value that nothing is compared with".to_owned();
        reader.rule.matches.push(Match::Foreign(words));
    }
    reader.rule.comment = user_data::comment(userdata);
    (reader.rule, reader.counter)
}

/// The parts of a rule come in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Matches,
    Limit,
    Counter,
    Log,
    Verdict,
}

struct Reader {
    rule: Rule,
    counter: Counter,
    stage: Stage,
    loaded: Vec<(Load, u32)>,
    mask: Option<Datum>,
    from: Option<Datum>,
    family: Option<Family>,
    protocol: Option<u8>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            rule: Rule {
                matches: Vec::new(),
                limit: None,
                counter: false,
                log: None,
                verdict: Verdict::Continue,
                comment: None,
            },
            counter: Counter::default(),
            stage: Stage::Matches,
            loaded: Vec::new(),
            mask: None,
            from: None,
            family: None,
            protocol: None,
        }
    }
}

impl Reader {
    /// `None`: nothing that this program writes, at this place.
    fn take(&mut self, expression: &Expression<'_>) -> Option<()> {
        match expression {
            Expression::Load(load, word) => {
                self.at(Stage::Matches)?;
                self.mask.is_none().then_some(())?;
                self.loaded.push((*load, *word));
            }
            Expression::Nothing => {}
            Expression::Mask(mask) => {
                self.only()?;
                self.mask.replace(*mask).is_none().then_some(())?;
            }
            Expression::Compare(compare, datum) => self.compare(*compare, *datum)?,
            Expression::Outside(from, to) => {
                let field = self.whole()?;
                self.matched(field, Test::Outside(*from, *to));
            }
            Expression::Lookup { set, not } => self.look_up(set, *not)?,
            Expression::Limit(limit) => {
                self.after(Stage::Limit)?;
                self.rule.limit = Some(*limit);
            }
            Expression::Counter(counter) => {
                self.after(Stage::Counter)?;
                self.rule.counter = true;
                self.counter = *counter;
            }
            Expression::Log(prefix) => {
                self.after(Stage::Log)?;
                self.rule.log = Some(Log {
                    prefix: (*prefix).to_owned(),
                });
            }
            Expression::Reject(reject) => {
                self.after(Stage::Verdict)?;
                self.rule.verdict = Verdict::Reject(*reject);
            }
            Expression::Decide(decision) => {
                self.after(Stage::Verdict)?;
                self.rule.verdict = match decision {
                    Decision::Accept => Verdict::Accept,
                    Decision::Drop => Verdict::Drop,
                    Decision::Return => Verdict::Return,
                    Decision::Jump(chain) => Verdict::Jump((*chain).to_owned()),
                };
            }
        }
        Some(())
    }

    fn at(&self, stage: Stage) -> Option<()> {
        (self.stage == stage).then_some(())
    }

    /// A part that comes once, behind those before it.
    fn after(&mut self, stage: Stage) -> Option<()> {
        (self.stage < stage && self.loaded.is_empty()).then_some(())?;
        self.stage = stage;
        Some(())
    }

    /// The one value that is loaded, in the first register.
    fn only(&self) -> Option<Load> {
        match self.loaded[..] {
            [(load, 0)] => Some(load),
            _ => None,
        }
    }

    /// The field of that, if it is all of it and nothing was done with it.
    fn whole(&self) -> Option<Field> {
        let (field, part) = field_of(self.only()?, self.family)?;
        let plain = part.is_none() && self.mask.is_none() && self.from.is_none();
        plain.then_some(field)
    }

    fn matched(&mut self, field: Field, test: Test) {
        self.loaded.clear();
        (self.mask, self.from) = (None, None);
        if let Test::Eq(datum) = test {
            self.family = match (field, datum.bytes()) {
                (Field::NfProto, [IPV4]) | (Field::L4Proto, [ICMP]) => Some(Family::Inet4),
                (Field::NfProto, [IPV6]) | (Field::L4Proto, [ICMPV6]) => Some(Family::Inet6),
                _ => self.family,
            };
            if field == Field::L4Proto {
                self.protocol = datum.bytes().first().copied();
            }
        }
        self.rule.matches.push(Match::Is { field, test });
    }

    fn compare(&mut self, compare: Compare, datum: Datum) -> Option<()> {
        let plain = compare == Compare::Eq && self.mask.is_none() && self.from.is_none();
        let pair = pair_of(self.only()?, self.family, self.protocol);
        if let Some([(first, len), (second, _)]) = pair.filter(|_| plain) {
            let (start, end) = datum.bytes().split_at_checked(len)?;
            self.matched(first, Test::Eq(Datum::new(start)?));
            self.matched(second, Test::Eq(Datum::new(end)?));
            return Some(());
        }
        let (field, part) = field_of(self.only()?, self.family)?;
        let family = match field {
            Field::Saddr(family) | Field::Daddr(family) => Some(family),
            _ => None,
        };
        let inside = |prefix| match compare {
            Compare::Eq => Some(Test::Inside(prefix)),
            Compare::Ne => Some(Test::NotInside(prefix)),
            _ => None,
        };
        let test = match (compare, part, self.mask, self.from) {
            (_, Some(len), None, None) => inside(prefix_of(family?, datum.bytes(), len * 8)?)?,
            (_, None, Some(mask), None) if family.is_some() => {
                let len = len_of(mask.bytes())?;
                inside(prefix_of(family?, datum.bytes(), len)?)?
            }
            (Compare::Ne, None, Some(mask), None) if datum == Datum::word(0) => {
                Test::AnyOf(u32::from_ne_bytes(mask.bytes().try_into().ok()?))
            }
            (Compare::Eq, None, Some(mask), None) if datum == Datum::word(0) => {
                Test::NoneOf(u32::from_ne_bytes(mask.bytes().try_into().ok()?))
            }
            (Compare::Eq, None, None, None) => Test::Eq(datum),
            (Compare::Ne, None, None, None) => Test::Ne(datum),
            (Compare::Gte, None, None, None) => {
                self.from = Some(datum);
                return Some(());
            }
            (Compare::Lte, None, None, Some(from)) => Test::Between(from, datum),
            _ => return None,
        };
        self.matched(field, test);
        Some(())
    }

    fn look_up(&mut self, set: &str, not: bool) -> Option<()> {
        let untouched = self.mask.is_none() && self.from.is_none();
        (untouched && !self.loaded.is_empty()).then_some(())?;
        let (mut fields, mut next) = (Vec::new(), 0);
        for (load, word) in &self.loaded {
            let (field, part) = field_of(*load, self.family)?;
            (part.is_none() && *word == next).then_some(())?;
            next += words(field);
            fields.push(field);
        }
        self.loaded.clear();
        self.rule.matches.push(Match::In {
            fields,
            set: set.to_owned(),
            not,
        });
        Some(())
    }
}
