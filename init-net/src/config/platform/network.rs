//! What nearly every cloud says of its network, added to the document in one call each.

use core::net::{IpAddr, Ipv4Addr};

use super::facts::{Facts, MAX_ITEMS};
use crate::config::machine::tree::{self, Node};
use crate::config::netdata;
use crate::config::{
    AddressConfig, AutoMethod, LinkConfig, LinkRef, OperatorConfig, RouteConfig, RuleConfig, Said,
};
use crate::value::{
    Hostname, Mac, Mtu, NameServer, Prefix, RouteTable, RuleAction, prefix_len_from_netmask,
};

/// Most network cards of an instance; the largest have some hundred.
pub const MAX_NICS: usize = 256;

/// Table of the second card for what it sends from its own addresses; the third has the next one.
const TABLES: u32 = 100;

/// Where the rules of such tables begin; each has a place of its own behind it.
const RULES: u32 = 10_000;

/// What belongs to the table of one card.
#[derive(Default)]
pub struct OwnTable {
    /// Addresses of the card.
    pub sources: Vec<IpAddr>,
    /// Networks on its link.
    pub subnets: Vec<Prefix>,
    /// Routers of its link, where the cloud says them: what routers advertise fills the main table only.
    pub gateways: Vec<IpAddr>,
}

/// The first address behind that of `subnet` itself: where several clouds have the router of an IPv4 network.
pub fn router4(subnet: &Prefix) -> Option<IpAddr> {
    match subnet.network().address() {
        IpAddr::V4(network) => {
            let next = network.to_bits().checked_add(1)?;
            Some(IpAddr::V4(Ipv4Addr::from_bits(next))).filter(|router| subnet.contains(*router))
        }
        IpAddr::V6(_) => None,
    }
}

/// The table of the card at `position`, from 0; the first one uses the main table.
pub fn table_of(position: usize) -> Option<RouteTable> {
    let position = u32::try_from(position).ok().filter(|n| *n > 0)?;
    RouteTable::new(TABLES.checked_add(position)?)
}

/// The metric of the DHCP client on the card at `position`, from 0, of `count` cards: several must not have the same.
pub fn spread(position: usize, count: usize) -> Option<u32> {
    let number = u32::try_from(position).ok()?.checked_add(1)?;
    number.checked_mul(100).filter(|_| count > 1)
}

/// The cards of a list.
pub fn cards(list: Option<&Node>) -> impl Iterator<Item = &Node> {
    let items = list.map(Node::items).unwrap_or_default();
    items.iter().take(MAX_NICS)
}

impl Facts<'_> {
    /// The address at `node`'s `key` with the mask at its `mask`.
    pub fn prefix_at(&mut self, node: &Node, key: &str, mask: &str, body: &str) -> Option<Prefix> {
        let address = self.word(node, key, body)?;
        let mask = self.word(node, mask, body);
        let found = prefix(&address, mask.as_deref());
        if found.is_none() {
            self.warn(
                body,
                &format!("has a {key} that is no address with its mask"),
            );
        }
        found
    }

    /// What `link` sends from its own addresses goes out of it again: the fabric drops what comes from a foreign card.
    pub fn own_table(&mut self, link: &LinkRef, table: RouteTable, own: &OwnTable, body: &str) {
        let origin = self.origin(body);
        let on_link = own
            .subnets
            .iter()
            .map(|subnet| (Some(subnet.network()), None));
        let behind = own.gateways.iter().map(|gateway| (None, Some(*gateway)));
        for (destination, gateway) in on_link.chain(behind) {
            let link = Some(link.clone());
            self.document.routes.push(RouteConfig {
                table: Some(table),
                ..RouteConfig::new(link, destination, gateway, origin.clone())
            });
        }
        let rules = &mut self.document.rules;
        for (priority, source) in (RULES..).skip(rules.len()).zip(&own.sources) {
            rules.push(RuleConfig {
                priority,
                src: Some(Prefix::host(*source)),
                dst: None,
                action: RuleAction::Unicast,
                table: Some(table),
                iif_name: None,
                oif_name: None,
                fw_mark: None,
                fw_mask: None,
                suppress_prefix_length: None,
                origin: origin.clone(),
            });
        }
    }

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
        if self.document.addresses.len() >= MAX_ITEMS {
            return self.warn(body, "has too many addresses");
        }
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
        self.dynamic_in(link, method, metric, None, body);
    }

    /// The same, with its routes in `table`; `None`: the main one.
    pub fn dynamic_in(
        &mut self,
        link: &LinkRef,
        method: AutoMethod,
        metric: Option<u32>,
        table: Option<RouteTable>,
        body: &str,
    ) {
        let origin = self.origin(body);
        let mut operator = OperatorConfig::new(link.clone(), method, origin);
        operator.metric = metric;
        operator.table = table;
        self.document.operators.push(operator);
    }

    /// The description of the network at `key`: cloud-init's or OpenStack's, whichever it is. The volumes of some platforms
    /// have either, as their owner wrote it.
    pub fn described(&mut self, key: &str) {
        if let Some(text) = self.text(key) {
            self.described_by(text, key);
        }
    }

    /// [`Facts::described`], by a text that is in the body `key`.
    pub fn described_by(&mut self, text: &str, key: &str) {
        let (documents, _) = tree::parse_any(text);
        let root = documents.first();
        let has = |key: &str| root.is_some_and(|root| root.at(key).is_some());
        let source = format!("{} {key}", self.name);
        let openstack = ["links", "networks", "services"].into_iter().any(has);
        let faults = match openstack {
            true => netdata::openstack::parse(text, &source, &mut self.document),
            false => netdata::parse(text, &source, &mut self.document),
        };
        self.diagnostics.extend(faults);
    }

    /// A resolver.
    pub fn nameserver(&mut self, address: IpAddr, body: &str) {
        self.name_server(address.into(), body);
    }

    /// A resolver that may be on one link only.
    pub fn name_server(&mut self, server: NameServer, body: &str) {
        let known = &self.document.nameservers;
        if known.len() >= MAX_ITEMS || known.iter().any(|known| known.value == server) {
            return;
        }
        let said = Said::new(server, self.origin(body));
        self.document.nameservers.push(said);
    }

    /// A domain in which short names are looked up.
    pub fn search_domain(&mut self, domain: Hostname, body: &str) {
        let said = Said::new(domain, self.origin(body));
        let domains = self.document.search_domains.get_or_insert_default();
        if domains.len() < MAX_ITEMS && !domains.iter().any(|known| known.value == said.value) {
            domains.push(said);
        }
    }

    /// A time server: address or name.
    pub fn time_server(&mut self, server: &str, body: &str) {
        let said = Said::new(server.to_owned(), self.origin(body));
        self.document.time_servers.push(said);
    }

    /// An address by which the outside sees the machine.
    pub fn external(&mut self, address: IpAddr, body: &str) {
        if self.document.external_ips.len() >= MAX_ITEMS {
            return self.warn(body, "has too many addresses");
        }
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
        Err(_) => {
            let mask: IpAddr = mask.parse().ok()?;
            if mask.is_ipv4() != address.is_ipv4() {
                return None;
            }
            prefix_len_from_netmask(mask).ok()?
        }
    };
    Prefix::new(address, len).ok()
}
