//! What is declared comes back.

use serde_json::json;

use super::machine::{Machine, leased, on_machine};
use crate::namespace::ip;

/// Boots with a lease and waits for the supervisor.
fn boot(machine: &Machine) -> (qemu::peer::dnsmasq::Dnsmasq, String) {
    let dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
    machine.boot("ip=eth0:dhcp");
    machine.answers();
    (dnsmasq, leased())
}

#[track_caller]
fn whole(machine: &Machine, address: &str) {
    machine.until_shown("-4 address show dev eth0", address);
    machine.until_shown("route show default", "via 10.77.0.1");
    machine.until("an empty plan", || {
        (machine.plan() == json!([])).then_some(())
    });
    let (bare, _) = address.split_once('/').unwrap();
    assert!(ip("route show default").contains(&format!("proto 73 src {bare} metric 1024")));
}

#[test]
fn an_address_comes_back_with_its_routes_and_its_lifetime() {
    on_machine("repair-address", |machine| {
        let (dnsmasq, address) = boot(machine);
        // Takes the route along, because that has the address as its source.
        ip(&format!("address delete {address} dev eth0"));
        whole(machine, &address);
        let left = super::machine::addresses("eth0")[0].1["valid_life_time"].clone();
        assert!((3500..=3601).contains(&left.as_u64().unwrap()), "{left}");
        assert_eq!(dnsmasq.count("DHCPREQUEST"), 1, "no server was asked");
    });
}

#[test]
fn a_route_comes_back() {
    on_machine("repair-route", |machine| {
        let (_dnsmasq, address) = boot(machine);
        for _ in 0..3 {
            ip("route delete default");
            whole(machine, &address);
        }
        // Changed, not deleted: ours is put beside it again, and the foreign one stays.
        ip("route change default via 10.77.0.99 dev eth0 metric 1024");
        machine.until_shown("route show default", "via 10.77.0.99");
    });
}

#[test]
fn a_link_comes_back_up_with_everything_on_it() {
    on_machine("repair-link", |machine| {
        let (dnsmasq, address) = boot(machine);
        ip("link set eth0 down");
        machine.until_shown("link show eth0", "state UP");
        whole(machine, &address);
        assert_eq!(
            dnsmasq.exchanges("DHCPDISCOVER"),
            1,
            "the lease was confirmed, not asked for again"
        );
    });
}

#[test]
fn a_cable_that_was_pulled_and_put_back() {
    on_machine("repair-carrier", |machine| {
        let (_dnsmasq, address) = boot(machine);
        let far = |state: &str| {
            machine
                .lab
                .namespace()
                .ip(&format!("link set far-eth0 {state}"))
        };
        far("down").unwrap();
        machine.until_shown("link show eth0", "NO-CARRIER");
        machine.until("no more readiness", || {
            (machine.get("status")[0]["routable"] == false).then_some(())
        });
        far("up").unwrap();
        whole(machine, &address);
    });
}

#[test]
fn an_mtu_comes_back() {
    on_machine("repair-mtu", |machine| {
        machine.boot("ip=10.0.0.2:::24::eth0:none:1400");
        machine.answers();
        ip("link set eth0 mtu 1280");
        machine.until_shown("link show eth0", "mtu 1400");
    });
}
