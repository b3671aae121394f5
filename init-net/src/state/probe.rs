//! Probes: what tells that the network works.

use serde::Serialize;

use crate::value::{Duration, Layer, Origin};

/// One probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSpec {
    /// Its name.
    pub name: String,
    /// `tcp:host:port` or `http:url`.
    pub target: String,
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

/// As people write it: `1.5s`.
fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:?}"))
}
