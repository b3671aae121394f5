//! Amazon EC2: the instance metadata service, version 2 with session tokens.
//!
//! docs.aws.amazon.com/AWSEC2, "Use the Instance Metadata Service" and "Instance metadata categories". Every NIC is set up
//! by its hardware address, in the order of network cards and device numbers; those behind the first answer through
//! routing tables of their own.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::facts::{Facts, is_blank};
use super::network::{MAX_NICS, OwnTable, router4, table_of};
use super::tokens::Tokens;
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::userdata::Base64;
use crate::config::{AutoMethod, LinkRef};
use crate::value::{Mac, Prefix};

/// The provider.
pub struct Aws;

const ROOT: &str = "/latest/meta-data";
const MACS: &str = "network/interfaces/macs";

/// The conversation takes seconds; the life is the longest there is.
const TOKENS: Tokens = Tokens {
    path: "/latest/api/token",
    life: ("X-aws-ec2-metadata-token-ttl-seconds", "21600"),
    header: "X-aws-ec2-metadata-token",
    read: |token| Some(token.to_owned()),
};

/// Tells the cloud from its imitations, whose time servers, name servers and routers are elsewhere.
const PARTITION: &str = "services/partition";

/// The listing of tags, where the owner lets the instance see them.
const TAGS: &str = "tags/instance/";

/// Most tags; the cloud allows 50.
const MAX_TAGS: usize = 64;

/// Keys of the instance; each may be missing.
const KEYS: [&str; 10] = [
    PARTITION,
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

/// The number of the network card, as instances have it and as the documentation calls it.
const CARD_KEYS: [&str; 2] = ["network-card", "network-card-index"];

/// Keys of a NIC.
const NIC_KEYS: [&str; 8] = [
    CARD_KEYS[0],
    CARD_KEYS[1],
    "device-number",
    "local-ipv4s",
    "public-ipv4s",
    "ipv6s",
    "subnet-ipv4-cidr-block",
    "subnet-ipv6-cidr-blocks",
];

/// The time service of every VPC, both families.
const TIME_SERVERS: [&str; 2] = ["169.254.169.123", "fd00:ec2::123"];

/// The resolver of a VPC over IPv6; the one over IPv4 comes by DHCP.
const RESOLVER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253);

/// The router of every subnet by IPv6; by IPv4 it is the first address ("IP addressing for your VPCs and subnets").
const ROUTER6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0xec2, 0, 0, 0, 0, 0, 1);

impl Provider for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://169.254.169.254", "http://[fd00:ec2::254]"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let keys = KEYS.iter().map(|key| (*key).to_owned());
        let listings = [format!("{MACS}/"), TAGS.to_owned()];
        let mut keys: Vec<String> = keys.chain(listings).collect();
        if let Some(Answer::Body(listing)) = answers.get(&format!("{MACS}/")) {
            let listing = core::str::from_utf8(listing).unwrap_or_default();
            for mac in macs(listing.lines()) {
                keys.extend(NIC_KEYS.iter().map(|key| nic_key(mac, key)));
            }
        }
        if let Some(Answer::Body(listing)) = answers.get(TAGS) {
            let listing = core::str::from_utf8(listing).unwrap_or_default();
            keys.extend(tags(listing.lines()).map(|tag| format!("{TAGS}{tag}")));
        }
        let asks = keys.into_iter().map(|key| {
            let path = format!("{ROOT}/{}", escape(&key));
            Ask::optional(key, path)
        });
        let user_data = Ask::optional("user-data", "/latest/user-data");
        TOKENS.before(answers, asks.chain([user_data]))
    }

    fn is_secret(&self, key: &str) -> bool {
        Tokens::is_token(key)
    }

    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        (key == TAGS || key.strip_suffix('/') == Some(MACS)) && is_blank(body)
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
            facts.external(address, "public-ipv4");
        }
        let listing = facts.lines(TAGS);
        for tag in tags(listing.into_iter()) {
            let key = format!("{TAGS}{tag}");
            let is_empty = facts
                .text(&key)
                .is_some_and(|value| value.trim().is_empty());
            if let Some(value) = facts.line(&key).or(is_empty.then_some("")) {
                facts.tag(tag, value, TAGS);
            }
        }
        let is_aws = facts
            .line(PARTITION)
            .is_some_and(|name| name.starts_with("aws"));
        let has_v6 = nics(&mut facts, is_aws);
        if is_aws {
            for server in TIME_SERVERS {
                facts.time_server(server, "time service of the VPC");
            }
            if has_v6 {
                facts.nameserver(RESOLVER6.into(), "resolver of the VPC");
            }
        }
        facts.finish("user-data", Base64::Maybe)
    }
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

