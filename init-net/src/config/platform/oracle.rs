//! Oracle Cloud Infrastructure: JSON, version 2 with a fixed header, version 1 without where that is all there is.
//!
//! docs.oracle.com/iaas, "Getting Instance Metadata". DHCP serves the first card; of IPv4 the others get nothing by it, and
//! the fabric drops what leaves a card from an address of another.

use core::net::IpAddr;

use super::facts::Facts;
use super::network::{OwnTable, cards, table_of};
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::machine::tree::Node;
use crate::config::userdata::Base64;
use crate::config::{AutoMethod, KindConfig, LinkConfig, LinkRef};
use crate::value::{Mac, Mtu, Prefix, VlanId};

/// The provider.
pub struct Oracle;

/// Keys of the documents.
const INSTANCE: &str = "instance";
const VNICS: &str = "vnics";
const USER_DATA: &str = "user_data";

/// Key of the instance by version 1, which is asked where version 2 is refused.
const INSTANCE_V1: &str = "instance/v1";

/// Resolver and time server of every network.
const SERVICE: &str = "169.254.169.254";

/// Bytes that fit on every card of the fabric (docs.oracle.com, "Overview of Networking").
const MTU: u32 = 9000;

impl Provider for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://169.254.169.254", "http://[fd00:c1::a9fe:a9fe]"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let second = |ask: Ask| ask.with("Authorization", "Bearer Oracle");
        let mut asks = vec![second(Ask::required(INSTANCE, "/opc/v2/instance/"))];
        let old = || Ask::required(INSTANCE_V1, "/opc/v1/instance/");
        match (answers.get(INSTANCE), answers.get(INSTANCE_V1)) {
            (Some(Answer::Body(_)), _) => asks.extend([
                second(Ask::optional(VNICS, "/opc/v2/vnics/")),
                second(Ask::optional(
                    USER_DATA,
                    "/opc/v2/instance/metadata/user_data",
                )),
            ]),
            (Some(Answer::Status(_)), Some(Answer::Body(_))) => asks.extend([
                old(),
                Ask::optional(VNICS, "/opc/v1/vnics/"),
                Ask::optional(USER_DATA, "/opc/v1/instance/metadata/user_data"),
            ]),
            (Some(Answer::Status(_)), _) => asks.push(old()),
            (Some(Answer::Unreachable) | None, _) => {}
        }
        asks
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        let key = match bodies.contains_key(INSTANCE) {
            true => INSTANCE,
            false => INSTANCE_V1,
        };
        if let Some(root) = facts.tree(key) {
            facts.hostname_at(&root, "hostname", key);
            facts.hostname_at(&root, "displayName", key);
            let region = facts.word(&root, "canonicalRegionName", key);
            let region = region.or_else(|| facts.word(&root, "region", key));
            facts.know("region", region);
            let domain = facts.word(&root, "availabilityDomain", key);
            let zone = domain.map(|domain| match domain.split_once(':') {
                Some((_, zone)) => zone.to_owned(),
                None => domain,
            });
            facts.know("zone", zone);
            facts.fact_at(&root, "shape", "instanceType", key);
            let id = facts.word(&root, "id", key);
            facts.identity(id, "oci");
        }
        if let Ok(server) = SERVICE.parse::<IpAddr>() {
            facts.nameserver(server, "resolver of the VCN");
        }
        facts.time_server(SERVICE, "time service of the VCN");
        if let Some(root) = facts.tree(VNICS) {
            vnics(&root, &mut facts);
        }
        facts.finish(USER_DATA, Base64::Always)
    }
}

/// One card as the machine sees it.
struct Card {
    link: LinkRef,
    mac: Mac,
    /// On bare metal, further cards are VLANs of a real one, with hardware addresses of their own (docs.oracle.com, "Virtual
    /// Network Interface Cards").
    over: Option<(Mac, VlanId)>,
    /// Whether such VLANs are on it.
    is_below: bool,
}

impl Card {
    fn up(&self, facts: &mut Facts<'_>, mtu: Option<u32>) {
        let mut config = LinkConfig::new(self.link.clone(), facts.origin(VNICS));
        config.up = Some(true);
        config.mtu = mtu.and_then(|mtu| Mtu::try_from(mtu).ok());
        if let Some((parent, id)) = self.over {
            config.mac = Some(self.mac);
            config.kind = Some(KindConfig::Vlan {
                parent: LinkRef::Mac(parent),
                id,
                protocol: None,
            });
        }
        facts.document.links.push(config);
    }
}

/// The first one is the primary.
fn vnics(root: &Node, facts: &mut Facts<'_>) {
    let list: Vec<&Node> = cards(Some(root)).collect();
    for (position, vnic) in list.iter().enumerate() {
        if let Some(card) = card(vnic, &list, facts) {
            vnic_of(vnic, &card, position, facts);
        }
    }
}

