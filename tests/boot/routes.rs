//! Addresses, routes and rules with everything that can be said of them.

use crate::bench::Bench;
use crate::bench::MAC;
use crate::bench::MAC2;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

const ROUTES: &str = include_str!("configs/routes.yaml");

/// What somebody else made, of each kind that is ours here.
const FOREIGN: &str = "\
ip route add 10.30.0.0/16 via 10.77.0.1 dev eth0 table 5000
ip route add blackhole 10.31.0.0/16
ip rule add pref 1800 from 10.32.0.0/16 table 5000
ip address add 10.33.0.1/24 dev eth1
";

on_both_kernels!(addresses_routes_and_rules);
fn addresses_routes_and_rules(bench: Bench) {
    bench.second_port();
    let vm = bench.machine(ROUTES);
    let vm = vm.nic("port0", MAC).nic("port1", MAC2);
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    guest.ready("routable");
    guest.settles();
    addresses(&mut guest);
    routes(&mut guest);
    several_next_hops(&mut guest);
    rules(&mut guest);
    changes_and_the_way_back(&mut guest);
    what_others_made_stays(&mut guest);
}

fn addresses(guest: &mut Guest) {
    let addresses = guest.addresses("eth0");
    addresses.one("local=10.77.0.20 prefixlen=24");
    let peer = addresses.one("local=10.3.0.1");
    peer.is("/address", "10.3.0.2");
    let leaves = addresses.one("local=10.4.0.1 preferred_life_time=0 deprecated=true");
    let left = leaves.at("/valid_life_time").to_string();
    let left: u64 = left.lines().last().unwrap().parse().unwrap();
    // From the start of the kernel on, which was not an hour ago.
    assert!((23 * 3600..=24 * 3600).contains(&left), "{leaves}");
    addresses.one("local=10.5.0.1 noprefixroute=true");
    addresses.one("local=2001:db8:7::20 nodad=true");
    guest.routes("-4").none("dst=10.5.0.0/24");
}

fn routes(guest: &mut Guest) {
    let routes = guest.routes("-4");
    routes.one("dst=default gateway=10.77.0.1 dev=eth0 metric=100 protocol=73");
    let all = routes.one("dst=10.6.0.0/16 gateway=192.0.2.1 dev=eth0 protocol=73");
    all.is("/flags/0", "onlink");
    all.is("/prefsrc", "10.77.0.20");
    for (metric, value) in [
        ("mtu", 1400),
        ("advmss", 1300),
        ("initcwnd", 20),
        ("initrwnd", 30),
        ("rto_min", 300),
        ("quickack", 1),
        ("hoplimit", 9),
    ] {
        all.is(&format!("/metrics/0/{metric}"), value);
    }
    // Types by number: unreachable 7, blackhole 6.
    routes.one("type=7 dst=10.7.0.0/16 table=300 protocol=73");
    routes.one("type=6 dst=10.8.0.0/16 table=254 metric=50 protocol=73");
    let routes = guest.routes("-6");
    routes.one("dst=2001:db8:8::/48 gateway=2001:db8:7::1 dev=eth0 pref=high protocol=73");
    routes.one("type=6 dst=2001:db8:9::/48 protocol=73");
}

fn several_next_hops(guest: &mut Guest) {
    let routes = guest.routes("-4");
    let route = routes.one("dst=10.9.0.0/16 table=5000 metric=9 protocol=73");
    let hops = route.at("/nexthops");
    assert_eq!(hops.count(""), 2);
    hops.one("gateway=10.77.0.1 dev=eth0 weight=3");
    hops.one("gateway=10.88.0.1 dev=eth1 weight=7");
}

fn rules(guest: &mut Guest) {
    let rules = guest.rules("-4");
    rules.one(
        "priority=1500 src=10.1.0.0 srclen=16 dst=10.2.0.0 dstlen=16 fwmark=0x10 fwmask=0xff iif=eth0 oif=eth1 \
         table=5000 protocol=73",
    );
    rules.one("priority=1600 src=10.3.0.0 srclen=16 action=6 protocol=73");
    // Neither source nor destination tells a family: both have it.
    for family in ["-4", "-6"] {
        let rules = guest.rules(family);
        rules.one("priority=1700 table=254 suppress_prefixlen=0 protocol=73");
    }
    guest.rules("-6").none("priority=1500");
}

fn changes_and_the_way_back(guest: &mut Guest) {
    let config = ROUTES
        .replace("weight: 7", "weight: 8")
        .replace("mtu: 1400", "mtu: 1300")
        .replace("metric: 50", "metric: 60")
        .replace("fwMark: 16", "fwMark: 32")
        .replace("peer: 10.3.0.2", "peer: 10.3.0.3");
    guest.becomes(&config);
    let routes = guest.routes("-4");
    let route = routes.one("dst=10.9.0.0/16 table=5000");
    route.at("/nexthops").one("weight=8");
    let route = routes.one("dst=10.6.0.0/16");
    route.is("/metrics/0/mtu", 1300);
    routes.one("type=6 dst=10.8.0.0/16 metric=60");
    guest.rules("-4").one("priority=1500 fwmark=0x20");
    let addresses = guest.addresses("eth0");
    addresses.one("local=10.3.0.1 address=10.3.0.3");

    guest.becomes(ROUTES);
    addresses_of_the_peer(guest);
    several_next_hops(guest);
    rules(guest);
}

fn addresses_of_the_peer(guest: &mut Guest) {
    guest
        .addresses("eth0")
        .one("local=10.3.0.1 address=10.3.0.2");
}

fn what_others_made_stays(guest: &mut Guest) {
    guest.run(FOREIGN);
    guest.settles();
    // The addresses stay, so that the routes of others stay where they are.
    let (link, _) = ROUTES.split_once("routes:\n").unwrap();
    let (_, other) = ROUTES.split_once("---\n").unwrap();
    let (other, _) = other.split_once("---\n").unwrap();
    guest.becomes(&format!("{link}---\n{other}"));
    let routes = guest.routes("-4");
    routes.none("protocol=73");
    routes.one("dst=10.30.0.0/16 table=5000");
    routes.one("type=6 dst=10.31.0.0/16");
    guest.routes("-6").none("protocol=73");
    guest.rules("-6").none("protocol=73");
    let rules = guest.rules("-4");
    rules.none("protocol=73");
    rules.one("priority=1800");
    guest.addresses("eth1").one("local=10.33.0.1");
}
