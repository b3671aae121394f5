//! The whole table as one batch.
//!
//! `add table; delete table; add table …` in one transaction: the first makes sure that there is something to delete, and
//! the packets of no moment see anything but the old rules or the new ones.

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE};

use super::super::attribute::attributes;
use super::super::message::{WireError, frames};
use super::super::{Refusal, ack};
use super::buffer::{BODY, Buffer};
use super::set::list;
use super::{HEADER, INET, MAX_COMMENT, MAX_LOG_PREFIX, MAX_NAME, chain, hook, kind, rule, set};
use super::{table, user_data};
use crate::state::FirewallOp;
use crate::state::nft::{Chain, Counter, Rule, TABLE, Table, Verdict};
use crate::wire::message;

/// NFTA_RULE_*.
pub(super) mod nfta_rule {
    pub const TABLE: u16 = 1;
    pub const CHAIN: u16 = 2;
    pub const EXPRESSIONS: u16 = 4;
    pub const COMPAT: u16 = 5;
    pub const USER_DATA: u16 = 7;
}

/// NFNL_BATCH_GENID.
const GENERATION: u16 = 1;

/// NFNL_SUBSYS_NFTABLES, as the resource of a batch.
const SUBSYSTEM: u16 = 10;

/// NFTA_EXPR_NAME.
const EXPRESSION_NAME: u16 = 1;

/// Expressions that are modules of their own in most kernels.
const OF_MODULES: [(&str, &str); 5] = [
    ("ct", "nft_ct"),
    ("limit", "nft_limit"),
    ("log", "nft_log"),
    ("reject", "nft_reject_inet"),
    ("fib", "nft_fib_inet"),
];

/// What a message of a batch is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The batch itself: its generation, or that it could not be put in force as a whole.
    Batch,
    /// The table.
    Table,
    /// A set, by its place in the table.
    Set(usize),
    /// Elements of a set from this one on.
    Elements {
        /// Which set.
        set: usize,
        /// Which one is meant, or the first of the message.
        element: usize,
    },
    /// A chain.
    Chain(usize),
    /// A rule.
    Rule {
        /// Of which chain.
        chain: usize,
        /// Which one.
        rule: usize,
    },
}

/// A batch, ready to be sent in one piece.
#[derive(Debug)]
pub struct Encoded {
    /// Its bytes.
    pub bytes: Vec<u8>,
    first: u32,
    /// Sequence number of the message that is acknowledged.
    last: u32,
    /// What the messages from this sequence number on are about; rules of a chain count on from there.
    parts: Vec<(u32, Subject)>,
}

/// The messages so far, and what they are about.
struct Writer {
    buffer: Buffer,
    next: u32,
    parts: Vec<(u32, Subject)>,
}

impl Writer {
    fn message(&mut self, kind: u16, flags: u16, fill: impl FnOnce(&mut Buffer)) {
        let seq = self.next;
        self.buffer.message((kind, flags), seq, (INET, 0), fill);
        self.next = seq.wrapping_add(1);
    }

    fn control(&mut self, kind: u16, fill: impl FnOnce(&mut Buffer)) {
        let seq = self.next;
        self.buffer.message((kind, 0), seq, (0, SUBSYSTEM), fill);
        self.next = seq.wrapping_add(1);
    }

    fn about(&mut self, subject: Subject) {
        self.parts.push((self.next, subject));
    }
}

/// The batch of `op`, with sequence numbers from `first` on.
pub fn encode(op: &FirewallOp, first: u32) -> Result<Encoded, WireError> {
    let mut writer = Writer {
        buffer: Buffer::default(),
        next: first,
        parts: Vec::new(),
    };
    writer.about(Subject::Batch);
    writer.control(kind::BATCH_BEGIN, |b| {
        if let Some(generation) = op.generation {
            b.put_number(GENERATION, generation);
        }
    });
    writer.about(Subject::Table);
    let put_name = |b: &mut Buffer| b.put_text(table::NAME, TABLE);
    writer.message(kind::NEW_TABLE, NLM_F_CREATE, put_name);
    writer.message(kind::DELETE_TABLE, 0, put_name);
    if let Some(table) = &op.table {
        check(table)?;
        writer.message(kind::NEW_TABLE, NLM_F_CREATE, put_name);
        put_sets(&mut writer, table, &op.elements);
        put_chains(&mut writer, table);
        put_rules(&mut writer, table, &op.counters);
    }
    let last = writer.next.wrapping_sub(1);
    // Kernels before 6.10 answer no end of a batch.
    writer.buffer.acknowledge_last();
    writer.control(kind::BATCH_END, |_| {});
    Ok(Encoded {
        bytes: writer.buffer.into_bytes().ok_or(WireError::Length)?,
        first,
        last,
        parts: writer.parts,
    })
}

