//! IFLA_LINKINFO: the kind of a link and its options, to and from the kernel.

use core::net::IpAddr;

use super::super::attribute::{Writer, attributes, text_of};
use super::super::options::{Received, Sent, Table};
use super::{bridge, ifla};
use crate::state::{KindSpec, KindStatus, LinkStatus, OUR_GROUP};
use crate::value::{
    BondOptions, IpvlanMode, LinkName, MacvlanMode, RouteTable, VlanId, VlanProtocol, VxlanOptions,
};

/// IFLA_INFO_*, include/uapi/linux/if_link.h.
mod info {
    pub const KIND: u16 = 1;
    pub const DATA: u16 = 2;
    pub const SLAVE_KIND: u16 = 4;
    pub const SLAVE_DATA: u16 = 5;
}

/// VETH_INFO_PEER, include/uapi/linux/veth.h: a `struct ifinfomsg` and attributes of the other end.
const VETH_INFO_PEER: u16 = 1;

/// IFLA_BOND_PRIMARY.
const BOND_PRIMARY: u16 = 11;

/// IFLA_BOND_ACTIVE_SLAVE.
const BOND_ACTIVE: u16 = 2;

/// IFLA_VXLAN_LINK.
const VXLAN_LINK: u16 = 3;

/// The value of IFLA_LINKINFO: the kind, and its options that are said. `parent` and `primary` are indexes.
pub(super) fn encode(spec: &KindSpec, parent: Option<u32>, primary: Option<u32>) -> Vec<u8> {
    let mut out = Writer::default();
    out.push(info::KIND, |bytes| bytes.extend(spec.name().as_bytes()));
    let mut data = Writer::default();
    write_data(spec, parent, primary, &mut data);
    let data = data.into_bytes();
    if !data.is_empty() {
        out.push(info::DATA, |bytes| bytes.extend(data));
    }
    out.into_bytes()
}

fn write_data(spec: &KindSpec, parent: Option<u32>, primary: Option<u32>, out: &mut Writer) {
    if let KindSpec::Veth { peer } = spec {
        return out.push(VETH_INFO_PEER, |bytes| write_peer(peer, bytes));
    }
    let table = &mut Sent(out);
    match spec {
        KindSpec::Found | KindSpec::Dummy | KindSpec::Wireguard(_) | KindSpec::Veth { .. } => {}
        KindSpec::Vlan { id, protocol, .. } => vlan(table, &mut Some(*id), &mut Some(*protocol)),
        KindSpec::Bond { options, .. } => {
            bond(table, &mut options.clone());
            table.option(BOND_PRIMARY, &mut primary.clone());
        }
        KindSpec::Bridge { options, .. } => bridge::options(table, &mut options.clone()),
        KindSpec::Vrf { table: id } => vrf(table, &mut Some(*id)),
        KindSpec::Macvlan { mode, .. } => macvlan(table, &mut mode.clone()),
        KindSpec::Ipvlan { mode, .. } => ipvlan(table, &mut mode.clone()),
        KindSpec::Vxlan { options, .. } => {
            vxlan(table, &mut options.clone());
            table.option(VXLAN_LINK, &mut parent.clone());
        }
    }
}

/// The other end is ours as well.
fn write_peer(name: &LinkName, bytes: &mut Vec<u8>) {
    bytes.extend([0; super::HEADER]);
    let mut attributes = Writer::default();
    attributes.push(ifla::IFNAME, |value| super::write_name(name, value));
    attributes.push(ifla::GROUP, |value| value.extend(OUR_GROUP.to_ne_bytes()));
    bytes.extend(attributes.into_bytes());
}

/// The value of IFLA_LINKINFO that sets options of a port of a bridge.
pub(super) fn encode_port(port: &crate::value::BridgePortOptions) -> Vec<u8> {
    let mut out = Writer::default();
    out.push(info::SLAVE_KIND, |bytes| bytes.extend(b"bridge"));
    out.nest(info::SLAVE_DATA, |data| {
        bridge::port(&mut Sent(data), &mut port.clone());
    });
    out.into_bytes()
}

/// Reads IFLA_LINKINFO into `link`.
pub(super) fn decode(value: &[u8], link: &mut LinkStatus) {
    let find = |wanted| {
        attributes(value)
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, value)| value)
    };
    link.kind = find(info::KIND).map(text_of).unwrap_or_default();
    link.slave_kind = find(info::SLAVE_KIND).map(text_of).unwrap_or_default();
    link.kind_data = find(info::DATA).and_then(|data| read_data(&link.kind, data));
    if link.slave_kind == "bridge"
        && let Some(data) = find(info::SLAVE_DATA)
    {
        let mut port = crate::value::BridgePortOptions::default();
        bridge::port(&mut Received(data), &mut port);
        link.bridge_port = Some(port);
    }
}

