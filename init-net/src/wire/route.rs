//! Routes: RTM_NEWROUTE and RTM_DELROUTE, both ways.

use core::net::IpAddr;

use netlink_packet_core::{DefaultNla, Emitable as _, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteVia,
};

use super::address::family_number;
use super::attribute::{address_of, attributes, u8_of, u32_of};
use super::message::{WireError, kind, request};
use crate::state::{Family, NextHopStatus, OUR_PROTOCOL, RouteOp, RouteStatus, Scope};
use crate::value::{Prefix, RouteKind, RouteMetrics, RoutePreference, RouteTable};

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
    pub const PREF: u16 = 20;
}

/// RTAX_*, include/uapi/linux/rtnetlink.h: what is in RTA_METRICS. All are numbers of four bytes.
mod rtax {
    pub const MTU: u16 = 2;
    pub const ADVMSS: u16 = 8;
    pub const HOPLIMIT: u16 = 10;
    pub const INITCWND: u16 = 11;
    pub const RTO_MIN: u16 = 13;
    pub const INITRWND: u16 = 14;
    pub const QUICKACK: u16 = 15;
}

/// `struct rtmsg`, bytes.
const HEADER: usize = 12;

/// `struct rtnexthop`, bytes: length, flags, hops, index.
const NEXTHOP_HEADER: usize = 8;

/// RTNH_F_ONLINK in rtm_flags and rtnh_flags.
const ONLINK: u8 = 4;

pub(super) fn add(route: &RouteOp, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut message = identity(route)?;
    settings(route, &mut message)?;
    request(kind::RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, seq, &message)
}

pub(super) fn replace(route: &RouteOp, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut message = identity(route)?;
    settings(route, &mut message)?;
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
    attributes.extend(gateway(route.family, route.gateway)?);
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

fn gateway(family: Family, gateway: Option<IpAddr>) -> Result<Option<RouteAttribute>, WireError> {
    match gateway {
        Some(gateway) if Family::of(gateway) == family => {
            Ok(Some(RouteAttribute::Gateway(RouteAddress::from(gateway))))
        }
        // IPv4 through an IPv6 router (RFC 5549), Linux 5.2. The other way round does not exist.
        Some(IpAddr::V6(gateway)) => Ok(Some(RouteAttribute::Via(RouteVia::from(gateway)))),
        Some(IpAddr::V4(_)) => Err(WireError::Family),
        None => Ok(None),
    }
}

fn settings(route: &RouteOp, message: &mut RouteMessage) -> Result<(), WireError> {
    if route.on_link && route.next_hops.is_empty() {
        message.header.flags = RouteFlags::from_bits_retain(ONLINK.into());
    }
    let attributes = &mut message.attributes;
    if let Some(src) = route.src {
        attributes.push(RouteAttribute::PrefSource(RouteAddress::from(src)));
    }
    if !route.next_hops.is_empty() {
        let hops = next_hops(route)?;
        attributes.push(RouteAttribute::Other(DefaultNla::new(rta::MULTIPATH, hops)));
    }
    let metrics = metrics(route);
    if !metrics.is_empty() {
        attributes.push(RouteAttribute::Other(DefaultNla::new(
            rta::METRICS,
            metrics,
        )));
    }
    if let Some(preference) = route
        .metrics
        .preference
        .filter(|_| route.family == Family::Inet6)
    {
        let value = vec![preference.number()];
        attributes.push(RouteAttribute::Other(DefaultNla::new(rta::PREF, value)));
    }
    Ok(())
}

/// RTA_MULTIPATH: a `struct rtnexthop` each, with the attributes of that hop behind it.
fn next_hops(route: &RouteOp) -> Result<Vec<u8>, WireError> {
    let mut all = Vec::new();
    for hop in &route.next_hops {
        let mut attribute = Vec::new();
        if let Some(gateway) = gateway(route.family, hop.gateway)? {
            attribute.resize(gateway.buffer_len(), 0);
            gateway.emit(&mut attribute);
        }
        let length = NEXTHOP_HEADER + attribute.len();
        all.extend(
            u16::try_from(length)
                .map_err(|_| WireError::Length)?
                .to_ne_bytes(),
        );
        all.push(if route.on_link { ONLINK } else { 0 });
        // rtnh_hops is the weight less one: every hop counts at least once.
        all.push(u8::try_from(hop.weight.saturating_sub(1)).map_err(|_| WireError::Length)?);
        all.extend(hop.link.index.to_ne_bytes());
        all.extend(attribute);
    }
    Ok(all)
}

/// RTA_METRICS, what is said of them.
fn metrics(route: &RouteOp) -> Vec<u8> {
    let metrics = &route.metrics;
    let all = [
        (rtax::MTU, route.mtu.map(|mtu| mtu.bytes())),
        (rtax::ADVMSS, metrics.advmss),
        (rtax::HOPLIMIT, metrics.hop_limit),
        (rtax::INITCWND, metrics.init_cwnd),
        (rtax::RTO_MIN, metrics.rto_min),
        (rtax::INITRWND, metrics.init_rwnd),
        (rtax::QUICKACK, metrics.quick_ack.map(u32::from)),
    ];
    let mut bytes = Vec::new();
    for (kind, value) in all {
        if let Some(value) = value {
            bytes.extend([8_u16.to_ne_bytes(), kind.to_ne_bytes()].concat());
            bytes.extend(value.to_ne_bytes());
        }
    }
    bytes
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
    let (mut dst, mut src, mut priority) = (None, None, 0);
    let (mut mtu, mut metrics) = (None, RouteMetrics::default());
    let (mut hop, mut hops) = (NextHop::default(), Vec::new());
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            rta::DST => dst = address_of(value).filter(of_family),
            rta::PREFSRC => src = address_of(value).filter(of_family),
            rta::PRIORITY => priority = u32_of(value).unwrap_or(0),
            rta::TABLE => table = u32_of(value).unwrap_or(table),
            rta::METRICS => mtu = read_metrics(value, &mut metrics),
            // The kernel shows the usual one of every IPv6 route: said of none.
            rta::PREF => {
                let preference = u8_of(value).and_then(RoutePreference::from_number);
                metrics.preference = preference.filter(|it| *it != RoutePreference::Medium);
            }
            rta::MULTIPATH => hops = NextHop::all(value),
            _ => hop.read(kind, value),
        }
    }
    let kind = RouteKind::from_number(header.kind.into()).unwrap_or(RouteKind::Other);
    // The first of several next hops stands for all.
    if let Some(first) = hops.first() {
        hop = first.clone();
    }
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
        metrics,
        next_hops: if hops.len() > 1 {
            hops.iter().map(NextHop::status).collect()
        } else {
            Vec::new()
        },
    })
}

