//! What VRRP routers of one group have to agree on.

use serde::{Deserialize, Serialize};

/// The version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum VrrpVersion {
    /// RFC 3768: IPv4 only, whole seconds.
    #[serde(rename = "2")]
    V2,
    /// RFC 9568.
    #[default]
    #[serde(rename = "3")]
    V3,
}

/// What the checksum of VRRPv3 over IPv4 covers. Of IPv6 it always covers a pseudo-header, of VRRPv2 never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VrrpChecksum {
    /// The message behind a pseudo-header of IPv4, as keepalived, tcpdump and older FRR have it.
    #[default]
    Keepalived,
    /// The message alone, RFC 9568 §5.2.8, as the routers of Cisco, Juniper and Arista have it.
    Rfc9568,
}
