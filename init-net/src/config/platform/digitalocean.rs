//! DigitalOcean: one JSON document, on the config drive or from the service.
//!
//! docs.digitalocean.com, "Droplet Metadata". There is no DHCP but for images that ask for it: everything is static.

use core::net::{IpAddr, Ipv4Addr};

use super::facts::{Facts, is_blank, is_true};
use super::media::{FileSystem, Medium, Volume};
use super::network::cards;
use super::{Answer, Answers, Ask, Bodies, Bootstrap, Known, Parsed, Provider, fixed};
use crate::config::machine::tree::{self, Node};
use crate::config::userdata::Base64;
use crate::config::{AutoMethod, LinkRef};
use crate::value::Prefix;

/// The provider.
pub struct DigitalOcean;

/// The document, as the drive calls it.
const DROPLET: &str = "digitalocean_meta_data.json";
const USER_DATA: &str = "user-data";

/// Where the service is, and the metric of the way there: better than any default route.
const SERVICE: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const SERVICE_METRIC: u32 = 512;

impl Provider for DigitalOcean {
    fn name(&self) -> &'static str {
        "digital-ocean"
    }

    fn media(&self) -> &'static [Medium] {
        &[Medium::Volume(Volume {
            labels: &["config-2"],
            file_systems: &[FileSystem::Iso9660, FileSystem::Vfat],
            files: &[DROPLET],
        })]
    }

    fn is_told(&self, media: &Bodies) -> bool {
        // Other clouds have drives of that label.
        media.contains_key(DROPLET)
    }

    fn bootstrap(&self) -> Bootstrap {
        Bootstrap::LinkLocal
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://169.254.169.254"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let mut asks = vec![Ask::required(DROPLET, "/metadata/v1.json")];
        if let Some(Answer::Body(body)) = answers.get(DROPLET)
            && !holds_user_data(body)
        {
            asks.push(Ask::optional(USER_DATA, "/metadata/v1/user-data"));
        }
        asks
    }

    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        key == DROPLET && is_blank(body)
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        let root = facts.tree(DROPLET);
        if let Some(root) = &root {
            droplet(&mut facts, root);
        }
        let inside = root.as_ref().and_then(|root| root.at("user_data")?.text());
        match inside {
            Some(text) => facts.finish_with(text.as_bytes(), DROPLET, Base64::Never),
            None => facts.finish(USER_DATA, Base64::Never),
        }
    }
}

/// The document of the service has the user-data in it, empty where there is none.
fn holds_user_data(body: &[u8]) -> bool {
    let text = core::str::from_utf8(body).unwrap_or_default();
    let (documents, _) = tree::parse_any(text);
    documents
        .first()
        .is_some_and(|root| root.at("user_data").is_some())
}

fn droplet(facts: &mut Facts<'_>, root: &Node) {
    facts.hostname_at(root, "hostname", DROPLET);
    facts.fact_at(root, "region", "region", DROPLET);
    let id = facts.word(root, "droplet_id", DROPLET);
    facts.identity(id, "digitalocean");
    facts.tags_at(root, "tags", DROPLET);
    if let Some(dns) = root.at("dns") {
        for server in facts.each::<IpAddr>(dns, "nameservers", DROPLET) {
            facts.nameserver(server, DROPLET);
        }
    }
    let features = root.at("features");
    let dhcp = features.is_some_and(|features| is_true(features, "dhcp_enabled"));
    let interfaces = root.at("interfaces");
    for node in cards(interfaces.and_then(|interfaces| interfaces.at("public"))) {
        public(facts, node, dhcp);
    }
    for node in cards(interfaces.and_then(|interfaces| interfaces.at("private"))) {
        if let Some(link) = facts.link_by_mac(node, "mac", DROPLET) {
            address(facts, node, "ipv4", "netmask", &link);
            address(facts, node, "ipv6", "cidr", &link);
        }
    }
    for (key, family) in [
        ("reserved_ip", "ipv4"),
        ("reserved_ip", "ipv6"),
        ("reserved_ipv6", "ipv6"),
    ] {
        let reserved = root.at(key).and_then(|reserved| reserved.at(family));
        let reserved = reserved.filter(|reserved| is_true(reserved, "active"));
        if let Some(address) = reserved.and_then(|node| facts.read(node, "ip_address", DROPLET)) {
            facts.external(address, DROPLET);
        }
    }
}