#[derive(Clone, Default)]
struct NextHop {
    gateway: Option<IpAddr>,
    link: u32,
    flags: u32,
    /// rtnh_hops.
    hops: u8,
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

    /// Each `struct rtnexthop` of RTA_MULTIPATH, up to the first whose length is wrong.
    fn all(mut value: &[u8]) -> Vec<Self> {
        let mut all = Vec::new();
        while let Some(([l0, l1, flags, hops, i0, i1, i2, i3], _)) =
            value.split_first_chunk::<NEXTHOP_HEADER>()
        {
            let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
            let Some(body) = value.get(NEXTHOP_HEADER..length) else {
                break;
            };
            let mut hop = Self {
                gateway: None,
                link: u32::from_ne_bytes([*i0, *i1, *i2, *i3]),
                flags: u32::from(*flags),
                hops: *hops,
            };
            for (kind, value) in attributes(body) {
                hop.read(kind, value);
            }
            all.push(hop);
            value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        all
    }

    fn status(&self) -> NextHopStatus {
        NextHopStatus {
            gateway: self.gateway,
            out_link_index: self.link,
            weight: u16::from(self.hops) + 1,
        }
    }
}

/// Fills `metrics`; answers the MTU.
fn read_metrics(value: &[u8], metrics: &mut RouteMetrics) -> Option<u32> {
    let mut mtu = None;
    for (kind, value) in attributes(value) {
        let value = u32_of(value);
        match kind {
            rtax::MTU => mtu = value,
            rtax::ADVMSS => metrics.advmss = value,
            rtax::HOPLIMIT => metrics.hop_limit = value,
            rtax::INITCWND => metrics.init_cwnd = value,
            rtax::RTO_MIN => metrics.rto_min = value,
            rtax::INITRWND => metrics.init_rwnd = value,
            rtax::QUICKACK => metrics.quick_ack = value.map(|on| on != 0),
            _ => {}
        }
    }
    mtu
}
