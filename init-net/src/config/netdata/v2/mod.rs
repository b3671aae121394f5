//! cloud-init network-config version 2, which is the common part of netplan's: `{version: 2, ethernets: {ID: …}, …}`.
//!
//! netplan, "YAML configuration"; cloud-init, "Networking config version 2". Definitions speak of each other by their IDs, which are
//! names of links only where nothing is matched.

mod addressing;
mod dhcp;
mod matching;
mod route;
mod stacked;

use super::reader::{MAX_LINKS, Reader};
use crate::config::machine::tree::{Key, Node, Value};
use crate::config::{LinkConfig, LinkRef};
use crate::value::LinkName;

/// Kinds of links that are not made here.
const NOT_MADE: [&str; 6] = [
    "wifis",
    "modems",
    "tunnels",
    "virtual-ethernets",
    "nm-devices",
    "openvswitch",
];

/// What definitions have in common.
#[derive(Clone, Copy)]
enum Section {
    Ethernets,
    Dummies,
    Bonds,
    Bridges,
    Vlans,
    Vrfs,
}

/// In the order in which links stand on each other.
const SECTIONS: [(&str, Section); 6] = [
    ("ethernets", Section::Ethernets),
    ("dummy-devices", Section::Dummies),
    ("bonds", Section::Bonds),
    ("bridges", Section::Bridges),
    ("vlans", Section::Vlans),
    ("vrfs", Section::Vrfs),
];

pub(super) fn read(reader: &mut Reader<'_>, root: &Node) {
    for key in NOT_MADE {
        if let Some(node) = root.at(key).filter(|node| !is_empty(node)) {
            reader.warn(node.mark, format!("{key} are not made here"));
        }
    }
    let mut found: Vec<(Section, &Key, &Node, LinkRef)> = Vec::new();
    for (key, section) in SECTIONS {
        let Some(Value::Map(entries)) = reader.map(root, key).map(|node| &node.value) else {
            continue;
        };
        for (id, node) in reader.bounded(root.mark, entries, key) {
            // One above the limit is refused, and told, where it is added.
            if found.len() > MAX_LINKS {
                break;
            }
            let link = match section {
                Section::Ethernets => reader.matched(id, node),
                _ => reader.id(id),
            };
            reader
                .links
                .entry(id.text.clone())
                .or_insert_with(|| link.clone());
            found.extend(link.map(|link| (section, id, node, link)));
        }
    }
    for (section, id, node, link) in found {
        if !matches!(node.value, Value::Map(_)) && !node.is_null() {
            reader.warn(node.mark, "a definition is no mapping");
            continue;
        }
        let config = LinkConfig::new(link, reader.origin(id.mark));
        match section {
            Section::Ethernets => reader.ethernet(node, config),
            Section::Dummies => reader.dummy(node, config),
            Section::Bonds => reader.bond(node, config),
            Section::Bridges => reader.bridge(node, config),
            Section::Vlans => reader.vlan(node, config),
            Section::Vrfs => reader.vrf(node, config),
        }
    }
}

fn is_empty(node: &Node) -> bool {
    node.is_null() || matches!(&node.value, Value::Map(entries) if entries.is_empty())
}

impl Reader<'_> {
    /// The link that has its ID for a name.
    fn id(&mut self, id: &Key) -> Option<LinkRef> {
        let name = id.text.parse::<LinkName>();
        if name.is_err() {
            self.warn(id.mark, "the ID is no name of a link");
        }
        name.ok().map(LinkRef::Name)
    }

    /// With what every definition may have, and what is configured on the link.
    fn finish(&mut self, node: &Node, mut config: LinkConfig) {
        config.up = match node.at("activation-mode").and_then(Node::text) {
            Some("off" | "manual") => Some(false),
            _ => Some(true),
        };
        config.mtu = self.read(node, "mtu");
        config.mac = self.read(node, "macaddress").or(config.mac);
        self.link_settings(node, &mut config.settings);
        let link = config.link.clone();
        if self.add_link(node.mark, config) {
            self.dynamic(node, &link);
            self.addressing(node, &link);
            self.routes(node, Some(&link), None);
            self.rules(node, None);
        }
    }
}
