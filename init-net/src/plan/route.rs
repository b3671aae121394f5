//! Routes: added when missing, replaced in the slot that is ours, removed when ours and not wanted.

use core::net::IpAddr;
use std::collections::{HashMap, HashSet};

use super::look::Look;
use super::slot::{Slot, taken, wanted};
use crate::state::{
    Desired, Family, LinkAt, NextHopAt, NextHopStatus, OUR_PROTOCOL, Op, RouteOp, RouteSpec,
    RouteStatus, Scope,
};
use crate::value::{RouteMetrics, RoutePreference};

/// RTNH_F_ONLINK, include/uapi/linux/rtnetlink.h.
pub(super) const ONLINK: u32 = 4;

/// What `ip_metrics_convert` (net/ipv4/metrics.c) cuts RTAX_MTU, RTAX_ADVMSS and RTAX_HOPLIMIT to.
const MAX_MTU: u32 = 65535 - 15;
const MAX_ADVMSS: u32 = 65535 - 40;
const MAX_HOP_LIMIT: u32 = 255;

pub(super) fn plan(desired: &Desired, observed: &Look<'_>, ops: &mut Vec<Op>) {
    // Once by slot: looking through all routes for each would be quadratic, a second at ten thousand.
    let mut slots: HashMap<Slot, Vec<(usize, &RouteStatus)>> = HashMap::new();
    for (index, status) in observed.routes.iter().enumerate() {
        slots
            .entry(taken(status))
            .or_default()
            .push((index, status));
    }
    let mut kept: HashSet<usize> = HashSet::new();
    for spec in desired.routes.values() {
        let slot = slots.get(&wanted(spec)).map_or(&[][..], Vec::as_slice);
        let ours = |status: &RouteStatus| status.protocol == OUR_PROTOCOL;
        let way = match way(spec, desired, observed) {
            Way::Open(way) => way,
            Way::None => continue,
            // What is there of it stays: the round after all links came up sets it right.
            Way::Waits => {
                kept.extend(
                    slot.iter()
                        .filter(|(_, status)| ours(status))
                        .map(|(index, _)| index),
                );
                continue;
            }
        };
        let there = found(spec, &way, slot);
        if !there.is_empty() {
            kept.extend(there);
            continue;
        }
        // NLM_F_REPLACE takes the first route of the slot, whosever it is: only for a slot that holds ours alone. Of IPv6
        // it takes all that share the slot, which are the hops of one route.
        let replaced = spec.family == Family::Inet6 && !spec.next_hops.is_empty();
        let alone = slot.len() == 1 || replaced && !slot.is_empty();
        // One that another route was found equal to is that route's.
        let free = slot
            .iter()
            .all(|(index, status)| ours(status) && !kept.contains(index));
        let op = route_op(spec, way);
        if alone && free {
            kept.extend(slot.iter().map(|(index, _)| index));
            ops.push(Op::RouteReplace(op));
        } else {
            ops.push(Op::RouteAdd(op));
        }
    }
    for (index, status) in observed.routes.iter().enumerate() {
        // A link that goes, or goes down, takes its routes with it.
        let goes = status
            .out_link_name
            .as_ref()
            .and_then(|name| observed.at(name, desired));
        let stays =
            goes.is_none_or(|(_, up)| up) && !observed.gone.contains(&status.out_link_index);
        if status.protocol == OUR_PROTOCOL && !kept.contains(&index) && stays {
            ops.push(Op::RouteDel(removal(status)));
        }
    }
}

/// Where a route leads, by index.
enum Way {
    /// Out of these links; a route that goes nowhere has none, and only multipath has several.
    Open(Vec<NextHopAt>),
    /// One of its links is down: the kernel would refuse it.
    Waits,
    /// One of its links is not there, or it has none.
    None,
}

fn way(spec: &RouteSpec, desired: &Desired, observed: &Look<'_>) -> Way {
    if spec.kind.is_nowhere() {
        return Way::Open(Vec::new());
    }
    let one = spec
        .out_link_name
        .iter()
        .map(|name| (spec.gateway, name, 1));
    let several = spec
        .next_hops
        .iter()
        .map(|hop| (hop.gateway, &hop.out_link_name, hop.weight));
    let hops: Vec<_> = if spec.next_hops.is_empty() {
        one.collect()
    } else {
        several.collect()
    };
    let mut open = Vec::new();
    let (mut missing, mut down) = (hops.is_empty(), false);
    for (gateway, name, weight) in hops {
        match observed.at(name, desired) {
            Some((link, up)) => {
                down |= !up;
                open.push(NextHopAt {
                    gateway,
                    link,
                    weight,
                });
            }
            None => missing = true,
        }
    }
    match (missing, down) {
        // Several hops of which one link is away: the others go on as they are.
        (true, _) if !spec.next_hops.is_empty() => Way::Waits,
        (true, _) => Way::None,
        (false, true) if spec.next_hops.is_empty() => Way::None,
        (false, true) => Way::Waits,
        (false, false) => Way::Open(open),
    }
}

