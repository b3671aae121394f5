//! Timelines of detection; smoltcp reads what we send.

use proptest::prelude::{any, prop_assert_eq, proptest};
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetAddress};

use super::*;

const OWN: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const OTHER: [u8; 6] = [0x52, 0x54, 0, 0, 0, 2];
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn acd() -> Acd {
    Acd::new(Mac::from_bytes(&OWN).unwrap(), ADDRESS, at(0)).unwrap()
}

/// Runs until `until`: one line for each packet and event, with its time.
fn run(acd: &mut Acd, from: u64, until: u64) -> Vec<String> {
    let mut log = Vec::new();
    let mut now = at(from);
    let mut rng = Rng::new(1);
    loop {
        acd.expire(now);
        while acd
            .transmit(now, &mut rng, |bytes| {
                log.push(format!("{} {}", now.as_millis(), describe(&bytes)));
                Ok::<_, ()>(())
            })
            .unwrap()
        {}
        while let Some(event) = acd.event() {
            log.push(format!("{} {event:?}", now.as_millis()));
        }
        match acd.deadline() {
            Some(due) if due <= at(until) => {
                assert!(due > now, "a deadline in the past after draining");
                now = due;
            }
            Some(_) | None => return log,
        }
    }
}

/// What smoltcp makes of a packet of ours.
fn describe(bytes: &[u8]) -> String {
    let repr = ArpRepr::parse(&ArpPacket::new_checked(bytes).unwrap()).unwrap();
    let ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr,
        source_protocol_addr,
        target_hardware_addr,
        target_protocol_addr,
    } = repr
    else {
        panic!("not IPv4 over Ethernet");
    };
    assert_eq!(operation, ArpOperation::Request);
    assert_eq!(source_hardware_addr, EthernetAddress(OWN));
    assert_eq!(target_hardware_addr, EthernetAddress([0; 6]));
    assert_eq!(target_protocol_addr, ADDRESS);
    match source_protocol_addr {
        ADDRESS => "announce".into(),
        Ipv4Addr::UNSPECIFIED => "probe".into(),
        other => panic!("sender {other}"),
    }
}

