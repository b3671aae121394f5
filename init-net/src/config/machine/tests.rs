//! The documents, as people write them.

mod hostile;
mod older;

use proptest::prelude::*;

use super::parse;
use crate::config::{AutoHostname, AutoMethod, Document, Severity};

fn document(text: &str) -> Document {
    let (document, diagnostics) = parse(text, "config.yaml");
    assert_eq!(diagnostics, [], "{text}");
    document
}

/// What is wrong with `text`, one line a fault: severity, place, message, fix.
#[track_caller]
fn check(text: &str, expect: &[&str]) {
    let (_, diagnostics) = parse(text, "config.yaml");
    let found: Vec<String> = diagnostics
        .iter()
        .map(|d| {
            let place = d.place.as_ref().map_or("", |place| place.position.as_str());
            let place = place.replace("line ", "").replace(", column ", ":");
            let fix = d
                .fix
                .as_ref()
                .map_or(String::new(), |fix| format!(" ({fix})"));
            let severity = match d.severity {
                Severity::Error => "",
                Severity::Warning => "warning: ",
                Severity::Note => "note: ",
            };
            format!("{place} {severity}{}{fix}", d.message)
        })
        .collect();
    assert_eq!(found, expect);
}

const LINK: &str = "\
apiVersion: v1alpha1
kind: LinkConfig
name: enp3s0
mtu: 9000
up: yes
addresses:
  - address: 192.0.2.10/24
  - address: 2001:db8:7::10/64
    routePriority: 2048
routes:
  - gateway: 192.0.2.1
  - destination: 198.51.100.0/24
    gateway: 192.0.2.254
    metric: 500
    table: \"100\"
";

#[test]
fn link_config() {
    let document = document(LINK);
    let link = &document.links[0];
    assert_eq!(format!("{:?}", link.link), "Name(enp3s0)");
    assert_eq!(
        (link.up, link.mtu.map(|mtu| mtu.bytes())),
        (Some(true), Some(9000))
    );
    let second = &document.addresses[1];
    assert_eq!(second.address.to_string(), "2001:db8:7::10/64");
    assert_eq!(second.priority, Some(2048));
    assert_eq!(second.origin.to_string(), "config.yaml line 8");
    let span = second.origin.span.unwrap();
    assert_eq!(&LINK[span.start..span.end], "2001:db8:7::10/64");
    assert_eq!(document.routes[0].destination, None);
    assert_eq!(document.routes[1].table.map(|table| table.id()), Some(100));
    assert_eq!(document.default_dhcp.map(|said| said.value), Some(false));
}

#[test]
fn json_is_yaml() {
    let text = r#"{"apiVersion":"v1alpha1","kind":"LinkConfig","name":"eth0","mtu":1400,
        "addresses":[{"address":"192.0.2.1/24"}]}"#;
    let document = document(text);
    assert_eq!(document.addresses[0].origin.place.as_ref(), "line 2");
    assert_eq!(document.links[0].mtu.map(|mtu| mtu.bytes()), Some(1400));
}

