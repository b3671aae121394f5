//! Kernel parameters: what differs is written, where the kernel has it.

use crate::state::{Desired, Observed, Op, SysctlSpec};
use crate::value::{SysctlKey, same_sysctl_value};

pub(super) fn plan(desired: &Desired, observed: &Observed, ops: &mut Vec<Op>) {
    let differs = |spec: &&SysctlSpec| {
        // One without a file belongs to a module that is not loaded, or to a protocol that is off.
        let now = observed.sysctls.get(&spec.key);
        let differs = now.is_some_and(|now| !same_sysctl_value(now, &spec.value));
        // The baseline is a first word: what others say after it stands.
        differs && (spec.kept || !observed.decided.contains(&spec.key))
    };
    let mut specs: Vec<&SysctlSpec> = desired.sysctls.values().filter(differs).collect();
    specs.sort_by_key(|spec| turn(&spec.key));
    ops.extend(specs.into_iter().map(|spec| Op::SetSysctl {
        key: spec.key.clone(),
        value: spec.value.clone(),
    }));
}

/// Lower is written first.
fn turn(key: &SysctlKey) -> u8 {
    let segments: Vec<&str> = key.segments().collect();
    match segments[..] {
        // Forwarding takes away the routes of router advertisements unless this is 2 by then.
        [.., "accept_ra"] => 0,
        // `all` and `default` hand their value on to the links: what a link has of its own comes after it.
        ["net", _, "conf" | "neigh", "all", _] => 1,
        ["net", _, "conf" | "neigh", "default", _] => 2,
        _ => 3,
    }
}
