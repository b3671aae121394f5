//! Links: [`LinkSpec`] and [`LinkStatus`].

use serde::{Deserialize, Serialize};

use super::{KindSpec, KindStatus};
use crate::value::{BridgePortOptions, BridgeVlan, Layer, LinkName, Mac, Mtu, Origin};

/// IFLA_GROUP of the links that we make, and of those that we put into a master: how we know them again, after the
/// loss of every file. Link groups have no meaning to the kernel; 0 is the default.
pub const OUR_GROUP: u32 = super::OUR_PROTOCOL as u32;

/// Interface flags, include/uapi/linux/if.h.
pub mod iff {
    /// Administratively up.
    pub const UP: u32 = 1;
    /// Loopback.
    pub const LOOPBACK: u32 = 1 << 3;
    /// Takes part in multicast.
    pub const MULTICAST: u32 = 1 << 12;
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
    /// IFF_MULTICAST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multicast: Option<bool>,
    /// Largest packet, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
    /// What it is made as.
    #[serde(flatten)]
    pub kind: KindSpec,
    /// The bond, bridge or VRF that it is a member of.
    #[serde(flatten)]
    pub master: Option<MasterSpec>,
    /// Options of it as a port of a bridge.
    #[serde(skip_serializing_if = "BridgePortOptions::is_empty")]
    pub bridge_port: BridgePortOptions,
    /// VLANs of it as a port of a bridge; `None`: left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge_vlans: Option<Vec<BridgeVlan>>,
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
    /// Field by field, who said it: for `explain`.
    #[serde(skip)]
    pub fields: Vec<FieldOrigin>,
}

/// Which line said one field, and which ones lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOrigin {
    /// Its name in output.
    pub field: &'static str,
    /// The line that won.
    pub origin: Origin,
    /// Lines that said something else.
    pub overrode: Vec<Origin>,
}

impl LinkSpec {
    /// A link of which nothing but its name is said.
    pub fn new(name: LinkName, layer: Layer, origin: Origin) -> Self {
        Self {
            name,
            logical: false,
            up: None,
            multicast: None,
            mtu: None,
            kind: KindSpec::Found,
            master: None,
            bridge_port: BridgePortOptions::default(),
            bridge_vlans: None,
            hardware_addr: None,
            renamed_from: None,
            layer,
            origin,
            overrode: Vec::new(),
            fields: Vec::new(),
        }
    }
}

/// Membership of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum MasterSpec {
    /// In a bond.
    #[serde(rename = "bondSlave")]
    Bond(BondSlave),
    /// In a bridge.
    #[serde(rename = "bridgeSlave")]
    Bridge(Slave),
    /// In a VRF.
    #[serde(rename = "vrfSlave")]
    Vrf(Slave),
}

impl MasterSpec {
    /// The bond, bridge or VRF.
    pub const fn name(&self) -> &LinkName {
        match self {
            Self::Bond(slave) => &slave.master_name,
            Self::Bridge(slave) | Self::Vrf(slave) => &slave.master_name,
        }
    }
}

/// A member of a bond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BondSlave {
    /// The bond.
    pub master_name: LinkName,
    /// Its place in the list of members: they join in this order.
    pub slave_index: u32,
}

/// A member of a bridge or VRF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Slave {
    /// The bridge or VRF.
    pub master_name: LinkName,
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
    /// IFLA_LINK, the parent or the other end; 0 none, or in another network namespace.
    #[serde(default)]
    pub link_index: u32,
    /// IFLA_MASTER; 0 none.
    #[serde(default)]
    pub master_index: u32,
    /// IFLA_GROUP; [`OUR_GROUP`] where the link is of our making.
    #[serde(default)]
    pub group: u32,
    /// Settings of its kind, of the kinds that we make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind_data: Option<KindStatus>,
    /// IFLA_INFO_SLAVE_KIND: what its master is; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub slave_kind: String,
    /// Its options as a port of a bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge_port: Option<BridgePortOptions>,
    /// Kernel driver, where `/sys` tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// What else `/sys` tells of a network card.
    #[serde(flatten)]
    pub card: Box<CardStatus>,
}

/// Where a network card sits and who made it. `None`: `/sys` does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CardStatus {
    /// Version of the driver, where it counts its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_version: Option<String>,
    /// `0000:3b:00.0` (PCI), `1-1.4:1.0` (USB).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus_path: Option<String>,
    /// Vendor and device: `8086:15AB`.
    #[serde(rename = "pciID", skip_serializing_if = "Option::is_none")]
    pub pci_id: Option<String>,
    /// `0x8086`.
    #[serde(rename = "vendorID", skip_serializing_if = "Option::is_none")]
    pub vendor_id: Option<String>,
    /// `0x15ab`.
    #[serde(rename = "productID", skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
    /// What a USB device calls its maker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// What a USB device calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Mbit/s; known while there is carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_mbit: Option<u32>,
    /// Sends and receives at once; known while there is carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_duplex: Option<bool>,
}

impl LinkStatus {
    /// An Ethernet card that is down and of which nothing more is known.
    pub fn new(index: u32, name: LinkName) -> Self {
        Self {
            index,
            name,
            alias: None,
            alt_names: Vec::new(),
            hw_type: arphrd::ETHER,
            kind: String::new(),
            flags: 0,
            operational_state: "down".to_owned(),
            mtu: 1500,
            hardware_addr: None,
            permanent_addr: None,
            link_index: 0,
            master_index: 0,
            group: 0,
            kind_data: None,
            slave_kind: String::new(),
            bridge_port: None,
            driver: None,
            card: Box::default(),
        }
    }

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
