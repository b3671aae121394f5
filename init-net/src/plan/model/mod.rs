//! A model of the kernel for tests: does what an op says, refuses what the kernel refuses, and changes along what the
//! kernel changes along. Enough of it for the rules of this folder.
//!
//! It names types through `crate`, so that a test program can take it in as well.

mod link;
mod network;

/// errno(3).
mod errno {
    pub const EPERM: i32 = 1;
    pub const EEXIST: i32 = 17;
    pub const ENODEV: i32 = 19;
    pub const EINVAL: i32 = 22;
    pub const ERANGE: i32 = 34;
    pub const ENOTEMPTY: i32 = 39;
    pub const ENETDOWN: i32 = 100;
}

use crate::state::{EthernetOp, Observed, Op};

/// Does `op`; `Err` is what the kernel would say. What no plan may try ends the test.
pub(crate) fn change(state: &mut Observed, op: &Op) -> Result<(), i32> {
    match op {
        Op::AddressReplace(address) => network::set_address(state, address),
        Op::AddressDel { link, address, .. } => {
            let before = state.addresses.len();
            let hit = |a: &crate::state::AddressStatus| {
                a.link_index == link.index && a.address == *address
            };
            state.addresses.retain(|a| !hit(a));
            assert!(
                state.addresses.len() < before,
                "removed what is not there: {op}"
            );
        }
        Op::RouteAdd(route) => return network::add_route(state, route, false),
        Op::RouteReplace(route) => return network::add_route(state, route, true),
        Op::RouteDel(route) => network::remove_route(state, route),
        Op::RuleAdd(rule) => return network::add_rule(state, rule),
        Op::RuleDel(rule) => network::remove_rule(state, rule),
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
        Op::SetHostname { name } => state.hostname = Some(name.clone()),
        Op::WriteFile(file) => drop(state.files.insert(file.path.clone(), file.content.clone())),
        links => return link::change(state, links),
    }
    Ok(())
}
