//! Under a flood of ICMPv6 on a machine that blocks by default: neighbours are answered, leases are renewed, and what is under
//! way arrives byte for byte.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use qemu::peer::Kea4;
use qemu::traffic::{Body, Packet, Stranger, icmp};
use qemu::{Deadline, Namespace};
use tests::traffic::policy::{Default, Policy, Protocol, Rule};

use super::super::dhcp6;
use super::super::machine::{Machine, PATIENCE, SERVER, leased, on_machine};
use super::stage::{Raised, nft};
use crate::namespace::ip;

/// The port of the flow.
const STREAM: u16 = 5201;

/// Echoes that are sent at least, and questions for the neighbour.
const ECHOES: u64 = 20_000;
const QUESTIONS: u64 = 2_000;

/// Renewals of each lease meanwhile.
const RENEWALS: usize = 3;

/// Between bursts of 16 echoes: some 30,000 a second, 600 times what is let in.
const PAUSE: Duration = Duration::from_micros(500);

/// Link-local address of the machine's eth0, EUI-64 of its hardware address, and its group of solicited nodes.
const OWN: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe00, 0x10);
const OWN_GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0x10);

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 0x10];
const ATTACKER: [u8; 6] = [0x52, 0x54, 0, 0, 0, 0x66];
const ATTACKER_ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x66);

/// A question for the neighbour [`OWN`] (RFC 4861 §4.3), to it or to its group.
fn solicitation(to: Ipv6Addr) -> Packet {
    let mut data = vec![0; 4];
    data.extend(OWN.octets());
    data.extend([1, 1]);
    data.extend(ATTACKER);
    let body = Body::Icmp {
        kind: icmp::NEIGHBOUR_SOLICITATION,
        code: 0,
        data,
    };
    Packet {
        hops: 255,
        ..Packet::new(ATTACKER_ADDRESS.into(), to.into(), body)
    }
}

#[derive(Debug, Default)]
struct Tally {
    echoes: u64,
    echoed: u64,
    asked: u64,
    answered: u64,
}

/// Floods until `done` and no less than it has to; every question is sent once, and has an answer.
fn flood(mut attacker: Stranger, done: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let group = [0x33, 0x33, 0xff, 0, 0, 0x10];
    while tally.echoes < ECHOES || tally.asked < QUESTIONS || !done.load(Ordering::Acquire) {
        for _ in 0..16 {
            // Each with an identifier of its own: one that has been answered begins a flow that is let in from then on.
            let identifier = tally.echoes as u16;
            let echo = Packet::echo(ATTACKER_ADDRESS.into(), OWN.into(), identifier, 1);
            tally.echoes += u64::from(attacker.send(&echo));
        }
        // By turns to the machine and to its group.
        let sent = if tally.asked % 2 == 0 {
            attacker.send(&solicitation(OWN))
        } else {
            attacker.send_to(&solicitation(OWN_GROUP), group)
        };
        tally.asked += u64::from(sent);
        count(&mut attacker, &mut tally);
        attacker.wait(Deadline::after(PAUSE));
    }
    let deadline = Deadline::after(PATIENCE);
    while tally.answered < tally.asked && attacker.wait(deadline) {
        count(&mut attacker, &mut tally);
    }
    tally
}

fn count(attacker: &mut Stranger, tally: &mut Tally) {
    while let Some(packet) = attacker.take() {
        if packet.destination != IpAddr::from(ATTACKER_ADDRESS) {
            continue;
        }
        match packet.body {
            Body::Icmp {
                kind: icmp::ECHO_REPLY6,
                ..
            } => tally.echoed += 1,
            Body::Icmp {
                kind: icmp::NEIGHBOUR_ADVERTISEMENT,
                ..
            } => tally.answered += 1,
            _ => {}
        }
    }
}

