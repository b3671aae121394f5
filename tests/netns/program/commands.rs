//! The commands that ask a running supervisor.

use super::machine::{leased, on_machine};

#[test]
fn every_question_has_an_answer() {
    on_machine("commands", |machine| {
        let _dnsmasq = machine
            .dnsmasq()
            .option(12, "node7")
            .start(&machine.lab)
            .unwrap();
        machine.boot("ip=eth0:dhcp");
        machine.answers();
        let address = leased();
        let one = |kind: &str, field: &str, value: &str| {
            let all = machine.get(kind);
            let hits = all.iter().filter(|resource| resource[field] == value);
            assert_eq!(hits.count(), 1, "{kind} with {field} {value}: {all:?}");
        };
        one("links", "name", "eth0");
        one("addresses", "address", &address);
        one("addressspecs", "address", &address);
        one("routespecs", "gateway", "10.77.0.1");
        one("leases", "id", "dhcp4/eth0");
        one("operators", "linkName", "eth0");
        one("hostname", "hostname", "node7");
        assert_eq!(machine.get("resolvers")[0]["nameServers"][0], "10.77.0.1");
        assert_eq!(machine.get("status")[0]["routable"], true);

        let output = |arguments: &[&str], code: i32| {
            let ran = machine.run(arguments);
            assert_eq!(ran.code, code, "{arguments:?}: {}", ran.errors);
            ran.output
        };
        let (bare, _) = address.split_once('/').unwrap();
        for (id, word) in [
            (bare, "address"),
            ("default", "route"),
            ("resolvers", "resolvers"),
        ] {
            let explained = output(&["explain", id], 0);
            assert!(explained.starts_with(word), "{explained}");
            assert!(explained.contains("layer: operator"), "{explained}");
        }
        let explained = output(&["explain", "dhcp4/eth0"], 0);
        assert!(
            explained.contains("ip=eth0:dhcp"),
            "the words that said it: {explained}"
        );
        output(&["explain", "192.0.2.1"], 1);
        for level in ["links", "local", "routable", "online"] {
            output(&["wait", "--level", level, "--timeout", "10s"], 0);
        }
        let timeline = output(&["timeline"], 0);
        for stage in ["cmdline", "network", "hand-off (ready)"] {
            assert!(timeline.contains(stage), "{timeline}");
        }
        output(&["get", "leases"], 0);
        output(&["get", "nonsense"], 64);
        output(&["nonsense"], 64);
    });
}

#[test]
fn waiting_for_what_does_not_come_says_what_is_missing() {
    on_machine("wait", |machine| {
        machine.boot_alone("ip=eth0:dhcp initnet.timeout=1");
        std::fs::write("/proc/cmdline", "ip=eth0:dhcp\n").unwrap();
        let _supervisor = machine.supervise();
        let ran = machine.run(&["wait", "--level", "routable", "--timeout", "200ms"]);
        assert_eq!(ran.code, 1);
        assert!(ran.errors.contains("lease on eth0"), "{}", ran.errors);
        let _dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        let ran = machine.run(&["wait", "--level", "routable", "--timeout", "60s"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        assert!(leased().starts_with("10.77.0."));
    });
}
