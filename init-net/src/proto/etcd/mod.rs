//! Which of several machines has a key: an election in an etcd cluster of version 3.4 or newer, over its JSON gateway.
//!
//! The election is that of etcd's own client library (client/v3/concurrency, `Election`) and of `etcdctl elect`, so that machines
//! of both kinds campaign for one key: each candidate has a key `KEY/LEASE` (the lease in hex) that holds its name and lives as
//! long as its lease, and the one that was created first has it.

mod campaign;
mod gateway;
mod lease;
mod namesake;
mod settings;
#[cfg(test)]
mod tests;

pub use campaign::Campaign;
pub use settings::{Event, Lease, Settings, Why};
