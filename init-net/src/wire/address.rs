//! Addresses: RTM_NEWADDR and RTM_DELADDR, both ways.

use core::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage, AddressProtocol, CacheInfo,
};

use super::attribute::{address_of, attributes, u8_of, u32_of};
use super::message::{WireError, kind, request};
use crate::state::{AddressOp, AddressStatus, Family, LinkAt, OUR_PROTOCOL, Scope};
use crate::value::{Duration, Instant, Prefix, VIP_LIFETIME};

/// IFA_*, include/uapi/linux/if_addr.h.
mod ifa {
    pub const ADDRESS: u16 = 1;
    pub const LOCAL: u16 = 2;
    pub const BROADCAST: u16 = 4;
    pub const CACHEINFO: u16 = 6;
    pub const FLAGS: u16 = 8;
    pub const RT_PRIORITY: u16 = 9;
    pub const PROTO: u16 = 11;
}

/// `struct ifaddrmsg`, bytes.
const HEADER: usize = 8;

/// INFINITY_LIFE_TIME, include/net/addrconf.h.
const FOREVER: u32 = u32::MAX;

pub(super) fn replace(op: &AddressOp, seq: u32) -> Result<Vec<u8>, WireError> {
    let AddressOp {
        link,
        address,
        peer,
        broadcast,
        scope,
        priority,
        valid_secs,
        preferred_secs,
        no_prefix_route,
        no_dad,
        present: _,
    } = op;
    let local = address.address();
    if peer.is_some_and(|peer| peer.is_ipv4() != local.is_ipv4())
        || (broadcast.is_some() && local.is_ipv6())
    {
        return Err(WireError::Family);
    }
    let mut message = of(link, *address);
    message.header.scope = scope.number().into();
    let attributes = &mut message.attributes;
    attributes.push(AddressAttribute::Local(local));
    attributes.push(AddressAttribute::Address(peer.unwrap_or(local)));
    attributes.extend(broadcast.map(AddressAttribute::Broadcast));
    attributes.extend(priority.map(AddressAttribute::RoutePriority));
    attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(
        OUR_PROTOCOL,
    )));
    let flags = [
        (*no_prefix_route, AddressStatus::NOPREFIXROUTE),
        (*no_dad, AddressStatus::NODAD),
    ];
    let flags = flags
        .into_iter()
        .filter(|(on, _)| *on)
        .fold(0, |all, (_, flag)| all | flag);
    if flags != 0 {
        attributes.push(AddressAttribute::Flags(AddressFlags::from_bits_retain(
            flags,
        )));
    }
    if valid_secs.is_some() || preferred_secs.is_some() {
        // Without this attribute an address that had a lifetime becomes permanent, which is what `None` means.
        let mut lifetime = CacheInfo::default();
        lifetime.ifa_valid = valid_secs.unwrap_or(FOREVER);
        lifetime.ifa_preferred = preferred_secs.or(*valid_secs).unwrap_or(FOREVER);
        attributes.push(AddressAttribute::CacheInfo(lifetime));
    }
    request(
        kind::RTM_NEWADDR,
        NLM_F_CREATE | NLM_F_REPLACE,
        seq,
        &message,
    )
}

/// Without IFA_ADDRESS the kernel takes the first address with that local part, whatever its length and whosever it is
/// (inet_rtm_deladdr, net/ipv4/devinet.c).
pub(super) fn delete(
    link: &LinkAt,
    address: Prefix,
    peer: Option<IpAddr>,
    seq: u32,
) -> Result<Vec<u8>, WireError> {
    let mut message = of(link, address);
    let local = address.address();
    message.attributes.push(AddressAttribute::Local(local));
    message
        .attributes
        .push(AddressAttribute::Address(peer.unwrap_or(local)));
    request(kind::RTM_DELADDR, 0, seq, &message)
}

fn of(link: &LinkAt, address: Prefix) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match address.address() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = address.len();
    message.header.index = link.index;
    message
}

/// `None` without an address of the family that the header says.
pub(super) fn decode(body: &[u8], at: Instant) -> Option<AddressStatus> {
    let header = AddressHeader::parse(body).ok()?;
    let (mut local, mut remote, mut broadcast) = (None, None, None);
    let (mut priority, mut protocol, mut ends) = (0, 0, (None, None));
    let mut flags = u32::from(header.flags.bits());
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            ifa::LOCAL => local = address_of(value),
            ifa::ADDRESS => remote = address_of(value),
            ifa::BROADCAST => broadcast = address_of(value),
            ifa::CACHEINFO => ends = ends_of(value, at),
            ifa::FLAGS => flags = u32_of(value).unwrap_or(flags),
            ifa::RT_PRIORITY => priority = u32_of(value).unwrap_or(0),
            ifa::PROTO => protocol = u8_of(value).unwrap_or(0),
            _ => {}
        }
    }
    // IPv6 sends IFA_LOCAL only for point-to-point addresses, IPv4 always.
    let address = local.or(remote)?;
    let family = Family::of(address);
    if header.family != family_number(family) {
        return None;
    }
    Some(AddressStatus {
        address: Prefix::new(address, header.prefix_len).ok()?,
        peer: remote.filter(|peer| *peer != address && Family::of(*peer) == family),
        broadcast: match broadcast {
            Some(IpAddr::V4(broadcast)) => Some(broadcast),
            _ => None,
        },
        link_index: header.index,
        link_name: super::placeholder(header.index),
        family,
        scope: Scope::from_number(header.scope.into()),
        flags,
        priority,
        protocol,
        preferred_until: ends.0,
        valid_until: ends.1,
    })
}

/// Whether it is a shared address of ours that was given another few seconds to live. Who put it there looks for itself.
pub(super) fn is_kept_alive(body: &[u8]) -> bool {
    let (mut ours, mut short) = (false, false);
    for (kind, value) in attributes(body.get(HEADER..).unwrap_or_default()) {
        match kind {
            ifa::PROTO => ours = u8_of(value) == Some(OUR_PROTOCOL),
            ifa::CACHEINFO => {
                let valid = value.get(4..8).and_then(u32_of);
                short = valid.is_some_and(|secs| secs <= VIP_LIFETIME);
            }
            _ => {}
        }
    }
    ours && short
}

/// `struct ifa_cacheinfo`: preferred, valid, two time stamps; seconds.
fn ends_of(value: &[u8], at: Instant) -> (Option<Instant>, Option<Instant>) {
    let end = |range| match value.get(range).and_then(u32_of)? {
        FOREVER => None,
        secs => Some(at + Duration::from_secs(secs.into())),
    };
    (end(0..4), end(4..8))
}

pub(super) const fn family_number(family: Family) -> AddressFamily {
    match family {
        Family::Inet4 => AddressFamily::Inet,
        Family::Inet6 => AddressFamily::Inet6,
    }
}
