//! `/run/init-net/report.json`: readiness, reasons and the time line. Its path and form are stable.

use serde::{Deserialize, Serialize};

use super::core::{Core, Pending, Readiness, Timeline};
use crate::config::Diagnostic;
use crate::config::diagnostic::Severity;
use crate::state::Desired;

/// Name of the file in [`super::RUN_DIR`].
pub const NAME: &str = "report.json";

/// The file. Times are nanoseconds since the kernel started (CLOCK_BOOTTIME).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// 1.
    pub version: u32,
    /// `boot` or `supervise`.
    pub phase: String,
    /// Which wait levels are reached and what is missing.
    pub readiness: Readiness,
    /// Why the boot handed off: `ready`, `timeout`, `no-carrier`, `nothing-to-wait-for`; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why the machine config in force is not the one that was found; absent: it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// The change that is to be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Pending>,
    /// The stages of the boot.
    pub timeline: Timeline,
    /// Faults of the sources, as `check` prints them.
    pub diagnostics: Vec<String>,
    /// Ops that fail and are retried.
    pub failures: Vec<Failure>,
    /// Addresses that other hosts have as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
    /// How much is desired: for people who look at many machines.
    pub desired: Counts,
}

/// What the boot stage ended with; the supervisor keeps telling it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandedOff {
    /// Why; `None`: it has not.
    pub reason: Option<String>,
    /// The faults it found, as `check` prints them.
    pub diagnostics: Vec<String>,
    /// Why the machine config in force is not the one that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// An op that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// As a command.
    pub op: String,
    /// The kernel's words.
    pub error: String,
}

/// How many objects are desired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    links: usize,
    addresses: usize,
    routes: usize,
    operators: usize,
}

impl From<&Desired> for Counts {
    fn from(desired: &Desired) -> Self {
        Self {
            links: desired.links.len(),
            addresses: desired.addresses.len(),
            routes: desired.routes.len(),
            operators: desired.operators.len(),
        }
    }
}

impl Report {
    /// The report of this moment. `parsed` are the faults found while reading the sources.
    pub fn new(phase: &str, core: &Core, parsed: &[Diagnostic], handed_off: &HandedOff) -> Self {
        let all = parsed.iter().chain(core.diagnostics());
        let now = all
            .filter(|d| d.severity >= Severity::Warning)
            .map(ToString::to_string);
        let mut diagnostics = handed_off.diagnostics.clone();
        diagnostics.extend(
            now.filter(|text| !handed_off.diagnostics.contains(text))
                .collect::<Vec<_>>(),
        );
        Self {
            version: 1,
            phase: phase.to_owned(),
            readiness: core.readiness(),
            reason: handed_off.reason.clone(),
            config: core.config_note().map(str::to_owned),
            change: core.pending_change(),
            timeline: core.timeline().clone(),
            diagnostics,
            failures: core
                .failures()
                .into_iter()
                .map(|(op, error)| Failure { op, error })
                .collect(),
            conflicts: core.rivals(),
            desired: core.desired().into(),
        }
    }

    /// The bytes to write.
    pub fn render(&self) -> Vec<u8> {
        let mut bytes =
            serde_json::to_vec_pretty(self).expect("plain data with string keys always serialises");
        bytes.push(b'\n');
        bytes
    }
}
