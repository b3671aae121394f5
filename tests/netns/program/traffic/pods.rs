//! Pods connected by the real CNI plugins bridge, host-local and portmap, on a machine that blocks by default: their traffic
//! passes, what leads to them from outside passes by a rule, and what the plugins have made stays as it is.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, connect, socket};
use qemu::peer::Pods;
use qemu::peer::pods::{Pod, iptables};
use qemu::traffic::{Body, Packet, Stranger, tcp};
use qemu::{Deadline, Namespace};
use serde_json::json;
use tests::traffic::policy::{Default, Policy, Protocol, Rule, net};

use super::super::machine::{Machine, PATIENCE, on_machine};
use super::stage::{V4, V6, documents, nft, stranger, wild_cable};
use crate::namespace::ip;

/// A port of the host that is open and leads to a pod, and one that does as well and is not open.
const OPEN: u16 = 8080;
const CLOSED: u16 = 8081;

/// What the host itself serves to pods, and what it does not.
const SERVED: u16 = 6443;
const UNSERVED: u16 = 10_250;

/// What it serves to pods once a config says so without a rule.
const ALLOWED: u16 = 9105;

/// Where a pod listens.
const WEB: u16 = 80;

/// A reconcile and its checks, so often.
const ROUNDS: usize = 20;

fn policy() -> Policy {
    let pods = ["10.244.0.0/24", "fd00:10:244::/64"];
    let ports = |port| [(port, port)];
    Policy::new(Default::Block)
        .rule(Rule::new(
            "web",
            Protocol::Tcp,
            &ports(OPEN),
            &["0.0.0.0/0", "::/0"],
        ))
        .rule(Rule::new("api", Protocol::Tcp, &ports(SERVED), &pods))
}

/// Everything that the plugins have made in the kernel, as the kernel and the plugins' own tool show it, without what has
/// been counted.
fn of_others() -> String {
    let mut text = String::new();
    for name in ["iptables-save", "ip6tables-save"] {
        text += &iptables(name, &[]).unwrap();
    }
    text.retain(|c| c != '\r');
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut text: String = lines
        .map(|line| format!("{}\n", line.split(" [").next().unwrap_or(line)))
        .collect();
    for arguments in [
        "link show type bridge",
        "route show dev cni0",
        "-6 route show dev cni0",
    ] {
        text += &ip(arguments);
    }
    text
}

/// A server in `namespace` that says its name to everybody, until the test ends.
fn serve(namespace: Option<&Namespace>, port: u16, name: &'static str) {
    let bind = move || TcpListener::bind(("::", port)).unwrap();
    let listener = namespace.map_or_else(bind, |namespace| namespace.enter(bind).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who has gone meanwhile does not want it.
            let _ = (&stream).write_all(name.as_bytes());
        }
    });
}

