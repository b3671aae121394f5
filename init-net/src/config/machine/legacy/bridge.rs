//! `bridge` and `bridgePort` of an interface.

use super::ports::Ports;
use crate::config::machine::record::At;
use crate::config::{KindConfig, LinkRef};
use crate::value::{BridgeOptions, LinkName};

keys! {
    /// Makes a bridge of links.
    pub struct BridgeKeys("bridge") {
        /// Its ports, in order.
        "interfaces" interfaces: Vec<At<LinkName>>,
        /// Its spanning tree.
        "stp" stp: StpKeys,
        /// Its VLANs.
        "vlan" vlan: FilteringKeys,
    }
}

keys! {
    /// The spanning tree of a bridge.
    pub struct StpKeys("stp") {
        /// Whether there is one.
        "enabled" enabled: bool,
    }
}

keys! {
    /// The VLANs of a bridge.
    pub struct FilteringKeys("vlan") {
        /// Whether ports are kept apart by VLAN.
        "vlanFiltering" filtering: bool,
    }
}

keys! {
    /// The link as the port of a bridge.
    pub struct PortKeys("bridgePort") {
        /// The bridge.
        required "master" master: LinkName,
    }
}

impl BridgeKeys {
    /// The bridge that is to be made.
    pub fn kind(&self, ports: &Ports) -> KindConfig {
        let stp = self.stp.as_ref().and_then(|stp| stp.enabled);
        let filtering = self.vlan.as_ref().and_then(|vlan| vlan.filtering);
        let members = self.interfaces.as_ref().map(|list| ports.kept(list));
        KindConfig::Bridge {
            members: members.into_iter().flatten().map(LinkRef::Name).collect(),
            options: BridgeOptions {
                stp: stp.map(|stp| stp.value),
                vlan_filtering: filtering.map(|filtering| filtering.value),
                ..BridgeOptions::default()
            },
            vlans: None,
        }
    }
}
