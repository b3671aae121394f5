//! The firewall from outside: what a config means, packets that ask, and who answers.

pub mod listener;
pub mod policy;
pub mod probe;
