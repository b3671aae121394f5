//! `init-net doctor` on machines with one thing broken each.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use nix::sys::signal::Signal;

use qemu::peer::dnsmasq::Dnsmasq;
use qemu::{Namespace, process};
use serde_json::Value;

use super::firewall;
use super::machine::{Machine, Ran, on_machine};
use crate::namespace::ip;

/// The machine's address on the lan, static.
const HERE: &str = "10.77.0.2";

/// Its command line: gateway and name server are the lab's end of the cable.
const CMDLINE: &str = "ip=10.77.0.2::10.77.0.1:24:web1:eth0:none nameserver=10.77.0.1";

/// A name server that answers everything.
fn resolver(machine: &Machine) -> Dnsmasq {
    let everything = ["--address=/#/10.77.0.1", "--local=/#/"];
    let builder = everything
        .into_iter()
        .fold(machine.dnsmasq(), |b, a| b.argument(a.into()));
    builder.start(&machine.lab).expect("a name server")
}

/// Configures the machine once and leaves nobody to repair it, so that what the test breaks stays broken.
fn configured(machine: &Machine) {
    let ran = machine.boot_alone(CMDLINE);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    fs::write("/proc/cmdline", CMDLINE).expect("a command line of our own");
}

/// What `doctor` finds: its exit code, and its findings that are no "ok".
#[track_caller]
pub fn examine(machine: &Machine, arguments: &[&str]) -> (i32, Vec<Value>) {
    let ran = machine.run(&[&["doctor", "-o", "json"], arguments].concat());
    let all: Value = serde_json::from_str(&ran.output).expect(&ran.errors);
    assert_eq!(all["healthy"], ran.code == 0, "{all}");
    let findings = all["findings"].as_array().expect("a list").clone();
    let found = findings.into_iter().filter(|f| f["severity"] != "ok");
    (ran.code, found.collect())
}

/// One thing is broken, and it is what is found: an error of `check` about `id` that says `part`.
#[track_caller]
fn finds(machine: &Machine, arguments: &[&str], check: &str, id: &str, part: &str) {
    let (code, found) = examine(machine, arguments);
    assert_eq!(code, 1, "{found:?}");
    let hit = found.iter().any(|finding| {
        finding["severity"] == "error"
            && finding["check"] == check
            && finding["id"] == id
            && finding["problem"]
                .as_str()
                .is_some_and(|text| text.contains(part))
    });
    assert!(hit, "{check} {id} {part:?} is not in {found:#?}");
}

/// A host on the lan, with its cable in `far-NAME`.
fn host(machine: &Machine, name: &str, address: &str) -> Namespace {
    let host = Namespace::new().expect("a host");
    let (lab, far) = (machine.lab.namespace(), format!("far-{name}"));
    lab.veth(&far, &host, "eth0").expect("its cable");
    for line in [
        format!("link set {far} master lan"),
        format!("link set {far} up"),
    ] {
        lab.ip(&line).expect("its cable");
    }
    for line in [
        &format!("address add {address} dev eth0"),
        "link set eth0 up",
    ] {
        host.ip(line).expect("its address");
    }
    host
}

#[test]
fn a_healthy_machine_has_nothing_wrong() {
    on_machine("doctor-healthy", |machine| {
        let _resolver = resolver(machine);
        let listener = machine
            .lab
            .namespace()
            .enter(|| TcpListener::bind("10.77.0.1:8080"));
        let _listener = listener.expect("the lab").expect("a service");
        machine.boot(CMDLINE);
        machine.answers();
        machine.until("the address", || {
            ip("-4 address show dev eth0").contains(HERE).then_some(())
        });
        let before = machine.get("addresses");
        let Ran {
            code,
            output,
            errors,
        } = machine.run(&["doctor", "--online", "service.example:8080"]);
        assert_eq!(code, 0, "{output}{errors}");
        let words: Vec<&str> = output.lines().filter_map(|l| l.split(' ').next()).collect();
        assert_eq!(words[..9], ["ok"; 9], "{output}");
        assert!(output.ends_with("0 errors, 0 warnings\n"), "{output}");
        for part in [
            "the supervisor runs, the host name is web1",
            "default via 10.77.0.1 dev eth0, which answers",
            "answers come from 10.77.0.1",
            "1500 bytes reach 10.77.0.1",
            "service.example:8080 takes connections",
        ] {
            assert!(output.contains(part), "{part:?} in {output}");
        }
        assert_eq!(examine(machine, &[]), (0, Vec::new()));
        let picture = machine.run(&["graph"]).output;
        for part in ["<svg ", ">eth0</text>", ">10.77.0.2/24</text>"] {
            assert!(picture.contains(part), "{part:?} in {picture}");
        }
        assert_eq!(machine.get("addresses"), before, "it changes nothing");
        let told = machine.report();
        assert!(
            told["conflicts"].is_null(),
            "its probes are no rival: {told}"
        );
    });
}

