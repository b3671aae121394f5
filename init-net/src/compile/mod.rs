//! Documents, leases and observed names to what should be.

pub mod lease;
