//! Routes: added when missing, replaced in the slot that is ours, removed when ours and not wanted.

use std::collections::{HashMap, HashSet};

use super::look::Look;
use crate::state::{
    Desired, Family, LinkAt, OUR_PROTOCOL, Op, RouteOp, RouteSpec, RouteStatus, Scope,
};
use crate::value::{Prefix, RouteKind, RouteMetrics, RouteTable};

/// RTNH_F_ONLINK, include/uapi/linux/rtnetlink.h.
const ONLINK: u32 = 4;

pub(super) fn plan(desired: &Desired, observed: &Look<'_>, ops: &mut Vec<Op>) {
    // Once by slot: looking through all routes for each would be quadratic, a second at ten thousand.
    let mut slots: HashMap<Slot, Vec<(usize, &RouteStatus)>> = HashMap::new();
    for (index, status) in observed.routes.iter().enumerate() {
        let slot = (status.table, status.family, status.dst, status.priority);
        slots.entry(slot).or_default().push((index, status));
    }
    let mut kept: HashSet<usize> = HashSet::new();
    for spec in desired.routes.values() {
        let Some(name) = &spec.out_link_name else {
            continue;
        };
        let Some((link, up)) = super::at(name, desired, observed) else {
            continue;
        };
        // A route out of a link that is down is refused: the round after the link came up plans it.
        if !up {
            continue;
        }
        let slot = slots
            .get(&(spec.table, spec.family, spec.dst, spec.priority))
            .map_or(&[][..], Vec::as_slice);
        if let Some((index, _)) = slot
            .iter()
            .find(|(_, status)| same_route(spec, status, link.index))
        {
            kept.insert(*index);
            continue;
        }
        // NLM_F_REPLACE takes the first route of the slot, whosever it is: only for a slot that holds ours alone.
        let ours = slot
            .iter()
            .filter(|(_, status)| status.protocol == OUR_PROTOCOL)
            .count();
        let op = route_op(spec, link);
        // One that another route was found equal to is that route's.
        let free = slot.iter().all(|(index, _)| !kept.contains(index));
        if ours == 1 && slot.len() == 1 && free {
            kept.insert(slot[0].0);
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
            .and_then(|name| super::at(name, desired, observed));
        let stays =
            goes.is_none_or(|(_, up)| up) && !observed.gone.contains(&status.out_link_index);
        if status.protocol == OUR_PROTOCOL && !kept.contains(&index) && stays {
            ops.push(Op::RouteDel(removal(status)));
        }
    }
}

/// What the kernel tells two routes apart by (fib_find_alias; fib6_add_rt2node).
type Slot = (RouteTable, Family, Option<Prefix>, u32);

fn same_route(spec: &RouteSpec, status: &RouteStatus, link: u32) -> bool {
    spec.gateway == status.gateway
        && status.out_link_index == link
        && spec.kind == status.kind
        && spec.src.is_none_or(|src| status.src == Some(src))
        && spec.mtu.is_none_or(|mtu| status.mtu == Some(mtu.bytes()))
        && (spec.family == Family::Inet6 || spec.scope == status.scope)
        && (!spec.on_link || status.flags & ONLINK != 0)
}

fn route_op(spec: &RouteSpec, link: LinkAt) -> RouteOp {
    RouteOp {
        family: spec.family,
        dst: spec.dst,
        gateway: spec.gateway,
        link: Some(link),
        next_hops: Vec::new(),
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

/// Names a route exactly enough that the kernel cannot take another one.
fn removal(status: &RouteStatus) -> RouteOp {
    let link = status.out_link_name.clone().map(|name| LinkAt {
        index: status.out_link_index,
        name,
    });
    RouteOp {
        family: status.family,
        dst: status.dst,
        gateway: status.gateway,
        link: link.filter(|_| status.kind == RouteKind::Unicast),
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
