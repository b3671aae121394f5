//! Kernel parameters, network cards, keys, and the modules for all of it: what was looked at, what is decided for this
//! boot, what is being loaded.

use std::collections::BTreeSet;

use super::subjects::Subjects;
use super::{Core, Doubt, Effect, Module, Outcome, needs};
use crate::state::{Desired, Observed, Op};
use crate::value::{Gather as _, Instant, SysctlKey, same_sysctl_value};

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
        let new: BTreeSet<Module> = all.difference(&self.asked).cloned().gather();
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
            self.looks.need(Doubt::SETTINGS, now);
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
        self.devices.decided = keys.gather();
    }

    /// Whether links may still appear because drivers are being loaded.
    pub fn set_drivers_loading(&mut self, loading: bool) {
        if self.drivers_loading && !loading {
            self.firewall.refusal.hurry();
        }
        self.drivers_loading = loading;
    }

    /// The root is another one: it may have modules that the one before had not.
    pub fn forget_modules(&mut self) {
        self.devices.asked.clear();
        self.stale = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{KindSpec, LinkSpec, SysctlSpec};
    use crate::value::{Layer, Origin};

    const KEY: &str = "net.ipv4.conf.eth0.rp_filter";

    fn desired(kept: bool) -> Desired {
        let key: SysctlKey = KEY.parse().unwrap();
        let spec = SysctlSpec {
            key: key.clone(),
            value: "1".into(),
            kept,
            layer: Layer::Default,
            origin: Origin::builtin(""),
            overrode: Vec::new(),
        };
        Desired {
            sysctls: [(key, spec)].into(),
            ..Desired::default()
        }
    }

    fn observed(value: Option<&str>) -> Observed {
        let value = value.map(|value| (KEY.parse().unwrap(), value.to_owned()));
        Observed {
            sysctls: value.into_iter().collect(),
            ..Observed::default()
        }
    }

    /// How many ops are planned when the parameter reads `value`, all of which are done.
    #[track_caller]
    fn check(devices: &mut Devices, desired: &Desired, value: Option<&str>, expect: usize) {
        let mut observed = observed(value);
        devices.decide(desired, &mut observed);
        let ops = crate::plan::plan(desired, &observed);
        assert_eq!(ops.len(), expect, "{value:?}");
        for op in ops {
            devices.remember(&Outcome { op, result: Ok(()) }, desired);
        }
    }

    #[test]
    fn the_baseline_has_the_first_word_and_others_the_last() {
        let (baseline, mut devices) = (desired(false), Devices::default());
        check(&mut devices, &baseline, Some("0"), 1);
        check(&mut devices, &baseline, Some("1"), 0);
        check(&mut devices, &baseline, Some("2"), 0);
        // Its link went and came back, as the kernel makes it.
        check(&mut devices, &baseline, None, 0);
        check(&mut devices, &baseline, Some("0"), 1);
        // Right from the start is decided as well.
        let mut devices = Devices::default();
        check(&mut devices, &baseline, Some("1"), 0);
        check(&mut devices, &baseline, Some("0"), 0);
        // What the configuration says is repaired, and the baseline is due again when it says nothing any more.
        let configured = desired(true);
        check(&mut devices, &configured, Some("0"), 1);
        check(&mut devices, &configured, Some("0"), 1);
        check(&mut devices, &baseline, Some("0"), 1);
        check(&mut devices, &baseline, Some("0"), 0);
    }

    #[test]
    fn where_nothing_may_be_written_the_baseline_is_given_up() {
        let (baseline, mut devices) = (desired(false), Devices::default());
        let op = Op::SetSysctl {
            key: KEY.parse().unwrap(),
            value: "1".into(),
        };
        let refused = |errno| Outcome {
            op: op.clone(),
            result: Err((errno, String::new())),
        };
        assert!(!devices.remember(&refused(libc::EINVAL), &baseline));
        assert!(devices.remember(&refused(libc::EROFS), &baseline));
        check(&mut devices, &baseline, Some("0"), 0);
        assert!(!devices.remember(&refused(libc::EROFS), &desired(true)));
    }

    #[test]
    fn a_module_is_asked_for_once_and_links_wait_for_it() {
        let mut link = LinkSpec::new(
            "bond0".parse().unwrap(),
            Layer::Default,
            Origin::builtin(""),
        );
        link.kind = KindSpec::Dummy;
        let desired = Desired {
            links: [(link.name.clone(), link)].into(),
            ..Desired::default()
        };
        let (mut devices, mut effects) = (Devices::default(), Vec::new());
        devices.load(&desired, &mut effects);
        devices.load(&desired, &mut effects);
        assert_eq!(effects.len(), 1);
        let ops = crate::plan::plan(&desired, &Observed::default());
        assert!(ops.iter().any(|op| devices.awaits(op)), "{ops:?}");
        devices.loaded();
        devices.load(&desired, &mut effects);
        assert_eq!(effects.len(), 1);
        assert!(!ops.iter().any(|op| devices.awaits(op)));
    }

    #[test]
    fn what_was_not_looked_at_is_looked_at_first() {
        let (mut devices, desired) = (Devices::default(), desired(true));
        let mut observed = observed(None);
        assert!(!devices.wants_look(&Desired::default(), &observed));
        assert!(devices.wants_look(&desired, &observed));
        devices.looked(&desired, &observed);
        assert!(!devices.wants_look(&desired, &observed));
        // The link of the parameter came.
        let eth0 = crate::state::LinkStatus::new(2, "eth0".parse().unwrap());
        observed.links.insert(2, eth0);
        assert!(devices.wants_look(&desired, &observed));
    }
}
