//! Routing rules: added when missing, removed when ours and not wanted. Rules of others are never touched.

use std::collections::HashMap;

use crate::state::{Desired, Family, OUR_PROTOCOL, Observed, Op, RuleOp, RuleSpec, RuleStatus};
use crate::value::{Prefix, RuleAction};

/// Those of the kernel itself: local, main and default. 0 would also let it choose another one.
const RESERVED: [u32; 3] = [0, 32766, 32767];

pub(super) fn plan(desired: &Desired, observed: &Observed, ops: &mut Vec<Op>) {
    let mut by_priority: HashMap<(Family, u32), Vec<(usize, &RuleStatus)>> = HashMap::new();
    for (index, status) in observed.rules.iter().enumerate() {
        let key = (status.family, status.priority);
        by_priority.entry(key).or_default().push((index, status));
    }
    let mut kept = Vec::new();
    let wanted = desired.rules.values();
    for spec in wanted.filter(|spec| !RESERVED.contains(&spec.priority)) {
        let here = by_priority.get(&(spec.family, spec.priority));
        let here = here.map_or(&[][..], Vec::as_slice);
        let op = wanted_op(spec);
        // Whoever made it: the kernel does not tell rules apart by their protocol and refuses a second one.
        if let Some((index, _)) = here.iter().find(|(_, status)| is_same(&op, status)) {
            kept.push(*index);
            continue;
        }
        // To the kernel two rules that differ in this only are the same: the old one goes first, the next round adds.
        let in_the_way = here.iter().any(|(_, status)| {
            let op = RuleOp {
                suppress_prefix_length: status.suppress_prefix_length,
                ..op.clone()
            };
            status.protocol == OUR_PROTOCOL && is_same(&op, status)
        });
        if !in_the_way {
            ops.push(Op::RuleAdd(op));
        }
    }
    for (index, status) in observed.rules.iter().enumerate() {
        if status.protocol == OUR_PROTOCOL
            && !RESERVED.contains(&status.priority)
            && !kept.contains(&index)
            && let Some(op) = removal(status)
        {
            ops.push(Op::RuleDel(op));
        }
    }
}

fn wanted_op(spec: &RuleSpec) -> RuleOp {
    // From everywhere is the same as from nowhere in particular, which is how the kernel says it.
    let narrow = |prefix: &Option<Prefix>| prefix.filter(|prefix| !prefix.is_default());
    let looks_up = spec.action == RuleAction::Unicast;
    RuleOp {
        family: spec.family,
        priority: spec.priority,
        src: narrow(&spec.src),
        dst: narrow(&spec.dst),
        action: spec.action,
        table: if looks_up { spec.table } else { 0 },
        iif_name: spec.iif_name.clone(),
        oif_name: spec.oif_name.clone(),
        fw_mark: spec.fw_mark,
        fw_mask: spec.fw_mask,
        suppress_prefix_length: spec.suppress_prefix_length,
    }
}

fn is_same(op: &RuleOp, status: &RuleStatus) -> bool {
    !status.has_more && op_of(status).as_ref() == Some(op)
}

/// `None`: of an action that we never make.
fn op_of(status: &RuleStatus) -> Option<RuleOp> {
    let action = status.action?;
    Some(RuleOp {
        family: status.family,
        priority: status.priority,
        src: status.src,
        dst: status.dst,
        action,
        table: match action {
            RuleAction::Unicast => status.table,
            _ => 0,
        },
        iif_name: status.iif_name.clone(),
        oif_name: status.oif_name.clone(),
        fw_mark: status.fw_mark,
        fw_mask: status.fw_mask,
        suppress_prefix_length: status.suppress_prefix_length,
    })
}

/// One with our mark and more than we ever set is somebody's copy: what we cannot name exactly we do not remove.
fn removal(status: &RuleStatus) -> Option<RuleOp> {
    op_of(status).filter(|_| !status.has_more)
}
