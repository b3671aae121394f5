//! DHCPv6 by the program, from a real Kea: addresses, prefixes, and how long they are held.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};

use init_net::value::Prefix;
use nix::sys::signal::Signal;
use qemu::peer::Kea6;
use qemu::peer::kea6::Builder;
use serde_json::{Value, json};

use super::machine::{Machine, on_machine};
use super::watch::Watch;
use crate::namespace::{ip, ip_json};

/// DHCPv6 with no router to be had: routes are not waited for.
pub(super) const ALONE: &str = "ip=eth0:dhcp6 initnet.wait=local";

/// Kea on `lan`, where it needs addresses that can be used now.
pub(super) fn kea(machine: &Machine) -> Builder {
    for arguments in [
        "link set lan addrgenmode none",
        "-6 address flush dev lan",
        "address add fe80::1/64 dev lan nodad",
        "address add 2001:db8::1/64 dev lan nodad",
        // Kea wants a carrier too, before the machine's link is up.
        "link add neighbour type veth peer name far-neighbour",
        "link set far-neighbour master lan up",
        "link set neighbour up",
    ] {
        machine.lab.namespace().ip(arguments).unwrap();
    }
    Kea6::builder("lan", "2001:db8::/64")
        .pool("2001:db8::100 - 2001:db8::1ff")
        .option("dns-servers", "2001:db8::53")
        .option("domain-search", "lab.example")
}

/// The global addresses of a link as ip(8) sees them, with everything else that it says of each.
pub(super) fn globals(link: &str) -> Vec<(String, Value)> {
    let links = ip_json(&format!("-6 -d address show dev {link} scope global"));
    let list = links.iter().flat_map(|link| link["addr_info"].as_array());
    list.flatten()
        .filter_map(|info| {
            let address = format!("{}/{}", info["local"].as_str()?, info["prefixlen"]);
            Some((address, info.clone()))
        })
        .collect()
}

/// The one leased address of `eth0`.
#[track_caller]
pub(super) fn leased() -> (Ipv6Addr, Value) {
    let all = globals("eth0");
    let [(address, details)] = &all[..] else {
        panic!("not one address: {all:?}");
    };
    let bare = address
        .strip_suffix("/128")
        .expect("no word about what else is on the link");
    let bare: Ipv6Addr = bare.parse().unwrap();
    let pool: Prefix = "2001:db8::100/120".parse().unwrap();
    assert!(pool.contains(bare.into()), "{bare}");
    (bare, details.clone())
}

/// What the supervisor says of the lease of `eth0`.
pub(super) fn lease(machine: &Machine) -> Option<Value> {
    let mut leases = machine.get("leases").into_iter();
    leases.find(|lease| lease["id"] == "dhcp6/eth0")
}

#[track_caller]
fn until_state(machine: &Machine, state: &str) {
    machine.until(state, || (lease(machine)?["state"] == state).then_some(()));
}

#[test]
fn a_boot_has_what_the_lease_brought() {
    on_machine("dhcp6-lease", |machine| {
        let kea = kea(machine).start(&machine.lab).unwrap();
        machine.boot(ALONE);
        machine.until("a lease", || globals("eth0").pop());
        let (_, details) = leased();
        // Kea's defaults.
        for (lifetime, secs) in [("valid_life_time", 7200), ("preferred_life_time", 3600)] {
            let left = details[lifetime].as_u64().unwrap();
            assert!((secs - 60..=secs).contains(&left), "{lifetime} {left}");
        }
        machine.until("the server's facts", || {
            let text = fs::read_to_string("/etc/resolv.conf").ok()?;
            let told = text.ends_with("nameserver 2001:db8::53\nsearch lab.example\n");
            told.then_some(())
        });
        for message in ["REQUEST", "SOLICIT"] {
            kea.seen(message).unwrap();
        }
    });
}

