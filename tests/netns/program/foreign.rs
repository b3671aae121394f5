//! What is not ours stays as it is, byte for byte, whatever the program does beside it.

use std::process::Command;

use nix::sys::signal::Signal;
use qemu::process;
use serde_json::json;

use super::machine::{Machine, on_machine};
use super::watch::Watch;
use crate::namespace::{ip, ip_json};

/// Every foreign object of the machine, as text.
fn foreign() -> String {
    let address = ip_json("address show dev eth0");
    let infos = address.iter().flat_map(|link| link["addr_info"].as_array());
    let infos: Vec<_> = infos
        .flatten()
        .filter(|info| info["local"] == "192.0.2.7" || info["local"] == "2001:db8::7")
        .collect();
    assert_eq!(infos.len(), 2, "{address:?}");
    let mut text = format!("{infos:?}\n");
    for arguments in [
        "-N route show table all proto static",
        "-N -6 route show table all proto static",
        "-N rule",
        "-N -6 rule",
    ] {
        text.push_str(&ip(arguments));
    }
    text.push_str(&nft("list ruleset"));
    text
}

fn nft(arguments: &str) -> String {
    process::run(Command::new("nft").args(arguments.split(' '))).expect("nft(8)")
}

fn furnish() {
    ip("link set eth0 up");
    for command in [
        "address add 192.0.2.7/24 dev eth0",
        "address add 2001:db8::7/64 dev eth0",
        "route add 198.51.100.0/24 via 192.0.2.1 proto static",
        "route add 198.51.100.0/24 via 192.0.2.2 proto static table 100",
        "route add unreachable 10.200.0.0/16 proto static",
        "route add 2001:db8:1::/48 via 2001:db8::1 proto static",
        "rule add from 192.0.2.0/24 table 100 priority 1000",
        "rule add from 2001:db8::/64 table 100 priority 1000",
    ] {
        let family = if command.contains("2001") { "-6 " } else { "" };
        ip(&format!("{family}{command}"));
    }
    nft("add table inet guests");
    nft("add chain inet guests input { type filter hook input priority 0 ; }");
    nft("add rule inet guests input tcp dport 22 accept");
}

#[test]
fn foreign_objects_are_not_touched() {
    on_machine("foreign", |machine: &Machine| {
        let _dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        furnish();
        let before = foreign();
        assert!(
            before.contains("198.51.100.0/24") && before.contains("dport 22"),
            "{before}"
        );
        let watch = Watch::start();
        let same = |when: &str| assert_eq!(foreign(), before, "{when}");

        machine.boot("ip=eth0:dhcp");
        machine.answers();
        same("boot");
        machine.reconcile();
        assert_eq!(machine.plan(), json!([]));
        same("reconcile");
        // They are not remembered, and still there for who asks.
        let routes = machine.get("routes");
        let shown = routes.iter().filter(|it| it["dst"] == "198.51.100.0/24");
        assert_eq!(shown.count(), 2, "{routes:?}");
        let told = machine.run(&["explain", "198.51.100.0/24"]);
        assert!(told.output.contains("not ours"), "{told:?}");
        machine.signal(Signal::SIGHUP);
        machine.until("a reload", || {
            machine.log().contains("reload").then_some(())
        });
        assert_eq!(machine.plan(), json!([]));
        same("reload");
        // Work beside them: an address of ours that is lost and repaired.
        ip("route delete default");
        machine.until_shown("route show default", "10.77.0.1");
        same("repair");
        machine.signal(Signal::SIGTERM);
        same("the end of the supervisor");
        assert!(
            ip("route show default").contains("proto 73"),
            "ours stays as well"
        );

        let events = watch.end();
        for foreign in ["192.0.2.", "198.51.100.", "2001:db8:", "10.200."] {
            let touched: Vec<_> = events
                .iter()
                .filter(|line| line.contains(foreign))
                .collect();
            assert!(touched.is_empty(), "{touched:?}");
        }
    });
}

#[test]
fn a_route_of_others_that_is_the_wanted_one_is_enough() {
    on_machine("foreign-route", |machine| {
        ip("link set eth0 up");
        ip("address add 10.77.0.67/24 dev eth0");
        let route = "10.60.0.0/16 via 10.77.0.9 dev eth0 metric 1024";
        ip(&format!("route add {route} proto static"));
        machine.boot("ip=10.77.0.67::10.77.0.1:24::eth0:none rd.route=10.60.0.0/16:10.77.0.9:eth0");
        machine.answers();
        let shown = ip("-N route show 10.60.0.0/16");
        assert_eq!(shown.matches("10.60.0.0/16").count(), 1, "{shown}");
        assert!(shown.contains("proto 4"), "{shown}");
        assert_eq!(machine.report()["failures"], json!([]));
        // Nothing rings when it goes; whoever looks for another reason sees it.
        ip(&format!("route delete {route}"));
        machine.reconcile();
        machine.until_shown("-N route show 10.60.0.0/16", "proto 73");
    });
}

#[test]
fn a_foreign_address_in_our_prefix_survives_the_loss_of_ours() {
    on_machine("secondary", |machine| {
        machine.boot("ip=10.0.0.2:::24::eth0:none");
        machine.answers();
        // Ours is the primary of the prefix, this one a secondary of it.
        ip("address add 10.0.0.77/24 dev eth0");
        machine.signal(Signal::SIGTERM);
        let ran = machine.run(&["apply", "--cmdline", "ip=10.0.0.3:::24::eth0:none"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        let shown = ip("-4 address show dev eth0");
        assert!(
            shown.contains("10.0.0.3/24") && !shown.contains("10.0.0.2/24"),
            "{shown}"
        );
        assert!(shown.contains("10.0.0.77/24"), "{shown}");
    });
}
