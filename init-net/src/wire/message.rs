//! Framing: one message around a body, and the messages of a datagram.

use core::fmt;

use netlink_packet_core::{Emitable, NLM_F_ACK, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader};

use super::{Refusal, ack, address, alias, link, neighbor, route, rule};
use crate::state::{AddressStatus, LinkStatus, NeighborStatus, Op, RouteStatus, RuleStatus};
use crate::value::{BridgeVlan, Instant};

/// Message types, include/uapi/linux/netlink.h and rtnetlink.h.
pub(super) mod kind {
    pub const NLMSG_ERROR: u16 = 2;
    pub const NLMSG_DONE: u16 = 3;
    pub const NLMSG_OVERRUN: u16 = 4;
    pub const RTM_NEWLINK: u16 = 16;
    pub const RTM_DELLINK: u16 = 17;
    pub const RTM_GETLINK: u16 = 18;
    pub const RTM_SETLINK: u16 = 19;
    pub const RTM_NEWADDR: u16 = 20;
    pub const RTM_DELADDR: u16 = 21;
    pub const RTM_GETADDR: u16 = 22;
    pub const RTM_NEWROUTE: u16 = 24;
    pub const RTM_DELROUTE: u16 = 25;
    pub const RTM_GETROUTE: u16 = 26;
    pub const RTM_NEWNEIGH: u16 = 28;
    pub const RTM_GETNEIGH: u16 = 30;
    pub const RTM_NEWRULE: u16 = 32;
    pub const RTM_DELRULE: u16 = 33;
    pub const RTM_GETRULE: u16 = 34;
    pub const RTM_NEWNETCONF: u16 = 80;
}

/// `struct nlmsghdr`, bytes.
const HEADER: usize = 16;

/// Where `nlmsg_flags` is in it.
const FLAGS: core::ops::Range<usize> = 6..8;

/// Longest message that is built, bytes. Most of ours are below 200; a route with 256 next hops has 9,000, and WireGuard
/// peers are cut to what fits. The emitter behind it panics on attributes above 64 KiB: a message of this length has none.
pub(super) const MAX_MESSAGE: usize = 32 << 10;

/// Why an op has no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// It is done without rtnetlink: a host name, a file, a key, a card.
    NotNetlink,
    /// Addresses of both families in one object, where the kernel takes one.
    Family,
    /// [`crate::value::RouteKind::Other`] has no number.
    RouteKind,
    /// Longer than [`MAX_MESSAGE`].
    Length,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNetlink => "not an operation of this kind of netlink",
            Self::Family => "IPv4 and IPv6 addresses in one object",
            Self::RouteKind => "a route of unknown type cannot be sent",
            Self::Length => "the message would be too long",
        })
    }
}

impl std::error::Error for WireError {}

/// The message that does `op`; `seq` comes back in its acknowledgement.
pub fn encode(op: &Op, seq: u32) -> Result<Vec<u8>, WireError> {
    match op {
        Op::LinkAdd(link) => link::add(link, seq),
        Op::LinkDel { link, .. } => link::delete(link, seq),
        Op::LinkSetKind {
            link,
            kind,
            primary,
        } => link::set_kind(link, kind, primary.as_ref(), seq),
        Op::LinkSetMaster {
            link,
            master,
            group,
        } => link::set_master(link, master.as_ref(), *group, seq),
        Op::LinkSetPort { link, port } => link::set_port(link, port, seq),
        Op::BridgeVlanAdd { link, vlan, own } => link::bridge::vlan_add(link, *vlan, *own, seq),
        Op::BridgeVlanDel { link, vlan, own } => link::bridge::vlan_delete(link, *vlan, *own, seq),
        Op::LinkSetUp { link, up } => link::set_up(link, *up, seq),
        Op::LinkSetMulticast { link, on } => link::set_multicast(link, *on, seq),
        Op::LinkRename { link, name } => link::rename(link, name, seq),
        Op::LinkSetMtu { link, mtu } => link::set_mtu(link, *mtu, seq),
        Op::LinkSetMac { link, mac } => link::set_mac(link, *mac, seq),
        Op::AddressReplace(address) => address::replace(address, seq),
        Op::AddressDel {
            link,
            address,
            peer,
        } => address::delete(link, *address, *peer, seq),
        Op::RouteAdd(route) => route::add(route, seq),
        Op::RouteReplace(route) => route::replace(route, seq),
        Op::RouteDel(route) => route::delete(route, seq),
        Op::RuleAdd(rule) => rule::add(rule, seq),
        Op::RuleDel(rule) => rule::delete(rule, seq),
        Op::LinkSetAlias { link, alias } => alias::set(link, alias.as_ref(), seq),
        _ => Err(WireError::NotNetlink),
    }
}

/// Takes NLM_F_ACK off `message`: the kernel then answers it only to refuse it.
pub fn waive_ack(message: &mut [u8]) {
    if let Some([f0, f1]) = message.get_mut(FLAGS) {
        [*f0, *f1] = (u16::from_ne_bytes([*f0, *f1]) & !NLM_F_ACK).to_ne_bytes();
    }
}

/// One request that wants an acknowledgement.
pub(super) fn request(
    kind: u16,
    flags: u16,
    seq: u32,
    body: &impl Emitable,
) -> Result<Vec<u8>, WireError> {
    frame(kind, NLM_F_REQUEST | NLM_F_ACK | flags, seq, body)
}

