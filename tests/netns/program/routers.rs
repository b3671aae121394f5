//! Routers and DHCPv6 with real peers: radvd on the lab's end of the cable, dnsmasq as the DHCPv6 server.

use std::fs;

use nix::sys::signal::Signal;
use qemu::peer::{Dnsmasq, Radvd};
use serde_json::json;

use super::machine::{Machine, on_machine};
use super::watch::Watch;
use crate::namespace::{ip, ip_json};

/// The router's own lines, and what it says of the link. Advertisements come every 3 to 4 s besides the answers to
/// solicitations.
pub(super) fn radvd(flags: &str, lines: &str) -> String {
    format!(
        "interface lan {{
            AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 1800; {flags}
            {lines}
        }};"
    )
}

/// A prefix to make addresses from.
pub(super) const PREFIX: &str = "prefix 2001:db8:77::/64 { AdvOnLink on; AdvAutonomous on; };";

/// Gives the lab's bridge addresses that may be used at once, as a router has them.
pub(super) fn addressed(machine: &Machine) {
    let lab = machine.lab.namespace();
    for line in [
        "link set lan addrgenmode none",
        "-6 address flush dev lan",
        "address add fe80::1/64 dev lan nodad",
        "address add 2001:db8:77::1/64 dev lan nodad",
    ] {
        lab.ip(line).unwrap();
    }
}

/// The DHCPv6 server of the lab.
fn dnsmasq(machine: &Machine) -> Dnsmasq {
    Dnsmasq::builder("lan")
        .argument("--dhcp-range=2001:db8:77::100,2001:db8:77::1ff,64,1h".into())
        .argument("--dhcp-option=option6:dns-server,[2001:db8:77::54]".into())
        .argument("--dhcp-option=option6:domain-search,six.example".into())
        .start(&machine.lab)
        .unwrap()
}

/// The resolver's file, empty while there is none.
pub(super) fn resolv_conf() -> String {
    fs::read_to_string("/etc/resolv.conf").unwrap_or_default()
}

/// The leased address of `eth0`, as ip(8) shows it.
fn leased6() -> Option<serde_json::Value> {
    let links = ip_json("-6 -d address show dev eth0 scope global");
    let list = links.first()?["addr_info"].as_array()?.clone();
    list.into_iter().find(|info| info["prefixlen"] == 128)
}

#[test]
fn an_ipv6_only_network_has_name_servers_and_routes() {
    on_machine("routers", |machine| {
        addressed(machine);
        let lines = format!(
            "{PREFIX}
             route 2001:db8:99::/48 {{ AdvRoutePreference high; AdvRouteLifetime 600; }};
             RDNSS 2001:db8:77::53 {{ AdvRDNSSLifetime 600; }};
             DNSSL lab.example {{ AdvDNSSLLifetime 600; }};"
        );
        let router = Radvd::start(&machine.lab, &radvd("", &lines)).unwrap();
        // Nobody answers DHCPv4: either family will do.
        machine.boot("ip=eth0:on nameserver=10.77.0.53");
        let text = resolv_conf();
        assert!(text.contains("nameserver 2001:db8:77::53\n"), "{text}");
        assert!(text.contains("nameserver 10.77.0.53\n"), "{text}");
        assert!(text.contains("search lab.example\n"), "{text}");
        let route = ip("-6 route show 2001:db8:99::/48");
        for word in ["via fe80::1", "dev eth0", "proto 73", "pref high"] {
            assert!(route.contains(word), "{word} in {route}");
        }
        assert!(ip("-6 route show default").contains("via fe80::1"));
        machine.answers();
        machine.until("an empty plan", || {
            (machine.plan() == json!([])).then_some(())
        });
        let origin = machine.run(&["explain", "resolvers"]).output;
        assert!(
            origin.contains("ra/eth0 router fe80::1, option 25"),
            "{origin}"
        );
        // Turned off, it takes back what it said.
        router.stop().unwrap();
        machine.until("no name server of the router", || {
            (!resolv_conf().contains("2001:db8:77::53")).then_some(())
        });
        assert!(resolv_conf().contains("nameserver 10.77.0.53\n"));
        machine.until_gone("-6 route show 2001:db8:99::/48", "via");
        machine.until_gone("-6 route show default", "via");
    });
}

