//! A lease and everything that hangs on it: got, held, renewed, refused, lost.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use qemu::peer::dhcp::message_type::{ACK, DISCOVER, NAK, OFFER, REQUEST};
use qemu::peer::dhcp::{DhcpServer, Message, Reply};
use qemu::process;
use serde_json::json;

use super::machine::{Machine, SERVER, addresses, leased, on_machine};
use super::watch::Watch;
use crate::namespace::{ip, ip_json};

#[test]
fn a_boot_leaves_what_the_lease_brought() {
    on_machine("lease", |machine| {
        let dnsmasq = machine
            .dnsmasq()
            .option(12, "node7")
            .option(15, "lab.example")
            .option(26, "1400")
            .option(121, "10.99.0.0/16,10.77.0.254,0.0.0.0/0,10.77.0.1")
            .start(&machine.lab)
            .unwrap();
        let ran = machine.boot_alone("ip=eth0:dhcp");
        assert_eq!(ran.code, 0, "{}", ran.errors);
        assert!(machine.supervisors().is_empty());
        assert_eq!(dnsmasq.exchanges("DHCPDISCOVER"), 1);
        assert_eq!(dnsmasq.count("DHCPREQUEST"), 1);

        let [(address, details)] = &addresses("eth0")[..] else {
            panic!("{}", ip("address show dev eth0"));
        };
        let bare = address.strip_suffix("/24").unwrap();
        assert_eq!(details["broadcast"], "10.77.0.255");
        for lifetime in ["valid_life_time", "preferred_life_time"] {
            let left = details[lifetime].as_u64().unwrap();
            assert!((3500..=3601).contains(&left), "{lifetime} {left}");
        }
        // This ip(8) may be too old to show whose an address is.
        let shown = machine.get("addresses");
        let ours = shown
            .iter()
            .find(|a| a["address"] == json!(address))
            .unwrap();
        assert_eq!(ours["protocol"], 73);

        let route = |dst: &str| ip_json(&format!("-N route show {dst}"))[0].clone();
        for (dst, gateway) in [("default", SERVER), ("10.99.0.0/16", "10.77.0.254")] {
            let route = route(dst);
            assert_eq!(route["gateway"], gateway);
            assert_eq!(route["prefsrc"], bare);
            assert_eq!(route["protocol"], "73");
            assert_eq!(route["metric"], 1024);
        }
        assert_eq!(ip_json("link show eth0")[0]["mtu"], 1400);

        let file = |path: &str| fs::read_to_string(path).unwrap();
        let resolv_conf = file("/etc/resolv.conf");
        assert!(
            resolv_conf.ends_with("nameserver 10.77.0.1\nsearch lab.example\n"),
            "{resolv_conf}"
        );
        assert_eq!(file("/run/init-net/resolv.conf"), resolv_conf);
        let hosts = file("/etc/hosts");
        assert!(
            hosts.contains(&format!("{bare} node7.lab.example node7\n")),
            "{hosts}"
        );
        assert_eq!(file("/etc/hostname"), "node7\n");
        let name = nix::unistd::gethostname().unwrap();
        assert_eq!(name, "node7");
        let klibc = file("/run/net-eth0.conf");
        for line in [
            format!("IPV4ADDR='{bare}'"),
            "PROTO='dhcp'".into(),
            "IPV4NETMASK='255.255.255.0'".into(),
            "IPV4GATEWAY='10.77.0.1'".into(),
            "IPV4DNS0='10.77.0.1'".into(),
            "HOSTNAME='node7'".into(),
            "DNSDOMAIN='lab.example'".into(),
        ] {
            assert!(klibc.lines().any(|found| found == line), "{line}: {klibc}");
        }

        let report = machine.report();
        assert_eq!(report["reason"], "ready");
        assert_eq!(report["phase"], "boot");
        assert_eq!(report["readiness"]["routable"], true);
        for list in ["diagnostics", "failures"] {
            assert_eq!(report[list], json!([]));
        }
        assert_eq!(report["readiness"]["missing"], json!([]));
    });
}

#[test]
fn nobody_answers_and_the_boot_goes_on() {
    on_machine("no-server", |machine| {
        let ran = machine.boot_alone("ip=eth0:dhcp initnet.timeout=1");
        assert_eq!(ran.code, 1, "{}", ran.errors);
        let report = machine.report();
        assert_eq!(report["reason"], "timeout");
        let missing = report["readiness"]["missing"].to_string();
        assert!(missing.contains("lease on eth0"), "{missing}");
        assert_eq!(addresses("eth0").len(), 0);
    });
}

#[test]
fn the_supervisor_holds_the_lease() {
    on_machine("hand-off", |machine| {
        let dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        machine.boot("ip=eth0:dhcp");
        let watch = Watch::start();
        machine.answers();
        assert_eq!(machine.supervisors().len(), 1);
        assert_eq!(machine.plan(), json!([]));
        machine.reconcile();
        assert_eq!(machine.plan(), json!([]));
        let leases = machine.get("leases");
        assert_eq!(leases[0]["address"], leased());
        assert_eq!(leases[0]["serverId"], SERVER);
        assert_eq!(leases[0]["state"], "bound");
        assert_eq!(watch.end(), Vec::<String>::new(), "nothing was touched");
        assert_eq!(dnsmasq.exchanges("DHCPDISCOVER"), 1);
        assert_eq!(dnsmasq.count("DHCPREQUEST"), 1);
        assert_eq!(machine.report()["phase"], "supervise");
    });
}

/// Whether the scripted server grants what it is asked for, and what it does else.
#[derive(Clone)]
pub(super) struct Grants {
    granting: Arc<AtomicBool>,
    /// Says no instead of nothing.
    refuses: bool,
}

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 42);