/// One message.
pub(super) fn frame(
    kind: u16,
    flags: u16,
    seq: u32,
    body: &impl Emitable,
) -> Result<Vec<u8>, WireError> {
    let length = HEADER + body.buffer_len();
    if length > MAX_MESSAGE {
        return Err(WireError::Length);
    }
    let mut header = NetlinkHeader::default();
    header.length = u32::try_from(length).map_err(|_| WireError::Length)?;
    header.message_type = kind;
    header.flags = flags;
    header.sequence_number = seq;
    let mut message = vec![0; length];
    let (head, rest) = message.split_at_mut(HEADER);
    header.emit(head);
    body.emit(rest);
    Ok(message)
}

/// One message from the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Of the request that it answers; 0 for a notification.
    pub seq: u32,
    /// NLM_F_DUMP_INTR: something changed during the dump, which may have missed it.
    pub interrupted: bool,
    /// What it says.
    pub kind: Kind,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A link is there, or has changed.
    Link(Box<LinkStatus>),
    /// The link of this index is gone.
    LinkDel(u32),
    /// A bridge or a port of this index, and the VLANs on it.
    BridgeVlans(u32, Vec<BridgeVlan>),
    /// An address is there, or has changed.
    Address(AddressStatus),
    /// An address is gone.
    AddressDel(AddressStatus),
    /// A route is there.
    Route(RouteStatus),
    /// A route is gone.
    RouteDel(RouteStatus),
    /// A neighbour is there.
    Neighbor(NeighborStatus),
    /// A rule is there.
    Rule(RuleStatus),
    /// A rule is gone.
    RuleDel(RuleStatus),
    /// The end of a dump.
    Done,
    /// The request was carried out.
    Ack,
    /// The request was refused, or the dump broke off.
    Error(Refusal),
    /// The kernel lost messages.
    Overrun,
    /// Of another type or family, or without what makes it useful.
    Other,
}

/// The messages of one datagram; `at` is when it was received, lifetimes count from there.
pub fn decode(datagram: &[u8], at: Instant) -> Messages<'_> {
    Messages {
        frames: frames(datagram),
        at,
    }
}

/// Iterator of [`decode`].
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    frames: Frames<'a>,
    at: Instant,
}

impl Iterator for Messages<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.frames.next().map(|frame| frame.decode(self.at))
    }
}

impl Frame<'_> {
    pub(super) fn decode(&self, at: Instant) -> Message {
        Message {
            seq: self.seq,
            interrupted: self.flags & NLM_F_DUMP_INTR != 0,
            kind: kind_of(self, at),
        }
    }
}

fn kind_of(frame: &Frame<'_>, at: Instant) -> Kind {
    let body = frame.body;
    let known = match frame.kind {
        kind::NLMSG_ERROR => ack::parse(frame.flags, body).map(|ack| match ack {
            Ok(()) => Kind::Ack,
            Err(refusal) => Kind::Error(refusal),
        }),
        kind::NLMSG_DONE => Some(match ack::parse(0, body) {
            Some(Err(refusal)) => Kind::Error(refusal),
            _ => Kind::Done,
        }),
        kind::NLMSG_OVERRUN => Some(Kind::Overrun),
        kind::RTM_NEWLINK => link::decode(body)
            .map(|link| Kind::Link(Box::new(link)))
            .or_else(|| {
                link::bridge::decode(body).map(|(index, vlans)| Kind::BridgeVlans(index, vlans))
            }),
        kind::RTM_DELLINK => link::index(body).map(Kind::LinkDel),
        kind::RTM_NEWADDR => address::decode(body, at).map(Kind::Address),
        kind::RTM_DELADDR => address::decode(body, at).map(Kind::AddressDel),
        kind::RTM_NEWROUTE => route::decode(body).map(Kind::Route),
        kind::RTM_DELROUTE => route::decode(body).map(Kind::RouteDel),
        kind::RTM_NEWNEIGH => neighbor::decode(body).map(Kind::Neighbor),
        kind::RTM_NEWRULE => rule::decode(body).map(Kind::Rule),
        kind::RTM_DELRULE => rule::decode(body).map(Kind::RuleDel),
        _ => None,
    };
    known.unwrap_or(Kind::Other)
}

/// Header and body of one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub kind: u16,
    pub flags: u16,
    pub seq: u32,
    /// Of who made the change that a notification tells of; 0: the kernel.
    pub port: u32,
    pub body: &'a [u8],
}

/// The frames of a datagram, up to the first whose length is wrong.
pub(super) fn frames(datagram: &[u8]) -> Frames<'_> {
    Frames(datagram)
}

/// Iterator of [`frames`].
#[derive(Clone, Debug)]
pub(super) struct Frames<'a>(&'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let (header, _) = self.0.split_first_chunk::<HEADER>()?;
        let [
            l0,
            l1,
            l2,
            l3,
            k0,
            k1,
            f0,
            f1,
            s0,
            s1,
            s2,
            s3,
            p0,
            p1,
            p2,
            p3,
        ] = *header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let frame = Frame {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            seq: u32::from_ne_bytes([s0, s1, s2, s3]),
            port: u32::from_ne_bytes([p0, p1, p2, p3]),
            body: self.0.get(HEADER..length)?,
        };
        // NLMSG_ALIGN: the next message starts at a multiple of four.
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(frame)
    }
}
