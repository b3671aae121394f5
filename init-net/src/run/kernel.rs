//! The two conversations with the kernel that looks and ops need.

use std::io;

use super::generic::Generic;
use super::rtnetlink::Rtnetlink;

/// Both, on sockets of their own.
pub struct Kernel {
    /// Links, addresses, routes, rules.
    pub route: Rtnetlink,
    /// Keys and cards.
    pub generic: Generic,
}

impl Kernel {
    /// Opens the one that everybody needs.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            route: Rtnetlink::open()?,
            generic: Generic::default(),
        })
    }
}