#[test]
fn a_router_that_is_lost_is_believed_until_its_time() {
    on_machine("router-loss", |machine| {
        addressed(machine);
        let lines = format!("{PREFIX} RDNSS 2001:db8:77::53 {{ AdvRDNSSLifetime 30; }};");
        let router = Radvd::start(&machine.lab, &radvd("", &lines)).unwrap();
        machine.boot("ip=eth0:auto6 nameserver=10.77.0.53");
        machine.answers();
        assert!(resolv_conf().contains("2001:db8:77::53"));
        // The next supervisor can have heard it only from this one, and listens.
        drop(router);
        machine.signal(Signal::SIGKILL);
        let _supervisor = machine.supervise();
        machine.reconcile();
        assert!(resolv_conf().contains("2001:db8:77::53"));
        machine.until("the end of the name server", || {
            (!resolv_conf().contains("2001:db8:77::53")).then_some(())
        });
        // Another one comes, and is heard.
        let lines = format!("{PREFIX} RDNSS 2001:db8:77::55 {{ AdvRDNSSLifetime 600; }};");
        let _router = Radvd::start(&machine.lab, &radvd("", &lines)).unwrap();
        machine.until("the new name server", || {
            resolv_conf().contains("2001:db8:77::55").then_some(())
        });
    });
}

#[test]
fn a_router_that_says_so_starts_dhcpv6_and_its_lease_is_kept() {
    on_machine("managed", |machine| {
        addressed(machine);
        let dnsmasq = dnsmasq(machine);
        let prefix = "prefix 2001:db8:77::/64 { AdvOnLink on; AdvAutonomous off; };";
        let config = radvd("AdvManagedFlag on;", prefix);
        let _router = Radvd::start(&machine.lab, &config).unwrap();
        machine.boot("ip=eth0:on");
        let address = leased6().expect("a leased address");
        assert!(
            address["local"]
                .as_str()
                .unwrap()
                .starts_with("2001:db8:77::1")
        );
        assert_eq!(address["noprefixroute"], json!(true), "{address}");
        assert!(address["valid_life_time"].as_u64().unwrap() <= 3600);
        let text = resolv_conf();
        assert!(text.contains("nameserver 2001:db8:77::54\n"), "{text}");
        assert!(text.contains("search six.example\n"), "{text}");
        machine.answers();
        machine.until("an empty plan", || {
            (machine.plan() == json!([])).then_some(())
        });
        let ours = machine.get("addresses");
        let ours = ours.iter().filter(|address| address["protocol"] == 73);
        assert_eq!(ours.count(), 1, "the lease is marked as ours");
        let watch = Watch::start();
        let solicited = dnsmasq.count("DHCPSOLICIT");
        machine.signal(Signal::SIGKILL);
        let _supervisor = machine.supervise();
        machine.reconcile();
        assert_eq!(machine.plan(), json!([]));
        assert_eq!(watch.removals(), Vec::<String>::new());
        assert_eq!(leased6().unwrap()["local"], address["local"]);
        assert_eq!(dnsmasq.count("DHCPSOLICIT"), solicited);
        let leases = machine.get("leases");
        let ids: Vec<&str> = leases
            .iter()
            .filter_map(|lease| lease["id"].as_str())
            .collect();
        assert!(
            ids.contains(&"dhcp6/eth0") && ids.contains(&"ra/eth0"),
            "{ids:?}"
        );
    });
}

#[test]
fn facts_without_a_lease() {
    on_machine("other", |machine| {
        addressed(machine);
        let dnsmasq = dnsmasq(machine);
        let config = radvd("AdvOtherConfigFlag on;", PREFIX);
        let _router = Radvd::start(&machine.lab, &config).unwrap();
        machine.boot("ip=eth0:auto6");
        machine.until("the server's facts", || {
            resolv_conf()
                .contains("nameserver 2001:db8:77::54\n")
                .then_some(())
        });
        assert_eq!(leased6(), None);
        assert_eq!(dnsmasq.count("DHCPSOLICIT"), 0);
    });
}

#[test]
fn dhcpv6_without_a_router() {
    on_machine("dhcp6-alone", |machine| {
        addressed(machine);
        let _dnsmasq = dnsmasq(machine);
        machine.boot("ip=eth0:dhcp6 initnet.wait=local");
        assert!(leased6().is_some());
        // And where no router answers, `either6` does the same.
        machine.answers();
        machine.signal(Signal::SIGTERM);
        ip("-6 address flush dev eth0 scope global");
        machine.boot("ip=eth0:either6 initnet.wait=local");
        assert!(leased6().is_some());
    });
}
