//! What the firewall does with a packet: nf_tables as far as our table uses it. `explain packet` shows it, and the tests hold
//! it against what the rules mean.
//!
//! Fields are read from bytes at the places where the kernel reads them: a rule that forgets to ask for the family compares
//! the wrong bytes here, too.

use core::net::IpAddr;

use crate::state::Family;
use crate::state::nft::{
    Chain, Datum, Element, Field, Hook, Match, Policy, Rule, Set, Table, Test, Verdict, ct,
};
use crate::value::LinkName;

/// A packet to this machine or from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// By which link it comes in; `None`: it goes out.
    pub in_link: Option<LinkName>,
    /// By which link it goes out.
    pub out_link: Option<LinkName>,
    /// From where.
    pub src: IpAddr,
    /// To where; of the family of `src`.
    pub dst: IpAddr,
    /// IPPROTO_*.
    pub protocol: u8,
    /// The first bytes behind the header of IP: ports of TCP and UDP, type and code of ICMP.
    pub payload: Payload,
    /// TTL, or hop limit.
    pub hop_limit: u8,
    /// One bit of [`crate::state::nft::ct`].
    pub ct_state: u32,
    /// What kind of address `dst` is to this machine.
    pub destination: Destination,
    /// Whether it had another destination, not of this machine, until NAT gave it this one: before routing nobody judged it.
    pub translated: bool,
    /// Whether it is one too many for every limit.
    pub over_limit: bool,
}

/// What a rule may ask of a packet behind the header of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// From and to.
    Ports(u16, u16),
    /// Type and code.
    Icmp(u8, u8),
    /// Nothing that a rule asks for.
    Other,
}

/// RTN_* of an address, include/uapi/linux/rtnetlink.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Somewhere else: it is passed on, and no chain of ours sees that.
    Unicast = 1,
    /// An address of this machine.
    Local = 2,
    /// All of a network.
    Broadcast = 3,
    /// A group.
    Multicast = 5,
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'t> {
    /// Whether it went through.
    pub outcome: Outcome,
    /// What each chain did, in the order of the hooks; the last one decided. None: there is no chain for it.
    pub steps: Vec<Step<'t>>,
}

/// What a chain did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'t> {
    /// Name of the chain in which the deciding rule is, or whose policy decided.
    pub chain: &'t str,
    /// The rule's number in it, from 0; `None`: the policy.
    pub rule: Option<usize>,
    /// Name of what it stands for: where the rule looks up elements that have names, that of the element.
    pub comment: Option<&'t str>,
    /// What it did.
    pub outcome: Outcome,
    /// What was logged on the way.
    pub logged: Vec<&'t str>,
}

/// What becomes of a packet in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Accept,
    /// It is dropped.
    Drop,
    /// It is dropped, and the sender is told.
    Reject,
}

/// What `table` does with `packet`.
pub fn decide<'t>(table: &'t Table, packet: &Packet) -> Decision<'t> {
    let passed_on = packet.destination == Destination::Unicast;
    let hooks: &[Hook] = match packet.in_link {
        Some(_) if packet.translated && !passed_on => &[Hook::Input],
        Some(_) if passed_on => &[Hook::Prerouting],
        Some(_) => &[Hook::Prerouting, Hook::Input],
        None => &[Hook::Output],
    };
    let bytes = bytes(packet);
    let mut steps = Vec::new();
    for hook in hooks {
        let mut chains: Vec<(i32, &Chain, Policy)> = Vec::new();
        for chain in &table.chains {
            if let Some(base) = chain.base.filter(|base| base.hook == *hook) {
                chains.push((base.priority, chain, base.policy));
            }
        }
        chains.sort_by_key(|(priority, _, _)| *priority);
        for (_, chain, policy) in chains {
            let mut walk = Walk {
                table,
                packet,
                bytes: &bytes,
                logged: Vec::new(),
            };
            let found = walk.chain(chain, 0);
            let (chain, rule, comment, outcome) = match found {
                Some((chain, number, rule, outcome)) => {
                    (chain, Some(number), walk.name(rule), outcome)
                }
                None => (chain, None, None, policy_outcome(policy)),
            };
            steps.push(Step {
                chain: &chain.name,
                rule,
                comment,
                outcome,
                logged: walk.logged,
            });
            if outcome != Outcome::Accept {
                return Decision { outcome, steps };
            }
        }
    }
    let outcome = Outcome::Accept;
    Decision { outcome, steps }
}

