//! What an op is about: for counters and events.

use super::{EthernetOp, FirewallOp, LinkAt, Op};
use crate::state::nft::TABLE;
use crate::state::{RouteId, RuleId};
use crate::value::Prefix;

impl Op {
    /// The resource that it changes, by kind and id: `addresses/eth0/10.0.0.2/24`.
    pub fn subject(&self) -> String {
        let address = |link: &LinkAt, address: &Prefix| format!("{}/{address}", link.name);
        let id = match self {
            Self::LinkAdd(op) => op.name.to_string(),
            Self::LinkDel { link, .. }
            | Self::LinkSetKind { link, .. }
            | Self::LinkSetMaster { link, .. }
            | Self::LinkSetPort { link, .. }
            | Self::BridgeVlanAdd { link, .. }
            | Self::BridgeVlanDel { link, .. }
            | Self::LinkSetUp { link, .. }
            | Self::LinkSetMulticast { link, .. }
            | Self::LinkRename { link, .. }
            | Self::LinkSetAlias { link, .. }
            | Self::LinkSetMtu { link, .. }
            | Self::LinkSetMac { link, .. } => link.name.to_string(),
            Self::Wireguard(op) => op.link.name.to_string(),
            Self::Ethernet(
                EthernetOp::Rings(link, _)
                | EthernetOp::Features(link, _)
                | EthernetOp::Channels(link, _)
                | EthernetOp::WakeOnLan(link, _),
            ) => link.name.to_string(),
            Self::AddressReplace(op) => address(&op.link, &op.address),
            Self::AddressDel {
                link, address: of, ..
            } => address(link, of),
            Self::RouteAdd(route) | Self::RouteReplace(route) | Self::RouteDel(route) => {
                let id = RouteId {
                    table: route.table,
                    family: route.family,
                    dst: route.dst,
                    priority: route.priority,
                    gateway: route.gateway,
                    link: route.link.as_ref().map(|link| link.name.clone()),
                };
                id.to_string()
            }
            Self::RuleAdd(rule) | Self::RuleDel(rule) => {
                let (family, priority) = (rule.family, rule.priority);
                RuleId { family, priority }.to_string()
            }
            Self::SetSysctl { key, .. } => key.to_string(),
            Self::Firewall(_) => format!("inet/{TABLE}"),
            Self::SetHostname { .. } => return self.resource().to_owned(),
            Self::WriteFile(file) => file.path.display().to_string(),
        };
        format!("{}/{id}", self.resource())
    }

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
            Self::Firewall(_) => "firewall",
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
            Self::Firewall(FirewallOp { table: None, .. }) => "firewall_del",
            Self::Firewall(_) => "firewall_replace",
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

#[cfg(test)]
mod tests {
    use super::super::{AddressOp, RouteOp};
    use super::*;
    use crate::state::Family;

    #[track_caller]
    fn check(op: Op, verb: &str, subject: &str) {
        assert_eq!((op.verb(), op.subject().as_str()), (verb, subject));
    }

    #[test]
    fn subjects_are_the_ids_of_get() {
        let eth0 = || LinkAt {
            index: 2,
            name: "eth0".parse().unwrap(),
        };
        let up = Op::LinkSetUp {
            link: eth0(),
            up: true,
        };
        check(up, "link_set_up", "links/eth0");
        let address = AddressOp::new(eth0(), "10.0.0.2/24".parse().unwrap());
        let op = Op::AddressReplace(address);
        check(op, "address_replace", "addresses/eth0/10.0.0.2/24");
        let route = RouteOp {
            gateway: "10.0.0.1".parse().ok(),
            ..RouteOp::new(Family::Inet4, 1024)
        };
        let op = Op::RouteAdd(route);
        check(op, "route_add", "routes/inet4/10.0.0.1//1024");
        let name = Op::SetHostname { name: "a".into() };
        check(name, "hostname_set", "hostname");
    }
}
