//! Amazon EC2: the instance metadata service, version 2 with session tokens.
//!
//! docs.aws.amazon.com/AWSEC2, "Use the Instance Metadata Service". Every NIC is set up by its hardware address, in
//! the order of device numbers.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::facts::Facts;
use super::{Answer, Answers, Ask, Bodies, Known, Method, Parsed, Provider, fixed};
use crate::config::userdata::Base64;
use crate::config::{AddressConfig, AutoMethod, LinkConfig, LinkRef, OperatorConfig, Said};
use crate::value::{Mac, Prefix};

/// The provider.
pub struct Aws;

const ROOT: &str = "/latest/meta-data";
const MACS: &str = "network/interfaces/macs";

/// Life of a session token, seconds: the longest there is. The conversation takes seconds.
const TOKEN_TTL: &str = "21600";

/// The first token, and the one that replaces it when the service has forgotten it.
const TOKENS: [&str; 2] = ["token", "token/2"];

/// Keys of the instance; each may be missing.
const KEYS: [&str; 9] = [
    "instance-id",
    "hostname",
    "local-hostname",
    "public-hostname",
    "public-ipv4",
    "instance-type",
    "instance-life-cycle",
    "placement/region",
    "placement/availability-zone",
];

/// Keys of a NIC.
const NIC_KEYS: [&str; 4] = [
    "device-number",
    "local-ipv4s",
    "ipv6s",
    "subnet-ipv4-cidr-block",
];

/// Most NICs; the largest instances have 15 a card and 16 cards.
const MAX_NICS: usize = 256;

/// The time service of every VPC, both families.
const TIME_SERVERS: [&str; 2] = ["169.254.169.123", "fd00:ec2::123"];

/// The resolver of a VPC over IPv6; the one over IPv4 comes by DHCP.
const RESOLVER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253);

impl Provider for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://169.254.169.254", "http://[fd00:ec2::254]"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let [first, second] = TOKENS;
        let mut asks = vec![token(first)];
        let expired = answers
            .values()
            .any(|answer| *answer == Answer::Status(401));
        if expired || answers.contains_key(second) {
            asks.push(token(second));
        }
        let (header, attempt) = match (answers.get(first), answers.get(second)) {
            (_, Some(Answer::Body(token))) => (Some(token), 2),
            // Clones of the service know version 1 only: no token, no header.
            (Some(Answer::Status(404)), _) => (None, 1),
            (Some(Answer::Body(token)), _) => (Some(token), 1),
            // 403: the service is switched off for this instance. Anything else: it is not there.
            (Some(Answer::Status(_) | Answer::Unreachable) | None, _) => return asks,
        };
        let header = header.and_then(|token| core::str::from_utf8(token).ok());
        let keys = KEYS.iter().map(|key| (*key).to_owned());
        let mut keys: Vec<String> = keys.chain([format!("{MACS}/")]).collect();
        if let Some(Answer::Body(listing)) = answers.get(&format!("{MACS}/")) {
            let listing = core::str::from_utf8(listing).unwrap_or_default();
            for mac in macs(listing.lines()) {
                keys.extend(NIC_KEYS.iter().map(|key| nic_key(mac, key)));
            }
        }
        let paths = keys.into_iter().map(|key| {
            let path = format!("{ROOT}/{key}");
            (key, path)
        });
        let user_data = ("user-data".to_owned(), "/latest/user-data".to_owned());
        for (key, path) in paths.chain([user_data]) {
            // What was answered with the first token stays.
            let again = matches!(answers.get(&key), Some(Answer::Status(401)));
            let mut ask = Ask::optional(key, path);
            ask.attempt = if again { attempt } else { 1 };
            let token = header.map(|token| ("X-aws-ec2-metadata-token", token.trim().to_owned()));
            ask.headers.extend(token);
            asks.push(ask);
        }
        asks
    }

    fn is_secret(&self, key: &str) -> bool {
        TOKENS.contains(&key)
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        facts.hostname("hostname");
        facts.hostname("local-hostname");
        facts.fact("placement/region", "region");
        facts.fact("placement/availability-zone", "zone");
        facts.fact("instance-type", "instanceType");
        facts.fact("local-hostname", "internalDNS");
        facts.fact("public-hostname", "externalDNS");
        if facts.line("instance-life-cycle") == Some("spot") {
            facts.document.metadata.push(("spot", "true".to_owned()));
        }
        if let Some(id) = facts.line("instance-id") {
            let zone = facts
                .line("placement/availability-zone")
                .unwrap_or_default();
            let metadata = &mut facts.document.metadata;
            metadata.push(("instanceId", id.to_owned()));
            metadata.push(("providerId", format!("aws:///{zone}/{id}")));
        }
        if let Some(address) = facts.value::<IpAddr>("public-ipv4") {
            let origin = facts.origin("public-ipv4");
            facts.document.external_ips.push(Said::new(address, origin));
        }
        for server in TIME_SERVERS {
            let origin = facts.origin("time service of the VPC");
            facts
                .document
                .time_servers
                .push(Said::new(server.to_owned(), origin));
        }
        nics(&mut facts);
        facts.finish("user-data", Base64::Maybe)
    }
}