/// Whether all texts have room.
fn check(table: &Table) -> Result<(), WireError> {
    let fits = |text: &str, most: usize| text.len() <= most && !text.contains('\0');
    let set = |set: &crate::state::nft::Set| {
        let mut comments = set.elements.iter().filter_map(|one| one.comment.as_deref());
        fits(&set.name, MAX_NAME) && comments.all(|text| fits(text, MAX_COMMENT))
    };
    let rule = |rule: &Rule| {
        let comment = rule.comment.as_deref().unwrap_or_default();
        let prefix = rule.log.as_ref().map_or("", |log| &log.prefix);
        let target = match &rule.verdict {
            Verdict::Jump(chain) => chain,
            _ => "",
        };
        fits(comment, MAX_COMMENT) && fits(prefix, MAX_LOG_PREFIX) && fits(target, MAX_NAME)
    };
    let chain = |chain: &Chain| fits(&chain.name, MAX_NAME) && chain.rules.iter().all(rule);
    let all = table.sets.iter().all(set) && table.chains.iter().all(chain);
    all.then_some(()).ok_or(WireError::Length)
}

fn put_sets(writer: &mut Writer, table: &Table, counters: &[Vec<Counter>]) {
    for (index, wanted) in table.sets.iter().enumerate() {
        writer.about(Subject::Set(index));
        // Never 0: that is no number of a set.
        let id = u32::try_from(index + 1).unwrap_or(u32::MAX);
        writer.message(kind::NEW_SET, NLM_F_CREATE, |b| {
            set::put(b, TABLE, wanted, id);
        });
        let counters = counters.get(index).map_or(&[][..], Vec::as_slice);
        let mut done = 0;
        while let Some(rest) = wanted.elements.get(done..).filter(|rest| !rest.is_empty()) {
            writer.about(Subject::Elements {
                set: index,
                element: done,
            });
            writer.message(kind::NEW_ELEMENTS, NLM_F_CREATE, |b| {
                let counters = counters.get(done..).unwrap_or_default();
                done += set::put_elements(b, TABLE, wanted, rest, counters);
            });
        }
    }
}

fn put_chains(writer: &mut Writer, table: &Table) {
    for (index, wanted) in table.chains.iter().enumerate() {
        writer.about(Subject::Chain(index));
        writer.message(kind::NEW_CHAIN, NLM_F_CREATE, |b| {
            b.put_text(chain::TABLE, TABLE);
            b.put_text(chain::NAME, &wanted.name);
            if let Some(base) = &wanted.base {
                b.nest(chain::HOOK, |b| {
                    b.put_number(hook::NUMBER, base.hook.number());
                    b.put(hook::PRIORITY, &base.priority.to_be_bytes());
                });
                b.put_number(chain::POLICY, base.policy.number());
                b.put_text(chain::TYPE, CHAIN_TYPE);
            }
        });
    }
}

/// The one type of base chains that is ours.
pub(super) const CHAIN_TYPE: &str = "filter";

fn put_rules(writer: &mut Writer, table: &Table, counters: &[Vec<Counter>]) {
    for (index, chain) in table.chains.iter().enumerate() {
        writer.about(Subject::Rule {
            chain: index,
            rule: 0,
        });
        let mut counted = counters.get(index).into_iter().flatten();
        for wanted in &chain.rules {
            let counter = counted.next().copied().unwrap_or_default();
            writer.message(kind::NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, |b| {
                b.put_text(nfta_rule::TABLE, TABLE);
                b.put_text(nfta_rule::CHAIN, &chain.name);
                b.nest(nfta_rule::EXPRESSIONS, |b| rule::put(b, wanted, counter));
                user_data::put(b, nfta_rule::USER_DATA, wanted.comment.as_deref(), false);
            });
        }
    }
}

/// Why a batch was not done: none of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// What the kernel says.
    pub refusal: Refusal,
    /// About what.
    pub subject: Subject,
    /// The module that has what is missing.
    pub module: Option<&'static str>,
}

impl Encoded {
    /// The highest sequence number in it.
    pub fn last_seq(&self) -> u32 {
        self.last.wrapping_add(1)
    }

    /// Takes one datagram of what the kernel says to it. `None`: read on. The first refusal is enough: it is about the first
    /// message that is wrong, and others may follow from it.
    pub fn receive(&self, datagram: &[u8]) -> Option<Result<(), Objection>> {
        let count = self.last.wrapping_sub(self.first);
        let ours = |seq: u32| seq.wrapping_sub(self.first) <= count;
        for frame in frames(datagram) {
            if frame.kind != message::kind::NLMSG_ERROR || !ours(frame.seq) {
                continue;
            }
            match ack::parse(frame.flags, frame.body) {
                Some(Err(refusal)) => return Some(Err(self.objection(frame.seq, refusal))),
                _ if frame.seq == self.last => return Some(Ok(())),
                _ => {}
            }
        }
        None
    }

