//! Bridges: options of the bridge, of a port, and the VLANs on a port.

use serde::{Deserialize, Serialize};

use super::{VlanId, VlanProtocol};

/// Options of a bridge. `None`: not said, the kernel's value stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BridgeOptions {
    /// IFLA_BR_STP_STATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stp: Option<bool>,
    /// IFLA_BR_PRIORITY of the bridge in the spanning tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    /// IFLA_BR_FORWARD_DELAY, hundredths of a second (USER_HZ).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_delay: Option<u32>,
    /// IFLA_BR_HELLO_TIME, hundredths of a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hello_time: Option<u32>,
    /// IFLA_BR_MAX_AGE, hundredths of a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
    /// IFLA_BR_AGEING_TIME, hundredths of a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ageing_time: Option<u32>,
    /// IFLA_BR_VLAN_FILTERING.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_filtering: Option<bool>,
    /// IFLA_BR_VLAN_PROTOCOL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_protocol: Option<VlanProtocol>,
    /// IFLA_BR_VLAN_DEFAULT_PVID; 0 none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_pvid: Option<u16>,
    /// IFLA_BR_MCAST_SNOOPING.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multicast_snooping: Option<bool>,
    /// IFLA_BR_MCAST_QUERIER.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multicast_querier: Option<bool>,
    /// IFLA_BR_GROUP_FWD_MASK: which link-local groups are forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_forward_mask: Option<u16>,
}

/// Options of a bridge port. `None`: not said, the kernel's value stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BridgePortOptions {
    /// IFLA_BRPORT_COST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
    /// IFLA_BRPORT_PRIORITY, 0 to 63.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    /// IFLA_BRPORT_MODE: hairpin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hairpin: Option<bool>,
    /// IFLA_BRPORT_GUARD: BPDU guard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<bool>,
    /// IFLA_BRPORT_PROTECT: root block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_block: Option<bool>,
    /// IFLA_BRPORT_FAST_LEAVE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fast_leave: Option<bool>,
    /// IFLA_BRPORT_LEARNING.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning: Option<bool>,
    /// IFLA_BRPORT_UNICAST_FLOOD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flood: Option<bool>,
    /// IFLA_BRPORT_MCAST_FLOOD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multicast_flood: Option<bool>,
    /// IFLA_BRPORT_BCAST_FLOOD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcast_flood: Option<bool>,
    /// IFLA_BRPORT_PROXYARP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_arp: Option<bool>,
    /// IFLA_BRPORT_ISOLATED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolated: Option<bool>,
}

impl BridgePortOptions {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These options, and those of `below` that are not said here.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        Self {
            cost: self.cost.or(below.cost),
            priority: self.priority.or(below.priority),
            hairpin: self.hairpin.or(below.hairpin),
            guard: self.guard.or(below.guard),
            root_block: self.root_block.or(below.root_block),
            fast_leave: self.fast_leave.or(below.fast_leave),
            learning: self.learning.or(below.learning),
            flood: self.flood.or(below.flood),
            multicast_flood: self.multicast_flood.or(below.multicast_flood),
            broadcast_flood: self.broadcast_flood.or(below.broadcast_flood),
            proxy_arp: self.proxy_arp.or(below.proxy_arp),
            isolated: self.isolated.or(below.isolated),
        }
    }
}

/// One VLAN on a port of a bridge, or on the bridge itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BridgeVlan {
    /// The tag.
    pub id: VlanId,
    /// BRIDGE_VLAN_INFO_PVID: what comes in without a tag belongs to it. One a port.
    pub pvid: bool,
    /// BRIDGE_VLAN_INFO_UNTAGGED: goes out without a tag.
    pub untagged: bool,
}