fn frame(operation: Operation, mac: [u8; 6], sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Vec<u8> {
    let arp = Arp {
        operation,
        sender_mac: mac,
        sender_ip,
        target_mac: [0; 6],
        target_ip,
    };
    arp.encode().to_vec()
}

fn reply(mac: [u8; 6]) -> Vec<u8> {
    frame(Operation::Reply, mac, ADDRESS, Ipv4Addr::UNSPECIFIED)
}

#[test]
fn free_in_200_ms_then_two_announcements() {
    let log = run(&mut acd(), 0, 60_000);
    assert_eq!(
        log,
        [
            "0 probe",
            "60 probe",
            "140 probe",
            "200 announce",
            "200 Free",
            "2200 announce"
        ]
    );
}

#[track_caller]
fn check_while_probing(frame: &[u8], conflict: bool) {
    let mut acd = acd();
    run(&mut acd, 0, 70);
    acd.receive(frame, at(70));
    let event = acd.event();
    let mac = Mac::from_bytes(&OTHER).unwrap();
    assert_eq!(
        event,
        conflict.then_some(Event::Conflict {
            mac,
            during_probe: true
        })
    );
    assert_eq!(
        acd.deadline().is_none(),
        conflict,
        "a conflict ends the probing"
    );
}

#[test]
fn what_is_a_conflict_while_probing() {
    const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
    const THIRD: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
    check_while_probing(&reply(OTHER), true);
    check_while_probing(&frame(Operation::Request, OTHER, ADDRESS, THIRD), true);
    check_while_probing(&frame(Operation::Request, OTHER, NONE, ADDRESS), true);
    check_while_probing(&frame(Operation::Request, OTHER, THIRD, ADDRESS), false);
    check_while_probing(&frame(Operation::Reply, OTHER, NONE, ADDRESS), false);
    check_while_probing(&frame(Operation::Request, OTHER, NONE, THIRD), false);
    check_while_probing(&frame(Operation::Request, OWN, NONE, ADDRESS), false);
    check_while_probing(&reply(OWN), false);
    check_while_probing(&reply([0; 6]), false);
    check_while_probing(&reply([0xff; 6]), false);
    // Padding of a minimum frame.
    check_while_probing(&[reply(OTHER), vec![0; 18]].concat(), true);
}

#[test]
fn an_answer_read_late_still_counts() {
    let mut acd = acd();
    run(&mut acd, 0, 150);
    acd.receive(&reply(OTHER), at(900));
    assert!(matches!(
        acd.event(),
        Some(Event::Conflict {
            during_probe: true,
            ..
        })
    ));
}

#[test]
fn malformed_packets_are_ignored() {
    for len in 0..ARP_LEN {
        check_while_probing(&reply(OTHER)[..len], false);
    }
    for (offset, value) in [(1, 6), (3, 6), (2, 0x86), (4, 8), (5, 16), (7, 3), (6, 1)] {
        let mut bytes = reply(OTHER);
        bytes[offset] = value;
        check_while_probing(&bytes, false);
    }
}

#[test]
fn after_a_conflict_the_owner_may_claim_it_all_the_same() {
    let mut acd = acd();
    run(&mut acd, 0, 10);
    acd.receive(&reply(OTHER), at(20));
    assert_eq!(
        run(&mut acd, 20, 60_000).len(),
        1,
        "the event and no packet"
    );
    acd.claim(at(60_000));
    assert_eq!(
        run(&mut acd, 60_000, 90_000),
        ["60000 announce", "62000 announce"]
    );
}

#[test]
fn the_address_is_defended_once_in_ten_seconds() {
    let mut acd = acd();
    run(&mut acd, 0, 10_000);
    let mut log = Vec::new();
    for seconds in 20..41 {
        acd.receive(&reply(OTHER), at(seconds * 1000));
        log.extend(run(&mut acd, seconds * 1000, seconds * 1000));
    }
    let defences: Vec<_> = log
        .iter()
        .filter(|line| line.ends_with("announce"))
        .collect();
    assert_eq!(
        defences,
        ["20000 announce", "30000 announce", "40000 announce"]
    );
    assert_eq!(log.len(), 6, "and one event each: {log:?}");
}

#[test]
fn a_conflict_while_announcing_is_defended_and_detection_goes_on() {
    let mut acd = acd();
    run(&mut acd, 0, 1000);
    acd.receive(&reply(OTHER), at(1000));
    let log = run(&mut acd, 1000, 60_000);
    assert_eq!(log.len(), 2, "{log:?}");
    assert_eq!(log[0], "1000 announce");
    assert!(log[1].contains("during_probe: false"));
}

#[test]
fn a_failed_send_is_tried_again_and_the_verdict_waits_for_it() {
    let mut acd = acd();
    let mut rng = Rng::new(1);
    assert_eq!(acd.transmit(at(0), &mut rng, |_| Err("down")), Err("down"));
    assert_eq!(acd.deadline(), Some(at(50)));
    assert_eq!(
        run(&mut acd, 0, 300),
        [
            "50 probe",
            "110 probe",
            "190 probe",
            "250 announce",
            "250 Free"
        ]
    );
}

#[test]
fn a_resumed_watch_is_silent_until_somebody_uses_the_address() {
    let mut acd = Acd::resume(Mac::from_bytes(&OWN).unwrap(), ADDRESS).unwrap();
    assert!(run(&mut acd, 0, 60_000).is_empty());
    acd.receive(&reply(OTHER), at(60_000));
    let log = run(&mut acd, 60_000, 120_000);
    assert_eq!(log.len(), 2, "{log:?}");
    assert_eq!(log[0], "60000 announce");
    assert!(log[1].contains("during_probe: false"));
}

#[test]
fn hardware_without_ethernet_addresses_is_left_alone() {
    assert!(Acd::new(Mac::from_bytes(&[1; 20]).unwrap(), ADDRESS, at(0)).is_none());
}

proptest! {
    #[test]
    fn any_packet_is_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Some(arp) = Arp::parse(&bytes) {
            prop_assert_eq!(&arp.encode()[..], &bytes[..ARP_LEN]);
        }
    }
}
