//! Links: [`LinkSpec`] and [`LinkStatus`].

use serde::{Deserialize, Serialize};

use crate::value::{Layer, LinkName, Mac, Mtu, Origin};

/// Interface flags, include/uapi/linux/if.h.
pub mod iff {
    /// Administratively up.
    pub const UP: u32 = 1;
    /// Loopback.
    pub const LOOPBACK: u32 = 1 << 3;
    /// Operational (RFC 2863), set late by linkwatch.
    pub const RUNNING: u32 = 1 << 6;
    /// The driver signals L1 up: carrier. Comes at once where RUNNING takes up to a second.
    pub const LOWER_UP: u32 = 1 << 16;
}

/// Hardware types, include/uapi/linux/if_arp.h.
pub mod arphrd {
    /// Ethernet.
    pub const ETHER: u16 = 1;
    /// IP over InfiniBand.
    pub const INFINIBAND: u16 = 32;
    /// Loopback.
    pub const LOOPBACK: u16 = 772;
    /// No link-layer header: tunnels, WireGuard.
    pub const NONE: u16 = 0xfffe;

    const NAMES: [(u16, &str); 4] = [
        (ETHER, "ether"),
        (INFINIBAND, "infiniband"),
        (LOOPBACK, "loopback"),
        (NONE, "nohdr"),
    ];

    /// `ether`, or the number.
    pub(super) fn serialize<S: serde::Serializer>(
        hw_type: &u16,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match NAMES.iter().find(|(number, _)| number == hw_type) {
            Some((_, name)) => serializer.serialize_str(name),
            None => serializer.collect_str(hw_type),
        }
    }

    /// The name or the number.
    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u16, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        let known = NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(number, _)| *number);
        known
            .or_else(|| text.parse().ok())
            .ok_or_else(|| serde::de::Error::custom("not a hardware type"))
    }
}

/// What a link should be. Only what is `Some` is compared and changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkSpec {
    /// Its name.
    pub name: LinkName,
    /// Created by us when missing.
    pub logical: bool,
    /// Administrative state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// Largest packet, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
    /// `vlan`, `bond`…; empty for physical links.
    pub kind: String,
    /// Hardware address to set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_addr: Option<Mac>,
    /// The link that carries this name now, when `ifname=` gives it a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<LinkName>,
    /// Rank of the highest source.
    pub layer: Layer,
    /// Where the highest source said it.
    pub origin: Origin,
    /// Which values lost against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrode: Vec<Origin>,
}

/// What a link is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkStatus {
    /// Kernel index.
    pub index: u32,
    /// Kernel name.
    pub name: LinkName,
    /// IFLA_IFALIAS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// IFLA_ALT_IFNAME.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alt_names: Vec<String>,
    /// ARPHRD type ([`arphrd`]); prints as its name where it has one.
    #[serde(rename = "type", with = "arphrd")]
    pub hw_type: u16,
    /// IFLA_INFO_KIND; empty for physical links.
    #[serde(default)]
    pub kind: String,
    /// Interface flags, [`iff`].
    pub flags: u32,
    /// IFLA_OPERSTATE: `up`, `down`, `unknown`, `dormant`, `lowerLayerDown`, `notPresent`, `testing`.
    pub operational_state: String,
    /// Bytes.
    pub mtu: u32,
    /// Current address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_addr: Option<Mac>,
    /// Burnt-in address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent_addr: Option<Mac>,
    /// IFLA_LINK, the parent; 0 none.
    #[serde(default)]
    pub link_index: u32,
    /// IFLA_MASTER; 0 none.
    #[serde(default)]
    pub master_index: u32,
    /// Kernel driver, where `/sys` tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}

impl LinkStatus {
    /// A network card: Ethernet or InfiniBand hardware type and no kind.
    pub fn is_physical(&self) -> bool {
        (self.hw_type == arphrd::ETHER || self.hw_type == arphrd::INFINIBAND)
            && self.kind.is_empty()
    }

    /// Administratively up.
    pub fn is_up(&self) -> bool {
        self.flags & iff::UP != 0
    }

    /// Carrier. Meaningful only while the link is up: a driver reports none before.
    pub fn has_carrier(&self) -> bool {
        self.flags & iff::LOWER_UP != 0
    }

    /// The address that stays when bonds and users change the current one.
    pub fn stable_mac(&self) -> Option<Mac> {
        self.permanent_addr.or(self.hardware_addr)
    }
}
