//! One kernel facility a file; the only `unsafe` of the crate, and no policy: what to retry, what to ignore and what to
//! do instead is decided above.

pub mod netlink;
