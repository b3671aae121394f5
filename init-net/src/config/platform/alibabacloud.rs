//! Alibaba Cloud: keys in the manner of EC2 behind a session token; lists are JSON arrays.
//!
//! alibabacloud.com/help/en/ecs, "View instance metadata".

use core::net::IpAddr;

use super::facts::{Facts, is_blank};
use super::network::{MAX_NICS, OwnTable, spread, table_of};
use super::tokens::Tokens;
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::userdata::Base64;
use crate::config::{AutoMethod, LinkRef};
use crate::value::{Mac, Prefix};

/// The provider.
pub struct AlibabaCloud;

const ROOT: &str = "/latest/meta-data";
const MACS: &str = "network/interfaces/macs/";
const USER_DATA: &str = "user-data";

/// Key of the primary card's hardware address.
const MAC: &str = "mac";

/// Keys of the instance, each of which may be missing.
const KEYS: [&str; 10] = [
    "instance-id",
    "hostname",
    "region-id",
    "zone-id",
    "instance/instance-type",
    "public-ipv4",
    "eipv4",
    "dns-conf/nameservers",
    "ntp-conf/ntp-servers",
    MAC,
];

/// Keys of a card.
const NIC_KEYS: [&str; 4] = ["private-ipv4s", "ipv6s", "vswitch-cidr-block", "gateway"];

/// Time servers that are used; the service names a dozen.
const MAX_TIME_SERVERS: usize = 5;

/// The conversation takes seconds; the life is the longest there is.
const TOKENS: Tokens = Tokens {
    path: "/latest/api/token",
    life: ("X-aliyun-ecs-metadata-token-ttl-seconds", "21600"),
    header: "X-aliyun-ecs-metadata-token",
    read: |token| Some(token.to_owned()),
};

impl Provider for AlibabaCloud {
    fn name(&self) -> &'static str {
        "alibabacloud"
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://100.100.100.200"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let keys = KEYS.iter().map(|key| (*key).to_owned());
        let mut keys: Vec<String> = keys.chain([MACS.to_owned()]).collect();
        if let Some(Answer::Body(listing)) = answers.get(MACS) {
            let listing = core::str::from_utf8(listing).unwrap_or_default();
            for mac in macs(listing.lines()) {
                keys.extend(NIC_KEYS.iter().map(|key| nic_key(mac, key)));
            }
        }
        let asks = keys.into_iter().map(|key| {
            let path = format!("{ROOT}/{key}");
            Ask::optional(key, path)
        });
        let user_data = Ask::optional(USER_DATA, "/latest/user-data");
        TOKENS.before(answers, asks.chain([user_data]))
    }

    fn is_secret(&self, key: &str) -> bool {
        Tokens::is_token(key)
    }

    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        matches!(key, MACS | MAC) && is_blank(body)
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        facts.hostname("hostname");
        facts.fact("region-id", "region");
        facts.fact("zone-id", "zone");
        facts.fact("instance/instance-type", "instanceType");
        let region = facts.line("region-id").unwrap_or_default();
        if let Some(id) = facts.line("instance-id") {
            facts.know("instanceId", Some(id.to_owned()));
            facts.know("providerId", Some(format!("{region}.{id}")));
        }
        for key in ["public-ipv4", "eipv4"] {
            if let Some(address) = facts.value::<IpAddr>(key) {
                facts.external(address, key);
            }
        }
        for address in list::<IpAddr>(&mut facts, "dns-conf/nameservers") {
            facts.nameserver(address, "dns-conf/nameservers");
        }
        let servers = facts.lines("ntp-conf/ntp-servers");
        for server in servers.into_iter().take(MAX_TIME_SERVERS) {
            facts.time_server(server, "ntp-conf/ntp-servers");
        }
        nics(&mut facts);
        facts.finish(USER_DATA, Base64::Maybe)
    }
}

fn nic_key(mac: Mac, key: &str) -> String {
    format!("{MACS}{mac}/{key}")
}

/// The addresses of a listing, whose lines end in `/`.
fn macs<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = Mac> {
    lines
        .filter_map(|line| line.trim().trim_end_matches('/').parse().ok())
        .take(MAX_NICS)
}

/// The values at `key`: a JSON array, or one a line.
fn list<T: core::str::FromStr>(facts: &mut Facts<'_>, key: &str) -> Vec<T> {
    match facts.text(key).map(str::trim_start) {
        Some(text) if text.starts_with('[') => match facts.tree(key) {
            Some(root) => facts.items(&root, key),
            None => Vec::new(),
        },
        _ => facts.values(key),
    }
}

