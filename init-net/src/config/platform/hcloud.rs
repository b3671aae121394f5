//! Hetzner Cloud: plain keys and a cloud-init network-config under `/hetzner/v1/`.
//!
//! docs.hetzner.cloud, "Server Metadata". NICs are matched by their hardware address: their names change with the
//! image and with what was attached first.

use core::net::IpAddr;

use super::facts::Facts;
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::machine::tree::{self, Node};
use crate::config::userdata::Base64;
use crate::config::{AddressConfig, AutoMethod, LinkConfig, LinkRef, RouteConfig, Said};
use crate::value::{Mac, Mtu, Prefix};

/// The provider.
pub struct Hcloud;

/// Where everything lives.
const ROOT: &str = "/hetzner/v1";

/// The key that answers first and shows that the service is there.
const PROBE: &str = "instance-id";

/// Keys under `metadata/`, all of which may be missing: a server without public interface has half of them.
const KEYS: [&str; 6] = [
    "hostname",
    "public-ipv4",
    "region",
    "availability-zone",
    "network-config",
    "private-networks",
];

/// Private networks are tunnelled: bytes that fit (docs.hetzner.com, "Networks", "MTU").
const PRIVATE_MTU: u32 = 1450;

/// Most private networks of a server that are read; the service allows three.
const MAX_NETWORKS: usize = 64;

/// Most alias addresses of one private network.
const MAX_ALIASES: usize = 256;

impl Provider for Hcloud {
    fn name(&self) -> &'static str {
        "hcloud"
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&[
            "http://169.254.169.254",
            "http://[fe80::a9fe:a9fe%25{link}]",
        ])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let mut asks = vec![Ask::required(PROBE, format!("{ROOT}/metadata/{PROBE}"))];
        if let Some(Answer::Body(_)) = answers.get(PROBE) {
            let keys = KEYS.iter();
            asks.extend(keys.map(|key| Ask::optional(*key, format!("{ROOT}/metadata/{key}"))));
            asks.push(Ask::optional("userdata", format!("{ROOT}/userdata")));
        }
        asks
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        facts.hostname("hostname");
        facts.fact("region", "region");
        facts.fact("availability-zone", "zone");
        if let Some(id) = facts.value::<u64>(PROBE) {
            let metadata = &mut facts.document.metadata;
            metadata.push(("instanceId", id.to_string()));
            metadata.push(("providerId", format!("hcloud://{id}")));
        }
        if let Some(address) = facts.value::<IpAddr>("public-ipv4") {
            let origin = facts.origin("public-ipv4");
            facts.document.external_ips.push(Said::new(address, origin));
        }
        facts.described("network-config");
        let said = bodies.contains_key("network-config");
        let is_private = said && facts.document.links.is_empty();
        if let Some(text) = facts.text("private-networks") {
            private_networks(text, is_private, &mut facts);
        }
        facts.finish("userdata", Base64::Maybe)
    }
}

/// The list of private networks: an address alone on the link, and a route to the network through its gateway, which
/// answers for everyone else. Static, because the DHCP lease of such a link brings a route that takes the metadata
/// address away from the public one. Where there is no public one (`is_private`), the lease of the first network is the only
/// word of the way out and of resolvers.
fn private_networks(text: &str, is_private: bool, facts: &mut Facts<'_>) {
    let (documents, faults) = tree::parse(text);
    if !faults.is_empty() {
        facts.warn("private-networks", "is damaged");
    }
    let Some(root) = documents.first() else {
        return;
    };
    for network in root.items().iter().take(MAX_NETWORKS) {
        match private_network(network, facts) {
            Some(link) if is_private && facts.document.operators.is_empty() => {
                facts.dynamic(&link, AutoMethod::Dhcp4, None, "private-networks");
            }
            Some(_) => {}
            None => facts.warn(
                "private-networks",
                "has an entry without usable ip and mac_address",
            ),
        }
    }
}

fn private_network(network: &Node, facts: &mut Facts<'_>) -> Option<LinkRef> {
    let mac: Mac = network.at("mac_address")?.text()?.parse().ok()?;
    let address: IpAddr = network.at("ip")?.text()?.parse().ok()?;
    let link = LinkRef::Mac(mac);
    let origin = facts.origin("private-networks");
    let mut config = LinkConfig::new(link.clone(), origin.clone());
    config.up = Some(true);
    config.mtu = Mtu::try_from(PRIVATE_MTU).ok();
    let document = &mut facts.document;
    document.links.push(config);
    let aliases = network.at("alias_ips").map(Node::items).unwrap_or_default();
    let aliases = aliases.iter().take(MAX_ALIASES);
    let aliases = aliases.filter_map(|node| node.text()?.parse().ok());
    for address in core::iter::once(address).chain(aliases) {
        document.addresses.push(AddressConfig::new(
            link.clone(),
            Prefix::host(address),
            origin.clone(),
        ));
    }
    let to = |key: &str| network.at(key).and_then(Node::text);
    let gateway: Option<IpAddr> = to("gateway").and_then(|text| text.parse().ok());
    let whole: Option<Prefix> = to("network").and_then(|text| text.parse().ok());
    if let Some(gateway) = gateway {
        // The gateway is outside the /32 of the address: it needs its own on-link route first.
        let routes = [(Some(Prefix::host(gateway)), None), (whole, Some(gateway))];
        for (destination, gateway) in routes.into_iter().filter(|(to, _)| to.is_some()) {
            document.routes.push(RouteConfig::new(
                Some(link.clone()),
                destination.map(|to| to.network()),
                gateway,
                origin.clone(),
            ));
        }
    }
    Some(link)
}
