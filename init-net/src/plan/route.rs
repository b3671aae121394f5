//! Routes: added when missing, replaced in the slot that is ours, removed when ours and not wanted.

use crate::state::{
    Desired, LinkAt, OUR_PROTOCOL, Observed, Op, RouteKind, RouteOp, RouteSpec, RouteStatus, Scope,
};

/// RTNH_F_ONLINK, include/uapi/linux/rtnetlink.h.
const ONLINK: u32 = 4;

pub(super) fn plan(desired: &Desired, observed: &Observed, ops: &mut Vec<Op>) {
    let mut kept: Vec<usize> = Vec::new();
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
        // What another route was found equal to is its own.
        let in_slot = |(index, status): &(usize, &RouteStatus)| {
            same_slot(spec, status) && !kept.contains(index)
        };
        let slot: Vec<(usize, &RouteStatus)> =
            observed.routes.iter().enumerate().filter(in_slot).collect();
        if let Some((index, _)) = slot
            .iter()
            .find(|(_, status)| same_route(spec, status, link.index))
        {
            kept.push(*index);
            continue;
        }
        // NLM_F_REPLACE takes the first route of the slot, whosever it is: only for a slot that holds ours alone.
        let ours = slot
            .iter()
            .filter(|(_, status)| status.protocol == OUR_PROTOCOL)
            .count();
        let op = route_op(spec, link);
        if ours == 1 && slot.len() == 1 {
            kept.push(slot[0].0);
            ops.push(Op::RouteReplace(op));
        } else {
            ops.push(Op::RouteAdd(op));
        }
    }
    for (index, status) in observed.routes.iter().enumerate() {
        // A link that goes down takes its routes with it.
        let goes = status
            .out_link_name
            .as_ref()
            .and_then(|name| super::at(name, desired, observed));
        let stays = goes.is_none_or(|(_, up)| up);
        if status.protocol == OUR_PROTOCOL && !kept.contains(&index) && stays {
            ops.push(Op::RouteDel(removal(status)));
        }
    }
}

/// What the kernel tells two routes apart by (fib_find_alias; fib6_add_rt2node).
fn same_slot(spec: &RouteSpec, status: &RouteStatus) -> bool {
    spec.table == status.table
        && spec.family == status.family
        && spec.dst == status.dst
        && spec.priority == status.priority
}

fn same_route(spec: &RouteSpec, status: &RouteStatus, link: u32) -> bool {
    spec.gateway == status.gateway
        && status.out_link_index == link
        && spec.kind == status.kind
        && spec.src.is_none_or(|src| status.src == Some(src))
        && spec.mtu.is_none_or(|mtu| status.mtu == Some(mtu.bytes()))
        && (spec.family == crate::state::Family::Inet6 || spec.scope == status.scope)
        && (!spec.on_link || status.flags & ONLINK != 0)
}

fn route_op(spec: &RouteSpec, link: LinkAt) -> RouteOp {
    RouteOp {
        family: spec.family,
        dst: spec.dst,
        gateway: spec.gateway,
        link: Some(link),
        src: spec.src,
        table: spec.table,
        priority: spec.priority,
        scope: spec.scope,
        kind: spec.kind,
        on_link: spec.on_link,
        mtu: spec.mtu,
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
        src: None,
        table: status.table,
        priority: status.priority,
        // RTM_DELROUTE takes "nowhere" for "any"; the printed command needs no scope either.
        scope: Scope::Nowhere,
        kind: status.kind,
        on_link: false,
        mtu: None,
    }
}