/// Tags of a listing: one a line, with the spaces that are in it.
fn tags<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    // What would lead to another key is none.
    let up = |part: &str| matches!(part, "" | "." | "..");
    let tags = lines
        .map(str::trim)
        .filter(move |line| !line.split('/').any(up));
    tags.take(MAX_TAGS)
}

/// `path` with everything that is not plain in a URL escaped (RFC 3986 §2.1): tags are free text.
fn escape(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// All NICs in order, on the cloud itself or an imitation; answers whether any has IPv6.
fn nics(facts: &mut Facts<'_>, is_aws: bool) -> bool {
    let mut found: Vec<(u32, u32, Mac)> = Vec::new();
    let listing = facts.lines(&format!("{MACS}/"));
    let macs: Vec<Mac> = macs(listing.iter().copied()).collect();
    if macs.len() < listing.len().min(MAX_NICS) {
        facts.warn(MACS, "lists something else than hardware addresses");
    }
    for mac in macs {
        // Instances with one card have no number for it.
        let mut keys = CARD_KEYS.iter();
        let card = keys.find_map(|key| facts.value::<u32>(&nic_key(mac, key)));
        let device = facts.value::<u32>(&nic_key(mac, "device-number"));
        found.push((card.unwrap_or(0), device.unwrap_or(u32::MAX), mac));
    }
    found.sort_unstable();
    found.dedup();
    let mut any_v6 = false;
    for (position, (_, _, mac)) in found.into_iter().enumerate() {
        any_v6 |= nic(facts, mac, position, is_aws);
    }
    any_v6
}

/// One NIC: DHCP with spread metrics, and further addresses, which DHCP does not hand out. Answers whether it has IPv6.
fn nic(facts: &mut Facts<'_>, mac: Mac, position: usize, is_aws: bool) -> bool {
    let link = LinkRef::Mac(mac);
    let body = format!("{MACS}/{mac}");
    let v4: Vec<Ipv4Addr> = facts.values(&nic_key(mac, "local-ipv4s"));
    let v6: Vec<Ipv6Addr> = facts.values(&nic_key(mac, "ipv6s"));
    for address in facts.values::<IpAddr>(&nic_key(mac, "public-ipv4s")) {
        facts.external(address, &body);
    }
    let subnet4: Option<Prefix> = facts.value(&nic_key(mac, "subnet-ipv4-cidr-block"));
    let mut subnets = Vec::from_iter(subnet4);
    subnets.extend(facts.values::<Prefix>(&nic_key(mac, "subnet-ipv6-cidr-blocks")));
    facts.up(&link, None, &body);
    let table = table_of(position).filter(|_| is_aws);
    let metric = u32::try_from(position).ok().map(|n| (n + 1) * 100);
    // A subnet with IPv6 only still leases 169.254.x.y over DHCPv4, which must not count as IPv4.
    if !v4.is_empty() || v6.is_empty() {
        facts.dynamic_in(&link, AutoMethod::Dhcp4, metric, table, &body);
    }
    if !v6.is_empty() {
        facts.dynamic_in(&link, AutoMethod::Dhcp6, metric, table, &body);
    }
    let has_v6 = !v6.is_empty();
    let more = v4.iter().skip(1).map(|address| IpAddr::V4(*address));
    let more6 = v6.iter().skip(1).map(|address| IpAddr::V6(*address));
    for address in more.chain(more6) {
        let subnet = subnets.iter().find(|subnet| subnet.contains(address));
        let len = subnet.map(Prefix::len);
        let address = len.map_or(Ok(Prefix::host(address)), |len| Prefix::new(address, len));
        if let Ok(address) = address {
            facts.address(&link, address, &body);
        }
    }
    if let Some(table) = table {
        let mut gateways: Vec<IpAddr> = subnets.iter().filter_map(router4).take(1).collect();
        gateways.extend(has_v6.then_some(IpAddr::V6(ROUTER6)));
        let sources = v4.into_iter().map(IpAddr::V4);
        let own = OwnTable {
            sources: sources.chain(v6.into_iter().map(IpAddr::V6)).collect(),
            subnets,
            gateways,
        };
        facts.own_table(&link, table, &own, &body);
    }
    has_v6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn policy_routing() {
        check(
            &Aws,
            "aws/policy-routing",
            "Ok(Config(64 bytes))",
            &[
                "0e:aa:bb:cc:dd:01",
                "0e:aa:bb:cc:dd:02",
                "0e:aa:bb:cc:dd:00",
                "0e:aa:bb:cc:dd:01 has 10.0.0.11/24",
                "0e:aa:bb:cc:dd:01 has 2001:db8:1::11/64",
                "0e:aa:bb:cc:dd:02 has 10.0.1.11/24",
                "0e:aa:bb:cc:dd:02 to 10.0.1.0/24 table 101",
                "0e:aa:bb:cc:dd:02 to 2001:db8:2::/64 table 101",
                "0e:aa:bb:cc:dd:02 to all via 10.0.1.1 table 101",
                "0e:aa:bb:cc:dd:02 to all via fe80:ec2::1 table 101",
                "0e:aa:bb:cc:dd:00 to 10.0.2.0/24 table 102",
                "0e:aa:bb:cc:dd:00 to all via 10.0.2.1 table 102",
                "rule 10000 from 10.0.1.10/32 table 101",
                "rule 10001 from 10.0.1.11/32 table 101",
                "rule 10002 from 2001:db8:2::10/128 table 101",
                "rule 10003 from 10.0.2.10/32 table 102",
                "0e:aa:bb:cc:dd:01 runs Dhcp4 metric 100",
                "0e:aa:bb:cc:dd:01 runs Dhcp6 metric 100",
                "0e:aa:bb:cc:dd:02 runs Dhcp4 metric 200 table 101",
                "0e:aa:bb:cc:dd:02 runs Dhcp6 metric 200 table 101",
                "0e:aa:bb:cc:dd:00 runs Dhcp4 metric 300 table 102",
                "hostname ip-10-0-0-10.eu-west-1.compute.internal",
                "dns fd00:ec2::253",
                "ntp 169.254.169.123",
                "ntp fd00:ec2::123",
                "external 198.51.100.7",
                "external 198.51.100.8",
                "region=eu-west-1",
                "zone=eu-west-1b",
                "instanceType=p5.48xlarge",
                "internalDNS=ip-10-0-0-10.eu-west-1.compute.internal",
                "instanceId=i-0123456789abcdef2",
                "providerId=aws:///eu-west-1b/i-0123456789abcdef2",
                "tag Name=node 7",
                "tag team:role=edge",
            ],
        );
    }

    #[test]
    fn a_clone_without_tokens() {
        check(
            &Aws,
            "aws/clone-without-tokens",
            "Ok(Absent)",
            &[
                "0e:aa:bb:cc:dd:05",
                "0e:aa:bb:cc:dd:05 runs Dhcp4 metric 100",
                "hostname node8",
                "zone=zone-1",
                "internalDNS=node8",
                "instanceId=i-0123456789abcdef3",
                "providerId=aws:///zone-1/i-0123456789abcdef3",
            ],
        );
    }

    #[test]
    fn hostile_tags() {
        let bodies = [
            (
                TAGS,
                r##"Name
 ../../x 
a=b c

"##,
            ),
            (
                "tags/instance/Name",
                r##"a
b"##,
            ),
            ("tags/instance/a=b c", r##"é"##),
            (PARTITION, r##"other"##),
        ];
        check_bodies(
            &Aws,
            &bodies,
            "Ok(Absent)",
            &[
                "! aws: tags/instance/Name has more than one line",
                "tag a=b c=é",
            ],
        );
    }

    #[test]
    fn tags_are_free_text_in_a_path() {
        let listing = Answer::Body("Name\n../x\na b\n\u{e9}?\n".into());
        let token = Answer::Body(b"t".to_vec());
        let answers = [("token".to_owned(), token), (TAGS.to_owned(), listing)].into();
        let wanted = Aws.wanted(&answers);
        let paths: Vec<&str> = wanted
            .iter()
            .filter(|ask| ask.key.len() > TAGS.len() && ask.key.starts_with(TAGS))
            .map(|ask| ask.path.as_str())
            .collect();
        let root = "/latest/meta-data/tags/instance";
        assert_eq!(
            paths,
            [
                format!("{root}/Name"),
                format!("{root}/a%20b"),
                format!("{root}/%C3%A9%3F")
            ]
        );
    }

    #[test]
    fn clones_answer_a_put_in_several_ways() {
        for status in [404, 405, 501] {
            let answers = [("token".to_owned(), Answer::Status(status))].into();
            let wanted = Aws.wanted(&answers);
            assert!(wanted.len() > 1 && wanted.iter().skip(1).all(|ask| ask.headers.is_empty()));
        }
        let (bodies, asks) = converse(&Aws, "aws/policy-routing");
        assert!(!bodies.contains_key("token") && bodies.contains_key("tags/instance/team:role"));
        assert!(
            asks.iter()
                .skip(1)
                .all(|ask| ask.headers[0].1 == "invented-token")
        );
        assert!(Aws.is_partial(TAGS, b"\n") && Aws.is_partial("network/interfaces/macs/", b""));
        assert!(!Aws.is_partial("hostname", b""));
    }
}