/// Which routes of the slot are the wanted one: none, or one; several where an IPv6 route has several hops and the kernel
/// is older than 4.11, which shows each as a route.
fn found(spec: &RouteSpec, way: &[NextHopAt], slot: &[(usize, &RouteStatus)]) -> Vec<usize> {
    let one = slot
        .iter()
        .find(|(_, status)| same_settings(spec, status) && same_hops(way, &hops_of(status)));
    if let Some((index, _)) = one {
        return vec![*index];
    }
    if way.len() < 2 || spec.family != Family::Inet6 {
        return Vec::new();
    }
    let parts: Vec<_> = slot
        .iter()
        .filter(|(_, status)| status.next_hops.is_empty() && same_settings(spec, status))
        .collect();
    let hops: Vec<Hop> = parts
        .iter()
        .flat_map(|(_, status)| hops_of(status))
        .collect();
    // Such a kernel has no weights.
    let even: Vec<NextHopAt> = way
        .iter()
        .map(|hop| NextHopAt {
            weight: 1,
            ..hop.clone()
        })
        .collect();
    if same_hops(&even, &hops) {
        parts.into_iter().map(|(index, _)| *index).collect()
    } else {
        Vec::new()
    }
}

/// Gateway, link, weight.
type Hop = (Option<IpAddr>, u32, u16);

fn hops_of(status: &RouteStatus) -> Vec<Hop> {
    if status.kind.is_nowhere() {
        return Vec::new();
    }
    if status.next_hops.is_empty() {
        return vec![(status.gateway, status.out_link_index, 1)];
    }
    let hop = |hop: &NextHopStatus| (hop.gateway, hop.out_link_index, hop.weight);
    status.next_hops.iter().map(hop).collect()
}

/// In any order: the kernel keeps its own.
fn same_hops(want: &[NextHopAt], have: &[Hop]) -> bool {
    let mut want: Vec<Hop> = want
        .iter()
        .map(|hop| (hop.gateway, hop.link.index, hop.weight))
        .collect();
    let mut have = have.to_vec();
    // One hop of several has no weight against anything.
    if let ([want], [have]) = (want.as_mut_slice(), have.as_mut_slice()) {
        (want.2, have.2) = (1, 1);
    }
    want.sort_unstable();
    have.sort_unstable();
    want == have
}

fn same_settings(spec: &RouteSpec, status: &RouteStatus) -> bool {
    spec.kind == status.kind
        && spec.src.is_none_or(|src| status.src == Some(src))
        && same_metrics(spec, status)
        && (spec.family == Family::Inet6 || spec.scope == status.scope)
        && (!spec.on_link || status.flags & ONLINK != 0)
}

/// What is said of them. The kernel cuts what is too large (`ip_metrics_convert`, net/ipv4/metrics.c), and does not show
/// what is 0.
fn same_metrics(spec: &RouteSpec, status: &RouteStatus) -> bool {
    let (want, have) = (&spec.metrics, &status.metrics);
    let mtu = spec.mtu.map(|mtu| mtu.bytes());
    let numbers = [
        (mtu, status.mtu, MAX_MTU),
        (want.advmss, have.advmss, MAX_ADVMSS),
        (want.hop_limit, have.hop_limit, MAX_HOP_LIMIT),
        (want.init_cwnd, have.init_cwnd, u32::MAX),
        (want.init_rwnd, have.init_rwnd, u32::MAX),
        (want.rto_min, have.rto_min, u32::MAX),
        (
            want.quick_ack.map(u32::from),
            have.quick_ack.map(u32::from),
            1,
        ),
    ];
    let same = |(want, have, most): (Option<u32>, Option<u32>, u32)| {
        want.is_none_or(|want| want.min(most) == have.unwrap_or(0))
    };
    // Not shown: the usual one.
    let usual = RoutePreference::Medium;
    let preference = want.preference.filter(|_| spec.family == Family::Inet6);
    numbers.into_iter().all(same)
        && preference.is_none_or(|want| want == have.preference.unwrap_or(usual))
}

fn route_op(spec: &RouteSpec, way: Vec<NextHopAt>) -> RouteOp {
    let single = spec.next_hops.is_empty();
    let (link, next_hops) = if single {
        (way.into_iter().next().map(|hop| hop.link), Vec::new())
    } else {
        (None, way)
    };
    RouteOp {
        family: spec.family,
        dst: spec.dst,
        gateway: spec.gateway.filter(|_| single && !spec.kind.is_nowhere()),
        link,
        next_hops,
        src: spec.src,
        table: spec.table,
        priority: spec.priority,
        scope: spec.scope,
        kind: spec.kind,
        on_link: spec.on_link,
        mtu: spec.mtu,
        metrics: spec.metrics.clone(),
    }
}

/// Names a route exactly enough that the kernel cannot take another one. One of several next hops goes as a whole.
fn removal(status: &RouteStatus) -> RouteOp {
    let single = status.next_hops.is_empty();
    let link = status.out_link_name.clone().map(|name| LinkAt {
        index: status.out_link_index,
        name,
    });
    RouteOp {
        family: status.family,
        dst: status.dst,
        gateway: status.gateway.filter(|_| single),
        link: link.filter(|_| single && !status.kind.is_nowhere()),
        next_hops: Vec::new(),
        src: None,
        table: status.table,
        priority: status.priority,
        // RTM_DELROUTE takes "nowhere" for "any"; the printed command needs no scope either.
        scope: Scope::Nowhere,
        kind: status.kind,
        on_link: false,
        mtu: None,
        metrics: RouteMetrics::default(),
    }
}