const fn policy_outcome(policy: Policy) -> Outcome {
    match policy {
        Policy::Accept => Outcome::Accept,
        Policy::Drop => Outcome::Drop,
    }
}

/// Most jumps in each other: NFT_JUMP_STACK_SIZE, include/net/netfilter/nf_tables.h.
const MAX_JUMPS: usize = 16;

/// The rule that decided, where it stands, and how.
type Found<'t> = (&'t Chain, usize, &'t Rule, Outcome);

struct Walk<'t, 'p> {
    table: &'t Table,
    packet: &'p Packet,
    bytes: &'p [u8],
    logged: Vec<&'t str>,
}

impl<'t> Walk<'t, '_> {
    fn chain(&mut self, chain: &'t Chain, depth: usize) -> Option<Found<'t>> {
        for (number, rule) in chain.rules.iter().enumerate() {
            if !rule.matches.iter().all(|found| self.is_so(found))
                || rule.limit.is_some() && self.packet.over_limit
            {
                continue;
            }
            self.logged
                .extend(rule.log.as_ref().map(|log| log.prefix.as_str()));
            let outcome = match &rule.verdict {
                Verdict::Accept => Outcome::Accept,
                Verdict::Drop => Outcome::Drop,
                Verdict::Reject(_) => Outcome::Reject,
                Verdict::Continue => continue,
                Verdict::Return => return None,
                Verdict::Jump(name) => {
                    let next = self.table.chains.iter().find(|chain| chain.name == *name);
                    let next = next.filter(|_| depth < MAX_JUMPS);
                    match next.and_then(|next| self.chain(next, depth + 1)) {
                        Some(found) => return Some(found),
                        None => continue,
                    }
                }
            };
            return Some((chain, number, rule, outcome));
        }
        None
    }

    /// What a rule that matches stands for.
    fn name(&self, rule: &'t Rule) -> Option<&'t str> {
        let mut matches = rule.matches.iter();
        let element = matches.find_map(|found| match found {
            Match::In {
                fields,
                set,
                not: false,
            } => self.element(fields, set)?.comment.as_deref(),
            _ => None,
        });
        element.or(rule.comment.as_deref())
    }

    /// What these fields are in that set.
    fn element(&self, fields: &[Field], set: &str) -> Option<&'t Element> {
        let values: Option<Vec<Datum>> = fields.iter().map(|f| self.value(*f)).collect();
        let set = self.table.sets.iter().find(|own| own.name == set);
        find(set?, &values?)
    }

    fn is_so(&self, found: &Match) -> bool {
        match found {
            Match::Is { field, test } => {
                self.value(*field).is_some_and(|value| passes(&value, test))
            }
            Match::In { fields, set, not } => {
                // What a packet does not have is not looked up.
                let known = fields.iter().all(|field| self.value(*field).is_some());
                known && self.element(fields, set).is_some() != *not
            }
            Match::Foreign(_) => false,
        }
    }

    /// What a field is; `None`: the packet is too short for it, and the rule does not match.
    fn value(&self, field: Field) -> Option<Datum> {
        let packet = self.packet;
        let v4 = packet.src.is_ipv4();
        let behind = if v4 { 20 } else { 40 };
        let at = |start: usize, len: usize| Datum::new(self.bytes.get(start..start + len)?);
        let link = |link: &Option<LinkName>| match link {
            Some(link) => Datum::link(link.as_str()),
            None => Datum::new(&[0; 16]),
        };
        match field {
            Field::Iifname => link(&packet.in_link),
            Field::Oifname => link(&packet.out_link),
            Field::NfProto => Some(Datum::byte(if v4 { 2 } else { 10 })),
            Field::L4Proto => Some(Datum::byte(packet.protocol)),
            Field::CtState => Some(Datum::word(packet.ct_state)),
            Field::CtStatus => Some(Datum::word(if packet.translated { ct::DNAT } else { 0 })),
            Field::DaddrType => Some(Datum::word(packet.destination as u32)),
            // Of the packets that come in: nothing is said here of which link has the address.
            Field::DaddrTypeByIif => {
                let there = packet.in_link.is_some();
                there.then(|| Datum::word(packet.destination as u32))
            }
            Field::Saddr(Family::Inet4) => at(12, 4),
            Field::Saddr(Family::Inet6) => at(8, 16),
            Field::Daddr(Family::Inet4) => at(16, 4),
            Field::Daddr(Family::Inet6) => at(24, 16),
            Field::HopLimit(Family::Inet4) => at(8, 1),
            Field::HopLimit(Family::Inet6) => at(7, 1),
            Field::Sport => at(behind, 2),
            Field::Dport => at(behind + 2, 2),
            Field::IcmpType(_) => at(behind, 1),
            Field::IcmpCode(_) => at(behind + 1, 1),
        }
    }
}

