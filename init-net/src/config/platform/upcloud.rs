//! UpCloud: one JSON document.
//!
//! upcloud.com/docs, "Metadata service". Every address says whether it comes by DHCP.

use core::net::IpAddr;

use super::facts::{Facts, is_blank, is_true};
use super::network::{cards, prefix};
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::machine::tree::Node;
use crate::config::userdata::Base64;
use crate::config::{AutoMethod, LinkRef};
use crate::value::Prefix;

/// The provider.
pub struct Upcloud;

const SERVER: &str = "v1.json";
const USER_DATA: &str = "user_data";

impl Provider for Upcloud {
    fn name(&self) -> &'static str {
        "upcloud"
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://169.254.169.254"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let mut asks = vec![Ask::required(SERVER, "/metadata/v1.json")];
        if let Some(Answer::Body(_)) = answers.get(SERVER) {
            asks.push(Ask::optional(USER_DATA, "/metadata/v1/user_data"));
        }
        asks
    }

    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        key == SERVER && is_blank(body)
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        if let Some(root) = facts.tree(SERVER) {
            facts.hostname_at(&root, "hostname", SERVER);
            facts.fact_at(&root, "region", "zone", SERVER);
            let id = facts.word(&root, "instance_id", SERVER);
            facts.identity(id, "upcloud");
            facts.tags_at(&root, "tags", SERVER);
            if let Some(network) = root.at("network") {
                for node in cards(network.at("interfaces")) {
                    interface(&mut facts, node);
                }
                resolvers(&mut facts, network);
            }
        }
        facts.finish(USER_DATA, Base64::Never)
    }
}

fn interface(facts: &mut Facts<'_>, node: &Node) {
    let Some(link) = facts.link_by_mac(node, "mac", SERVER) else {
        return;
    };
    let public = node.at("type").and_then(Node::text) == Some("public");
    let list = node.at("ip_addresses").map(Node::items).unwrap_or_default();
    for entry in list {
        address(facts, entry, &link, public);
        resolvers(facts, entry);
    }
}

fn address(facts: &mut Facts<'_>, node: &Node, link: &LinkRef, public: bool) {
    let Some(address) = facts.read::<IpAddr>(node, "address", SERVER) else {
        return;
    };
    if public {
        facts.external(address, SERVER);
    }
    if is_true(node, "dhcp") {
        let method = match address {
            IpAddr::V4(_) => AutoMethod::Dhcp4,
            IpAddr::V6(_) => AutoMethod::Auto6,
        };
        let runs = &facts.document.operators;
        // A card with several leased addresses has one client.
        if !runs
            .iter()
            .any(|run| run.link == *link && run.method == method)
        {
            facts.dynamic(link, method, None, SERVER);
        }
        return;
    }
    let network = facts.word(node, "network", SERVER);
    let network = network.and_then(|network| prefix(&network, None));
    // A floating address is routed here: the network that it is from is elsewhere.
    let network = network.filter(|network| network.contains(address) && !is_true(node, "floating"));
    let len = network.map(|network| network.len());
    let address = len.map_or(Ok(Prefix::host(address)), |len| Prefix::new(address, len));
    if let Ok(address) = address {
        facts.address(link, address, SERVER);
    }
    let gateway = facts.read(node, "gateway", SERVER);
    let gateway = gateway.filter(|_| !is_true(node, "floating"));
    facts.route(link, None, gateway, None, SERVER);
}

fn resolvers(facts: &mut Facts<'_>, node: &Node) {
    for server in facts.each::<IpAddr>(node, "dns", SERVER) {
        facts.nameserver(server, SERVER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn three_nics() {
        check(
            &Upcloud,
            "upcloud/three-nics",
            "Ok(Config(64 bytes))",
            &[
                "5e:bf:5e:00:00:01",
                "5e:bf:5e:00:00:02",
                "5e:bf:5e:00:00:03",
                "5e:bf:5e:00:00:01 has 203.0.113.20/32",
                "5e:bf:5e:00:00:01 runs Dhcp4",
                "5e:bf:5e:00:00:02 runs Dhcp4",
                "5e:bf:5e:00:00:03 runs Auto6",
                "hostname node7.example.net",
                "dns 192.0.2.53",
                "dns 2001:db8::53",
                "dns 192.0.2.54",
                "external 198.51.100.20",
                "external 203.0.113.20",
                "external 2001:db8:8::20",
                "zone=fi-hel1",
                "instanceId=00aabbcc-0000-4000-8000-000000000042",
                "providerId=upcloud://00aabbcc-0000-4000-8000-000000000042",
                "tag web=",
            ],
        );
    }

    #[test]
    fn static_addresses() {
        check(
            &Upcloud,
            "upcloud/static",
            "Ok(Absent)",
            &[
                "5e:bf:5e:00:00:01",
                "5e:bf:5e:00:00:01 has 10.9.0.5/24",
                "5e:bf:5e:00:00:01 has 2001:db8:9::5/64",
                "5e:bf:5e:00:00:01 to all via 10.9.0.1",
                "5e:bf:5e:00:00:01 to all via 2001:db8:9::1",
                "hostname node7.example.net",
                "dns 192.0.2.53",
                "dns 192.0.2.54",
                "instanceId=00aabbcc-0000-4000-8000-000000000042",
                "providerId=upcloud://00aabbcc-0000-4000-8000-000000000042",
                "tag web=",
            ],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [(
            SERVER,
            r##"{"hostname":null,"region":[],"network":{"dns":["x",null,"192.0.2.53","192.0.2.53"],"interfaces":[{"index":1},{"mac":"5e:bf:5e:00:00:01","type":7,"ip_addresses":[
            {},{"address":"x"},{"address":"10.9.0.5","network":"10.8.0.0/24","gateway":"y"},{"address":"10.9.0.6","network":"10.9.0.0/33"},{"address":"10.9.0.7","dhcp":"true"},{"address":"10.9.0.8","dhcp":true}]}]}}"##,
        )];
        check_bodies(
            &Upcloud,
            &bodies,
            "Ok(Absent)",
            &[
                "! upcloud: v1.json has an interface without mac",
                "! upcloud: v1.json has a address that is not what it should be",
                "! upcloud: v1.json has a gateway that is not what it should be",
                "! upcloud: v1.json has dns that are not what they should be",
                "5e:bf:5e:00:00:01",
                "5e:bf:5e:00:00:01 has 10.9.0.5/32",
                "5e:bf:5e:00:00:01 has 10.9.0.6/32",
                "5e:bf:5e:00:00:01 runs Dhcp4",
                "dns 192.0.2.53",
            ],
        );
    }

    #[test]
    fn requests() {
        let (_, asks) = converse(&Upcloud, "upcloud/three-nics");
        let paths: Vec<&str> = asks.iter().map(|ask| ask.path.as_str()).collect();
        assert_eq!(paths, ["/metadata/v1.json", "/metadata/v1/user_data"]);
        assert!(Upcloud.is_partial(SERVER, b"{}") && !Upcloud.is_partial(USER_DATA, b""));
    }
}
