//! Every kind of link that needs nobody else: made as said, changed in place, made again where the kernel wants that, removed.

use crate::bench::Bench;
use crate::bench::MAC;
use crate::bench::MAC2;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

const KINDS: &str = include_str!("configs/kinds.yaml");

/// What is left of [`KINDS`] when no link is to be made: the cards.
const CARDS: &str = "\
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
---
apiVersion: v1alpha1
kind: LinkConfig
name: eth1
";

/// The links of [`KINDS`].
const MADE: [&str; 14] = [
    "anycast0", "br0", "dark", "inner", "ipv0", "leg-a", "leg-b", "mac0", "outer", "port-a",
    "port-b", "vrf-blue", "vx0", "wg0",
];

/// What somebody else makes: a bridge with a port, a tag on a card, and a container's link in a bridge of ours.
const FOREIGN: &str = "\
ip link add their-br type bridge && ip link add their-port type dummy && ip link set their-port master their-br
ip link add link eth0 name their-vlan type vlan id 99
ip link add their-leg type veth peer name their-peer && ip link set their-leg master br0 up
";
const THEIRS: [&str; 5] = [
    "their-br",
    "their-port",
    "their-vlan",
    "their-leg",
    "their-peer",
];

on_both_kernels!(every_kind_of_link);
fn every_kind_of_link(bench: Bench) {
    let mut guest = boot(&bench, KINDS);
    stacked_vlans(&mut guest);
    a_link_that_is_to_be_down(&mut guest);
    vrf(&mut guest);
    veth(&mut guest);
    dummy(&mut guest);
    bridge(&mut guest);
    bridge_port(&mut guest);
    bridge_vlans(&mut guest);
    macvlan(&mut guest);
    ipvlan(&mut guest);
    vxlan(&mut guest);
    wireguard(&mut guest);
    all_are_marked_as_ours(&mut guest);
}

on_both_kernels!(links_change_in_place_and_go_without_the_links_of_others);
fn links_change_in_place_and_go_without_the_links_of_others(bench: Bench) {
    let mut guest = boot(&bench, KINDS);
    in_place(&mut guest);
    made_again(&mut guest);
    removed(&mut guest);
}

fn boot(bench: &Bench, config: &str) -> Guest {
    bench.second_port();
    let vm = bench
        .machine(config)
        .cmdline("initnet.wait=links")
        .nic("port0", MAC)
        .nic("port1", MAC2);
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    guest.settles();
    guest
}

fn stacked_vlans(guest: &mut Guest) {
    let outer = guest.link("outer");
    outer.is("/link", "leg-a");
    outer.is("/mtu", 1450);
    outer.is("/linkinfo/info_kind", "vlan");
    outer.is("/linkinfo/info_data/protocol", "802.1ad");
    outer.is("/linkinfo/info_data/id", 100);
    let inner = guest.link_once("inner", "UP");
    inner.is("/link", "outer");
    inner.is("/mtu", 1400);
    inner.is("/linkinfo/info_data/protocol", "802.1Q");
    inner.is("/linkinfo/info_data/id", 5);
    let addresses = guest.addresses("inner");
    addresses.one("local=10.5.0.1 prefixlen=24");
}

fn a_link_that_is_to_be_down(guest: &mut Guest) {
    let dark = guest.link_once("dark", "DOWN");
    dark.is("/linkinfo/info_data/id", 4094);
}

fn vrf(guest: &mut Guest) {
    let vrf = guest.link("vrf-blue");
    vrf.is("/linkinfo/info_kind", "vrf");
    vrf.is("/linkinfo/info_data/table", 1000);
    let leg = guest.link("leg-b");
    leg.is("/master", "vrf-blue");
    leg.is("/linkinfo/info_slave_kind", "vrf");
    let routes = guest.routes("-4");
    routes.one("dst=10.99.0.0/30 dev=leg-b table=1000 protocol=2");
    routes.one("dst=10.98.0.0/16 gateway=10.99.0.1 dev=leg-b table=1000 protocol=73");
    guest.rules("-4").one("l3mdev=null priority=1000");
}

fn veth(guest: &mut Guest) {
    for (name, other, address) in [
        ("leg-a", "leg-b", "10.99.0.1"),
        ("leg-b", "leg-a", "10.99.0.2"),
    ] {
        let leg = guest.link_once(name, "UP");
        leg.is("/linkinfo/info_kind", "veth");
        leg.is("/link", other);
        let addresses = guest.addresses(name);
        addresses.one(&format!("local={address} prefixlen=30"));
    }
    let routes = guest.routes("-4");
    routes.one("dst=10.99.0.0/30 dev=leg-a metric=77");
}

