//! Scaleway: one JSON document; user-data only for those who may use a port below 1024.
//!
//! scaleway.com/en/developers, "Instances API", "User data" and "Metadata". A server without public address cannot reach the
//! service: it has a CD with label cidata.

use core::net::{IpAddr, Ipv4Addr};

use super::cidata;
use super::facts::{Facts, is_blank};
use super::media::Medium;
use super::network::cards;
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::machine::tree::Node;
use crate::config::userdata::Base64;
use crate::config::{AutoMethod, LinkRef};
use crate::value::Prefix;

/// The provider.
pub struct Scaleway;

/// Files of the CD: with any of them everything is said.
const DRIVE: [&str; 2] = [cidata::META_DATA, cidata::NETWORK_CONFIG];

const SERVER: &str = "conf";
const USER_DATA: &str = cidata::USER_DATA;

/// Where the service is, and the metric of the way there: what is pinned to it by other means goes first.
const SERVICE: Ipv4Addr = Ipv4Addr::new(169, 254, 42, 42);
const SERVICE_METRIC: u32 = 4096;

impl Provider for Scaleway {
    fn name(&self) -> &'static str {
        "scaleway"
    }

    fn media(&self) -> &'static [Medium] {
        &[cidata::VOLUME]
    }

    fn is_told(&self, media: &Bodies) -> bool {
        DRIVE.iter().any(|key| media.contains_key(*key))
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://169.254.42.42", "http://[fd00:42::42]"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        if DRIVE.iter().any(|key| answers.contains_key(*key)) {
            return Vec::new();
        }
        let mut asks = vec![Ask::required(SERVER, "/conf?format=json")];
        if let Some(Answer::Body(_)) = answers.get(SERVER) {
            let mut user_data = Ask::optional(USER_DATA, "/user_data/cloud-init");
            user_data.low_port = true;
            asks.push(user_data);
        }
        asks
    }

    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        key == SERVER && is_blank(body)
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        if self.is_told(bodies) {
            return cidata::read(facts, "", None);
        }
        if let Some(root) = facts.tree(SERVER) {
            server(&mut facts, &root);
            network(&mut facts, &root);
        }
        facts.finish(USER_DATA, Base64::Never)
    }
}

fn server(facts: &mut Facts<'_>, root: &Node) {
    facts.hostname_at(root, "hostname", SERVER);
    let location = root.at("location");
    let zone = location.and_then(|location| facts.word(location, "zone_id", SERVER));
    let zone = zone.map(|zone| match zone.as_str() {
        // Zones had other names once.
        "par1" => "fr-par-1".to_owned(),
        "ams1" => "nl-ams-1".to_owned(),
        _ => zone,
    });
    let region = zone.as_deref().and_then(|zone| zone.rsplit_once('-'));
    let region = region.map(|(region, _)| region.to_owned());
    facts.know("region", region);
    facts.know("zone", zone.clone());
    facts.fact_at(root, "commercial_type", "instanceType", SERVER);
    facts.fact_at(root, "id", "instanceId", SERVER);
    if let (Some(id), Some(zone)) = (facts.word(root, "id", SERVER), zone) {
        facts.know(
            "providerId",
            Some(format!("scaleway://instance/{zone}/{id}")),
        );
    }
    facts.tags_at(root, "tags", SERVER);
}

/// The public card, which is the first: the document does not name it. Private networks have DHCP, which links of which
/// nothing is said run.
fn network(facts: &mut Facts<'_>, root: &Node) {
    let link = LinkRef::Primary;
    facts.up(&link, None, SERVER);
    let v4: Vec<&Node> = addresses(root, "public_ip", "public_ips_v4");
    let v6: Vec<&Node> = addresses(root, "ipv6", "public_ips_v6");
    let mut seen: Vec<IpAddr> = Vec::new();
    for (family4, node) in v4
        .iter()
        .map(|n| (true, n))
        .chain(v6.iter().map(|n| (false, n)))
    {
        let Some(address) = facts.prefix_at(node, "address", "netmask", SERVER) else {
            continue;
        };
        if address.is_ipv4() != family4 || seen.contains(&address.address()) {
            continue;
        }
        // The first of IPv4 is the one that is leased.
        let leased = family4 && seen.is_empty();
        seen.push(address.address());
        facts.external(address.address(), SERVER);
        if leased {
            facts.dynamic(&link, AutoMethod::Dhcp4, None, SERVER);
            continue;
        }
        facts.address(&link, address, SERVER);
        if !family4 {
            let gateway = facts.read(node, "gateway", SERVER);
            facts.route(&link, None, gateway, None, SERVER);
        }
    }
    if seen.is_empty() {
        facts.dynamic(&link, AutoMethod::Any, None, SERVER);
    }
    if seen.iter().any(IpAddr::is_ipv4) {
        let service = Prefix::host(SERVICE.into());
        facts.route(&link, Some(service), None, Some(SERVICE_METRIC), SERVER);
    }
}

