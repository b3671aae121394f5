//! A supervisor that is killed and started again.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::machine::{Machine, leased, on_machine};
use super::watch::Watch;

const STATE: &str = "/run/init-net/state.json";

#[test]
fn after_sigkill_nothing_is_touched_and_nobody_is_asked() {
    on_machine("kill", |machine| {
        let dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        machine.boot("ip=eth0:dhcp");
        machine.answers();
        let (address, lease) = (leased(), machine.get("leases"));
        let watch = Watch::start();
        machine.signal(Signal::SIGKILL);
        let _supervisor = machine.supervise();
        machine.reconcile();
        assert_eq!(machine.plan(), json!([]));
        assert_eq!(machine.get("leases"), lease);
        assert_eq!(watch.end(), Vec::<String>::new());
        assert_eq!(leased(), address);
        assert_eq!(dnsmasq.exchanges("DHCPDISCOVER"), 1);
        assert_eq!(dnsmasq.count("DHCPREQUEST"), 1);
        let report = machine.report();
        assert_eq!(report["reason"], "ready", "the boot is remembered");
    });
}

#[test]
fn what_broke_while_nobody_watched_is_repaired() {
    on_machine("kill-repair", |machine| {
        let _dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        machine.boot("ip=eth0:dhcp");
        machine.answers();
        machine.signal(Signal::SIGKILL);
        crate::namespace::ip("route delete default");
        let _supervisor = machine.supervise();
        machine.until_shown("route show default", "via 10.77.0.1");
    });
}

/// Kills the supervisor, puts `spoil` of its state in place, and starts another, which reads `ip=eth0:dhcp` again.
fn with_spoiled_state(name: &'static str, spoil: fn(&[u8]) -> Vec<u8>, complaint: &'static str) {
    on_machine(name, move |machine: &Machine| {
        let _dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        machine.boot("ip=eth0:dhcp");
        machine.answers();
        let address = leased();
        machine.signal(Signal::SIGKILL);
        let state = fs::read(STATE).unwrap();
        fs::write(STATE, spoil(&state)).unwrap();
        fs::write("/proc/cmdline", "ip=eth0:dhcp\n").unwrap();
        let watch = Watch::start();
        let _supervisor = machine.supervise();
        assert!(machine.log().contains(complaint), "{}", machine.log());
        machine.until("a lease", || {
            (machine.get("leases")[0]["address"] == json!(address)).then_some(())
        });
        machine.until("an empty plan", || {
            (machine.plan() == json!([])).then_some(())
        });
        assert_eq!(leased(), address);
        assert_eq!(
            watch.removals(),
            Vec::<String>::new(),
            "what is right stays"
        );
        // The next one believes what this one wrote.
        let state: Value = serde_json::from_slice(&fs::read(STATE).unwrap()).unwrap();
        assert_eq!(
            state["leases"]["dhcp4"][0]["lease"]["address"],
            json!(address)
        );
    });
}

#[test]
fn a_corrupt_state_file_costs_only_itself() {
    with_spoiled_state("corrupt", |_| b"\xff\0{".to_vec(), "malformed");
}

#[test]
fn a_truncated_state_file_costs_only_itself() {
    with_spoiled_state(
        "truncated",
        |state| state[..state.len() / 2].to_vec(),
        "malformed",
    );
}

#[test]
fn the_state_of_another_boot_costs_only_itself() {
    fn of_another_boot(state: &[u8]) -> Vec<u8> {
        let mut state: Value = serde_json::from_slice(state).unwrap();
        state["bootId"] = json!("00000000-0000-0000-0000-000000000000");
        state.to_string().into_bytes()
    }
    with_spoiled_state("other-boot", of_another_boot, "from another boot");
}
