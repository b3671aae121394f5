//! [`Place`]: where a shared address would be on this machine.

use core::net::IpAddr;
use std::collections::BTreeSet;

use crate::proto::vrrp::Local;
use crate::state::{
    AddressStatus, Desired, KindStatus, LinkAt, LinkStatus, Observed, Scope, VipElection, VipSpec,
};
use crate::value::{LinkName, Mac, Prefix, SysctlKey};

/// Most links below each other: a macvlan on a VLAN on a bridge on a VLAN on a bond.
const DEEPEST: usize = 5;

/// The links of a shared address, and this machine on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Where the machines speak with each other.
    pub(super) link: LinkAt,
    /// What carries the address, and sends for it.
    pub(super) holder: LinkAt,
    /// Its hardware address; `None`: neighbours cannot be told.
    pub(super) mac: Option<Mac>,
    /// The machine of an election among neighbours; why it is none.
    pub(super) local: Result<Local, &'static str>,
    /// Whether it passes packets on for others.
    pub(super) forwards: bool,
    /// The active members of bonds at or below the holder: neighbours, and switches, learn again when one is another.
    pub(super) active_members: BTreeSet<u32>,
}

/// The address as the machine has it.
pub(super) struct There<'a> {
    /// On which link.
    pub(super) link: LinkAt,
    /// As seen.
    pub(super) status: &'a AddressStatus,
}

impl Place {
    /// `Err`: what is missing.
    pub(super) fn find(
        spec: &VipSpec,
        desired: &Desired,
        observed: &Observed,
    ) -> Result<Self, String> {
        let find = |name| match observed.link(name) {
            Some(link) => Ok(link),
            None => Err(format!("link {name} is not there")),
        };
        let link = find(&spec.link_name)?;
        let holder = find(&spec.holder)?;
        let up = |link: &LinkStatus| link.is_up() && link.has_carrier();
        let local = match (holder.hardware_addr, link.hardware_addr) {
            _ if !up(link) || !up(holder) => Err("the link has no carrier"),
            (Some(mac), Some(card)) => {
                let source = source(spec, link, desired, observed);
                // A machine that asks etcd needs no address on this link.
                let by_etcd = matches!(spec.election, VipElection::Etcd(_));
                match source.or(by_etcd.then_some(spec.ip)) {
                    Some(source) => Ok(Local { source, mac, card }),
                    None => Err("the link has no address to speak from"),
                }
            }
            _ => Err("the link has no hardware address"),
        };
        Ok(Self {
            local,
            mac: holder.hardware_addr,
            forwards: forwards(desired, &holder.name),
            active_members: active_members(holder.index, observed),
            link: at(link),
            holder: at(holder),
        })
    }
}

/// The active members of the bonds at or below a link: a VLAN or a macvlan stands on one, a bridge has one as its port.
fn active_members(holder: u32, observed: &Observed) -> BTreeSet<u32> {
    let (mut level, mut active) = (BTreeSet::from([holder]), BTreeSet::new());
    for _ in 0..DEEPEST {
        let mut below = BTreeSet::new();
        for link in level.iter().filter_map(|index| observed.links.get(index)) {
            match &link.kind_data {
                Some(KindStatus::Bond { active_index, .. }) => {
                    active.insert(*active_index);
                }
                Some(KindStatus::Bridge(_)) => {
                    let ports = observed.links.values();
                    let ports = ports.filter(|port| port.master_index == link.index);
                    below.extend(ports.map(|port| port.index));
                }
                _ => {
                    below.insert(link.link_index);
                }
            }
        }
        level = below;
    }
    active
}

/// Whether the configuration makes the machine a router of IPv6 on `link`, as neighbour advertisements tell.
fn forwards(desired: &Desired, link: &LinkName) -> bool {
    let on = |of: &str| {
        let key: Result<SysctlKey, _> = format!("net/ipv6/conf/{of}/forwarding").parse();
        let spec = key.ok().and_then(|key| desired.sysctls.get(&key));
        spec.is_some_and(|spec| spec.value != "0")
    };
    on(link.as_str()) || on("all")
}

/// Where the shared address is on this machine now, on whatever link.
pub(super) fn there<'a>(
    spec: &'a VipSpec,
    observed: &'a Observed,
) -> impl Iterator<Item = There<'a>> {
    let same = |status: &&AddressStatus| status.address.address() == spec.ip;
    observed.addresses.iter().filter(same).map(|status| There {
        link: LinkAt {
            index: status.link_index,
            name: status.link_name.clone(),
        },
        status,
    })
}

/// Whether the shared address stands before another one of IPv4 on its link: then the kernel takes it as a source. It adds
/// behind those that are there (`__inet_insert_ifa`, net/ipv4/devinet.c), and dumps in that order.
pub(super) fn comes_first(spec: &VipSpec, place: &Place, observed: &Observed) -> bool {
    let mut on_link = observed.addresses.iter().filter(|status| {
        status.link_index == place.holder.index && status.address.address().is_ipv4()
    });
    let is_first = on_link
        .next()
        .is_some_and(|first| first.address == Prefix::host(spec.ip));
    is_first
        && on_link.any(|other| {
            other.valid_until.is_none() || !other.is_shared_by_us() || other.address.len() < 32
        })
}

/// The address that this machine speaks from: the first of its own in the kernel's order, which is its primary one. Shared
/// addresses are nobody's own.
fn source(
    spec: &VipSpec,
    link: &LinkStatus,
    desired: &Desired,
    observed: &Observed,
) -> Option<IpAddr> {
    let (ipv4, link_local) = speaks(spec);
    let own = observed.addresses.iter().filter(|status| {
        let ip = status.address.address();
        status.link_index == link.index
            && status.is_usable()
            && ip.is_ipv4() == ipv4
            && !desired.vips.values().any(|vip| vip.ip == ip)
    });
    let fit = own.filter(|status| match status.address.address() {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => v6.is_unicast_link_local() == link_local,
    });
    let scope = |status: &AddressStatus| status.scope == Scope::Global;
    let all: Vec<&AddressStatus> = fit.collect();
    let best = all.iter().find(|status| scope(status)).or(all.first());
    best.map(|status| status.address.address())
}

/// Whether the machines speak IPv4, and if not, from their link-local addresses: to the group, and to peers that are said so.
fn speaks(spec: &VipSpec) -> (bool, bool) {
    let VipElection::Vrrp(election) = &spec.election else {
        return (spec.ip.is_ipv4(), spec.ip.is_ipv6());
    };
    let ipv4 = election.speaks_ipv4(spec.ip);
    let mut peers = election.peers.iter();
    let link_local = peers
        .next()
        .is_none_or(|peer| matches!(peer, IpAddr::V6(v6) if v6.is_unicast_link_local()));
    (ipv4, !ipv4 && link_local)
}

fn at(link: &LinkStatus) -> LinkAt {
    LinkAt {
        index: link.index,
        name: link.name.clone(),
    }
}