#[test]
fn the_other_kinds() {
    let document = document(
        "
apiVersion: v1alpha1
kind: DHCPv4Config
name: enp3s0
routeMetric: 200
clientIdentifier: duid
duidRaw: 00:03:00:01:52:54:00:aa:bb:cc
---
apiVersion: v1alpha1
kind: HostnameConfig
hostname: Edge-17.lab.example
---
apiVersion: v1alpha1
kind: ResolverConfig
nameservers: [{address: 192.0.2.53}, {address: '2001:db8::53', protocol: do53}]
searchDomains: {domains: [lab.example]}
---
apiVersion: v1alpha1
kind: StaticHostConfig
name: 192.0.2.200
hostnames: [registry.lab.example, registry]
---
apiVersion: v1alpha1
kind: TimeSyncConfig
ntp: {servers: [time1.lab.example, 192.0.2.123]}
---
apiVersion: v1alpha1
kind: TrustedRootsConfig
name: not-ours
certificates: whatever
",
    );
    let operator = &document.operators[0];
    assert_eq!(
        (operator.method, operator.metric),
        (AutoMethod::Dhcp4, Some(200))
    );
    let duid = [0, 3, 0, 1, 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
    assert_eq!(operator.client_id.as_deref(), Some(&duid[..]));
    assert_eq!(
        document.hostnames[0].value.to_string(),
        "edge-17.lab.example"
    );
    assert_eq!(document.nameservers.len(), 2);
    assert_eq!(
        document.search_domains.unwrap()[0].value.to_string(),
        "lab.example"
    );
    assert_eq!(document.hosts[0].names.len(), 2);
    assert_eq!(document.time_servers[1].value, "192.0.2.123");
}

#[test]
fn automatic_names() {
    let header = "apiVersion: v1alpha1\nkind: HostnameConfig\n";
    let stable = document(&format!("{header}auto: stable"));
    assert_eq!(stable.auto_hostname.unwrap().value, AutoHostname::Stable);
    check(
        header,
        &["1:1 HostnameConfig: hostname or auto must be given"],
    );
    check(
        &format!("{header}auto: maybe"),
        &["3:7 HostnameConfig: auto: expected stable or off"],
    );
    check(
        &format!("{header}auto: stable\nhostname: a"),
        &["3:7 HostnameConfig: auto: stable stands beside hostname (keep one of them)"],
    );
    check(
        &format!("{header}hostname: \"a\\nb\""),
        &[
            "3:11 HostnameConfig: hostname: a host name holds letters, digits, inner \"-\" and \".\" (RFC 1123 section 2.1)",
        ],
    );
}

#[test]
fn the_older_form() {
    let document = document(
        "
version: v1alpha1
persist: true
machine:
  type: worker
  token: abc
  install: {disk: /dev/sda}
  time: {servers: [192.0.2.123]}
  network:
    hostname: node7
    nameservers: [192.0.2.53]
    searchDomains: [lab.example]
    extraHostEntries: [{ip: 192.0.2.9, aliases: [nine]}]
    interfaces:
      - interface: eth0
        addresses: [192.0.2.10/24, 2001:db8::1]
        routes: [{network: 0.0.0.0/0, gateway: 192.0.2.1, metric: 50}]
        mtu: 1400
      - interface: eth1
        dhcp: true
        dhcpOptions: {routeMetric: 300, ipv6: true}
      - interface: eth2
        ignore: true
        whatever: 1
cluster: {secret: xyz}
",
    );
    assert_eq!(document.hostnames[0].value.name(), "node7");
    assert_eq!(document.addresses[1].address.to_string(), "2001:db8::1/128");
    assert_eq!(document.routes[0].metric, Some(50));
    let methods: Vec<_> = document
        .operators
        .iter()
        .map(|o| (o.method, o.metric))
        .collect();
    let expect = [
        (AutoMethod::Dhcp4, Some(300)),
        (AutoMethod::Dhcp6, Some(300)),
    ];
    assert_eq!(methods, expect);
    assert_eq!(document.ignored_links[0].value.as_str(), "eth2");
    assert_eq!(document.time_servers.len(), 1);
    assert_eq!(
        document.default_dhcp, None,
        "this form does not turn default DHCP off"
    );
}

/// A LinkConfig with one more line.
fn link(line: &str) -> String {
    format!("apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\n{line}\n")
}

#[test]
fn strictness() {
    check(
        &link("adresses: []"),
        &["4:1 LinkConfig: unknown key \"adresses\" (did you mean addresses?)"],
    );
    check(
        &link("mtu: 9"),
        &["4:6 LinkConfig: mtu: an MTU is a number of bytes from 68 to 65536"],
    );
    check(&link("mtu: 0"), &[]);
    check(
        &link("mtu: 010"),
        &["4:6 LinkConfig: mtu: a number does not begin with 0: others read it as octal"],
    );
    check(
        &link("up: maybe"),
        &["4:5 LinkConfig: up: expected true or false"],
    );
    check(
        &link("up: 'true'"),
        &["4:5 LinkConfig: up: expected true or false"],
    );
    check(
        &link("addresses: 192.0.2.1/24"),
        &["4:12 LinkConfig: addresses is a list (write it as [ … ])"],
    );
    check(
        &link("addresses: [192.0.2.1/24]"),
        &["4:13 address: expected keys and values (a mapping)"],
    );
    check(
        &link("addresses: [{address: 192.0.2.1}]"),
        &["4:23 address: address: a prefix length is 0 to 32 for IPv4 and 0 to 128 for IPv6"],
    );
    check(
        &link("routes: [{gateway: 192.0.2.300}]"),
        &["4:20 route: gateway: expected an IP address"],
    );
    check(
        &link("routes: [{gateway: '::'}]"),
        &["4:20 route: a gateway is not 0.0.0.0 or :: (leave it out for an on-link route)"],
    );
    check(
        &link("routes: [{gateway: 'fe80::1', destination: 10.0.0.0/8}]"),
        &[],
    );
    check(
        &link("routes: [{gateway: 192.0.2.1, destination: '2001:db8::/32'}]"),
        &["4:20 route: an IPv6 destination has no IPv4 gateway"],
    );
    check(
        &link("mtu: 1\nmtu: 2"),
        &[
            "5:1 the key \"mtu\" stands here twice, first in line 4",
            "4:6 LinkConfig: mtu: an MTU is a number of bytes from 68 to 65536",
        ],
    );
    check(
        "apiVersion: v1alpha1\nkind: LinkConfig\nnames: x\n",
        &[
            "3:1 LinkConfig: unknown key \"names\" (did you mean name?)",
            "1:1 LinkConfig: name must be given",
        ],
    );
}

#[test]
fn values_are_checked_where_they_stand() {
    let dhcp = |line: &str| format!("apiVersion: v1alpha1\nkind: DHCPv4Config\nname: a\n{line}\n");
    check(
        &dhcp("clientIdentifier: duidd\nduidRaw: 00:03:00"),
        &["4:19 DHCPv4Config: clientIdentifier: expected none, mac or duid (did you mean duid?)"],
    );
    check(
        &dhcp("duidRaw: 00:03:00"),
        &["4:10 DHCPv4Config: duidRaw needs clientIdentifier: duid"],
    );
    check(
        &dhcp("routeMetric: -1"),
        &["4:14 DHCPv4Config: routeMetric: expected a whole number from 0 to 4294967295"],
    );
    check(
        "apiVersion: v1alpha1\nkind: TimeSyncConfig\nntp: {servers: [a b, c]}\nptp: {devices: [/dev/ptp0]}",
        &[
            "3:17 ntp: servers: a time server is an IP address or a host name",
            "4:16 note: ptp: devices is not applied yet",
            "4:6 TimeSyncConfig: ntp and ptp exclude each other (keep one of them)",
        ],
    );
    check(
        "apiVersion: v1alpha1\nkind: ResolverConfig\nhostDNS: {enabled: 3, on: x}",
        &[
            "3:20 hostDNS: enabled: expected true or false",
            "3:23 hostDNS: unknown key \"on\"",
        ],
    );
    check(
        &link("routess: []\nroutes: [{gatway: 192.0.2.1, table: 0}]"),
        &[
            "4:1 LinkConfig: unknown key \"routess\" (did you mean routes?)",
            "5:11 route: unknown key \"gatway\" (did you mean gateway?)",
            "5:37 route: table: a routing table is main, local, default or a number from 1 to 4294967295",
        ],
    );
    check(
        "machine: {sysctls: {vm.x: 1, net.core.somaxconn: 9, net: 2}}",
        &["1:53 machine: this is not the name of a kernel parameter \
             (write net.ipv4.ip_forward or net/ipv4/conf/eth0.5/rp_filter)"],
    );
}

#[test]
fn documents_that_are_none() {
    check(
        "kind: LinkConfig\nname: a\n",
        &["1:1 document: apiVersion must be v1alpha1"],
    );
    check(
        "apiVersion: v1alpha1\nkind: LinkConfg\n",
        &["2:7 unknown kind \"LinkConfg\" (did you mean LinkConfig?)"],
    );
    check(
        "apiVersion: v1alpha1\nkind: Zzz\n",
        &["2:7 unknown kind \"Zzz\""],
    );
    check(
        "just text",
        &["1:1 document: expected keys and values (a mapping)"],
    );
    check(
        "a: 1",
        &["1:1 document: kind must be given (write kind: LinkConfig, or another one)"],
    );
    check(
        &format!("{0}---\n{0}", link("mtu: 1400")),
        &[
            "8:7 document: a second LinkConfig eth0, after that of line 1 (write both into one document)",
        ],
    );
    check(
        "machine: {}\n---\nmachine: {}\n",
        &[
            "3:1 document: a second one with machine or cluster, after that of line 1 (write both into one document)",
        ],
    );
    check("", &[]);
    check("---\n---\n# nothing\n", &[]);
}

#[test]
fn one_bad_route_costs_only_itself() {
    let text = link(
        "addresses: [{address: 192.0.2.1/24}]\nroutes: [{gateway: x}, {gateway: 192.0.2.254}]",
    );
    let (document, diagnostics) = parse(&text, "c");
    assert_eq!(
        (
            document.addresses.len(),
            document.routes.len(),
            diagnostics.len()
        ),
        (1, 1, 1)
    );
    assert_eq!(
        diagnostics[0].effect.as_deref(),
        Some("this route is ignored")
    );
}

#[test]
fn what_stands_before_a_syntax_error_applies() {
    let (document, diagnostics) = parse(&format!("{}---\nkind: [\n", link("mtu: 1400")), "c");
    assert_eq!((document.links.len(), diagnostics.len()), (1, 1));
}

#[test]
fn a_fault_shows_its_place() {
    let (_, diagnostics) = parse(&link("mtuu: 1400"), "config.yaml");
    assert_eq!(
        diagnostics[0].to_string(),
        "error: LinkConfig: unknown key \"mtuu\"\n\
         \x20 config.yaml, line 4, column 1\n\
         \x20   mtuu: 1400\n\
         \x20   ^^^^\n\
         \x20 did you mean mtu?\n\
         \x20 effect: this key is ignored"
    );
}

#[test]
fn secrets_stay_out_of_diagnostics() {
    let texts = [
        "machine: {network: {interfaces: [{interface: a b, wireguard: {privateKey: hunter2}}]}}",
        "apiVersion: v1alpha1\nkind: WireguardConfg\nname: wg0\nprivateKey: hunter2\nprivateKey: hunter2",
        "apiVersion: v1alpha1\nkind: LinkConfig\nname: a\nprivateKeyy: hunter2",
        "apiVersion: v1alpha1\nkind: WireguardConfig\nname: a\nprivateKye: hunter2",
        "apiVersion: v1alpha1\nkind: WireguardConfig\nname: a\nprivateKey: hunter2",
        "apiVersion: v1alpha1\nkind: WireguardConfig\nname: a\npeers: [{presharedKey: hunter2}]",
        "apiVersion: v1alpha1\nkind: WireguardConfig\nname: a\npeers: [{presharedKey: hunter2, : [",
        "apiVersion: v1alpha1\nkind: LinkConfig\nname: a\nsecret: {x: [hunter2, {y: hunter2}]}",
        "apiVersion: v1alpha1\nkind: LinkConfig\nname: a\napiToken: 'hunter2\n",
        "apiVersion: v1alpha1\nkind: LinkConfig\nname: a\npassword: |\n  hunter2\n\t- : x\n hunter2: [",
        "machine:\n  token: hunter2 : : [\n",
        "machine:\n  ca:\n    key: >\n hunter2 [\n  hunter2\n}",
        "token: hunter2: x",
        "{\"token\": \"hunter2\", ]",
    ];
    for text in texts {
        let (_, diagnostics) = parse(text, "c");
        assert!(!diagnostics.is_empty(), "{text}");
        for diagnostic in diagnostics {
            let shown = format!("{diagnostic} {diagnostic:?}");
            assert!(!shown.contains("hunter2"), "{text}\n{shown}");
        }
    }
}

#[test]
fn a_long_line_of_faults_stays_small() {
    let keys: String = (0..20_000).map(|n| format!("\"é{n}\":\"é\",")).collect();
    let text = format!(r#"{{"apiVersion":"v1alpha1","kind":"LinkConfig",{keys}"name":"a"}}"#);
    let (_, diagnostics) = parse(&text, "c");
    assert_eq!(diagnostics.len(), 101);
    for diagnostic in &diagnostics[..100] {
        let place = diagnostic.place.as_ref().unwrap();
        let marked = place.text.get(place.caret.start..place.caret.end).unwrap();
        assert!(
            place.text.len() <= 400 && marked.starts_with("\"é"),
            "{marked}"
        );
    }
}

/// However it is written, the caret is under what is wrong in it.
#[test]
fn faults_of_a_question_have_their_place() {
    let ways = [
        "match: link.driver == zzz",
        "match: 'link.driver == zzz'",
        "match: \"link.driver == zzz\"",
        "match: \"link.driver == \\\"ice\\\"  && link.driver == zzz\"",
        "match: |\n    link.driver ==\n    zzz\n",
        "match: >-\n    link.driver\n    == zzz\n",
        "match: link.mtu > 5 &&\n    link.driver == zzz",
    ];
    for way in ways {
        let text =
            format!("apiVersion: v1alpha1\nkind: LinkAliasConfig\nname: a\nselector:\n  {way}\n");
        let (_, diagnostics) = parse(&text, "c");
        let place = diagnostics[0].place.as_ref().unwrap();
        assert_eq!(
            &place.text[place.caret.start..place.caret.end],
            "zzz",
            "{text}"
        );
        let line = text.lines().position(|line| line.contains("zzz")).unwrap() + 1;
        let column = text.lines().nth(line - 1).unwrap().find("zzz").unwrap() + 1;
        assert_eq!(
            place.position,
            format!("line {line}, column {column}"),
            "{text}"
        );
    }
    let cut =
        "apiVersion: v1alpha1\nkind: LinkAliasConfig\nname: a\nselector: {match: link.mtu >}\n";
    assert_eq!(parse(cut, "c").1.len(), 1);
}

#[test]
fn a_caret_behind_a_secret_stays_where_it_belongs() {
    let text = "machine: {network: {kubespan: {token: hunter2, nonsense: 1}}}";
    let (_, diagnostics) = parse(text, "c");
    let place = diagnostics.iter().find_map(|fault| {
        let unknown = fault.message.contains("nonsense");
        fault.place.as_ref().filter(|_| unknown)
    });
    let place = place.unwrap();
    assert_eq!(&place.text[place.caret.start..place.caret.end], "nonsense");
    assert!(
        place.text.contains("token: ***, nonsense"),
        "{}",
        place.text
    );
}

fn samples() -> Vec<String> {
    vec![
        LINK.to_owned(),
        link("routes: [{gateway: 192.0.2.1}, &a {destination: 10.0.0.0/8}, {<<: *a, metric: 1}]"),
        "machine: {network: {hostname: a, interfaces: [{interface: é, dhcp: true}]}}".to_owned(),
        "apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: |\n  a\n---\n[".to_owned(),
    ]
}

proptest! {
    #[test]
    fn any_text_never_panics(text: String) {
        for diagnostic in parse(&text, "c").1 {
            let _ = diagnostic.to_string();
        }
    }

    #[test]
    fn mutated_configs_never_panic(
        sample in prop::sample::select(samples()), at in 0usize..400, cut in 0usize..6, new in "[ -~\n\t\u{e9}]{0,4}",
    ) {
        let mut chars: Vec<char> = sample.chars().collect();
        let at = at.min(chars.len());
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, new.chars());
        let text: String = chars.into_iter().collect();
        for diagnostic in parse(&text, "c").1 {
            let _ = diagnostic.to_string();
        }
    }
}
