//! Another host has the address: found while the address is in use, and told.

use std::fs;

use qemu::Namespace;
use serde_json::{Value, json};

use super::machine::{Machine, leased, on_machine};
use crate::namespace::ip;

/// The address of another host on the lan.
const TAKEN: &str = "10.77.0.66";

/// Another host with [`TAKEN`].
fn rival(machine: &Machine) -> Namespace {
    let rival = Namespace::new().expect("a rival");
    let lab = machine.lab.namespace();
    lab.veth("far-rival", &rival, "eth0").expect("its cable");
    for line in ["link set far-rival master lan", "link set far-rival up"] {
        lab.ip(line).expect("its cable");
    }
    for line in [
        &format!("address add {TAKEN}/24 dev eth0"),
        "link set eth0 up",
    ] {
        rival.ip(line).expect("its address");
    }
    rival
}

#[test]
fn a_static_address_stays_and_the_rival_is_reported() {
    on_machine("conflict-static", |machine| {
        let _rival = rival(machine);
        machine.boot(&format!("ip={TAKEN}::10.77.0.1:24::eth0:none"));
        let told = machine.until("the conflict in the report", || {
            let report = machine.report();
            report["conflicts"][0].as_str().map(str::to_owned)
        });
        assert!(
            told.starts_with(&format!("{TAKEN} on eth0 is also used by ")),
            "{told}"
        );
        assert!(
            ip("-4 address show dev eth0").contains(TAKEN),
            "a node without its address is worse"
        );
    });
}

#[test]
fn two_cards_on_one_network_are_no_rivals() {
    on_machine("conflict-own", |machine| {
        machine.cable("eth1", "52:54:00:00:00:11", "lan");
        let dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        machine.boot("ip=eth0:dhcp ip=eth1:dhcp");
        // Each answers for the addresses of the other, as Linux does unless it is told otherwise.
        machine.until("both addresses found free", || {
            let state = fs::read("/run/init-net/state.json").ok()?;
            let state: Value = serde_json::from_slice(&state).ok()?;
            (state["verified"].as_array()?.len() == 2).then_some(())
        });
        assert_eq!(machine.report()["conflicts"], json!(null));
        assert_eq!(dnsmasq.count("DHCPDECLINE"), 0);
    });
}

#[test]
fn a_restarted_supervisor_goes_on_with_the_watch() {
    on_machine("conflict-restart", |machine| {
        machine.boot(&format!("ip={TAKEN}::10.77.0.1:24::eth0:none"));
        let verified = format!("\"verified\":[\"eth0/{TAKEN}\"]");
        machine.until("a verdict in the state file", || {
            let state = std::fs::read_to_string("/run/init-net/state.json").ok()?;
            state.contains(&verified).then_some(())
        });
        machine.signal(nix::sys::signal::Signal::SIGKILL);
        let _supervisor = machine.supervise();
        machine.reconcile();
        let rival = rival(machine);
        // With this it says that it has the address whenever its hardware address changes (arp_notify, ip-sysctl.rst).
        let mut command = rival.command("sysctl");
        qemu::process::run(command.args(["-w", "net.ipv4.conf.eth0.arp_notify=1"])).unwrap();
        let mut turn = 0;
        machine.until("the conflict in the report", || {
            turn += 1;
            let mac = format!("link set eth0 address 02:00:00:00:00:{:02x}", turn % 100);
            rival.ip(&mac).unwrap();
            let report = machine.report();
            report["conflicts"][0].as_str().map(str::to_owned)
        });
    });
}

#[test]
fn a_leased_address_is_declined_and_another_one_asked_for() {
    on_machine("conflict-lease", |machine| {
        let _rival = rival(machine);
        let dnsmasq = machine
            .dnsmasq()
            .host([0x52, 0x54, 0, 0, 0, 0x10], TAKEN)
            .start(&machine.lab)
            .unwrap();
        machine.boot("ip=eth0:dhcp");
        machine.until("a DECLINE", || {
            (dnsmasq.count("DHCPDECLINE") > 0).then_some(())
        });
        machine.until_gone("-4 address show dev eth0", TAKEN);
        // Ten seconds later (RFC 2131 section 3.1.5) it asks again, and gets another one.
        machine.until_shown("-4 address show dev eth0", "inet 10.77.0.1");
        assert_ne!(leased(), format!("{TAKEN}/24"));
    });
}

#[test]
fn an_address_of_our_own_is_verified_once() {
    on_machine("conflict-none", |machine| {
        machine.boot("ip=10.77.0.67::10.77.0.1:24::eth0:none");
        let state = machine.until("a verdict in the state file", || {
            let state = std::fs::read_to_string("/run/init-net/state.json").ok()?;
            state
                .contains("\"verified\":[\"eth0/10.77.0.67\"]")
                .then_some(state)
        });
        assert!(
            state.contains("\"owned\":[\"") && state.contains("/10.77.0.67/24\"]"),
            "{state}"
        );
        assert!(machine.report()["conflicts"].is_null());
    });
}
