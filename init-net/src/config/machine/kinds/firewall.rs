//! `NetworkDefaultActionConfig`.

use serde_json::{Value as Json, json};

use super::port_selector::PortItem;
use super::{Kind, Role};
use crate::config::machine::record::{At, Items as _, Scope, Shape};
use crate::config::machine::scalar::{Names, Scalar, Wrong};
use crate::config::machine::schema::Schemas;
use crate::config::machine::source::Source;
use crate::config::machine::tree::{Node, Value};
use crate::config::{DefaultAction, Document, PodsToHost, Said};
use crate::value::{LinkPattern, Prefix};

keys! {
    /// What happens to what no rule lets in, and what is let in without a rule.
    pub struct DefaultActionKeys("NetworkDefaultActionConfig") {
        /// Let in, which it is unless said otherwise, or dropped.
        "ingress" ingress: DefaultAction,
        /// The same of what goes out; nothing is looked at unless this or a rule with egress says so.
        "egress" egress: DefaultAction,
        /// Links of which everything is let in.
        "trustedLinks" trusted_links: Vec<At<LinkPattern>>,
        /// What pods may reach on this machine without a rule.
        "allowPodsToHost" pods_to_host: PodsToHost,
        /// Who may send VRRP to this machine; anybody next to it unless said otherwise, once it has a shared address.
        "vrrpPeers" vrrp_peers: Vec<At<Peer>>,
        /// Ports by which the machine is managed: a change that closes them needs to be forced.
        "management" management: Vec<At<PortItem>>,
    }
}

impl Names for DefaultAction {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("accept", Self::Accept),
        ("block", Self::Block),
        ("deny", Self::Block),
        ("drop", Self::Block),
    ];
}

/// `all`, or a list of ports.
impl Shape for PodsToHost {
    fn read(scope: &Scope<'_>, key: &'static str, node: &Node) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if text.eq_ignore_ascii_case("all") => Some(Self::All),
            Value::List(_) => {
                let items = Vec::<PortItem>::read(scope, key, node)?;
                let ports = items.into_iter().flat_map(|PortItem(ports)| ports);
                Some(Self::Ports(ports.collect()))
            }
            Value::Scalar { .. } | Value::Map(_) => {
                let rule = "expected all, or a list of ports and services";
                scope.wrong(key, node.mark, rule.into());
                None
            }
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({"anyOf": [{"const": "all"}, Vec::<PortItem>::schema(schemas)]})
    }
}

/// An address, or the prefix of several.
#[derive(Clone, Copy, Debug)]
pub struct Peer(Prefix);

impl Scalar for Peer {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        match text.parse() {
            Ok(address) => Ok(Self(Prefix::host(address))),
            Err(_) => match <Prefix as Scalar>::read(node, text) {
                Ok(prefix) => Ok(Self(prefix.network())),
                Err(wrong) if text.contains('/') => Err(wrong),
                Err(_) => Err("expected an address, or a network: 192.0.2.7, 192.0.2.0/24".into()),
            },
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"})
    }
}

impl Kind for DefaultActionKeys {
    const ROLE: Role = Role::Firewall;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let firewall = &mut out.firewall;
        firewall.default_action = self.ingress.map(|action| action.said(source));
        firewall.egress_action = self.egress.map(|action| action.said(source));
        let links = self.trusted_links.items();
        firewall.trusted_links = links.map(|link| link.value).collect();
        firewall.pods_to_host = self.pods_to_host.map(|said| said.said(source));
        let peers = self.vrrp_peers.items();
        firewall.vrrp_peers = peers.map(|peer| peer.value.0).collect();
        for item in self.management.items() {
            let origin = source.origin(item.mark);
            let ports = item.value.0.into_iter();
            let said = ports.map(|ports| Said::new(ports, origin.clone()));
            firewall.management.extend(said);
        }
    }
}