fn read_data(kind: &str, data: &[u8]) -> Option<KindStatus> {
    let table = &mut Received(data);
    Some(match kind {
        "vlan" => {
            let (mut id, mut protocol) = (None, None);
            vlan(table, &mut id, &mut protocol);
            KindStatus::Vlan {
                id: id?,
                protocol: protocol?,
            }
        }
        "bond" => {
            let (mut options, mut primary, mut active) = (BondOptions::default(), None, None);
            bond(table, &mut options);
            // An empty list is not reported.
            options.arp_ip_targets.get_or_insert_default();
            options.ns_ip6_targets.get_or_insert_default();
            table.option(BOND_PRIMARY, &mut primary);
            table.option(BOND_ACTIVE, &mut active);
            KindStatus::Bond {
                options,
                primary_index: primary.unwrap_or(0),
                active_index: active.unwrap_or(0),
            }
        }
        "bridge" => {
            let mut options = crate::value::BridgeOptions::default();
            bridge::options(table, &mut options);
            KindStatus::Bridge(options)
        }
        "vrf" => {
            let mut id = None;
            vrf(table, &mut id);
            KindStatus::Vrf { table: id? }
        }
        "macvlan" => {
            let mut mode = None;
            macvlan(table, &mut mode);
            KindStatus::Macvlan { mode: mode? }
        }
        "ipvlan" => {
            let mut mode = None;
            ipvlan(table, &mut mode);
            KindStatus::Ipvlan { mode: mode? }
        }
        "vxlan" => {
            let (mut options, mut parent) = (VxlanOptions::default(), None);
            vxlan(table, &mut options);
            table.option(VXLAN_LINK, &mut parent);
            KindStatus::Vxlan {
                options,
                parent_index: parent.unwrap_or(0),
            }
        }
        _ => return None,
    })
}

/// IFLA_VLAN_*.
fn vlan(table: &mut impl Table, id: &mut Option<VlanId>, protocol: &mut Option<VlanProtocol>) {
    table.option(1, id);
    table.option(5, protocol);
}

/// IFLA_VRF_*.
fn vrf(table: &mut impl Table, id: &mut Option<RouteTable>) {
    table.option(1, id);
}

/// IFLA_MACVLAN_*.
fn macvlan(table: &mut impl Table, mode: &mut Option<MacvlanMode>) {
    table.option(1, mode);
}

/// IFLA_IPVLAN_*.
fn ipvlan(table: &mut impl Table, mode: &mut Option<IpvlanMode>) {
    table.option(1, mode);
}

/// IFLA_BOND_*; the kernel works them off in an order of its own (bond_changelink, drivers/net/bonding/bond_netlink.c).
fn bond(table: &mut impl Table, options: &mut BondOptions) {
    table.option(1, &mut options.mode);
    table.option(3, &mut options.miimon);
    table.option(4, &mut options.updelay);
    table.option(5, &mut options.downdelay);
    table.option(6, &mut options.use_carrier);
    table.option(7, &mut options.arp_interval);
    table.option(8, &mut options.arp_ip_targets);
    table.option(9, &mut options.arp_validate);
    table.option(10, &mut options.arp_all_targets);
    table.option(12, &mut options.primary_reselect);
    table.option(13, &mut options.fail_over_mac);
    table.option(14, &mut options.xmit_hash_policy);
    table.option(15, &mut options.resend_igmp);
    table.option(16, &mut options.num_peer_notif);
    table.option(17, &mut options.all_slaves_active);
    table.option(18, &mut options.min_links);
    table.option(19, &mut options.lp_interval);
    table.option(20, &mut options.packets_per_slave);
    table.option(21, &mut options.lacp_rate);
    table.option(22, &mut options.ad_select);
    table.option(24, &mut options.ad_actor_sys_prio);
    table.option(25, &mut options.ad_user_port_key);
    table.option(26, &mut options.ad_actor_system);
    table.option(27, &mut options.tlb_dynamic_lb);
    table.option(28, &mut options.peer_notif_delay);
    table.option(29, &mut options.lacp_active);
    table.option(30, &mut options.missed_max);
    table.option(31, &mut options.ns_ip6_targets);
}

/// IFLA_VXLAN_*. The kernel has one attribute for each family of an address.
fn vxlan(table: &mut impl Table, options: &mut VxlanOptions) {
    let mut vni = Some(options.vni);
    table.option(1, &mut vni);
    options.vni = vni.unwrap_or(0);
    of_either_family(table, 2, 16, &mut options.remote);
    of_either_family(table, 4, 17, &mut options.local);
    table.option(5, &mut options.ttl);
    table.option(7, &mut options.learning);
    table.be16(15, &mut options.port);
}

fn of_either_family(table: &mut impl Table, four: u16, six: u16, slot: &mut Option<IpAddr>) {
    let (mut v4, mut v6) = match *slot {
        Some(IpAddr::V4(address)) => (Some(address), None),
        Some(IpAddr::V6(address)) => (None, Some(address)),
        None => (None, None),
    };
    table.option(four, &mut v4);
    table.option(six, &mut v6);
    *slot = v4.map(IpAddr::V4).or(v6.map(IpAddr::V6));
}
