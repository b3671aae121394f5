//! Shared addresses as a source says them.

use core::net::IpAddr;

use super::LinkRef;
use crate::value::{Origin, Secret};

/// An address that one of several machines has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipConfig {
    /// The address.
    pub address: IpAddr,
    /// On which link.
    pub link: LinkRef,
    /// What moves it in the network around.
    pub provider: VipProvider,
    /// Where it was said.
    pub origin: Origin,
}

/// What moves a shared address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VipProvider {
    /// Neighbours learn it by ARP and neighbour advertisements.
    Layer2,
    /// The API of Hetzner Cloud.
    HCloud {
        /// Its token.
        token: Secret,
    },
    /// The API of Equinix Metal.
    EquinixMetal {
        /// Its token.
        token: Secret,
    },
}
