//! Kernel parameters, network cards, keys, and the modules for all of it: what was looked at, what is decided for this
//! boot, what is being loaded.

use std::collections::BTreeSet;

use super::subjects::Subjects;
use super::{Core, Doubt, Effect, Module, Outcome, needs};
use crate::state::{Desired, Observed, Op};
use crate::value::{Instant, SysctlKey, same_sysctl_value};

/// What the core remembers of it.
#[derive(Default)]
pub(super) struct Devices {
    /// Of the last look.
    seen: Subjects,
    /// Parameters of the baseline that were set or found right: whoever changes one afterwards means it.
    decided: BTreeSet<SysctlKey>,
    /// Modules that were asked for, whatever came of it.
    asked: BTreeSet<Module>,
    /// A child loads some.
    loading: bool,
}

impl Devices {
    /// A look at settings has been had.
    pub(super) fn looked(&mut self, desired: &Desired, observed: &Observed) {
        self.seen = Subjects::of(desired, &observed.links);
    }

    /// What is desired names something that was not looked at, or that is another link by now.
    pub(super) fn wants_look(&self, desired: &Desired, observed: &Observed) -> bool {
        self.seen != Subjects::of(desired, &observed.links)
    }

    /// Takes in what the last look says of the baseline, and answers whether anything changed. A parameter that is gone,
    /// with its link, is the kernel's again when it comes back.
    pub(super) fn decide(&mut self, desired: &Desired, observed: &mut Observed) -> bool {
        let before = self.decided.len();
        let mut changed = false;
        for spec in desired.sysctls.values().filter(|spec| !spec.kept) {
            match observed.sysctls.get(&spec.key) {
                None => changed |= self.decided.remove(&spec.key),
                Some(now) if same_sysctl_value(now, &spec.value) => {
                    self.decided.insert(spec.key.clone());
                }
                Some(_) => {}
            }
        }
        // What the configuration says in place of the baseline is repaired; without it the baseline is due again.
        for spec in desired.sysctls.values().filter(|spec| spec.kept) {
            changed |= self.decided.remove(&spec.key);
        }
        observed.decided.clone_from(&self.decided);
        changed || self.decided.len() != before
    }

    /// Takes an outcome, and answers whether anything changed. Where we may not write, the machine is somebody else's to
    /// tune: one word in the log, and no second try.
    pub(super) fn remember(&mut self, outcome: &Outcome, desired: &Desired) -> bool {
        let Op::SetSysctl { key, .. } = &outcome.op else {
            return false;
        };
        let is_baseline = desired.sysctls.get(key).is_some_and(|spec| !spec.kept);
        let is_final = match &outcome.result {
            Ok(()) => true,
            Err((errno, _)) => matches!(*errno, libc::EACCES | libc::EPERM | libc::EROFS),
        };
        is_baseline && is_final && self.decided.insert(key.clone())
    }

    /// Modules that `desired` needs and nobody asked for yet; one child at a time loads them.
    pub(super) fn load(&mut self, desired: &Desired, effects: &mut Vec<Effect>) {
        if self.loading {
            return;
        }
        let all = needs(desired);
        let new: BTreeSet<Module> = all.difference(&self.asked).cloned().collect();
        if !new.is_empty() {
            self.loading = true;
            self.asked.extend(new.iter().cloned());
            effects.push(Effect::LoadModules(new));
        }
    }

    /// The child has ended.
    pub(super) fn loaded(&mut self) {
        self.loading = false;
    }

    /// Whether `op` would fail for the want of a module that is being loaded.
    pub(super) fn awaits(&self, op: &Op) -> bool {
        self.loading && matches!(op, Op::LinkAdd(_))
    }

    /// Whether a link or a parameter may still come with its module.
    pub(super) fn is_loading(&self) -> bool {
        self.loading
    }
}

impl Core {
    /// Looks at settings that no look has seen yet, in place of a plan without them: a link must not come up before its
    /// parameters are right. `true`: there will be another look first.
    pub(super) fn looks_at_devices_first(&mut self, now: Instant) -> bool {
        let wants = self
            .observed
            .as_ref()
            .is_some_and(|observed| self.devices.wants_look(&self.desired, observed));
        if wants {
            self.settled = false;
            self.doubt |= Doubt::SETTINGS;
            self.dump_at = Some(now.max(self.not_before));
        }
        wants
    }

    /// Parameters of the baseline that are decided, for the state file.
    pub fn decided(&self) -> Vec<String> {
        let decided = self.devices.decided.iter();
        decided.map(ToString::to_string).collect()
    }

    /// What the stage before decided of the baseline.
    pub fn inherit_decided(&mut self, decided: &[String]) {
        let keys = decided.iter().filter_map(|key| key.parse().ok());
        self.devices.decided = keys.collect();
    }

    /// The root is another one: it may have modules that the one before had not.
    pub fn forget_modules(&mut self) {
        self.devices.asked.clear();
        self.stale = true;
    }
}
