//! Timelines of router discovery, advertisements byte by byte; smoltcp reads what we send.

use proptest::prelude::{any, prop, prop_assert, proptest};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Icmpv6Packet, Icmpv6Repr, Ipv6Packet, NdiscRepr, RawHardwareAddress};

use super::*;
use crate::proto::checksum::{add, fold};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const ROUTER: &str = "fe80::1";
const OTHER: &str = "fe80::2";

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// An advertisement of `source` to all nodes, checksum filled in.
pub(crate) fn packet(source: &str, flags: u8, lifetime: u16, options: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![134, 0, 0, 0, 64, flags];
    body.extend(lifetime.to_be_bytes());
    body.extend([0; 8]);
    body.extend(options.concat());
    let (source, all) = (ip(source), ip("ff02::1"));
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((body.len() as u16).to_be_bytes());
    packet.extend([58, 255]);
    packet.extend(source.octets());
    packet.extend(all.octets());
    packet.extend(body);
    fill_checksum(&mut packet);
    packet
}

fn fill_checksum(packet: &mut [u8]) {
    packet[42..44].fill(0);
    let length = packet.len() as u32 - 40;
    let sum = fold(add(add(0, &packet[8..40]) + length + 58, &packet[40..]));
    packet[42..44].copy_from_slice(&sum.to_be_bytes());
}

fn mtu(bytes: u32) -> Vec<u8> {
    [&[5, 1, 0, 0][..], &bytes.to_be_bytes()].concat()
}

pub(crate) fn prefix(prefix: &str, flags: u8, valid: u32, preferred: u32) -> Vec<u8> {
    let (address, length) = prefix.split_once('/').unwrap();
    let mut option = vec![3, 4, length.parse().unwrap(), flags];
    option.extend(valid.to_be_bytes());
    option.extend(preferred.to_be_bytes());
    option.extend([0; 4]);
    option.extend(ip(address).octets());
    option
}

/// `preference`: the two bits. `units`: the length of the option.
pub(crate) fn route(units: u8, prefix: &str, preference: u8, secs: u32) -> Vec<u8> {
    let (address, length) = prefix.split_once('/').unwrap();
    let mut option = vec![24, units, length.parse().unwrap(), preference << 3];
    option.extend(secs.to_be_bytes());
    option.extend(&ip(address).octets()[..usize::from(units.saturating_sub(1)) * 8]);
    option
}

pub(crate) fn servers(secs: u32, addresses: &str) -> Vec<u8> {
    let addresses: Vec<_> = addresses.split_whitespace().map(ip).collect();
    let mut option = vec![25, 1 + 2 * addresses.len() as u8, 0, 0];
    option.extend(secs.to_be_bytes());
    option.extend(addresses.iter().flat_map(Ipv6Addr::octets));
    option
}

pub(crate) fn domains(secs: u32, names: &str) -> Vec<u8> {
    let mut data = Vec::new();
    for name in names.split_whitespace() {
        for label in name.split('.') {
            data.push(label.len() as u8);
            data.extend(label.bytes());
        }
        data.push(0);
    }
    raw_domains(secs, data)
}

fn raw_domains(secs: u32, mut data: Vec<u8>) -> Vec<u8> {
    data.resize(data.len().next_multiple_of(8), 0);
    let mut option = vec![31, 1 + data.len() as u8 / 8, 0, 0];
    option.extend(secs.to_be_bytes());
    option.extend(data);
    option
}

