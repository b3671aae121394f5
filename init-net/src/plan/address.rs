//! Addresses: added, renewed in place, removed when ours and not wanted.

use std::collections::{HashMap, HashSet};

use super::look::Look;
use crate::state::{
    AddressOp, AddressSpec, AddressStatus, Desired, Family, LinkAt, OUR_PROTOCOL, Op,
};
use crate::value::{Duration, Instant};

/// Lifetimes are whole seconds in the kernel and a dump takes time: differences up to this are none.
const LIFETIME_TOLERANCE: Duration = Duration::from_secs(2);

pub(super) fn plan(desired: &Desired, observed: &Look<'_>, ops: &mut Vec<Op>) {
    // Once by link: looking through all addresses for each would be quadratic.
    let mut on_link: HashMap<u32, Vec<(usize, &AddressStatus)>> = HashMap::new();
    for (index, status) in observed.addresses.iter().enumerate() {
        let list = on_link.entry(status.link_index).or_default();
        list.push((index, status));
    }
    let mut judged: HashSet<usize> = HashSet::new();
    for spec in desired.addresses.values() {
        let Some((link, _)) = observed.at(&spec.link_name, desired) else {
            continue;
        };
        let valid_secs = match spec.valid_until {
            Some(until) if until <= observed.at => continue,
            Some(until) => Some(seconds(until.saturating_since(observed.at))),
            None => None,
        };
        let here = on_link.get(&link.index).map_or(&[][..], Vec::as_slice);
        let found = here.iter().find(|(_, status)| same_address(spec, status));
        judged.extend(found.map(|(index, _)| *index));
        let existing = found.map(|(_, status)| *status);
        let replace = |present| {
            Op::AddressReplace(AddressOp {
                link: link.clone(),
                address: spec.address,
                peer: spec.peer,
                broadcast: spec.broadcast,
                scope: spec.scope,
                priority: spec.priority,
                valid_secs,
                preferred_secs: spec
                    .preferred_until
                    .map(|until| seconds(until.saturating_since(observed.at))),
                no_prefix_route: spec.no_prefix_route,
                no_dad: spec.no_dad,
                present,
            })
        };
        match existing {
            None => ops.push(replace(false)),
            // Somebody else made it and it is there: not ours to change.
            Some(status) if status.protocol != OUR_PROTOCOL => {}
            Some(status) if !same_identity(spec, status) => {
                // The kernel changes lifetimes and metric in place, nothing else (inet_rtm_newaddr). The removal
                // ranks behind additions: it is planned alone, and the next round adds.
                ops.push(del(link.clone(), status));
            }
            Some(status)
                if !same_metric(spec, status) || !same_lifetimes(spec, status, observed.at) =>
            {
                ops.push(replace(true));
            }
            Some(_) => {}
        }
    }
    for (index, status) in observed.addresses.iter().enumerate() {
        // A link that goes takes its addresses with it.
        let stays = !observed.gone.contains(&status.link_index);
        let goes = status.protocol == OUR_PROTOCOL && !judged.contains(&index);
        if goes && stays && !desired.shares(status) {
            let link = LinkAt {
                index: status.link_index,
                name: status.link_name.clone(),
            };
            ops.push(del(link, status));
        }
    }
}

/// The kernel tells IPv4 addresses of a link apart by address and length, IPv6 ones by the address alone
/// (find_matching_ifa; ipv6_get_ifaddr).
fn same_address(spec: &AddressSpec, status: &AddressStatus) -> bool {
    match spec.family {
        Family::Inet4 => spec.address == status.address,
        Family::Inet6 => spec.address.address() == status.address.address(),
    }
}

fn del(link: LinkAt, status: &AddressStatus) -> Op {
    Op::AddressDel {
        link,
        address: status.address,
        peer: status.peer,
    }
}

fn same_identity(spec: &AddressSpec, status: &AddressStatus) -> bool {
    let length = spec.address.len() == status.address.len();
    let peer = spec.peer == status.peer;
    let broadcast = spec.broadcast.is_none() || spec.broadcast == status.broadcast;
    // IPv6 has no scope of its own: the kernel derives it from the address.
    let scope = spec.address.address().is_ipv6() || spec.scope == status.scope;
    // IFA_F_NODAD matters while an address is added, and never again.
    let prefix_route = spec.no_prefix_route == (status.flags & AddressStatus::NOPREFIXROUTE != 0);
    length && peer && broadcast && scope && prefix_route
}

fn same_metric(spec: &AddressSpec, status: &AddressStatus) -> bool {
    spec.priority
        .is_none_or(|priority| priority == status.priority)
}

/// What is past counts as now: a deprecated address stays deprecated.
fn same_lifetimes(spec: &AddressSpec, status: &AddressStatus, now: Instant) -> bool {
    let from_now = |end: Option<Instant>| end.map(|end| end.max(now));
    let preferred = spec.preferred_until.or(spec.valid_until);
    if spec.family == Family::Inet4 && spec.valid_until.is_none() && status.valid_until.is_none() {
        // A permanent IPv4 address never ends and is never deprecated by time (`check_lifetime`, net/ipv4/devinet.c), and
        // only its flag tells that it is.
        let is_over = preferred.is_some_and(|end| end <= now);
        return is_over == (status.flags & AddressStatus::DEPRECATED != 0);
    }
    same_lifetime(spec.valid_until, status.valid_until)
        && same_lifetime(from_now(preferred), from_now(status.preferred_until))
}

fn same_lifetime(want: Option<Instant>, have: Option<Instant>) -> bool {
    match (want, have) {
        (None, None) => true,
        (Some(want), Some(have)) => {
            want.saturating_since(have).max(have.saturating_since(want)) <= LIFETIME_TOLERANCE
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Rounded up, so that an address never ends before its lease; never the kernel's "for ever".
fn seconds(left: Duration) -> u32 {
    let secs = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    u32::try_from(secs)
        .unwrap_or(u32::MAX - 1)
        .min(u32::MAX - 1)
}
