//! Microsoft Azure: the instance metadata service, and the CD with which an instance is made.
//!
//! learn.microsoft.com/azure/virtual-machines, "Azure Instance Metadata Service". How a machine says that it is there:
//! `report`.

mod report;

use core::net::{IpAddr, Ipv6Addr};

use super::facts::{Facts, is_blank};
use super::media::{FileSystem, Medium, Volume};
use super::network::{OwnTable, cards, prefix, router4, spread, table_of};
use super::xml::text_at;
use super::{Answer, Answers, Ask, Bodies, Known, Outcome, Parsed, Provider, fixed};
use crate::config::machine::tree::Node;
use crate::config::userdata::Base64;
use crate::config::{AutoMethod, DeviceSelector, LinkRef};
use crate::value::{Hostname, Mac, Prefix};

/// The provider.
pub struct Azure;

/// The description on the CD.
const OVF: &str = "ovf-env.xml";

/// Where its values are.
const OVF_PATH: [&str; 3] = [
    "Environment",
    "ProvisioningSection",
    "LinuxProvisioningConfigurationSet",
];

const COMPUTE: &str = "compute";
const NETWORK: &str = "network/interface";
const BALANCER: &str = "loadbalancer";
const USER_DATA: &str = "userData";

/// The version that is asked, and the one that Azure Stack has: it answers 400 to what it does not know.
const VERSION: &str = "2021-12-13";
const OLDER: &str = "2019-06-01";

/// Keys of answers of the older version.
const OLDER_COMPUTE: &str = "2019-06-01/compute";
const OLDER_NETWORK: &str = "2019-06-01/network/interface";

/// The driver of the cards. The one below, of an accelerated card, has the same hardware address and none of its own.
const DRIVER: &str = "hv_netvsc";

/// Where the routers of every network are by IPv6.
const ROUTER6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x1234, 0x5678, 0x9abc);

/// Metric of the way through it: routers advertise themselves, with a better one.
const ROUTER6_METRIC: u32 = 4096;

/// Length of the network of a further address when none is said.
const USUAL_LEN: u8 = 24;

impl Provider for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn media(&self) -> &'static [Medium] {
        &[Medium::Volume(Volume {
            labels: &[],
            file_systems: &[FileSystem::Udf, FileSystem::Iso9660],
            files: &[OVF],
        })]
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://169.254.169.254"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let path = |what: &str, version: &str| format!("/metadata/{what}?api-version={version}");
        let mut asks = vec![Ask::required(COMPUTE, path("instance/compute", VERSION))];
        match answers.get(COMPUTE) {
            Some(Answer::Body(_)) => {
                let interfaces = path("instance/network/interface", VERSION);
                asks.push(Ask::required(NETWORK, interfaces));
                asks.push(Ask::optional(BALANCER, path("loadbalancer", VERSION)));
                let user_data = path("instance/compute/userData", VERSION);
                asks.push(Ask::optional(USER_DATA, user_data + "&format=text"));
            }
            Some(Answer::Status(400)) => {
                asks.push(Ask::required(
                    OLDER_COMPUTE,
                    path("instance/compute", OLDER),
                ));
                let interfaces = path("instance/network/interface", OLDER);
                asks.push(Ask::required(OLDER_NETWORK, interfaces));
            }
            Some(Answer::Status(_) | Answer::Unreachable) | None => {}
        }
        let asks = asks.into_iter();
        asks.map(|ask| ask.with("Metadata", "true")).collect()
    }

    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        matches!(key, COMPUTE | NETWORK | OLDER_COMPUTE | OLDER_NETWORK) && is_blank(body)
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        let disc = disc(&mut facts);
        let computes = [COMPUTE, OLDER_COMPUTE];
        let compute = computes
            .iter()
            .find_map(|key| Some((*key, facts.tree(key)?)));
        let profile = compute
            .as_ref()
            .and_then(|(key, root)| Some((*key, root.at("osProfile")?)));
        if let Some((key, profile)) = profile {
            facts.hostname_at(profile, "computerName", key);
        }
        // Azure Stack does not tell it.
        if let Some(hostname) = disc.hostname {
            facts.set_hostname(hostname, OVF);
        }
        if let Some((key, root)) = &compute {
            self::compute(&mut facts, root, key);
        }
        for key in [NETWORK, OLDER_NETWORK] {
            if let Some(root) = facts.tree(key) {
                let list: Vec<&Node> = cards(Some(&root)).collect();
                for (position, node) in list.iter().enumerate() {
                    interface(&mut facts, node, position, list.len(), key);
                }
                break;
            }
        }
        balancer(&mut facts);
        match bodies.get(USER_DATA) {
            Some(body) if !is_blank(body) => facts.finish(USER_DATA, Base64::Always),
            Some(_) | None => facts.finish_with(disc.custom_data.as_bytes(), OVF, Base64::Always),
        }
    }

    fn report(&self, outcome: Outcome<'_>, answers: &Answers) -> Vec<Ask> {
        report::asks(outcome, answers)
    }
}

