//! Equinix Metal, formerly Packet: one JSON document over HTTPS.
//!
//! deploy.equinix.com, "Metadata service" and "Bonding". The cards of a server are in bonds; the addresses belong to the
//! first one.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::facts::{Facts, is_blank, is_true};
use super::network::cards;
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::machine::tree::Node;
use crate::config::userdata::Base64;
use crate::config::{KindConfig, LinkConfig, LinkRef};
use crate::value::{
    BondMode, BondOptions, LacpActive, LacpRate, LinkName, Mac, Prefix, XmitHashPolicy,
};

/// The provider.
pub struct EquinixMetal;

const DEVICE: &str = "metadata";
const USER_DATA: &str = "userdata";

/// How often a bond looks at the carrier of its cards, milliseconds.
const MIIMON: u32 = 100;

/// How long a card must have had carrier, or none, until it counts, milliseconds: switches take that long to forward.
const DELAY: u32 = 200;

impl Provider for EquinixMetal {
    fn name(&self) -> &'static str {
        "equinixMetal"
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&[
            "https://metadata.platformequinix.com",
            "https://metadata.packet.net",
        ])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let mut asks = vec![Ask::required(DEVICE, "/metadata")];
        if let Some(Answer::Body(_)) = answers.get(DEVICE) {
            asks.push(Ask::optional(USER_DATA, "/userdata"));
        }
        // 406 without.
        let asks = asks.into_iter();
        asks.map(|ask| ask.with("Accept", "*/*")).collect()
    }

    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        key == DEVICE && is_blank(body)
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        if let Some(root) = facts.tree(DEVICE) {
            facts.hostname_at(&root, "hostname", DEVICE);
            facts.fact_at(&root, "metro", "region", DEVICE);
            facts.fact_at(&root, "facility", "zone", DEVICE);
            facts.fact_at(&root, "plan", "instanceType", DEVICE);
            facts.fact_at(&root, "id", "instanceId", DEVICE);
            let id = facts.word(&root, "id", DEVICE);
            facts.know("providerId", id.map(|id| format!("equinixmetal://{id}")));
            facts.tags_at(&root, "tags", DEVICE);
            network(&mut facts, &root);
        }
        facts.finish(USER_DATA, Base64::Never)
    }
}

fn network(facts: &mut Facts<'_>, root: &Node) {
    let Some(network) = root.at("network") else {
        return;
    };
    let mut bonds: BTreeMap<LinkName, Vec<LinkRef>> = BTreeMap::new();
    let mut alone = None;
    for node in cards(network.at("interfaces")) {
        let Some(mac) = facts.read::<Mac>(node, "mac", DEVICE) else {
            facts.warn(DEVICE, "has an interface without usable mac");
            continue;
        };
        let card = LinkRef::Mac(mac);
        match facts.read::<LinkName>(node, "bond", DEVICE) {
            Some(bond) => bonds.entry(bond).or_default().push(card),
            None => {
                facts.up(&card, None, DEVICE);
                alone.get_or_insert(card);
            }
        }
    }
    let first = bonds.keys().next().cloned().map(LinkRef::Name).or(alone);
    if !bonds.is_empty() {
        let options = options(mode(facts, network));
        for (name, members) in bonds {
            let origin = facts.origin(DEVICE);
            let mut config = LinkConfig::new(LinkRef::Name(name), origin);
            config.up = Some(true);
            config.kind = Some(KindConfig::Bond {
                members,
                options: options.clone(),
                primary: None,
            });
            facts.document.links.push(config);
        }
    }
    if let Some(link) = first {
        addresses(facts, root, network, &link);
    }
}

/// The mode as the number that the bonding driver gives it.
fn mode(facts: &mut Facts<'_>, network: &Node) -> BondMode {
    let number = network
        .at("bonding")
        .and_then(|bonding| facts.read::<u8>(bonding, "mode", DEVICE));
    number.and_then(BondMode::from_number).unwrap_or_else(|| {
        facts.warn(
            DEVICE,
            "has no known bonding mode: 802.3ad is taken, and the mode",
        );
        BondMode::Lacp
    })
}

fn options(mode: BondMode) -> BondOptions {
    let hashes = matches!(
        mode,
        BondMode::Lacp | BondMode::BalanceXor | BondMode::BalanceTlb | BondMode::BalanceAlb
    );
    let lacp = mode == BondMode::Lacp;
    BondOptions {
        mode: Some(mode),
        miimon: Some(MIIMON),
        updelay: Some(DELAY),
        downdelay: Some(DELAY),
        xmit_hash_policy: hashes.then_some(XmitHashPolicy::Layer34),
        lacp_rate: lacp.then_some(LacpRate::Slow),
        lacp_active: lacp.then_some(LacpActive::On),
        ..BondOptions::default()
    }
}

/// All enabled addresses, elastic ones too. Only those of the management have a router: to everywhere from the public
/// one, to the private networks and the BGP neighbours from the private one.
fn addresses(facts: &mut Facts<'_>, root: &Node, network: &Node, link: &LinkRef) {
    let private: Vec<Prefix> = facts.each(root, "private_subnets", DEVICE);
    let mut peers: Vec<IpAddr> = Vec::new();
    for neighbour in cards(root.at("bgp_neighbors")) {
        peers.extend(facts.each::<IpAddr>(neighbour, "peer_ips", DEVICE));
    }
    // Peers over IPv6 are on the link.
    peers.retain(IpAddr::is_ipv4);
    let list = network.at("addresses").map(Node::items).unwrap_or_default();
    for node in list.iter().filter(|node| is_true(node, "enabled")) {
        let Some(address) = facts.prefix_at(node, "address", "cidr", DEVICE) else {
            continue;
        };
        facts.address(link, address, DEVICE);
        let gateway: Option<IpAddr> = facts.read(node, "gateway", DEVICE);
        let gateway = gateway.filter(|_| is_true(node, "management"));
        if is_true(node, "public") {
            facts.external(address.address(), DEVICE);
            facts.route(link, None, gateway, None, DEVICE);
        } else if let Some(gateway) = gateway {
            let peers = peers.drain(..).map(Prefix::host);
            let behind: Vec<Prefix> = private.iter().copied().chain(peers).collect();
            for to in behind {
                if to.is_ipv4() == gateway.is_ipv4() {
                    facts.route(link, Some(to.network()), Some(gateway), None, DEVICE);
                }
            }
        }
    }
}
