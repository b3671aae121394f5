//! Requests for dumps. They rely on NETLINK_GET_STRICT_CHK: without it the kernel ignores the filters.

use netlink_packet_core::{Emitable, NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::rule::RuleMessage;

use super::address::family_number;
use super::message::{WireError, frame, kind};
use crate::state::Family;

/// All links, without the statistics of IPv4 and IPv6 on them: bytes that make no difference here.
pub fn links(seq: u32) -> Result<Vec<u8>, WireError> {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    request(kind::RTM_GETLINK, seq, &message)
}

/// VLANs of all bridges and of their ports, runs of them as their ends: 4,094 on a port would not fit one answer.
pub fn bridge_vlans(seq: u32) -> Result<Vec<u8>, WireError> {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.attributes.push(LinkAttribute::ExtMask(vec![
        LinkExtentMask::BrvlanCompressed,
    ]));
    request(kind::RTM_GETLINK, seq, &message)
}

/// All addresses of both families.
pub fn addresses(seq: u32) -> Result<Vec<u8>, WireError> {
    request(kind::RTM_GETADDR, seq, &AddressMessage::default())
}

/// Routes of all tables, without the cache of exceptions (that takes RTM_F_CLONED); `protocol`: only those of it.
pub fn routes(family: Family, protocol: Option<u8>, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut message = RouteMessage::default();
    message.header.address_family = family_number(family);
    if let Some(protocol) = protocol {
        message.header.protocol = protocol.into();
    }
    request(kind::RTM_GETROUTE, seq, &message)
}

/// All rules of both families.
pub fn rules(seq: u32) -> Result<Vec<u8>, WireError> {
    request(kind::RTM_GETRULE, seq, &RuleMessage::default())
}

fn request(kind: u16, seq: u32, body: &impl Emitable) -> Result<Vec<u8>, WireError> {
    frame(kind, NLM_F_REQUEST | NLM_F_DUMP, seq, body)
}
