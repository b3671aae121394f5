//! Texts, and what they come to in one line a value.

use super::*;
use crate::config::platform::tests::fixtures::lines;
use crate::value::Layer;

fn parsed(text: &str) -> (Document, Vec<String>) {
    let mut out = Document::empty(Layer::Platform, "test");
    let faults = parse(text, "network_data", &mut out);
    let faults = faults.into_iter();
    (out, faults.map(|fault| fault.message).collect())
}

#[track_caller]
fn check(text: &str, expect: &[&str]) {
    let (out, faults) = parsed(text);
    let mut found: Vec<String> = faults.iter().map(|fault| format!("! {fault}")).collect();
    found.extend(lines(&out));
    assert_eq!(found, expect, "{found:#?}");
}

/// One card with these networks.
fn on_card(networks: &str) -> String {
    let links = r#"[{"id": "l1", "type": "phy", "ethernet_mac_address": "fa:16:3e:00:00:01"}]"#;
    format!(r#"{{"links": {links}, "networks": [{networks}]}}"#)
}

#[test]
fn the_types_of_cards() {
    for word in ["phy", "ovs", "dvs", "hw_veb", "vdpa", "", "some-other"] {
        check(
            &format!(
                r#"{{"links": [{{"type": "{word}", "ethernet_mac_address": "FA:16:3E:00:00:01", "mtu": "1450"}}]}}"#
            ),
            &["fa:16:3e:00:00:01 mtu 1450"],
        );
    }
    check(
        r#"{"links": [{"id": "l1", "ethernet_mac_address": "fa:16:3e:00:00:01", "type": null, "mtu": null}]}"#,
        &["fa:16:3e:00:00:01"],
    );
}

#[test]
fn infiniband_ports() {
    let (out, faults) = parsed(
        r#"{"links": [{"id": "ib", "type": "infiniband", "ethernet_mac_address": "fa:16:3e:00:00:01"}]}"#,
    );
    assert!(faults.is_empty());
    let LinkRef::Selector(selector) = &out.links[0].link else {
        panic!("{out:?}");
    };
    let glob: crate::value::Glob = selector.hardware_addr.as_deref().unwrap().parse().unwrap();
    let address = |tail: &str| format!("80:00:02:08:fe:80:00:00:00:00:00:00:{tail}");
    assert!(glob.matches(&address("fa:16:3e:ff:fe:00:00:01")));
    assert!(glob.matches(&address("fa:16:3e:03:00:00:00:01")));
    assert!(!glob.matches(&address("fa:16:3e:03:00:00:00:02")));
    assert!(!glob.matches("fa:16:3e:00:00:01"));
}

#[test]
fn bonds() {
    check(
        r#"{"links": [
            {"id": "b", "type": "bond", "bond_links": ["l2", "l1"], "bond_mode": "4", "bond_miimon": "100",
             "bond_xmit_hash_policy": "layer3+4", "ethernet_mac_address": "fa:16:3e:00:00:01", "mtu": 9000},
            {"id": "l1", "type": "phy", "ethernet_mac_address": "fa:16:3e:00:00:01", "mtu": 9000},
            {"id": "l2", "type": "phy", "ethernet_mac_address": "fa:16:3e:00:00:02"},
            {"id": "v", "type": "vlan", "vlan_link": "b", "vlan_id": "7", "vlan_mac_address": "fa:16:3e:00:00:07"}
          ], "networks": [{"link": "b", "type": "ipv4", "ip_address": "192.0.2.8/24"}, {"link": "v", "type": "ipv4_dhcp"}]}"#,
        &[
            "fa:16:3e:00:00:01 mtu 9000",
            "fa:16:3e:00:00:02",
            "bond0 802.3ad of fa:16:3e:00:00:02 fa:16:3e:00:00:01 mtu 9000",
            "bond0.7 7 on bond0 as fa:16:3e:00:00:07",
            "bond0 has 192.0.2.8/24",
            "bond0.7 runs Dhcp4",
        ],
    );
    let (out, _) = parsed(
        r#"{"links": [{"id": "a", "ethernet_mac_address": "fa:16:3e:00:00:01"}, {"type": "bond", "name": "front", "bond_mode": "802.3ad", "bond_links": ["a"], "bond_miimon": "150"}]}"#,
    );
    assert_eq!(out.links[0].up, None, "it comes up with the bond");
    assert_eq!(out.links[1].link, LinkRef::Name("front".parse().unwrap()));
    let Some(crate::config::KindConfig::Bond { options, .. }) = &out.links[1].kind else {
        panic!("{out:?}");
    };
    assert_eq!((options.miimon, options.updelay), (Some(150), None));
    assert!(options.lacp_rate.is_some() && options.lacp_active.is_some());
}

