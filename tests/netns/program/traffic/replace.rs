//! The table replaced again and again under traffic: nothing is lost that was let in, nothing comes through that was not.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use qemu::Deadline;
use qemu::traffic::{Body, Packet, Stranger, tcp};
use serde_json::{Value, json};
use tests::traffic::policy::{Default, Policy, Protocol, Rule};

use super::super::machine::PATIENCE;
use super::stage::{Raised, Stage, V4, documents, markers, nft, on_stage, stranger};

/// How often.
const REPLACEMENTS: usize = 1000;

/// A port that is open all the time, and one that never is; somebody listens at both.
const OPEN: u16 = 443;
const CLOSED: u16 = 22;

/// Where the machine talks to: only what belongs to that comes back in.
const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(198, 51, 100, 7), 7777);

/// Packets of each kind in a round, and the time between rounds: a table that is away for as long as one system call meets
/// some of the thousand times.
const ROUND: u16 = 4;
const PAUSE: Duration = Duration::from_micros(500);

/// Differ in one rule that no packet is about.
fn policy(port: u16) -> Policy {
    let mut policy = Policy::new(Default::Block);
    policy.rules.extend(markers());
    let everybody = ["0.0.0.0/0", "::/0"];
    policy
        .rule(Rule::new(
            "open",
            Protocol::Tcp,
            &[(OPEN, OPEN)],
            &everybody,
        ))
        .rule(Rule::new(
            "other",
            Protocol::Tcp,
            &[(port, port)],
            &everybody,
        ))
}

/// What was sent, and what came of it.
#[derive(Debug, Default)]
struct Tally {
    opened: u64,
    answered: u64,
    knocked: u64,
    leaked: Vec<Packet>,
    flowed: u64,
}

/// Asks until `done`: new connections to the open and the closed port, and datagrams that belong to what the machine began at
/// `socket_port`.
fn siege(mut stranger: Stranger, socket_port: u16, done: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let machine: IpAddr = V4.parse().unwrap();
    let mut serial = 0_u32;
    loop {
        let over = done.load(Ordering::Acquire);
        for _ in 0..if over { 0 } else { ROUND } {
            serial += 1;
            // Each a connection of its own: 2^16 addresses of a benchmark's network (RFC 2544), and the ports of some.
            let [high, low] = ((serial >> 8) as u16).to_be_bytes();
            let from = IpAddr::from([198, 19, high, low]);
            let port = 1024 + (serial & 0xff) as u16;
            assert!(stranger.send(&Packet::syn(from, port, machine, CLOSED, serial)));
            assert!(stranger.send(&Packet::syn(from, port, machine, OPEN, serial)));
            let (server, server_port) = SERVER;
            let data = tally.flowed.to_be_bytes();
            let flow = Packet::datagram(server.into(), server_port, machine, socket_port, data);
            assert!(stranger.send(&flow));
            tally.knocked += 1;
            tally.opened += 1;
            tally.flowed += 1;
        }
        while let Some(packet) = stranger.take() {
            let Body::Tcp { from, flags, .. } = packet.body else {
                continue;
            };
            if from == CLOSED {
                tally.leaked.push(packet);
            } else if from == OPEN && flags == tcp::SYN | tcp::ACK {
                tally.answered += 1;
                stranger.send(&packet.reset().unwrap());
            }
        }
        if over {
            return tally;
        }
        stranger.wait(Deadline::after(PAUSE));
    }
}

/// The supervisor's answer to `apply` of this policy, as `init-net apply` asks for it.
#[track_caller]
fn apply(stage: &Stage<'_>, text: &str) {
    let config = json!({ "name": "policy.yaml", "text": text, "preference": 0 });
    let request = json!({ "command": "apply", "configs": [config] });
    let socket = Path::new("/run/init-net/control.sock");
    let reply = stage.machine.ask_at(socket, request);
    let done = reply.as_ref().and_then(|reply| reply.get("ok"));
    assert!(done.is_some(), "{reply:?}");
}

