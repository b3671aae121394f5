//! Probes: what tells that the network works.

use core::fmt;

use serde::{Serialize, Serializer};

use crate::value::{Duration, Layer, Origin};

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

/// What a probe tries. Prints as `tcp:host:port` or `http:url`.
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

impl fmt::Display for ProbeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An IPv6 address has colons of its own.
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
            Self::Http { url } => write!(f, "http:{url}"),
        }
    }
}

impl Serialize for ProbeTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
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
