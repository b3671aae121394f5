//! Probes: what tells that the network works.

use serde::{Serialize, Serializer};

use crate::value::{Duration, Layer, Origin, ProbeTarget};

/// One probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSpec {
    /// Its name.
    pub name: String,
    /// What is tried.
    pub target: ProbeTarget,
    /// How often.
    #[serde(serialize_with = "seconds")]
    pub interval: Duration,
    /// For one attempt.
    #[serde(serialize_with = "seconds")]
    pub timeout: Duration,
    /// Failures in a row until it counts as down; 0 and 1 are the same.
    pub failure_threshold: u32,
    /// Its rank.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
}

/// How a probe fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeStatus {
    /// Whether it counts as up.
    pub success: bool,
    /// What the last failure met; empty before the first one.
    pub last_error: String,
}

/// As people write it: `1.5s`.
fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:?}"))
}
