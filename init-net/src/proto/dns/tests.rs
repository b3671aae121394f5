//! Look-ups against scripted servers.

use core::net::{IpAddr, SocketAddr};

use simple_dns::rdata::{A, AAAA, CNAME, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

use super::{Event, Lookup, Query};
use crate::proto::Machine;
use crate::value::{Instant, Rng};

const NAME: &str = "config.example.net";

fn lookup(servers: &[&str]) -> (Lookup, Rng) {
    let servers: Vec<SocketAddr> = servers
        .iter()
        .map(|server| SocketAddr::new(server.parse().unwrap(), 53))
        .collect();
    let machine = Lookup::new(&NAME.parse().unwrap(), &servers, Instant::from_secs(10));
    (machine, Rng::new(7))
}

fn drain(machine: &mut Lookup, rng: &mut Rng, now: Instant) -> Vec<Query> {
    let mut sent = Vec::new();
    while machine
        .transmit(now, rng, |query| {
            sent.push(query);
            Ok::<(), ()>(())
        })
        .unwrap()
    {}
    sent
}

/// A reply to `query` by a server that knows `records` (owner, value).
fn answer(query: &Query, rcode: RCODE, records: &[(&str, &str)]) -> Vec<u8> {
    let asked = Packet::parse(&query.payload).unwrap();
    let kind = asked.questions[0].qtype;
    let mut reply = asked.clone().into_reply();
    reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
    *reply.rcode_mut() = rcode;
    for (owner, value) in records {
        let rdata = match value.parse::<IpAddr>() {
            Ok(IpAddr::V4(a)) if kind == QTYPE::TYPE(TYPE::A) => RData::A(A::from(a)),
            Ok(IpAddr::V6(a)) if kind == QTYPE::TYPE(TYPE::AAAA) => RData::AAAA(AAAA::from(a)),
            Ok(_) => continue,
            Err(_) => RData::CNAME(CNAME(Name::new_unchecked(value))),
        };
        let name = Name::new_unchecked(owner);
        reply
            .answers
            .push(ResourceRecord::new(name, CLASS::IN, 60, rdata));
    }
    reply.build_bytes_vec_compressed().unwrap()
}

#[track_caller]
fn check(records: &[(&str, &str)], expect: &[&str]) {
    let (mut machine, mut rng) = lookup(&["192.0.2.53"]);
    let now = Instant::from_secs(1);
    for query in drain(&mut machine, &mut rng, now) {
        machine.receive(&answer(&query, RCODE::NoError, records), now);
    }
    let expect: Vec<IpAddr> = expect.iter().map(|a| a.parse().unwrap()).collect();
    assert_eq!(
        machine.event(),
        Some(match expect.is_empty() {
            true => Event::Failed,
            false => Event::Addresses(expect),
        })
    );
    assert_eq!(machine.deadline(), None);
}

#[test]
fn answers() {
    check(
        &[(NAME, "192.0.2.1"), (NAME, "2001:db8::1")],
        &["192.0.2.1", "2001:db8::1"],
    );
    check(&[("CONFIG.Example.Net", "192.0.2.1")], &["192.0.2.1"]);
    check(
        &[(NAME, "a.example.net"), ("a.example.net", "192.0.2.1")],
        &["192.0.2.1"],
    );
    check(&[("other.example.net", "192.0.2.66")], &[]);
    check(&[(NAME, NAME)], &[]);
    check(&[(NAME, "a.net"), ("a.net", NAME)], &[]);
    check(&[], &[]);
}

#[test]
fn the_questions_are_plain() {
    let (mut machine, mut rng) = lookup(&["192.0.2.53", "2001:db8::53"]);
    let sent = drain(&mut machine, &mut rng, Instant::BOOT);
    assert_eq!(sent.len(), 2);
    // RFC 1035 §4.1: flags RD, one question, no other records; then the labels, type A, class IN.
    assert_eq!(sent[0].payload[2..12], [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        sent[0].payload[12..],
        *b"\x06config\x07example\x03net\0\0\x01\0\x01"
    );
    assert_eq!(
        sent[1].payload[12..],
        *b"\x06config\x07example\x03net\0\0\x1c\0\x01"
    );
    assert_eq!(sent[0].server.to_string(), "192.0.2.53:53");
    assert_ne!(sent[0].payload[..2], sent[1].payload[..2]);
}

#[test]
fn silence_and_refusal_go_to_the_next_server() {
    let (mut machine, mut rng) = lookup(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    drain(&mut machine, &mut rng, Instant::BOOT);
    assert_eq!(machine.deadline(), Some(Instant::from_secs(1)));
    machine.expire(Instant::from_secs(1));
    let second = drain(&mut machine, &mut rng, Instant::from_secs(1));
    assert_eq!(second[0].server.to_string(), "192.0.2.2:53");
    machine.receive(
        &answer(&second[0], RCODE::ServerFailure, &[]),
        Instant::from_secs(1),
    );
    let third = drain(&mut machine, &mut rng, Instant::from_secs(1));
    assert_eq!(third[0].server.to_string(), "192.0.2.3:53");
    for query in &third {
        machine.receive(
            &answer(query, RCODE::NoError, &[(NAME, "192.0.2.9")]),
            Instant::from_secs(1),
        );
    }
    assert_eq!(
        machine.event(),
        Some(Event::Addresses(vec!["192.0.2.9".parse().unwrap()]))
    );
}

#[test]
fn one_refusing_server_is_not_asked_in_a_loop() {
    let (mut machine, mut rng) = lookup(&["192.0.2.1"]);
    let now = Instant::BOOT;
    let sent = drain(&mut machine, &mut rng, now);
    machine.receive(&answer(&sent[0], RCODE::Refused, &[]), now);
    assert_eq!(drain(&mut machine, &mut rng, now), []);
    assert_eq!(machine.deadline(), Some(Instant::from_secs(1)));
    machine.expire(Instant::from_secs(10));
    assert_eq!(machine.event(), Some(Event::Failed));
}

#[test]
fn half_an_answer_is_used_after_the_wait() {
    let (mut machine, mut rng) = lookup(&["192.0.2.1"]);
    let sent = drain(&mut machine, &mut rng, Instant::BOOT);
    machine.receive(
        &answer(&sent[0], RCODE::NoError, &[(NAME, "192.0.2.9")]),
        Instant::BOOT,
    );
    assert_eq!(machine.event(), None);
    machine.expire(Instant::from_secs(1));
    assert_eq!(
        machine.event(),
        Some(Event::Addresses(vec!["192.0.2.9".parse().unwrap()]))
    );
}

#[test]
fn forged_replies_are_ignored() {
    let (mut machine, mut rng) = lookup(&["192.0.2.1"]);
    let sent = drain(&mut machine, &mut rng, Instant::BOOT);
    let good = answer(&sent[0], RCODE::NoError, &[(NAME, "192.0.2.66")]);
    let mut wrong_id = good.clone();
    wrong_id[1] ^= 0x55;
    let mut other_name = good.clone();
    other_name[13] = b'x';
    let mut query_not_reply = good.clone();
    query_not_reply[2] &= 0x7f;
    let mut many = good.clone();
    many[6..8].copy_from_slice(&[0xff, 0xff]);
    machine.receive(&answer(&sent[1], RCODE::NoError, &[]), Instant::BOOT);
    for forged in [&wrong_id, &other_name, &query_not_reply, &many] {
        machine.receive(forged, Instant::BOOT);
        assert_eq!(machine.event(), None);
    }
    for end in 0..good.len() {
        machine.receive(&good[..end], Instant::BOOT);
        assert_eq!(machine.event(), None);
    }
    machine.receive(&good, Instant::BOOT);
    assert!(matches!(machine.event(), Some(Event::Addresses(_))));
}

proptest::proptest! {
    #[test]
    fn garbage_never_panics(bytes: Vec<u8>, flip in 0usize..120, value: u8) {
        let (mut machine, mut rng) = lookup(&["192.0.2.1"]);
        let sent = drain(&mut machine, &mut rng, Instant::BOOT);
        let id = &sent[0].payload[..2];
        machine.receive(&[id, &bytes].concat(), Instant::BOOT);
        let mut reply = answer(&sent[0], RCODE::NoError, &[(NAME, "a.net"), ("a.net", "192.0.2.1")]);
        if let Some(byte) = reply.get_mut(flip) {
            *byte = value;
        }
        machine.receive(&reply, Instant::BOOT);
    }
}