/// The public card. The anchor is where reserved addresses arrive; it gets no route of its own: answers leave by the
/// default route.
fn public(facts: &mut Facts<'_>, node: &Node, dhcp: bool) {
    let Some(link) = facts.link_by_mac(node, "mac", DROPLET) else {
        return;
    };
    if let Some(v4) = node.at("ipv4") {
        let gateway: Option<IpAddr> = facts.read(v4, "gateway", DROPLET);
        let gateway = gateway.filter(|gateway| !gateway.is_unspecified());
        if dhcp {
            facts.dynamic(&link, AutoMethod::Dhcp4, None, DROPLET);
            let external = facts.read(v4, "ip_address", DROPLET);
            external
                .into_iter()
                .for_each(|address| facts.external(address, DROPLET));
        } else if let Some(address) = address(facts, node, "ipv4", "netmask", &link) {
            facts.external(address.address(), DROPLET);
            facts.route(&link, None, gateway, None, DROPLET);
            if gateway.is_some() {
                let service = Prefix::host(SERVICE.into());
                facts.route(&link, Some(service), gateway, Some(SERVICE_METRIC), DROPLET);
            }
        }
    }
    if let Some(address) = address(facts, node, "ipv6", "cidr", &link) {
        facts.external(address.address(), DROPLET);
        let v6 = node.at("ipv6");
        let gateway = v6.and_then(|v6| facts.read(v6, "gateway", DROPLET));
        facts.route(&link, None, gateway, None, DROPLET);
    }
    address(facts, node, "anchor_ipv4", "netmask", &link);
}