/// Elsewhere in these tests addresses can be used at once.
#[test]
fn duplicate_address_detection_has_its_time() {
    on_machine("dhcp6-dad", |machine| {
        let _kea = kea(machine).start(&machine.lab).unwrap();
        fs::write("/proc/sys/net/ipv6/conf/eth0/accept_dad", "1").unwrap();
        machine.boot(ALONE);
        machine.answers();
        machine.until("an address that can be used", || {
            let (_, details) = globals("eth0").pop()?;
            details["tentative"].is_null().then_some(())
        });
        leased();
        until_state(machine, "bound");
        machine.until("an empty plan", || {
            (machine.plan() == json!([])).then_some(())
        });
    });
}

#[test]
fn a_lease_is_held_through_everything() {
    on_machine("dhcp6-held", |machine| {
        // The least T1 that is believed, and a lifetime that outlasts a slow machine.
        let builder = kea(machine).rapid_commit().times(5, 8, 100, 120);
        let first = builder.clone().start(&machine.lab).unwrap();
        machine.boot(ALONE);
        machine.answers();
        machine.until("a lease", || globals("eth0").pop());
        let (address, _) = leased();
        assert_eq!(first.count("REQUEST"), 0, "rapid commit");
        let watch = Watch::start();

        machine.signal(Signal::SIGKILL);
        let _supervisor = machine.supervise();
        machine.reconcile();
        assert_eq!(machine.plan(), json!([]));
        assert_eq!(leased().0, address);

        let far = |state| {
            machine
                .lab
                .namespace()
                .ip(&format!("link set far-eth0 {state}"))
        };
        far("down").unwrap();
        until_state(machine, "down");
        far("up").unwrap();
        first.seen("CONFIRM").unwrap();
        until_state(machine, "bound");

        let before = first.count("RENEW");
        let renewed = || (first.count("RENEW") >= before + 2).then_some(());
        machine.until("two renewals", renewed);
        drop(first);
        until_state(machine, "rebinding");
        let second = builder.start(&machine.lab).unwrap();
        until_state(machine, "bound");
        assert!(second.seen("REBIND").unwrap() > 0);
        assert_eq!(second.count("SOLICIT"), 0);

        assert_eq!(leased().0, address);
        let mut removals = watch.removals();
        removals.retain(|line| line.contains(&address.to_string()));
        assert_eq!(removals, Vec::<String>::new());
    });
}

#[test]
fn a_delegated_prefix_goes_to_another_link() {
    on_machine("dhcp6-prefix", |machine| {
        machine.lab.namespace().bridge("inside", &[]).unwrap();
        machine.cable("eth1", "52:54:00:00:00:11", "inside");
        let builder = kea(machine).delegates("2001:db8:1000::", 40, 56);
        let kea = builder.start(&machine.lab).unwrap();
        let config = machine.lab.folder().join("config.yaml");
        let text = "\
apiVersion: v1alpha1
kind: DHCPv6Config
name: eth0
prefixHint: ::/56
delegate:
  - link: eth1
    subnet: 7
---
apiVersion: v1alpha1
kind: LinkConfig
name: eth1
up: true
";
        fs::write(&config, text).unwrap();
        let config = config.display();
        machine.boot(&format!("initnet.wait=local initnet.config={config}"));
        machine.answers();
        machine.until("a lease", || globals("eth0").pop());
        leased();
        let inside = machine.until("an address inside", || globals("eth1").pop());
        let inside = inside.0;
        let inside: Prefix = inside.parse().unwrap();
        let pool: Prefix = "2001:db8:1000::/40".parse().unwrap();
        assert!(pool.contains(inside.address()), "{inside}");
        let IpAddr::V6(address) = inside.address() else {
            panic!("{inside}");
        };
        let [.., subnet, a, b, c, d] = address.segments();
        assert_eq!((subnet & 0xff, [a, b, c, d]), (7, [0, 0, 0, 1]), "{inside}");
        assert_eq!(inside.len(), 64);
        // What no link has of the prefix leads nowhere.
        let routes = ip("-6 route show type unreachable");
        assert!(
            routes.contains("2001:db8:10") && routes.contains("/56"),
            "{routes}"
        );
        kea.seen("SOLICIT").unwrap();
        machine.until("an empty plan", || {
            (machine.plan() == json!([])).then_some(())
        });
    });
}
