//! `LinkConfig`, and the keys that every kind of link shares.

use super::address::AddressKeys;
use super::bridge_port::BridgePortKeys;
use super::link_settings::SettingKeys;
use super::route::RouteKeys;
pub use super::route::ViaKeys;
use super::{Kind, Role};
use crate::config::machine::record::{At, Items, Record, plain};
use crate::config::machine::scalar::MtuOrKept;
use crate::config::machine::source::Source;
use crate::config::{Document, KindConfig, LinkConfig, LinkRef};
use crate::value::{LinkName, Mac, Mtu};

keys! {
    /// Settings of a link that exists, or that something else makes.
    pub struct LinkConfigKeys("LinkConfig") {
        /// The link.
        required "name" name: LinkName,
        ..link: LinkKeys,
    }
}

impl Kind for LinkConfigKeys {
    const ROLE: Role = Role::Link;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        self.link.apply(self.name.value, None, None, source, out);
    }
}

keys! {
    /// In every kind of link.
    pub struct LinkKeys("link") {
        /// Whether the link is up; true unless said otherwise.
        "up" up: bool,
        /// The largest packet.
        "mtu" mtu: MtuOrKept,
        /// Whether the link takes part in multicast.
        "multicast" multicast: bool,
        /// The addresses of the link.
        "addresses" addresses: Vec<AddressKeys>,
        /// The routes out of the link.
        "routes" routes: Vec<RouteKeys>,
        /// The link as a port of a bridge.
        "bridgePort" bridge_port: BridgePortKeys,
        ..settings: SettingKeys,
    }
}

impl LinkKeys {
    /// What is said of the link called `name`, which is made as `kind` unless something else makes it.
    pub fn apply(
        self,
        name: LinkName,
        kind: Option<KindConfig>,
        mac: Option<Mac>,
        source: &Source<'_>,
        out: &mut Document,
    ) {
        let has_ipv6 = self.has_ipv6_address();
        if has_ipv6 && mtu(self.mtu).is_some_and(|mtu| mtu < Mtu::MIN_IPV6) {
            let rule = "an MTU below 1280 turns IPv6 off on the link (RFC 8200 section 5)";
            self.warn(source, &self.mtu, rule, None);
        }
        let origin = self.origin(source);
        let link = LinkRef::Name(name.clone());
        let mut config = LinkConfig::new(link.clone(), origin);
        config.up = plain(self.up);
        config.mtu = mtu(self.mtu);
        config.multicast = plain(self.multicast);
        config.kind = kind;
        config.mac = mac;
        config.settings = self.settings.settings(has_ipv6, source);
        if let Some(port) = self.bridge_port {
            port.value.apply(&name, &mut config, source);
        }
        out.links.push(config);
        for address in self.addresses.items() {
            out.addresses.extend(address.address(&link, source));
        }
        for route in self.routes.items() {
            out.routes.extend(route.route(&link, source));
        }
    }

    fn has_ipv6_address(&self) -> bool {
        let mut addresses = self.addresses.iter().flat_map(|list| &list.value);
        addresses.any(|keys| !keys.address.is_ipv4())
    }
}

/// The MTU that is to be set.
pub fn mtu(said: Option<At<MtuOrKept>>) -> Option<Mtu> {
    said.and_then(|said| said.value.0)
}

/// The links that the master called `name` lists, in its order: each once, and not itself.
pub fn members<R: Record>(
    record: &R,
    name: &LinkName,
    links: Option<At<Vec<At<LinkName>>>>,
    source: &Source<'_>,
) -> Vec<LinkRef> {
    let mut members = Vec::new();
    for link in links.items() {
        let member = LinkRef::Name(link.value.clone());
        if link.value == *name {
            let rule = "links: a link is no port of itself";
            record.refuse_value(source, &link, rule, None);
        } else if members.contains(&member) {
            record.refuse_value(source, &link, "links: a link stands here once", None);
        } else {
            members.push(member);
        }
    }
    members
}

/// The link below the one called `name`; `None` when that is the same, which is reported.
pub fn parent<R: Record>(
    record: &R,
    name: &LinkName,
    parent: At<LinkName>,
    source: &Source<'_>,
) -> Option<LinkRef> {
    if parent.value == *name {
        record.refuse(source, &parent, "a link is not its own parent", None);
        None
    } else {
        Some(LinkRef::Name(parent.value))
    }
}