fn token(key: &str) -> Ask {
    let mut ask = Ask::optional(key, "/latest/api/token");
    ask.method = Method::Put;
    let ttl = "X-aws-ec2-metadata-token-ttl-seconds";
    ask.headers.push((ttl, TOKEN_TTL.to_owned()));
    ask
}

fn nic_key(mac: Mac, key: &str) -> String {
    format!("{MACS}/{mac}/{key}")
}

/// The addresses of a listing, whose lines end in `/`.
fn macs<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = Mac> {
    lines
        .filter_map(|line| line.trim().trim_end_matches('/').parse().ok())
        .take(MAX_NICS)
}

/// DHCP on every NIC with spread metrics, so that the first one has the default route; further IPv4 addresses, which
/// DHCP does not hand out; the resolver.
fn nics(facts: &mut Facts<'_>) {
    let mut found: Vec<(u32, Mac)> = Vec::new();
    let listing = facts.lines(&format!("{MACS}/"));
    let macs: Vec<Mac> = macs(listing.iter().copied()).collect();
    if macs.len() < listing.len().min(MAX_NICS) {
        facts.warn(MACS, "lists something else than hardware addresses");
    }
    for mac in macs {
        let number = facts.value::<u32>(&nic_key(mac, "device-number"));
        found.push((number.unwrap_or(u32::MAX), mac));
    }
    found.sort_unstable();
    found.dedup();
    let mut any_v6 = false;
    for (metric, (_, mac)) in (1u32..).map(|n| n * 100).zip(found) {
        any_v6 |= nic(facts, mac, metric);
    }
    if any_v6 {
        let origin = facts.origin("resolver of the VPC");
        let resolver = IpAddr::V6(RESOLVER6);
        facts
            .document
            .nameservers
            .push(Said::new(resolver.into(), origin));
    }
}

/// One NIC; answers whether it has IPv6.
fn nic(facts: &mut Facts<'_>, mac: Mac, metric: u32) -> bool {
    let link = LinkRef::Mac(mac);
    let origin = facts.origin(&format!("{MACS}/{mac}"));
    let v4: Vec<Ipv4Addr> = facts.values(&nic_key(mac, "local-ipv4s"));
    let v6: Vec<Ipv6Addr> = facts.values(&nic_key(mac, "ipv6s"));
    let subnet: Option<Prefix> = facts.value(&nic_key(mac, "subnet-ipv4-cidr-block"));
    let document = &mut facts.document;
    let mut config = LinkConfig::new(link.clone(), origin.clone());
    config.up = Some(true);
    document.links.push(config);
    // A subnet with IPv6 only still leases 169.254.x.y over DHCPv4, which must not count as IPv4.
    let methods = [
        (!v4.is_empty() || v6.is_empty(), AutoMethod::Dhcp4),
        (!v6.is_empty(), AutoMethod::Dhcp6),
    ];
    for (_, method) in methods.into_iter().filter(|(wanted, _)| *wanted) {
        let mut operator = OperatorConfig::new(link.clone(), method, origin.clone());
        operator.metric = Some(metric);
        document.operators.push(operator);
    }
    for address in v4.into_iter().skip(1).map(IpAddr::V4) {
        let len = subnet
            .filter(Prefix::is_ipv4)
            .map_or(32, |subnet| subnet.len());
        if let Ok(address) = Prefix::new(address, len) {
            document
                .addresses
                .push(AddressConfig::new(link.clone(), address, origin.clone()));
        }
    }
    !v6.is_empty()
}