/// Packets that the rules called `name` of a chain have counted.
#[track_caller]
fn counted(chain: &str, name: &str) -> u64 {
    let listing = nft(&format!("-j list chain inet init-net {chain}"));
    let listing: Value = serde_json::from_str(&listing).unwrap();
    let objects = listing["nftables"].as_array().unwrap().iter();
    let rules = objects.filter(|object| object["rule"]["comment"] == name);
    let expressions = rules.flat_map(|rule| rule["rule"]["expr"].as_array().unwrap());
    expressions
        .filter_map(|expression| expression["counter"]["packets"].as_u64())
        .sum()
}

#[test]
fn a_thousand_times_under_traffic() {
    on_stage("firewall-replace", policy(8001), &[OPEN, CLOSED], |stage| {
        let socket = UdpSocket::bind((V4, 0)).unwrap();
        socket.connect(SERVER).unwrap();
        socket.send(b"hello").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let besieger = stranger(&stage.outside[0], 1);
        let done = AtomicBool::new(false);
        let texts = [8002, 8001].map(|port| documents(&policy(port)));

        let tally = std::thread::scope(|scope| {
            // Also when a check fails: the others wait for it.
            let _ends = Raised(&done);
            let siege = scope.spawn(|| siege(besieger, port, &done));
            let flow = scope.spawn(|| {
                // In order, and none is missing: the last one says how many there were.
                let mut buffer = [0; 8];
                let mut next = 0_u64;
                loop {
                    let length = socket.recv(&mut buffer).expect("the flow goes on");
                    if length != 8 {
                        return next;
                    }
                    assert_eq!(u64::from_be_bytes(buffer), next, "a datagram is missing");
                    next += 1;
                }
            });
            for round in 0..REPLACEMENTS {
                let before = generation();
                let [even, odd] = &texts;
                let name = ["8002", "8001"][round % 2];
                apply(stage, [even, odd][round % 2]);
                stage
                    .machine
                    .until("another table", || (generation() != before).then_some(()));
                if round % 100 == 0 {
                    stage.machine.until("the other rule", || {
                        nft("list table inet init-net").contains(name).then_some(())
                    });
                }
            }
            done.store(true, Ordering::Release);
            let tally = siege.join().unwrap();
            // Behind all of it.
            stage.prober.greet();
            let (server, server_port) = SERVER;
            let last = Packet::datagram(
                server.into(),
                server_port,
                V4.parse().unwrap(),
                port,
                *b"end",
            );
            assert!(stranger(&stage.outside[0], 1).send(&last));
            assert_eq!(flow.join().unwrap(), tally.flowed);
            tally
        });
        eprintln!(
            "{} opened, {} answered, {} knocked, {} datagrams; {} counted",
            tally.opened,
            tally.answered,
            tally.knocked,
            tally.flowed,
            counted("ingress", "open")
        );
        assert_eq!(tally.leaked, Vec::new(), "a closed port is open");
        assert!(tally.knocked > 10 * REPLACEMENTS as u64, "{tally:?}");
        // Answers that were on their way at the end, or came again before the reset did.
        assert!(
            tally.opened.abs_diff(tally.answered) <= u64::from(ROUND),
            "{tally:?}"
        );
        // Rules that stay go on counting: with nothing under way nothing is lost to the count.
        let before = counted("ingress", "open");
        let replaced = generation();
        apply(stage, &texts[0]);
        stage
            .machine
            .until("another table", || (generation() != replaced).then_some(()));
        let after = counted("ingress", "open");
        assert!(before > 0 && after == before, "{before} and then {after}");
    });
}

/// The kernel's number for the rules as they are: every change of any table is another.
#[track_caller]
fn generation() -> u64 {
    let listing: Value = serde_json::from_str(&nft("-j list tables")).unwrap();
    let tables = listing["nftables"].as_array().unwrap().iter();
    let ours = tables.filter(|object| object["table"]["name"] == "init-net");
    // A table that is replaced has another handle.
    ours.filter_map(|object| object["table"]["handle"].as_u64())
        .sum()
}
