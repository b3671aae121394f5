//! What happens before what, and why.

use crate::state::{Op, Scope};

/// Sorts by rank; ops of one rank keep the order in which they were planned.
pub(super) fn sort(ops: &mut [Op]) {
    ops.sort_by_key(rank);
}

/// Lower comes first. One line of reason for each.
fn rank(op: &Op) -> u8 {
    match op {
        // In force before the first link is up, and before anything else changes.
        Op::Firewall(_) => 0,
        // Names become free, and what is made again goes before it comes.
        Op::LinkDel { .. } => 1,
        // A bond changes its mode only while it has no members.
        Op::LinkSetMaster { master: None, .. } => 2,
        // The kernel renames and re-addresses only links that are down; a bond takes only members that are.
        Op::LinkSetUp { up: false, .. } => 3,
        // Everything after it uses the new name.
        Op::LinkRename { .. } => 4,
        // Before the link is up, and before a bond takes it: some drivers refuse it afterwards.
        Op::LinkSetMac { .. } => 5,
        // Masters and parents before what joins them or stands on them, which the next round plans.
        Op::LinkAdd(_) => 6,
        // Before members join: some options change only without them.
        Op::LinkSetKind { .. } => 7,
        Op::LinkSetMaster { .. } => 8,
        // A port has options and VLANs once it is one.
        Op::LinkSetPort { .. } => 9,
        Op::BridgeVlanAdd { .. } | Op::BridgeVlanDel { .. } => 10,
        // After joining, which changes the MTU of bonds; before addresses: below 1280 IPv6 would go away again.
        Op::LinkSetMtu { .. } => 11,
        Op::LinkSetMulticast { .. } | Op::LinkSetAlias { .. } => 12,
        // Rings and queues change best while nothing runs through them.
        Op::Ethernet(_) => 13,
        // Before the link is up: accept_ra and addr_gen_mode count from the first moment.
        Op::SetSysctl { .. } => 14,
        // Keys before the first packet.
        Op::Wireguard(_) => 15,
        // Before addresses: IPv6 duplicate detection starts now, routes need it.
        Op::LinkSetUp { up: true, .. } => 16,
        // Add before delete: a link that is never empty keeps its routes.
        Op::AddressReplace(_) => 17,
        // A route of ours in the way of another one (same table, destination and metric) goes first; see RouteReplace.
        // On-link routes before those through gateways, which they make reachable.
        Op::RouteAdd(route) | Op::RouteReplace(route) => {
            if route.scope == Scope::Link || route.gateway.is_none() && route.next_hops.is_empty() {
                18
            } else {
                19
            }
        }
        // Rules lead to tables that are filled.
        Op::RuleAdd(_) => 20,
        Op::RuleDel(_) => 21,
        // After the new ones, so that there is always a way out.
        Op::RouteDel(_) => 22,
        // Last: it takes routes with it.
        Op::AddressDel { .. } => 23,
        // Who reads the name or the files finds the network they describe.
        Op::SetHostname { .. } => 24,
        Op::WriteFile(_) => 25,
    }
}
