//! What neighbours say about who has an address: ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861), as frames.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::acd::{Arp, Operation};
use super::ipv6::{self, HEADER, ICMPV6, ON_LINK};
use super::{EtherType, Frame, icmp};
use crate::value::Mac;

/// Every node of the link (RFC 4291 §2.7.1), and its frames' address (RFC 2464 §7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Flags of an advertisement: sender is a router; the address of the link layer replaces what is known.
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
/// Target link-layer address, one unit of eight bytes (RFC 4861 §4.6.1).
const TARGET_OPTION: [u8; 2] = [2, 1];

/// The question who has `ip`, from a card with the address `mac`. It tells nothing about the asker, so no cache learns from
/// it: an ARP probe (RFC 5227 §1.1), or the solicitation of duplicate address detection (RFC 4862 §5.4.2), which who has the
/// address answers to everybody. `None`: the card is none of Ethernet.
pub fn question(ip: IpAddr, mac: Mac) -> Option<Frame> {
    let sender_mac = mac.as_ethernet()?;
    Some(match ip {
        IpAddr::V4(ip) => arp(Arp {
            operation: Operation::Request,
            sender_mac,
            sender_ip: Ipv4Addr::UNSPECIFIED,
            target_mac: [0; 6],
            target_ip: ip,
        }),
        IpAddr::V6(ip) => {
            let group = icmp::solicited_node(ip);
            let mut message = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
            message.extend(ip.octets());
            icmp6(Ipv6Addr::UNSPECIFIED, group, message)
        }
    })
}

