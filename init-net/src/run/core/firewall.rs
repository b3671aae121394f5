//! The firewall in time: what stands in while nothing is known of it, in force before a link opens, and planned again at once
//! where somebody else was faster.

use std::sync::Arc;

use super::refusal::{Next, Refusal, lacks_module};
use super::{Core, Doubt, Effect, Outcome};
use crate::compile;
use crate::config::{Document, FirewallFault, Meanwhile};
use crate::state::{Desired, FirewallOp, Observed, Op, Unsaid};
use crate::value::{Duration, Instant, Layer};

/// Tries that find other rules in force than they were planned for, before one is made whatever is there: each takes less than
/// a millisecond, and whoever changes rules faster than that would keep ours away.
const MAX_RESTARTS: u32 = 8;

/// Tries that fail before links open without it, 1.75 s altogether, where the error may pass.
const MAX_FAILURES: u32 = 4;

/// How long a boot waits for it before it hands off: the supervisor goes on, but from then on others may open links.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What is in force while it is not known what should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// What there is, and be it nothing: somebody else booted this machine.
    #[default]
    Foreign,
    /// The base set: nothing is in force that could stay.
    Boot,
    /// What the boot brought; the base set where it did not come to that.
    AfterBoot,
}

/// What the core remembers of it.
#[derive(Debug, Default)]
pub(super) struct Firewall {
    stage: Stage,
    /// A source of which nothing is known yet may say it: when compiled last.
    awaited: bool,
    /// Something has been compiled: what is there from now on is not of the stage before.
    compiled: bool,
    /// It was in force, or could not be brought: links open.
    passed: bool,
    /// Links wait for it.
    holds: bool,
    /// Failures in a row.
    failures: u32,
    /// Tries in a row that came too late.
    restarts: u32,
    /// What the kernel refuses.
    pub(super) refusal: Refusal,
}

/// What an outcome is to the firewall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tried {
    /// One op like another.
    Done,
    /// It is planned again from what is there by now.
    Again,
    /// The same, and the kernel has refused one for good.
    Refused,
}

impl Firewall {
    /// What [`crate::compile`] has to know of the stage.
    pub(super) fn document(&mut self, awaited: bool, observed: &Observed) -> Document {
        self.awaited = awaited;
        let closed = match self.stage {
            Stage::Foreign => false,
            Stage::Boot => true,
            Stage::AfterBoot => !self.compiled && observed.firewall.is_none(),
        };
        let mut document = Document::empty(Layer::Default, "built-in default");
        document.firewall.meanwhile = Some(Meanwhile { awaited, closed });
        document
    }

    /// Whether something else was known when compiled last.
    pub(super) fn is_stale(&self, awaited: bool) -> bool {
        self.compiled && self.awaited != awaited
    }

    /// Puts what was desired before in the place of what is not known now; at first what is in force, which the stage before
    /// brought.
    pub(super) fn keep(&mut self, desired: &mut Desired, before: &Desired, observed: &Observed) {
        let first = !core::mem::replace(&mut self.compiled, true);
        if desired.unsaid_firewall != Unsaid::Leave {
            return;
        }
        desired.firewall.clone_from(&before.firewall);
        let there = observed.firewall.as_ref().filter(|there| !there.foreign);
        desired.unsaid_firewall = match there {
            Some(there) if first => Unsaid::Keep(Arc::new(there.table.clone())),
            _ if first => Unsaid::Leave,
            _ => before.unsaid_firewall.clone(),
        };
    }

    /// Looks over what is planned: no link opens before the firewall is in force, or cannot be brought. What is open already
    /// stays so.
    pub(super) fn gate(&mut self, ops: &mut Vec<Op>, wanted: bool, now: Instant) {
        let planned = ops.iter_mut().find_map(|op| match op {
            Op::Firewall(op) if op.table.is_some() => Some(op),
            _ => None,
        });
        self.holds = planned.is_some() && !self.passed;
        match planned {
            None => {
                self.passed = wanted;
                (self.failures, self.restarts) = (0, 0);
                self.refusal.is_as_planned();
            }
            Some(FirewallOp { generation, .. }) if self.restarts >= MAX_RESTARTS => {
                *generation = None;
            }
            Some(_) => {}
        }
        if self.refusal.waits(now) {
            ops.retain(|op| !matches!(op, Op::Firewall(_)));
        }
        if self.holds {
            ops.retain(|op| !opens_link(op));
        }
    }

