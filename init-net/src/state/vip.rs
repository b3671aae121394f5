//! Shared addresses.

use core::net::IpAddr;

use serde::Serialize;

use crate::value::{Layer, LinkName, Origin, Secret};

/// An address that one of several machines has. A later stage of the supervisor runs the election.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VipSpec {
    /// The address.
    pub ip: IpAddr,
    /// On which link.
    pub link_name: LinkName,
    /// What moves it: `layer2`, `hcloud`, `equinixMetal`.
    pub provider: &'static str,
    /// Token of the provider's API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_token: Option<Secret>,
    /// Its rank.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
}