/// Says that a card with the address `mac` has `ip`. Of IPv4 as request and as reply: some listen to one of them only. Of IPv6
/// unasked (RFC 4861 §7.2.6), with what makes neighbours take it in place of what they know; `router`: the machine passes
/// packets on. None for a card that is none of Ethernet.
pub fn announcement(ip: IpAddr, mac: Mac, router: bool) -> Vec<Frame> {
    let Some(sender_mac) = mac.as_ethernet() else {
        return Vec::new();
    };
    match ip {
        IpAddr::V4(ip) => [
            (Operation::Request, [0xff; 6]),
            (Operation::Reply, sender_mac),
        ]
        .map(|(operation, target_mac)| {
            arp(Arp {
                operation,
                sender_mac,
                sender_ip: ip,
                target_mac,
                target_ip: ip,
            })
        })
        .into(),
        IpAddr::V6(ip) => {
            let flags = OVERRIDE | if router { ROUTER } else { 0 };
            let mut message = vec![ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
            message.extend(ip.octets());
            message.extend(TARGET_OPTION);
            message.extend(sender_mac);
            vec![icmp6(ip, ALL_NODES, message)]
        }
    }
}

/// Who says that it has which address; `None`: the packet says nothing of the kind, or cannot be believed. An advertisement
/// without a link-layer address comes from `None` that is known.
pub fn claim(packet: &[u8]) -> Option<(IpAddr, Option<Mac>)> {
    if let Some(arp) = Arp::parse(packet) {
        let mac = Mac::from_bytes(&arp.sender_mac);
        return (!arp.sender_ip.is_unspecified()).then_some((arp.sender_ip.into(), mac));
    }
    let header: &[u8; HEADER] = packet.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let message = packet.get(HEADER..HEADER + length)?;
    let advertisement = header[0] >> 4 == 6 && header[6] == ICMPV6 && header[7] == ON_LINK;
    if !advertisement || message.first_chunk() != Some(&[ADVERTISEMENT, 0]) {
        return None;
    }
    let target: [u8; 16] = *message.get(8..)?.first_chunk()?;
    Some((Ipv6Addr::from(target).into(), link_layer_address(message)))
}

/// The target's link-layer address in the options of an advertisement.
fn link_layer_address(message: &[u8]) -> Option<Mac> {
    /// Unit of the length of an option, bytes.
    const UNIT: usize = 8;
    let mut options = message.get(24..)?;
    while let [kind, units, ..] = options {
        let length = usize::from(*units) * UNIT;
        let option = options.get(..length).filter(|_| length > 0)?;
        if *kind == TARGET_OPTION[0] {
            return Mac::from_bytes(option.get(2..8)?);
        }
        options = options.get(length..)?;
    }
    None
}

fn arp(arp: Arp) -> Frame {
    Frame {
        kind: EtherType::Arp,
        to: Mac::BROADCAST,
        packet: arp.encode().into(),
    }
}

fn icmp6(from: Ipv6Addr, to: Ipv6Addr, message: Vec<u8>) -> Frame {
    Frame {
        kind: EtherType::Ipv6,
        to: multicast_mac(to.into()),
        packet: ipv6::icmp(from, to, message),
    }
}

/// Where frames for a multicast group go on Ethernet (RFC 1112 §6.4, RFC 2464 §7).
pub(super) fn multicast_mac(group: IpAddr) -> Mac {
    Mac::ethernet(match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            [0x01, 0x00, 0x5e, b & 0x7f, c, d]
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            [0x33, 0x33, a, b, c, d]
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use smoltcp::wire::{
        ArpOperation, ArpPacket, ArpRepr, Icmpv6Packet, Icmpv6Repr, Ipv6Packet, NdiscNeighborFlags,
        NdiscRepr,
    };

    use super::*;

    const MAC: Mac = Mac::ethernet([0x52, 0x54, 0, 0, 0, 1]);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// What smoltcp reads in an ARP frame: operation, sender and target.
    fn arp_of(frame: &Frame) -> (ArpOperation, String, String) {
        let packet = ArpPacket::new_checked(&frame.packet[..]).unwrap();
        let ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        } = ArpRepr::parse(&packet).unwrap()
        else {
            panic!("not IPv4 over Ethernet");
        };
        (
            operation,
            format!("{source_protocol_addr} {source_hardware_addr}"),
            target_protocol_addr.to_string(),
        )
    }

    /// What smoltcp reads in a frame of neighbour discovery, checksum and all.
    fn ndisc_of(frame: &Frame) -> (Ipv6Addr, Ipv6Addr, String) {
        let packet = Ipv6Packet::new_checked(&frame.packet[..]).unwrap();
        assert_eq!(packet.hop_limit(), 255);
        let message = Icmpv6Packet::new_checked(packet.payload()).unwrap();
        let (from, to) = (packet.src_addr(), packet.dst_addr());
        let caps = smoltcp::phy::ChecksumCapabilities::default();
        let repr = Icmpv6Repr::parse(&from, &to, &message, &caps).unwrap();
        (from, to, format!("{repr:?}"))
    }

    #[test]
    fn questions_leave_no_trace() {
        let four = question(ip("192.0.2.9"), MAC).unwrap();
        assert_eq!(four.to, Mac::BROADCAST);
        let (operation, sender, target) = arp_of(&four);
        assert_eq!(operation, ArpOperation::Request);
        assert_eq!(
            (sender.as_str(), target.as_str()),
            ("0.0.0.0 52-54-00-00-00-01", "192.0.2.9")
        );
        assert_eq!(claim(&four.packet), None);

        let six = question(ip("2001:db8::1:2:3"), MAC).unwrap();
        assert_eq!(six.to.to_string(), "33:33:ff:02:00:03");
        let (from, to, text) = ndisc_of(&six);
        assert_eq!(from, Ipv6Addr::UNSPECIFIED);
        assert_eq!(IpAddr::from(to), ip("ff02::1:ff02:3"));
        assert!(
            text.contains("NeighborSolicit") && text.contains("lladdr: None"),
            "{text}"
        );
        assert_eq!(claim(&six.packet), None);
    }

    #[test]
    fn announcements_override_what_is_known() {
        let vip = ip("192.0.2.9");
        let frames = announcement(vip, MAC, false);
        let kinds: Vec<_> = frames.iter().map(arp_of).collect();
        let own = (
            "192.0.2.9 52-54-00-00-00-01".to_owned(),
            "192.0.2.9".to_owned(),
        );
        assert_eq!(
            kinds[0],
            (ArpOperation::Request, own.0.clone(), own.1.clone())
        );
        assert_eq!(kinds[1], (ArpOperation::Reply, own.0, own.1));
        for frame in &frames {
            assert_eq!(claim(&frame.packet), Some((vip, Some(MAC))));
        }

        let vip = ip("2001:db8::9");
        for (router, flags) in [
            (false, NdiscNeighborFlags::OVERRIDE),
            (
                true,
                NdiscNeighborFlags::OVERRIDE | NdiscNeighborFlags::ROUTER,
            ),
        ] {
            let [frame] = &announcement(vip, MAC, router)[..] else {
                panic!("one frame");
            };
            assert_eq!(frame.to.to_string(), "33:33:00:00:00:01");
            let (from, to, text) = ndisc_of(frame);
            assert_eq!((IpAddr::from(from), to), (vip, ALL_NODES));
            let expect = NdiscRepr::NeighborAdvert {
                flags,
                target_addr: "2001:db8::9".parse().unwrap(),
                lladdr: Some(smoltcp::wire::EthernetAddress([0x52, 0x54, 0, 0, 0, 1]).into()),
            };
            assert_eq!(text, format!("Ndisc({expect:?})"));
            assert_eq!(claim(&frame.packet), Some((vip, Some(MAC))));
        }
    }

    proptest! {
        #[test]
        fn garbage_claims_nothing_and_harms_nothing(bytes in any::<Vec<u8>>()) {
            let _ = claim(&bytes);
        }

        #[test]
        fn damaged_options_end_the_reading(at in 0_usize..72, byte in any::<u8>()) {
            let frame = announcement(ip("2001:db8::9"), MAC, false).remove(0);
            let mut packet = frame.packet;
            packet[at] = byte;
            let _ = claim(&packet);
        }
    }
}
