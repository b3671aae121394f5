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
            let id = facts.word(&root, "id", DEVICE);
            facts.identity(id, "equinixmetal");
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
        facts.warn(DEVICE, "has no known bonding mode, 802.3ad is taken");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn one_bond() {
        check(
            &EquinixMetal,
            "equinixMetal/one-bond",
            "Ok(Config(64 bytes))",
            &[
                "bond0 802.3ad of 0a:0b:0c:0d:0e:11 0a:0b:0c:0d:0e:12",
                "bond0 has 198.51.100.3/31",
                "bond0 has 2001:db8:9::3/127",
                "bond0 has 10.77.1.3/31",
                "bond0 has 203.0.113.77/32",
                "bond0 to all via 198.51.100.2",
                "bond0 to all via 2001:db8:9::2",
                "bond0 to 10.0.0.0/8 via 10.77.1.2",
                "bond0 to 169.254.255.1/32 via 10.77.1.2",
                "bond0 to 169.254.255.2/32 via 10.77.1.2",
                "hostname node7",
                "external 198.51.100.3",
                "external 2001:db8:9::3",
                "external 203.0.113.77",
                "region=ny",
                "zone=ny5",
                "instanceType=c3.small.x86",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000042",
                "providerId=equinixmetal://0a1b2c3d-0000-4000-8000-000000000042",
                "tag k8s=",
            ],
        );
    }

    #[test]
    fn two_bonds() {
        check(
            &EquinixMetal,
            "equinixMetal/two-bonds",
            "Ok(Absent)",
            &[
                "bond0 active-backup of 0a:0b:0c:0d:0e:11 0a:0b:0c:0d:0e:12",
                "bond1 active-backup of 0a:0b:0c:0d:0e:13 0a:0b:0c:0d:0e:14",
                "bond0 has 198.51.100.3/31",
                "bond0 has 10.77.1.3/31",
                "bond0 to all via 198.51.100.2",
                "bond0 to 10.0.0.0/8 via 10.77.1.2",
                "hostname node7",
                "external 198.51.100.3",
                "region=ny",
                "zone=ny5",
                "instanceType=c3.small.x86",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000042",
                "providerId=equinixmetal://0a1b2c3d-0000-4000-8000-000000000042",
                "tag k8s=",
            ],
        );
    }

    #[test]
    fn cards_without_a_bond() {
        let bodies = [(
            DEVICE,
            r##"{"network":{"bonding":{"mode":5},"interfaces":[{"mac":"0a:0b:0c:0d:0e:11","bond":null},{"mac":"0a:0b:0c:0d:0e:12"}],
            "addresses":[{"enabled":"true","public":"true","management":"true","address":"198.51.100.3","cidr":"31","gateway":"198.51.100.2"}]}}"##,
        )];
        check_bodies(
            &EquinixMetal,
            &bodies,
            "Ok(Absent)",
            &[
                "0a:0b:0c:0d:0e:11",
                "0a:0b:0c:0d:0e:12",
                "0a:0b:0c:0d:0e:11 has 198.51.100.3/31",
                "0a:0b:0c:0d:0e:11 to all via 198.51.100.2",
                "external 198.51.100.3",
            ],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [(
            DEVICE,
            r##"{"hostname":"x","private_subnets":["10.0.0.0/33","10.0.0.1/8","fd00::/8"],"bgp_neighbors":{"peer_ips":["::1","x","169.254.255.1"]},
            "network":{"bonding":{"mode":7},"interfaces":[{},7,{"mac":"0a:0b:0c:0d:0e:11","bond":"../../etc/passwd-and-more"},{"mac":"0a:0b:0c:0d:0e:12","bond":"bond0"}],
            "addresses":[null,{"enabled":true},{"enabled":true,"address":"10.0.0.2","cidr":99},
            {"enabled":true,"management":true,"public":false,"address":"10.77.1.3","cidr":31,"gateway":"10.77.1.2"},
            {"enabled":true,"management":true,"public":false,"address":"10.77.1.5","cidr":31,"gateway":"fd00::1"}]}}"##,
        )];
        check_bodies(
            &EquinixMetal,
            &bodies,
            "Ok(Absent)",
            &[
                "! equinixMetal: metadata has an interface without usable mac",
                "! equinixMetal: metadata has an interface without usable mac",
                "! equinixMetal: metadata has a bond that is not what it should be",
                "! equinixMetal: metadata has no known bonding mode, 802.3ad is taken",
                "! equinixMetal: metadata has private_subnets that are not what they should be",
                "! equinixMetal: metadata has peer_ips that are not what they should be",
                "! equinixMetal: metadata has a address that is no address with its mask",
                "0a:0b:0c:0d:0e:11",
                "bond0 802.3ad of 0a:0b:0c:0d:0e:12",
                "bond0 has 10.77.1.3/31",
                "bond0 has 10.77.1.5/31",
                "bond0 to 10.0.0.0/8 via 10.77.1.2",
                "bond0 to 169.254.255.1/32 via 10.77.1.2",
                "bond0 to fd00::/8 via fd00::1",
                "hostname x",
            ],
        );
    }

    #[test]
    fn requests() {
        let (bodies, asks) = converse(&EquinixMetal, "equinixMetal/one-bond");
        assert_eq!(bodies.keys().collect::<Vec<_>>(), [DEVICE, USER_DATA]);
        let paths: Vec<&str> = asks.iter().map(|ask| ask.path.as_str()).collect();
        assert_eq!(paths, ["/metadata", "/userdata"]);
        let accept = ("Accept", "*/*".to_owned());
        assert!(asks.iter().all(|ask| ask.headers == [accept.clone()]));
        let bases = EquinixMetal.bases(&Known::default());
        assert!(bases.iter().all(|base| base.starts_with("https://")));
    }

    #[test]
    fn modes() {
        for (number, mode) in [
            (0, "balance-rr"),
            (1, "active-backup"),
            (2, "balance-xor"),
            (3, "broadcast"),
            (4, "802.3ad"),
            (5, "balance-tlb"),
            (6, "balance-alb"),
        ] {
            let options = options(BondMode::from_number(number).unwrap());
            assert_eq!(
                options.mode.map(|mode| mode.to_string()).as_deref(),
                Some(mode)
            );
            assert_eq!(options.lacp_rate, (number == 4).then_some(LacpRate::Slow));
            assert_eq!(
                (options.miimon, options.updelay, options.downdelay),
                (Some(100), Some(200), Some(200))
            );
        }
    }
}
