//! What happens before what, and why.

use crate::state::{Op, Scope};

/// Sorts by rank; ops of one rank keep the order in which they were planned.
pub(super) fn sort(ops: &mut [Op]) {
    ops.sort_by_key(rank);
}

/// Lower comes first. One line of reason for each.
fn rank(op: &Op) -> u8 {
    match op {
        // The kernel renames and re-addresses only links that are down.
        Op::LinkSetUp { up: false, .. } => 0,
        // Everything after it uses the new name.
        Op::LinkRename { .. } => 1,
        // Before the link is up: some drivers refuse it afterwards, and neighbours learn the right one.
        Op::LinkSetMac { .. } => 2,
        // Before addresses: an MTU below 1280 would take their IPv6 away again.
        Op::LinkSetMtu { .. } => 3,
        // Before addresses: IPv6 duplicate detection starts now, routes need it.
        Op::LinkSetUp { up: true, .. } => 4,
        // Add before delete: a link that is never empty keeps its routes.
        Op::AddressReplace { .. } => 5,
        // A route of ours in the way of another one (same table, destination and metric) goes first; see RouteReplace.
        // On-link routes before those through gateways, which they make reachable.
        Op::RouteAdd(route) | Op::RouteReplace(route) => {
            if route.scope == Scope::Link || route.gateway.is_none() {
                6
            } else {
                7
            }
        }
        // After the new ones, so that there is always a way out.
        Op::RouteDel(_) => 8,
        // Last: it takes routes with it.
        Op::AddressDel { .. } => 9,
        // Who reads the name or the files finds the network they describe.
        Op::SetHostname { .. } => 10,
        Op::WriteFile(_) => 11,
    }
}