/// The one address that older servers have at `one`, then the list at `many`, which has it too.
fn addresses<'n>(root: &'n Node, one: &str, many: &str) -> Vec<&'n Node> {
    cards(root.at(one)).chain(cards(root.at(many))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn dual_stack() {
        check(
            &Scaleway,
            "scaleway/dual-stack",
            "Ok(Config(64 bytes))",
            &[
                "Primary",
                "Primary has 198.51.100.77/32",
                "Primary has 2001:db8:5::1/64",
                "Primary to all via fe80::1",
                "Primary to 169.254.42.42/32 metric 4096",
                "Primary runs Dhcp4",
                "hostname node7",
                "external 198.51.100.3",
                "external 198.51.100.77",
                "external 2001:db8:5::1",
                "region=fr-par",
                "zone=fr-par-1",
                "instanceType=DEV1-S",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000042",
                "providerId=scaleway://instance/fr-par-1/0a1b2c3d-0000-4000-8000-000000000042",
                "tag prod=",
            ],
        );
    }

    #[test]
    fn private_only() {
        check(
            &Scaleway,
            "scaleway/private-only",
            "Ok(Config(64 bytes))",
            &[
                "02:00:00:00:00:03",
                "02:00:00:00:00:03 runs Dhcp4",
                "hostname node9",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000043",
                "internalDNS=node9",
            ],
        );
        let (bodies, asks) = converse(&Scaleway, "scaleway/private-only");
        assert!(asks.is_empty() && Scaleway.is_told(&bodies));
    }

    #[test]
    fn ipv6_only() {
        check(
            &Scaleway,
            "scaleway/ipv6-only",
            "Ok(Absent)",
            &[
                "Primary",
                "Primary has 2001:db8:5::2/128",
                "Primary to all via fe80::1",
                "hostname node7",
                "external 2001:db8:5::2",
                "region=nl-ams",
                "zone=nl-ams-1",
                "instanceType=DEV1-S",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000042",
                "providerId=scaleway://instance/nl-ams-1/0a1b2c3d-0000-4000-8000-000000000042",
                "tag prod=",
            ],
        );
    }

    #[test]
    fn older_servers() {
        let bodies = [(
            SERVER,
            r##"{"public_ip":{"address":"198.51.100.3","dynamic":true},"ipv6":{"address":"2001:db8:5::1","netmask":"127","gateway":"2001:db8:5::"},"location":{"zone_id":"par1"}}"##,
        )];
        check_bodies(
            &Scaleway,
            &bodies,
            "Ok(Absent)",
            &[
                "Primary",
                "Primary has 2001:db8:5::1/127",
                "Primary to all via 2001:db8:5::",
                "Primary to 169.254.42.42/32 metric 4096",
                "Primary runs Dhcp4",
                "external 198.51.100.3",
                "external 2001:db8:5::1",
                "region=fr-par",
                "zone=fr-par-1",
            ],
        );
    }

    #[test]
    fn no_public_address() {
        let bodies = [(SERVER, r##"{"id":"x","public_ips_v4":[],"ipv6":null}"##)];
        check_bodies(
            &Scaleway,
            &bodies,
            "Ok(Absent)",
            &["Primary", "Primary runs Any", "instanceId=x"],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [(
            SERVER,
            r##"{"id":7,"hostname":"a..b","location":[],"commercial_type":{},"public_ip":7,"ipv6":"x",
            "public_ips_v4":[null,{"address":"2001:db8::1"},{"address":"198.51.100.300"},{"address":"198.51.100.3","netmask":"32"},{"address":"198.51.100.3"}],
            "public_ips_v6":[{"address":"2001:db8:5::1","netmask":"64","gateway":"x"},{"address":"198.51.100.9"}]}"##,
        )];
        check_bodies(
            &Scaleway,
            &bodies,
            "Ok(Absent)",
            &[
                "! scaleway: conf has a hostname that is not what it should be",
                "! scaleway: conf has a address that is no address with its mask",
                "! scaleway: conf has a gateway that is not what it should be",
                "Primary",
                "Primary has 2001:db8:5::1/64",
                "Primary to 169.254.42.42/32 metric 4096",
                "Primary runs Dhcp4",
                "external 198.51.100.3",
                "external 2001:db8:5::1",
                "instanceId=7",
            ],
        );
    }

    #[test]
    fn requests() {
        let (_, asks) = converse(&Scaleway, "scaleway/dual-stack");
        let asks: Vec<(&str, bool)> = asks
            .iter()
            .map(|ask| (ask.path.as_str(), ask.low_port))
            .collect();
        assert_eq!(
            asks,
            [
                ("/conf?format=json", false),
                ("/user_data/cloud-init", true)
            ]
        );
        let drive = [("meta-data".to_owned(), Answer::Body(Vec::new()))].into();
        assert!(
            Scaleway.wanted(&drive).is_empty(),
            "the CD is there because the service is not"
        );
        assert_eq!(
            Scaleway.bases(&Known::default()),
            ["http://169.254.42.42", "http://[fd00:42::42]"]
        );
    }
}