/// What the CD says.
#[derive(Default)]
struct Disc {
    hostname: Option<Hostname>,
    custom_data: String,
}

fn disc(facts: &mut Facts<'_>) -> Disc {
    let Some(text) = facts.text(OVF) else {
        return Disc::default();
    };
    let [environment, section, set] = OVF_PATH;
    let at = |name| text_at(text, &[environment, section, set, name]);
    match (at("HostName"), at("CustomData")) {
        (Ok(hostname), Ok(custom_data)) => Disc {
            hostname: hostname.and_then(|name| name.trim().parse().ok()),
            custom_data: custom_data.unwrap_or_default(),
        },
        (Err(rule), _) | (_, Err(rule)) => {
            facts.warn(OVF, rule);
            Disc::default()
        }
    }
}

fn compute(facts: &mut Facts<'_>, root: &Node, key: &str) {
    if facts.document.hostnames.is_empty() {
        facts.hostname_at(root, "name", key);
    }
    let location = facts.word(root, "location", key).unwrap_or_default();
    let location = location.to_lowercase();
    let zone = match facts.word(root, "zone", key) {
        Some(zone) => Some(format!("{location}-{}", zone.to_lowercase())),
        None => facts.word(root, "platformFaultDomain", key),
    };
    facts.know("region", Some(location));
    facts.know("zone", zone);
    facts.fact_at(root, "vmSize", "instanceType", key);
    let id = facts.word(root, "resourceId", key);
    facts.know("instanceId", id.clone());
    facts.know("providerId", id.map(|id| provider_id(&id)));
    if facts.word(root, "evictionPolicy", key).is_some() {
        facts.know("spot", Some("true".to_owned()));
    }
    let tags = root.at("tagsList").map(Node::items).unwrap_or_default();
    for tag in tags {
        if let Some(name) = facts.word(tag, "name", key) {
            let value = facts.word(tag, "value", key).unwrap_or_default();
            facts.tag(&name, &value, key);
        }
    }
}

/// The cloud writes the name of the resource group in whatever case it was typed; those who compare want one.
fn provider_id(id: &str) -> String {
    let mut is_group = false;
    let parts = id.split('/').map(|part| {
        let lower = is_group;
        is_group = part.eq_ignore_ascii_case("resourceGroups");
        if lower {
            part.to_lowercase()
        } else {
            part.to_owned()
        }
    });
    format!("azure://{}", parts.collect::<Vec<_>>().join("/"))
}