/// Bytes that are not the same a block later.
fn pattern(from: u64, buffer: &mut [u8]) {
    for (at, byte) in (from..).zip(buffer) {
        *byte = (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    }
}

/// Sends from the lab to the machine's `listener` until `done`, and checks what arrives; bytes.
fn stream(lab: &Namespace, listener: &TcpListener, done: &AtomicBool) -> u64 {
    let address = listener.local_addr().unwrap();
    let mut client = lab.enter(|| TcpStream::connect(address).unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    let (mut sent, mut wanted) = ([0; 1024], [0; 1024]);
    let mut total = 0;
    while !done.load(Ordering::Acquire) {
        pattern(total, &mut wanted);
        client.write_all(&wanted).expect("the flow goes on");
        server.read_exact(&mut sent).expect("the flow goes on");
        assert_eq!(sent, wanted, "after {total} bytes");
        // And back.
        server.write_all(&wanted).expect("the flow goes on");
        client.read_exact(&mut sent).expect("the flow goes on");
        assert_eq!(sent, wanted, "after {total} bytes");
        total += wanted.len() as u64;
        std::thread::sleep(PAUSE);
    }
    total
}

fn config() -> String {
    let policy = Policy::new(Default::Block).rule(Rule::new(
        "stream",
        Protocol::Tcp,
        &[(STREAM, STREAM)],
        &["10.77.0.0/24"],
    ));
    format!(
        "apiVersion: v1alpha1\nkind: DHCPv4Config\nname: eth0\n---\napiVersion: v1alpha1\nkind: DHCPv6Config\nname: eth0\n\
         ---\n{}",
        policy.documents()
    )
}

#[test]
fn neighbours_leases_and_flows_survive_a_flood() {
    on_machine("firewall-flood", |machine: &Machine| {
        ip("link set eth0 up");
        let kea6 = dhcp6::kea(machine)
            .times(1, 10, 20, 40)
            .start(&machine.lab)
            .unwrap();
        let kea4 = Kea4::v4("lan", SERVER)
            .pool("10.77.0.0/24", "10.77.0.100", "10.77.0.109")
            .times(20, 1, 10)
            .start(&machine.lab)
            .unwrap();
        std::fs::create_dir_all("/etc/init-net").unwrap();
        std::fs::write("/etc/init-net/machine.yaml", config()).unwrap();
        machine.boot("initnet.wait=local");
        machine.answers();
        machine.until("both leases", || {
            (dhcp6::globals("eth0").len() == 1
                && ip("-4 address show dev eth0").contains("10.77.0."))
            .then_some(())
        });
        assert!(nft("list table inet init-net").contains("policy drop"));

        let address = leased();
        let (address, _) = address.split_once('/').unwrap();
        let listener = TcpListener::bind((address, STREAM)).unwrap();
        let lab = machine.lab.namespace();
        let attacker = Stranger::at(lab, "far-eth0", MAC, ATTACKER)
            .unwrap()
            .without(SERVER.parse().unwrap())
            .without("fe80::1".parse().unwrap())
            .without("2001:db8::1".parse().unwrap());
        let done = AtomicBool::new(false);
        let bytes = AtomicU64::new(0);
        let (acks, replies) = (kea4.sent("DHCPACK"), kea6.count("RENEW"));
        let tally = std::thread::scope(|scope| {
            // Also when a check fails: the others wait for it.
            let _ends = Raised(&done);
            let flood = scope.spawn(|| flood(attacker, &done));
            scope.spawn(|| bytes.store(stream(lab, &listener, &done), Ordering::Release));
            machine.until("renewals of both leases", || {
                let four = kea4.sent("DHCPACK") >= acks + RENEWALS;
                let six = kea6.count("RENEW") >= replies + RENEWALS;
                (four && six).then_some(())
            });
            done.store(true, Ordering::Release);
            flood.join().unwrap()
        });
        let bytes = bytes.load(Ordering::Acquire);
        eprintln!("{tally:?}, {bytes} bytes of a flow");
        assert_eq!(
            tally.answered, tally.asked,
            "a neighbour that asks is answered"
        );
        assert!(tally.echoed < tally.echoes / 10, "{tally:?}");
        assert!(bytes > 100_000, "{bytes}");
        assert_eq!(kea4.received("DHCPDISCOVER"), 1);
        assert_eq!(kea6.count("SOLICIT"), 1);
        let six = dhcp6::lease(machine).unwrap();
        assert_eq!(six["state"], "bound", "{six}");
    });
}
