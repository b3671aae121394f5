//! Links.

use crate::state::{KindSpec, KindStatus, LinkAdd, LinkStatus, OUR_GROUP, Observed, Op, iff};
use crate::value::{BondMode, BondOptions, BridgePortOptions, LinkName};

use super::errno::*;

/// Takes the fields of an object of options that are said.
macro_rules! take {
    ($to:expr, $from:expr, [$($field:ident),+ $(,)?]) => {
        $(if $from.$field.is_some() { $to.$field.clone_from(&$from.$field); })+
    };
}

/// Does `op`, one about links; `Err` is what the kernel would say.
pub(super) fn change(state: &mut Observed, op: &Op) -> Result<(), i32> {
    match op {
        Op::LinkAdd(add) => make(state, add),
        Op::LinkDel { link, .. } => {
            let status = state.links.get(&link.index).ok_or(ENODEV)?;
            assert!(
                status.group == OUR_GROUP && !status.kind.is_empty(),
                "deletes what is not ours: {op}"
            );
            remove(state, link.index);
            Ok(())
        }
        Op::LinkSetKind {
            link,
            kind,
            primary,
        } => set_kind(
            state,
            link.index,
            kind,
            primary.as_ref().map(|primary| primary.index),
        ),
        Op::LinkSetMaster {
            link,
            master,
            group,
        } => {
            let master = master.as_ref().map_or(0, |master| master.index);
            set_master(state, link.index, master)?;
            find(state, link.index)?.group = *group;
            Ok(())
        }
        Op::LinkSetPort { link, port } => {
            let have = find(state, link.index)?
                .bridge_port
                .as_mut()
                .ok_or(EINVAL)?;
            take!(have, port, [cost, priority, hairpin, isolated, learning]);
            Ok(())
        }
        Op::BridgeVlanAdd { link, vlan, .. } => {
            let vlans = state.bridge_vlans.get_mut(&link.index).ok_or(EINVAL)?;
            vlans.retain(|have| have.id != vlan.id);
            if vlan.pvid {
                vlans.iter_mut().for_each(|have| have.pvid = false);
            }
            vlans.push(*vlan);
            Ok(())
        }
        Op::BridgeVlanDel { link, vlan, .. } => {
            let vlans = state.bridge_vlans.get_mut(&link.index).ok_or(EINVAL)?;
            vlans.retain(|have| have.id != vlan.id);
            Ok(())
        }
        Op::LinkSetUp { link, up } => set_up(state, link.index, *up),
        Op::LinkSetMulticast { link, on } => {
            let flag = if *on { iff::MULTICAST } else { 0 };
            let status = find(state, link.index)?;
            status.flags = status.flags & !iff::MULTICAST | flag;
            Ok(())
        }
        Op::LinkRename { link, name } => {
            let status = find(state, link.index)?;
            assert!(
                !status.is_up(),
                "the kernel refuses to rename a link that is up"
            );
            status.name = name.clone();
            Ok(())
        }
        Op::LinkSetMtu { link, mtu } => set_mtu(state, link.index, mtu.bytes()),
        Op::LinkSetMac { link, mac } => {
            let status = find(state, link.index)?;
            assert!(
                !status.is_up() || !status.kind.is_empty(),
                "a card refuses it while it is up"
            );
            status.hardware_addr = Some(*mac);
            Ok(())
        }
        other => panic!("not about links: {other}"),
    }
}

fn find(state: &mut Observed, index: u32) -> Result<&mut LinkStatus, i32> {
    state.links.get_mut(&index).ok_or(ENODEV)
}

fn make(state: &mut Observed, add: &LinkAdd) -> Result<(), i32> {
    let taken = |name: &LinkName| state.links.values().any(|link| link.name == *name);
    let peer = match &add.kind {
        KindSpec::Veth { peer } => Some(peer),
        _ => None,
    };
    if taken(&add.name) || peer.is_some_and(taken) {
        return Err(EEXIST);
    }
    let parent = add.parent.as_ref().map_or(0, |parent| parent.index);
    let below = state.links.get(&parent).cloned();
    if parent != 0 && below.is_none() {
        return Err(ENODEV);
    }
    let mtu = add.mtu.map_or(1500, |mtu| mtu.bytes());
    if let Some(below) = &below {
        if mtu > below.mtu && add.mtu.is_some() {
            return Err(EINVAL);
        }
        if add.up && !below.is_up() {
            return Err(ENETDOWN);
        }
    }
    let index = state.links.keys().max().copied().unwrap_or(0) + 1;
    let made = |index, name: &LinkName| LinkStatus {
        kind: add.kind.name().to_owned(),
        group: OUR_GROUP,
        ..LinkStatus::new(index, name.clone())
    };
    let mut link = LinkStatus {
        kind_data: data(&add.kind, parent),
        link_index: if peer.is_some() { index + 1 } else { parent },
        mtu: mtu.min(below.map_or(u32::MAX, |below| below.mtu)),
        hardware_addr: add.mac,
        flags: iff::MULTICAST,
        ..made(index, &add.name)
    };
    if add.up {
        link.flags |= iff::UP | iff::LOWER_UP;
    }
    match link.kind.as_str() {
        "bridge" => drop(state.bridge_vlans.insert(index, Vec::new())),
        "wireguard" => drop(state.wireguard.insert(index, Default::default())),
        _ => {}
    }
    state.links.insert(index, link);
    if let Some(peer) = peer {
        let mut other = made(index + 1, peer);
        other.link_index = index;
        state.links.insert(other.index, other);
    }
    match &add.master {
        Some(master) => set_master(state, index, master.index).inspect_err(|_| {
            state.links.remove(&index);
        }),
        None => Ok(()),
    }
}

