//! Links that are made: bonds, bridges, VLANs, VRFs, dummies.

use super::super::bridge::Names;
use super::super::reader::{MAX_LINKS, Reader};
use crate::config::machine::tree::Node;
use crate::config::{KindConfig, LinkConfig, LinkRef};
use crate::value::{RouteTable, VlanId};

/// Names of netplan.
const BRIDGE: Names = Names {
    stp: "stp",
    priority: "priority",
    forward_delay: "forward-delay",
    hello_time: "hello-time",
    max_age: "max-age",
    ageing_time: "ageing-time",
    path_cost: "path-cost",
    port_priority: "port-priority",
};

impl Reader<'_> {
    pub(super) fn dummy(&mut self, node: &Node, mut config: LinkConfig) {
        config.kind = Some(KindConfig::Dummy);
        self.finish(node, config);
    }

    pub(super) fn bond(&mut self, node: &Node, mut config: LinkConfig) {
        let params = self.map(node, "parameters");
        let Some((options, primary)) = self.bond_options(params) else {
            return;
        };
        config.kind = Some(KindConfig::Bond {
            members: self.interfaces(node),
            options,
            primary,
        });
        self.finish(node, config);
    }

    pub(super) fn bridge(&mut self, node: &Node, mut config: LinkConfig) {
        let params = self.map(node, "parameters");
        let options = params.map(|params| self.bridge_options(params, &BRIDGE));
        config.kind = Some(KindConfig::Bridge {
            members: self.interfaces(node),
            options: options.unwrap_or_default(),
            vlans: None,
        });
        self.finish(node, config);
        if let Some(params) = params {
            self.bridge_ports(params, &BRIDGE);
        }
    }

    pub(super) fn vlan(&mut self, node: &Node, mut config: LinkConfig) {
        let Some(below) = node.at("link") else {
            return self.warn(node.mark, "a vlan without link");
        };
        let parent = self.link(below, "link");
        if node.at("id").is_none() {
            return self.warn(node.mark, "a vlan without id");
        }
        let (Some(parent), Some(id)) = (parent, self.read::<VlanId>(node, "id")) else {
            return;
        };
        config.kind = Some(KindConfig::Vlan {
            parent,
            id,
            protocol: None,
        });
        self.finish(node, config);
    }

    pub(super) fn vrf(&mut self, node: &Node, mut config: LinkConfig) {
        let Some(table) = self.read::<RouteTable>(node, "table") else {
            if node.at("table").is_none() {
                self.warn(node.mark, "a vrf without table");
            }
            return;
        };
        let members = self.interfaces(node);
        // A route leads out of a member; of several, the one whose network holds the gateway.
        let link = match members.as_slice() {
            [member] => Some(member.clone()),
            _ => None,
        };
        config.kind = Some(KindConfig::Vrf { members, table });
        config.up = Some(true);
        if self.add_link(node.mark, config) {
            self.routes(node, link.as_ref(), Some(table));
            self.rules(node, Some(table));
        }
    }

    fn interfaces(&mut self, node: &Node) -> Vec<LinkRef> {
        let ids = self.list(node, "interfaces");
        let ids = ids.iter().take(MAX_LINKS);
        ids.filter_map(|id| self.link(id, "an item of interfaces"))
            .collect()
    }
}