/// DHCP gives the first address of each family, and the MTU; further ones are static. Cards behind the first have no
/// router by DHCP and answer through a table of their own.
fn interface(facts: &mut Facts<'_>, node: &Node, position: usize, count: usize, key: &str) {
    let Some(mac) = facts.read::<Mac>(node, "macAddress", key) else {
        return facts.warn(key, "has an interface without usable macAddress");
    };
    let link = LinkRef::Selector(DeviceSelector {
        hardware_addr: Some(mac.to_string()),
        driver: Some(DRIVER.to_owned()),
        ..DeviceSelector::default()
    });
    facts.up(&link, None, key);
    let v4 = Family::read(facts, node.at("ipv4"), key);
    let v6 = Family::read(facts, node.at("ipv6"), key);
    let metric = spread(position, count);
    let table = table_of(position);
    if !v4.addresses.is_empty() || v6.addresses.is_empty() {
        facts.dynamic_in(&link, AutoMethod::Dhcp4, metric, table, key);
    }
    if !v6.addresses.is_empty() {
        facts.dynamic_in(&link, AutoMethod::Dhcp6, metric, table, key);
        if position == 0 {
            let router = Some(ROUTER6.into());
            facts.route(&link, None, router, Some(ROUTER6_METRIC), key);
        }
    }
    let len = v4.subnets.first().map_or(USUAL_LEN, Prefix::len);
    for address in v4.addresses.iter().skip(1) {
        if let Ok(address) = Prefix::new(*address, len) {
            facts.address(&link, address, key);
        }
    }
    for address in v6.addresses.iter().skip(1) {
        facts.address(&link, Prefix::host(*address), key);
    }
    if let Some(table) = table {
        // learn.microsoft.com, "Virtual network FAQ": the first address of every network is its router.
        let mut gateways: Vec<IpAddr> = v4.subnets.iter().filter_map(router4).collect();
        gateways.truncate(1);
        gateways.extend((!v6.addresses.is_empty()).then_some(IpAddr::V6(ROUTER6)));
        let own = OwnTable {
            sources: [v4.addresses, v6.addresses].concat(),
            subnets: [v4.subnets, v6.subnets].concat(),
            gateways,
        };
        facts.own_table(&link, table, &own, key);
    }
}

/// What a card has of one address family.
struct Family {
    addresses: Vec<IpAddr>,
    subnets: Vec<Prefix>,
}

impl Family {
    fn read(facts: &mut Facts<'_>, node: Option<&Node>, key: &str) -> Self {
        let list = |name| node.and_then(|node| node.at(name)).map(Node::items);
        let mut addresses = Vec::new();
        for entry in list("ipAddress").unwrap_or_default() {
            addresses.extend(facts.read::<IpAddr>(entry, "privateIpAddress", key));
            let public = facts.read(entry, "publicIpAddress", key);
            public
                .into_iter()
                .for_each(|address| facts.external(address, key));
        }
        let mut subnets = Vec::new();
        for subnet in list("subnet").unwrap_or_default() {
            subnets.extend(facts.prefix_at(subnet, "address", "prefix", key));
        }
        Self { addresses, subnets }
    }
}