/// The primary card first, then the others in order of their addresses.
fn nics(facts: &mut Facts<'_>) {
    let primary = facts.value::<Mac>(MAC);
    let listing = facts.lines(MACS);
    let mut found: Vec<Mac> = macs(listing.into_iter()).collect();
    found.extend(primary);
    found.sort_unstable_by_key(|mac| (Some(*mac) != primary, *mac));
    found.dedup();
    let count = found.len();
    for (position, mac) in found.into_iter().enumerate() {
        nic(facts, mac, position, count);
    }
}

/// DHCP by the families of its addresses; further IPv4 addresses, which DHCP does not hand out; a table of its own for
/// what further cards send.
fn nic(facts: &mut Facts<'_>, mac: Mac, position: usize, count: usize) {
    let link = LinkRef::Mac(mac);
    let body = format!("{MACS}{mac}");
    let v4: Vec<IpAddr> = list(facts, &nic_key(mac, "private-ipv4s"));
    let v6: Vec<IpAddr> = list(facts, &nic_key(mac, "ipv6s"));
    let subnet: Option<Prefix> = facts.value(&nic_key(mac, "vswitch-cidr-block"));
    let gateway: Option<IpAddr> = facts.value(&nic_key(mac, "gateway"));
    facts.up(&link, None, &body);
    let table = table_of(position);
    let metric = spread(position, count);
    if !v4.is_empty() || v6.is_empty() {
        facts.dynamic_in(&link, AutoMethod::Dhcp4, metric, table, &body);
    }
    if !v6.is_empty() {
        facts.dynamic_in(&link, AutoMethod::Dhcp6, metric, table, &body);
    }
    for address in v4.iter().skip(1) {
        let len = subnet.filter(|subnet| subnet.contains(*address));
        let address = match len {
            Some(subnet) => Prefix::new(*address, subnet.len()).ok(),
            None => Some(Prefix::host(*address)),
        };
        if let Some(address) = address {
            facts.address(&link, address, &body);
        }
    }
    if let Some(table) = table {
        let own = OwnTable {
            sources: v4.into_iter().chain(v6).collect(),
            subnets: subnet.into_iter().collect(),
            gateways: gateway.into_iter().collect(),
        };
        facts.own_table(&link, table, &own, &body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies};

    #[test]
    fn one_card() {
        check(
            &AlibabaCloud,
            "alibabacloud/one-card",
            "Ok(Config(64 bytes))",
            &[
                "00:16:3e:00:00:01",
                "00:16:3e:00:00:01 runs Dhcp4",
                "hostname node7",
                "dns 100.100.2.136",
                "dns 100.100.2.138",
                "ntp ntp1.aliyun.example",
                "ntp ntp2.aliyun.example",
                "external 198.51.100.7",
                "region=cn-hangzhou",
                "zone=cn-hangzhou-i",
                "instanceType=ecs.g7.large",
                "instanceId=i-bp1000000000000042",
                "providerId=cn-hangzhou.i-bp1000000000000042",
            ],
        );
    }

    #[test]
    fn two_cards() {
        check(
            &AlibabaCloud,
            "alibabacloud/two-cards",
            "Ok(Absent)",
            &[
                "00:16:3e:00:00:12",
                "00:16:3e:00:00:11",
                "00:16:3e:00:00:12 has 172.16.1.8/24",
                "00:16:3e:00:00:11 to 172.16.2.0/24 table 101",
                "00:16:3e:00:00:11 to all via 172.16.2.253 table 101",
                "rule 10000 from 172.16.2.7/32 table 101",
                "rule 10001 from 2001:db8:2::7/128 table 101",
                "00:16:3e:00:00:12 runs Dhcp4 metric 100",
                "00:16:3e:00:00:11 runs Dhcp4 metric 200 table 101",
                "00:16:3e:00:00:11 runs Dhcp6 metric 200 table 101",
                "hostname node8",
                "external 198.51.100.9",
                "region=eu-central-1",
                "zone=eu-central-1a",
                "instanceType=ecs.c7.xlarge",
                "instanceId=i-gw8000000000000043",
                "providerId=eu-central-1.i-gw8000000000000043",
            ],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [
            (MACS, "zz/\n00:16:3e:00:00:01/\n"),
            (
                "network/interfaces/macs/00:16:3e:00:00:01/private-ipv4s",
                "[\"x\", 7, null]",
            ),
            ("hostname", "a; reboot"),
            ("dns-conf/nameservers", "[[]]"),
        ];
        check_bodies(
            &AlibabaCloud,
            &bodies,
            "Ok(Absent)",
            &[
                "! alibabacloud: hostname is not what it should be",
                "! alibabacloud: dns-conf/nameservers has items that are not what they should be",
                "! alibabacloud: network/interfaces/macs/00:16:3e:00:00:01/private-ipv4s has items \
                 that are not what they should be",
                "00:16:3e:00:00:01",
                "00:16:3e:00:00:01 runs Dhcp4",
            ],
        );
    }
}