/// Runs until `until`: one line for each packet and event, with its time.
fn run(machine: &mut Ndisc, from: u64, until: u64) -> Vec<String> {
    let mut log = Vec::new();
    let mut now = at(from);
    let mut rng = Rng::new(1);
    loop {
        machine.expire(now);
        while machine
            .transmit(now, &mut rng, |bytes| {
                log.push(format!("{} {}", now.as_millis(), describe(&bytes)));
                Ok::<_, ()>(())
            })
            .unwrap()
        {}
        while let Some(event) = machine.event() {
            log.push(format!("{} {event:?}", now.as_millis()));
        }
        match machine.deadline() {
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
    let ipv6 = Ipv6Packet::new_checked(bytes).unwrap();
    assert_eq!((ipv6.hop_limit(), ipv6.dst_addr()), (255, ip("ff02::2")));
    assert!(checksum_is_right(bytes));
    let icmp = Icmpv6Packet::new_checked(ipv6.payload()).unwrap();
    let checksums = ChecksumCapabilities::default();
    let repr = Icmpv6Repr::parse(&ipv6.src_addr(), &ipv6.dst_addr(), &icmp, &checksums).unwrap();
    match repr {
        Icmpv6Repr::Ndisc(NdiscRepr::RouterSolicit { lladdr }) => {
            let own = RawHardwareAddress::from_bytes(&MAC);
            assert!(lladdr.is_none_or(|told| told == own));
            format!("solicit from {}", ipv6.src_addr())
        }
        other => panic!("not a solicitation: {other:?}"),
    }
}

fn quiet() -> Ndisc {
    let mut machine = Ndisc::new(MAC, at(0));
    machine.receive(&packet(ROUTER, 0, 1800, &[]), at(0));
    run(&mut machine, 0, 0);
    machine
}

#[test]
fn solicits_until_a_router_answers() {
    let mut machine = Ndisc::new(MAC, at(0));
    assert_eq!(run(&mut machine, 0, 0), ["0 solicit from ::"]);
    machine.set_source(ip("fe80::5054:ff:fe00:1"));
    let log = run(&mut machine, 0, 40_000);
    let times: Vec<u64> = log
        .iter()
        .map(|line| line.split_once(' ').unwrap().0.parse().unwrap())
        .collect();
    // About 4, 12 and 28 s; silence is told once, at the second one.
    assert_eq!(log.len(), 4, "{log:?}");
    assert!(log[0].ends_with("solicit from fe80::5054:ff:fe00:1"));
    assert!(log[1].ends_with("Silent"), "{log:?}");
    for (index, about) in [(0, 4_000), (2, 12_000), (3, 28_000)] {
        assert!(times[index].abs_diff(about) <= about / 4, "{log:?}");
    }
    machine.receive(&packet(ROUTER, 0, 1800, &[]), at(40_000));
    assert_eq!(run(&mut machine, 40_000, 60_000), ["40000 Found(fe80::1)"]);
    assert_eq!(machine.state_name(), "LISTENING");
}

#[test]
fn waits_grow_to_an_hour() {
    let mut machine = Ndisc::new(MAC, at(0));
    let day = 86_400_000;
    let sent = run(&mut machine, 0, day).len() - 1;
    // 4 s doubled ten times is above an hour; then 22 to 25 hours' worth of them.
    assert!((32..=38).contains(&sent), "{sent}");
}

/// RFC 7559 §2: a router without a default route does not end it.
#[test]
fn a_router_that_is_no_default_router_is_heard_and_solicited_on() {
    let mut machine = Ndisc::new(MAC, at(0));
    run(&mut machine, 0, 0);
    machine.receive(&packet(ROUTER, 0x80, 0, &[]), at(100));
    let log = run(&mut machine, 100, 6_000);
    assert_eq!(log[0], "100 Found(fe80::1)");
    assert!(log[1].ends_with("solicit from ::"), "{log:?}");
    assert!(machine.routers()[0].managed);
}

#[test]
fn the_last_default_router_that_goes_is_looked_for_again() {
    let mut machine = quiet();
    machine.receive(&packet(OTHER, 0, 60, &[]), at(1_000));
    assert_eq!(run(&mut machine, 1_000, 2_000), ["1000 Found(fe80::2)"]);
    // A farewell (RFC 4861 §6.2.5).
    machine.receive(&packet(ROUTER, 0, 0, &[]), at(3_000));
    assert_eq!(run(&mut machine, 3_000, 4_000), ["3000 Gone(fe80::1)"]);
    assert_eq!(
        run(&mut machine, 4_000, 61_500),
        ["61000 solicit from ::", "61000 Gone(fe80::2)"]
    );
}

#[test]
fn no_carrier_no_solicitation() {
    let mut machine = Ndisc::new(MAC, at(0));
    machine.link_down(at(0));
    assert_eq!(run(&mut machine, 0, 100_000), [""; 0]);
    machine.link_up(at(100_000));
    assert_eq!(
        run(&mut machine, 100_000, 101_000),
        ["100000 solicit from ::"]
    );
    // With a known router as well: it may be another network. What was said stays.
    let mut machine = quiet();
    machine.link_down(at(1_000));
    machine.link_up(at(2_000));
    assert_eq!(run(&mut machine, 2_000, 3_000), ["2000 solicit from ::"]);
    assert_eq!(machine.routers().len(), 1);
}

#[test]
fn a_send_that_fails_is_tried_again() {
    let mut machine = Ndisc::new(MAC, at(0));
    let mut rng = Rng::new(1);
    assert_eq!(machine.transmit(at(0), &mut rng, |_| Err("no")), Err("no"));
    assert_eq!(run(&mut machine, 0, 1_000), ["1000 solicit from ::"]);
}

#[test]
fn the_same_again_is_a_refresh() {
    let mut machine = quiet();
    let options = [servers(600, "2001:db8::53"), mtu(1400)];
    let same = packet(ROUTER, 0, 1800, &options);
    for (time, expect) in [(10_000, "Changed"), (20_000, "Refreshed")] {
        machine.receive(&same, at(time));
        let expect = format!("{time} {expect}(fe80::1)");
        assert_eq!(run(&mut machine, time, time), [expect]);
    }
    assert_eq!(machine.routers()[0].servers[0].until, Some(at(620_000)));
    assert_eq!(machine.routers()[0].default_until, Some(at(1_820_000)));
}

#[test]
fn each_thing_ends_by_itself() {
    let mut machine = quiet();
    let options = [
        servers(100, "2001:db8::53"),
        servers(u32::MAX, "2001:db8::54"),
        domains(200, "example.org"),
        route(2, "2001:db8:1::/48", 0, 300),
    ];
    machine.receive(&packet(ROUTER, 0, 1800, &options), at(0));
    let log = run(&mut machine, 0, 300_000);
    assert_eq!(
        log,
        [
            "0 Changed(fe80::1)",
            "100000 Changed(fe80::1)",
            "200000 Changed(fe80::1)",
            "300000 Changed(fe80::1)"
        ]
    );
    let router = &machine.routers()[0];
    assert_eq!(router.servers.len(), 1);
    assert!(router.domains.is_empty() && router.routes.is_empty());
    // An advertisement without them says nothing of them; one with lifetime 0 takes them away.
    machine.receive(&packet(ROUTER, 0, 1800, &[]), at(301_000));
    assert_eq!(machine.routers()[0].servers.len(), 1);
    let farewell = packet(ROUTER, 0, 1800, &[servers(0, "2001:db8::54")]);
    machine.receive(&farewell, at(302_000));
    assert!(machine.routers()[0].servers.is_empty());
}

/// The flags of a router that is no default router are believed for half an hour.
#[test]
fn flags_end() {
    let mut machine = Ndisc::new(MAC, at(0));
    machine.receive(&packet(ROUTER, 0x40, 0, &[]), at(0));
    let log = run(&mut machine, 0, 1_800_000);
    assert!(log.contains(&"1800000 Gone(fe80::1)".to_owned()), "{log:?}");
}

#[test]
fn routers_beyond_the_limit_are_not_heard() {
    let mut machine = Ndisc::new(MAC, at(0));
    for number in 1..=MAX_ROUTERS + 2 {
        let source = format!("fe80::{number:x}");
        machine.receive(&packet(&source, 0, 1800, &[]), at(0));
    }
    assert_eq!(machine.routers().len(), MAX_ROUTERS);
    assert_eq!(machine.counters().no_room, 2);
}

#[test]
fn a_default_router_finds_room() {
    let mut machine = Ndisc::new(MAC, at(0));
    let for_ever = prefix("2001:db8:1::/64", 0xc0, u32::MAX, u32::MAX);
    for number in 1..=MAX_ROUTERS {
        let source = format!("fe80::{number:x}");
        let lifetime = if number == 1 { 1800 } else { 0 };
        machine.receive(
            &packet(&source, 0, lifetime, std::slice::from_ref(&for_ever)),
            at(0),
        );
    }
    run(&mut machine, 0, 0);
    machine.receive(&packet("fe80::a", 0, 0, &[for_ever]), at(1));
    assert_eq!(run(&mut machine, 1, 1), [""; 0], "no better than those");
    machine.receive(&packet("fe80::b", 0, 1800, &[]), at(2));
    assert_eq!(
        run(&mut machine, 2, 2),
        ["2 Gone(fe80::2)", "2 Found(fe80::b)"]
    );
    assert_eq!(machine.routers().len(), MAX_ROUTERS);
}

#[test]
fn a_list_has_its_limit() {
    let mut machine = quiet();
    let many: Vec<Vec<u8>> = (0..60)
        .map(|n| route(2, &format!("2001:db8:{n:x}::/48"), 0, 300))
        .collect();
    machine.receive(&packet(ROUTER, 0, 1800, &many), at(0));
    assert_eq!(machine.routers()[0].routes.len(), MAX_ROUTES);
    assert_eq!(machine.routers()[0].validate(), Ok(()));
}

#[test]
fn goes_on_with_what_the_stage_before_knew() {
    let mut before = quiet();
    let options = [servers(100, "2001:db8::53")];
    before.receive(&packet(OTHER, 0, 50, &options), at(0));
    let saved = serde_json::to_string(before.routers()).unwrap();
    let saved: Vec<Router> = serde_json::from_str(&saved).unwrap();
    assert_eq!(saved, before.routers());
    let mut impossible = saved[0].clone();
    impossible.address = ip("2001:db8::1");
    let all = [saved.clone(), saved, vec![impossible]].concat();
    let mut machine = Ndisc::resume(MAC, all, at(60_000));
    assert_eq!(machine.routers().len(), 2);
    assert_eq!(machine.routers()[1].default_until, None);
    assert_eq!(run(&mut machine, 60_000, 90_000), [""; 0]);
    // Nothing that could be gone on with: as at the first start.
    let mut machine = Ndisc::resume(MAC, Vec::new(), at(0));
    assert_eq!(run(&mut machine, 0, 0), ["0 solicit from ::"]);
}

/// What one advertisement with `options` says, and how many of its parts were not taken.
fn read(options: &[Vec<u8>]) -> (String, u32) {
    let (_, said) = Advertisement::parse(&packet(ROUTER, 0, 1800, options)).unwrap();
    let mut words = Vec::new();
    words.extend(said.mtu.map(|mtu| format!("mtu {mtu}")));
    words.extend(said.prefixes.iter().map(|p| {
        let flag = |on, name| if on { name } else { "" };
        let flags = [flag(p.on_link, "L"), flag(p.autonomous, "A")].concat();
        format!("prefix {} {flags} {}/{}", p.prefix, p.valid, p.preferred)
    }));
    let routes = said.routes.iter();
    words.extend(routes.map(|(to, preference, secs)| format!("route {to} {preference} {secs}")));
    words.extend(
        said.servers
            .iter()
            .map(|(ip, secs)| format!("dns {ip} {secs}")),
    );
    words.extend(
        said.domains
            .iter()
            .map(|(name, secs)| format!("search {name} {secs}")),
    );
    (words.join(", "), said.bad)
}

#[track_caller]
fn check(options: &[Vec<u8>], expect: &str, bad: u32) {
    let (said, found) = read(options);
    assert_eq!((said.as_str(), found), (expect, bad));
}

#[test]
fn options() {
    check(&[], "", 0);
    check(&[mtu(1400)], "mtu 1400", 0);
    check(&[mtu(1279)], "", 1);
    check(
        &[prefix("2001:db8:0:1::/64", 0xc0, 86_400, 14_400)],
        "prefix 2001:db8:0:1::/64 LA 86400/14400",
        0,
    );
    check(
        &[prefix("2001:db8:0:1::9/64", 0x80, 1, 1)],
        "prefix 2001:db8:0:1::/64 L 1/1",
        0,
    );
    check(&[prefix("2001:db8::/64", 0xc0, 10, 20)], "", 1);
    check(&[prefix("fe80::/64", 0xc0, 20, 10)], "", 1);
    check(&[prefix("2001:db8::/129", 0xc0, 20, 10)], "", 1);
    // Source link-layer address, PREF64, captive portal, and one that nobody knows.
    let others = [
        vec![1, 1, 2, 0, 0, 0, 0, 1],
        [&[38, 2][..], &[0; 14]].concat(),
        [&[37, 1][..], b"https:"].concat(),
        vec![200, 1, 0, 0, 0, 0, 0, 0],
    ];
    check(&others, "", 0);
}

#[test]
fn routes() {
    check(&[route(1, "::/0", 1, 60)], "route ::/0 high 60", 0);
    check(
        &[route(2, "2001:db8::/32", 0, 60)],
        "route 2001:db8::/32 medium 60",
        0,
    );
    check(
        &[route(3, "2001:db8::1/128", 3, 60)],
        "route 2001:db8::1/128 low 60",
        0,
    );
    check(
        &[route(3, "2001:db8::/32", 0, u32::MAX)],
        "route 2001:db8::/32 medium 4294967295",
        0,
    );
    // Host bits are cleared.
    check(
        &[route(2, "2001:db8:0:1::/32", 0, 60)],
        "route 2001:db8::/32 medium 60",
        0,
    );
    // The reserved preference, too little room for the length, a length beyond 128, what leads nowhere.
    check(&[route(2, "2001:db8::/32", 2, 60)], "", 1);
    check(&[route(1, "2001:db8::/32", 0, 60)], "", 1);
    check(&[route(2, "2001:db8::/65", 0, 60)], "", 1);
    check(&[route(3, "2001:db8::/129", 0, 60)], "", 1);
    check(&[route(2, "fe80::/64", 0, 60)], "", 1);
    check(&[route(2, "ff02::/16", 0, 60)], "", 1);
}

#[test]
fn name_servers() {
    check(
        &[servers(600, "2001:db8::53 fe80::53")],
        "dns 2001:db8::53 600, dns fe80::53 600",
        0,
    );
    check(
        &[servers(600, "ff02::fb :: ::1 2001:db8::53")],
        "dns 2001:db8::53 600",
        3,
    );
    check(&[servers(600, "")], "", 1);
    // Half an address.
    check(
        &[[&[25, 2, 0, 0, 0, 0, 0, 9][..], &[0x20; 8]].concat()],
        "",
        1,
    );
}

#[test]
fn search_domains() {
    check(
        &[domains(600, "example.org lab.example.org")],
        "search example.org 600, search lab.example.org 600",
        0,
    );
    // Names that are no host names, a dot in a label, a byte above 127, compression, a label beyond the end.
    check(
        &[domains(600, "a_b.example good.example")],
        "search good.example 600",
        1,
    );
    check(
        &[raw_domains(600, b"\x03a.b\x00\x01c\x00".to_vec())],
        "search c 600",
        1,
    );
    check(
        &[raw_domains(600, b"\x02\xc3\xa4\x00\x01c\x00".to_vec())],
        "search c 600",
        1,
    );
    check(
        &[raw_domains(600, b"\x01c\x00\xc0\x08".to_vec())],
        "search c 600",
        1,
    );
    check(
        &[raw_domains(600, b"\x01c\x00\x3fabcd".to_vec())],
        "search c 600",
        1,
    );
    check(&[raw_domains(600, Vec::new())], "", 0);
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Vec<u8>), expect: Reject) {
    let mut bytes = packet(ROUTER, 0, 1800, &[mtu(1400)]);
    change(&mut bytes);
    assert_eq!(Advertisement::parse(&bytes).err(), Some(expect));
}

#[test]
fn what_breaks_a_rule_of_rfc_4861_is_refused() {
    assert!(Advertisement::parse(&packet(ROUTER, 0, 1800, &[mtu(1400)])).is_ok());
    refused(|p| p[7] = 254, Reject::HopLimit);
    refused(|p| p[8] = 0x20, Reject::Source);
    refused(|p| p[8..24].fill(0), Reject::Source);
    refused(|p| p[41] = 1, Reject::Code);
    refused(|p| p[40] = 133, Reject::Type);
    refused(|p| p[6] = 0, Reject::Type);
    refused(|p| p[0] = 0x45, Reject::Version);
    refused(|p| p[5] = 200, Reject::Short);
    refused(|p| p[5] = 15, Reject::Short);
    refused(|p| p[57] = 0, Reject::Option);
    refused(|p| p[57] = 2, Reject::Option);
    refused(|p| p[5] = 20, Reject::Option);
    refused(|p| p[5] = 17, Reject::Option);
    let mut machine = Ndisc::new(MAC, at(0));
    machine.receive(b"", at(0));
    assert_eq!(
        (machine.counters().rejected, machine.routers().len()),
        (1, 0)
    );
}

#[test]
fn truncated_at_every_place() {
    let options = [
        mtu(1400),
        prefix("2001:db8:0:1::/64", 0xc0, 86_400, 14_400),
        route(3, "2001:db8::1/128", 3, 60),
        servers(600, "2001:db8::53"),
        domains(600, "example.org"),
    ];
    let whole = packet(ROUTER, 0xc0, 1800, &options);
    for cut in 0..whole.len() {
        assert!(Advertisement::parse(&whole[..cut]).is_err(), "{cut}");
        // And where the header knows that it is short: whole options are taken, half ones are not.
        if let Some(length) = cut.checked_sub(40) {
            let mut short = whole[..cut].to_vec();
            short[4..6].copy_from_slice(&(length as u16).to_be_bytes());
            let ends = [56, 64, 96, 120, 144, whole.len()];
            assert_eq!(
                Advertisement::parse(&short).is_ok(),
                ends.contains(&cut),
                "{cut}"
            );
        }
    }
    // Padding of the link is none of it.
    let padded = [whole, vec![0xff; 20]].concat();
    assert!(Advertisement::parse(&padded).is_ok() && checksum_is_right(&padded));
}

#[test]
fn checksums() {
    let mut bytes = packet(ROUTER, 0, 1800, &[mtu(1400)]);
    assert!(checksum_is_right(&bytes));
    bytes[63] ^= 1;
    assert!(!checksum_is_right(&bytes));
    assert!(!checksum_is_right(&[]) && !checksum_is_right(&[0x60; 40]));
}

proptest! {
    /// Any bytes behind the header of an advertisement, and jumps of time: never a panic, never beyond a limit.
    #[test]
    fn any_bytes(
        bodies in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..200)), 1..20),
        step in 0u64..100_000,
    ) {
        let mut machine = Ndisc::new(MAC, at(0));
        for (index, (router, body)) in bodies.iter().enumerate() {
            let now = index as u64 * step;
            let source = format!("fe80::{:x}", router % 12 + 1);
            machine.receive(&packet(&source, *router, u16::from(*router), std::slice::from_ref(body)), at(now));
            machine.receive(body, at(now));
            run(&mut machine, now, now);
            prop_assert!(machine.routers().len() <= MAX_ROUTERS);
            prop_assert!(machine.routers().iter().all(|router| router.validate().is_ok()));
        }
    }
}