/// The number of the real card that `vnic` is on, and its tag there; `None`: this is no bare metal, where tags mean
/// nothing to the machine.
fn place(vnic: &Node) -> Option<(&str, u16)> {
    let tag = vnic.at("vlanTag").and_then(Node::text);
    let tag = tag.map_or(0, |tag| tag.trim().parse().unwrap_or(u16::MAX));
    Some((vnic.at("nicIndex")?.text()?, tag))
}

fn card(vnic: &Node, list: &[&Node], facts: &mut Facts<'_>) -> Option<Card> {
    let Some(mac) = facts.read::<Mac>(vnic, "macAddr", VNICS) else {
        facts.warn(VNICS, "has a card without macAddr");
        return None;
    };
    let (index, tag) = match place(vnic) {
        Some((index, tag)) if tag != 0 => (index, tag),
        untagged => {
            let mut others = list.iter();
            let is_below = untagged.is_some_and(|(index, _)| {
                others.any(|other| place(other).is_some_and(|(of, tag)| of == index && tag != 0))
            });
            let link = LinkRef::Mac(mac);
            return Some(Card {
                link,
                mac,
                over: None,
                is_below,
            });
        }
    };
    let mut others = list.iter();
    let below = others.find(|other| place(other) == Some((index, 0)));
    let below = below.and_then(|other| other.at("macAddr")?.text()?.trim().parse::<Mac>().ok());
    let (Some(below), Ok(id)) = (below, VlanId::try_from(tag)) else {
        facts.warn(
            VNICS,
            "has a card with a vlanTag that is none, or on a NIC that is not told",
        );
        return None;
    };
    let link = LinkRef::Vlan {
        parent: Box::new(LinkRef::Mac(below)),
        id,
    };
    Some(Card {
        link,
        mac,
        over: Some((below, id)),
        is_below: false,
    })
}

