//! Failed ops: each is retried alone, later and later, without holding up the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, Outcome};
use crate::state::{AddressOp, FirewallOp, LinkStatus, OUR_GROUP, Op};
use crate::value::{Duration, Gather as _, Instant, Rng};

/// Wait after the first failure.
const FIRST: Duration = Duration::from_millis(250);

/// Longest wait between two tries.
const CAP: Duration = Duration::from_secs(60);

/// How the firewall's failure is told.
const FIREWALL: &str = "firewall: not in force";

/// Ops that fail at present.
#[derive(Default)]
pub(super) struct Backoff {
    failed: BTreeMap<String, Failure>,
}

struct Failure {
    count: u32,
    retry_at: Instant,
    error: String,
}

impl Backoff {
    /// Leaves out the ops that are not due. A link is taken down for a new name, hardware address, option or bond only when
    /// that can be tried, and a bond gives up its members only then: otherwise they would be bounced for nothing. `links`
    /// are those that the ops were planned for.
    pub(super) fn hold(
        &mut self,
        ops: &mut Vec<Op>,
        links: &BTreeMap<u32, LinkStatus>,
        now: Instant,
    ) {
        if self.failed.is_empty() {
            return;
        }
        let goes_down: BTreeSet<u32> = ops
            .iter()
            .filter_map(|op| match op {
                Op::LinkSetUp { link, up: false } => Some(link.index),
                _ => None,
            })
            .gather();
        self.bounce_together(ops, |op| bounce(op, &goes_down, links));
        let due = |op: &Op| {
            self.failed
                .get(&key(op))
                .is_none_or(|failure| failure.retry_at <= now)
        };
        let waiting: BTreeSet<u32> = ops
            .iter()
            .filter(|op| !due(op))
            .filter_map(bounced_for)
            .gather();
        let held = |index: u32| waiting.contains(&index) && goes_down.contains(&index);
        ops.retain(|op| {
            let for_nothing = match op {
                Op::LinkSetUp { link, .. } => held(link.index),
                // A member that is to come back: it leaves for a change of its bond.
                Op::LinkSetMaster {
                    link,
                    master: None,
                    group: OUR_GROUP,
                } => links
                    .get(&link.index)
                    .is_some_and(|link| waiting.contains(&link.master_index)),
                _ => bounced_for(op).is_some_and(held),
            };
            due(op) && !for_nothing
        });
    }

    /// What one bounce of a link tries is due at one time, the latest: or the earlier of two would ring in vain. `bounce`
    /// says of which link an op is held up by the bounce.
    fn bounce_together(&mut self, ops: &[Op], bounce: impl Fn(&Op) -> Option<u32>) {
        let bounces = ops.iter().filter_map(|op| Some((bounce(op)?, key(op))));
        let bounces: Vec<(u32, String)> = bounces.collect();
        let mut latest: BTreeMap<u32, Instant> = BTreeMap::new();
        for (index, op) in &bounces {
            if let Some(failure) = self.failed.get(op) {
                let at = latest.entry(*index).or_insert(failure.retry_at);
                *at = (*at).max(failure.retry_at);
            }
        }
        for (index, op) in &bounces {
            if let Some(failure) = self.failed.get_mut(op) {
                failure.retry_at = latest.get(index).copied().unwrap_or(failure.retry_at);
            }
        }
    }

    /// Takes an outcome; a new error is logged once.
    pub(super) fn record(
        &mut self,
        outcome: &Outcome,
        now: Instant,
        rng: &mut Rng,
        effects: &mut Vec<Effect>,
    ) {
        let key = key(&outcome.op);
        let Err((errno, text)) = &outcome.result else {
            effects.push(Effect::Log(log::Level::Info, outcome.op.to_string()));
            self.failed.remove(&key);
            return;
        };
        if already_so(&outcome.op, *errno) {
            self.failed.remove(&key);
            return;
        }
        let count = self
            .failed
            .get(&key)
            .map_or(1, |failure| failure.count.saturating_add(1));
        let known = self
            .failed
            .get(&key)
            .is_some_and(|failure| failure.error == *text);
        if !known {
            effects.push(Effect::Log(
                log::Level::Error,
                format!("{}: {text}", outcome.op),
            ));
        }
        // 250 ms, doubled each time up to the cap, and up to a quarter more so that retries do not march in step.
        let wait = FIRST.saturating_mul(1 << (count - 1).min(16)).min(CAP);
        let jitter = Duration::from_millis(rng.below(wait.as_millis() as u64 / 4 + 1));
        self.failed.insert(
            key,
            Failure {
                count,
                retry_at: now + wait + jitter,
                error: text.clone(),
            },
        );
    }

