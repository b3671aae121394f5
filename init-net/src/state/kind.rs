//! Kinds of virtual links: what is wanted ([`KindSpec`]) and what the kernel says ([`KindStatus`]).

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::value::{
    BondOptions, BridgeOptions, BridgeVlan, IpvlanMode, LinkName, MacvlanMode, RouteTable, VlanId,
    VlanProtocol, VxlanOptions, WireguardOptions,
};

/// What a link is to be made as. Options that are `None` stay as the kernel has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KindSpec {
    /// Not made by us: a network card, or what something else makes.
    #[default]
    Found,
    /// A tag on a parent.
    Vlan {
        /// The link below.
        parent: LinkName,
        /// The tag.
        id: VlanId,
        /// Its EtherType.
        protocol: VlanProtocol,
    },
    /// Members in one aggregate; they say so themselves ([`super::MasterSpec`]).
    Bond {
        /// Options.
        options: BondOptions,
        /// The preferred member.
        primary: Option<LinkName>,
    },
    /// A switch.
    Bridge {
        /// Options.
        options: BridgeOptions,
        /// VLANs of the bridge itself; `None`: left alone.
        vlans: Option<Vec<BridgeVlan>>,
    },
    /// A routing domain.
    Vrf {
        /// Its table.
        table: RouteTable,
    },
    /// A link that leads nowhere.
    Dummy,
    /// One end of a pair.
    Veth {
        /// The other end.
        peer: LinkName,
    },
    /// An encrypted tunnel.
    Wireguard(WireguardOptions),
    /// A link with its own hardware address on a parent.
    Macvlan {
        /// The link below.
        parent: LinkName,
        /// `None`: as the kernel makes it.
        mode: Option<MacvlanMode>,
    },
    /// A link with the parent's hardware address.
    Ipvlan {
        /// The link below.
        parent: LinkName,
        /// `None`: as the kernel makes it.
        mode: Option<IpvlanMode>,
    },
    /// Ethernet over UDP.
    Vxlan {
        /// The link that carries it; `None`: routing decides.
        parent: Option<LinkName>,
        /// Options.
        options: VxlanOptions,
    },
}

impl KindSpec {
    /// IFLA_INFO_KIND; empty for what we do not make.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Found => "",
            Self::Vlan { .. } => "vlan",
            Self::Bond { .. } => "bond",
            Self::Bridge { .. } => "bridge",
            Self::Vrf { .. } => "vrf",
            Self::Dummy => "dummy",
            Self::Veth { .. } => "veth",
            Self::Wireguard(_) => "wireguard",
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan { .. } => "ipvlan",
            Self::Vxlan { .. } => "vxlan",
        }
    }

    /// Whether we make it.
    pub const fn is_made(&self) -> bool {
        !matches!(self, Self::Found)
    }

    /// The link that it stands on (IFLA_LINK): it must be there first.
    pub const fn parent(&self) -> Option<&LinkName> {
        match self {
            Self::Vlan { parent, .. }
            | Self::Macvlan { parent, .. }
            | Self::Ipvlan { parent, .. } => Some(parent),
            Self::Vxlan { parent, .. } => parent.as_ref(),
            Self::Found
            | Self::Bond { .. }
            | Self::Bridge { .. }
            | Self::Vrf { .. }
            | Self::Dummy
            | Self::Veth { .. }
            | Self::Wireguard(_) => None,
        }
    }
}

/// Names of the field: `kind`, `parentName`, and an object for the settings of the kind.
impl Serialize for KindSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", self.name())?;
        if let Some(parent) = self.parent() {
            map.serialize_entry("parentName", parent)?;
        }
        match self {
            Self::Found | Self::Dummy => {}
            Self::Vlan { id, protocol, .. } => {
                #[derive(Serialize)]
                struct Vlan {
                    vid: VlanId,
                    protocol: VlanProtocol,
                }
                map.serialize_entry(
                    "vlan",
                    &Vlan {
                        vid: *id,
                        protocol: *protocol,
                    },
                )?;
            }
            Self::Bond { options, primary } => {
                #[derive(Serialize)]
                struct Bond<'a> {
                    #[serde(flatten)]
                    options: &'a BondOptions,
                    #[serde(skip_serializing_if = "Option::is_none")]
                    primary: &'a Option<LinkName>,
                }
                map.serialize_entry("bondMaster", &Bond { options, primary })?;
            }
            Self::Bridge { options, vlans } => {
                #[derive(Serialize)]
                struct Bridge<'a> {
                    #[serde(flatten)]
                    options: &'a BridgeOptions,
                    #[serde(skip_serializing_if = "Option::is_none")]
                    vlans: &'a Option<Vec<BridgeVlan>>,
                }
                map.serialize_entry("bridgeMaster", &Bridge { options, vlans })?;
            }
            Self::Vrf { table } => {
                #[derive(Serialize)]
                struct Vrf {
                    table: RouteTable,
                }
                map.serialize_entry("vrfMaster", &Vrf { table: *table })?;
            }
            Self::Veth { peer } => {
                #[derive(Serialize)]
                #[serde(rename_all = "camelCase")]
                struct Veth<'a> {
                    peer_name: &'a LinkName,
                }
                map.serialize_entry("veth", &Veth { peer_name: peer })?;
            }
            Self::Wireguard(options) => map.serialize_entry("wireguard", options)?,
            Self::Macvlan { mode, .. } => {
                #[derive(Serialize)]
                struct Macvlan {
                    mode: Option<MacvlanMode>,
                }
                map.serialize_entry("macvlan", &Macvlan { mode: *mode })?;
            }
            Self::Ipvlan { mode, .. } => {
                #[derive(Serialize)]
                struct Ipvlan {
                    mode: Option<IpvlanMode>,
                }
                map.serialize_entry("ipvlan", &Ipvlan { mode: *mode })?;
            }
            Self::Vxlan { options, .. } => map.serialize_entry("vxlan", options)?,
        }
        map.end()
    }
}

/// IFLA_INFO_DATA as the kernel reports it, of the kinds that are compared. Keys of WireGuard are not in it: they come by
/// generic netlink ([`super::Observed::wireguard`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KindStatus {
    /// A tag on the parent.
    Vlan {
        /// The tag.
        id: VlanId,
        /// Its EtherType.
        protocol: VlanProtocol,
    },
    /// A bond.
    #[serde(rename_all = "camelCase")]
    Bond {
        /// Everything the kernel reports.
        options: BondOptions,
        /// IFLA_BOND_PRIMARY; 0 none. Reported only while that link is a member.
        primary_index: u32,
        /// IFLA_BOND_ACTIVE_SLAVE; 0 none.
        active_index: u32,
    },
    /// A bridge.
    Bridge(BridgeOptions),
    /// A routing domain.
    Vrf {
        /// Its table.
        table: RouteTable,
    },
    /// A macvlan.
    Macvlan {
        /// Its mode.
        mode: MacvlanMode,
    },
    /// An ipvlan.
    Ipvlan {
        /// Its mode.
        mode: IpvlanMode,
    },
    /// A vxlan.
    #[serde(rename_all = "camelCase")]
    Vxlan {
        /// Everything the kernel reports.
        options: VxlanOptions,
        /// IFLA_VXLAN_LINK; 0 none.
        parent_index: u32,
    },
}
