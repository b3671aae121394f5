//! The whole life of a lease with a real Kea, whose leases last seconds.

use nix::sys::signal::Signal;
use qemu::peer::Kea4;
use qemu::peer::kea4::Builder;
use serde_json::json;

use super::machine::{Machine, SERVER, leased, on_machine};
use super::watch::Watch;
use crate::namespace::ip;

/// Another server of the same network.
const OTHER: &str = "10.77.0.2";

/// A machine whose link is up: Kea does not open its sockets on a bridge without carrier, which the lab's end is then.
fn on_linked_machine(name: &'static str, test: impl FnOnce(&Machine) + Send + 'static) {
    on_machine(name, |machine| {
        ip("link set eth0 up");
        carrier(machine);
        test(machine);
    });
}

#[track_caller]
fn carrier(machine: &Machine) {
    machine.until("carrier on the lab's bridge", || {
        let shown = machine.lab.namespace().ip("link show lan").ok()?;
        shown.contains("state UP").then_some(())
    });
}

/// Ten addresses of `net` (`10.77.0`), the router and the server `.1`.
fn kea(address: &str, net: &str) -> Builder {
    let pool = [100, 109].map(|host| format!("{net}.{host}"));
    Kea4::v4("lan", address)
        .pool(&format!("{net}.0/24"), &pool[0], &pool[1])
        .option("routers", &format!("{net}.1"))
        .option("domain-name-servers", &format!("{net}.1"))
}

/// The server of the lease, as the supervisor knows it.
fn server(machine: &Machine) -> Option<String> {
    Some(machine.get("leases")[0]["serverId"].as_str()?.to_owned())
}

#[track_caller]
fn settled(machine: &Machine) {
    machine.until("an empty plan", || {
        (machine.plan() == json!([])).then_some(())
    });
    assert_eq!(machine.report()["failures"], json!([]));
}

#[test]
fn kea_grants_and_renews() {
    on_linked_machine("kea", |machine| {
        let kea = kea(SERVER, "10.77.0")
            .times(20, 1, 10)
            .start(&machine.lab)
            .unwrap();
        machine.boot("ip=eth0:dhcp");
        machine.answers();
        let (address, watch) = (leased(), Watch::start());
        machine.until("three renewals", || {
            (kea.sent("DHCPACK") >= 4).then_some(())
        });
        settled(machine);
        assert_eq!(leased(), address);
        assert_eq!(kea.received("DHCPDISCOVER"), 1);
        assert_eq!(kea.sent("DHCPNAK"), 0);
        assert_eq!(watch.removals(), Vec::<String>::new());
    });
}

#[test]
fn another_server_takes_the_lease_over() {
    on_linked_machine("kea-rebind", |machine| {
        let lab = machine.lab.namespace();
        lab.ip(&format!("address add {OTHER}/24 dev lan")).unwrap();
        let times = |kea: Builder| kea.times(40, 1, 4);
        let first = times(kea(SERVER, "10.77.0")).start(&machine.lab).unwrap();
        machine.boot("ip=eth0:dhcp");
        machine.answers();
        let (address, watch) = (leased(), Watch::start());
        assert_eq!(server(machine).as_deref(), Some(SERVER));
        drop(first);
        let second = times(kea(OTHER, "10.77.0")).start(&machine.lab).unwrap();
        machine.until("a lease of the other server", || {
            (server(machine)? == OTHER).then_some(())
        });
        // And it is the one that is asked from then on.
        let granted = second.sent("DHCPACK");
        machine.until("a renewal there", || {
            (second.sent("DHCPACK") > granted).then_some(())
        });
        settled(machine);
        assert_eq!(leased(), address);
        assert_eq!(second.received("DHCPDISCOVER"), 0, "it was never given up");
        assert_eq!(watch.removals(), Vec::<String>::new());
    });
}

#[test]
fn another_network_behind_the_cable_says_no_and_gives_another_address() {
    on_linked_machine("kea-nak", |machine| {
        let first = kea(SERVER, "10.77.0").start(&machine.lab).unwrap();
        machine.boot("ip=eth0:dhcp");
        machine.answers();
        let lab = machine.lab.namespace();
        lab.ip("link set far-eth0 down").unwrap();
        machine.until("the end of the carrier", || {
            (machine.get("leases")[0]["state"] == "down").then_some(())
        });
        assert!(leased().starts_with("10.77.0.10"), "kept meanwhile");
        drop(first);
        lab.ip("address add 10.78.0.1/24 dev lan").unwrap();
        lab.ip("link set far-eth0 up").unwrap();
        carrier(machine);
        let second = kea("10.78.0.1", "10.78.0").start(&machine.lab).unwrap();
        machine.until_shown("-4 address show dev eth0", "inet 10.78.0.");
        machine.until_shown("route show default", "via 10.78.0.1");
        settled(machine);
        assert!(second.sent("DHCPNAK") >= 1);
        assert!(leased().starts_with("10.78.0.10"), "{}", leased());
        assert!(!ip("route").contains("10.77.0."), "{}", ip("route"));
    });
}

#[test]
fn a_server_that_is_away_too_long_is_looked_for() {
    on_linked_machine("kea-expiry", |machine| {
        let start = || {
            let kea = kea(SERVER, "10.77.0").times(10, 2, 5);
            kea.start(&machine.lab).unwrap()
        };
        let first = start();
        machine.boot("ip=eth0:dhcp");
        machine.answers();
        drop(first);
        machine.until_gone("-4 address show dev eth0", "inet");
        machine.until_gone("route", "proto 73");
        settled(machine);
        let second = start();
        machine.until_shown("-4 address show dev eth0", "inet 10.77.0.");
        machine.until_shown("route show default", "via 10.77.0.1");
        settled(machine);
        assert!(second.received("DHCPDISCOVER") >= 1);
    });
}

#[test]
fn a_supervisor_that_slept_through_its_lease_gets_another() {
    on_linked_machine("kea-stop", |machine| {
        let kea = kea(SERVER, "10.77.0")
            .times(10, 3, 6)
            .start(&machine.lab)
            .unwrap();
        machine.boot("ip=eth0:dhcp ip=10.50.0.1:::255.255.0.0::eth0:none");
        machine.answers();
        machine.signal(Signal::SIGSTOP);
        // The kernel ends what nobody renews, and the routes from that address with it.
        machine.until_gone("-4 address show dev eth0", "inet 10.77.0.");
        machine.until_gone("route show default", "via");
        let before = kea.received("DHCPDISCOVER");
        machine.signal(Signal::SIGCONT);
        machine.until_shown("-4 address show dev eth0", "inet 10.77.0.");
        machine.until_shown("route show default", "via 10.77.0.1");
        settled(machine);
        assert!(kea.received("DHCPDISCOVER") > before);
        assert!(ip("-4 address show dev eth0").contains("inet 10.50.0.1/16"));
        assert_eq!(machine.get("leases")[0]["state"], "bound");
        assert!(!machine.get("resolvers").is_empty());
    });
}
