//! What happens before what, and why.

use crate::state::{Op, Scope};

/// Sorts by rank; ops of one rank keep the order in which they were planned.
pub(super) fn sort(ops: &mut [Op]) {
    ops.sort_by_key(rank);
}

/// Lower comes first. One line of reason for each.
fn rank(op: &Op) -> u8 {
    match op {
        // Names become free, and what is made again goes before it comes.
        Op::LinkDel { .. } => 0,
        // A bond changes its mode only while it has no members.
        Op::LinkSetMaster { master: None, .. } => 1,
        // The kernel renames and re-addresses only links that are down; a bond takes only members that are.
        Op::LinkSetUp { up: false, .. } => 2,
        // Everything after it uses the new name.
        Op::LinkRename { .. } => 3,
        // Before the link is up, and before a bond takes it: some drivers refuse it afterwards.
        Op::LinkSetMac { .. } => 4,
        // Masters and parents before what joins them or stands on them, which the next round plans.
        Op::LinkAdd(_) => 5,
        // Before members join: some options change only without them.
        Op::LinkSetKind { .. } => 6,
        Op::LinkSetMaster { .. } => 7,
        // A port has options and VLANs once it is one.
        Op::LinkSetPort { .. } => 8,
        Op::BridgeVlanAdd { .. } | Op::BridgeVlanDel { .. } => 9,
        // After joining, which changes the MTU of bonds; before addresses: below 1280 IPv6 would go away again.
        Op::LinkSetMtu { .. } => 10,
        Op::LinkSetMulticast { .. } | Op::LinkSetAlias { .. } => 11,
        // Rings and queues change best while nothing runs through them.
        Op::Ethernet(_) => 12,
        // Before the link is up: accept_ra and addr_gen_mode count from the first moment.
        Op::SetSysctl { .. } => 13,
        // Keys before the first packet.
        Op::Wireguard(_) => 14,
        // Before addresses: IPv6 duplicate detection starts now, routes need it.
        Op::LinkSetUp { up: true, .. } => 15,
        // Add before delete: a link that is never empty keeps its routes.
        Op::AddressReplace(_) => 16,
        // A route of ours in the way of another one (same table, destination and metric) goes first; see RouteReplace.
        // On-link routes before those through gateways, which they make reachable.
        Op::RouteAdd(route) | Op::RouteReplace(route) => {
            if route.scope == Scope::Link || route.gateway.is_none() && route.next_hops.is_empty() {
                17
            } else {
                18
            }
        }
        // Rules lead to tables that are filled.
        Op::RuleAdd(_) => 19,
        Op::RuleDel(_) => 20,
        // After the new ones, so that there is always a way out.
        Op::RouteDel(_) => 21,
        // Last: it takes routes with it.
        Op::AddressDel { .. } => 22,
        // Who reads the name or the files finds the network they describe.
        Op::SetHostname { .. } => 23,
        Op::WriteFile(_) => 24,
    }
}
