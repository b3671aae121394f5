//! Probes as a source says them.

use crate::value::{Duration, Origin};

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

/// What a probe tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeTarget {
    /// A TCP connection.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A GET that is answered with 200 to 399.
    Http {
        /// The address.
        url: String,
    },
}
