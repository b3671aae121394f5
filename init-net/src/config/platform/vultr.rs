//! Vultr: one JSON document.
//!
//! docs.vultr.com, "Metadata". The first card has DHCP and router advertisements, the others are static.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::facts::{Facts, is_blank, is_true};
use super::network::cards;
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::machine::tree::Node;
use crate::config::netdata;
use crate::config::userdata::Base64;
use crate::config::{AutoMethod, LinkRef};
use crate::value::Mtu;

/// The provider.
pub struct Vultr;

const INSTANCE: &str = "v1.json";
const USER_DATA: &str = "user-data";

/// Packets that fit into the tunnels of private networks, bytes (docs.vultr.com, "VPC").
const PRIVATE_MTU: u32 = 1450;

/// The resolvers of the cloud.
const RESOLVERS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(108, 61, 10, 10)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0x19f0, 0x300, 0x1704, 0, 0, 0, 6)),
];

impl Provider for Vultr {
    fn name(&self) -> &'static str {
        "vultr"
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://169.254.169.254"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let mut asks = vec![Ask::required(INSTANCE, "/v1.json")];
        if let Some(Answer::Body(_)) = answers.get(INSTANCE) {
            asks.push(Ask::optional(USER_DATA, "/latest/user-data"));
        }
        asks
    }

    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        key == INSTANCE && is_blank(body)
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        if let Some(root) = facts.tree(INSTANCE) {
            instance(&mut facts, &root);
            match ready_made(bodies) {
                Some(text) => {
                    let source = "vultr cloud_interfaces";
                    let faults = netdata::parse(&text, source, &mut facts.document);
                    facts.diagnostics.extend(faults);
                }
                None => {
                    for (position, node) in cards(root.at("interfaces")).enumerate() {
                        interface(&mut facts, node, position == 0);
                    }
                    for resolver in RESOLVERS {
                        facts.nameserver(resolver, INSTANCE);
                    }
                }
            }
        }
        facts.finish(USER_DATA, Base64::Never)
    }
}

fn instance(facts: &mut Facts<'_>, root: &Node) {
    facts.hostname_at(root, "hostname", INSTANCE);
    let region = root.at("region");
    let region = region.and_then(|region| facts.word(region, "regioncode", INSTANCE));
    facts.know("region", region.map(|region| region.to_ascii_uppercase()));
    // Plans of the older interface have a number of their own.
    let id = facts.word(root, "instance-v2-id", INSTANCE);
    let id = id.or_else(|| facts.word(root, "instanceid", INSTANCE));
    facts.identity(id, "vultr");
    facts.tags_at(root, "tags", INSTANCE);
}

/// Bare metal and some plans have a whole network-config in place of a description.
fn ready_made(bodies: &Bodies) -> Option<String> {
    let root: serde_json::Value = serde_json::from_slice(bodies.get(INSTANCE)?).ok()?;
    let config = root.get("cloud_interfaces")?;
    let said = config.as_object().is_some_and(|config| !config.is_empty())
        || config.as_array().is_some_and(|config| !config.is_empty());
    said.then(|| config.to_string())
}

fn interface(facts: &mut Facts<'_>, node: &Node, first: bool) {
    if is_true(node, "unconfigured") {
        return;
    }
    let Some(link) = facts.link_by_mac(node, "mac", INSTANCE) else {
        return;
    };
    let private = node.at("network-type").and_then(Node::text) == Some("private");
    let mtu = facts.read(node, "mtu", INSTANCE);
    let usual = || Mtu::try_from(PRIVATE_MTU).ok().filter(|_| private);
    if let Some(config) = facts.document.links.last_mut() {
        config.mtu = mtu.or_else(usual);
    }
    let v4 = node.at("ipv4");
    let v6 = node.at("ipv6");
    let address4 = v4.and_then(|v4| facts.prefix_at(v4, "address", "netmask", INSTANCE));
    let address6 = v6.and_then(|v6| facts.prefix_at(v6, "address", "prefix", INSTANCE));
    if !private {
        let external = [address4, address6].into_iter().flatten();
        external.for_each(|address| facts.external(address.address(), INSTANCE));
    }
    if first && !private {
        facts.dynamic(&link, AutoMethod::Dhcp4, None, INSTANCE);
        // The address is made from what the routers advertise: the one that is told is the same.
        if address6.is_some() {
            facts.dynamic(&link, AutoMethod::Auto6, None, INSTANCE);
        }
    } else {
        match address4 {
            Some(address) => facts.address(&link, address, INSTANCE),
            None => facts.dynamic(&link, AutoMethod::Dhcp4, None, INSTANCE),
        }
        if let Some(address) = address6 {
            facts.address(&link, address, INSTANCE);
        }
        let gateway: Option<IpAddr> = v4
            .filter(|_| first)
            .and_then(|v4| facts.read(v4, "gateway", INSTANCE));
        facts.route(&link, None, gateway, None, INSTANCE);
    }
    for (family, mask) in [(v4, "netmask"), (v6, "prefix")] {
        for more in list(family, "additional") {
            if let Some(address) = facts.prefix_at(more, "address", mask, INSTANCE) {
                facts.address(&link, address, INSTANCE);
            }
        }
    }
    for route in list(Some(node), "routes") {
        self::route(facts, route, &link);
    }
}

fn route(facts: &mut Facts<'_>, route: &Node, link: &LinkRef) {
    let to = facts.prefix_at(route, "network", "netmask", INSTANCE);
    let gateway: Option<IpAddr> = facts.read(route, "gateway", INSTANCE);
    if let (Some(to), Some(gateway)) = (to, gateway) {
        let to = Some(to.network()).filter(|to| !to.is_default());
        facts.route(link, to, Some(gateway), None, INSTANCE);
    }
}

