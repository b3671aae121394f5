//! What an op is about: for counters and events.

use super::Op;

impl Op {
    /// The kind of resource, as `get` calls it.
    pub const fn resource(&self) -> &'static str {
        match self {
            Self::LinkAdd(_)
            | Self::LinkDel { .. }
            | Self::LinkSetKind { .. }
            | Self::LinkSetMaster { .. }
            | Self::LinkSetPort { .. }
            | Self::BridgeVlanAdd { .. }
            | Self::BridgeVlanDel { .. }
            | Self::LinkSetUp { .. }
            | Self::LinkSetMulticast { .. }
            | Self::LinkRename { .. }
            | Self::LinkSetMtu { .. }
            | Self::LinkSetMac { .. }
            | Self::Wireguard(_) => "links",
            Self::LinkSetAlias { .. } => "aliases",
            Self::Ethernet(_) => "ethernet",
            Self::AddressReplace(_) | Self::AddressDel { .. } => "addresses",
            Self::RouteAdd(_) | Self::RouteReplace(_) | Self::RouteDel(_) => "routes",
            Self::RuleAdd(_) | Self::RuleDel(_) => "rules",
            Self::SetSysctl { .. } => "sysctls",
            Self::SetHostname { .. } => "hostname",
            Self::WriteFile(_) => "files",
        }
    }

    /// Which change it is, in snake case.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::LinkAdd(_) => "link_add",
            Self::LinkDel { .. } => "link_del",
            Self::LinkSetKind { .. } => "link_set_kind",
            Self::LinkSetMaster { .. } => "link_set_master",
            Self::LinkSetPort { .. } => "link_set_port",
            Self::BridgeVlanAdd { .. } => "bridge_vlan_add",
            Self::BridgeVlanDel { .. } => "bridge_vlan_del",
            Self::LinkSetUp { .. } => "link_set_up",
            Self::LinkSetMulticast { .. } => "link_set_multicast",
            Self::LinkRename { .. } => "link_rename",
            Self::LinkSetAlias { .. } => "link_set_alias",
            Self::LinkSetMtu { .. } => "link_set_mtu",
            Self::LinkSetMac { .. } => "link_set_mac",
            Self::Wireguard(_) => "wireguard_set",
            Self::Ethernet(_) => "ethernet_set",
            Self::AddressReplace(_) => "address_replace",
            Self::AddressDel { .. } => "address_del",
            Self::RouteAdd(_) => "route_add",
            Self::RouteReplace(_) => "route_replace",
            Self::RouteDel(_) => "route_del",
            Self::RuleAdd(_) => "rule_add",
            Self::RuleDel(_) => "rule_del",
            Self::SetSysctl { .. } => "sysctl_set",
            Self::SetHostname { .. } => "hostname_set",
            Self::WriteFile(_) => "file_write",
        }
    }
}