fn data(kind: &KindSpec, parent_index: u32) -> Option<KindStatus> {
    Some(match kind {
        KindSpec::Vlan { id, protocol, .. } => KindStatus::Vlan {
            id: *id,
            protocol: *protocol,
        },
        KindSpec::Bond { options, .. } => {
            let mode = options.mode.unwrap_or(BondMode::BalanceRr);
            let mut have = BondOptions {
                mode: Some(mode),
                miimon: Some(if mode.has_arp_monitor() { 0 } else { 100 }),
                updelay: Some(0),
                lacp_rate: Some(crate::value::LacpRate::Slow),
                fail_over_mac: Some(crate::value::FailOverMac::None),
                ..BondOptions::default()
            };
            set_bond(&mut have, options).expect("a new bond is down and has no members");
            KindStatus::Bond {
                options: have,
                primary_index: 0,
                active_index: 0,
            }
        }
        KindSpec::Bridge { options, .. } => {
            let mut have = crate::value::BridgeOptions {
                stp: Some(false),
                hello_time: Some(200),
                ..crate::value::BridgeOptions::default()
            };
            take!(have, options, [stp, hello_time]);
            KindStatus::Bridge(have)
        }
        KindSpec::Vrf { table } => KindStatus::Vrf { table: *table },
        KindSpec::Macvlan { mode, .. } => KindStatus::Macvlan {
            mode: mode.unwrap_or(crate::value::MacvlanMode::Vepa),
        },
        KindSpec::Ipvlan { mode, .. } => KindStatus::Ipvlan {
            mode: mode.unwrap_or(crate::value::IpvlanMode::L3),
        },
        KindSpec::Vxlan { options, .. } => KindStatus::Vxlan {
            options: options.clone(),
            parent_index,
        },
        KindSpec::Found | KindSpec::Dummy | KindSpec::Veth { .. } | KindSpec::Wireguard(_) => {
            return None;
        }
    })
}

/// Delays in whole intervals, options of another mode refused.
fn set_bond(have: &mut BondOptions, want: &BondOptions) -> Result<(), i32> {
    take!(have, want, [mode, fail_over_mac]);
    let needs_miimon = have.mode.is_some_and(|mode| !mode.has_arp_monitor());
    if want.mode.is_some() && needs_miimon && have.miimon == Some(0) {
        have.miimon = Some(100);
    }
    take!(have, want, [miimon]);
    if want.lacp_rate.is_some() && have.mode != Some(BondMode::Lacp) {
        return Err(EINVAL);
    }
    let miimon = have.miimon.unwrap_or(0);
    if let Some(updelay) = want.updelay {
        let rest = updelay.checked_rem(miimon).ok_or(EPERM)?;
        have.updelay = Some(updelay - rest);
    }
    take!(have, want, [lacp_rate]);
    Ok(())
}

fn set_kind(
    state: &mut Observed,
    index: u32,
    kind: &KindSpec,
    primary: Option<u32>,
) -> Result<(), i32> {
    let members: Vec<u32> = members(state, index);
    let link = find(state, index)?;
    let is_up = link.is_up();
    match (kind, link.kind_data.as_mut().ok_or(EINVAL)?) {
        (
            KindSpec::Bond { options, .. },
            KindStatus::Bond {
                options: have,
                primary_index,
                ..
            },
        ) => {
            let alone = options.mode.is_some() || options.fail_over_mac.is_some();
            if alone && !members.is_empty() {
                return Err(ENOTEMPTY);
            }
            if is_up && (options.mode.is_some() || options.lacp_rate.is_some()) {
                return Err(EPERM);
            }
            set_bond(have, options)?;
            if let Some(primary) = primary {
                if !members.contains(&primary) {
                    return Err(EINVAL);
                }
                *primary_index = primary;
            }
        }
        (KindSpec::Bridge { options, .. }, KindStatus::Bridge(have)) => {
            take!(have, options, [stp, hello_time]);
        }
        (KindSpec::Macvlan { mode, .. }, KindStatus::Macvlan { mode: have }) => {
            *have = mode.ok_or(EINVAL)?;
        }
        (KindSpec::Vxlan { options, .. }, KindStatus::Vxlan { options: have, .. }) => {
            take!(have, options, [local, remote, learning, ttl]);
        }
        _ => return Err(EINVAL),
    }
    Ok(())
}

