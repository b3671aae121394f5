//! Addresses: added, renewed in place, removed when ours and not wanted.

use crate::state::{AddressSpec, AddressStatus, Desired, OUR_PROTOCOL, Observed, Op};
use crate::value::{Duration, Instant};

/// Lifetimes are whole seconds in the kernel and a dump takes time: differences up to this are none.
const LIFETIME_TOLERANCE: Duration = Duration::from_secs(2);

pub(super) fn plan(desired: &Desired, observed: &Observed, ops: &mut Vec<Op>) {
    let mut wanted: Vec<(u32, crate::value::Prefix)> = Vec::new();
    for spec in desired.addresses.values() {
        let Some((link, _)) = super::at(&spec.link_name, desired, observed) else {
            continue;
        };
        let valid_secs = match spec.valid_until {
            Some(until) if until <= observed.at => continue,
            Some(until) => Some(seconds(until.saturating_since(observed.at))),
            None => None,
        };
        wanted.push((link.index, spec.address));
        let here = |status: &&AddressStatus| {
            status.link_index == link.index && status.address == spec.address
        };
        let existing = observed.addresses.iter().find(here);
        let replace = |present| Op::AddressReplace {
            link: link.clone(),
            address: spec.address,
            peer: spec.peer,
            broadcast: spec.broadcast,
            scope: spec.scope,
            priority: spec.priority,
            valid_secs,
            present,
        };
        match existing {
            None => ops.push(replace(false)),
            // Somebody else made it and it is there: not ours to change.
            Some(status) if status.protocol != OUR_PROTOCOL => {}
            Some(status) if !same_identity(spec, status) => {
                // The kernel changes lifetimes and metric in place, nothing else (inet_rtm_newaddr). The removal
                // ranks behind additions: it is planned alone, and the next round adds.
                ops.push(Op::AddressDel {
                    link: link.clone(),
                    address: spec.address,
                });
            }
            Some(status)
                if !same_metric(spec, status)
                    || !same_lifetime(spec.valid_until, status.valid_until) =>
            {
                ops.push(replace(true));
            }
            Some(_) => {}
        }
    }
    for status in observed
        .addresses
        .iter()
        .filter(|status| status.protocol == OUR_PROTOCOL)
    {
        if !wanted.contains(&(status.link_index, status.address)) {
            let link = crate::state::LinkAt {
                index: status.link_index,
                name: status.link_name.clone(),
            };
            ops.push(Op::AddressDel {
                link,
                address: status.address,
            });
        }
    }
}

fn same_identity(spec: &AddressSpec, status: &AddressStatus) -> bool {
    let peer = spec.peer.is_none() || spec.peer == status.peer;
    let broadcast = spec.broadcast.is_none() || spec.broadcast == status.broadcast;
    // IPv6 has no scope of its own: the kernel derives it from the address.
    let scope = spec.address.address().is_ipv6() || spec.scope == status.scope;
    peer && broadcast && scope
}

fn same_metric(spec: &AddressSpec, status: &AddressStatus) -> bool {
    spec.priority
        .is_none_or(|priority| priority == status.priority)
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