    /// Whether links wait for it.
    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// Takes an outcome of what was planned for `known`. `loading`: what the kernel lacks may still come.
    fn tried(
        &mut self,
        outcome: &Outcome,
        loading: bool,
        known: (&Desired, Option<&Observed>),
        now: Instant,
    ) -> Tried {
        let Op::Firewall(op) = &outcome.op else {
            return Tried::Done;
        };
        match (&outcome.result, &op.table) {
            (Ok(()), table) => {
                self.passed = true;
                (self.failures, self.restarts) = (0, 0);
                self.refusal.brought(table.as_ref(), known.0);
            }
            // Somebody else changed rules in between.
            (Err((libc::ERESTART, _)), _) if self.restarts < MAX_RESTARTS => {
                self.restarts += 1;
                return Tried::Again;
            }
            (Err((errno, error)), Some(table)) if !may_pass(*errno) => {
                let lacking = loading && lacks_module(*errno);
                match self.refusal.refused(table, error, lacking, known, now) {
                    Next::Later => return Tried::Again,
                    Next::StandIn => return Tried::Refused,
                    Next::Nothing => self.passed = true,
                }
            }
            (Err(_), _) => {
                self.failures += 1;
                self.passed |= self.failures >= MAX_FAILURES;
                self.refusal.failed(now);
            }
        }
        Tried::Done
    }
}

/// Whether packets can come in by it: by setting a link up, or by making one that is; a bond opens its members itself.
fn opens_link(op: &Op) -> bool {
    match op {
        Op::LinkSetUp { link, up } => *up && link.name.as_str() != "lo",
        Op::LinkAdd(link) => link.up,
        Op::LinkSetMaster { master, .. } => master.is_some(),
        _ => false,
    }
}

/// Whether the same batch may work a while later. Everything else is for good: no nf_tables, no right to use them.
fn may_pass(errno: i32) -> bool {
    matches!(
        errno,
        libc::ENOMEM
            | libc::ENOBUFS
            | libc::EAGAIN
            | libc::EINTR
            | libc::EBUSY
            | libc::ETIMEDOUT
            | libc::ERESTART
    )
}

impl Core {
    /// This is a boot: until it is known what the firewall should be, no more comes in than what is built in.
    pub fn close_meanwhile(&mut self) {
        self.firewall.stage = Stage::Boot;
    }

    /// This goes on from a boot: what it brought stays until more is known.
    pub fn stay_closed_meanwhile(&mut self) {
        self.firewall.stage = Stage::AfterBoot;
    }

    /// The sources for which the base set is still in force, because they have not answered or cannot be used; empty: it is
    /// known what the firewall should be.
    pub fn closed_for(&self) -> Vec<String> {
        let base = self.desired.firewall.as_ref();
        if base.is_none_or(|spec| spec.layer != Layer::Default) {
            return Vec::new();
        }
        let faults = self.documents.iter().filter_map(|document| {
            let said = document.firewall.fault.as_ref()?;
            (said.value == FirewallFault::Unread).then(|| said.origin.source.to_string())
        });
        self.fetches.unknown().chain(faults).collect()
    }

    /// Whether a table is to be in force.
    pub(super) fn wants_firewall(&self) -> bool {
        self.desired.table().is_some()
    }

    /// Whether the table that is to be in force is, by the last look.
    pub fn firewall_is_in_force(&self) -> bool {
        let there = self
            .observed
            .as_ref()
            .and_then(|seen| seen.firewall.as_ref());
        match (self.desired.wanted_table(), there) {
            (Some(table), Some(there)) => !there.foreign && there.table == **table,
            _ => false,
        }
    }

    /// Takes an outcome. `true`: it is of the firewall, and of that alone something is planned again from what is there by
    /// now.
    pub(super) fn tried_firewall(
        &mut self,
        outcome: &Outcome,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let loading = self.devices.is_loading() || self.drivers_loading;
        let known = (&self.desired, self.observed.as_ref());
        let before = self.firewall.refusal.told(&self.desired);
        let tried = self.firewall.tried(outcome, loading, known, now);
        if tried == Tried::Refused {
            let told = self.firewall.refusal.told(&self.desired);
            if let Some(told) = told.filter(|told| before.as_ref() != Some(told)) {
                self.record.tried(outcome, None, now);
                effects.push(Effect::Log(log::Level::Error, told));
            }
        }
        tried != Tried::Done
    }

    /// Whether there is something to ask nf_tables for.
    pub(super) fn uses_firewall(&self) -> bool {
        let seen = self.observed.as_ref();
        seen.is_none_or(|seen| seen.firewall.is_some()) || self.wants_firewall()
    }

    /// What a look shows that is to show `doubt`. To ask nf_tables is to load it, on a kernel that has it as a module: after
    /// the first look only where there is to be a table of ours, or there was one.
    pub(super) fn with_firewall_where_used(&self, doubt: Doubt) -> Doubt {
        if self.uses_firewall() {
            doubt
        } else {
            doubt.without(Doubt::FIREWALL)
        }
    }

    /// Whether a hand-off waits for it: it is to be in force, is not, and may still come.
    pub(super) fn firewall_is_due(&self, now: Instant) -> bool {
        let missing = if self.firewall.compiled {
            self.wants_firewall() && !self.firewall.passed
        } else {
            self.fetches.unknown().next().is_some()
                || self.documents.iter().any(compile::speaks_of_firewall)
        };
        let early = now.saturating_since(self.started) < PATIENCE;
        self.firewall.stage == Stage::Boot && missing && early
    }
}