#[test]
fn vlans_in_any_order() {
    check(
        r#"{"links": [
            {"id": "v2", "type": "vlan", "vlan_link": "v1", "vlan_id": 8, "mtu": 1400},
            {"id": "v1", "type": "vlan", "vlan_link": "l1", "vlan_id": 7, "vlan_mac_address": "fa:16:3e:00:00:01"},
            {"id": "l1", "ethernet_mac_address": "fa:16:3e:00:00:01"}
          ], "networks": [{"link": "v2", "type": "ipv6_slaac"}]}"#,
        &[
            "fa:16:3e:00:00:01",
            "fa:16:3e:00:00:01.7 7 on fa:16:3e:00:00:01",
            "fa:16:3e:00:00:01.7.8 8 on fa:16:3e:00:00:01.7 mtu 1400",
            "fa:16:3e:00:00:01.7.8 runs Auto6",
        ],
    );
}

#[test]
fn hardware_addresses_of_vlans() {
    let (out, _) = parsed(
        r#"{"links": [
            {"id": "l1", "ethernet_mac_address": "fa:16:3e:00:00:01"},
            {"type": "vlan", "vlan_link": "l1", "vlan_id": 7, "vlan_mac_address": "fa:16:3e:00:00:01"},
            {"type": "vlan", "vlan_link": "l1", "vlan_id": 8, "vlan_mac_address": "fa:16:3e:00:00:08"}]}"#,
    );
    let macs: Vec<_> = out.links.iter().map(|link| link.mac).collect();
    assert_eq!(macs, [None, None, "fa:16:3e:00:00:08".parse().ok()]);
}

#[test]
fn networks() {
    check(
        &on_card(
            r#"{"id": "n1", "link": "l1", "type": "ipv4", "ip_address": "10.0.0.8", "netmask": "255.255.255.0",
                "gateway": "10.0.0.1", "dns_nameservers": ["192.0.2.53"], "dns_search": "example.net",
                "services": [{"type": "dns", "address": "192.0.2.54"}, {"type": "ntp", "address": "x"}],
                "routes": [
                    {"network": "10.8.0.9", "netmask": "255.255.0.0", "gateway": "10.0.0.254", "metric": "50"},
                    {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"},
                    {"network": "128.0.0.0", "netmask": "1", "gateway": "10.0.0.2"},
                    {"network": "0.0.0.0/1", "gateway": "10.0.0.2"},
                    {"network": "10.9.0.0/16", "gateway": null}]},
               {"link": "l1", "type": "ipv6", "ip_address": "2001:db8::8", "netmask": "ffff:ffff:ffff:ffff::",
                "gateway": "fe80::1", "routes": [{"network": "::", "netmask": "::", "gateway": "fe80::2"}]},
               {"link": "l1", "type": "ipv6", "ip_address": "2001:db8::9/64",
                "routes": [{"network": "::/0", "gateway": "fe80::3", "metric": 7}]}"#,
        ),
        &[
            "fa:16:3e:00:00:01",
            "fa:16:3e:00:00:01 has 10.0.0.8/24",
            "fa:16:3e:00:00:01 has 2001:db8::8/64",
            "fa:16:3e:00:00:01 has 2001:db8::9/64",
            "fa:16:3e:00:00:01 to all via 10.0.0.1",
            "fa:16:3e:00:00:01 to 10.8.0.0/16 via 10.0.0.254 metric 50",
            "fa:16:3e:00:00:01 to 128.0.0.0/1 via 10.0.0.2",
            "fa:16:3e:00:00:01 to 0.0.0.0/1 via 10.0.0.2",
            "fa:16:3e:00:00:01 to 10.9.0.0/16",
            "fa:16:3e:00:00:01 to all via fe80::1",
            "fa:16:3e:00:00:01 to all via fe80::2",
            "fa:16:3e:00:00:01 to all via fe80::3 metric 7",
            "dns 192.0.2.53",
            "dns 192.0.2.54",
            "search example.net",
        ],
    );
    check(
        &on_card(
            r#"{"link": "l1", "type": "ipv4_dhcp", "ip_address": "10.0.0.8"},
               {"link": "l1", "type": "ipv6_dhcp", "routes": [{"network": "::/0", "gateway": "fe80::1"}, {"network": "2001:db8:8::/48", "gateway": "fe80::2"}]},
               {"link": "l1", "type": "ipv6_dhcpv6-stateful"},
               {"link": "l1", "type": "ipv6_dhcpv6-stateless"},
               {"link": "l1", "type": "ipv6_slaac", "ip_address": "2001:db8::8/64", "gateway": "fe80::1"}"#,
        ),
        &[
            "fa:16:3e:00:00:01",
            "fa:16:3e:00:00:01 to 2001:db8:8::/48 via fe80::2",
            "fa:16:3e:00:00:01 runs Dhcp4",
            "fa:16:3e:00:00:01 runs Dhcp6",
            "fa:16:3e:00:00:01 runs Dhcp6",
            "fa:16:3e:00:00:01 runs Auto6",
            "fa:16:3e:00:00:01 runs Auto6",
        ],
    );
    check(
        r#"{"services": [{"type": "dns", "address": "192.0.2.53"}, {"type": "dns", "address": "2001:db8::53"}, {"type": "dns", "address": "192.0.2.53"}]}"#,
        &["dns 192.0.2.53", "dns 2001:db8::53"],
    );
}

