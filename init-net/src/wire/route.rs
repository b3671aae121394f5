//! Routes: RTM_NEWROUTE and RTM_DELROUTE, both ways.

use core::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteVia,
};

use super::address::family_number;
use super::attribute::{address_of, attributes, u32_of};
use super::message::{WireError, kind, request};
use crate::state::{Family, OUR_PROTOCOL, RouteOp, RouteStatus, Scope};
use crate::value::{Prefix, RouteKind, RouteMetrics, RouteTable};

/// RTA_*, include/uapi/linux/rtnetlink.h.
mod rta {
    pub const DST: u16 = 1;
    pub const OIF: u16 = 4;
    pub const GATEWAY: u16 = 5;
    pub const PRIORITY: u16 = 6;
    pub const PREFSRC: u16 = 7;
    pub const METRICS: u16 = 8;
    pub const MULTIPATH: u16 = 9;
    pub const TABLE: u16 = 15;
    pub const VIA: u16 = 18;
    /// In RTA_METRICS.
    pub const METRIC_MTU: u16 = 2;
}

/// `struct rtmsg`, bytes.
const HEADER: usize = 12;

/// `struct rtnexthop`, bytes.
const NEXTHOP_HEADER: usize = 8;

/// RTNH_F_ONLINK in rtm_flags.
const ONLINK: u32 = 4;

pub(super) fn add(route: &RouteOp, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut message = identity(route)?;
    settings(route, &mut message);
    request(kind::RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, seq, &message)
}

pub(super) fn replace(route: &RouteOp, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut message = identity(route)?;
    settings(route, &mut message);
    request(
        kind::RTM_NEWROUTE,
        NLM_F_CREATE | NLM_F_REPLACE,
        seq,
        &message,
    )
}

/// Only what identifies the route: the kernel compares every attribute that is given, and a metric that somebody
/// changed must not keep the route alive. The protocol in the header makes sure that it is ours.
pub(super) fn delete(route: &RouteOp, seq: u32) -> Result<Vec<u8>, WireError> {
    request(kind::RTM_DELROUTE, 0, seq, &identity(route)?)
}

fn identity(route: &RouteOp) -> Result<RouteMessage, WireError> {
    if route.kind == RouteKind::Other {
        return Err(WireError::RouteKind);
    }
    let of_family = |address: IpAddr| Family::of(address) == route.family;
    if !route.dst.is_none_or(|dst| of_family(dst.address())) || !route.src.is_none_or(of_family) {
        return Err(WireError::Family);
    }
    let mut message = RouteMessage::default();
    message.header.address_family = family_number(route.family);
    message.header.destination_prefix_length = route.dst.map_or(0, |dst| dst.len());
    // RT_TABLE_UNSPEC: RTA_TABLE says it.
    message.header.table = u8::try_from(route.table.id()).unwrap_or(0);
    message.header.protocol = OUR_PROTOCOL.into();
    message.header.scope = route.scope.number().into();
    message.header.kind = route.kind.number().into();
    let attributes = &mut message.attributes;
    if let Some(dst) = route.dst {
        attributes.push(RouteAttribute::Destination(RouteAddress::from(
            dst.address(),
        )));
    }
    match route.gateway {
        Some(gateway) if of_family(gateway) => {
            attributes.push(RouteAttribute::Gateway(RouteAddress::from(gateway)));
        }
        // IPv4 through an IPv6 router (RFC 5549), Linux 5.2. The other way round does not exist.
        Some(IpAddr::V6(gateway)) => attributes.push(RouteAttribute::Via(RouteVia::from(gateway))),
        Some(IpAddr::V4(_)) => return Err(WireError::Family),
        None => {}
    }
    if let Some(link) = &route.link {
        attributes.push(RouteAttribute::Oif(link.index));
    }
    // 0 is not sent: IPv4 takes it as 0, IPv6 turns it into 1024 (IP6_RT_PRIO_USER) either way.
    if route.priority != 0 {
        attributes.push(RouteAttribute::Priority(route.priority));
    }
    if route.table.id() > u8::MAX.into() {
        attributes.push(RouteAttribute::Table(route.table.id()));
    }
    Ok(message)
}