fn dummy(guest: &mut Guest) {
    let dummy = guest.link("anycast0");
    dummy.is("/linkinfo/info_kind", "dummy");
    dummy.is("/address", "02:00:00:00:0a:01");
    dummy.is("/mtu", 9000);
    let flags = dummy.at("/flags").to_string();
    assert!(flags.contains("\"MULTICAST\""), "{flags}");
    let addresses = guest.addresses("anycast0");
    addresses.one("local=198.51.100.53 prefixlen=32");
    addresses.one("local=2001:db8::53 prefixlen=128");
}

fn bridge(guest: &mut Guest) {
    let bridge = guest.link("br0");
    bridge.is("/linkinfo/info_kind", "bridge");
    bridge.is("/address", "02:00:00:00:0b:00");
    let data = bridge.at("/linkinfo/info_data");
    data.is("/stp_state", 1);
    data.is("/priority", 4096);
    data.is("/forward_delay", 400);
    data.is("/hello_time", 100);
    data.is("/max_age", 600);
    data.is("/ageing_time", 1000);
    data.is("/vlan_filtering", 1);
    data.is("/vlan_default_pvid", 1);
    data.is("/mcast_snooping", 1);
    data.is("/mcast_querier", 1);
    data.is("/group_fwd_mask", "0x8");
}

fn bridge_port(guest: &mut Guest) {
    let port = guest.link("port-a");
    port.is("/master", "br0");
    let data = port.at("/linkinfo/info_slave_data");
    data.is("/cost", 50);
    data.is("/priority", 7);
    for on in [
        "hairpin",
        "guard",
        "root_block",
        "fastleave",
        "isolated",
        "proxy_arp",
    ] {
        data.is(&format!("/{on}"), true);
    }
    for off in ["learning", "flood", "mcast_flood", "bcast_flood"] {
        data.is(&format!("/{off}"), false);
    }
    let other = guest.link("port-b");
    other.is("/master", "br0");
    // Of this one nothing is said.
    let data = other.at("/linkinfo/info_slave_data");
    data.is("/learning", true);
    data.is("/hairpin", false);
}

fn bridge_vlans(guest: &mut Guest) {
    let vlans = guest.bridge_vlans();
    let ours = vlans.one("ifname=port-a").at("/vlans");
    let native = ours.one("vlan=10");
    native.is("/flags/0", "PVID");
    native.is("/flags/1", "Egress Untagged");
    ours.one("vlan=20").lacks("/flags");
    ours.one("vlan=21");
    ours.one("vlan=22");
    // The default is not in the list, so the port does not have it.
    ours.none("vlan=1");
    let default = vlans.one("ifname=port-b").at("/vlans");
    assert_eq!(default.count(""), 1);
    default.one("vlan=1 flags/0=PVID");
    vlans.one("ifname=br0").at("/vlans").one("vlan=20");
}

fn macvlan(guest: &mut Guest) {
    let link = guest.link("mac0");
    link.is("/linkinfo/info_kind", "macvlan");
    link.is("/link", "eth0");
    link.is("/linkinfo/info_data/mode", "bridge");
    link.is("/address", "02:00:00:00:0c:00");
    guest.addresses("mac0").one("local=10.77.0.30");
}

fn ipvlan(guest: &mut Guest) {
    let link = guest.link("ipv0");
    link.is("/linkinfo/info_kind", "ipvlan");
    link.is("/link", "eth1");
    link.is("/linkinfo/info_data/mode", "l2");
    guest.addresses("ipv0").one("local=10.77.0.31");
}

fn vxlan(guest: &mut Guest) {
    let link = guest.link("vx0");
    link.is("/linkinfo/info_kind", "vxlan");
    let data = link.at("/linkinfo/info_data");
    data.is("/id", 42);
    data.is("/link", "eth0");
    data.is("/local", "10.77.0.20");
    data.is("/remote", "10.77.0.21");
    data.is("/port", 4789);
    data.is("/ttl", 9);
    data.is("/learning", false);
}

fn wireguard(guest: &mut Guest) {
    guest.link("wg0").is("/linkinfo/info_kind", "wireguard");
    let wireguard = guest.wireguard();
    wireguard.one(
        "interface=wg0 public_key=1aXZ5PWbY2SQjBxqCpOgcK3OG/ONsRkUDjC18Fgo3V0= listen_port=51820 fwmark=0xca6c",
    );
    wireguard.one(
        "interface=wg0 peer=yyUepg9T6N1M91/r0QrtvV39bt0wcj56dysDfE2iHxM= endpoint=10.77.0.21:51821 keepalive=25 \
         allowed_ips=10.60.0.0/16,2001:db8:60::/48",
    );
    guest.addresses("wg0").one("local=10.60.0.1 prefixlen=16");
}

fn all_are_marked_as_ours(guest: &mut Guest) {
    let links = guest.ask("ip -j link");
    for name in MADE {
        links.one(&format!("ifname={name} group=73"));
    }
    // A card that is nobody's member is used and not owned.
    links.one("ifname=eth0 group=default");
}

