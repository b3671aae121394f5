//! Addresses, routes, rules, keys.

use super::errno::{EEXIST, ENETDOWN, EPERM, ESRCH};
use crate::plan::route::ONLINK;
use crate::state::{
    AddressOp, AddressStatus, Family, NextHopStatus, OUR_PROTOCOL, Observed, RouteOp, RouteStatus,
    RuleOp, RuleStatus, WireguardOp,
};
use crate::value::WireguardPeer;

/// IFA_F_PERMANENT.
const PERMANENT: u32 = 0x80;

pub(super) fn set_address(state: &mut Observed, op: &AddressOp) {
    let same = |a: &AddressStatus| a.link_index == op.link.index && a.address == op.address;
    let family = Family::of(op.address.address());
    let now = state.at;
    let until = |secs: u32| now + core::time::Duration::from_secs(secs.into());
    let preferred_secs = op.preferred_secs.or(op.valid_secs);
    let mut flags = 0;
    if op.valid_secs.is_none() {
        flags |= PERMANENT;
    }
    if preferred_secs == Some(0) {
        flags |= AddressStatus::DEPRECATED;
    }
    // A permanent address of IPv4 is told without times (inet_fill_ifaddr).
    let timeless = family == Family::Inet4 && op.valid_secs.is_none();
    let preferred_until = preferred_secs.filter(|_| !timeless).map(until);
    let valid_until = op.valid_secs.map(until);
    if let Some(old) = state.addresses.iter_mut().find(|a| same(a)) {
        old.flags = old.flags & !(PERMANENT | AddressStatus::DEPRECATED) | flags;
        old.valid_until = valid_until;
        old.preferred_until = preferred_until;
        old.protocol = OUR_PROTOCOL;
        old.priority = op.priority.unwrap_or(0);
    } else {
        state.addresses.push(AddressStatus {
            address: op.address,
            peer: op.peer,
            broadcast: op.broadcast,
            link_index: op.link.index,
            link_name: op.link.name.clone(),
            family,
            scope: op.scope,
            flags,
            priority: op.priority.unwrap_or(0),
            protocol: OUR_PROTOCOL,
            valid_until,
            preferred_until,
        });
    }
}

pub(super) fn add_route(state: &mut Observed, route: &RouteOp, replaces: bool) -> Result<(), i32> {
    let first = route.next_hops.first();
    let link = route.link.as_ref().or(first.map(|hop| &hop.link));
    if link.is_some_and(|link| {
        !state
            .links
            .get(&link.index)
            .is_some_and(|link| link.is_up())
    }) {
        return Err(ENETDOWN);
    }
    let slot = |r: &RouteStatus| {
        r.table == route.table
            && r.family == route.family
            && r.dst == route.dst
            && r.priority == route.priority
    };
    match state.routes.iter().position(slot) {
        Some(_) if !replaces => return Err(EEXIST),
        Some(index) if state.routes[index].protocol != OUR_PROTOCOL => return Err(EPERM),
        Some(index) => drop(state.routes.remove(index)),
        None => {}
    }
    let hops = route.next_hops.iter().map(|hop| NextHopStatus {
        gateway: hop.gateway,
        out_link_index: hop.link.index,
        weight: hop.weight,
    });
    state.routes.push(RouteStatus {
        family: route.family,
        dst: route.dst,
        src: route.src,
        gateway: route.gateway.or(first.and_then(|hop| hop.gateway)),
        out_link_index: link.map_or(0, |link| link.index),
        out_link_name: link.map(|link| link.name.clone()),
        table: route.table,
        priority: route.priority,
        scope: route.scope,
        kind: route.kind,
        protocol: OUR_PROTOCOL,
        flags: if route.on_link { ONLINK } else { 0 },
        mtu: route.mtu.map(|mtu| mtu.bytes()),
        metrics: route.metrics.clone(),
        next_hops: hops.collect(),
    });
    Ok(())
}

pub(super) fn remove_route(state: &mut Observed, route: &RouteOp) -> Result<(), i32> {
    let hit = |r: &RouteStatus| {
        r.protocol == OUR_PROTOCOL
            && r.dst == route.dst
            && r.priority == route.priority
            && (!route.next_hops.is_empty()
                || r.gateway == route.gateway
                || !r.next_hops.is_empty())
            && r.table == route.table
            && route
                .link
                .as_ref()
                .is_none_or(|link| link.index == r.out_link_index)
    };
    let index = state.routes.iter().position(hit).ok_or(ESRCH)?;
    state.routes.remove(index);
    Ok(())
}

pub(super) fn add_rule(state: &mut Observed, rule: &RuleOp) -> Result<(), i32> {
    let made = RuleStatus {
        family: rule.family,
        priority: rule.priority,
        src: rule.src,
        dst: rule.dst,
        action: Some(rule.action),
        table: rule.table,
        iif_name: rule.iif_name.clone(),
        oif_name: rule.oif_name.clone(),
        fw_mark: rule.fw_mark,
        fw_mask: rule.fw_mask,
        suppress_prefix_length: rule.suppress_prefix_length,
        has_more: false,
        protocol: OUR_PROTOCOL,
    };
    if state.rules.contains(&made) {
        return Err(EEXIST);
    }
    state.rules.push(made);
    Ok(())
}

pub(super) fn remove_rule(state: &mut Observed, rule: &RuleOp) -> Result<(), i32> {
    let hit = |r: &RuleStatus| {
        r.protocol == OUR_PROTOCOL
            && r.family == rule.family
            && r.priority == rule.priority
            && r.src == rule.src
    };
    let index = state.rules.iter().position(hit).ok_or(ESRCH)?;
    state.rules.remove(index);
    Ok(())
}

pub(super) fn set_wireguard(state: &mut Observed, op: &WireguardOp) {
    let device = state.wireguard.entry(op.link.index).or_default();
    if let Some(key) = &op.private_key {
        device.private_key = Some(key.clamped());
    }
    device.listen_port = op.listen_port.or(device.listen_port);
    device.firewall_mark = op.firewall_mark.or(device.firewall_mark);
    for change in &op.peers {
        let mut peer = match device
            .peers
            .iter()
            .position(|peer| peer.public_key == change.public_key)
        {
            Some(index) => device.peers.remove(index),
            None => WireguardPeer {
                public_key: change.public_key,
                preshared_key: None,
                endpoint: None,
                persistent_keepalive_interval: 0,
                allowed_ips: Vec::new(),
            },
        };
        if change.remove {
            continue;
        }
        if let Some(key) = &change.preshared_key {
            peer.preshared_key.clone_from(key);
        }
        peer.endpoint = change.endpoint.or(peer.endpoint);
        let interval = change.persistent_keepalive_interval;
        peer.persistent_keepalive_interval = interval.unwrap_or(peer.persistent_keepalive_interval);
        if let Some(ips) = &change.allowed_ips {
            // A network goes to the peer that named it last.
            for other in &mut device.peers {
                other.allowed_ips.retain(|ip| !ips.contains(ip));
            }
            peer.allowed_ips.clone_from(ips);
        }
        device.peers.push(peer);
    }
}
