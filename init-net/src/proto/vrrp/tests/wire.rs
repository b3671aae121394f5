//! Bytes: of RFC 9568 and RFC 3768, as keepalived 2.2.7 sent them, and garbage.

use proptest::prelude::{any, prop, proptest};

use super::*;
use crate::value::VrrpChecksum;

#[track_caller]
fn golden(advertisement: &Advertisement, path: Path, form: VrrpChecksum, expect: &str) {
    let bytes = advertisement.encode(path, form);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text, expect.replace(' ', ""));
    let (read, read_form) = Advertisement::decode(&bytes, path).unwrap();
    assert_eq!(read, *advertisement);
    let two_forms = advertisement.version == VrrpVersion::V3 && path.from.is_ipv4();
    assert_eq!(read_form, two_forms.then_some(form));
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn path(from: &str, to: &str) -> Path {
    Path {
        from: ip(from),
        to: ip(to),
    }
}

fn v3(priority: u8, centiseconds: u32) -> Advertisement {
    Advertisement {
        version: VrrpVersion::V3,
        vrid: 51,
        priority,
        interval: Duration::from_millis(10) * centiseconds,
        addresses: vec![vip()],
    }
}

#[test]
fn golden_bytes() {
    use VrrpChecksum::{Keepalived, Rfc9568};
    let group = path("192.0.2.1", "224.0.0.18");
    golden(
        &v3(150, 100),
        group,
        Keepalived,
        "31339601 0064 d371 c0000264",
    );
    golden(&v3(150, 100), group, Rfc9568, "31339601 0064 7602 c0000264");
    golden(
        &v3(0, 100),
        group,
        Keepalived,
        "31330001 0064 6972 c0000264",
    );
    golden(
        &v3(150, 10),
        group,
        Keepalived,
        "31339601 000a d3cb c0000264",
    );
    golden(&v3(150, 10), group, Rfc9568, "31339601 000a 765c c0000264");
    let peer = path("192.0.2.1", "192.0.2.2");
    golden(
        &v3(150, 100),
        peer,
        Keepalived,
        "31339601 0064 f181 c0000264",
    );
    let old = Advertisement {
        version: VrrpVersion::V2,
        ..v3(150, 100)
    };
    golden(
        &old,
        group,
        Keepalived,
        "21339601 0001 8665 c0000264 0000000000000000",
    );
    let six = Advertisement {
        addresses: vec![ip("fe80::51"), ip("2001:db8::100")],
        ..v3(150, 100)
    };
    golden(
        &six,
        path("fe80::a817:5fff:fe7a:daad", "ff02::12"),
        Keepalived,
        "31339602 0064 2b6d fe80000000000000 0000000000000051 20010db800000000 0000000000000100",
    );
}

#[test]
fn the_group_gets_a_packet_with_all_that_proves_it_is_near() {
    let frame = frame::multicast(ip("192.0.2.1"), b"12345678");
    assert_eq!(frame.to.to_string(), "01:00:5e:00:00:12");
    let packet = smoltcp::wire::Ipv4Packet::new_checked(&frame.packet[..]).unwrap();
    assert!(packet.verify_checksum());
    assert_eq!(
        (packet.hop_limit(), packet.dscp() << 2, packet.dont_frag()),
        (255, 0xc0, true)
    );
    assert_eq!(packet.dst_addr().to_string(), "224.0.0.18");
    let frame = frame::multicast(ip("fe80::1"), b"12345678");
    assert_eq!(frame.to.to_string(), "33:33:00:00:00:12");
    let packet = smoltcp::wire::Ipv6Packet::new_checked(&frame.packet[..]).unwrap();
    assert_eq!((packet.hop_limit(), packet.traffic_class()), (255, 0xc0));
    assert_eq!(
        (packet.dst_addr().to_string().as_str(), packet.payload()),
        ("ff02::12", &b"12345678"[..])
    );
}