fn members(state: &Observed, master: u32) -> Vec<u32> {
    let links = state.links.values();
    links
        .filter(|link| link.master_index == master)
        .map(|link| link.index)
        .collect()
}

fn set_master(state: &mut Observed, index: u32, master: u32) -> Result<(), i32> {
    let link = find(state, index)?;
    if link.master_index != 0 {
        let from = link.slave_kind.clone();
        let before = core::mem::take(&mut link.master_index);
        link.slave_kind.clear();
        link.bridge_port = None;
        state.bridge_vlans.remove(&index);
        // A bond closes what leaves it.
        if from == "bond" {
            set_up(state, index, false)?;
            if let Some(KindStatus::Bond { primary_index, .. }) =
                &mut find(state, before)?.kind_data
                && *primary_index == index
            {
                *primary_index = 0;
            }
        }
    }
    if master == 0 {
        return Ok(());
    }
    let (kind, mtu) = {
        let master = find(state, master)?;
        (master.kind.clone(), master.mtu)
    };
    let link = find(state, index)?;
    if kind == "bond" && link.is_up() {
        return Err(EPERM);
    }
    link.master_index = master;
    link.slave_kind.clone_from(&kind);
    match kind.as_str() {
        "bond" => {
            link.mtu = mtu;
            set_up(state, index, true)
        }
        "bridge" => {
            link.bridge_port = Some(BridgePortOptions {
                cost: Some(100),
                hairpin: Some(false),
                ..BridgePortOptions::default()
            });
            state.bridge_vlans.insert(index, Vec::new());
            Ok(())
        }
        "vrf" => Ok(()),
        _ => Err(EINVAL),
    }
}

/// VLANs follow what they stand on, both ways.
fn set_up(state: &mut Observed, index: u32, up: bool) -> Result<(), i32> {
    let below = find(state, index)?.link_index;
    let needs_below = ["vlan", "macvlan"].contains(&find(state, index)?.kind.as_str());
    if up && needs_below && state.links.get(&below).is_some_and(|link| !link.is_up()) {
        return Err(ENETDOWN);
    }
    let link = find(state, index)?;
    if link.is_up() == up {
        return Ok(());
    }
    let flags = iff::UP | iff::LOWER_UP;
    link.flags = if up {
        link.flags | flags
    } else {
        link.flags & !flags
    };
    if !up {
        state.routes.retain(|route| route.out_link_index != index);
    }
    for above in standing_on(state, index, &["vlan"]) {
        set_up(state, above, up)?;
    }
    Ok(())
}

fn set_mtu(state: &mut Observed, index: u32, mtu: u32) -> Result<(), i32> {
    let link = find(state, index)?.clone();
    let limit = match link.kind.as_str() {
        "vlan" | "macvlan" => find(state, link.link_index)?.mtu,
        _ => u32::MAX,
    };
    if mtu > limit {
        return Err(ERANGE);
    }
    find(state, index)?.mtu = mtu;
    for above in standing_on(state, index, &["vlan", "macvlan"]) {
        if find(state, above)?.mtu > mtu {
            set_mtu(state, above, mtu)?;
        }
    }
    if link.kind == "bond" {
        for member in members(state, index) {
            set_mtu(state, member, mtu)?;
        }
    }
    Ok(())
}

fn standing_on(state: &Observed, index: u32, kinds: &[&str]) -> Vec<u32> {
    let links = state.links.values();
    links
        .filter(|link| link.link_index == index && kinds.contains(&link.kind.as_str()))
        .map(|link| link.index)
        .collect()
}

/// With what stands on it, and the other end of a pair.
fn remove(state: &mut Observed, index: u32) {
    for member in members(state, index) {
        set_master(state, member, 0).expect("a member can leave");
    }
    state.links.remove(&index);
    state.bridge_vlans.remove(&index);
    state.wireguard.remove(&index);
    state
        .addresses
        .retain(|address| address.link_index != index);
    state.routes.retain(|route| route.out_link_index != index);
    let kinds = ["vlan", "macvlan", "ipvlan", "vxlan", "veth"];
    for above in standing_on(state, index, &kinds) {
        remove(state, above);
    }
}
