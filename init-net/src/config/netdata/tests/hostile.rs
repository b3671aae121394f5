//! Texts that no cloud writes.

use std::fmt::Write as _;

use super::super::reader::{MAX_ITEMS, MAX_LINKS};
use super::super::{openstack, parse};
use crate::config::{Diagnostic, Document};
use crate::value::Layer;

/// Most faults of one text, with those of the YAML itself.
const MOST_FAULTS: usize = 100;

/// Reads `text` as everything, and asserts what holds whatever it is.
fn read(text: &str) -> (Document, Vec<Diagnostic>) {
    let mut other = Document::empty(Layer::Platform, "test");
    let faults = openstack::parse(text, "network_data.json", &mut other);
    assert_bounded(&other, &faults);
    let mut out = Document::empty(Layer::Platform, "test");
    let faults = parse(text, "network-config", &mut out);
    assert_bounded(&out, &faults);
    (out, faults)
}

fn assert_bounded(out: &Document, faults: &[Diagnostic]) {
    assert!(out.links.len() <= MAX_LINKS, "{} links", out.links.len());
    for len in [
        out.addresses.len(),
        out.routes.len(),
        out.operators.len(),
        out.rules.len(),
        out.nameservers.len(),
        out.search_domains.as_ref().map_or(0, Vec::len),
    ] {
        assert!(len <= MAX_ITEMS, "{len}");
    }
    assert!(faults.len() <= MOST_FAULTS, "{} faults", faults.len());
    for fault in faults {
        assert!(fault.effect.is_some(), "{fault}");
        for line in fault.to_string().lines() {
            assert!(line.chars().count() <= 100, "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}

fn tells(faults: &[Diagnostic], rule: &str) -> bool {
    faults.iter().any(|fault| fault.message.ends_with(rule))
}

#[test]
fn ten_thousand_of_everything() {
    let many = |row: &dyn Fn(usize) -> String| {
        (0..10_000).fold(String::new(), |mut text, n| {
            let _ = writeln!(text, "{}", row(n));
            text
        })
    };
    let (out, faults) = read(&format!(
        "version: 1\nconfig:\n{}",
        many(&|n| format!("- {{type: physical, name: e{n}, subnets: [{{type: dhcp}}]}}"))
    ));
    assert_eq!(out.links.len(), MAX_LINKS);
    assert!(tells(&faults, "more than 256 links"), "{faults:?}");
    let list = many(&|n| {
        format!(
            "  - {{network: 10.{}.{}.0/24, gateway: 192.0.2.1}}",
            n / 256,
            n % 256
        )
    });
    let (out, faults) = read(&format!(
        "version: 1\nconfig:\n- type: physical\n  name: e\n  subnets:\n  - type: manual\n    routes:\n{}",
        list.replace("  - ", "    - ")
    ));
    assert_eq!(out.routes.len(), MAX_ITEMS);
    assert!(tells(&faults, "more than 4096 routes"), "{faults:?}");
    let servers = many(&|n| format!("  - 10.9.{}.{}", n / 256, n % 256));
    let (out, faults) = read(&format!(
        "version: 1\nconfig:\n- type: nameserver\n  address:\n{servers}"
    ));
    assert_eq!(out.nameservers.len(), MAX_ITEMS);
    assert!(tells(&faults, "more than 4096 address"), "{faults:?}");
    let (out, faults) = read(&format!(
        "version: 2\nethernets:\n{}",
        many(&|n| format!("  e{n}: {{dhcp4: true, match: {{name: 'e{n}'}}}}"))
    ));
    assert_eq!(out.links.len(), MAX_LINKS);
    assert!(tells(&faults, "more than 256 links"), "{faults:?}");
    let rules = many(&|n| format!("    - {{from: 10.{}.{}.0/24, table: 7}}", n / 256, n % 256));
    let (out, faults) = read(&format!(
        "version: 2\nethernets:\n  e:\n    routing-policy:\n{rules}"
    ));
    assert_eq!(out.rules.len(), MAX_ITEMS);
    assert!(
        tells(&faults, "more than 4096 routing-policy"),
        "{faults:?}"
    );
    // Faults as many as entries.
    let (_, faults) = read(&format!(
        "version: 1\nconfig:\n{}",
        many(&|_| "- {type: odd}".to_owned())
    ));
    assert!(!faults.is_empty());
}

#[test]
fn deep() {
    let open = "[".repeat(5000);
    let (_, faults) = read(&format!("version: 1\nconfig: {open}"));
    assert!(!faults.is_empty());
    let maps = "{a: ".repeat(60) + "1" + &"}".repeat(60);
    read(&format!(
        "{{version: 1, config: [{{type: bond, name: b, bond_interfaces: {maps}, params: {maps}}}]}}"
    ));
}

/// Every value in the place of every other.
#[test]
fn wrong_types() {
    let values = [
        "1",
        "-1",
        "true",
        "x",
        "''",
        "'a\\nb'",
        "\"a\\nb\\e\"",
        "[]",
        "[[1], {a: b}]",
        "{a: {b: [c]}}",
        "null",
        "1e400",
    ];
    let keys = [
        "name",
        "mac_address",
        "mtu",
        "accept-ra",
        "subnets",
        "bond_interfaces",
        "params",
        "bridge_interfaces",
        "vlan_link",
        "vlan_id",
        "address",
        "search",
        "destination",
        "network",
        "netmask",
        "gateway",
        "metric",
    ];
    for kind in [
        "physical",
        "bond",
        "bridge",
        "vlan",
        "nameserver",
        "route",
        "loopback",
        "infiniband",
    ] {
        for key in keys {
            for value in values {
                let rest = keys.iter().filter(|other| **other != key);
                let rest: String = rest.map(|key| format!(", {key}: eth0")).collect();
                read(&format!(
                    "{{version: 1, config: [{{type: {kind}, {key}: {value}{rest}}}]}}"
                ));
                read(&format!(
                    "{{version: 1, config: [{{type: {kind}, name: n, {key}: {value}}}]}}"
                ));
            }
        }
    }
    let keys = [
        "match",
        "set-name",
        "macaddress",
        "mtu",
        "dhcp4",
        "dhcp6",
        "dhcp4-overrides",
        "accept-ra",
        "link-local",
        "addresses",
        "gateway4",
        "gateway6",
        "nameservers",
        "routes",
        "routing-policy",
        "ipv6-privacy",
        "ipv6-address-generation",
        "interfaces",
        "parameters",
        "id",
        "link",
        "table",
        "activation-mode",
        "dhcp-identifier",
    ];
    for section in [
        "ethernets",
        "bonds",
        "bridges",
        "vlans",
        "vrfs",
        "dummy-devices",
        "wifis",
    ] {
        for value in values {
            read(&format!("{{version: 2, {section}: {value}}}"));
            read(&format!("{{version: 2, {section}: {{a: {value}}}}}"));
            for key in keys {
                let rest = keys.iter().filter(|other| **other != key);
                let rest: String = rest.map(|key| format!(", {key}: 7")).collect();
                read(&format!(
                    "{{version: 2, {section}: {{a: {{{key}: {value}{rest}}}}}}}"
                ));
                read(&format!(
                    "{{version: 2, {section}: {{a: {{{key}: [{value}]}}}}}}"
                ));
                read(&format!(
                    "{{version: 2, {section}: {{a: {{{key}: {{name: {value}, to: {value}, via: {value}, addresses: {value}}}}}}}}}"
                ));
            }
        }
    }
    for root in values {
        read(root);
        read(&format!("{{version: 1, config: {root}}}"));
        read(&format!("{{network: {root}}}"));
    }
}

#[test]
fn names_that_break_lines() {
    let (out, faults) = read(
        "{version: 1, config: [{type: physical, name: \"eth0\\nresolv\"}, {type: bond, name: \"b\\rc\", bond_interfaces: [\"a\\u0007b\"]}, {type: nameserver, address: \"10.0.0.1\\nsearch x\", search: \"a\\u001b[2J\"}]}",
    );
    assert!(out.links.is_empty() && out.nameservers.is_empty() && out.search_domains.is_none());
    assert_eq!(faults.len(), 4);
}

proptest::proptest! {
    #[test]
    fn any_text_never_panics(text: String) {
        read(&text);
        read(&format!("{{version: 1, config: [{{type: physical, name: {text}}}]}}"));
        read(&format!("version: 1\nconfig:\n- type: bond\n  {text}\n"));
        read(&format!("version: 2\nethernets:\n  {text}\n"));
        read(&format!("version: 2\nethernets:\n  a:\n    routes: [{{to: {text}}}]\n"));
    }
}
