//! Names to addresses over UDP: A and AAAA at once, server after server, nothing cached (RFC 1035, RFC 3596).
//!
//! For names in configuration URLs before the machine has a resolver. The owner has one socket a server, connected,
//! so that the kernel drops what comes from elsewhere; the id is random, the port is the kernel's.

mod health;
mod lookup;
mod reply;
#[cfg(test)]
mod tests;

pub use health::{Verdict, question, verdict};
pub use lookup::{Lookup, Query, SERVER_TIMEOUT};

use core::net::IpAddr;

/// How a look-up ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// At least one; IPv4 first: at boot it is the family that works sooner.
    Addresses(Vec<IpAddr>),
    /// No server knows an address, or none answered in time.
    Failed,
}
