//! Links on top of links: modes of macvlan and ipvlan, options of vxlan.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::named::named;

named! {
    /// MACVLAN_MODE_*.
    pub enum MacvlanMode: u32 {
        /// They do not see each other.
        Private = 1 "private",
        /// They see each other through the switch outside.
        Vepa = 2 "vepa",
        /// They see each other.
        Bridge = 4 "bridge",
        /// One takes the parent over.
        Passthru = 8 "passthru",
    }
}

named! {
    /// IPVLAN_MODE_*.
    pub enum IpvlanMode: u16 {
        /// Switched.
        L2 = 0 "l2",
        /// Routed, without broadcast.
        L3 = 1 "l3",
        /// Routed, through the netfilter of the parent.
        L3s = 2 "l3s",
    }
}

/// Options of a vxlan. `None`: not said, the kernel's value stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VxlanOptions {
    /// IFLA_VXLAN_ID, 24 bits.
    pub vni: u32,
    /// IFLA_VXLAN_LOCAL(6): source of the outer packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<IpAddr>,
    /// IFLA_VXLAN_GROUP(6): one peer, or a multicast group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<IpAddr>,
    /// IFLA_VXLAN_PORT, UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// IFLA_VXLAN_LEARNING.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning: Option<bool>,
    /// IFLA_VXLAN_TTL; 0: that of the inner packet's route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
}

impl VxlanOptions {
    /// The largest network identifier, RFC 7348 §5.
    pub const MAX_VNI: u32 = (1 << 24) - 1;
    /// The port IANA gave to VXLAN. The kernel's own default is the older 8472.
    pub const IANA_PORT: u16 = 4789;
}
