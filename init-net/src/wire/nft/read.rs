//! What there is of our table: one question after the other, and what the answers come to.

use std::collections::VecDeque;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};

use super::super::answer::{Exchange, Progress};
use super::super::attribute::attributes;
use super::batch::{CHAIN_TYPE, nfta_rule};
use super::buffer::Buffer;
use super::set::{Elements, list};
use super::{HEADER, INET, chain, hook, kind, number, rule, set, table, text};
use crate::state::nft::{Base, Chain, Counter, Hook, Policy, TABLE, Table, TableStatus};

/// NFTA_GEN_ID.
const GENERATION: u16 = 1;

/// NFTA_SET_TABLE.
const SET_TABLE: u16 = 1;

/// There is no such table, or set.
const ENOENT: i32 = 2;

/// Our table, and the generation of the rules.
pub type Seen = (Option<TableStatus>, Option<u32>);

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The generation of the rules, before or after the others.
    Generation,
    /// The table itself. A refusal with ENOENT: there is none.
    Table,
    /// Its sets, without their elements.
    Sets,
    /// Elements of the set with this index.
    Elements(usize),
    /// Its chains.
    Chains,
    /// Its rules.
    Rules,
}

/// Collects the answers.
#[derive(Debug, Default)]
pub struct Reading {
    /// Generation at the start and at the end.
    generations: Vec<u32>,
    status: Option<TableStatus>,
    /// How many chains, sets and other things are in the table.
    uses: u32,
    elements: Elements,
    /// Something changed during a dump.
    interrupted: bool,
    exchange: Option<Exchange>,
}

impl Reading {
    /// What is to be asked, in order; [`Part::Elements`] of each set follow [`Part::Sets`].
    pub fn parts() -> VecDeque<Part> {
        [
            Part::Generation,
            Part::Table,
            Part::Sets,
            Part::Chains,
            Part::Rules,
            Part::Generation,
        ]
        .into()
    }

    /// The request for `part`, whose answers [`Self::receive`] takes next.
    pub fn ask(&mut self, part: &Part, seq: u32) -> Vec<u8> {
        self.exchange = Some(Exchange::new(seq));
        self.elements = Elements::default();
        match part {
            Part::Generation => Buffer::request((kind::GET_GENERATION, NLM_F_ACK), seq, 0, |_| {}),
            Part::Table => Buffer::request((kind::GET_TABLE, NLM_F_ACK), seq, INET, |b| {
                b.put_text(table::NAME, TABLE);
            }),
            Part::Sets => Buffer::request((kind::GET_SET, NLM_F_DUMP), seq, INET, |b| {
                b.put_text(SET_TABLE, TABLE);
            }),
            Part::Elements(index) => {
                let name = self.set_name(*index);
                Buffer::request((kind::GET_ELEMENTS, NLM_F_DUMP), seq, INET, |b| {
                    b.put_text(list::TABLE, TABLE);
                    b.put_text(list::SET, &name);
                })
            }
            Part::Chains => Buffer::request((kind::GET_CHAIN, NLM_F_DUMP), seq, INET, |b| {
                b.put_text(chain::TABLE, TABLE);
            }),
            Part::Rules => Buffer::request((kind::GET_RULE, NLM_F_DUMP), seq, INET, |b| {
                b.put_text(nfta_rule::TABLE, TABLE);
            }),
        }
    }

    fn set_name(&self, index: usize) -> String {
        let set = self.status.as_ref().and_then(|it| it.table.sets.get(index));
        set.map(|set| set.name.clone()).unwrap_or_default()
    }

    /// Takes one datagram of the answers to what was asked last.
    pub fn receive(&mut self, datagram: &[u8]) -> Progress {
        let Some(mut exchange) = self.exchange.take() else {
            return Progress::Done;
        };
        let progress = exchange.receive(datagram, |kind, body| {
            let is_inet = body.first() == Some(&INET);
            let body = body.get(HEADER..).unwrap_or_default();
            if kind == kind::NEW_GENERATION {
                self.generations.extend(find_number(body, GENERATION));
            } else if is_inet && named_ours(body) {
                self.take(kind, body);
            }
        });
        self.exchange = Some(exchange);
        progress
    }

    /// The kernel refused `part`. What is to be asked instead of all the others; `None`: it is an error.
    pub fn refused(&mut self, part: &Part, errno: i32) -> Option<VecDeque<Part>> {
        if errno != ENOENT {
            return None;
        }
        // Gone since it was found: it was another state.
        self.interrupted |= *part != Part::Table;
        self.status = None;
        Some([Part::Generation].into())
    }