    /// What `refusal` of the message `seq` is about.
    fn objection(&self, seq: u32, refusal: Refusal) -> Objection {
        let offset = |seq: u32| seq.wrapping_sub(self.first);
        let part = self.parts.iter().rev();
        let part = part
            .into_iter()
            .find(|(from, _)| offset(*from) <= offset(seq));
        let (from, subject) = part.cloned().unwrap_or((self.first, Subject::Batch));
        let nth = usize::try_from(seq.wrapping_sub(from)).unwrap_or(0);
        let mut messages = frames(&self.bytes).filter(|frame| frame.seq == seq);
        let body = messages.next().map(|frame| frame.body).unwrap_or_default();
        let at = refusal.offset.and_then(|at| usize::try_from(at).ok());
        let subject = match subject {
            Subject::Rule { chain, rule } => Subject::Rule {
                chain,
                rule: rule + nth,
            },
            Subject::Elements { set, element } => Subject::Elements {
                set,
                element: element + at.map_or(0, |at| nth_element(body, at)),
            },
            other => other,
        };
        let module = match refusal.errno {
            EOPNOTSUPP if subject == Subject::Batch => Some("nf_tables"),
            ENOENT => at.and_then(|at| missing(body, at)),
            _ => None,
        };
        Objection {
            subject,
            module,
            refusal,
        }
    }
}

/// The kernel has no such chain, set or expression.
const ENOENT: i32 = 2;
/// The kernel does not know what is asked for.
const EINVAL: i32 = 22;
/// The generation is another by now (`nfnetlink_rcv_batch`, net/netfilter/nfnetlink.c).
const ERESTART: i32 = 85;
/// The kernel has no nf_tables.
const EOPNOTSUPP: i32 = 95;

/// The module of the expression whose name is at this offset of the message.
fn missing(body: &[u8], at: usize) -> Option<&'static str> {
    let attribute = body.get(at.checked_sub(BODY - HEADER)?..)?;
    let (kind, name) = attributes(attribute).next()?;
    let name = name
        .strip_suffix(&[0])
        .filter(|_| kind == EXPRESSION_NAME)?;
    let mut known = OF_MODULES.iter();
    let found = known.find(|(expression, _)| expression.as_bytes() == name);
    found.map(|(_, module)| *module)
}

/// How many elements start before this offset of the message.
fn nth_element(body: &[u8], at: usize) -> usize {
    let place = |value: &[u8]| value.as_ptr().addr() - body.as_ptr().addr() + BODY - HEADER;
    let body_of = body.get(HEADER..).unwrap_or_default();
    let lists = attributes(body_of).filter(|(kind, _)| *kind == list::ELEMENTS);
    let all = lists.flat_map(|(_, elements)| attributes(elements));
    let before = all.take_while(|(_, one)| place(one) <= at);
    before.filter(|(_, one)| !set::is_end(one)).count()
}

impl Objection {
    /// In words: `op` is what was asked for.
    pub fn about(&self, op: &FirewallOp) -> String {
        let table = op.table.as_deref();
        let set = |set: usize| table.and_then(|table| table.sets.get(set));
        let chain = |chain: usize| table.and_then(|table| table.chains.get(chain));
        let mut old = false;
        let what = match &self.subject {
            Subject::Batch => "the batch".to_owned(),
            Subject::Table => format!("table inet {TABLE}"),
            Subject::Set(index) => {
                let set = set(*index);
                let concat = set.is_some_and(|set| set.interval && set.key.len() > 1);
                // Ranges of several values came with 5.6, and elements that count in them with 5.7. There is nothing to fall
                // back to: older kernels are none that this program is made for, and what was in force stays so.
                old = concat && matches!(self.refusal.errno, ENOENT | EINVAL | EOPNOTSUPP);
                format!("set {}", set.map_or("", |set| &set.name))
            }
            Subject::Elements {
                set: index,
                element,
            } => {
                let set = set(*index);
                let name = set.map_or("", |set| &set.name);
                let element = set.and_then(|set| set.elements.get(*element));
                match element.and_then(|one| one.comment.as_deref()) {
                    Some(comment) => format!("element {comment:?} of set {name}"),
                    None => format!("an element of set {name}"),
                }
            }
            Subject::Chain(index) => {
                format!("chain {}", chain(*index).map_or("", |chain| &chain.name))
            }
            Subject::Rule { chain: index, rule } => {
                let chain = chain(*index);
                let name = chain.map_or("", |chain| &chain.name);
                let found = chain.and_then(|chain| chain.rules.get(*rule));
                match found.and_then(|rule| rule.comment.as_deref()) {
                    Some(comment) => format!("rule {comment:?} of chain {name}"),
                    None => format!("rule {} of chain {name}", rule + 1),
                }
            }
        };
        if self.refusal.errno == ERESTART {
            return format!("{what}: the rules are no longer those that this was planned for");
        }
        match self.module {
            Some(module) => format!("{what}: {} (the kernel has no {module}?)", self.refusal),
            None if old => format!("{what}: {} (the kernel is older than 5.7?)", self.refusal),
            None => format!("{what}: {}", self.refusal),
        }
    }
}