fn list<'n>(node: Option<&'n Node>, key: &str) -> &'n [Node] {
    let items = node.and_then(|node| node.at(key)).map(Node::items);
    items.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn public_only() {
        check(
            &Vultr,
            "vultr/public-only",
            "Ok(Config(64 bytes))",
            &[
                "56:00:00:00:00:01",
                "56:00:00:00:00:01 runs Dhcp4",
                "hostname node7",
                "dns 108.61.10.10",
                "dns 2001:19f0:300:1704::6",
                "external 198.51.100.9",
                "region=AMS",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000042",
                "providerId=vultr://0a1b2c3d-0000-4000-8000-000000000042",
                "tag web=",
            ],
        );
    }

    #[test]
    fn dual_stack_and_private() {
        check(
            &Vultr,
            "vultr/dual-stack-private",
            "Ok(Absent)",
            &[
                "56:00:00:00:00:01",
                "56:00:00:00:00:02 mtu 1500",
                "56:00:00:00:00:03 mtu 1450",
                "56:00:00:00:00:01 has 198.51.100.19/32",
                "56:00:00:00:00:01 has 2001:db8:7::1/64",
                "56:00:00:00:00:02 has 10.1.96.3/20",
                "56:00:00:00:00:03 has 10.2.0.3/24",
                "56:00:00:00:00:02 to 10.8.0.0/16 via 10.1.96.1",
                "56:00:00:00:00:01 runs Dhcp4",
                "56:00:00:00:00:01 runs Auto6",
                "hostname node7",
                "dns 108.61.10.10",
                "dns 2001:19f0:300:1704::6",
                "external 198.51.100.9",
                "external 2001:db8::9",
                "region=AMS",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000042",
                "providerId=vultr://0a1b2c3d-0000-4000-8000-000000000042",
                "tag web=",
            ],
        );
    }

    #[test]
    fn a_private_network_alone() {
        let bodies = [(
            INSTANCE,
            r##"{"interfaces":[{"mac":"56:00:00:00:00:01","network-type":"private","ipv4":{"address":"10.0.0.3","netmask":"255.255.255.0","gateway":"10.0.0.1"}}]}"##,
        )];
        check_bodies(
            &Vultr,
            &bodies,
            "Ok(Absent)",
            &[
                "56:00:00:00:00:01 mtu 1450",
                "56:00:00:00:00:01 has 10.0.0.3/24",
                "56:00:00:00:00:01 to all via 10.0.0.1",
                "dns 108.61.10.10",
                "dns 2001:19f0:300:1704::6",
            ],
        );
    }

    #[test]
    fn a_ready_made_network() {
        let bodies = [(
            INSTANCE,
            r##"{"hostname":"node7","interfaces":[{"mac":"56:00:00:00:00:09"}],"cloud_interfaces":{"version":1,"config":[
            {"type":"physical","name":"eth0","mac_address":"56:00:00:00:00:01","subnets":[{"type":"dhcp4"}]}]}}"##,
        )];
        check_bodies(
            &Vultr,
            &bodies,
            "Ok(Absent)",
            &[
                "56:00:00:00:00:01",
                "56:00:00:00:00:01 runs Dhcp4",
                "hostname node7",
            ],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [(
            INSTANCE,
            r##"{"hostname":7,"instance-v2-id":"","instanceid":42,"region":"x","cloud_interfaces":null,"interfaces":[
            {"mac":"56:00:00:00:00:01","network-type":"public","mtu":null,"ipv4":null,"ipv6":{"address":"2001:db8::9","prefix":"x"}},
            {"mac":"56:00:00:00:00:02","network-type":"private","mtu":"67","ipv4":{"address":"10.0.0.3","netmask":"255.255.0.255","additional":[7,{"address":"10.0.0.4"}]},"routes":[{},{"network":"10.8.0.0"},{"network":"0.0.0.0","netmask":"0.0.0.0","gateway":"10.0.0.1"},{"network":"10.9.0.0","netmask":"255.255.0.0","gateway":"x"}]},
            {"network-type":"private"}]}"##,
        )];
        check_bodies(
            &Vultr,
            &bodies,
            "Ok(Absent)",
            &[
                "! vultr: v1.json has a address that is no address with its mask",
                "! vultr: v1.json has a mtu that is not what it should be",
                "! vultr: v1.json has a address that is no address with its mask",
                "! vultr: v1.json has a gateway that is not what it should be",
                "! vultr: v1.json has an interface without mac",
                "56:00:00:00:00:01",
                "56:00:00:00:00:02 mtu 1450",
                "56:00:00:00:00:02 has 10.0.0.4/32",
                "56:00:00:00:00:02 to all via 10.0.0.1",
                "56:00:00:00:00:01 runs Dhcp4",
                "56:00:00:00:00:02 runs Dhcp4",
                "hostname 7",
                "dns 108.61.10.10",
                "dns 2001:19f0:300:1704::6",
                "instanceId=42",
                "providerId=vultr://42",
            ],
        );
    }

    #[test]
    fn requests() {
        let (bodies, asks) = converse(&Vultr, "vultr/public-only");
        assert_eq!(bodies.keys().collect::<Vec<_>>(), [USER_DATA, INSTANCE]);
        let paths: Vec<&str> = asks.iter().map(|ask| ask.path.as_str()).collect();
        assert_eq!(paths, ["/v1.json", "/latest/user-data"]);
        assert!(Vultr.is_partial(INSTANCE, b""));
    }
}
