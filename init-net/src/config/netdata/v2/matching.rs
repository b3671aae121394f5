//! `ethernets`: which card of the machine a definition means.

use super::super::reader::Reader;
use crate::config::machine::tree::{Key, Node, Value};
use crate::config::{DeviceSelector, IfName, LinkConfig, LinkRef};
use crate::value::{Glob, LinkName, Mac};

impl Reader<'_> {
    /// The cards that the definition means; without `match` the one that has the ID for a name. A match that is not understood
    /// means none: what is left of it would mean too many.
    pub(super) fn matched(&mut self, id: &Key, node: &Node) -> Option<LinkRef> {
        let Some(said) = node.at("match") else {
            return self.id(id);
        };
        let Value::Map(entries) = &said.value else {
            self.warn(said.mark, "match is no mapping");
            return None;
        };
        let mut selector = DeviceSelector::default();
        for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
            let read = match key.text.as_str() {
                "macaddress" => {
                    selector.mac = value
                        .text()
                        .and_then(|text| text.trim().parse::<Mac>().ok());
                    selector.mac.is_some()
                }
                "name" | "originalname" => {
                    selector.name = glob(value);
                    selector.name.is_some()
                }
                "driver" => {
                    let drivers: Option<Vec<String>> = value.items().iter().map(glob).collect();
                    selector.drivers = drivers.unwrap_or_default();
                    !selector.drivers.is_empty()
                }
                _ => false,
            };
            if !read {
                let rule = match key.text.as_str() {
                    "macaddress" => "macaddress is no hardware address",
                    "name" | "originalname" | "driver" => "this is no pattern",
                    _ => "cards are matched by name, macaddress and driver alone",
                };
                self.warn(value.mark, rule);
                return None;
            }
        }
        if selector == DeviceSelector::default() {
            return Some(LinkRef::EveryPhysical);
        }
        let mac = selector.mac;
        let by_mac = DeviceSelector {
            mac,
            ..DeviceSelector::default()
        };
        // One card alone has an address, and it is found where others borrow it.
        if let Some(mac) = mac.filter(|_| selector == by_mac) {
            return Some(LinkRef::Mac(mac));
        }
        selector.physical = Some(true);
        Some(LinkRef::Selector(selector))
    }

    pub(super) fn ethernet(&mut self, node: &Node, config: LinkConfig) {
        if let Some(name) = self.read::<LinkName>(node, "set-name") {
            let mark = node.at("set-name").map_or(node.mark, |name| name.mark);
            if node.at("match").is_some() {
                let (link, origin) = (config.link.clone(), self.origin(mark));
                self.out.names.push(IfName { name, link, origin });
            } else {
                self.warn(mark, "set-name needs match");
            }
        }
        self.finish(node, config);
    }
}

fn glob(node: &Node) -> Option<String> {
    let text = node.text()?.trim();
    text.parse::<Glob>().ok().map(|_| text.to_owned())
}