fn settings(route: &RouteOp, message: &mut RouteMessage) {
    if route.on_link {
        message.header.flags = RouteFlags::from_bits_retain(ONLINK);
    }
    if let Some(src) = route.src {
        message
            .attributes
            .push(RouteAttribute::PrefSource(RouteAddress::from(src)));
    }
    if let Some(mtu) = route.mtu {
        message
            .attributes
            .push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu.bytes())]));
    }
}

/// `None` for other families (multicast routing, MPLS) and for routes that also match on the source address: a
/// default route `from` somewhere must not look like the default route.
pub(super) fn decode(body: &[u8]) -> Option<RouteStatus> {
    let header = RouteHeader::parse(body).ok()?;
    let family = [Family::Inet4, Family::Inet6]
        .into_iter()
        .find(|family| family_number(*family) == header.address_family)?;
    if header.source_prefix_length != 0 {
        return None;
    }
    let of_family = |address: &IpAddr| Family::of(*address) == family;
    let mut table = u32::from(header.table);
    let (mut dst, mut src, mut mtu, mut priority) = (None, None, None, 0);
    let mut hop = NextHop::default();
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            rta::DST => dst = address_of(value).filter(of_family),
            rta::PREFSRC => src = address_of(value).filter(of_family),
            rta::PRIORITY => priority = u32_of(value).unwrap_or(0),
            rta::TABLE => table = u32_of(value).unwrap_or(table),
            rta::METRICS => mtu = metric_mtu(value),
            rta::MULTIPATH => hop.read_first(value),
            _ => hop.read(kind, value),
        }
    }
    let kind = RouteKind::from_number(header.kind.into()).unwrap_or(RouteKind::Other);
    // IPv6 shows the loopback link in routes that go nowhere.
    Some(RouteStatus {
        family,
        dst: match header.destination_prefix_length {
            0 => None,
            len => Some(Prefix::new(dst?, len).ok()?),
        },
        src,
        gateway: hop.gateway,
        out_link_index: if kind.is_nowhere() { 0 } else { hop.link },
        out_link_name: None,
        table: RouteTable::new(table)?,
        priority,
        scope: Scope::from_number(header.scope.into()),
        kind,
        protocol: header.protocol.into(),
        flags: header.flags.bits() | hop.flags,
        mtu,
        metrics: RouteMetrics::default(),
        next_hops: Vec::new(),
    })
}

#[derive(Default)]
struct NextHop {
    gateway: Option<IpAddr>,
    link: u32,
    flags: u32,
}

impl NextHop {
    fn read(&mut self, kind: u16, value: &[u8]) {
        match kind {
            rta::GATEWAY => self.gateway = address_of(value),
            // `struct rtvia`: two bytes of family, then the address.
            rta::VIA => self.gateway = value.get(2..).and_then(address_of),
            rta::OIF => self.link = u32_of(value).unwrap_or(0),
            _ => {}
        }
    }

    /// The first of several next hops stands for all.
    fn read_first(&mut self, value: &[u8]) {
        let Some(([l0, l1, flags, _, i0, i1, i2, i3], _)) =
            value.split_first_chunk::<NEXTHOP_HEADER>()
        else {
            return;
        };
        self.flags = u32::from(*flags);
        self.link = u32::from_ne_bytes([*i0, *i1, *i2, *i3]);
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        for (kind, value) in attributes(value.get(NEXTHOP_HEADER..length).unwrap_or_default()) {
            self.read(kind, value);
        }
    }
}

fn metric_mtu(value: &[u8]) -> Option<u32> {
    attributes(value)
        .find(|(kind, _)| *kind == rta::METRIC_MTU)
        .and_then(|(_, mtu)| u32_of(mtu))
}
