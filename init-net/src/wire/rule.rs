//! Routing rules: RTM_NEWRULE and RTM_DELRULE, both ways.

use core::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::rule::RuleHeader;

use super::address::family_number;
use super::attribute::{address_of, attributes, text_of, u8_of, u32_of};
use super::body::Body;
use super::message::{WireError, kind, request};
use crate::state::{Family, OUR_PROTOCOL, RuleOp, RuleStatus};
use crate::value::{Prefix, RuleAction};

/// FRA_*, include/uapi/linux/fib_rules.h.
mod fra {
    pub const DST: u16 = 1;
    pub const SRC: u16 = 2;
    pub const IIFNAME: u16 = 3;
    pub const PRIORITY: u16 = 6;
    pub const FWMARK: u16 = 10;
    pub const SUPPRESS_PREFIXLEN: u16 = 14;
    pub const TABLE: u16 = 15;
    pub const FWMASK: u16 = 16;
    pub const OIFNAME: u16 = 17;
    pub const PAD: u16 = 18;
    pub const PROTOCOL: u16 = 21;
}

/// `struct fib_rule_hdr`, bytes.
const HEADER: usize = 12;

/// Offsets in it.
const TOS: usize = 3;
const FLAGS: core::ops::Range<usize> = 8..12;

/// FIB_RULE_INVERT: the rule is about everything else.
const INVERT: u32 = 2;

/// What the kernel shows as FRA_SUPPRESS_PREFIXLEN of a rule without: -1.
const NOT_SUPPRESSED: u32 = u32::MAX;

pub(super) fn add(rule: &RuleOp, seq: u32) -> Result<Vec<u8>, WireError> {
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    request(kind::RTM_NEWRULE, flags, seq, &body(rule)?)
}

/// Everything that the rule has: the kernel takes the first one that agrees in what is given (`rule_find`,
/// net/core/fib_rules.c), and the protocol makes sure that it is ours.
pub(super) fn delete(rule: &RuleOp, seq: u32) -> Result<Vec<u8>, WireError> {
    request(kind::RTM_DELRULE, 0, seq, &body(rule)?)
}

fn body(rule: &RuleOp) -> Result<Body, WireError> {
    let RuleOp {
        family,
        priority,
        src,
        dst,
        action,
        table,
        iif_name,
        oif_name,
        fw_mark,
        fw_mask,
        suppress_prefix_length,
    } = rule;
    let foreign =
        |prefix: &Option<Prefix>| prefix.is_some_and(|p| Family::of(p.address()) != *family);
    if foreign(src) || foreign(dst) {
        return Err(WireError::Family);
    }
    let len = |prefix: &Option<Prefix>| prefix.map_or(0, |prefix| prefix.len());
    // FRA_TABLE says the table, whatever its number.
    let mut body = Body::new(&[
        u8::from(family_number(*family)),
        len(dst),
        len(src),
        0,
        0,
        0,
        0,
        action.number(),
        0,
        0,
        0,
        0,
    ]);
    for (kind, prefix) in [(fra::DST, dst), (fra::SRC, src)] {
        match prefix.map(|prefix| prefix.address()) {
            Some(IpAddr::V4(address)) => body.put(kind, &address.octets()),
            Some(IpAddr::V6(address)) => body.put(kind, &address.octets()),
            None => {}
        }
    }
    for (kind, name) in [(fra::IIFNAME, iif_name), (fra::OIFNAME, oif_name)] {
        if let Some(name) = name {
            body.put_text(kind, name.as_str());
        }
    }
    body.put_u32(fra::PRIORITY, *priority);
    if *fw_mark != 0 || *fw_mask != 0 {
        body.put_u32(fra::FWMARK, *fw_mark);
        body.put_u32(fra::FWMASK, *fw_mask);
    }
    if *action == RuleAction::Unicast {
        body.put_u32(fra::TABLE, *table);
    }
    if let Some(length) = suppress_prefix_length {
        body.put_u32(fra::SUPPRESS_PREFIXLEN, *length);
    }
    body.put(fra::PROTOCOL, &[OUR_PROTOCOL]);
    Ok(body)
}

/// `None` for the rules of multicast routing.
pub(super) fn decode(body: &[u8]) -> Option<RuleStatus> {
    let header = RuleHeader::parse(body).ok()?;
    let family = [Family::Inet4, Family::Inet6]
        .into_iter()
        .find(|family| family_number(*family) == header.family)?;
    let prefix = |address: Option<IpAddr>, len| Prefix::new(address?, len).ok();
    let flags = body.get(FLAGS).and_then(u32_of).unwrap_or(0);
    let action = RuleAction::from_number(header.action.into());
    let mut rule = RuleStatus {
        family,
        priority: 0,
        src: None,
        dst: None,
        action,
        table: header.table.into(),
        iif_name: None,
        oif_name: None,
        fw_mark: 0,
        fw_mask: 0,
        suppress_prefix_length: None,
        has_more: flags & INVERT != 0 || body.get(TOS).is_some_and(|tos| *tos != 0),
        protocol: 0,
    };
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            fra::DST => rule.dst = prefix(address_of(value), header.dst_len),
            fra::SRC => rule.src = prefix(address_of(value), header.src_len),
            // A name that we would not take is a selector all the same.
            fra::IIFNAME => match text_of(value).parse() {
                Ok(name) => rule.iif_name = Some(name),
                Err(_) => rule.has_more = true,
            },
            fra::OIFNAME => match text_of(value).parse() {
                Ok(name) => rule.oif_name = Some(name),
                Err(_) => rule.has_more = true,
            },
            fra::PRIORITY => rule.priority = u32_of(value).unwrap_or(0),
            fra::FWMARK => rule.fw_mark = u32_of(value).unwrap_or(0),
            fra::FWMASK => rule.fw_mask = u32_of(value).unwrap_or(0),
            fra::TABLE => rule.table = u32_of(value).unwrap_or(rule.table),
            fra::SUPPRESS_PREFIXLEN => {
                rule.suppress_prefix_length = u32_of(value).filter(|len| *len != NOT_SUPPRESSED);
            }
            fra::PROTOCOL => rule.protocol = u8_of(value).unwrap_or(0),
            fra::PAD => {}
            // FRA_GOTO, _FLOW, _TUN_ID, _L3MDEV, _UID_RANGE, ports and whatever a newer kernel has: shown only where set.
            _ => rule.has_more = true,
        }
    }
    Some(rule)
}
