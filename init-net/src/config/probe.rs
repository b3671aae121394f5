//! Probes as a source says them.

use crate::value::{Duration, Origin, ProbeTarget};

/// What tells that the network works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeConfig {
    /// Its name.
    pub name: String,
    /// How often.
    pub interval: Option<Duration>,
    /// Failures in a row until it counts as down.
    pub failure_threshold: Option<u32>,
    /// For one attempt.
    pub timeout: Option<Duration>,
    /// What is tried.
    pub target: ProbeTarget,
    /// Where it was said.
    pub origin: Origin,
}
