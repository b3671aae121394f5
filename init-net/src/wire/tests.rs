//! Bytes: what Linux 6.18 sent (`captured/`, one message a file) and what it accepted.

use proptest::prelude::*;

use super::*;
use crate::state::{AddressOp, Family, KindSpec, LinkAdd, LinkAt, Op, RouteOp};
use crate::value::{BondMode, BondOptions, BridgePortOptions, BridgeVlan, Instant, RouteKind};

const AT: Instant = Instant::from_secs(1000);

const LINK: &str = include_str!("captured/link.hex");
const ADDRESS4: &str = include_str!("captured/address4.hex");
const ADDRESS6: &str = include_str!("captured/address6.hex");
const ROUTE: &str = include_str!("captured/route.hex");
const RULE: &str = include_str!("captured/rule.hex");
const REFUSAL: &str = include_str!("captured/refusal.hex");

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn one(message: &[u8]) -> Message {
    let mut messages = decode(message, AT);
    let first = messages.next().unwrap();
    assert_eq!(messages.next(), None);
    first
}

#[track_caller]
fn check(hex: &str, expect: &str) {
    let text = match one(&bytes(hex)).kind {
        Kind::Link(link) => serde_json::to_string(&link).unwrap(),
        Kind::Address(address) => serde_json::to_string(&address).unwrap(),
        Kind::Route(route) => serde_json::to_string(&route).unwrap(),
        Kind::Rule(rule) => serde_json::to_string(&rule).unwrap(),
        Kind::Error(refusal) => refusal.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(text, expect);
}

#[test]
fn captured() {
    check(
        LINK,
        r#"{"index":10,"name":"eth0","alias":"cable","altNames":["uplink"],"type":"ether","kind":"veth","flags":4099,"operationalState":"lowerLayerDown","mtu":1500,"hardwareAddr":"02:00:00:00:00:0a","linkIndex":11,"masterIndex":0,"group":0}"#,
    );
    check(
        ADDRESS4,
        r#"{"address":"10.0.0.2/24","broadcast":"10.0.0.255","linkIndex":10,"linkName":"if10","family":"inet4","scope":"global","flags":0,"priority":77,"protocol":0,"validUntil":1600000000000,"preferredUntil":1600000000000}"#,
    );
    check(
        ADDRESS6,
        r#"{"address":"2001:db8::2/64","linkIndex":10,"linkName":"if10","family":"inet6","scope":"global","flags":130,"priority":0,"protocol":0}"#,
    );
    check(
        ROUTE,
        r#"{"family":"inet4","dst":"10.7.0.0/16","src":null,"gateway":"10.0.0.1","outLinkIndex":10,"outLinkName":null,"table":"1000","priority":5,"scope":"global","type":"unicast","protocol":73,"flags":16,"mtu":1300}"#,
    );
    check(
        RULE,
        r#"{"family":"inet4","priority":0,"src":null,"dst":null,"action":"unicast","table":255,"iifName":null,"oifName":null,"fwMark":0,"fwMask":0,"suppressPrefixLength":null,"hasMore":false,"protocol":2}"#,
    );
    check(
        REFUSAL,
        "Nexthop has invalid gateway: Network is unreachable (os error 101)",
    );
}

/// `ip addr add 10.0.0.2/24 brd + dev eth0` and `ip route add default via 10.0.0.1 dev eth0 metric 1024 proto 73`, as a
/// kernel accepted them.
const IP_ADDR_ADD: &str = "30000000 14000506 09000000 00000000 02180000 03000000
    08000200 0a000002 08000100 0a000002 08000400 0a0000ff";
const IP_ROUTE_ADD: &str = "34000000 18000506 0c000000 00000000 02000000 fe490001 00000000
    08000500 0a000001 08000400 03000000 08000600 00040000";

fn eth0() -> LinkAt {
    LinkAt {
        index: 3,
        name: "eth0".parse().unwrap(),
    }
}

fn default_route() -> RouteOp {
    RouteOp {
        gateway: Some("10.0.0.1".parse().unwrap()),
        link: Some(eth0()),
        ..RouteOp::new(Family::Inet4, 1024)
    }
}

#[track_caller]
fn sends(op: &Op, seq: u32, expect: &str) {
    let hex = |bytes: &[u8]| -> Vec<String> {
        bytes
            .chunks(4)
            .map(|c| c.iter().map(|b| format!("{b:02x}")).collect())
            .collect()
    };
    assert_eq!(hex(&encode(op, seq).unwrap()), hex(&bytes(expect)), "{op}");
}

#[test]
fn an_address_is_what_ip_sends_and_says_whose_it_is() {
    let op = Op::AddressReplace(AddressOp {
        broadcast: Some("10.0.0.255".parse().unwrap()),
        ..AddressOp::new(eth0(), "10.0.0.2/24".parse().unwrap())
    });
    // REPLACE instead of EXCL, 8 bytes more for IFA_PROTO 73.
    let ours =
        IP_ADDR_ADD.replacen("30000000 14000506", "38000000 14000505", 1) + "05000b00 49000000";
    sends(&op, 9, &ours);
    check(
        IP_ADDR_ADD,
        r#"{"address":"10.0.0.2/24","broadcast":"10.0.0.255","linkIndex":3,"linkName":"if3","family":"inet4","scope":"global","flags":0,"priority":0,"protocol":0}"#,
    );
}

#[test]
fn a_route_is_what_ip_sends() {
    sends(&Op::RouteAdd(default_route()), 12, IP_ROUTE_ADD);
    sends(
        &Op::RouteReplace(default_route()),
        12,
        &IP_ROUTE_ADD.replacen("18000506", "18000505", 1),
    );
    sends(
        &Op::RouteDel(default_route()),
        12,
        &IP_ROUTE_ADD.replacen("18000506", "19000500", 1),
    );
}

fn at(index: u32, name: &str) -> LinkAt {
    LinkAt {
        index,
        name: name.parse().unwrap(),
    }
}

fn made(name: &str, kind: KindSpec) -> LinkAdd {
    LinkAdd {
        name: name.parse().unwrap(),
        kind,
        parent: None,
        master: None,
        mac: None,
        mtu: None,
        up: false,
    }
}

/// Captured from ip(8) 6.1; attributes of the outermost level in our order, and our group with them.
#[test]
fn links_are_made_as_ip_makes_them() {
    let pair = LinkAdd {
        up: true,
        ..made(
            "leg-a",
            KindSpec::Veth {
                peer: "leg-b".parse().unwrap(),
            },
        )
    };
    // `ip link add name leg-a group 73 up type veth peer name leg-b group 73`
    sends(
        &Op::LinkAdd(Box::new(pair)),
        9,
        "6c000000 10000506 09000000 00000000 00000000 00000000 01000000 01000000
        0a000300 6c65672d 61000000 08001b00 49000000 38001200 08000100 76657468 2c000200 28000100
        00000000 00000000 00000000 00000000 0a000300 6c65672d 62000000 08001b00 49000000",
    );
    let options = BondOptions {
        mode: Some(BondMode::ActiveBackup),
        miimon: Some(100),
        arp_ip_targets: Some(vec![
            "192.0.2.1".parse().unwrap(),
            "192.0.2.2".parse().unwrap(),
        ]),
        ..BondOptions::default()
    };
    // `ip link add name bond0 type bond mode active-backup miimon 100 arp_ip_target 192.0.2.1,192.0.2.2`
    sends(
        &Op::LinkAdd(Box::new(made(
            "bond0",
            KindSpec::Bond {
                options,
                primary: None,
            },
        ))),
        9,
        "68000000 10000506 09000000 00000000 00000000 00000000 00000000 00000000
        0a000300 626f6e64 30000000 08001b00 49000000 34001200 08000100 626f6e64 28000200 05000100
        01000000 08000300 64000000 14000800 08000000 c0000201 08000100 c0000202",
    );
}

#[test]
fn members_ports_and_vlans_are_set_as_ip_and_bridge_do() {
    let vlan = BridgeVlan {
        id: 7.try_into().unwrap(),
        pvid: true,
        untagged: true,
    };
    // `ip link set dev eth0 master br0 group 73`
    sends(
        &Op::LinkSetMaster {
            link: at(10, "eth0"),
            master: Some(at(12, "br0")),
            group: 73,
        },
        9,
        "30000000 10000500 09000000 00000000 00000000 0a000000 00000000 00000000
        08000a00 0c000000 08001b00 49000000",
    );
    // `ip link set dev eth0 type bridge_slave cost 7 hairpin on`
    sends(
        &Op::LinkSetPort {
            link: at(10, "eth0"),
            port: BridgePortOptions {
                cost: Some(7),
                hairpin: Some(true),
                ..BridgePortOptions::default()
            },
        },
        9,
        // ip(8) names no kind of master here, but a kind `bridge_slave` that no kernel has; ours is what kernels report.
        "44000000 10000500 09000000 00000000 00000000 0a000000 00000000 00000000
        24001200 0a000400 62726964 67650000 14000500 08000300 07000000 05000400 01000000",
    );
    // `bridge vlan add dev eth0 vid 7 pvid untagged`
    sends(
        &Op::BridgeVlanAdd {
            link: at(10, "eth0"),
            vlan,
            own: false,
        },
        9,
        "2c000000 13000500 09000000 00000000 07000000 0a000000 00000000 00000000
        0c001a00 08000200 06000700",
    );
    // `bridge vlan del dev br0 vid 7 self`
    sends(
        &Op::BridgeVlanDel {
            link: at(12, "br0"),
            vlan,
            own: true,
        },
        9,
        "34000000 11000500 09000000 00000000 07000000 0c000000 00000000 00000000
        14001a00 06000000 02000000 08000200 00000700",
    );
}

#[test]
fn ops_that_cannot_be_sent_are_refused() {
    let route = default_route();
    let bad = |route| encode(&Op::RouteAdd(route), 1).unwrap_err();
    let six = Some("fe80::1".parse().unwrap());
    let backwards = RouteOp {
        family: Family::Inet6,
        ..route.clone()
    };
    assert_eq!(bad(backwards), WireError::Family);
    assert_eq!(
        bad(RouteOp {
            src: six,
            ..route.clone()
        }),
        WireError::Family
    );
    assert_eq!(
        bad(RouteOp {
            kind: RouteKind::Other,
            ..route.clone()
        }),
        WireError::RouteKind
    );
    assert!(
        encode(
            &Op::RouteAdd(RouteOp {
                gateway: six,
                ..route
            }),
            1
        )
        .is_ok()
    );
    let name = Op::SetHostname { name: "a".into() };
    assert_eq!(encode(&name, 1), Err(WireError::NotNetlink));
}

#[test]
fn one_attribute_that_cannot_be_read_costs_only_itself() {
    // IFLA_MTU with two bytes, IFLA_OPERSTATE with four, then the name.
    let link = "38000000 10000000 00000000 00000000 00000100 07000000 01000000 00000000
        06000400 dc050000 08001000 06000000 07000300 61620000";
    check(
        link,
        r#"{"index":7,"name":"ab","type":"ether","kind":"","flags":1,"operationalState":"unknown","mtu":0,"linkIndex":0,"masterIndex":0,"group":0}"#,
    );
}

#[test]
fn a_dump_ends_restarts_or_fails() {
    let done = |flags: u16, number: i32| {
        let mut message = bytes("14000000 0300");
        message.extend(flags.to_ne_bytes());
        message.extend(bytes("09000000 00000000"));
        message.extend(number.to_ne_bytes());
        message
    };
    let mut dump = Dump::new(9, AT);
    assert_eq!(dump.receive(&bytes(LINK)), Progress::More);
    assert_eq!(
        dump.receive(&[bytes(ADDRESS4), bytes(RULE), bytes(ROUTE)].concat()),
        Progress::More
    );
    assert_eq!(dump.receive(&done(2, 0)), Progress::Done);
    assert_eq!(
        (
            dump.links.len(),
            dump.addresses.len(),
            dump.routes.len(),
            dump.rules.len()
        ),
        (1, 1, 1, 1)
    );
    name_links(&dump.links, &mut dump.addresses, &mut dump.routes);
    assert_eq!(dump.addresses[0].link_name.as_str(), "eth0");
    assert_eq!(
        dump.routes[0].out_link_name.as_ref().unwrap().as_str(),
        "eth0"
    );
    assert_eq!(dump.receive(&done(0x12, 0)), Progress::Interrupted);
    assert!(
        matches!(Dump::new(9, AT).receive(&done(2, -95)), Progress::Failed(r) if r.errno == 95)
    );
    let mut other = Dump::new(10, AT);
    assert_eq!(
        other.receive(&[bytes(LINK), done(2, 0)].concat()),
        Progress::More
    );
    assert!(other.links.is_empty(), "the answer to another request");
}

#[test]
fn answers_find_their_requests() {
    let answer = |seq: u32, number: i32| {
        let mut message = bytes("24000000 02000000");
        message.extend(seq.to_ne_bytes());
        message.extend([0; 4]);
        message.extend(number.to_ne_bytes());
        message.extend([0; 16]);
        message
    };
    let errors = |batch: Batch| -> Vec<_> {
        let results = batch.into_results().into_iter();
        results
            .map(|result| result.map(|result| result.map_err(|refusal| refusal.errno)))
            .collect()
    };
    let mut batch = Batch::new(u32::MAX, 4);
    assert!(!batch.receive(&[answer(5, -1), answer(0, -17)].concat()));
    assert!(!batch.receive(&answer(u32::MAX, 0)));
    let lost = batch.clone();
    assert!(batch.receive(&answer(2, 0)));
    assert_eq!(
        errors(batch),
        [Some(Ok(())), Some(Err(17)), Some(Ok(())), Some(Ok(()))]
    );
    // Without the last answer, nothing is known of the requests that none was about.
    assert_eq!(errors(lost), [Some(Ok(())), Some(Err(17)), None, None]);
    // A refusal of the last is an answer too.
    let mut batch = Batch::new(1, 2);
    assert!(batch.receive(&answer(2, -1)));
    assert_eq!(errors(batch), [Some(Ok(())), Some(Err(1))]);
}

#[test]
fn an_acknowledgement_is_waived_by_one_bit() {
    let mut message = bytes(IP_ROUTE_ADD);
    waive_ack(&mut message);
    assert_eq!(
        message,
        bytes(&IP_ROUTE_ADD.replace("18000506", "18000106"))
    );
    waive_ack(&mut message[..7]);
}

proptest! {
    /// Flipped bytes, cut ends, joined messages: never a panic, and always an end.
    #[test]
    fn decoding_never_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut datagram: Vec<u8> =
            [ADDRESS4, ROUTE, LINK, ADDRESS6, RULE, REFUSAL].into_iter().flat_map(bytes).collect();
        for (at, byte) in flips {
            let at = at.index(datagram.len());
            datagram[at] = byte;
        }
        if !whole {
            datagram.truncate(cut.index(datagram.len()));
        }
        prop_assert!(decode(&datagram, AT).count() <= datagram.len() / 16);
        Dump::new(9, AT).receive(&datagram);
        Batch::new(8, 3).receive(&datagram);
        event::Bell::default().receive(&datagram);
    }

    #[test]
    fn decoding_noise_never_panics(datagram in prop::collection::vec(any::<u8>(), 0..512)) {
        decode(&datagram, AT).count();
        Dump::new(0, AT).receive(&datagram);
    }
}