impl Grants {
    pub(super) fn new(refuses: bool) -> Self {
        Self {
            granting: Arc::new(AtomicBool::new(true)),
            refuses,
        }
    }

    fn set(&self, granting: bool) {
        self.granting.store(granting, Ordering::Relaxed);
    }

    /// The least lease that init-net believes is 10 s; T1 comes after 2 s and T2 after 6 s.
    pub(super) fn start(&self, machine: &Machine) -> DhcpServer {
        let this = self.clone();
        let server: Ipv4Addr = SERVER.parse().unwrap();
        let script = move |message: &Message| {
            let kind = match (message.kind, this.granting.load(Ordering::Relaxed)) {
                (DISCOVER, true) => OFFER,
                (REQUEST, true) => ACK,
                (REQUEST, false) if this.refuses => NAK,
                _ => return Vec::new(),
            };
            if kind == NAK {
                return vec![Reply::nak(server)];
            }
            let reply = Reply::new(kind, ADDRESS)
                .option(54, &server.octets())
                .option(1, &[255, 255, 255, 0])
                .option(3, &server.octets())
                .option(6, &server.octets())
                .lease_time(10)
                .option(58, &2_u32.to_be_bytes())
                .option(59, &6_u32.to_be_bytes());
            vec![reply]
        };
        DhcpServer::start(&machine.lab, "lan", script).unwrap()
    }
}

#[test]
fn a_lease_is_renewed_in_place() {
    on_machine("renewal", |machine| {
        let server = Grants::new(false).start(machine);
        machine.boot("ip=eth0:dhcp");
        machine.answers();
        // From now on only unicast reaches the server.
        let rules = "table inet lab { chain input { type filter hook input priority 0;
            ip daddr 255.255.255.255 udp dport 67 drop; }; }";
        process::run(machine.lab.namespace().command("nft").arg(rules)).unwrap();
        let watch = Watch::start();
        machine.until("three renewals", || {
            (server.count(REQUEST) >= 4).then_some(())
        });
        // The first lifetime of 10 s has at most 4 s left by now.
        machine.until("a lifetime that went up", || {
            let left = addresses("eth0")[0].1["valid_life_time"].as_u64()?;
            (left >= 8).then_some(())
        });
        assert_eq!(watch.removals(), Vec::<String>::new());
        assert_eq!(server.count(DISCOVER), 1);
        let requests = server.messages();
        let renewals: Vec<&Message> = requests
            .iter()
            .filter(|m| m.kind == REQUEST)
            .skip(1)
            .collect();
        for renewal in renewals {
            assert_eq!(renewal.ciaddr, ADDRESS);
            // RFC 2131 §4.3.2, table 4: neither in a renewal.
            assert_eq!(renewal.option(50), None);
            assert_eq!(renewal.option(54), None);
        }
    });
}

/// What does not come with the lease: it must outlive it.
fn furnish() {
    ip("address add 192.0.2.7/24 dev eth0");
    ip("route add 198.51.100.0/24 via 192.0.2.1 proto static");
}

#[track_caller]
fn only_the_lease_went(machine: &Machine) {
    machine.until_gone("-4 address show dev eth0", "10.77.0.42");
    machine.until_gone("route", "proto 73");
    assert_eq!(ip("route show default"), "");
    let left: Vec<String> = addresses("eth0").into_iter().map(|(a, _)| a).collect();
    assert_eq!(left, ["192.0.2.7/24", "10.50.0.1/16"]);
    assert!(ip("route").contains("198.51.100.0/24 via 192.0.2.1"));
    machine.until("an empty list of resolvers", || {
        machine.get("resolverspecs").is_empty().then_some(())
    });
    assert_eq!(machine.get("leases")[0]["address"], json!(null));
    let status = &machine.get("status")[0];
    assert_eq!(status["routable"], false);
    assert_eq!(machine.plan(), json!([]));
}

#[track_caller]
fn the_lease_came_back(machine: &Machine) {
    machine.until_shown("route show default", "via 10.77.0.1");
    machine.until_shown("-4 address show dev eth0", "10.77.0.42/24");
    machine.until("the resolver", || {
        (!machine.get("resolverspecs").is_empty()).then_some(())
    });
}

/// Two sources for one link: the lease, and an address of the machine's own.
const LEASE_AND_STATIC: &str = "ip=eth0:dhcp ip=10.50.0.1:::255.255.0.0::eth0:none";

#[test]
fn a_nak_withdraws_what_the_lease_brought() {
    on_machine("nak", |machine| {
        let grants = Grants::new(true);
        let server = grants.start(machine);
        ip("link set eth0 up");
        furnish();
        machine.boot(LEASE_AND_STATIC);
        machine.answers();
        grants.set(false);
        only_the_lease_went(machine);
        let requests = server.messages().into_iter().filter(|m| m.kind == REQUEST);
        assert_eq!(
            requests.count(),
            2,
            "the first renewal was refused, and that was heard"
        );
        grants.set(true);
        the_lease_came_back(machine);
    });
}

#[test]
fn a_lease_that_ends_takes_along_what_it_brought() {
    on_machine("expiry", |machine| {
        let grants = Grants::new(false);
        let server = grants.start(machine);
        ip("link set eth0 up");
        furnish();
        machine.boot(LEASE_AND_STATIC);
        machine.answers();
        let resolv_conf = fs::read("/etc/resolv.conf").unwrap();
        grants.set(false);
        only_the_lease_went(machine);
        assert!(server.count(REQUEST) >= 3, "unicast, then broadcast");
        assert_eq!(
            fs::read("/etc/resolv.conf").unwrap(),
            resolv_conf,
            "nobody knows better"
        );
        grants.set(true);
        the_lease_came_back(machine);
    });
}
