//! The conversations with the kernel that looks and ops need.

use std::io;

use super::generic::Generic;
use super::nftables::Nftables;
use super::rtnetlink::Rtnetlink;

/// All of them, on sockets of their own.
pub struct Kernel {
    /// Links, addresses, routes, rules.
    pub route: Rtnetlink,
    /// Keys and cards.
    pub generic: Generic,
    /// Our table of nf_tables.
    pub nft: Nftables,
}

impl Kernel {
    /// Opens the one that everybody needs.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            route: Rtnetlink::open()?,
            generic: Generic::default(),
            nft: Nftables::default(),
        })
    }
}
