//! Decides when, and does it.

pub mod rtnetlink;
