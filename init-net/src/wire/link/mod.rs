//! Links: RTM_NEWLINK to make or change one, RTM_DELLINK, RTM_NEWLINK as the kernel reports one.

pub(super) mod bridge;
mod kind;

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkHeader, LinkMessage};

use super::attribute::{attributes, text_of, u8_of, u32_of};
use super::message::{WireError, kind as message, request};
use crate::state::{KindSpec, LinkAdd, LinkAt, LinkStatus, OUR_GROUP, iff};
use crate::value::{BridgePortOptions, LinkName, Mac, Mtu};

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
    pub const AF_SPEC: u16 = 26;
    pub const GROUP: u16 = 27;
    pub const LINK_NETNSID: u16 = 37;
    pub const PROP_LIST: u16 = 52;
    pub const ALT_IFNAME: u16 = 53;
    pub const PERM_ADDRESS: u16 = 54;
}

/// `struct ifinfomsg`, bytes.
const HEADER: usize = 16;

/// Alternative names that are kept of one link. ip(8) sets any number; more than this is a mistake or an attack.
const MAX_ALT_NAMES: usize = 16;

pub(super) fn add(link: &LinkAdd, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut body = LinkMessage::default();
    if link.up {
        set_flag(&mut body, iff::UP, true);
    }
    let parent = link.parent.as_ref().map(|parent| parent.index);
    // A vxlan has an attribute of its own for the link that carries it.
    let below = parent.filter(|_| !matches!(link.kind, KindSpec::Vxlan { .. }));
    let master = link.master.as_ref().map(|master| master.index);
    let mac = link.mac.map(|mac| mac.as_bytes().to_vec());
    body.attributes = [
        Some(LinkAttribute::IfName(link.name.as_str().to_owned())),
        below.map(LinkAttribute::Link),
        link.mtu.map(|mtu| LinkAttribute::Mtu(mtu.bytes())),
        mac.map(LinkAttribute::Address),
        master.map(LinkAttribute::Controller),
        Some(LinkAttribute::Group(OUR_GROUP)),
        Some(link_info(kind::encode(&link.kind, parent, None))),
    ]
    .into_iter()
    .flatten()
    .collect();
    request(message::RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, seq, &body)
}

pub(super) fn delete(link: &LinkAt, seq: u32) -> Result<Vec<u8>, WireError> {
    request(message::RTM_DELLINK, 0, seq, &of(link))
}

pub(super) fn set_kind(
    link: &LinkAt,
    spec: &KindSpec,
    primary: Option<&LinkAt>,
    seq: u32,
) -> Result<Vec<u8>, WireError> {
    let primary = primary.map(|member| member.index);
    set(link, link_info(kind::encode(spec, None, primary)), seq)
}

pub(super) fn set_master(
    link: &LinkAt,
    master: Option<&LinkAt>,
    group: u32,
    seq: u32,
) -> Result<Vec<u8>, WireError> {
    let mut body = of(link);
    let master = master.map_or(0, |master| master.index);
    body.attributes = vec![
        LinkAttribute::Controller(master),
        LinkAttribute::Group(group),
    ];
    request(message::RTM_NEWLINK, 0, seq, &body)
}

pub(super) fn set_port(
    link: &LinkAt,
    port: &BridgePortOptions,
    seq: u32,
) -> Result<Vec<u8>, WireError> {
    set(link, link_info(kind::encode_port(port)), seq)
}

pub(super) fn set_up(link: &LinkAt, up: bool, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut body = of(link);
    set_flag(&mut body, iff::UP, up);
    request(message::RTM_NEWLINK, 0, seq, &body)
}

pub(super) fn set_multicast(link: &LinkAt, on: bool, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut body = of(link);
    set_flag(&mut body, iff::MULTICAST, on);
    request(message::RTM_NEWLINK, 0, seq, &body)
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
    let mut body = LinkMessage::default();
    body.header.index = link.index;
    body
}

fn set(link: &LinkAt, attribute: LinkAttribute, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut body = of(link);
    body.attributes.push(attribute);
    request(message::RTM_NEWLINK, 0, seq, &body)
}

/// Only the bits of the change mask are changed, so everything else stays as it is.
fn set_flag(body: &mut LinkMessage, flag: u32, on: bool) {
    body.header.change_mask = LinkFlags::from_bits_retain(flag);
    body.header.flags = LinkFlags::from_bits_retain(if on { flag } else { 0 });
}

/// Kinds go through tables of ours ([`super::options`]), which the answers are read with as well; the types of the message
/// crate would name each of a hundred options a second time.
fn link_info(value: Vec<u8>) -> LinkAttribute {
    LinkAttribute::Other(DefaultNla::new(ifla::LINKINFO, value))
}

/// A text with its NUL.
fn write_name(name: &LinkName, bytes: &mut Vec<u8>) {
    bytes.extend(name.as_str().as_bytes());
    bytes.push(0);
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
    let mut elsewhere = false;
    for (attribute, value) in attributes(body.get(HEADER..)?) {
        match attribute {
            ifla::IFNAME => name = text_of(value).parse::<LinkName>().ok(),
            ifla::IFALIAS => link.alias = Some(text_of(value)),
            ifla::PROP_LIST => link.alt_names = alt_names(value),
            ifla::LINKINFO => kind::decode(value, &mut link),
            ifla::OPERSTATE => {
                if let Some(state) = u8_of(value) {
                    operstate(state).clone_into(&mut link.operational_state);
                }
            }
            ifla::MTU => link.mtu = u32_of(value).unwrap_or(0),
            ifla::ADDRESS => link.hardware_addr = Mac::from_bytes(value),
            ifla::PERM_ADDRESS => link.permanent_addr = Mac::from_bytes(value),
            // The index of IFLA_LINK then counts in another network namespace.
            ifla::LINK_NETNSID => elsewhere = true,
            ifla::LINK => link.link_index = u32_of(value).unwrap_or(0),
            ifla::MASTER => link.master_index = u32_of(value).unwrap_or(0),
            ifla::GROUP => link.group = u32_of(value).unwrap_or(0),
            _ => {}
        }
    }
    link.name = name?;
    if elsewhere {
        link.link_index = 0;
    }
    Some(link)
}

fn alt_names(value: &[u8]) -> Vec<String> {
    attributes(value)
        .filter(|(kind, _)| *kind == ifla::ALT_IFNAME)
        .map(|(_, name)| text_of(name))
        .take(MAX_ALT_NAMES)
        .collect()
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
