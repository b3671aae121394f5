//! Changes of links, in the words of ip-link(8) and bridge(8).

use core::fmt;

use super::super::{KindSpec, OUR_GROUP};
use super::{LinkAt, option, switch};
use crate::value::{
    BondOptions, BridgeOptions, BridgePortOptions, BridgeVlan, LinkName, Mac, Mtu, VxlanOptions,
};

/// The link of [`super::Op::LinkAdd`]. It gets the group [`OUR_GROUP`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkAdd {
    /// Its name.
    pub name: LinkName,
    /// What it is made as. Keys of WireGuard and members of a bond come afterwards.
    pub kind: KindSpec,
    /// The link below.
    pub parent: Option<LinkAt>,
    /// The bond, bridge or VRF it is made in.
    pub master: Option<LinkAt>,
    /// IFLA_ADDRESS.
    pub mac: Option<Mac>,
    /// IFLA_MTU.
    pub mtu: Option<Mtu>,
    /// IFF_UP at once.
    pub up: bool,
}

impl fmt::Display for LinkAdd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ip link add")?;
        let vxlan = matches!(self.kind, KindSpec::Vxlan { .. });
        option(
            f,
            "link",
            self.parent
                .as_ref()
                .filter(|_| !vxlan)
                .map(|link| &link.name),
        )?;
        write!(f, " name {}", self.name)?;
        option(f, "mtu", self.mtu)?;
        option(f, "address", self.mac)?;
        option(f, "master", self.master.as_ref().map(|link| &link.name))?;
        write!(f, " group {OUR_GROUP}")?;
        if self.up {
            f.write_str(" up")?;
        }
        kind(&self.kind, None, f)?;
        option(
            f,
            "dev",
            self.parent
                .as_ref()
                .filter(|_| vxlan)
                .map(|link| &link.name),
        )
    }
}

/// ` type <kind> …`.
pub(super) fn kind(
    spec: &KindSpec,
    primary: Option<&LinkAt>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    write!(f, " type {}", spec.name())?;
    match spec {
        KindSpec::Found | KindSpec::Dummy | KindSpec::Wireguard(_) => Ok(()),
        KindSpec::Vlan { id, protocol, .. } => write!(f, " proto {protocol} id {id}"),
        KindSpec::Bond { options, .. } => {
            bond(options, f)?;
            option(f, "primary", primary.map(|link| &link.name))
        }
        KindSpec::Bridge { options, .. } => bridge(options, f),
        KindSpec::Vrf { table } => write!(f, " table {table}"),
        KindSpec::Veth { peer } => write!(f, " peer name {peer} group {OUR_GROUP}"),
        KindSpec::Macvlan { mode, .. } => option(f, "mode", *mode),
        KindSpec::Ipvlan { mode, .. } => option(f, "mode", *mode),
        KindSpec::Vxlan { options, .. } => vxlan(options, f),
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn bond(options: &BondOptions, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    option(f, "mode", options.mode)?;
    option(f, "miimon", options.miimon)?;
    option(f, "updelay", options.updelay)?;
    option(f, "downdelay", options.downdelay)?;
    option(f, "peer_notify_delay", options.peer_notif_delay)?;
    option(f, "use_carrier", options.use_carrier.map(u8::from))?;
    option(f, "arp_interval", options.arp_interval)?;
    let words = |name: String| name.replace('-', "_");
    option(
        f,
        "arp_validate",
        options.arp_validate.map(|v| words(v.to_string())),
    )?;
    option(f, "arp_all_targets", options.arp_all_targets)?;
    option(
        f,
        "arp_ip_target",
        options.arp_ip_targets.as_deref().map(list),
    )?;
    option(
        f,
        "ns_ip6_target",
        options.ns_ip6_targets.as_deref().map(list),
    )?;
    option(f, "primary_reselect", options.primary_reselect)?;
    option(f, "fail_over_mac", options.fail_over_mac)?;
    option(f, "xmit_hash_policy", options.xmit_hash_policy)?;
    option(f, "resend_igmp", options.resend_igmp)?;
    option(f, "num_grat_arp", options.num_peer_notif)?;
    option(
        f,
        "all_slaves_active",
        options.all_slaves_active.map(u8::from),
    )?;
    option(f, "min_links", options.min_links)?;
    option(f, "lp_interval", options.lp_interval)?;
    option(f, "packets_per_slave", options.packets_per_slave)?;
    option(f, "lacp_rate", options.lacp_rate)?;
    option(f, "lacp_active", options.lacp_active)?;
    option(f, "ad_select", options.ad_select)?;
    option(f, "ad_user_port_key", options.ad_user_port_key)?;
    option(f, "ad_actor_sys_prio", options.ad_actor_sys_prio)?;
    option(f, "ad_actor_system", options.ad_actor_system)?;
    option(f, "tlb_dynamic_lb", options.tlb_dynamic_lb.map(u8::from))?;
    option(f, "arp_missed_max", options.missed_max)
}

fn bridge(options: &BridgeOptions, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    option(f, "forward_delay", options.forward_delay)?;
    option(f, "hello_time", options.hello_time)?;
    option(f, "max_age", options.max_age)?;
    option(f, "ageing_time", options.ageing_time)?;
    option(f, "stp_state", options.stp.map(u8::from))?;
    option(f, "priority", options.priority)?;
    option(f, "group_fwd_mask", options.group_forward_mask)?;
    option(f, "vlan_filtering", options.vlan_filtering.map(u8::from))?;
    option(f, "vlan_protocol", options.vlan_protocol)?;
    option(f, "vlan_default_pvid", options.default_pvid)?;
    option(
        f,
        "mcast_snooping",
        options.multicast_snooping.map(u8::from),
    )?;
    option(f, "mcast_querier", options.multicast_querier.map(u8::from))
}

fn vxlan(options: &VxlanOptions, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " id {}", options.vni)?;
    let group = options.remote.map(|remote| {
        if remote.is_multicast() {
            "group"
        } else {
            "remote"
        }
    });
    option(f, group.unwrap_or("remote"), options.remote)?;
    option(f, "local", options.local)?;
    option(f, "dstport", options.port)?;
    option(f, "ttl", options.ttl)?;
    match options.learning {
        Some(true) => f.write_str(" learning"),
        Some(false) => f.write_str(" nolearning"),
        None => Ok(()),
    }
}

/// Options of a port.
pub(super) fn port(options: &BridgePortOptions, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    option(f, "cost", options.cost)?;
    option(f, "priority", options.priority)?;
    switch(f, "hairpin", options.hairpin)?;
    switch(f, "guard", options.guard)?;
    switch(f, "root_block", options.root_block)?;
    switch(f, "fastleave", options.fast_leave)?;
    switch(f, "learning", options.learning)?;
    switch(f, "flood", options.flood)?;
    switch(f, "mcast_flood", options.multicast_flood)?;
    switch(f, "bcast_flood", options.broadcast_flood)?;
    switch(f, "proxy_arp", options.proxy_arp)?;
    switch(f, "isolated", options.isolated)
}

/// `bridge vlan add …`.
pub(super) fn vlan(
    verb: &str,
    link: &LinkAt,
    vlan: BridgeVlan,
    own: bool,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    write!(f, "bridge vlan {verb} dev {} vid {}", link.name, vlan.id)?;
    if vlan.pvid && verb == "add" {
        f.write_str(" pvid")?;
    }
    if vlan.untagged && verb == "add" {
        f.write_str(" untagged")?;
    }
    f.write_str(if own { " self" } else { "" })
}
