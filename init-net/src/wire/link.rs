//! Links: RTM_NEWLINK to change one, RTM_NEWLINK as the kernel reports one.

use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkHeader, LinkMessage};

use super::attribute::{attributes, text_of, u8_of, u32_of};
use super::message::{WireError, kind, request};
use crate::state::{LinkAt, LinkStatus, iff};
use crate::value::{LinkName, Mac, Mtu};

/// IFLA_*, include/uapi/linux/if_link.h.
mod ifla {
    pub const ADDRESS: u16 = 1;
    pub const IFNAME: u16 = 3;
    pub const MTU: u16 = 4;
    pub const LINK: u16 = 5;
    pub const MASTER: u16 = 10;
    pub const OPERSTATE: u16 = 16;
    pub const LINKINFO: u16 = 18;
    pub const IFALIAS: u16 = 20;
    pub const GROUP: u16 = 27;
    pub const PROP_LIST: u16 = 52;
    pub const ALT_IFNAME: u16 = 53;
    pub const PERM_ADDRESS: u16 = 54;
    /// In IFLA_LINKINFO.
    pub const INFO_KIND: u16 = 1;
}

/// `struct ifinfomsg`, bytes.
const HEADER: usize = 16;

/// Alternative names that are kept of one link. ip(8) sets any number; more than this is a mistake or an attack.
const MAX_ALT_NAMES: usize = 16;

pub(super) fn set_up(link: &LinkAt, up: bool, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut message = of(link);
    // Only the bits of the change mask are changed, so everything else stays as it is.
    message.header.change_mask = LinkFlags::from_bits_retain(iff::UP);
    message.header.flags = LinkFlags::from_bits_retain(if up { iff::UP } else { 0 });
    request(kind::RTM_NEWLINK, 0, seq, &message)
}

pub(super) fn rename(link: &LinkAt, name: &LinkName, seq: u32) -> Result<Vec<u8>, WireError> {
    set(link, LinkAttribute::IfName(name.as_str().to_owned()), seq)
}

pub(super) fn set_mtu(link: &LinkAt, mtu: Mtu, seq: u32) -> Result<Vec<u8>, WireError> {
    set(link, LinkAttribute::Mtu(mtu.bytes()), seq)
}

pub(super) fn set_mac(link: &LinkAt, mac: Mac, seq: u32) -> Result<Vec<u8>, WireError> {
    set(link, LinkAttribute::Address(mac.as_bytes().to_vec()), seq)
}

fn of(link: &LinkAt) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = link.index;
    message
}

fn set(link: &LinkAt, attribute: LinkAttribute, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut message = of(link);
    message.attributes.push(attribute);
    request(kind::RTM_NEWLINK, 0, seq, &message)
}

pub(super) fn index(body: &[u8]) -> Option<u32> {
    Some(LinkHeader::parse(body).ok()?.index)
}

/// `None` without a name that we can carry, and for AF_BRIDGE messages about ports.
pub(super) fn decode(body: &[u8]) -> Option<LinkStatus> {
    let header = LinkHeader::parse(body).ok()?;
    if u8::from(header.interface_family) != 0 {
        return None;
    }
    let mut name = None;
    let mut link = LinkStatus {
        hw_type: u16::from(header.link_layer_type),
        flags: header.flags.bits(),
        operational_state: operstate(0).to_owned(),
        mtu: 0,
        ..LinkStatus::new(header.index, super::placeholder(header.index))
    };
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            ifla::IFNAME => name = text_of(value).parse::<LinkName>().ok(),
            ifla::IFALIAS => link.alias = Some(text_of(value)),
            ifla::PROP_LIST => link.alt_names = alt_names(value),
            ifla::LINKINFO => link.kind = info_kind(value),
            ifla::OPERSTATE => {
                if let Some(state) = u8_of(value) {
                    operstate(state).clone_into(&mut link.operational_state);
                }
            }
            ifla::MTU => link.mtu = u32_of(value).unwrap_or(0),
            ifla::ADDRESS => link.hardware_addr = Mac::from_bytes(value),
            ifla::PERM_ADDRESS => link.permanent_addr = Mac::from_bytes(value),
            ifla::LINK => link.link_index = u32_of(value).unwrap_or(0),
            ifla::MASTER => link.master_index = u32_of(value).unwrap_or(0),
            ifla::GROUP => link.group = u32_of(value).unwrap_or(0),
            _ => {}
        }
    }
    link.name = name?;
    Some(link)
}

fn alt_names(value: &[u8]) -> Vec<String> {
    attributes(value)
        .filter(|(kind, _)| *kind == ifla::ALT_IFNAME)
        .map(|(_, name)| text_of(name))
        .take(MAX_ALT_NAMES)
        .collect()
}

fn info_kind(value: &[u8]) -> String {
    attributes(value)
        .find(|(kind, _)| *kind == ifla::INFO_KIND)
        .map(|(_, kind)| text_of(kind))
        .unwrap_or_default()
}

/// IF_OPER_*, RFC 2863 §3.1.13; spelled as the field does.
fn operstate(number: u8) -> &'static str {
    match number {
        1 => "notPresent",
        2 => "down",
        3 => "lowerLayerDown",
        4 => "testing",
        5 => "dormant",
        6 => "up",
        _ => "unknown",
    }
}
