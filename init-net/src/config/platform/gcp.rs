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
        facts.address(link, *prefix, INSTANCE);
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