#[test]
fn no_default_route() {
    on_machine("doctor-no-default", |machine| {
        configured(machine);
        ip("route delete default");
        finds(machine, &[], "routes", "default", "no default route");
        let (_, found) = examine(machine, &[]);
        let route = found.iter().find(|finding| {
            finding["problem"]
                .as_str()
                .is_some_and(|text| text.contains("declared route"))
        });
        let route = route.unwrap_or_else(|| panic!("no route in {found:?}"));
        let fix = route["fix"].as_str().expect("a fix");
        assert!(
            fix.starts_with("ip route add default via 10.77.0.1"),
            "{fix}"
        );
    });
}

#[test]
fn a_foreign_default_route() {
    on_machine("doctor-foreign", |machine| {
        configured(machine);
        ip("route delete default");
        ip("route add default via 10.77.0.1 dev eth0 metric 500 proto 73");
        let (_, found) = examine(machine, &[]);
        let stands = |found: &[Value]| {
            let texts = found
                .iter()
                .filter_map(|finding| finding["problem"].as_str());
            texts
                .filter(|text| text.contains("stands before ours"))
                .count()
        };
        assert_eq!(stands(&found), 0, "{found:?}");
        ip("route add default via 10.77.0.254 dev eth0 metric 50 proto dhcp");
        let part = "somebody else (a DHCP client) stands before ours";
        finds(machine, &[], "routes", "inet4/10.77.0.254//50", part);
    });
}

#[test]
fn a_dead_gateway() {
    on_machine("doctor-gateway", |machine| {
        configured(machine);
        let lab = machine.lab.namespace();
        lab.ip("address delete 10.77.0.1/24 dev lan")
            .expect("the lab");
        finds(
            machine,
            &[],
            "routes",
            "eth0/10.77.0.1",
            "does not answer ARP",
        );
    });
}

#[test]
fn a_dead_gateway_of_ipv6() {
    on_machine("doctor-gateway6", |machine| {
        let lab = machine.lab.namespace();
        lab.ip("address add fd00:77::1/64 dev lan nodad")
            .expect("the lab");
        configured(machine);
        ip("address add fd00:77::2/64 dev eth0 nodad");
        ip("-6 route add default via fd00:77::1 dev eth0");
        let asked = |part: &str| {
            let (_, found) = examine(machine, &[]);
            let about = |finding: &&Value| finding["id"] == "eth0/fd00:77::1";
            let texts: Vec<String> = found.iter().filter(about).map(Value::to_string).collect();
            assert_eq!(
                texts.iter().any(|text| text.contains(part)),
                !part.is_empty(),
                "{texts:?}"
            );
            texts.len()
        };
        assert_eq!(asked(""), 0, "it answers");
        lab.ip("address delete fd00:77::1/64 dev lan")
            .expect("the lab");
        assert_eq!(asked("does not answer neighbour discovery"), 1);
    });
}

#[test]
fn a_dead_name_server() {
    on_machine("doctor-dns", |machine| {
        configured(machine);
        // The host is there, and says that nobody listens.
        finds(
            machine,
            &[],
            "dns",
            "10.77.0.1",
            "nothing listens on port 53",
        );
        // Somebody listens, and does not answer.
        let socket = machine
            .lab
            .namespace()
            .enter(|| UdpSocket::bind("10.77.0.1:53"));
        let mute = socket.expect("the lab").expect("a port");
        finds(
            machine,
            &[],
            "dns",
            "10.77.0.1",
            "does not answer within 2 s",
        );
        drop(mute);
        fs::remove_file("/etc/resolv.conf").expect("a file of ours");
        std::os::unix::fs::symlink("/run/nobody/resolv.conf", "/etc/resolv.conf").unwrap();
        finds(
            machine,
            &[],
            "dns",
            "/etc/resolv.conf",
            "leads to /run/nobody/resolv.conf",
        );
    });
}

#[test]
fn a_second_host_with_our_address() {
    on_machine("doctor-rival", |machine| {
        configured(machine);
        let _rival = host(machine, "rival", &format!("{HERE}/24"));
        let id = format!("eth0/{HERE}");
        finds(
            machine,
            &[],
            "addresses",
            &id,
            "another host has this address",
        );
    });
}

#[test]
fn no_carrier() {
    on_machine("doctor-carrier", |machine| {
        configured(machine);
        machine
            .lab
            .namespace()
            .ip("link set far-eth0 down")
            .expect("the lab");
        machine.until_shown("link show dev eth0", "NO-CARRIER");
        finds(machine, &[], "links", "eth0", "no carrier");
    });
}

