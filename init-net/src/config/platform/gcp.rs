//! Google Compute Engine: the whole instance as one JSON document.
//!
//! cloud.google.com/compute/docs/metadata, "Predefined metadata keys". The service is asked by its address: its name is
//! resolved by the machine it is on.

use core::net::{IpAddr, Ipv4Addr};

use super::facts::{Facts, is_blank, is_true};
use super::network::{cards, prefix, spread};
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::machine::tree::Node;
use crate::config::userdata::Base64;
use crate::config::{AutoMethod, LinkRef};
use crate::value::Prefix;

/// The provider.
pub struct Gcp;

const INSTANCE: &str = "instance";
const PROJECT: &str = "project-id";

/// Name of the time service, and of nearly everything else on this cloud.
const TIME_SERVER: &str = "metadata.google.internal";

/// The resolver of every network.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

impl Provider for Gcp {
    fn name(&self) -> &'static str {
        "gcp"
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://169.254.169.254", "http://[fd20:ce::254]"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let root = "/computeMetadata/v1";
        let whole = format!("{root}/instance/?recursive=true&alt=json");
        let mut asks = vec![Ask::required(INSTANCE, whole)];
        if let Some(Answer::Body(_)) = answers.get(INSTANCE) {
            asks.push(Ask::optional(PROJECT, format!("{root}/project/project-id")));
        }
        // Without it the service refuses: whoever can be made to fetch a URL cannot be made to send this.
        let asks = asks.into_iter();
        asks.map(|ask| ask.with("Metadata-Flavor", "Google"))
            .collect()
    }

    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        key == INSTANCE && is_blank(body)
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        let Some(root) = facts.tree(INSTANCE) else {
            return facts.finish_with(&[], INSTANCE, Base64::Never);
        };
        instance(&mut facts, &root);
        let list: Vec<&Node> = cards(root.at("networkInterfaces")).collect();
        for (position, node) in list.iter().enumerate() {
            nic(&mut facts, node, spread(position, list.len()));
        }
        if facts.document.nameservers.is_empty() && !list.is_empty() {
            facts.nameserver(RESOLVER.into(), INSTANCE);
        }
        facts.time_server(TIME_SERVER, INSTANCE);
        let text = |key| root.at("attributes")?.at(key)?.text();
        let base64 = match text("user-data-encoding") {
            Some(encoding) if encoding.trim().eq_ignore_ascii_case("base64") => Base64::Always,
            Some(_) | None => Base64::Never,
        };
        let user_data = text("user-data").unwrap_or_default();
        facts.finish_with(user_data.as_bytes(), "user-data", base64)
    }
}

fn instance(facts: &mut Facts<'_>, root: &Node) {
    facts.hostname_at(root, "hostname", INSTANCE);
    // `projects/42/zones/europe-west4-a`: what counts is behind the last slash.
    let mut last = |key| {
        let path = facts.word(root, key, INSTANCE)?;
        path.rsplit('/').next().map(str::to_owned)
    };
    let zone = last("zone");
    let kind = last("machineType");
    let region = zone.as_deref().and_then(|zone| zone.rsplit_once('-'));
    let region = region.map(|(region, _)| region.to_owned());
    facts.know("region", region);
    facts.know("zone", zone.clone());
    facts.know("instanceType", kind);
    facts.fact_at(root, "id", "instanceId", INSTANCE);
    let project = facts.line(PROJECT);
    let name = facts.word(root, "name", INSTANCE);
    if let (Some(project), Some(zone), Some(name)) = (project, zone, name) {
        facts.know("providerId", Some(format!("gce://{project}/{zone}/{name}")));
    }
    let scheduling = root.at("scheduling");
    if scheduling.is_some_and(|scheduling| is_true(scheduling, "preemptible")) {
        facts.know("spot", Some("true".to_owned()));
    }
    facts.tags_at(root, "tags", INSTANCE);
}