    /// An op that succeeds and does not last waits until `retry_at`, because of `error`.
    pub(super) fn put_off(&mut self, op: &Op, retry_at: Instant, error: &str) {
        let failure = Failure {
            count: 1,
            retry_at,
            error: error.to_owned(),
        };
        self.failed.insert(key(op), failure);
    }

    /// An op that is no longer planned has no failure either.
    pub(super) fn forget_all_but(&mut self, planned: &[Op]) {
        if !self.failed.is_empty() {
            let keys: BTreeSet<String> = planned.iter().map(key).gather();
            self.failed.retain(|failed, _| keys.contains(failed));
        }
    }

    /// The firewall is another one: what the kernel said of the one before says nothing of it.
    pub(super) fn forget_firewall(&mut self) {
        self.failed.remove(FIREWALL);
    }

    /// Whether a wait is over.
    pub(super) fn due(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|at| at <= now)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.failed.values().map(|failure| failure.retry_at).min()
    }

    /// The last error of `op`, while it fails.
    pub(super) fn error_of(&self, op: &Op) -> Option<&str> {
        if self.failed.is_empty() {
            return None;
        }
        self.failed
            .get(&key(op))
            .map(|failure| failure.error.as_str())
    }

    /// Each failing op with its last error.
    pub(super) fn failures(&self) -> Vec<(String, String)> {
        self.failed
            .iter()
            .map(|(op, failure)| (op.clone(), failure.error.clone()))
            .collect()
    }
}

/// The link whose bounce `op` is part of: all that [`Backoff::hold`] may leave out of `ops` that is due.
fn bounce(op: &Op, goes_down: &BTreeSet<u32>, links: &BTreeMap<u32, LinkStatus>) -> Option<u32> {
    match op {
        Op::LinkSetUp { link, .. } => Some(link.index).filter(|index| goes_down.contains(index)),
        Op::LinkSetMaster {
            link,
            master: None,
            group: OUR_GROUP,
        } => links.get(&link.index).map(|link| link.master_index),
        _ => bounced_for(op),
    }
}

/// The link that may be taken down for an op.
fn bounced_for(op: &Op) -> Option<u32> {
    match op {
        Op::LinkRename { link, .. }
        | Op::LinkSetMac { link, .. }
        | Op::LinkSetKind { link, .. }
        | Op::LinkSetMaster {
            link,
            master: Some(_),
            ..
        } => Some(link.index),
        _ => None,
    }
}

/// The same op on another day: lifetimes run down and do not make it another op.
pub(super) fn key(op: &Op) -> String {
    match op {
        Op::AddressReplace(AddressOp { link, address, .. }) => {
            format!("ip addr replace {address} dev {}", link.name)
        }
        // Thousands of peers make a long line, and the error is of the device.
        Op::Wireguard(op) => format!("wg set {}", op.link.name),
        // Whatever it holds, it is one thing that works or not.
        Op::Firewall(FirewallOp { table: Some(_), .. }) => FIREWALL.to_owned(),
        other => other.to_string(),
    }
}

/// Removing what is gone, or adding what is there, is success: the kernel took it along with a link, or somebody was
/// faster.
pub(super) fn already_so(op: &Op, errno: i32) -> bool {
    match op {
        Op::AddressDel { .. }
        | Op::RouteDel(_)
        | Op::RuleDel(_)
        | Op::LinkDel { .. }
        | Op::LinkSetMaster { master: None, .. }
        | Op::BridgeVlanDel { .. } => matches!(
            errno,
            libc::ESRCH | libc::EADDRNOTAVAIL | libc::ENODEV | libc::ENOENT
        ),
        // A parameter goes with its link or module; a rule of somebody else's that is the same was faster.
        Op::SetSysctl { .. } => errno == libc::ENOENT,
        Op::RuleAdd(_) => errno == libc::EEXIST,
        _ => false,
    }
}