fn vnic_of(vnic: &Node, card: &Card, position: usize, facts: &mut Facts<'_>) {
    let link = &card.link;
    let v4: Option<IpAddr> = facts.read(vnic, "privateIp", VNICS);
    let v6: Vec<IpAddr> = facts.each(vnic, "ipv6Addresses", VNICS);
    let subnets = ["subnetCidrBlock", "ipv6SubnetCidrBlock"];
    let subnets: Vec<Prefix> = subnets
        .iter()
        .filter_map(|key| facts.read(vnic, key, VNICS))
        .collect();
    let gateways = ["virtualRouterIp", "ipv6VirtualRouterIp"];
    let gateways: Vec<IpAddr> = gateways
        .iter()
        .filter_map(|key| facts.read(vnic, key, VNICS))
        .collect();
    let Some(table) = table_of(position) else {
        // A VLAN has no larger packets than what it is on.
        card.up(facts, card.is_below.then_some(MTU));
        if v4.is_some() || v6.is_empty() {
            facts.dynamic(link, AutoMethod::Dhcp4, None, VNICS);
        }
        if !v6.is_empty() {
            facts.dynamic(link, AutoMethod::Dhcp6, None, VNICS);
        }
        return;
    };
    card.up(facts, Some(MTU));
    let sources: Vec<IpAddr> = v4.into_iter().chain(v6).collect();
    for address in &sources {
        let subnet = subnets.iter().find(|subnet| subnet.contains(*address));
        let address = match subnet {
            Some(subnet) => Prefix::new(*address, subnet.len()).ok(),
            None => Some(Prefix::host(*address)),
        };
        if let Some(address) = address {
            facts.address(link, address, VNICS);
        }
    }
    let speaks = |is_ipv4: bool| sources.iter().any(|address| address.is_ipv4() == is_ipv4);
    let own = OwnTable {
        subnets: subnets
            .into_iter()
            .filter(|subnet| speaks(subnet.is_ipv4()))
            .collect(),
        gateways: gateways
            .into_iter()
            .filter(|gateway| speaks(gateway.is_ipv4()))
            .collect(),
        sources,
    };
    facts.own_table(link, table, &own, VNICS);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn two_vnics() {
        check(
            &Oracle,
            "oracle/two-vnics",
            "Ok(Config(64 bytes))",
            &[
                "02:00:17:00:00:01",
                "02:00:17:00:00:02 mtu 9000",
                "02:00:17:00:00:02 has 10.0.2.7/24",
                "02:00:17:00:00:02 has 2001:db8:c:2::7/64",
                "02:00:17:00:00:02 to 10.0.2.0/24 table 101",
                "02:00:17:00:00:02 to 2001:db8:c:2::/64 table 101",
                "02:00:17:00:00:02 to all via 10.0.2.1 table 101",
                "02:00:17:00:00:02 to all via fe80::200:17ff:fe00:2 table 101",
                "rule 10000 from 10.0.2.7/32 table 101",
                "rule 10001 from 2001:db8:c:2::7/128 table 101",
                "02:00:17:00:00:01 runs Dhcp4",
                "hostname node7",
                "dns 169.254.169.254",
                "ntp 169.254.169.254",
                "region=eu-frankfurt-1",
                "zone=EU-FRANKFURT-1-AD-2",
                "instanceType=VM.Standard.E4.Flex",
                "instanceId=ocid1.instance.oc1.eu-frankfurt-1.aaaa42",
                "providerId=oci://ocid1.instance.oc1.eu-frankfurt-1.aaaa42",
            ],
        );
    }

    #[test]
    fn ipv6_only_by_version_1() {
        let (_, asks) = converse(&Oracle, "oracle/ipv6-only-v1");
        let paths: Vec<&str> = asks.iter().map(|ask| ask.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/opc/v2/instance/",
                "/opc/v1/instance/",
                "/opc/v1/vnics/",
                "/opc/v1/instance/metadata/user_data",
            ]
        );
        assert!(
            asks[0]
                .headers
                .contains(&("Authorization", "Bearer Oracle".into()))
        );
        assert!(asks[1].headers.is_empty());
        check(
            &Oracle,
            "oracle/ipv6-only-v1",
            "Ok(Absent)",
            &[
                "02:00:17:00:00:05",
                "02:00:17:00:00:05 runs Dhcp6",
                "hostname node8",
                "dns 169.254.169.254",
                "ntp 169.254.169.254",
                "region=iad",
                "zone=US-ASHBURN-AD-1",
                "instanceType=VM.Standard2.1",
                "instanceId=ocid1.instance.oc1.iad.aaaa43",
                "providerId=oci://ocid1.instance.oc1.iad.aaaa43",
            ],
        );
    }

    #[test]
    fn bare_metal() {
        check(
            &Oracle,
            "oracle/bare-metal",
            "Ok(Absent)",
            &[
                "02:00:17:00:00:11 mtu 9000",
                "02:00:17:00:00:11.1 1 on 02:00:17:00:00:11 as 02:00:17:00:00:12 mtu 9000",
                "02:00:17:00:00:13 mtu 9000",
                "02:00:17:00:00:11.1 has 10.0.2.12/24",
                "02:00:17:00:00:13 has 10.0.3.13/24",
                "02:00:17:00:00:11.1 to 10.0.2.0/24 table 101",
                "02:00:17:00:00:11.1 to all via 10.0.2.1 table 101",
                "02:00:17:00:00:13 to 10.0.3.0/24 table 102",
                "02:00:17:00:00:13 to all via 10.0.3.1 table 102",
                "rule 10000 from 10.0.2.12/32 table 101",
                "rule 10001 from 10.0.3.13/32 table 102",
                "02:00:17:00:00:11 runs Dhcp4",
                "hostname metal1",
                "dns 169.254.169.254",
                "ntp 169.254.169.254",
                "region=us-ashburn-1",
                "zone=US-ASHBURN-AD-3",
                "instanceType=BM.Standard3.64",
                "instanceId=ocid1.instance.oc1.iad.aaaa44",
                "providerId=oci://ocid1.instance.oc1.iad.aaaa44",
            ],
        );
        let vnics = r#"[{"macAddr":"02:00:17:00:00:01","nicIndex":0,"vlanTag":"0"},
            {"macAddr":"02:00:17:00:00:02","nicIndex":1,"vlanTag":7},{"macAddr":"02:00:17:00:00:03","nicIndex":0,"vlanTag":4095},
            {"macAddr":"02:00:17:00:00:04","nicIndex":"0","vlanTag":"70000","privateIp":"10.0.0.9"}]"#;
        check_bodies(
            &Oracle,
            &[(VNICS, vnics)],
            "Ok(Absent)",
            &[
                "! oracle: vnics has a card with a vlanTag that is none, or on a NIC that is not told",
                "! oracle: vnics has a card with a vlanTag that is none, or on a NIC that is not told",
                "! oracle: vnics has a card with a vlanTag that is none, or on a NIC that is not told",
                "02:00:17:00:00:01 mtu 9000",
                "02:00:17:00:00:01 runs Dhcp4",
                "dns 169.254.169.254",
                "ntp 169.254.169.254",
            ],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let vnics = "[{\"macAddr\": \"zz\"}, null, 5, {\"macAddr\": \"02:00:17:00:00:01\", \
                     \"privateIp\": [], \"ipv6Addresses\": {\"a\": 1}}]";
        check_bodies(
            &Oracle,
            &[
                (VNICS, vnics),
                (INSTANCE, "{\"hostname\": \"a;b\", \"id\": null}"),
            ],
            "Ok(Absent)",
            &[
                "! oracle: instance has a hostname that is not what it should be",
                "! oracle: vnics has a macAddr that is not what it should be",
                "! oracle: vnics has a card without macAddr",
                "! oracle: vnics has a card without macAddr",
                "! oracle: vnics has a card without macAddr",
                "! oracle: vnics has a privateIp that is not what it should be",
                "! oracle: vnics has ipv6Addresses that are not what they should be",
                "02:00:17:00:00:01 mtu 9000",
                "dns 169.254.169.254",
                "ntp 169.254.169.254",
            ],
        );
    }
}