/// The header of IP, and what rules may ask for behind it.
fn bytes(packet: &Packet) -> Vec<u8> {
    let mut bytes = match (packet.src, packet.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut header = vec![
                0x45,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                packet.hop_limit,
                packet.protocol,
                0,
                0,
            ];
            header.extend(src.octets());
            header.extend(dst.octets());
            header
        }
        (src, dst) => {
            let octets = |address| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            let mut header = vec![0x60, 0, 0, 0, 0, 0, packet.protocol, packet.hop_limit];
            header.extend(octets(src));
            header.extend(octets(dst));
            header
        }
    };
    match packet.payload {
        Payload::Ports(from, to) => bytes.extend([from.to_be_bytes(), to.to_be_bytes()].concat()),
        Payload::Icmp(kind, code) => bytes.extend([kind, code, 0, 0]),
        Payload::Other => bytes.extend([0; 4]),
    }
    // The rest of the header, and data.
    bytes.extend([0; 32]);
    bytes
}

fn passes(value: &Datum, test: &Test) -> bool {
    let bytes = value.bytes();
    // A shorter value is compared with as many bytes of the field.
    let starts = |datum: &Datum| bytes.starts_with(datum.bytes());
    let within = |first: &Datum, last: &Datum| (first.bytes()..=last.bytes()).contains(&bytes);
    match test {
        Test::Eq(datum) => starts(datum),
        Test::Ne(datum) => !starts(datum),
        Test::Between(first, last) => within(first, last),
        Test::Outside(first, last) => !within(first, last),
        Test::Inside(prefix) => inside(bytes, prefix),
        Test::NotInside(prefix) => !inside(bytes, prefix),
        Test::AnyOf(bits) => bits_of(bytes).is_some_and(|own| own & bits != 0),
        Test::NoneOf(bits) => bits_of(bytes).is_some_and(|own| own & bits == 0),
    }
}

fn bits_of(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

/// Whether the first bits of `bytes` are those of the network.
fn inside(bytes: &[u8], prefix: &crate::value::Prefix) -> bool {
    let network = Datum::address(prefix.address());
    let len = usize::from(prefix.len());
    let bit = |bytes: &[u8], at: usize| bytes.get(at / 8).map(|byte| byte >> (7 - at % 8) & 1);
    (0..len).all(|at| bit(bytes, at) == bit(network.bytes(), at))
}

/// The element of a set that has these values, one for each part of the key.
fn find<'t>(set: &'t Set, values: &[Datum]) -> Option<&'t Element> {
    if let [value] = values {
        // In order, and apart from each other.
        let at = set
            .elements
            .partition_point(|element| element.last.bytes() < value.bytes());
        let element = set.elements.get(at)?;
        return (element.first.bytes() <= value.bytes()).then_some(element);
    }
    set.elements.iter().find(|element| {
        let mut at = 0;
        values.iter().all(|value| {
            let own = value.bytes();
            let part = at..at + own.len();
            at = part.end.next_multiple_of(4);
            let first = element.first.bytes().get(part.clone());
            let last = element.last.bytes().get(part);
            first.is_some_and(|first| first <= own) && last.is_some_and(|last| own <= last)
        })
    })
}
