//! A change of the sources that goes back by itself unless it is confirmed, and whether a change has been carried out.
//!
//! The sources are texts and stay with who read them (`run::change`); here is only when.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Core, Effect};
use crate::plan::plan;
use crate::value::Instant;

/// A change that is to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pending {
    /// When the sources before it come back.
    pub deadline: Instant,
    /// Every probe that succeeds in a try after the change confirms it.
    pub by_probe: bool,
}

/// How a change ended with nobody asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The probes confirmed it.
    Confirmed,
    /// Nothing did in time: the sources before it are to come back. Says what was missing.
    Unconfirmed(String),
}

/// Whether the last change has been carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Nothing is left to do now but what fails and is tried again later.
    pub settled: bool,
    /// Ops that are left.
    pub left: Vec<String>,
    /// Ops that fail, with the kernel's words.
    pub failing: Vec<(String, String)>,
}

/// The change under way, if any, and what is told of the one before.
#[derive(Debug, Default)]
pub(super) struct Confirmation {
    pending: Option<Pending>,
    /// When everything of it had been done.
    settled: Option<Instant>,
    /// How the last one ended, for people.
    ended: Option<String>,
    /// Why the machine config in force is not the one that was found.
    config: Option<String>,
}

impl Confirmation {
    /// Other sources: everything is to be done again.
    pub(super) fn restart(&mut self) {
        self.settled = None;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pending.map(|pending| pending.deadline)
    }
}

impl Core {
    /// A change that is to be confirmed begins; `None`: there is none any more. `ended` says for people how the one before
    /// ended.
    pub fn watch_change(&mut self, pending: Option<Pending>, ended: Option<String>) {
        self.change.pending = pending;
        self.change.ended = ended;
        self.change.restart();
        self.revision += 1;
    }

    /// The change that is to be confirmed.
    pub fn pending_change(&self) -> Option<Pending> {
        self.change.pending
    }

    /// Says why the machine config in force is not the one that was found; `None`: it is.
    pub fn set_config_note(&mut self, note: Option<String>) {
        self.change.config = note;
    }

    /// Why the machine config in force is not the one that was found.
    pub fn config_note(&self) -> Option<&str> {
        self.change.config.as_deref()
    }

    /// Ends a change whose time is over, or that the probes confirm.
    pub(super) fn turn_change(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Some(pending) = self.change.pending else {
            return;
        };
        if self.change.settled.is_none() && self.is_settled(now) {
            self.change.settled = Some(now);
            // What they found on the way here says nothing.
            self.probes.hurry(now, effects);
        }
        let settled = self.change.settled.filter(|_| pending.by_probe);
        let ending = if settled.is_some_and(|at| self.probes_proved_since(at)) {
            Ending::Confirmed
        } else if now >= pending.deadline {
            let missing = if pending.by_probe {
                self.failing_probes().join(", ")
            } else {
                "nobody confirmed it".to_owned()
            };
            Ending::Unconfirmed(missing)
        } else {
            return;
        };
        self.change.pending = None;
        effects.push(Effect::ChangeEnded(ending));
    }

    /// Whether everything has been done that can be done now.
    fn is_settled(&self, now: Instant) -> bool {
        self.settled && !self.stale && !self.applying && self.looks.is_fresh(now)
    }

    /// How far the last change has come.
    pub(super) fn progress(&self, now: Instant) -> Progress {
        let left = self.observed.as_ref().map(|observed| {
            let ops = plan(&self.desired, observed);
            ops.iter().map(ToString::to_string).collect()
        });
        Progress {
            settled: self.is_settled(now),
            left: left.unwrap_or_default(),
            failing: self.failures(),
        }
    }

    /// What `get status` says besides the readiness.
    pub(super) fn standing(&self, now: Instant) -> Value {
        let left = self.change.pending.map(|pending| {
            // Rounded up: 0 is over.
            let left = pending.deadline.saturating_since(now);
            left.as_millis().div_ceil(1000) as u64
        });
        let change = left.map(|left| format!("to be confirmed in {left} s"));
        json!({
            "change": change.as_ref().or(self.change.ended.as_ref()),
            "secondsLeft": left,
            "config": self.change.config,
        })
    }
}