/// A router between the lan and a network of 1400 bytes, and a service behind it.
fn behind_a_narrow_link(machine: &Machine) -> (Namespace, Namespace) {
    let router = host(machine, "router", "10.77.0.9/24");
    let service = Namespace::new().expect("a host");
    router.veth("narrow", &service, "far0").expect("a cable");
    for line in [
        "link set narrow mtu 1400",
        "address add 10.88.0.1/24 dev narrow",
        "link set narrow up",
    ] {
        router.ip(line).expect("the router");
    }
    for line in [
        "link set far0 mtu 1400",
        "address add 10.88.0.2/24 dev far0",
        "link set far0 up",
        "route add default via 10.88.0.1",
    ] {
        service.ip(line).expect("the service");
    }
    let forward = router.enter(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1"));
    forward.expect("the router").expect("a setting of its own");
    ip("route add 10.88.0.0/24 via 10.77.0.9");
    (router, service)
}

#[test]
fn a_black_hole_on_the_path() {
    on_machine("doctor-mtu", |machine| {
        let _resolver = resolver(machine);
        configured(machine);
        let (router, service) = behind_a_narrow_link(machine);
        let listener = service.enter(|| TcpListener::bind("10.88.0.2:443"));
        let _listener = listener.expect("the host").expect("a service");
        let online = ["--online", "10.88.0.2:443"];
        let part = "1400 bytes is the largest packet that arrives; eth0 has 1500";

        // The router says "too big": path MTU discovery works, and that is no fault.
        let (code, found) = examine(machine, &online);
        assert_eq!(code, 0, "{found:?}");
        let told = found.iter().find(|finding| finding["id"] == "10.88.0.2");
        let told = told.unwrap_or_else(|| panic!("a note in {found:?}"));
        assert_eq!(told["severity"], "note");
        assert!(told["problem"].as_str().unwrap().contains(part), "{told}");
        assert!(
            told["why"]
                .as_str()
                .unwrap()
                .starts_with("10.77.0.9 says so"),
            "{told}"
        );

        // And now it drops in silence.
        for rule in [
            "add table ip mute",
            "add chain ip mute output { type filter hook output priority 0 ; }",
            "add rule ip mute output icmp type destination-unreachable drop",
        ] {
            let mut nft = router.command("nft");
            process::run(nft.args(rule.split(' '))).expect("nft(8)");
        }
        finds(machine, &online, "path", "10.88.0.2", part);
    });
}

#[test]
fn rules_of_others_that_drop() {
    on_machine("doctor-firewall", |machine| {
        let _resolver = resolver(machine);
        configured(machine);
        let nft = |rule: &str| process::run(Command::new("nft").args(rule.split(' ')));
        nft("add table inet guests").expect("nft(8)");
        nft("add chain inet guests in { type filter hook input priority 0 ; policy drop ; }")
            .expect("nft(8)");
        nft("add rule inet guests in accept").expect("nft(8)");
        let (code, found) = examine(machine, &[]);
        assert_eq!(
            code, 0,
            "a warning: the rules may let through what is needed: {found:?}"
        );
        let hit = found.iter().find(|finding| finding["check"] == "firewall");
        let hit = hit.unwrap_or_else(|| panic!("a warning in {found:?}"));
        assert_eq!(hit["id"], "inet guests in");
        assert_eq!(hit["severity"], "warning");
    });
}

#[test]
fn an_online_target_that_is_not_there() {
    on_machine("doctor-online", |machine| {
        let _resolver = resolver(machine);
        configured(machine);
        let refused = ["--online", "service.example:81"];
        finds(machine, &refused, "online", "service.example:81", "refused");
        let silent = ["--online", "10.77.0.250:81"];
        finds(
            machine,
            &silent,
            "online",
            "10.77.0.250:81",
            "no connection",
        );
        assert_eq!(machine.run(&["doctor", "--online", "nonsense"]).code, 64);
    });
}

#[test]
fn a_firewall_that_is_gone_and_one_that_cuts_off_who_listens() {
    on_machine("doctor-firewall", |machine| {
        firewall::booted(machine, firewall::CONFIG);
        let _ssh = TcpListener::bind("0.0.0.0:22").unwrap();
        let _web = TcpListener::bind("[::]:8080").unwrap();
        let _own = TcpListener::bind("127.0.0.1:9090").unwrap();
        let of_firewall = || {
            let (_, found) = examine(machine, &[]);
            let all = found.into_iter().filter(|f| f["check"] == "firewall");
            all.collect::<Vec<_>>()
        };
        let found = of_firewall();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0]["id"], "tcp/8080");
        assert_eq!(found[0]["severity"], "warning");
        let problem = found[0]["problem"].as_str().unwrap();
        assert!(problem.contains("port 8080 is listened on and nobody reaches it"));
        // Nobody brings it back.
        machine.signal(Signal::SIGKILL);
        firewall::nft("delete table inet init-net");
        let found = of_firewall();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0]["id"], "inet init-net");
        assert_eq!(found[0]["severity"], "error");
        firewall::nft("add table inet init-net");
        let problem = of_firewall()[0]["problem"].clone();
        assert_eq!(problem, "is in force, and not the one that is desired");
    });
}