    /// `part` is answered, `interrupted` by a change. Answers what is to be asked before the others.
    pub fn answered(&mut self, part: &Part, interrupted: bool) -> Vec<Part> {
        self.interrupted |= interrupted;
        let Some(status) = &mut self.status else {
            return Vec::new();
        };
        match part {
            Part::Sets => (0..status.table.sets.len()).map(Part::Elements).collect(),
            Part::Elements(index) => {
                let elements = core::mem::take(&mut self.elements);
                status.foreign |= elements.foreign;
                if let Some(set) = status.table.sets.get_mut(*index) {
                    status.foreign |= elements.is_counting() && !set.counter;
                    let (elements, counters) = elements.into_elements(set);
                    set.elements = elements;
                    if let Some(slot) = status.elements.get_mut(*index) {
                        *slot = counters;
                    }
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn take(&mut self, kind: u16, body: &[u8]) {
        if kind == kind::NEW_TABLE {
            let flags = find_number(body, table::FLAGS).unwrap_or(0);
            self.uses = find_number(body, table::USE).unwrap_or(0);
            self.status = Some(TableStatus {
                table: Table::default(),
                counters: Vec::new(),
                elements: Vec::new(),
                foreign: flags != 0,
            });
            return;
        }
        let Some(status) = &mut self.status else {
            return;
        };
        match kind {
            kind::NEW_SET => match set::read(body) {
                Some(set) => {
                    status.table.sets.push(set);
                    status.elements.push(Vec::new());
                }
                None => status.foreign = true,
            },
            kind::NEW_ELEMENTS => self.elements.take(body),
            kind::NEW_CHAIN => match read_chain(body) {
                Some(chain) => {
                    status.table.chains.push(chain);
                    status.counters.push(Vec::new());
                }
                None => status.foreign = true,
            },
            kind::NEW_RULE => status.foreign |= take_rule(status, body).is_none(),
            _ => {}
        }
    }

    /// What it comes to, and the generation that it is of. `Err`: the rules changed meanwhile, so it may be no state at all.
    pub fn finish(mut self) -> Result<Seen, Seen> {
        let generation = self.generations.first().copied();
        if let Some(status) = &mut self.status {
            let known = status.table.chains.len() + status.table.sets.len();
            status.foreign |= usize::try_from(self.uses) != Ok(known);
        }
        if self.interrupted || self.generations.last().copied() != generation {
            Err((self.status, generation))
        } else {
            Ok((self.status, generation))
        }
    }
}

fn find(body: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut found = attributes(body).filter(|(kind, _)| *kind == wanted);
    found.next().map(|(_, value)| value)
}

fn find_number(body: &[u8], wanted: u16) -> Option<u32> {
    find(body, wanted).and_then(number)
}

/// The name of the table is the first attribute of every kind of object (NFTA_*_TABLE, NFTA_TABLE_NAME).
fn named_ours(body: &[u8]) -> bool {
    find(body, table::NAME).and_then(text) == Some(TABLE)
}

fn read_chain(body: &[u8]) -> Option<Chain> {
    let name = find(body, chain::NAME).and_then(text)?.to_owned();
    let base = match find(body, chain::HOOK) {
        None => None,
        Some(value) => {
            let plain = find(value, hook::DEVICE).is_none()
                && find(value, hook::DEVICES).is_none()
                && find(body, chain::TYPE).and_then(text) == Some(CHAIN_TYPE);
            plain.then_some(())?;
            let priority = find(value, hook::PRIORITY)?.try_into().ok()?;
            Some(Base {
                hook: Hook::from_number(find_number(value, hook::NUMBER)?)?,
                priority: i32::from_be_bytes(priority),
                policy: Policy::from_number(find_number(body, chain::POLICY)?)?,
            })
        }
    };
    Some(Chain {
        name,
        base,
        rules: Vec::new(),
    })
}

/// `None`: a rule of a chain that is not known, or for xtables.
fn take_rule(status: &mut TableStatus, body: &[u8]) -> Option<()> {
    let name = find(body, nfta_rule::CHAIN).and_then(text)?;
    let mut chains = status.table.chains.iter();
    let index = chains.position(|chain| chain.name == name)?;
    find(body, nfta_rule::COMPAT).is_none().then_some(())?;
    let expressions = find(body, nfta_rule::EXPRESSIONS).unwrap_or_default();
    let userdata = find(body, nfta_rule::USER_DATA).unwrap_or_default();
    let (rule, counter): (_, Counter) = rule::read(expressions, userdata);
    status.table.chains.get_mut(index)?.rules.push(rule);
    status.counters.get_mut(index)?.push(counter);
    Some(())
}