/// What is changed in [`KINDS`] without a link being made again.
const IN_PLACE: [(&str, &str); 12] = [
    ("mtu: 9000", "mtu: 8000"),
    ("02:00:00:00:0a:01", "02:00:00:00:0a:02"),
    ("priority: 4096", "priority: 8192"),
    ("filtering: true", "filtering: false"),
    ("ageingTime: 10s", "ageingTime: 20s"),
    ("cost: 50", "cost: 60"),
    ("{range: 20-22}", "{range: 21-23}"),
    ("mode: bridge", "mode: private"),
    ("mode: l2", "mode: l3"),
    ("ttl: 9", "ttl: 10"),
    ("listenPort: 51820", "listenPort: 51830"),
    ("links: [port-a, port-b]", "links: [port-a]"),
];

fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(KINDS.to_owned(), |config, (from, to)| {
        assert!(config.contains(from), "{from} is in the config");
        config.replace(from, to)
    })
}

fn in_place(guest: &mut Guest) {
    let before = guest.indexes();
    guest.becomes(&changed(&IN_PLACE));
    assert_eq!(guest.indexes(), before, "every link is the one that it was");
    guest.link("anycast0").is("/mtu", 8000);
    guest.link("anycast0").is("/address", "02:00:00:00:0a:02");
    let bridge = guest.link("br0").at("/linkinfo/info_data");
    bridge.is("/priority", 8192);
    bridge.is("/vlan_filtering", 0);
    bridge.is("/ageing_time", 2000);
    guest
        .link("port-a")
        .is("/linkinfo/info_slave_data/cost", 60);
    guest.link("port-b").lacks("/master");
    let vlans = guest.bridge_vlans();
    let vlans = vlans.one("ifname=port-a").at("/vlans");
    vlans.none("vlan=20");
    vlans.one("vlan=23");
    guest.link("mac0").is("/linkinfo/info_data/mode", "private");
    guest.link("ipv0").is("/linkinfo/info_data/mode", "l3");
    guest.link("vx0").is("/linkinfo/info_data/ttl", 10);
    guest.wireguard().one("interface=wg0 listen_port=51830");

    guest.becomes(KINDS);
    assert_eq!(guest.indexes(), before, "and after the way back");
    guest.link("port-b").is("/master", "br0");
}

/// What is changed in [`KINDS`] and needs another link, the link, and why.
const MADE_AGAIN: [(&str, &str, &str, &str); 4] = [
    ("vlanID: 5\n", "vlanID: 6\n", "inner", "another tag"),
    ("table: 1000", "table: 1001", "vrf-blue", "another table"),
    ("vni: 42", "vni: 43", "vx0", "another network identifier"),
    ("vlanID: 4094\n", "vlanID: 4093\n", "dark", "another tag"),
];

fn made_again(guest: &mut Guest) {
    let before = guest.indexes();
    let changes = MADE_AGAIN.map(|(from, to, _, _)| (from, to));
    let config = changed(&changes);
    let plan = guest.plan(&config);
    for (_, _, name, why) in MADE_AGAIN {
        let line = format!("ip link del dev {name}");
        let found = plan.lines().find(|found| found.starts_with(&line));
        assert!(
            found.is_some_and(|found| found.ends_with(why)),
            "{name} in {plan}"
        );
    }
    let gone = plan.lines().filter(|line| line.starts_with("ip link del"));
    assert_eq!(gone.count(), MADE_AGAIN.len(), "{plan}");

    guest.becomes(&config);
    let mut after = guest.indexes();
    for (_, _, name, _) in MADE_AGAIN {
        assert_ne!(after[name], before[name], "{name} is another link");
        after.insert(name.to_owned(), before[name]);
    }
    assert_eq!(after, before, "the others are those that they were");
    guest.link("inner").is("/linkinfo/info_data/id", 6);
    guest.link("vrf-blue").is("/linkinfo/info_data/table", 1001);
    guest.link("leg-b").is("/master", "vrf-blue");
    guest.addresses("inner").one("local=10.5.0.1");
    let routes = guest.routes("-4");
    routes.one("dst=10.98.0.0/16 gateway=10.99.0.1 dev=leg-b table=1001 protocol=73");
    guest.link("vx0").is("/linkinfo/info_data/id", 43);
}

fn removed(guest: &mut Guest) {
    guest.run(FOREIGN);
    guest.settles();
    let before = guest.indexes();
    guest.becomes(CARDS);
    let after = guest.indexes();
    for name in MADE {
        assert!(!after.contains_key(name), "{name} is there in {after:?}");
    }
    for name in THEIRS.iter().chain(&["eth0", "eth1", "lo"]) {
        assert_eq!(after.get(*name), before.get(*name), "{name}");
    }
    guest.link("their-port").is("/master", "their-br");
    guest.addresses("eth0").none("local=10.77.0.20");
    let routes = guest.routes("-4");
    routes.none("protocol=73");
}
