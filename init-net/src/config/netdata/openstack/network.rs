//! `networks`: addresses, routes and what DHCP and routers give.

use core::net::IpAddr;

use super::{MAX_ITEMS, Reader, list, place, text};
use crate::config::machine::tree::Node;
use crate::config::platform::prefix;
use crate::config::{AddressConfig, AutoMethod, LinkRef, OperatorConfig, RouteConfig};
use crate::value::Prefix;

impl Reader<'_> {
    pub(super) fn networks(&mut self, root: &Node) {
        for (position, node) in list(root, "networks").iter().enumerate() {
            self.network(node, &place("networks", position, node));
        }
    }

    fn network(&mut self, node: &Node, place: &str) {
        self.names(node, place);
        self.services(node, place);
        let link = text(node, "link").and_then(|id| self.links.get(id).cloned());
        let Some(link) = link else {
            return self.warn(place, "has a link that is no usable one");
        };
        let method = match text(node, "type") {
            Some("ipv4" | "ipv6") => None,
            Some("ipv4_dhcp") => Some(AutoMethod::Dhcp4),
            Some("ipv6_dhcp" | "ipv6_dhcpv6-stateful") => Some(AutoMethod::Dhcp6),
            Some("ipv6_slaac" | "ipv6_dhcpv6-stateless") => Some(AutoMethod::Auto6),
            Some(_) | None => return self.warn(place, "has an unknown type"),
        };
        if let Some(method) = method {
            let origin = self.origin(place);
            let operator = OperatorConfig::new(link.clone(), method, origin);
            self.out.operators.push(operator);
        } else if self.address(node, &link, place) {
            let gateway: Option<IpAddr> = self.read(node, "gateway", place);
            self.route(&link, None, gateway, None, place);
        }
        for route in list(node, "routes") {
            self.services(route, place);
            self.listed(route, &link, method.is_some(), place);
        }
    }

    /// Whether there is an address, and it is on the link now.
    fn address(&mut self, node: &Node, link: &LinkRef, place: &str) -> bool {
        let Some(address) = text(node, "ip_address") else {
            self.warn(place, "has no ip_address");
            return false;
        };
        let Some(address) = prefix(address, text(node, "netmask")) else {
            self.warn(place, "has an ip_address that is none with its netmask");
            return false;
        };
        if self.out.addresses.len() >= MAX_ITEMS {
            self.warn(place, "is one address too many");
            return false;
        }
        let origin = self.origin(place);
        let config = AddressConfig::new(link.clone(), address, origin);
        self.out.addresses.push(config);
        true
    }

    /// A route of the list. Where DHCP or a router gives the addresses, it gives the default route as well.
    fn listed(&mut self, node: &Node, link: &LinkRef, dynamic: bool, place: &str) {
        let Some(to) = text(node, "network").and_then(|to| prefix(to, text(node, "netmask")))
        else {
            return self.warn(place, "has a route whose network is none with its netmask");
        };
        let gateway = match text(node, "gateway").map(str::parse::<IpAddr>) {
            Some(Err(_)) => return self.warn(place, "has a route whose gateway is no IP address"),
            Some(Ok(gateway)) => Some(gateway),
            None => None,
        };
        // An unspecified address without any netmask is meant so.
        let everywhere =
            to.len() == 0 || to.address().is_unspecified() && to == Prefix::host(to.address());
        if everywhere && dynamic {
            return;
        }
        if gateway.is_some_and(|gateway| gateway.is_ipv4() != to.address().is_ipv4()) {
            return self.warn(place, "has a route whose gateway is of the other family");
        }
        let metric: Option<u32> = self.read(node, "metric", place);
        let to = Some(to.network()).filter(|_| !everywhere);
        self.route(link, to, gateway, metric, place);
    }

    /// A route; to nowhere in particular and by no gateway it is none.
    fn route(
        &mut self,
        link: &LinkRef,
        to: Option<Prefix>,
        gateway: Option<IpAddr>,
        metric: Option<u32>,
        place: &str,
    ) {
        let gateway = gateway.filter(|gateway| !gateway.is_unspecified());
        if to.is_none() && gateway.is_none() {
            return;
        }
        if self.out.routes.len() >= MAX_ITEMS {
            return self.warn(place, "has a route too many");
        }
        let route = RouteConfig {
            metric,
            ..RouteConfig::new(Some(link.clone()), to, gateway, self.origin(place))
        };
        // Nova lists the default route and names the gateway, too.
        let same = |known: &RouteConfig| {
            (&known.link, known.destination, known.gateway, known.metric)
                == (&route.link, route.destination, route.gateway, route.metric)
        };
        if !self.out.routes.iter().any(same) {
            self.out.routes.push(route);
        }
    }
}
