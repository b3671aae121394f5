//! The firewall of the program on a real kernel: what somebody changes of it comes back, what is not ours stays, a hand-off
//! goes on counting, and nobody is locked out by accident.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::process::Process;
use serde_json::{Value, json};

use super::machine::{Machine, PATIENCE, on_machine};

pub const CONFIG: &str = "
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
up: true
addresses: [{address: 10.88.0.2/24}]
---
apiVersion: v1alpha1
kind: NetworkDefaultActionConfig
ingress: block
---
apiVersion: v1alpha1
kind: NetworkRuleConfig
name: ssh
portSelector: {ports: [22], protocol: tcp}
ingress: [{subnet: 10.88.0.0/24}, {subnet: 10.99.0.0/24}, {subnet: 10.101.0.0/16}]
";

pub fn nft(arguments: &str) -> String {
    let output = Command::new("nft")
        .args(arguments.split_whitespace())
        .output();
    let output = output.unwrap_or_else(|error| panic!("nft {arguments}: {error}"));
    assert!(output.status.success(), "nft {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Our table, without what it has counted.
pub fn table() -> Option<String> {
    let output = Command::new("nft")
        .args(["-s", "list", "table", "inet", "init-net"])
        .output();
    let output = output.unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap())
}

pub fn booted(machine: &Machine, config: &str) {
    fs::create_dir_all("/etc/init-net").unwrap();
    fs::write("/etc/init-net/machine.yaml", config).unwrap();
    machine.boot("initnet.wait=local");
    machine.answers();
}

#[test]
fn what_somebody_changes_comes_back() {
    on_machine("firewall-drift", |machine| {
        nft("add table inet other");
        nft("add chain inet other kept");
        booted(machine, CONFIG);
        let whole = table().expect("our table");
        let set = whole
            .lines()
            .find_map(|line| line.trim().strip_prefix("set "));
        let set = set
            .and_then(|rest| rest.split_whitespace().next())
            .expect("a set")
            .to_owned();
        let changes = [
            "flush ruleset".to_owned(),
            "delete table inet init-net".to_owned(),
            "flush chain inet init-net ingress".to_owned(),
            "insert rule inet init-net ingress accept".to_owned(),
            format!("flush set inet init-net {set}"),
            "add chain inet init-net own".to_owned(),
        ];
        for change in changes {
            let before = machine.log().lines().count();
            nft(&change);
            machine.until(&format!("a repair after {change}"), || {
                (machine.log().lines().count() > before && table().as_ref() == Some(&whole))
                    .then_some(())
            });
        }
        // The flush took it, and it is not ours to bring back; what is made next is not ours to touch.
        nft("add table inet other");
        nft("add rule inet init-net ingress accept");
        machine.until("a repair", || {
            (table().as_ref() == Some(&whole)).then_some(())
        });
        assert!(nft("list tables").contains("table inet other"));
    });
}

#[test]
fn a_boot_that_waits_is_not_opened() {
    on_machine("firewall-boot-drift", |machine| {
        // Nobody leases an address, so the boot waits.
        let line = "initnet.config=http://10.77.0.9/c ip=eth0:dhcp";
        let mut command = machine.command(&["boot", "--hook", "--no-supervisor"]);
        let boot = Process::start(command.args(["--cmdline", line])).unwrap();
        machine.until("the base set", table);
        machine.until("a link", || {
            let links = fs::read_to_string("/sys/class/net/eth0/operstate").ok()?;
            (links.trim() == "up").then_some(())
        });
        // The first may be seen for another reason; then nothing else happens.
        for round in 0..5 {
            nft("delete table inet init-net");
            // Whole or not at all: it comes in one batch. The kernel lists what is in a set in an order of its own.
            machine.until(&format!("repair {round}"), table);
        }
        drop(boot);
    });
}

/// The kernel's number of our table, which a replacement changes.
fn handle() -> String {
    let text = nft("-a list table inet init-net");
    text.lines().next().expect("a table").to_owned()
}

#[test]
fn a_new_supervisor_leaves_the_table_and_goes_on_counting() {
    on_machine("firewall-handoff", |machine| {
        booted(machine, CONFIG);
        let packets = || {
            let rows = machine.get("firewall");
            let counts = rows.iter().filter_map(|row| row["packets"].as_u64());
            counts.sum::<u64>()
        };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        let (table, counted) = (handle(), packets());
        assert!(counted > 0);
        machine.signal(Signal::SIGTERM);
        machine.until("the end of the supervisor", || {
            machine.supervisors().is_empty().then_some(())
        });
        assert_eq!(handle(), table);
        let _supervisor = machine.supervise();
        machine.reconcile();
        machine.until("nothing to do", || {
            (machine.plan() == json!([])).then_some(())
        });
        assert_eq!(handle(), table);
        assert!(packets() >= counted);
    });
}

#[test]
fn nobody_is_locked_out_by_accident() {
    on_machine("firewall-lockout", |machine| {
        booted(machine, CONFIG);
        let other = CONFIG
            .replace("name: ssh", "name: web")
            .replace("[22]", "[80]");
        fs::write("/tmp/other.yaml", other).unwrap();
        let apply = |more: &[&str]| {
            let mut command = machine.command(&["apply", "--config", "/tmp/other.yaml"]);
            command
                .args(more)
                .env("SSH_CONNECTION", "10.88.0.9 50000 10.88.0.2 22");
            command.output().unwrap()
        };
        let whole = table();
        let refused = apply(&[]);
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{words}");
        assert!(
            words.contains("this session: 10.88.0.9 to port 22"),
            "{words}"
        );
        assert_eq!(table(), whole);
        let forced = apply(&["--force"]);
        assert_eq!(forced.status.code(), Some(0), "{forced:?}");
        assert_ne!(table(), whole);
    });
}

#[test]
fn a_packet_is_explained_by_its_line() {
    on_machine("firewall-explain", |machine| {
        booted(machine, CONFIG);
        let ask = |from: &str| {
            let asked = ["explain", "packet", "--from", from, "--to-port", "22"];
            let ran = machine.run(&asked);
            assert_eq!(ran.code, 0, "{}", ran.errors);
            ran.output
        };
        let accepted = ask("10.88.0.9");
        assert!(accepted.starts_with("accept"), "{accepted}");
        assert!(accepted.contains("machine.yaml line 12"), "{accepted}");
        assert!(ask("192.0.2.9").starts_with("drop"));
    });
}

/// Rules that become a set: every other one is for the lab.
const LIKE: u16 = 40;

fn of_lab(number: u16) -> bool {
    number.is_multiple_of(2)
}

/// An answer to a connection from the lab, and be it that nobody listens; waits for so long.
fn answers(machine: &Machine, port: u16, wait: Duration) -> bool {
    let to = SocketAddr::from(([10, 77, 0, 2], port));
    let connected = || TcpStream::connect_timeout(&to, wait).map(drop);
    let result = machine.lab.namespace().enter(connected).unwrap();
    match result.map_err(|error| error.kind()) {
        Ok(()) | Err(ErrorKind::ConnectionRefused) => true,
        Err(ErrorKind::TimedOut) => false,
        Err(other) => panic!("port {port}: {other}"),
    }
}

#[test]
fn elements_let_in_count_and_are_explained() {
    on_machine("firewall-elements", |machine| {
        let mut config = CONFIG.replace("10.88.", "10.77.");
        for number in 0..LIKE {
            let subnet = match of_lab(number) {
                true => "10.77.0.0/24".to_owned(),
                false => format!("10.{}.0.0/16", 100 + number),
            };
            let port = 1000 + number;
            config.push_str(&format!(
                "---\napiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: like {number}\n\
                 portSelector: {{ports: [{port}], protocol: tcp}}\n\
                 ingress: [{{subnet: {subnet}}}, {{subnet: 'fc00:{number}::/32'}}]\n"
            ));
        }
        booted(machine, &config);
        assert!(table().unwrap().contains("set rules-v4 {"));
        for number in 0..LIKE {
            let (port, expected) = (1000 + number, of_lab(number));
            let wait = match expected {
                true => PATIENCE,
                false => Duration::from_millis(100),
            };
            assert_eq!(answers(machine, port, wait), expected, "{port}");
        }
        let packets = |number: u16| {
            let name = format!("like {number}");
            let rows = machine.get("firewall");
            let own = rows.iter().filter(|row| row["rule"] == name.as_str());
            let own = own.filter(|row| row["set"] == "rules-v4");
            let counts: Vec<u64> = own.map(|row| row["packets"].as_u64().unwrap()).collect();
            let [count] = counts[..] else {
                panic!("{name}: {counts:?}");
            };
            count
        };
        // Before routing, and as what comes in.
        assert_eq!(packets(6), 2);
        assert_eq!(packets(7), 0);
        let asked = ["explain", "packet", "--from", "10.77.0.1", "--to-port"];
        let explained = machine.run(&[&asked[..], &["1006"]].concat());
        assert!(
            explained.output.starts_with("accept"),
            "{}",
            explained.output
        );
        assert!(
            explained.output.contains("rule: like 6\n    from: "),
            "{}",
            explained.output
        );
        let ran = machine.run(&["explain", "firewall/like 6"]);
        assert!(ran.output.contains("2 packets"), "{}", ran.output);
        let refused = machine.run(&[&asked[..], &["1007"]].concat());
        assert!(refused.output.starts_with("drop"), "{}", refused.output);
        // And they go on when the table is replaced.
        let before = handle();
        nft("insert rule inet init-net ingress accept");
        machine.until("a repair", || (handle() != before).then_some(()));
        assert_eq!(packets(6), 2);
    });
}
#[test]
fn a_packet_is_explained_by_what_is_in_force() {
    on_machine("firewall-explain-other", |machine| {
        booted(machine, CONFIG);
        // Somebody else's table of our name: the kernel lets nobody but them touch it, for as long as they are there.
        let mut nft = Command::new("nft")
            .arg("-i")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = nft.stdin.take().unwrap();
        let theirs = "delete table inet init-net; add table inet init-net { flags owner; }";
        writeln!(input, "{theirs}").unwrap();
        let ask = || {
            let from = [
                "explain",
                "packet",
                "--from",
                "192.0.2.9",
                "--to-port",
                "22",
            ];
            let ran = machine.run(&from);
            assert_eq!(ran.code, 0, "{}", ran.errors);
            ran.output
        };
        machine.until("another firewall", || {
            let words = ask();
            (words.starts_with("accept") && words.contains("not the one that is desired"))
                .then_some(())
        });
        drop(input);
        nft.wait().unwrap();
        machine.reconcile();
        machine.until("our firewall", || {
            let words = ask();
            (words.starts_with("drop") && !words.contains("desired")).then_some(())
        });
    });
}

#[test]
fn without_a_firewall_nobody_listens_to_nf_tables() {
    on_machine("firewall-none", |machine| {
        machine.boot("ip=10.77.0.9::10.77.0.1:24::eth0:none");
        machine.answers();
        machine.reconcile();
        assert_eq!(machine.plan(), json!([]));
        assert_eq!(netfilter_sockets(), 0);
        let apply = |config: &str| {
            fs::write("/tmp/applied.yaml", config).unwrap();
            let ran = machine.run(&["apply", "--force", "--config", "/tmp/applied.yaml"]);
            assert_eq!(ran.code, 0, "{}", ran.errors);
        };
        apply(CONFIG);
        machine.until("somebody who listens", || {
            (netfilter_sockets() == 1).then_some(())
        });
        let nothing = CONFIG.split("---").next().unwrap();
        apply(nothing);
        assert_eq!(table(), None);
        machine.until("the end of listening", || {
            (netfilter_sockets() == 0).then_some(())
        });
    });
}

#[test]
fn a_watch_tells_of_rules_and_not_of_packets() {
    on_machine("firewall-watch", |machine| {
        booted(machine, CONFIG);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let packet = || {
            let to = socket.local_addr().unwrap();
            assert_eq!(socket.send_to(b"x", to).unwrap(), 1);
        };
        packet();
        let mut command = machine.command(&["get", "firewall", "--watch", "-o", "json"]);
        let mut watch = Process::start(command.stdout(Stdio::piped())).unwrap();
        let log = watch.output(None).unwrap();
        log.wait_for("prerouting/policy", PATIENCE).unwrap();
        let counted = |lines: &[String]| {
            let rows = lines
                .iter()
                .filter_map(|line| serde_json::from_str(line).ok());
            let rows: Vec<Value> = rows.collect();
            let row = rows.iter().rev().find(|row| {
                let row = row.get("resource").unwrap_or(row);
                row["rule"] == "trusted links"
            });
            let row = row.unwrap_or_else(|| panic!("{lines:#?}"));
            row.get("resource").unwrap_or(row)["packets"]
                .as_u64()
                .unwrap()
        };
        let before = log.lines();
        assert!(counted(&before) > 0, "{before:#?}");
        packet();
        machine.reconcile();
        // Another rule is told; what was counted meanwhile is not, but for rows that are told anyway.
        let other = CONFIG.replace("name: ssh", "name: other");
        fs::write("/tmp/other.yaml", other).unwrap();
        let ran = machine.run(&["apply", "--config", "/tmp/other.yaml"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        log.wait_for("\"rule\":\"other\"", PATIENCE).unwrap();
        let after = log.lines().split_off(before.len());
        assert!(
            !after.iter().any(|line| line.contains("trusted links")),
            "{after:#?}"
        );
    });
}

#[test]
fn a_scrape_has_what_is_counted_by_then() {
    on_machine("firewall-metrics", |machine| {
        booted(machine, CONFIG);
        let value = |name: &str| {
            let ran = machine.run(&["metrics"]);
            assert_eq!(ran.code, 0, "{}", ran.errors);
            let value = ran.output.lines().find_map(|line| line.strip_prefix(name));
            let value = value.unwrap_or_else(|| panic!("{name} in {}", ran.output));
            value.trim().parse::<f64>().unwrap()
        };
        assert_eq!(value("initnet_firewall_in_force"), 1.0);
        let accepted = "initnet_firewall_packets_total{chain=\"ingress\",verdict=\"accepted\"}";
        let before = value(accepted);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        assert!(value(accepted) > before);
    });
}

/// Sockets of NETLINK_NETFILTER (12) in this network, the kernel's own (port 0) left out.
fn netfilter_sockets() -> usize {
    let all = fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
    let lines = all.lines().map(|line| line.split_whitespace().collect());
    let ours = |line: &Vec<&str>| line[1] == "12" && line[2] != "0";
    lines.filter(ours).count()
}
