//! `machine.network.interfaces[]`: one link.

use serde_json::{Value as Json, json};

use super::addressing::AddressingKeys;
use super::bond::BondKeys;
use super::bridge::{BridgeKeys, PortKeys};
use super::ports::Ports;
use super::selector::SelectorKeys;
use super::vlan::VlanKeys;
use super::wireguard::WireguardKeys;
use crate::config::machine::record::{At, Items as _, Placed as _, Record, Scope, Shape, Silent};
use crate::config::machine::schema::Schemas;
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{Document, KindConfig, LinkConfig, LinkRef};
use crate::value::LinkName;

keys! {
    /// One link.
    pub struct InterfaceKeys("interface") {
        /// The link; or `deviceSelector`.
        "interface" interface: LinkName,
        /// Whether the link is left alone, whatever else is said of it.
        later "ignore": Silent<bool>,
        /// The link, by what it is.
        "deviceSelector" device_selector: SelectorKeys,
        /// Makes the link a dummy.
        "dummy" dummy: bool,
        /// Makes the link a bond.
        "bond" bond: BondKeys,
        /// Makes the link a bridge.
        "bridge" bridge: BridgeKeys,
        /// The link as the port of a bridge.
        "bridgePort" bridge_port: PortKeys,
        /// VLANs on the link.
        "vlans" vlans: Vec<VlanKeys>,
        /// Makes the link a WireGuard one.
        "wireguard" wireguard: WireguardKeys,
        ..addressing: AddressingKeys,
    }
}

keys! {
    /// A link that is left alone.
    pub struct IgnoredKeys("interface") open {
        /// The link.
        required "interface" interface: LinkName,
    }
}

/// One link of the older form.
#[derive(Clone, Debug)]
pub enum Interface {
    /// Left alone whatever else is said of it, so none of that is checked either.
    Ignored(IgnoredKeys),
    /// Set up. Boxed: it has many keys.
    Used(Box<InterfaceKeys>),
}

impl Shape for Interface {
    fn read(scope: &Scope<'_>, _key: &'static str, node: &Node) -> Option<Self> {
        if node.at("ignore").and_then(Node::truth) == Some(true) {
            scope.record(node).map(Self::Ignored)
        } else {
            scope.record(node).map(Box::new).map(Self::Used)
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({
            "if": {"required": ["ignore"], "properties": {"ignore": {"const": true}}},
            "then": IgnoredKeys::schema(schemas),
            "else": InterfaceKeys::schema(schemas),
        })
    }
}

impl Interface {
    /// Takes it all.
    pub fn apply(self, ports: &Ports, worker: bool, source: &Source<'_>, out: &mut Document) {
        match self {
            Self::Ignored(keys) => out.ignored_links.push(keys.interface.said(source)),
            Self::Used(keys) => keys.apply(ports, worker, source, out),
        }
    }
}

impl InterfaceKeys {
    /// Puts the links that a bond or bridge lists, or the link itself, into their master.
    pub fn claim_ports(&self, ports: &mut Ports, source: &Source<'_>) {
        let Some(name) = &self.interface else {
            return;
        };
        let bond = self.bond.as_ref().and_then(|bond| bond.interfaces.as_ref());
        let bridge = self
            .bridge
            .as_ref()
            .and_then(|bridge| bridge.interfaces.as_ref());
        for member in [bond, bridge]
            .into_iter()
            .flatten()
            .flat_map(|list| &list.value)
        {
            ports.claim(&member.value, &name.value, member.mark, source);
        }
        if let Some(port) = &self.bridge_port {
            ports.claim(&name.value, &port.master.value, port.master.mark, source);
        }
    }

    fn apply(self, ports: &Ports, worker: bool, source: &Source<'_>, out: &mut Document) {
        let Some(link) = self.link(source) else {
            return;
        };
        let mut config = LinkConfig::new(link.clone(), self.origin(source));
        config.mtu = self.addressing.mtu();
        config.kind = self.kind(&link, ports, source);
        config.bridge = self.bridge(ports);
        out.links.push(config);
        let name = self.interface.as_ref().map(|name| &name.value);
        self.addressing
            .apply(&link, name, ports, worker, source, out);
        for vlan in self.vlans.items() {
            vlan.apply(&link, ports, worker, source, out);
        }
    }

    /// Which link this is about; `None` when that is not clear, which is reported.
    fn link(&self, source: &Source<'_>) -> Option<LinkRef> {
        match (&self.interface, &self.device_selector) {
            (Some(name), None) => Some(LinkRef::Name(name.value.clone())),
            (None, Some(selector)) => selector.selector(source).map(LinkRef::Selector),
            (Some(_), Some(_)) => {
                let rule = "interface and deviceSelector exclude each other";
                self.refuse(
                    source,
                    &self.device_selector,
                    rule,
                    Some("keep one of them"),
                );
                None
            }
            (None, None) => {
                // What is missing may be what was not right.
                if !self.is_partial() {
                    let rule = "interface or deviceSelector must be given";
                    self.refuse(source, &self.interface, rule, None);
                }
                None
            }
        }
    }

    /// What the link is made as.
    fn kind(&self, link: &LinkRef, ports: &Ports, source: &Source<'_>) -> Option<KindConfig> {
        let dummy = self.dummy.filter(|dummy| dummy.value);
        let places = [
            self.bond.place(),
            self.bridge.place(),
            dummy.place(),
            self.wireguard.place(),
        ];
        let mut places = places.into_iter().flatten();
        let (first, second) = (places.next()?, places.next());
        if let Some(second) = second {
            let rule = "bond, bridge, dummy and wireguard exclude each other";
            self.refuse_value(source, &second, rule, Some("keep one of them"));
        }
        if !matches!(link, LinkRef::Name(_)) {
            let rule = "a link that is made has a name: interface, not deviceSelector";
            self.refuse_value(source, &first, rule, None);
            return None;
        }
        let bond = self.bond.as_ref().map(|bond| bond.kind(ports, source));
        bond.or_else(|| self.bridge.as_ref().map(|bridge| bridge.kind(ports)))
            .or_else(|| dummy.map(|_| KindConfig::Dummy))
            .or_else(|| self.wireguard.as_ref().map(|keys| keys.kind(source)))
    }

    /// The bridge that the link is a port of by its own `bridgePort`.
    fn bridge(&self, ports: &Ports) -> Option<LinkRef> {
        let said: &At<LinkName> = &self.bridge_port.as_ref()?.master;
        let (master, mark) = ports.master(&self.interface.as_ref()?.value)?;
        (mark == said.mark).then(|| LinkRef::Name(master.clone()))
    }
}
