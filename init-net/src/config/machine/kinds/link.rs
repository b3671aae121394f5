//! `LinkConfig`, and the keys that every kind of link shares.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Kind, Role};
use crate::config::machine::record::{At, Items as _, Record};
use crate::config::machine::scalar::MtuOrKept;
use crate::config::machine::source::Source;
use crate::config::{AddressConfig, Document, LinkConfig, LinkRef, RouteConfig};
use crate::value::{LinkName, Mtu, Prefix, RouteTable};

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
        self.link.apply(LinkRef::Name(self.name.value), source, out);
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
        later "multicast": bool,
        /// The addresses of the link.
        "addresses" addresses: Vec<AddressKeys>,
        /// The routes out of the link.
        "routes" routes: Vec<RouteKeys>,
    }
}

keys! {
    /// One address of a link.
    pub struct AddressKeys("address") whole {
        /// The address with the prefix length of its network.
        required "address" address: Prefix,
        /// The metric of the route to its network.
        "routePriority" route_priority: u32,
    }
}

keys! {
    /// One route of a link.
    pub struct RouteKeys("route") whole {
        /// Where to; without it the default route of the gateway's family.
        "destination" destination: Prefix,
        ..via: ViaKeys,
    }
}

keys! {
    /// The route, but for its destination.
    pub struct ViaKeys("route") whole {
        /// The next hop; without it the destination is on the link.
        "gateway" gateway: IpAddr,
        /// The preferred source address.
        "source" source: IpAddr,
        /// The lower one wins.
        "metric" metric: u32,
        /// The routing table; main unless said otherwise.
        "table" table: RouteTable,
        /// The largest packet on this route.
        "mtu" mtu: MtuOrKept,
    }
}

impl LinkKeys {
    /// What is said of `link`.
    pub fn apply(self, link: LinkRef, source: &Source<'_>, out: &mut Document) {
        let mut config = LinkConfig::new(link.clone(), self.origin(source));
        config.up = self.up.map(|up| up.value);
        config.mtu = mtu(self.mtu);
        out.links.push(config);
        for address in self.addresses.items() {
            address.apply(&link, source, out);
        }
        for route in self.routes.items() {
            route.via.apply(route.destination, &link, source, out);
        }
    }
}

/// The MTU that is to be set.
pub fn mtu(said: Option<At<MtuOrKept>>) -> Option<Mtu> {
    said.and_then(|said| said.value.0)
}

impl AddressKeys {
    fn apply(self, link: &LinkRef, source: &Source<'_>, out: &mut Document) {
        if self.address.address().is_unspecified() {
            let rule = "0.0.0.0 and :: are not addresses of a link";
            return self.refuse(source, &self.address, rule, None);
        }
        let origin = source.origin(self.address.mark);
        out.addresses.push(AddressConfig {
            priority: self.route_priority.map(|metric| metric.value),
            ..AddressConfig::new(link.clone(), self.address.value, origin)
        });
    }
}

impl ViaKeys {
    /// The route to `destination`, which the two forms of a config call differently.
    pub fn apply(
        self,
        destination: Option<At<Prefix>>,
        link: &LinkRef,
        source: &Source<'_>,
        out: &mut Document,
    ) {
        if !self.is_right(&destination, source) {
            return;
        }
        let mut to = destination.map(|to| to.value);
        if to.is_none() && self.gateway.is_none() {
            // The default route through the device; with nothing that tells the family, IPv4.
            let any: IpAddr = match self.source.map(|source| source.value) {
                Some(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
                Some(IpAddr::V4(_)) | None => Ipv4Addr::UNSPECIFIED.into(),
            };
            to = Prefix::new(any, 0).ok();
        }
        let gateway = self.gateway.map(|gateway| gateway.value);
        out.routes.push(RouteConfig {
            source: self.source.map(|source| source.value),
            metric: self.metric.map(|metric| metric.value),
            table: self.table.map(|table| table.value),
            mtu: mtu(self.mtu),
            ..RouteConfig::new(Some(link.clone()), to, gateway, self.origin(source))
        });
    }

    /// Whether the keys agree; reports what does not.
    fn is_right(&self, destination: &Option<At<Prefix>>, source: &Source<'_>) -> bool {
        let mut right = true;
        if self.gateway.is_some_and(|gateway| gateway.is_unspecified()) {
            let rule = "a gateway is not 0.0.0.0 or ::";
            let fix = "leave it out for an on-link route";
            self.refuse(source, &self.gateway, rule, Some(fix));
            right = false;
        }
        if self.source.is_some_and(|address| address.is_unspecified()) {
            let rule = "a source is not 0.0.0.0 or ::";
            self.refuse(source, &self.source, rule, None);
            right = false;
        }
        let v4 = [
            destination.map(|to| to.is_ipv4()),
            self.gateway.map(|gateway| gateway.is_ipv4()),
            self.source.map(|source| source.is_ipv4()),
        ];
        if v4.contains(&Some(true)) && v4.contains(&Some(false)) {
            let rule = "destination, gateway and source are of one family";
            self.refuse(source, destination, rule, None);
            right = false;
        }
        right
    }
}
