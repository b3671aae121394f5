//! Networks that mean no good, and cables that are none.

use std::net::Ipv4Addr;
use std::time::Duration;

use qemu::Namespace;
use qemu::peer::Radvd;
use qemu::peer::dhcp::message_type::{ACK, DISCOVER, OFFER, REQUEST};
use qemu::peer::dhcp::{DhcpServer, Message, Reply};
use qemu::peer::relay::{Relay, Weather};
use serde_json::json;

use super::dhcp6;
use super::machine::{Machine, SERVER, addresses, on_machine};
use super::routers::{self, resolv_conf};
use super::watch::Watch;
use crate::namespace::ip;

/// Everything away from where the machine config and the cloud have it, the way of a tunnel's enemies (CVE-2024-3661), and
/// two routes that are nobody's business.
const EVIL: &str = "128.0.0.0/1,10.77.0.66,169.254.169.254/32,10.77.0.66,10.50.7.0/24,10.77.0.66,\
     198.51.100.0/25,10.77.0.66,10.99.0.0/16,10.77.0.254,0.0.0.0/0,10.77.0.1";

#[test]
fn a_lease_does_not_route_what_is_configured() {
    on_machine("tunnelvision", |machine| {
        machine.cable("eth1", "52:54:00:00:00:11", "lan");
        let dnsmasq = machine.dnsmasq().option(121, EVIL);
        let _dnsmasq = dnsmasq.start(&machine.lab).unwrap();
        let line = "ip=eth0:dhcp ip=10.50.0.1:::255.255.0.0::eth1:none \
                    rd.route=198.51.100.0/24:10.50.0.9:eth1";
        machine.boot(line);
        machine.answers();
        let routes = ip("-4 route show proto 73");
        for made in ["default via 10.77.0.1", "10.99.0.0/16 via 10.77.0.254"] {
            assert!(routes.contains(made), "{made}: {routes}");
        }
        assert!(!routes.contains("10.77.0.66"), "{routes}");
        for (to, by) in [
            ("169.254.169.254", "via 10.77.0.1 dev eth0"),
            ("203.0.113.9", "via 10.77.0.1 dev eth0"),
            ("10.50.7.7", "dev eth1"),
            ("198.51.100.7", "via 10.50.0.9 dev eth1"),
        ] {
            let found = ip(&format!("route get {to}"));
            assert!(found.contains(by), "{found}");
        }
        let report = machine.report();
        let diagnostics = report["diagnostics"].as_array().unwrap();
        assert_eq!(diagnostics.len(), 4, "{diagnostics:?}");
        for fault in diagnostics {
            let text = fault.as_str().unwrap();
            for part in [
                "\n  dhcp4/eth0, option 121\n",
                "DHCPv4Config of eth0: allowRoutes: [",
                " via 10.77.0.66 is left out",
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
        assert_eq!(report["reason"], "ready");
        assert_eq!(machine.plan(), json!([]));
    });
}

/// Puts a bad cable between `eth0` and the bridge of the lab.
fn weather(machine: &Machine, weather: Weather, seed: u64) -> (Namespace, Relay) {
    let wire = Namespace::new().unwrap();
    let lab = machine.lab.namespace();
    let target = wire.path();
    let target = target.display();
    lab.ip(&format!("link set far-eth0 nomaster netns {target}"))
        .unwrap();
    lab.veth("port", &wire, "hop").unwrap();
    lab.ip("link set port master lan up").unwrap();
    for end in ["far-eth0", "hop"] {
        wire.ip(&format!("link set {end} up")).unwrap();
    }
    let relay = Relay::start(&wire, ["far-eth0", "hop"], weather, seed).unwrap();
    (wire, relay)
}

#[test]
fn a_lease_is_got_and_renewed_in_a_storm() {
    on_machine("storm", |machine| {
        let storm = Weather {
            loss: 30,
            duplicates: 20,
            delayed: 40,
            delay: Duration::from_millis(80),
        };
        let (_wire, relay) = weather(machine, storm, 20_240_503);
        let server: Ipv4Addr = SERVER.parse().unwrap();
        let address = Ipv4Addr::new(10, 77, 0, 42);
        let script = move |message: &Message| {
            let kind = match message.kind {
                DISCOVER => OFFER,
                REQUEST => ACK,
                _ => return Vec::new(),
            };
            let reply = Reply::new(kind, address)
                .option(54, &server.octets())
                .option(1, &[255, 255, 255, 0])
                .option(3, &server.octets())
                .lease_time(24)
                .option(58, &1_u32.to_be_bytes())
                .option(59, &12_u32.to_be_bytes());
            vec![reply]
        };
        let _server = DhcpServer::start(&machine.lab, "lan", script).unwrap();
        machine.boot("ip=eth0:dhcp initnet.timeout=300");
        machine.answers();
        let acquired = || {
            let lease = machine.get("leases")[0].clone();
            (lease["address"] == "10.77.0.42/24").then(|| lease["acquiredAt"].clone())
        };
        let mut last = machine.until("a lease", acquired);
        for renewal in 0..3 {
            last = machine.until(&format!("renewal {renewal}"), || {
                acquired().filter(|at| *at != last)
            });
        }
        machine.until_shown("route show default", "via 10.77.0.1");
        assert_eq!(addresses("eth0")[0].0, "10.77.0.42/24");
        assert_eq!(machine.plan(), json!([]));
        let tally = relay.tally();
        assert!(
            tally.lost > 0 && tally.doubled > 0 && tally.overtaken > 0,
            "there was weather: {tally:?}"
        );
    });
}

/// What IPv6 must live with. Its clients wait from 10 s on, twice as long each time (RFC 8415 §15): with a third of the
/// frames lost, one in a hundred runs would take a quarter of an hour.
const SQUALL: Weather = Weather {
    loss: 20,
    duplicates: 20,
    delayed: 40,
    delay: Duration::from_millis(80),
};

/// Seven attempts of a client.
const RENEWAL: Duration = Duration::from_secs(300);

/// Valid for as long as two renewals may take: none that is late costs the address.
const VALID: u32 = 600;

/// Waits until every kind of bad weather has been: few frames are needed where all goes well.
#[track_caller]
fn until_weather(machine: &Machine, relay: &Relay) {
    machine.within(RENEWAL, "weather of every kind", || {
        let tally = relay.tally();
        (tally.lost > 0 && tally.doubled > 0 && tally.overtaken > 0).then_some(())
    });
}

#[test]
fn a_dhcpv6_lease_is_got_and_renewed_in_a_squall() {
    on_machine("squall", |machine| {
        let (_wire, relay) = weather(machine, SQUALL, 20_240_504);
        // The least T1 that is believed.
        let kea = dhcp6::kea(machine).times(5, 8, VALID / 2, VALID);
        let kea = kea.start(&machine.lab).unwrap();
        machine.boot(dhcp6::ALONE);
        machine.answers();
        let acquired = || {
            let at = dhcp6::lease(machine)?["lease"]["acquiredAt"].clone();
            (!at.is_null()).then_some(at)
        };
        let mut last = machine.until("a lease", acquired);
        machine.until("its address", || dhcp6::globals("eth0").pop());
        let (address, _) = dhcp6::leased();
        let watch = Watch::start();
        for renewal in 0..2 {
            last = machine.within(RENEWAL, &format!("renewal {renewal}"), || {
                acquired().filter(|at| *at != last)
            });
        }
        // Its log is behind what it answers.
        machine.until("two renewals by the server", || {
            (kea.count("RENEW") + kea.count("REBIND") >= 2).then_some(())
        });
        assert_eq!(dhcp6::leased().0, address);
        let mut removals = watch.removals();
        removals.retain(|line| line.contains(&address.to_string()));
        assert_eq!(removals, Vec::<String>::new());
        until_weather(machine, &relay);
    });
}

#[test]
fn a_router_is_heard_in_a_squall() {
    on_machine("squall-router", |machine| {
        let (_wire, relay) = weather(machine, SQUALL, 20_240_505);
        routers::addressed(machine);
        let prefix = routers::PREFIX;
        let lines = format!("{prefix} RDNSS 2001:db8:77::53 {{ AdvRDNSSLifetime 600; }};");
        let _router = Radvd::start(&machine.lab, &routers::radvd("", &lines)).unwrap();
        machine.boot("ip=eth0:auto6 initnet.timeout=300");
        machine.answers();
        machine.until("the router's name server", || {
            let told = resolv_conf().contains("nameserver 2001:db8:77::53\n");
            told.then_some(())
        });
        machine.until_shown("-6 route show default", "via fe80::1");
        machine.until("an empty plan", || {
            (machine.plan() == json!([])).then_some(())
        });
        until_weather(machine, &relay);
    });
}
