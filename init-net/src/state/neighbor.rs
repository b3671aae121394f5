//! Neighbours: [`NeighborStatus`].

use core::net::IpAddr;

use serde::Serialize;

use super::Family;
use crate::value::{LinkName, Mac};

/// What the kernel knows of a host on a link: ARP and neighbour discovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NeighborStatus {
    /// NDA_DST.
    pub address: IpAddr,
    /// Of the address.
    pub family: Family,
    /// On which link.
    pub link_index: u32,
    /// Its name.
    pub link_name: LinkName,
    /// NDA_LLADDR; `None`: not known, or not needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_addr: Option<Mac>,
    /// How sure the kernel is.
    pub state: NeighborState,
    /// NTF_ROUTER: it is a router (IPv6).
    pub router: bool,
    /// NTF_PROXY: this machine answers for it.
    pub proxy: bool,
}

/// NUD_*, include/uapi/linux/neighbour.h, in the words of ip(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NeighborState {
    /// No state yet.
    None,
    /// Asked for, no answer so far.
    Incomplete,
    /// It answered a moment ago.
    Reachable,
    /// It answered once.
    Stale,
    /// Used while stale: asked soon.
    Delay,
    /// Asked again.
    Probe,
    /// It does not answer.
    Failed,
    /// Nothing is asked: loopback, multicast, tunnels.
    Noarp,
    /// Set by somebody, for ever.
    Permanent,
}

impl NeighborState {
    /// From ndm_state, of which one bit is set at most.
    pub const fn from_bits(bits: u16) -> Self {
        match bits {
            0x01 => Self::Incomplete,
            0x02 => Self::Reachable,
            0x04 => Self::Stale,
            0x08 => Self::Delay,
            0x10 => Self::Probe,
            0x20 => Self::Failed,
            0x40 => Self::Noarp,
            0x80 => Self::Permanent,
            _ => Self::None,
        }
    }
}