/// One card. IPv4 comes by DHCP; of IPv6 the range is said, and the router only where the network has external IPv6:
/// everywhere else it advertises itself.
fn nic(facts: &mut Facts<'_>, node: &Node, metric: Option<u32>) {
    let Some(link) = facts.link_by_mac(node, "mac", INSTANCE) else {
        return;
    };
    let mtu = facts.read(node, "mtu", INSTANCE);
    if let Some(config) = facts.document.links.last_mut() {
        config.mtu = mtu;
    }
    let has_v6 = ipv6(facts, node, &link, metric);
    let v4: Option<Ipv4Addr> = facts.read(node, "ip", INSTANCE);
    if v4.is_some() || !has_v6 {
        facts.dynamic(&link, AutoMethod::Dhcp4, metric, INSTANCE);
    }
    for server in facts.each::<IpAddr>(node, "dnsServers", INSTANCE) {
        facts.nameserver(server, INSTANCE);
    }
    for access in cards(node.at("accessConfigs")) {
        let kind = access.at("type").and_then(Node::text);
        if kind == Some("ONE_TO_ONE_NAT")
            && let Some(address) = facts.read(access, "externalIp", INSTANCE)
        {
            facts.external(address, INSTANCE);
        }
    }
}

/// Answers whether the card has IPv6.
fn ipv6(facts: &mut Facts<'_>, node: &Node, link: &LinkRef, metric: Option<u32>) -> bool {
    let mut ranges = Vec::new();
    for key in ["ipv6", "ipv6s"] {
        ranges.extend(facts.each::<String>(node, key, INSTANCE));
    }
    let prefixes: Vec<_> = ranges
        .iter()
        .filter_map(|text| prefix(text, None).filter(|prefix| !prefix.is_ipv4()))
        .collect();
    if prefixes.len() < ranges.len() {
        facts.warn(INSTANCE, "has an ipv6 that is no range of addresses");
    }
    for prefix in &prefixes {
        // The first of the range, alone as DHCPv6 gives it: with its length it would be the anycast address of the
        // routers there (RFC 4291 §2.6.1), at which a kernel that forwards accepts no connection.
        facts.address(link, Prefix::host(prefix.address()), INSTANCE);
    }
    let gateway: Option<IpAddr> = facts.read(node, "gatewayIpv6", INSTANCE);
    if prefixes.is_empty() {
        let has_lease = node.at("dhcpv6Refresh").is_some();
        if has_lease {
            facts.dynamic(link, AutoMethod::Dhcp6, metric, INSTANCE);
        }
        return has_lease;
    }
    match gateway {
        Some(_) => facts.route(link, None, gateway, metric, INSTANCE),
        None => facts.dynamic(link, AutoMethod::Auto6, metric, INSTANCE),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn one_nic() {
        check(
            &Gcp,
            "gcp/one-nic",
            "Ok(Config(64 bytes))",
            &[
                "42:01:0a:0a:00:07 mtu 1460",
                "42:01:0a:0a:00:07 runs Dhcp4",
                "hostname node7.europe-west4-a.c.example-project.internal",
                "dns 169.254.169.254",
                "ntp metadata.google.internal",
                "external 203.0.113.40",
                "region=europe-west4",
                "zone=europe-west4-a",
                "instanceType=n2-standard-4",
                "instanceId=4242424242424242424",
                "providerId=gce://example-project/europe-west4-a/node7",
                "tag http-server=",
                "tag node=",
            ],
        );
    }

    #[test]
    fn dual_stack_and_two_nics() {
        check(
            &Gcp,
            "gcp/dual-stack-two-nics",
            "Ok(Config(64 bytes))",
            &[
                "42:01:0a:0a:00:07 mtu 8896",
                "42:01:0a:0b:00:07 mtu 1500",
                "42:01:0a:0a:00:07 has 2001:db8:1:2:3:4::/128",
                "42:01:0a:0b:00:07 has fd20:1:2:3:4:5::/128",
                "42:01:0a:0a:00:07 to all via fe80::2 metric 100",
                "42:01:0a:0a:00:07 runs Dhcp4 metric 100",
                "42:01:0a:0b:00:07 runs Auto6 metric 200",
                "42:01:0a:0b:00:07 runs Dhcp4 metric 200",
                "hostname node7.europe-west4-a.c.example-project.internal",
                "dns 169.254.169.254",
                "ntp metadata.google.internal",
                "region=europe-west4",
                "zone=europe-west4-a",
                "instanceType=n2-standard-4",
                "instanceId=4242424242424242424",
                "providerId=gce://example-project/europe-west4-a/node7",
                "spot=true",
            ],
        );
    }

    #[test]
    fn ipv6_only() {
        check(
            &Gcp,
            "gcp/ipv6-only",
            "Ok(Absent)",
            &[
                "42:01:0a:0a:00:07 mtu 1460",
                "42:01:0a:0a:00:07 runs Dhcp6",
                "hostname node7.europe-west4-a.c.example-project.internal",
                "dns fd20:ce::254",
                "ntp metadata.google.internal",
                "region=europe-west4",
                "zone=europe-west4-a",
                "instanceType=n2-standard-4",
                "instanceId=4242424242424242424",
            ],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [
            (
                INSTANCE,
                r##"{"hostname":"a b","id":[1],"zone":"a/b","name":null,"machineType":7,"scheduling":[],"tags":{"x":1},
            "attributes":["user-data"],"networkInterfaces":[null,7,{},{"mac":"x"},{"mac":null},
            {"mac":"42:01:0a:0a:00:01","mtu":"9","ip":"10.0.0.300","ipv6":["x","10.0.0.1/8","2001:db8::/129"],"gatewayIpv6":{},
            "dnsServers":["","y"],"accessConfigs":[{"type":"ONE_TO_ONE_NAT","externalIp":"z"},{"type":7}]},
            {"mac":"42:01:0a:0a:00:02","mtu":"1500","ip":null,"ipv6":"2001:db8::7","gatewayIpv6":""}]}"##,
            ),
            (
                PROJECT, r##"a
b"##,
            ),
        ];
        check_bodies(
            &Gcp,
            &bodies,
            "Ok(Absent)",
            &[
                "! gcp: instance has a hostname that is not what it should be",
                "! gcp: project-id has more than one line",
                "! gcp: instance has tags that are not what they should be",
                "! gcp: instance has an interface without mac",
                "! gcp: instance has an interface without mac",
                "! gcp: instance has an interface without mac",
                "! gcp: instance has a mac that is not what it should be",
                "! gcp: instance has an interface without mac",
                "! gcp: instance has a mtu that is not what it should be",
                "! gcp: instance has an ipv6 that is no range of addresses",
                "! gcp: instance has a gatewayIpv6 that is not what it should be",
                "! gcp: instance has a ip that is not what it should be",
                "! gcp: instance has dnsServers that are not what they should be",
                "! gcp: instance has a externalIp that is not what it should be",
                "42:01:0a:0a:00:01",
                "42:01:0a:0a:00:02 mtu 1500",
                "42:01:0a:0a:00:02 has 2001:db8::7/128",
                "42:01:0a:0a:00:01 runs Dhcp4 metric 600",
                "42:01:0a:0a:00:02 runs Auto6 metric 700",
                "dns 169.254.169.254",
                "ntp metadata.google.internal",
                "zone=b",
                "instanceType=7",
            ],
        );
    }

    #[test]
    fn base64_that_is_none() {
        let bodies = [(
            INSTANCE,
            r##"{"attributes":{"user-data":"%%%","user-data-encoding":"base64"}}"##,
        )];
        check_bodies(
            &Gcp,
            &bodies,
            "Err(Base64)",
            &["ntp metadata.google.internal"],
        );
    }

    #[test]
    fn nothing_at_all() {
        let bodies = [(INSTANCE, r##"null"##)];
        check_bodies(&Gcp, &bodies, "Ok(Absent)", &[]);
    }

    #[test]
    fn requests() {
        let (bodies, asks) = converse(&Gcp, "gcp/one-nic");
        assert_eq!(
            bodies.keys().collect::<Vec<_>>(),
            ["instance", "project-id"]
        );
        let paths: Vec<&str> = asks.iter().map(|ask| ask.path.as_str()).collect();
        let root = "/computeMetadata/v1";
        assert_eq!(
            paths,
            [
                format!("{root}/instance/?recursive=true&alt=json"),
                format!("{root}/project/project-id"),
            ]
        );
        let flavor = ("Metadata-Flavor", "Google".to_owned());
        assert!(asks.iter().all(|ask| ask.headers == [flavor.clone()]));
        assert!(Gcp.is_partial(INSTANCE, b" {} \n") && Gcp.is_partial(INSTANCE, b"null"));
        assert!(!Gcp.is_partial(INSTANCE, b"{\"id\":1}") && !Gcp.is_partial(PROJECT, b""));
    }
}
