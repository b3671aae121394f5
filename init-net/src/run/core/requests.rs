//! What a control client can ask, and the answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Core, Doubt};
use crate::run::facts::Facts;
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
        /// One of `run::facts::KINDS`.
        kind: String,
    },
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
}

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
    pub(super) fn answer(&mut self, request: Request, now: Instant) -> Reply {
        let Some(observed) = &self.observed else {
            return Reply::Error("not ready: the machine has not been looked at yet".into());
        };
        let leases = self.lease_facts();
        let readiness = self.readiness();
        let (probes, standing) = (self.probes(), self.standing(now));
        let facts = Facts {
            desired: &self.desired,
            observed,
            leases: &leases,
            readiness: &readiness,
            probes: &probes,
            standing: &standing,
        };
        match request {
            Request::Get { kind } => match facts.get(&kind) {
                Some(resources) => Reply::Ok(Value::Array(resources)),
                None => Reply::Error(format!("no such kind: {kind}")),
            },
            Request::Explain { id } => match facts.explain(&id) {
                Some(text) => Reply::Ok(Value::String(text)),
                None => Reply::Error(format!("nothing here is called {id}")),
            },
            Request::Status => Reply::of(&readiness),
            Request::Progress => Reply::of(&self.progress(now)),
            Request::Plan => {
                let ops = crate::plan::plan(&self.desired, observed);
                Reply::Ok(Value::Array(
                    ops.iter().map(|op| Value::String(op.to_string())).collect(),
                ))
            }
            Request::Reconcile => {
                self.looks.at_once(Doubt::EVERYTHING, now);
                Reply::Ok(Value::Null)
            }
            // Who owns the sources takes it before it gets here.
            Request::Apply { .. } | Request::Confirm | Request::Rollback => {
                Reply::Error("nobody here keeps sources".into())
            }
        }
    }
}
