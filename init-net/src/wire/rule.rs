//! Routing rules, as found. They are observed only.

use core::net::IpAddr;

use netlink_packet_route::rule::RuleHeader;

use super::address::family_number;
use super::attribute::{address_of, attributes, u8_of, u32_of};
use crate::state::{Family, RuleStatus};
use crate::value::{Prefix, RuleAction};

/// FRA_*, include/uapi/linux/fib_rules.h.
mod fra {
    pub const DST: u16 = 1;
    pub const SRC: u16 = 2;
    pub const PRIORITY: u16 = 6;
    pub const TABLE: u16 = 15;
    pub const PROTOCOL: u16 = 21;
}

/// `struct fib_rule_hdr`, bytes.
const HEADER: usize = 12;

/// `None` for the rules of multicast routing.
pub(super) fn decode(body: &[u8]) -> Option<RuleStatus> {
    let header = RuleHeader::parse(body).ok()?;
    let family = [Family::Inet4, Family::Inet6]
        .into_iter()
        .find(|family| family_number(*family) == header.family)?;
    let prefix = |address: Option<IpAddr>, len| Prefix::new(address?, len).ok();
    let mut rule = RuleStatus {
        family,
        priority: 0,
        src: None,
        dst: None,
        action: RuleAction::from_number(header.action.into()),
        table: header.table.into(),
        iif_name: None,
        oif_name: None,
        fw_mark: 0,
        fw_mask: 0,
        suppress_prefix_length: None,
        has_more: false,
        protocol: 0,
    };
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            fra::DST => rule.dst = prefix(address_of(value), header.dst_len),
            fra::SRC => rule.src = prefix(address_of(value), header.src_len),
            fra::PRIORITY => rule.priority = u32_of(value).unwrap_or(0),
            fra::TABLE => rule.table = u32_of(value).unwrap_or(rule.table),
            fra::PROTOCOL => rule.protocol = u8_of(value).unwrap_or(0),
            _ => {}
        }
    }
    Some(rule)
}
