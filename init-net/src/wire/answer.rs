//! Collects answers: those of a batch of requests, those of a dump.

use std::collections::BTreeMap;

use netlink_packet_core::NLM_F_DUMP_INTR;
use netlink_packet_route::AddressFamily;

use super::ack;
use super::message::{frames, kind};
use super::{Kind, Refusal, decode};
use crate::state::{
    AddressStatus, Family, LinkStatus, NeighborStatus, OUR_PROTOCOL, RouteStatus, RuleStatus,
};
use crate::value::{BridgeVlan, Instant, RouteTable};

/// Where the answers stand after a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Read on.
    More,
    /// All there.
    Done,
    /// Something changed during the dump: ask again.
    Interrupted,
    /// The kernel refused it, or broke off.
    Failed(Refusal),
}

/// One exchange outside of rtnetlink: the messages that answer request `seq`, and their end.
#[derive(Debug)]
pub(super) struct Exchange {
    seq: u32,
    interrupted: bool,
}

impl Exchange {
    /// Awaits it.
    pub(super) const fn new(seq: u32) -> Self {
        Self {
            seq,
            interrupted: false,
        }
    }

    /// Takes one datagram, and gives the type and the body of every message in it to `take`.
    pub(super) fn receive(
        &mut self,
        datagram: &[u8],
        mut take: impl FnMut(u16, &[u8]),
    ) -> Progress {
        for frame in frames(datagram).filter(|frame| frame.seq == self.seq) {
            self.interrupted |= frame.flags & NLM_F_DUMP_INTR != 0;
            match frame.kind {
                kind::NLMSG_ERROR | kind::NLMSG_DONE => {
                    return match ack::parse(frame.flags, frame.body) {
                        Some(Err(refusal)) => Progress::Failed(refusal),
                        _ if self.interrupted => Progress::Interrupted,
                        _ => Progress::Done,
                    };
                }
                kind::NLMSG_OVERRUN => return Progress::Interrupted,
                _ => take(frame.kind, frame.body),
            }
        }
        Progress::More
    }
}

/// The answers to requests with consecutive sequence numbers, sent as one: the kernel works them off in their order. Only
/// the last has to ask for an acknowledgement; refusals come unasked.
#[derive(Clone, Debug)]
pub struct Batch {
    first: u32,
    results: Vec<Option<Result<(), Refusal>>>,
}

impl Batch {
    /// Awaits the answers to `count` requests, from sequence number `first` on.
    pub fn new(first: u32, count: usize) -> Self {
        Self {
            first,
            results: vec![None; count],
        }
    }

    /// Takes one datagram; `true` when the last request has its answer, and with it all have.
    pub fn receive(&mut self, datagram: &[u8]) -> bool {
        for message in decode(datagram, Instant::BOOT) {
            let offset =
                usize::try_from(message.seq.wrapping_sub(self.first)).unwrap_or(usize::MAX);
            let Some(slot) = self.results.get_mut(offset) else {
                continue;
            };
            match message.kind {
                Kind::Ack => *slot = Some(Ok(())),
                Kind::Error(refusal) => *slot = Some(Err(refusal)),
                _ => {}
            }
        }
        self.is_answered()
    }

    fn is_answered(&self) -> bool {
        self.results.last().is_none_or(Option::is_some)
    }

    /// The results in the order of the requests; `None`: not known, for the answer to the last one did not come.
    pub fn into_results(mut self) -> Vec<Option<Result<(), Refusal>>> {
        if self.is_answered() {
            for slot in &mut self.results {
                slot.get_or_insert(Ok(()));
            }
        }
        self.results
    }
}

/// What a dump brought.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    seq: u32,
    at: Instant,
    interrupted: bool,
    /// Links by index.
    pub links: BTreeMap<u32, LinkStatus>,
    /// VLANs of bridges and of their ports, by link.
    pub bridge_vlans: BTreeMap<u32, Vec<BridgeVlan>>,
    /// Addresses.
    pub addresses: Vec<AddressStatus>,
    /// Routes of all tables; of `local` only those of ours.
    pub routes: Vec<RouteStatus>,
    /// Rules.
    pub rules: Vec<RuleStatus>,
    /// Neighbours.
    pub neighbors: Vec<NeighborStatus>,
}

impl Dump {
    /// Awaits the answers to the request `seq`; lifetimes count from `at`.
    pub fn new(seq: u32, at: Instant) -> Self {
        Self {
            seq,
            at,
            ..Self::default()
        }
    }

    /// Takes one datagram. Answers to other requests (of a dump that was given up) are ignored.
    pub fn receive(&mut self, datagram: &[u8]) -> Progress {
        self.receive_where(datagram, &|_| true)
    }

    /// The same, without the routes that are not `wanted`: those cost no more than a look at their first bytes.
    pub fn receive_where(
        &mut self,
        datagram: &[u8],
        wanted: &dyn Fn(&RouteHead) -> bool,
    ) -> Progress {
        for frame in frames(datagram).filter(|frame| frame.seq == self.seq) {
            // Most of a small machine's routes are in the local table: left out before they are parsed, but for ours.
            if frame.kind == kind::RTM_NEWROUTE
                && RouteHead::of(frame.body).is_some_and(|head| head.is_local() || !wanted(&head))
            {
                self.interrupted |= frame.flags & netlink_packet_core::NLM_F_DUMP_INTR != 0;
                continue;
            }
            let message = frame.decode(self.at);
            self.interrupted |= message.interrupted;
            match message.kind {
                Kind::Link(link) => {
                    self.links.insert(link.index, *link);
                }
                // Cards that switch by themselves send a second message, without VLANs.
                Kind::BridgeVlans(index, vlans) => {
                    self.bridge_vlans.entry(index).or_default().extend(vlans);
                }
                Kind::Address(address) => self.addresses.push(address),
                Kind::Route(route) => self.routes.push(route),
                Kind::Rule(rule) => self.rules.push(rule),
                Kind::Neighbor(neighbor) => self.neighbors.push(neighbor),
                Kind::Done if self.interrupted => return Progress::Interrupted,
                Kind::Done => return Progress::Done,
                Kind::Overrun => return Progress::Interrupted,
                Kind::Error(refusal) => return Progress::Failed(refusal),
                _ => {}
            }
        }
        Progress::More
    }
}

/// What the first bytes of a route say of it (`struct rtmsg`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteHead {
    /// Its family.
    pub family: Family,
    /// Length of its destination, bits.
    pub dst_len: u8,
    /// Its table; one above 255 shows as 252 (RT_TABLE_COMPAT).
    pub table: u8,
    /// Who made it.
    pub protocol: u8,
}

impl RouteHead {
    /// `None`: cut short, or of another family.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let [family, dst_len, _, _, table, protocol, ..] = *body else {
            return None;
        };
        let family = match AddressFamily::from(family) {
            AddressFamily::Inet => Family::Inet4,
            AddressFamily::Inet6 => Family::Inet6,
            _ => return None,
        };
        Some(Self {
            family,
            dst_len,
            table,
            protocol,
        })
    }

    /// A route of ours in the local table is one to keep.
    fn is_local(&self) -> bool {
        u32::from(self.table) == RouteTable::LOCAL.id() && self.protocol != OUR_PROTOCOL
    }
}
