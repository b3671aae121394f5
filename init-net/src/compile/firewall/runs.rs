//! Runs of like rules: those that do the same with what comes by the same links, one after the other, become elements of one
//! set a family. A packet is then looked up once instead of compared with each of them, and the kernel takes a fifth of the
//! time to load them.
//!
//! Every element counts and is called like its rule. The kernel takes no elements that overlap, and what two rules match has
//! to count for the first: a rule that meets an earlier one of its run begins another run.

use std::collections::HashMap;
use std::hash::Hash;

use super::lower::{Part, has_ports, meaning};
use super::ranges::{self, Range};
use super::space::{Space, hosts};
use crate::state::nft::{Datum, Element, Field, KeyType, Set};
use crate::state::{Family, FirewallRuleSpec, RuleVerdict};
use crate::value::{PortRange, Protocol};

/// Fewest rules of a run, rules: a packet that none of so many matches takes as long as one that is looked up, 0.5 µs, which
/// hardly grows with the set.
pub(super) const MIN_RULES: usize = 32;

/// Most elements that one rule comes to, elements: one with more stays alone, with a set of each of its lists.
const MAX_ELEMENTS: usize = 64;

/// Most elements of a set with the same first part of the key, elements: the kernel goes through all of them for a packet that
/// has it, and for an element to come (`pipapo_refill`, net/netfilter/nft_set_pipapo.c). 10,000 of one network with ports of
/// their own take 1.5 s to load with the network in front, and 0.1 s with the port.
const MAX_CROWD: usize = 256;

/// What a rule matches at one place: a range of addresses and one of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub family: Family,
    pub protocol: Protocol,
    pub addresses: Range,
    pub ports: PortRange,
}

/// A rule, or many.
pub(super) enum Group<'s> {
    One(&'s FirewallRuleSpec),
    Run(Box<Run<'s>>),
}

/// Rules that are the same but for their addresses and ports, no two of which match the same packet.
pub(super) struct Run<'s> {
    /// What they do.
    pub action: RuleVerdict,
    rules: Vec<&'s FirewallRuleSpec>,
    /// Each with the number of its rule.
    pieces: Vec<(usize, Piece)>,
    crowds: [Crowds; 2],
}

/// How many elements have the same part of the key.
#[derive(Default)]
struct Crowds {
    addresses: Crowd<Range>,
    ports: Crowd<(Protocol, PortRange)>,
}

struct Crowd<K> {
    sizes: HashMap<K, usize>,
    largest: usize,
}

impl<K> Default for Crowd<K> {
    fn default() -> Self {
        Self {
            sizes: HashMap::new(),
            largest: 0,
        }
    }
}

impl<K: Eq + Hash> Crowd<K> {
    fn add(&mut self, key: K) {
        let size = self.sizes.entry(key).or_default();
        *size += 1;
        self.largest = self.largest.max(*size);
    }
}

/// `rules`, which are all about the same direction, in their order. `accept`: what no rule matches passes.
pub(super) fn groups<'s>(rules: &[&'s FirewallRuleSpec], accept: bool) -> Vec<Group<'s>> {
    let mut groups = Vec::new();
    if rules.len() < MIN_RULES {
        groups.extend(rules.iter().map(|rule| Group::One(rule)));
        return groups;
    }
    let mut all = Vec::with_capacity(rules.len());
    for rule in rules {
        let (action, parts) = meaning(rule, accept);
        all.push((*rule, action, pieces(rule, &parts)));
    }
    let hosts = hosts(all.iter().filter_map(|(_, _, pieces)| pieces.as_deref()));
    let mut space = Space::new(&hosts);
    let mut run: Option<Run<'_>> = None;
    for (rule, action, pieces) in all {
        let Some(pieces) = pieces else {
            end(run.take(), &mut groups);
            groups.push(Group::One(rule));
            continue;
        };
        let goes_on = run.as_ref().is_some_and(|run| {
            run.is_like(rule, action) && !pieces.iter().any(|piece| space.meets(piece))
        });
        if !goes_on {
            end(run.take(), &mut groups);
            space = Space::new(&hosts);
        }
        for piece in &pieces {
            space.add(piece);
        }
        let run = run.get_or_insert_with(|| Run::new(action));
        run.add(rule, pieces);
    }
    end(run, &mut groups);
    groups
}

/// Ends a run: what is too short for a set is its rules.
fn end<'s>(run: Option<Run<'s>>, groups: &mut Vec<Group<'s>>) {
    match run {
        Some(run) if run.rules.len() >= MIN_RULES => groups.push(Group::Run(Box::new(run))),
        Some(run) => groups.extend(run.rules.into_iter().map(Group::One)),
        None => {}
    }
}

