//! What a control client can ask, and the answers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Core, Doubt};
use crate::run::facts::Facts;
use crate::run::state_file::SavedText;
use crate::value::Instant;

/// One JSON line on the control socket: `{"command":"get","kind":"links"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
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
    },
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
            Self::Get { .. } | Self::Explain { .. } | Self::Status | Self::Plan => true,
            Self::Reconcile | Self::Apply { .. } | Self::Upgrade { .. } => false,
        }
    }
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

impl Core {
    pub(super) fn answer(&mut self, request: Request, now: Instant) -> Reply {
        let Some(observed) = &self.observed else {
            return Reply::Error("not ready: the machine has not been looked at yet".into());
        };
        let leases = self.lease_facts();
        let readiness = self.readiness();
        let facts = Facts {
            desired: &self.desired,
            observed,
            leases: &leases,
            readiness: &readiness,
            process: &self.process,
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
            Request::Status => match serde_json::to_value(&readiness) {
                Ok(value) => Reply::Ok(value),
                Err(error) => Reply::Error(error.to_string()),
            },
            Request::Plan => {
                let ops = crate::plan::plan(&self.desired, observed);
                Reply::Ok(Value::Array(
                    ops.iter().map(|op| Value::String(op.to_string())).collect(),
                ))
            }
            Request::Reconcile => {
                self.doubt = Doubt::EVERYTHING;
                self.dump_at = Some(now);
                Reply::Ok(Value::Null)
            }
            // Who owns the sources takes it before it gets here.
            Request::Apply { .. } => Reply::Error("nobody here keeps sources".into()),
            // Likewise.
            Request::Upgrade { .. } => Reply::Error("this is no supervisor".into()),
        }
    }
}
