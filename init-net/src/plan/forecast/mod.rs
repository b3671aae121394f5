//! What the kernel will say after an op: does what it says, refuses what the kernel refuses, and changes along what the
//! kernel changes along. Enough of it to plan the rounds to come ([`super::ahead`]), and to test the plans of this folder:
//! a plan that is refused here is wrong.

mod link;
mod network;
pub mod packet;

/// errno(3).
mod errno {
    pub const EPERM: i32 = 1;
    pub const ESRCH: i32 = 3;
    pub const EBUSY: i32 = 16;
    pub const EEXIST: i32 = 17;
    pub const ENODEV: i32 = 19;
    pub const EINVAL: i32 = 22;
    pub const ERANGE: i32 = 34;
    pub const ENOTEMPTY: i32 = 39;
    pub const EADDRNOTAVAIL: i32 = 99;
    pub const ENETDOWN: i32 = 100;
}

use crate::state::nft::{Table, TableStatus};
use crate::state::{EthernetOp, Observed, Op};

/// Does `op`.
///
/// # Errors
/// errno, as the kernel would say it; EPERM for what is not ours.
pub fn change(state: &mut Observed, op: &Op) -> Result<(), i32> {
    match op {
        Op::AddressReplace(address) => network::set_address(state, address),
        Op::AddressDel { link, address, .. } => {
            let before = state.addresses.len();
            let hit = |a: &crate::state::AddressStatus| {
                a.link_index == link.index && a.address == *address
            };
            state.addresses.retain(|a| !hit(a));
            if state.addresses.len() == before {
                return Err(errno::EADDRNOTAVAIL);
            }
        }
        Op::RouteAdd(route) => return network::add_route(state, route, false),
        Op::RouteReplace(route) => return network::add_route(state, route, true),
        Op::RouteDel(route) => return network::remove_route(state, route),
        Op::RuleAdd(rule) => return network::add_rule(state, rule),
        Op::RuleDel(rule) => return network::remove_rule(state, rule),
        Op::Wireguard(device) => network::set_wireguard(state, device),
        Op::Ethernet(change) => {
            let (EthernetOp::Rings(link, _)
            | EthernetOp::Features(link, _)
            | EthernetOp::Channels(link, _)
            | EthernetOp::WakeOnLan(link, _)) = change;
            let card = state.ethernet.entry(link.index).or_default();
            match change {
                EthernetOp::Rings(_, rings) => card.rings = rings.clone(),
                EthernetOp::Features(_, features) => card.features.extend(features.clone()),
                EthernetOp::Channels(_, channels) => card.channels = channels.clone(),
                EthernetOp::WakeOnLan(_, modes) => card.wake_on_lan = Some(modes.clone()),
            }
        }
        Op::LinkSetAlias { link, alias } => {
            let link = state.links.get_mut(&link.index).ok_or(errno::ENODEV)?;
            link.alias = alias.as_ref().map(ToString::to_string);
        }
        Op::SetSysctl { key, value } => drop(state.sysctls.insert(key.clone(), value.clone())),
        Op::Firewall(change) => {
            state.firewall = change.table.as_ref().map(|table| TableStatus {
                table: Table::clone(table),
                counters: change.counters.clone(),
                elements: change.elements.clone(),
                foreign: false,
            });
        }
        Op::SetHostname { name } => state.hostname = Some(name.clone()),
        Op::WriteFile(file) => drop(state.files.insert(file.path.clone(), file.content.clone())),
        links => return link::change(state, links),
    }
    Ok(())
}