/// All that a rule matches; `None`: it is no element of anything.
fn pieces(rule: &FirewallRuleSpec, parts: &[(Family, Part); 2]) -> Option<Vec<Piece>> {
    if rule.limit.is_some() || rule.log.is_some() {
        return None;
    }
    let mut pieces = Vec::new();
    for (protocol, ports) in rule.selectors() {
        if !has_ports(protocol) {
            return None;
        }
        let ports = match ports.is_empty() {
            true => vec![PortRange::ALL],
            false => ports,
        };
        for (family, part) in parts {
            let all = [ranges::all(*family)];
            let addresses = match part {
                Part::Nothing => &[],
                Part::Everything => &all[..],
                Part::In(ranges) => ranges,
                Part::NotIn(_) => return None,
            };
            if pieces.len() + addresses.len() * ports.len() > MAX_ELEMENTS {
                return None;
            }
            for addresses in addresses {
                pieces.extend(ports.iter().map(|ports| Piece {
                    family: *family,
                    protocol,
                    addresses: *addresses,
                    ports: *ports,
                }));
            }
        }
    }
    Some(pieces)
}

impl<'s> Run<'s> {
    fn new(action: RuleVerdict) -> Self {
        Self {
            action,
            rules: Vec::new(),
            pieces: Vec::new(),
            crowds: Default::default(),
        }
    }

    fn add(&mut self, rule: &'s FirewallRuleSpec, pieces: Vec<Piece>) {
        let number = self.rules.len();
        self.rules.push(rule);
        for piece in pieces {
            let [v4, v6] = &mut self.crowds;
            let crowds = match piece.family {
                Family::Inet4 => v4,
                Family::Inet6 => v6,
            };
            crowds.addresses.add(piece.addresses);
            crowds.ports.add((piece.protocol, piece.ports));
            self.pieces.push((number, piece));
        }
    }

    /// Whether another rule may follow: it does the same, and the set is not too crowded yet.
    fn is_like(&self, rule: &FirewallRuleSpec, action: RuleVerdict) -> bool {
        let first = self.rules.first();
        let crowded = |crowds: &Crowds| {
            crowds.addresses.largest >= MAX_CROWD && crowds.ports.largest >= MAX_CROWD
        };
        action == self.action
            && first.is_none_or(|first| first.interfaces == rule.interfaces)
            && !self.crowds.iter().any(crowded)
    }

    /// The first of its rules: all others are for the same links.
    pub fn first(&self) -> Option<&'s FirewallRuleSpec> {
        self.rules.first().copied()
    }

    /// Whether a rule is about `protocol`.
    pub fn has(&self, protocol: Protocol) -> bool {
        let mut pieces = self.pieces.iter();
        pieces.any(|(_, piece)| piece.protocol == protocol)
    }

    /// The set of a family, and what is looked up in it; `None`: it would be empty. `address`: of the sender or the receiver.
    /// It has no name yet.
    pub fn set(&self, family: Family, address: Field) -> Option<(Set, Vec<Field>)> {
        let [v4, v6] = &self.crowds;
        let (crowds, kind) = match family {
            Family::Inet4 => (v4, KeyType::Ipv4Addr),
            Family::Inet6 => (v6, KeyType::Ipv6Addr),
        };
        let port_first = crowds.addresses.largest > crowds.ports.largest;
        let datum = |address, protocol: Protocol, port| {
            let address = ranges::datum(address, family);
            let protocol = Datum::byte(protocol.number());
            Datum::concat(&ordered(port_first, address, protocol, Datum::port(port)))
        };
        let mut elements = Vec::new();
        for (number, piece) in &self.pieces {
            if piece.family != family {
                continue;
            }
            let (first, end) = piece.addresses;
            let rule = self.rules.get(*number);
            elements.push(Element {
                // Never too long: see `MAX_DATUM`.
                first: datum(first, piece.protocol, piece.ports.first())?,
                last: datum(end, piece.protocol, piece.ports.last())?,
                comment: rule.map(|rule| rule.name.as_str().into()),
            });
        }
        elements.sort_unstable_by_key(|element| (element.first, element.last));
        let key = ordered(port_first, kind, KeyType::InetProto, KeyType::InetService);
        let fields = ordered(port_first, address, Field::L4Proto, Field::Dport);
        let set = Set {
            name: String::new(),
            key: key.into(),
            interval: true,
            counter: true,
            elements,
        };
        (!set.elements.is_empty()).then(|| (set, fields.into()))
    }
}

/// The parts of a key: the part in front is the one that fewer elements share, see [`MAX_CROWD`].
fn ordered<T>(port_first: bool, address: T, protocol: T, port: T) -> [T; 3] {
    match port_first {
        true => [port, protocol, address],
        false => [address, protocol, port],
    }
}