/// What who is asked from `namespace` says.
#[track_caller]
fn asks(namespace: Option<&Namespace>, address: &str, port: u16) -> String {
    let address: IpAddr = address.parse().unwrap();
    let to = SocketAddr::new(address, port);
    let ask = move || {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    let answer = match namespace {
        Some(namespace) => namespace.enter(ask).unwrap(),
        None => ask(),
    };
    answer.unwrap_or_else(|error| panic!("{to}: {error}"))
}

/// Whether the open port answers and the closed ones do not, to who asks from outside: the closed ones are asked first.
#[track_caller]
fn from_outside(outside: &mut Stranger, own: &str, from: &str, serial: u16) {
    let (own, from): (IpAddr, IpAddr) = (own.parse().unwrap(), from.parse().unwrap());
    for port in [CLOSED, ALLOWED, OPEN] {
        assert!(outside.send(&Packet::syn(from, serial, own, port, 1)));
    }
    let deadline = Deadline::after(PATIENCE);
    loop {
        let packet = outside.next(deadline).expect("an answer of the open port");
        let Body::Tcp {
            from, to, flags, ..
        } = packet.body
        else {
            continue;
        };
        if to != serial {
            continue;
        }
        assert_eq!(from, OPEN, "only the open port answers: {packet:?}");
        assert_eq!(flags, tcp::SYN | tcp::ACK);
        outside.send(&packet.reset().unwrap());
        return;
    }
}

struct Cluster {
    pods: [Pod; 2],
    outside: Stranger,
}

impl Cluster {
    /// Every way that traffic of pods goes.
    #[track_caller]
    fn works(&mut self, serial: u16) {
        let [one, two] = &self.pods;
        let inside = Some(&one.namespace);
        for (net, gateway, own, stranger) in [
            ("10.244.", "10.244.0.1", V4, "203.0.113.9"),
            ("fd00:10:244:", "fd00:10:244::1", V6, "2001:db8:cc::9"),
        ] {
            let other = two.address(net).unwrap();
            assert_eq!(asks(inside, &other, WEB), "two", "pod to pod");
            assert_eq!(asks(None, &other, WEB), "two", "host to pod");
            assert_eq!(asks(inside, gateway, SERVED), "host", "pod to host");
            assert_eq!(asks(inside, own, SERVED), "host", "pod to host");
            from_outside(&mut self.outside, own, stranger, serial);
            leaves(&mut self.outside, one, net, stranger, own);
        }
    }

    /// A pod does not reach what the host serves to others.
    #[track_caller]
    fn may_not(&self) {
        self.does_not_reach([10, 244, 0, 1], UNSERVED);
        self.does_not_reach([10, 88, 0, 2], ALLOWED);
    }

    /// Nobody answers a pod there: what it asks for behind that has its answer.
    #[track_caller]
    fn does_not_reach(&self, [a, b, c, d]: [u8; 4], port: u16) {
        let inside = Some(&self.pods[0].namespace);
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let begin = move || {
            let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
            let to = SockaddrIn::new(a, b, c, d, port);
            let begun = connect(socket.as_raw_fd(), &to);
            assert_eq!(begun, Err(nix::errno::Errno::EINPROGRESS));
            socket
        };
        let asking = self.pods[0].namespace.enter(begin).unwrap();
        assert_eq!(asks(inside, "10.244.0.1", SERVED), "host");
        let mut answer = [PollFd::new(asking.as_fd(), PollFlags::POLLOUT)];
        let answered = poll(&mut answer, PollTimeout::ZERO).unwrap();
        assert_eq!(answered, 0, "no rule lets pods to {port}: {answer:?}");
    }
}

/// What a pod sends out of the machine has the machine's address, and comes back.
#[track_caller]
fn leaves(outside: &mut Stranger, pod: &Pod, net: &str, to: &str, own: &str) {
    let (to, own): (IpAddr, IpAddr) = (to.parse().unwrap(), own.parse().unwrap());
    let bound = SocketAddr::new(pod.address(net).unwrap().parse().unwrap(), 0);
    let socket = pod.namespace.enter(move || {
        let socket = std::net::UdpSocket::bind(bound).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect((to, 53)).unwrap();
        socket.send(b"out").unwrap();
        socket
    });
    let socket = socket.unwrap();
    let deadline = Deadline::after(PATIENCE);
    loop {
        let packet = outside.next(deadline).expect("what the pod sent");
        if let (Some((port, 53)), true) = (packet.body.ports(), packet.destination == to) {
            assert_eq!(packet.source, own, "masqueraded");
            assert!(outside.send(&Packet::datagram(to, 53, own, port, *b"back")));
            break;
        }
    }
    let mut buffer = [0; 16];
    let length = socket.recv(&mut buffer).expect("what came back");
    assert_eq!(&buffer[..length], b"back");
}

#[track_caller]
fn settled(machine: &Machine) {
    machine.until("an empty plan", || {
        (machine.plan() == json!([])).then_some(())
    });
}

#[test]
fn pods_of_real_plugins_live_behind_it() {
    on_machine("firewall-cni", |machine| {
        let far = Namespace::new().unwrap();
        wild_cable(&far, "eth1", 1);
        // The node's other link, which the stage's documents name.
        let idle = Namespace::new().unwrap();
        wild_cable(&idle, "eth2", 2);
        fs::create_dir_all("/etc/init-net").unwrap();
        fs::write("/etc/init-net/machine.yaml", documents(&policy())).unwrap();
        machine.boot("initnet.wait=local");
        machine.answers();
        settled(machine);

        let pods = Pods::new(&machine.lab, &["10.244.0.0/24", "fd00:10:244::/64"]);
        let one = pods.add("one", &[]).unwrap();
        let two = pods.add("two", &[(OPEN, WEB), (CLOSED, WEB)]).unwrap();
        serve(Some(&two.namespace), WEB, "two");
        serve(None, SERVED, "host");
        serve(None, UNSERVED, "host");
        serve(None, ALLOWED, "host");
        let mut cluster = Cluster {
            pods: [one, two],
            outside: stranger(&far, 1),
        };
        let before = of_others();
        for line in ["DNAT", "MASQUERADE", "CNI-HOSTPORT", "10.244.0.0/24"] {
            assert!(before.contains(line), "{line}:\n{before}");
        }
        let same = |when: &str| assert_eq!(of_others(), before, "{when}");
        cluster.works(2000);
        cluster.may_not();
        for round in 0..ROUNDS {
            machine.reconcile();
            cluster.works(3000 + round as u16);
        }
        settled(machine);
        same("reconciles");

        // Another table of ours, and back.
        let file = machine.lab.folder().join("other.yaml");
        for text in [
            documents(&policy().rule(Rule::new("more", Protocol::Tcp, &[(1, 1)], &["::/0"]))),
            documents(&policy()),
        ] {
            fs::write(&file, text).unwrap();
            let ran = machine.run(&["apply", "--config", file.to_str().unwrap()]);
            assert_eq!(ran.code, 0, "{}", ran.errors);
            cluster.works(4000);
            same("a table of ours that is replaced");
        }
        // Others take ours away; it comes back, and theirs was never touched.
        nft("flush table inet init-net");
        machine.until("our table", || {
            nft("list table inet init-net")
                .contains("web")
                .then_some(())
        });
        settled(machine);
        nft("delete table inet init-net");
        machine.until("our table", || {
            nft("list tables").contains("init-net").then_some(())
        });
        settled(machine);
        cluster.works(5000);
        cluster.may_not();
        same("ours is flushed by others");

        // A range that is for pods alone, at whatever address of the host.
        let allowing = Policy {
            cluster: vec![net("10.244.0.0/24"), net("fd00:10:244::/64")],
            pods_to_host: vec![(Protocol::Tcp, 9100, 9110)],
            ..policy()
        };
        fs::write(&file, documents(&allowing)).unwrap();
        let ran = machine.run(&["apply", "--config", file.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        settled(machine);
        let inside = Some(&cluster.pods[0].namespace);
        for own in [V4, V6] {
            assert_eq!(asks(inside, own, ALLOWED), "host", "allowed");
        }
        cluster.does_not_reach([10, 88, 0, 2], UNSERVED);
        for (own, stranger) in [(V4, "203.0.113.9"), (V6, "2001:db8:cc::9")] {
            from_outside(&mut cluster.outside, own, stranger, 6000);
        }
        for pod in &cluster.pods {
            pods.delete(pod).unwrap();
        }
    });
}