/// Addresses of load balancers in front of the machine.
fn balancer(facts: &mut Facts<'_>) {
    let Some(root) = facts.tree(BALANCER) else {
        return;
    };
    let inner = root.at("loadbalancer");
    let list = inner.and_then(|inner| inner.at("publicIpAddresses"));
    for entry in list.map(Node::items).unwrap_or_default() {
        let Some(text) = facts.word(entry, "frontendIpAddress", BALANCER) else {
            continue;
        };
        // IPv6 stands in brackets.
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        match prefix(bare, None) {
            Some(address) => facts.external(address.address(), BALANCER),
            None => facts.warn(BALANCER, "has a frontendIpAddress that is no IP address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn one_nic() {
        check(
            &Azure,
            "azure/one-nic",
            "Ok(Config(64 bytes))",
            &[
                "00:0d:3a:aa:bb:cc/hv_netvsc",
                "00:0d:3a:aa:bb:cc/hv_netvsc runs Dhcp4",
                "hostname node7",
                "external 203.0.113.5",
                "region=westeurope",
                "zone=0",
                "instanceType=Standard_D2s_v5",
                "instanceId=/subscriptions/0a1b2c3d-0000-4000-8000-000000000042/resourceGroups/Example-RG/providers/Microsoft.Compute/virtualMachines/vm-node7",
                "providerId=azure:///subscriptions/0a1b2c3d-0000-4000-8000-000000000042/resourceGroups/example-rg/providers/Microsoft.Compute/virtualMachines/vm-node7",
                "tag env=test",
            ],
        );
    }

    #[test]
    fn accelerated_two_nics() {
        check(
            &Azure,
            "azure/accelerated-two-nics",
            "Ok(Config(64 bytes))",
            &[
                "00:0d:3a:aa:bb:cc/hv_netvsc",
                "00:0d:3a:aa:bb:cd/hv_netvsc",
                "00:0d:3a:aa:bb:cc/hv_netvsc has 10.4.0.8/24",
                "00:0d:3a:aa:bb:cd/hv_netvsc has 10.5.0.8/25",
                "00:0d:3a:aa:bb:cc/hv_netvsc to all via fe80::1234:5678:9abc metric 4096",
                "00:0d:3a:aa:bb:cd/hv_netvsc to 10.5.0.0/25 table 101",
                "00:0d:3a:aa:bb:cd/hv_netvsc to fd00:5::/64 table 101",
                "00:0d:3a:aa:bb:cd/hv_netvsc to all via 10.5.0.1 table 101",
                "00:0d:3a:aa:bb:cd/hv_netvsc to all via fe80::1234:5678:9abc table 101",
                "rule 10000 from 10.5.0.7/32 table 101",
                "rule 10001 from 10.5.0.8/32 table 101",
                "rule 10002 from fd00:5::7/128 table 101",
                "00:0d:3a:aa:bb:cc/hv_netvsc runs Dhcp4 metric 100",
                "00:0d:3a:aa:bb:cc/hv_netvsc runs Dhcp6 metric 100",
                "00:0d:3a:aa:bb:cd/hv_netvsc runs Dhcp4 metric 200 table 101",
                "00:0d:3a:aa:bb:cd/hv_netvsc runs Dhcp6 metric 200 table 101",
                "hostname node7",
                "external 203.0.113.6",
                "external 2001:db8:4::7",
                "external 203.0.113.80",
                "external 2001:db8:4::80",
                "region=westeurope",
                "zone=westeurope-2",
                "instanceType=Standard_D2s_v5",
                "instanceId=/subscriptions/0a1b2c3d-0000-4000-8000-000000000042/resourceGroups/Example-RG/providers/Microsoft.Compute/virtualMachines/vm-node7",
                "providerId=azure:///subscriptions/0a1b2c3d-0000-4000-8000-000000000042/resourceGroups/example-rg/providers/Microsoft.Compute/virtualMachines/vm-node7",
                "spot=true",
                "tag env=test",
            ],
        );
    }

    #[test]
    fn azure_stack() {
        let bodies = [
            (
                OLDER_COMPUTE,
                r##"{"location":"local","name":"vm-9","vmSize":"Standard_A1","platformFaultDomain":0,"resourceId":"/a/RESOURCEGROUPS/B"}"##,
            ),
            (
                OLDER_NETWORK,
                r##"[{"macAddress":"00-0D-3A-AA-BB-CC","ipv4":{"ipAddress":[{"privateIpAddress":"10.4.0.7"}]}}]"##,
            ),
            (
                OVF,
                r##"<Environment><ProvisioningSection><LinuxProvisioningConfigurationSet><HostName>node9</HostName><CustomData>a2luZDogWA==</CustomData></LinuxProvisioningConfigurationSet></ProvisioningSection></Environment>"##,
            ),
        ];
        check_bodies(
            &Azure,
            &bodies,
            "Ok(Config(7 bytes))",
            &[
                "00:0d:3a:aa:bb:cc/hv_netvsc",
                "00:0d:3a:aa:bb:cc/hv_netvsc runs Dhcp4",
                "hostname node9",
                "region=local",
                "zone=0",
                "instanceType=Standard_A1",
                "instanceId=/a/RESOURCEGROUPS/B",
                "providerId=azure:///a/RESOURCEGROUPS/b",
            ],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [
            (
                COMPUTE,
                r##"{"osProfile":[],"location":7,"zone":null,"name":"a/b","vmSize":"x\ny","tagsList":[{"value":"x"},{"name":"","value":"y"},7],"evictionPolicy":{}}"##,
            ),
            (
                NETWORK,
                r##"[null,{},{"macAddress":"xyz"},{"macAddress":"000D3AAABBCC","ipv4":null,"ipv6":{"ipAddress":[{"privateIpAddress":"x","publicIpAddress":"y"}],"subnet":[{"address":"fd00::","prefix":"z"}]}},{"macAddress":"000D3AAABBCD","ipv4":{"ipAddress":[7,{"privateIpAddress":"10.0.0.1"}],"subnet":[{"address":"255.255.255.255","prefix":"32"}]}}]"##,
            ),
            (
                BALANCER,
                r##"{"loadbalancer":{"publicIpAddresses":[{},{"frontendIpAddress":"[x]"}]}}"##,
            ),
            (OVF, r##"<Environment><!DOCTYPE"##),
            (USER_DATA, r##"%%%"##),
        ];
        check_bodies(
            &Azure,
            &bodies,
            "Err(Base64)",
            &[
                "! azure: ovf-env.xml is damaged XML",
                "! azure: compute has a name that is not what it should be",
                "! azure: compute has a vmSize that is too long or holds control characters",
                "! azure: network/interface has an interface without usable macAddress",
                "! azure: network/interface has an interface without usable macAddress",
                "! azure: network/interface has a macAddress that is not what it should be",
                "! azure: network/interface has an interface without usable macAddress",
                "! azure: network/interface has a privateIpAddress that is not what it should be",
                "! azure: network/interface has a publicIpAddress that is not what it should be",
                "! azure: network/interface has a address that is no address with its mask",
                "! azure: loadbalancer has a frontendIpAddress that is no IP address",
                "00:0d:3a:aa:bb:cc/hv_netvsc",
                "00:0d:3a:aa:bb:cd/hv_netvsc",
                "00:0d:3a:aa:bb:cd/hv_netvsc to 255.255.255.255/32 table 104",
                "rule 10000 from 10.0.0.1/32 table 104",
                "00:0d:3a:aa:bb:cc/hv_netvsc runs Dhcp4 metric 400 table 103",
                "00:0d:3a:aa:bb:cd/hv_netvsc runs Dhcp4 metric 500 table 104",
                "region=7",
            ],
        );
    }

    fn wanted(compute: Option<Answer>) -> Vec<String> {
        let answers = compute
            .map(|answer| (COMPUTE.to_owned(), answer))
            .into_iter()
            .collect();
        let asks = Azure.wanted(&answers);
        let header = ("Metadata", "true".to_owned());
        assert!(asks.iter().all(|ask| ask.headers == [header.clone()]));
        asks.into_iter().map(|ask| ask.path).collect()
    }

    #[test]
    fn requests() {
        let first = "/metadata/instance/compute?api-version=2021-12-13";
        assert_eq!(wanted(None), [first]);
        assert_eq!(wanted(Some(Answer::Status(404))), [first]);
        assert_eq!(
            wanted(Some(Answer::Body(b"{}".to_vec()))),
            [
                first,
                "/metadata/instance/network/interface?api-version=2021-12-13",
                "/metadata/loadbalancer?api-version=2021-12-13",
                "/metadata/instance/compute/userData?api-version=2021-12-13&format=text",
            ]
        );
        assert_eq!(
            wanted(Some(Answer::Status(400))),
            [
                first,
                "/metadata/instance/compute?api-version=2019-06-01",
                "/metadata/instance/network/interface?api-version=2019-06-01",
            ]
        );
        let (bodies, asks) = converse(&Azure, "azure/one-nic");
        assert!(bodies.contains_key(OVF) && asks.len() == 4);
        assert!(Azure.is_partial(NETWORK, b"[]") && !Azure.is_partial(USER_DATA, b""));
    }
}