/// The address at `node`'s `key`, put on `link`.
fn address(
    facts: &mut Facts<'_>,
    node: &Node,
    key: &str,
    mask: &str,
    link: &LinkRef,
) -> Option<Prefix> {
    let address = facts.prefix_at(node.at(key)?, "ip_address", mask, DROPLET)?;
    facts.address(link, address, DROPLET);
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn public_and_private() {
        check(
            &DigitalOcean,
            "digital-ocean/public-and-private",
            "Ok(Config(64 bytes))",
            &[
                "0a:0b:0c:0d:0e:01",
                "0a:0b:0c:0d:0e:02",
                "0a:0b:0c:0d:0e:01 has 198.51.100.10/20",
                "0a:0b:0c:0d:0e:01 has 2001:db8:0:2::10/64",
                "0a:0b:0c:0d:0e:01 has 10.19.0.5/16",
                "0a:0b:0c:0d:0e:02 has 10.110.0.3/20",
                "0a:0b:0c:0d:0e:01 to all via 198.51.96.1",
                "0a:0b:0c:0d:0e:01 to 169.254.169.254/32 via 198.51.96.1 metric 512",
                "0a:0b:0c:0d:0e:01 to all via 2001:db8:0:2::1",
                "hostname node7",
                "dns 192.0.2.53",
                "dns 192.0.2.54",
                "external 198.51.100.10",
                "external 2001:db8:0:2::10",
                "external 203.0.113.99",
                "region=ams3",
                "instanceId=4242",
                "providerId=digitalocean://4242",
                "tag web=",
                "tag blue=",
            ],
        );
    }

    #[test]
    fn dhcp() {
        check(
            &DigitalOcean,
            "digital-ocean/dhcp",
            "Ok(Absent)",
            &[
                "0a:0b:0c:0d:0e:01",
                "0a:0b:0c:0d:0e:01 runs Dhcp4",
                "hostname node7",
                "dns 192.0.2.53",
                "dns 192.0.2.54",
                "external 198.51.100.10",
                "region=ams3",
                "instanceId=4242",
                "providerId=digitalocean://4242",
                "tag web=",
                "tag blue=",
            ],
        );
    }

    #[test]
    fn config_drive() {
        check(
            &DigitalOcean,
            "digital-ocean/config-drive",
            "Ok(Absent)",
            &[
                "0a:0b:0c:0d:0e:01",
                "0a:0b:0c:0d:0e:02",
                "0a:0b:0c:0d:0e:01 has 198.51.100.10/20",
                "0a:0b:0c:0d:0e:01 has 10.19.0.5/16",
                "0a:0b:0c:0d:0e:02 has 10.110.0.3/20",
                "0a:0b:0c:0d:0e:01 to all via 198.51.96.1",
                "0a:0b:0c:0d:0e:01 to 169.254.169.254/32 via 198.51.96.1 metric 512",
                "hostname from-drive",
                "dns 192.0.2.53",
                "dns 192.0.2.54",
                "external 198.51.100.10",
                "region=ams3",
                "instanceId=4242",
                "providerId=digitalocean://4242",
                "tag web=",
                "tag blue=",
            ],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [
            (
                DROPLET,
                r##"{"droplet_id":{},"hostname":"-","region":"a\u0007b","user_data":null,"dns":{"nameservers":"x"},
            "tags":[["a"],"b\u0000"],"features":{"dhcp_enabled":"TRUE"},"reserved_ip":{"ipv4":{"active":"true","ip_address":"no"}},
            "interfaces":{"public":[{"ipv4":{"ip_address":"198.51.100.10"}},{"mac":"0a:0b:0c:0d:0e:01","ipv4":[],"ipv6":{"ip_address":"2001:db8::1","cidr":"129"}},
            {"mac":"0a:0b:0c:0d:0e:02","ipv4":{"ip_address":"198.51.100.10","netmask":"255.0.255.0","gateway":"0.0.0.0"},"anchor_ipv4":null}],
            "private":[{"mac":"0a:0b:0c:0d:0e:03","ipv4":{"ip_address":"10.0.0.1","netmask":"ffff::"}}]}}"##,
            ),
            (
                USER_DATA,
                r##"#cloud-config
hostname: other
"##,
            ),
        ];
        check_bodies(
            &DigitalOcean,
            &bodies,
            "Ok(CloudConfig(Some(Hostname { name: \"other\", domain: None })))",
            &[
                "! digital-ocean: digitalocean_meta_data.json has a hostname that is not what it should be",
                "! digital-ocean: digitalocean_meta_data.json has a region that is too long or holds control characters",
                "! digital-ocean: digitalocean_meta_data.json has tags that are not what they should be",
                "! digital-ocean: digitalocean_meta_data.json has too many tags, or one that is too long or none",
                "! digital-ocean: digitalocean_meta_data.json has nameservers that are not what they should be",
                "! digital-ocean: digitalocean_meta_data.json has an interface without mac",
                "! digital-ocean: digitalocean_meta_data.json has a ip_address that is no address with its mask",
                "! digital-ocean: digitalocean_meta_data.json has a ip_address that is no address with its mask",
                "! digital-ocean: digitalocean_meta_data.json has a ip_address that is not what it should be",
                "0a:0b:0c:0d:0e:01",
                "0a:0b:0c:0d:0e:02",
                "0a:0b:0c:0d:0e:03",
                "0a:0b:0c:0d:0e:01 runs Dhcp4",
                "0a:0b:0c:0d:0e:02 runs Dhcp4",
                "hostname other",
                "external 198.51.100.10",
            ],
        );
    }

    #[test]
    fn requests() {
        let (bodies, asks) = converse(&DigitalOcean, "digital-ocean/public-and-private");
        assert_eq!(bodies.keys().collect::<Vec<_>>(), [DROPLET]);
        assert_eq!(
            (asks.len(), asks[0].path.as_str()),
            (1, "/metadata/v1.json")
        );
        let (_, asks) = converse(&DigitalOcean, "digital-ocean/config-drive");
        assert!(asks.is_empty(), "the drive said everything");
        let without = Answer::Body(b"{\"droplet_id\":1}".to_vec());
        let wanted = DigitalOcean.wanted(&[(DROPLET.to_owned(), without)].into());
        assert_eq!(wanted[1].path, "/metadata/v1/user-data");
        assert_eq!(DigitalOcean.bootstrap(), Bootstrap::LinkLocal);
        assert!(DigitalOcean.is_partial(DROPLET, b"{}"));
    }
}
