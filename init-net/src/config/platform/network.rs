//! What nearly every cloud says of its network, added to the document in one call each.

use core::net::IpAddr;

use super::facts::Facts;
use crate::config::machine::tree::Node;
use crate::config::{
    AddressConfig, AutoMethod, LinkConfig, LinkRef, OperatorConfig, RouteConfig, Said,
};
use crate::value::{Mac, Mtu, Prefix, prefix_len_from_netmask};

impl Facts<'_> {
    /// The link with the hardware address at `node`'s `key`, up. A missing or damaged one is told, and the link is left
    /// alone: a guess would give the addresses of one card to another.
    pub fn link_by_mac(&mut self, node: &Node, key: &str, body: &str) -> Option<LinkRef> {
        let Some(mac) = self.read::<Mac>(node, key, body) else {
            if node.at(key).is_none() {
                self.warn(body, &format!("has an interface without {key}"));
            }
            return None;
        };
        let link = LinkRef::Mac(mac);
        self.up(&link, None, body);
        Some(link)
    }

    /// `link` is up, with this MTU when one is given.
    pub fn up(&mut self, link: &LinkRef, mtu: Option<Mtu>, body: &str) {
        let mut config = LinkConfig::new(link.clone(), self.origin(body));
        config.up = Some(true);
        config.mtu = mtu;
        self.document.links.push(config);
    }

    /// `address` on `link`.
    pub fn address(&mut self, link: &LinkRef, address: Prefix, body: &str) {
        let origin = self.origin(body);
        let config = AddressConfig::new(link.clone(), address, origin);
        self.document.addresses.push(config);
    }

    /// A route out of `link`: to `destination` (`None`: everywhere, in the gateway's family) by way of `gateway`
    /// (`None`: on-link). `metric: None` is the usual one of the family.
    pub fn route(
        &mut self,
        link: &LinkRef,
        destination: Option<Prefix>,
        gateway: Option<IpAddr>,
        metric: Option<u32>,
        body: &str,
    ) {
        // 0.0.0.0 and :: stand for "none" in many services.
        let gateway = gateway.filter(|gateway| !gateway.is_unspecified());
        if destination.is_none() && gateway.is_none() {
            return;
        }
        let origin = self.origin(body);
        self.document.routes.push(RouteConfig {
            metric,
            ..RouteConfig::new(Some(link.clone()), destination, gateway, origin)
        });
    }

    /// DHCP or router advertisements on `link`.
    pub fn dynamic(&mut self, link: &LinkRef, method: AutoMethod, metric: Option<u32>, body: &str) {
        let origin = self.origin(body);
        let mut operator = OperatorConfig::new(link.clone(), method, origin);
        operator.metric = metric;
        self.document.operators.push(operator);
    }

    /// A resolver.
    pub fn nameserver(&mut self, address: IpAddr, body: &str) {
        let said = Said::new(address.into(), self.origin(body));
        self.document.nameservers.push(said);
    }

    /// A time server: address or name.
    pub fn time_server(&mut self, server: &str, body: &str) {
        let said = Said::new(server.to_owned(), self.origin(body));
        self.document.time_servers.push(said);
    }

    /// An address by which the outside sees the machine.
    pub fn external(&mut self, address: IpAddr, body: &str) {
        let said = Said::new(address, self.origin(body));
        if !self
            .document
            .external_ips
            .iter()
            .any(|known| known.value == address)
        {
            self.document.external_ips.push(said);
        }
    }
}

/// `address` with `mask`: an address or a length, or already written behind the address. Without any: alone on its link.
pub fn prefix(address: &str, mask: Option<&str>) -> Option<Prefix> {
    if address.contains('/') {
        let (address, mask) = address.split_once('/')?;
        return prefix(address, Some(mask));
    }
    let address: IpAddr = address.parse().ok()?;
    let Some(mask) = mask.map(str::trim).filter(|mask| !mask.is_empty()) else {
        return Some(Prefix::host(address));
    };
    let len = match mask.parse::<u8>() {
        Ok(len) => len,
        Err(_) => prefix_len_from_netmask(mask.parse().ok()?).ok()?,
    };
    Prefix::new(address, len).ok()
}
