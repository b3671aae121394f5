//! What is counted since the supervisor started.

use std::collections::BTreeMap;

use super::ring::EventKind;
use crate::run::core::Outcome;
use crate::value::Duration;

/// Counters. They only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Plans that had something to do.
    pub rounds: u64,
    /// Looks at the machine that were had.
    pub looks: u64,
    /// Looks that could not be had.
    pub failed_looks: u64,
    /// Time that the looks took, from asking to having.
    pub look_time: Duration,
    /// Ops by verb and whether they were done. As many entries as there are verbs, twice.
    pub ops: BTreeMap<(&'static str, bool), u64>,
    /// Repairs by kind of resource.
    pub repairs: BTreeMap<&'static str, u64>,
    /// Leases that were bound, renewed and lost.
    pub bound: u64,
    /// The same: renewed.
    pub renewed: u64,
    /// The same: lost.
    pub lost: u64,
    /// Hosts that had an address of ours.
    pub conflicts: u64,
    /// Times that other sources came to count.
    pub configs: u64,
}

impl Counters {
    /// An op was tried.
    pub(super) fn op(&mut self, outcome: &Outcome, done: bool) {
        let key = (outcome.op.verb(), done);
        *self.ops.entry(key).or_default() += 1;
    }

    /// What events are counted by their kind.
    pub(super) fn event(&mut self, kind: EventKind) {
        match kind {
            EventKind::LeaseBound => self.bound += 1,
            EventKind::LeaseRenewed => self.renewed += 1,
            EventKind::LeaseLost => self.lost += 1,
            EventKind::Conflict => self.conflicts += 1,
            EventKind::ConfigApplied => self.configs += 1,
            _ => {}
        }
    }
}
