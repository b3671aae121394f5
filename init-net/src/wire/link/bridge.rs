//! Bridges: options of the bridge and of its ports, and AF_BRIDGE for the VLANs on them.

use netlink_packet_core::DefaultNla;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{LinkAttribute, LinkHeader, LinkMessage};

use super::super::attribute::{Writer, attributes};
use super::super::message::{WireError, kind, request};
use super::super::options::Table;
use super::{HEADER, ifla, of};
use crate::state::LinkAt;
use crate::value::{BridgeOptions, BridgePortOptions, BridgeVlan, VlanId};

/// IFLA_BRIDGE_FLAGS in IFLA_AF_SPEC, include/uapi/linux/if_bridge.h.
const BRIDGE_FLAGS: u16 = 0;
/// IFLA_BRIDGE_VLAN_INFO: `struct bridge_vlan_info`, flags and id.
const VLAN_INFO: u16 = 2;
/// BRIDGE_FLAGS_SELF: the bridge itself is meant and not a port.
const FLAGS_SELF: u16 = 2;

/// VLANs that are read of one message: all there are.
const MAX_VLANS: usize = 4094;

/// BRIDGE_VLAN_INFO_*.
mod vlan_info {
    pub const PVID: u16 = 1 << 1;
    pub const UNTAGGED: u16 = 1 << 2;
    pub const RANGE_BEGIN: u16 = 1 << 3;
    pub const RANGE_END: u16 = 1 << 4;
}

/// IFLA_BR_*.
pub(super) fn options(table: &mut impl Table, options: &mut BridgeOptions) {
    table.option(1, &mut options.forward_delay);
    table.option(2, &mut options.hello_time);
    table.option(3, &mut options.max_age);
    table.option(4, &mut options.ageing_time);
    table.wide_bool(5, &mut options.stp);
    table.option(6, &mut options.priority);
    table.option(7, &mut options.vlan_filtering);
    table.option(8, &mut options.vlan_protocol);
    table.option(9, &mut options.group_forward_mask);
    table.option(23, &mut options.multicast_snooping);
    table.option(25, &mut options.multicast_querier);
    table.option(39, &mut options.default_pvid);
}

/// IFLA_BRPORT_*.
pub(super) fn port(table: &mut impl Table, options: &mut BridgePortOptions) {
    table.option(2, &mut options.priority);
    table.option(3, &mut options.cost);
    table.option(4, &mut options.hairpin);
    table.option(5, &mut options.guard);
    table.option(6, &mut options.root_block);
    table.option(7, &mut options.fast_leave);
    table.option(8, &mut options.learning);
    table.option(9, &mut options.flood);
    table.option(10, &mut options.proxy_arp);
    table.option(27, &mut options.multicast_flood);
    table.option(30, &mut options.broadcast_flood);
    table.option(33, &mut options.isolated);
}

/// Adds the VLAN, or gives it the flags that `vlan` has.
pub(in super::super) fn vlan_add(
    link: &LinkAt,
    vlan: BridgeVlan,
    own: bool,
    seq: u32,
) -> Result<Vec<u8>, WireError> {
    let pvid = if vlan.pvid { vlan_info::PVID } else { 0 };
    let untagged = if vlan.untagged {
        vlan_info::UNTAGGED
    } else {
        0
    };
    let message = vlan_message(link, pvid | untagged, vlan.id, own);
    request(kind::RTM_SETLINK, 0, seq, &message)
}

/// Removes the VLAN.
pub(in super::super) fn vlan_delete(
    link: &LinkAt,
    vlan: BridgeVlan,
    own: bool,
    seq: u32,
) -> Result<Vec<u8>, WireError> {
    request(
        kind::RTM_DELLINK,
        0,
        seq,
        &vlan_message(link, 0, vlan.id, own),
    )
}

fn vlan_message(link: &LinkAt, flags: u16, id: VlanId, own: bool) -> LinkMessage {
    let mut spec = Writer::default();
    if own {
        spec.push(BRIDGE_FLAGS, |bytes| bytes.extend(FLAGS_SELF.to_ne_bytes()));
    }
    spec.push(VLAN_INFO, |bytes| {
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(u16::from(id).to_ne_bytes());
    });
    let mut message = of(link);
    message.header.interface_family = AddressFamily::Bridge;
    message
        .attributes
        .push(LinkAttribute::Other(DefaultNla::new(
            ifla::AF_SPEC,
            spec.into_bytes(),
        )));
    message
}

/// The VLANs in an AF_BRIDGE message about a port or a bridge, with its index. Runs of equal VLANs come as their ends.
pub(in super::super) fn decode(body: &[u8]) -> Option<(u32, Vec<BridgeVlan>)> {
    let header = LinkHeader::parse(body).ok()?;
    if header.interface_family != AddressFamily::Bridge {
        return None;
    }
    let mut vlans = Vec::new();
    let mut begin = None;
    let spec = attributes(body.get(HEADER..)?).filter(|(kind, _)| *kind == ifla::AF_SPEC);
    let infos = spec.flat_map(|(_, value)| attributes(value));
    for (_, value) in infos.filter(|(kind, _)| *kind == VLAN_INFO) {
        let Ok([f0, f1, v0, v1]) = <[u8; 4]>::try_from(value) else {
            continue;
        };
        let (flags, id) = (u16::from_ne_bytes([f0, f1]), u16::from_ne_bytes([v0, v1]));
        if flags & vlan_info::RANGE_BEGIN != 0 {
            begin = Some(id);
            continue;
        }
        let first = if flags & vlan_info::RANGE_END != 0 {
            begin.take().unwrap_or(id)
        } else {
            id
        };
        vlans.extend(
            (first..=id)
                .filter_map(|id| VlanId::try_from(id).ok())
                .take(MAX_VLANS.saturating_sub(vlans.len()))
                .map(|id| BridgeVlan {
                    id,
                    pvid: flags & vlan_info::PVID != 0,
                    untagged: flags & vlan_info::UNTAGGED != 0,
                }),
        );
    }
    Some((header.index, vlans))
}