#[test]
fn what_stands_first_over_ipv6() {
    let mut six = settings(100);
    six.ip = ip("2001:db8::100");
    let local = Local {
        source: ip("fe80::1"),
        ..local(1)
    };
    let vrrp = Vrrp::new(six.clone(), local, true, at(0));
    assert_eq!(
        vrrp.addresses(local.source),
        [ip("fe80::200:5eff:fe00:233"), six.ip]
    );
    six.ip = ip("fe80::51");
    let vrrp = Vrrp::new(six, local, true, at(0));
    assert_eq!(vrrp.addresses(local.source), [ip("fe80::51")]);
}

#[test]
fn faults_have_names() {
    let group = path("192.0.2.1", "224.0.0.18");
    let sum = |mut bytes: Vec<u8>| {
        bytes[6..8].fill(0);
        let pseudo = [192, 0, 2, 1, 224, 0, 0, 18, 0, 112, 0, bytes.len() as u8];
        let sum = crate::proto::checksum::add(0, &pseudo);
        let sum = crate::proto::checksum::fold(crate::proto::checksum::add(sum, &bytes));
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    let good = v3(150, 100).encode(group, VrrpChecksum::Keepalived);
    let check = |at: usize, value: u8, expect: Reject| {
        let mut bytes = good.clone();
        bytes[at] = value;
        assert_eq!(
            Advertisement::decode(&sum(bytes), group),
            Err(expect),
            "{at}"
        );
    };
    check(0, 0x41, Reject::Version);
    check(0, 0x11, Reject::Version);
    check(0, 0x32, Reject::Type);
    check(1, 0, Reject::Group);
    check(3, 2, Reject::Length);
    check(5, 0, Reject::NoInterval);
    let none = sum(vec![0x31, 51, 100, 0, 0, 100, 0, 0]);
    assert_eq!(Advertisement::decode(&none, group), Err(Reject::NoAddress));
    let six = path("fe80::1", "ff02::12");
    let global = Advertisement {
        addresses: vec![ip("2001:db8::1")],
        ..v3(100, 100)
    };
    let bytes = global.encode(six, VrrpChecksum::Keepalived);
    assert_eq!(
        Advertisement::decode(&bytes, six),
        Err(Reject::NotLinkLocal)
    );
    // CARP has the same protocol, and version and type of VRRPv2: its length gives it away.
    let mut carp = [0; 36];
    carp[..8].copy_from_slice(&[0x21, 51, 0, 7, 0, 1, 0, 0]);
    assert_eq!(Advertisement::decode(&carp, group), Err(Reject::Length));
    let old = Advertisement {
        version: VrrpVersion::V2,
        ..v3(100, 100)
    };
    let mut bytes = old.encode(group, VrrpChecksum::Keepalived);
    bytes[4] = 1;
    // Its sum covers the message alone.
    bytes[6..8].fill(0);
    let sum = crate::proto::checksum::fold(crate::proto::checksum::add(0, &bytes));
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(
        Advertisement::decode(&bytes, group),
        Err(Reject::Authentication)
    );
}

/// What the filter does with a packet, as the kernel runs it: code, jt, jf, k.
fn passes(program: &[(u16, u8, u8, u32)], packet: &[u8]) -> bool {
    let (mut a, mut x, mut at) = (0_u32, 0, 0);
    let load = |k: u32, size: usize| -> Option<u32> {
        let bytes = packet.get(k as usize..k as usize + size)?;
        Some(
            bytes
                .iter()
                .fold(0, |all, byte| all << 8 | u32::from(*byte)),
        )
    };
    loop {
        let (code, jt, jf, k) = program[at];
        at += 1;
        match code {
            0x20 | 0x28 | 0x30 => match load(k, [4, 2, 1][usize::from(code >> 3 & 3)]) {
                Some(value) => a = value,
                None => return false,
            },
            0x50 => match load(x + k, 1) {
                Some(value) => a = value,
                None => return false,
            },
            0xb1 => match load(k, 1) {
                Some(value) => x = 4 * (value & 0xf),
                None => return false,
            },
            0x54 => a &= k,
            0x15 => at += usize::from(if a == k { jt } else { jf }),
            0x06 => return k > 0,
            code => panic!("{code:#x}"),
        }
    }
}

#[test]
fn the_filter_lets_through_what_concerns_the_addresses() {
    let mine = [
        ip("192.0.2.100"),
        ip("2001:db8::100"),
        ip("192.0.2.101"),
        ip("2001:db8::101"),
    ];
    let mac = local(2).mac;
    let vrids = [7, 51, 255];
    for program in [&mine[..], &mine[..1], &mine[1..2]].map(|mine| filter(mine, &vrids)) {
        assert!(passes(&program, &advert(2, 100)));
        let six = frame::multicast(ip("fe80::1"), &[0x31, 51, 0, 0, 0, 0, 0, 0]).packet;
        assert!(passes(&program, &six));
        // Behind options of the header, too.
        let mut long = advert(2, 100);
        long[0] = 0x46;
        long.splice(20..20, [1; 4]);
        assert!(passes(&program, &long));
        // Groups of others wake nobody.
        for vrid in [0, 1, 50, 52, 254] {
            let four = [advert(2, 100), long.clone(), six.clone()];
            for (mut other, at) in four.into_iter().zip([21, 25, 41]) {
                other[at] = vrid;
                assert!(!passes(&program, &other), "{vrid} at {at}");
            }
        }
        for kind in [1, 6, 17] {
            let mut other = advert(2, 100);
            other[9] = kind;
            assert!(!passes(&program, &other));
            let mut other = six.clone();
            other[6] = kind;
            assert!(!passes(&program, &other));
        }
        assert!(!passes(&program, &[]));
        assert!(!passes(&program, &[0x45; 9]));
    }
    let says = |ip: IpAddr| neighbor::announcement(ip, mac, false).remove(0).packet;
    let all = filter(&mine, &vrids);
    for ip in mine {
        assert!(passes(&all, &says(ip)), "{ip}");
        assert!(!passes(&all, &neighbor::question(ip, mac).unwrap().packet));
    }
    assert!(!passes(&all, &says(ip("192.0.2.102"))));
    assert!(!passes(&all, &says(ip("2001:db8::102"))));
    assert!(!passes(&filter(&mine[..1], &vrids), &says(mine[1])));
    let many: Vec<IpAddr> = (0..250).map(|n| IpAddr::from([10, 0, 0, n])).collect();
    let numbers: Vec<u8> = (1..=255).collect();
    let many = filter(&many, &numbers);
    assert!(passes(&many, &advert(2, 100)));
    assert!(passes(&many, &says(ip("10.0.0.0"))) && passes(&many, &says(ip("10.0.0.99"))));
    assert!(!passes(&many, &says(ip("10.0.0.250"))));
}

proptest! {
    #[test]
    fn garbage_harms_nothing(packets in prop::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let mut line = Line::active(settings(100));
        for packet in packets {
            line.hear(&packet);
        }
        assert!(line.vrrp.is_active());
    }

    #[test]
    fn what_is_read_is_written_the_same(
        vrid in 1..=255_u8, priority: u8, units in 1..=4095_u32, count in 1..=20_u8, six: bool,
    ) {
        let addresses = (0..count).map(|n| match six {
            true => ip(&format!("fe80::{n}")),
            false => IpAddr::from([10, 0, 0, n]),
        });
        let advertisement = Advertisement {
            vrid,
            addresses: addresses.collect(),
            ..v3(priority, units)
        };
        let path = if six { path("fe80::1", "ff02::12") } else { path("10.0.0.1", "224.0.0.18") };
        for form in [VrrpChecksum::Keepalived, VrrpChecksum::Rfc9568] {
            let bytes = advertisement.encode(path, form);
            let (read, _) = Advertisement::decode(&bytes, path).unwrap();
            assert_eq!(read, advertisement);
            assert_eq!(read.encode(path, form), bytes);
        }
    }

    #[test]
    fn a_damaged_packet_is_refused_or_another_machines(at in 0..32_usize, bit in 0..8_u8) {
        let mut packet = advert(2, 200);
        packet[at] ^= 1 << bit;
        let mut line = Line::active(settings(100));
        line.to(10).hear(&packet);
        // What the checksums do not cover: fields of the IP header that say nothing about the message.
        let uncovered = [1, 4, 5, 6, 7, 10, 11];
        if !uncovered.contains(&at) {
            assert!(line.vrrp.is_active(), "byte {at}, bit {bit}: {:?}", line.log);
        }
    }
}
