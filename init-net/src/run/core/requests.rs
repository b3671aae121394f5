//! What a control client can ask, and the answers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Core, Doubt, Effect};
use crate::run::facts::Facts;
use crate::run::kinds;
use crate::run::metrics;
use crate::run::sample::Sample;
use crate::run::state_file::SavedText;
use crate::value::Instant;

/// One JSON line on the control socket: `{"command":"get","kind":"links"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "command",
    rename_all = "lowercase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Request {
    /// Resources of a kind.
    Get {
        /// One of `run::kinds`, or another name of it.
        kind: String,
    },
    /// Resources of a kind, and every change of them: a reply for each, until the client goes.
    Watch {
        /// As above.
        kind: String,
        /// Only the one of this id.
        id: Option<String>,
    },
    /// Counters and gauges in the text form of OpenMetrics.
    Metrics,
    /// Where something comes from.
    Explain {
        /// What.
        id: String,
    },
    /// Readiness by level.
    Status,
    /// Ops that would run now, as text.
    Plan,
    /// Compare with the kernel now, and repair.
    Reconcile,
    /// Take these sources in place of the present ones, and keep them.
    Apply {
        /// Kernel command line; `None`: the one of the boot.
        cmdline: Option<String>,
        /// Machine configs, in order.
        configs: Vec<SavedText>,
        /// The sources before them come back after this time, seconds, unless they are confirmed.
        #[serde(default)]
        confirm_within: Option<u64>,
        /// Every probe that succeeds confirms them.
        #[serde(default)]
        confirm_by_probe: bool,
        /// In place of a change that is still to be confirmed.
        #[serde(default)]
        replace: bool,
    },
    /// The last change stays.
    Confirm,
    /// The sources before the present ones come back.
    Rollback,
    /// Whether the last change has been carried out: [`super::Progress`].
    Progress,
    /// Become another program.
    Upgrade {
        /// Which; `None`: what is by now where this one came from.
        binary: Option<PathBuf>,
    },
}

impl Request {
    /// Whether it leaves everything as it is: what members of the control group may ask.
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Get { .. }
            | Self::Watch { .. }
            | Self::Explain { .. }
            | Self::Status
            | Self::Plan
            | Self::Progress
            | Self::Metrics => true,
            Self::Reconcile
            | Self::Apply { .. }
            | Self::Confirm
            | Self::Rollback
            | Self::Upgrade { .. } => false,
        }
    }
}

/// Until the first look is had.
const NOT_READY: &str = "not ready: the machine has not been looked at yet";

/// The answer, one JSON line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// It worked.
    Ok(Value),
    /// It did not, and why.
    Error(String),
}

impl Reply {
    fn of(answer: &impl Serialize) -> Self {
        match serde_json::to_value(answer) {
            Ok(value) => Self::Ok(value),
            Err(error) => Self::Error(error.to_string()),
        }
    }
}

impl Core {
    /// Takes a request. What nobody looks at otherwise is looked at first.
    pub(super) fn request(
        &mut self,
        id: u64,
        request: Request,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let kind = match &request {
            Request::Get { kind } | Request::Watch { kind, .. } => kinds::resolve(kind).ok(),
            // Of a rule it tells what it has counted.
            Request::Explain { .. } => {
                let observed = self.observed.as_ref();
                let there = observed.and_then(|observed| observed.firewall.as_ref());
                there.map(|_| "firewall")
            }
            // What rules have counted is known to the kernel alone.
            Request::Metrics if self.uses_firewall() => Some("firewall"),
            _ => None,
        };
        match kind.filter(|kind| self.observed.is_some() && Sample::is_for(kind)) {
            Some(kind) => effects.push(Effect::Sample { id, request, kind }),
            None => self.respond(id, request, Sample::default(), now, effects),
        }
    }

    /// Answers, now that everything for it is there.
    pub(super) fn respond(
        &mut self,
        id: u64,
        request: Request,
        sample: Sample,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let reply = match request {
            Request::Watch { kind, id: only } => match kinds::resolve(&kind) {
                Ok(kind) if self.observed.is_some() => {
                    self.watch(id, kind, only, sample, now, effects);
                    return;
                }
                Ok(_) => Reply::Error(NOT_READY.into()),
                Err(error) => Reply::Error(error),
            },
            request => self.answer(request, &sample, now),
        };
        effects.push(Effect::Reply { id, reply });
    }

    /// The resources of `kind`; `None` before the first look.
    pub(super) fn resources(
        &self,
        kind: &'static str,
        sample: &Sample,
        now: Instant,
    ) -> Option<Vec<Value>> {
        self.with_facts(sample, now, |facts| facts.get(kind))
    }

    /// Asks everything that is known; `None` before the first look.
    fn with_facts<T>(
        &self,
        sample: &Sample,
        now: Instant,
        ask: impl FnOnce(&Facts<'_>) -> T,
    ) -> Option<T> {
        let observed = self.observed.as_ref()?;
        let leases = self.lease_facts();
        let readiness = self.readiness();
        let (probes, standing) = (self.probes(), self.standing(now));
        let vips = self.vips.statuses();
        Some(ask(&Facts {
            desired: &self.desired,
            observed,
            leases: &leases,
            readiness: &readiness,
            probes: &probes,
            vips: &vips,
            standing: &standing,
            record: &self.record,
            sample,
            now,
        }))
    }

    fn answer(&mut self, request: Request, sample: &Sample, now: Instant) -> Reply {
        let not_ready = || Reply::Error(NOT_READY.into());
        match request {
            Request::Get { kind } => {
                let kind = match kinds::resolve(&kind) {
                    Ok(kind) => kind,
                    Err(error) => return Reply::Error(error),
                };
                let Some(mut resources) = self.resources(kind, sample, now) else {
                    return not_ready();
                };
                self.record.stamp(kind, &mut resources);
                Reply::Ok(Value::Array(resources))
            }
            Request::Explain { id } => {
                match self.with_facts(sample, now, |facts| facts.explain(&id)) {
                    Some(Some(text)) => Reply::Ok(Value::String(text)),
                    Some(None) => Reply::Error(format!("nothing here is called {id}")),
                    None => not_ready(),
                }
            }
            Request::Status if self.observed.is_none() => not_ready(),
            Request::Status => Reply::of(&self.readiness()),
            Request::Progress if self.observed.is_none() => not_ready(),
            Request::Progress => Reply::of(&self.progress(now)),
            Request::Plan => {
                let Some(observed) = &self.observed else {
                    return not_ready();
                };
                // What the kernel refuses is wanted all the same.
                let mut desired = self.desired.clone();
                desired.firewall_stand_in = None;
                let ops = crate::plan::plan(&desired, observed);
                Reply::Ok(Value::Array(
                    ops.iter()
                        .map(|op| Value::String(format!("{op:#}")))
                        .collect(),
                ))
            }
            Request::Metrics => {
                let filtered = sample.firewall.as_ref();
                Reply::Ok(Value::String(metrics::render(self, filtered, now)))
            }
            Request::Reconcile if self.observed.is_none() => not_ready(),
            Request::Reconcile => {
                self.looks.at_once(Doubt::EVERYTHING, now);
                Reply::Ok(Value::Null)
            }
            // Who sends it takes the answer as it comes.
            Request::Watch { .. } => Reply::Error("watched already".into()),
            // Who owns the sources takes it before it gets here.
            Request::Apply { .. } | Request::Confirm | Request::Rollback => {
                Reply::Error("nobody here keeps sources".into())
            }
            // Likewise.
            Request::Upgrade { .. } => Reply::Error("this is no supervisor".into()),
        }
    }
}