#[test]
fn what_is_wrong_costs_itself() {
    check(
        r#"{"links": [
            {"id": "a"},
            {"id": "b", "ethernet_mac_address": "x"},
            {"id": "\u0007", "type": "bond", "bond_links": ["nobody", null]},
            {"id": "v", "type": "vlan", "vlan_link": "v", "vlan_id": 1},
            {"id": "w", "type": "vlan", "vlan_link": "l", "vlan_id": 4095},
            {"id": "x", "type": "vlan", "vlan_link": "l"},
            {"id": "l", "ethernet_mac_address": "fa:16:3e:00:00:01", "mtu": "many"},
            {"id": "l", "ethernet_mac_address": "fa:16:3e:00:00:02"},
            null, 7
          ], "networks": [
            {"link": "nobody", "type": "ipv4", "dns_nameservers": ["x", 7]},
            {"link": "l", "type": "ipv5"},
            {"link": "l", "type": "ipv4"},
            {"link": "l", "type": "ipv4", "ip_address": "10.0.0.8", "netmask": "255.0.255.0", "gateway": "10.0.0.1"},
            {"link": "l", "type": "ipv4", "ip_address": "10.0.0.8/24", "gateway": "here", "routes": [
                {"network": "10.0.0.0/33"}, {"gateway": "10.0.0.1"}, {"network": "10.1.0.0/16", "gateway": "x"},
                {"network": "10.2.0.0/16", "gateway": "::1"}, {"network": "10.3.0.0/16", "gateway": "10.0.0.3", "metric": -1}]},
            null
          ], "services": [{"type": "dns", "address": null}, {"type": null}, 3]}"#,
        &[
            "! network_data: links[0] (a) has no ethernet_mac_address",
            "! network_data: links[1] (b) has a ethernet_mac_address that is not what it should be",
            "! network_data: links[6] (l) has a mtu that is not what it should be",
            "! network_data: links[7] (l) has the id of another link, whose place it takes",
            "! network_data: links[8] has no ethernet_mac_address",
            "! network_data: links[9] has no ethernet_mac_address",
            "! network_data: links[2] (\\u{7}) has bond_links that are no usable links",
            "! network_data: links[2] (\\u{7}) has no members",
            "! network_data: links[4] (w) has a vlan_id that is not what it should be",
            "! network_data: links[5] (x) has no vlan_id",
            "! network_data: links[3] (v) has a vlan_link that is no usable link",
            "! network_data: networks[0] has a name server that is no IP address",
            "! network_data: networks[0] has a name server that is no IP address",
            "! network_data: networks[0] has a link that is no usable one",
            "! network_data: networks[1] has an unknown type",
            "! network_data: networks[2] has no ip_address",
            "! network_data: networks[3] has an ip_address that is none with its netmask",
            "! network_data: networks[4] has a gateway that is not what it should be",
            "! network_data: networks[4] has a route whose network is none with its netmask",
            "! network_data: networks[4] has a route whose network is none with its netmask",
            "! network_data: networks[4] has a route whose gateway is no IP address",
            "! network_data: networks[4] has a route whose gateway is of the other family",
            "! network_data: networks[4] has a metric that is not what it should be",
            "! network_data: networks[5] has a link that is no usable one",
            "! network_data: services has a name server that is no IP address",
            "fa:16:3e:00:00:01",
            "fa:16:3e:00:00:02",
            "fa:16:3e:00:00:02 has 10.0.0.8/24",
            "fa:16:3e:00:00:02 to 10.3.0.0/16 via 10.0.0.3",
        ],
    );
    check(
        "{\"links\": 7, \"networks\": null, \"services\": {}}",
        &["! network_data: links[0] has no ethernet_mac_address"],
    );
    check("null", &[]);
    check("", &[]);
    check("[]", &[]);
}

#[test]
fn lists_end() {
    let links: Vec<String> = (0..9000)
        .map(|n| {
            format!(
                r#"{{"id": "{n}", "ethernet_mac_address": "02:00:00:00:{:02x}:{:02x}"}}"#,
                n / 256,
                n % 256
            )
        })
        .collect();
    let networks: Vec<String> = (0..9000)
        .map(|n| format!(r#"{{"link": "0", "type": "ipv4", "ip_address": "10.0.{}.{}", "gateway": "10.0.0.{}"}}"#, n / 256, n % 256, n % 256))
        .collect();
    let text = format!(
        r#"{{"links": [{}], "networks": [{}]}}"#,
        links.join(","),
        networks.join(",")
    );
    let (out, faults) = parsed(&text);
    assert_eq!(out.links.len(), MAX_LINKS);
    assert_eq!(out.addresses.len(), MAX_ITEMS);
    assert!(faults.len() <= MAX_DIAGNOSTICS);
}

proptest::proptest! {
    #[test]
    fn anything_is_harmless(text in "[\\[\\]{}:,\"a-z0-9./ ]{0,80}") {
        parsed(&text);
    }
}
