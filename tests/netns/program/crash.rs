//! A supervisor that dies at the worst moment, whichever that is.

use std::fs;
use std::net::Ipv4Addr;

use qemu::peer::dhcp::message_type::{DISCOVER, REQUEST};
use qemu::peer::dhcp::{DhcpServer, Message, Reply};
use qemu::trace::{Fate, Traced};
use serde_json::json;

use super::machine::{Machine, SERVER, addresses, on_machine};
use super::watch::Watch;
use crate::namespace::ip;

/// Two cards, one with a lease and a static address, one in a bridge; routes of two tables, rules, a parameter, a name.
const CONFIG: &str = "
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
mtu: 1450
addresses: [{address: 10.50.0.1/16}]
routes: [{destination: 198.51.100.0/24, gateway: 10.50.0.9}]
---
apiVersion: v1alpha1
kind: DHCPv4Config
name: eth0
---
apiVersion: v1alpha1
kind: BridgeConfig
name: br0
links: [eth1]
addresses: [{address: 10.60.0.1/24}, {address: 2001:db8:60::1/64}]
routes:
  - {destination: 203.0.113.0/25, gateway: 10.60.0.9}
  - {destination: 203.0.113.0/24, gateway: 10.60.0.9, table: 100}
---
apiVersion: v1alpha1
kind: BlackholeRouteConfig
name: 192.0.2.0/24
---
apiVersion: v1alpha1
kind: RoutingRuleConfig
name: \"1500\"
src: 10.60.0.0/24
table: \"100\"
action: unicast
---
apiVersion: v1alpha1
kind: HostnameConfig
hostname: node7
---
apiVersion: v1alpha1
kind: StaticHostConfig
name: 10.60.0.9
hostnames: [peer]
";

/// What changes something outside of the process: messages to the kernel and to others, files, names.
const CHANGES: [i64; 13] = [
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_ftruncate,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_mount,
    libc::SYS_sethostname,
    libc::SYS_ioctl,
];

/// Those of them that only the older architectures have.
#[cfg(target_arch = "x86_64")]
const OLDER_CHANGES: [i64; 3] = [libc::SYS_rename, libc::SYS_unlink, libc::SYS_mkdir];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_CHANGES: [i64; 0] = [];

/// More crashes than there are moments: the test would not end otherwise if a supervisor never came to rest.
const MOST: usize = 400;

fn server(machine: &Machine) -> DhcpServer {
    let server: Ipv4Addr = SERVER.parse().unwrap();
    let address = Ipv4Addr::new(10, 77, 0, 42);
    let script = move |message: &Message| {
        let reply = match message.kind {
            DISCOVER => Reply::offer(address, server),
            REQUEST => Reply::ack(address, server),
            _ => return Vec::new(),
        };
        vec![
            reply
                .option(3, &server.octets())
                .option(6, &server.octets()),
        ]
    };
    DhcpServer::start(&machine.lab, "lan", script).unwrap()
}

/// What is missing of what the sources want; `None`: nothing. By ip(8) and the files: no supervisor is asked.
fn missing() -> Option<String> {
    let has = |what: &str, found: &str, wanted: &[&str]| {
        let lost = wanted.iter().find(|wanted| !found.contains(**wanted))?;
        Some(format!("{lost} in {what}: {found}"))
    };
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let of = |link: &str| {
        let all: Vec<String> = addresses(link).into_iter().map(|(a, _)| a).collect();
        all.join(" ")
    };
    let routes = [
        "default via 10.77.0.1 dev eth0",
        "198.51.100.0/24 via 10.50.0.9 dev eth0",
        "203.0.113.0/25 via 10.60.0.9 dev br0",
        "blackhole 192.0.2.0/24",
    ];
    let links = ip("link show");
    if !links.contains("br0") {
        return Some("br0".into());
    }
    let table = ip("route show table all");
    has("eth0", &of("eth0"), &["10.77.0.42/24", "10.50.0.1/16"])
        .or_else(|| has("br0", &of("br0"), &["10.60.0.1/24"]))
        .or_else(|| {
            has(
                "br0",
                &ip("-6 address show dev br0"),
                &["2001:db8:60::1/64"],
            )
        })
        .or_else(|| has("links", &ip("link show eth1"), &["master br0", ",UP,"]))
        .or_else(|| has("links", &ip("link show eth0"), &["mtu 1450"]))
        .or_else(|| has("routes", &ip("route"), &routes))
        .or_else(|| {
            has(
                "table 100",
                &table,
                &["203.0.113.0/24 via 10.60.0.9 dev br0 table 100"],
            )
        })
        .or_else(|| {
            has(
                "rules",
                &ip("rule"),
                &["1500:", "from 10.60.0.0/24 lookup 100"],
            )
        })
        .or_else(|| {
            has(
                "resolv.conf",
                &file("/etc/resolv.conf"),
                &["nameserver 10.77.0.1"],
            )
        })
        .or_else(|| has("hosts", &file("/etc/hosts"), &["10.60.0.9 peer", "node7"]))
        .or_else(|| has("hostname", &file("/etc/hostname"), &["node7"]))
        .or_else(|| {
            has(
                "files",
                &file("/run/init-net/state.json"),
                &["10.77.0.42/24"],
            )
        })
        .or_else(|| {
            let name = nix::unistd::gethostname().unwrap_or_default();
            (name != "node7").then(|| format!("the host name: {name:?}"))
        })
}

/// One life and one crash after `count` calls. Answers whether there were so many.
fn crash_after(machine: &Machine, count: usize) -> bool {
    let lab = machine.lab.namespace();
    lab.bridge("lan2", &["10.60.0.9/24"]).unwrap();
    machine.cable("eth1", "52:54:00:00:00:11", "lan2");
    let _server = server(machine);
    fs::create_dir("/etc/init-net").unwrap();
    fs::write("/etc/init-net/machine.yaml", CONFIG).unwrap();
    let watch = Watch::start();
    let mut command = machine.command(&["supervise"]);
    let traced = Traced::start(&mut command).unwrap();
    let fate = traced
        .kill_after(count, &[&CHANGES[..], &OLDER_CHANGES].concat(), || {
            missing().is_none()
        })
        .unwrap();
    let _supervisor = machine.supervise();
    machine.until("everything", || missing().is_none().then_some(()));
    machine.until("an empty plan", || {
        (machine.plan() == json!([])).then_some(())
    });
    assert_eq!(machine.report()["failures"], json!([]), "crash {count}");
    assert_eq!(watch.removals(), Vec::<String>::new(), "crash {count}");
    if let Fate::Idle(calls) = fate {
        eprintln!("{calls} calls");
    }
    fate == Fate::Killed
}

#[test]
fn a_crash_at_any_moment_is_made_good_and_costs_nothing() {
    let mut count = 0;
    let mut moments_left = true;
    while moments_left {
        count += 1;
        assert!(count < MOST, "it never comes to rest");
        let (told, tell) = std::sync::mpsc::channel();
        on_machine("crash", move |machine| {
            told.send(crash_after(machine, count)).unwrap();
        });
        moments_left = tell.recv().unwrap();
    }
    assert!(count > 20, "only {count} moments: nothing was counted");
}
