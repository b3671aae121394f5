//! Cards: names of our own, selectors, what ethtool(8) tells of them, and kernel parameters.

use crate::bench::Bench;
use crate::bench::MAC;
use crate::bench::MAC2;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

const CARDS: &str = include_str!("configs/cards.yaml");

on_both_kernels!(cards_their_names_and_their_parameters);
fn cards_their_names_and_their_parameters(bench: Bench) {
    bench.second_port();
    let vm = bench.machine(CARDS).cmdline("initnet.wait=links");
    let vm = vm.nic("port0", MAC).nic("port1", MAC2);
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    guest.settles();
    names(&mut guest);
    features(&mut guest);
    rings_and_channels(&mut guest);
    parameters_of_links(&mut guest);
    parameters(&mut guest);
    the_baseline_is_set_once(&mut guest);
    changes(&mut guest);
}

fn names(guest: &mut Guest) {
    guest.link("eth0").is("/ifalias", "uplink");
    guest.link("eth1").lacks("/ifalias");
    guest.addresses("eth0").one("local=10.77.0.20");
    guest.addresses("eth1").one("local=10.88.0.20");
    guest.link("tagged").is("/link", "eth0");
}

fn features(guest: &mut Guest) {
    let features = guest.ask("ethtool --json -k eth0").at("/0");
    features.is("/generic-receive-offload/active", false);
    features.is("/tx-tcp-segmentation/active", false);
    features.is("/tx-nocache-copy/active", true);
    // Of the other card nothing is said.
    let features = guest.ask("ethtool --json -k eth1").at("/0");
    features.is("/generic-receive-offload/active", true);
    features.is("/tx-nocache-copy/active", false);
}

/// What `ethtool -g` and `-l` print below "Current hardware settings", without blanks.
fn current(guest: &mut Guest, question: &str) -> Vec<String> {
    let output = guest.run(question);
    let (_, current) = output.split_once("Current hardware settings:").unwrap();
    let lines = current.lines();
    lines
        .map(|line| line.split_whitespace().collect())
        .collect()
}

#[track_caller]
fn holds(lines: &[String], line: &str) {
    assert!(
        lines.iter().any(|found| found == line),
        "{line} in {lines:?}"
    );
}

fn rings_and_channels(guest: &mut Guest) {
    let rings = current(guest, "ethtool -g eth0");
    holds(&rings, "RX:128");
    holds(&rings, "TX:64");
    holds(&current(guest, "ethtool -g eth1"), "RX:256");
    holds(&current(guest, "ethtool -l eth0"), "Combined:1");
}

fn parameters_of_links(guest: &mut Guest) {
    for (path, value) in [
        ("ipv6/conf/eth0/accept_ra", "2"),
        ("ipv4/conf/eth0/rp_filter", "2"),
        ("ipv4/conf/eth0/forwarding", "1"),
        ("ipv6/conf/eth0/forwarding", "1"),
        ("ipv4/conf/eth0/arp_ignore", "1"),
        ("ipv4/conf/eth0/arp_announce", "2"),
        ("ipv4/conf/eth0/proxy_arp", "1"),
        ("ipv6/conf/eth0/addr_gen_mode", "1"),
        ("ipv6/conf/tagged/disable_ipv6", "1"),
        ("ipv4/conf/tagged/rp_filter", "1"),
        ("ipv4/conf/eth1/forwarding", "0"),
        ("ipv4/conf/eth1/rp_filter", "0"),
    ] {
        assert_eq!(guest.sysctl(&format!("net/{path}")), value, "{path}");
    }
    // Before the link was up, so that it never made itself an address.
    guest.addresses("eth0").none("family=inet6");
    guest.addresses("tagged").none("family=inet6");
}

fn parameters(guest: &mut Guest) {
    for (path, value) in [
        ("ipv4/tcp_fin_timeout", "31"),
        // The document wins over the older form.
        ("core/somaxconn", "4098"),
        // And what is said wins over the baseline.
        ("ipv4/conf/eth1/arp_notify", "0"),
        ("ipv4/conf/eth0/arp_notify", "1"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/ip_forward", "0"),
    ] {
        assert_eq!(guest.sysctl(&format!("net/{path}")), value, "{path}");
    }
}

fn the_baseline_is_set_once(guest: &mut Guest) {
    let path = "net/ipv4/conf/all/send_redirects";
    guest.run(&format!("echo 1 > /proc/sys/{path}"));
    guest.settles();
    guest.becomes(CARDS);
    assert_eq!(guest.sysctl(path), "1", "somebody else wants it so");
}

fn changes(guest: &mut Guest) {
    let before = guest.indexes();
    let config = CARDS
        .replace("rx: 128", "rx: 64")
        .replace("tx-nocache-copy: true", "tx-nocache-copy: false")
        .replace("\"4098\"", "\"4099\"")
        .replace("rpFilter: loose", "rpFilter: strict")
        .replace("name: uplink\n", "name: outside\n")
        .replace("parent: uplink", "parent: outside");
    guest.becomes(&config);
    assert_eq!(guest.indexes(), before);
    guest.link("eth0").is("/ifalias", "outside");
    holds(&current(guest, "ethtool -g eth0"), "RX:64");
    let features = guest.ask("ethtool --json -k eth0").at("/0");
    features.is("/tx-nocache-copy/active", false);
    assert_eq!(guest.sysctl("net/core/somaxconn"), "4099");
    assert_eq!(guest.sysctl("net/ipv4/conf/eth0/rp_filter"), "1");
    guest.addresses("eth0").one("local=10.77.0.20");
}
