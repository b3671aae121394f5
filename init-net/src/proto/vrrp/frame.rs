//! Advertisements as packets: IP headers, both ways, and the filter that lets nothing else through.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::wire::{PROTOCOL, Path};
use crate::proto::checksum::{add, fold};
use crate::proto::ipv6::{self, HEADER as HEADER6, ON_LINK};
use crate::proto::{EtherType, Frame, neighbor};

/// All routers of IPv4 that speak VRRP, RFC 9568 §5.1.1.2.
pub const GROUP4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Those of IPv6, RFC 9568 §5.1.2.2.
pub const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// RFC 9568 §5.1.1.3: a packet that came through a router has less.
pub(super) const TTL: u8 = ON_LINK;
/// Type of service of what keeps a network going (internetwork control, RFC 791).
pub const TRAFFIC_CLASS: u8 = 0xc0;
/// A header of IPv4 without options, bytes.
const HEADER4: usize = 20;
/// Most addresses, or groups, in one filter: a jump of classic BPF goes over 255 instructions at most.
const MAX_FILTERED: usize = 100;

/// A packet of VRRP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// Between whom.
    pub(super) path: Path,
    /// Time to live, or hop limit.
    pub(super) ttl: u8,
    /// What follows the IP header, without padding.
    pub(super) message: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `None`: the packet is not one of VRRP, or not whole.
    pub(super) fn parse(packet: &'a [u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::parse4(packet),
            6 => Self::parse6(packet),
            _ => None,
        }
    }

    fn parse4(packet: &'a [u8]) -> Option<Self> {
        let header: &[u8; HEADER4] = packet.first_chunk()?;
        let start = usize::from(header[0] & 0xf) * 4;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
        if header[9] != PROTOCOL || fragment != 0 || start < HEADER4 {
            return None;
        }
        let ip = |at: usize| -> Option<IpAddr> {
            let octets: [u8; 4] = *packet.get(at..)?.first_chunk()?;
            Some(Ipv4Addr::from(octets).into())
        };
        Some(Self {
            path: Path {
                from: ip(12)?,
                to: ip(16)?,
            },
            ttl: header[8],
            message: packet.get(start..total)?,
        })
    }

    fn parse6(packet: &'a [u8]) -> Option<Self> {
        let header: &[u8; HEADER6] = packet.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        if header[6] != PROTOCOL {
            return None;
        }
        let ip = |at: usize| -> Option<IpAddr> {
            let octets: [u8; 16] = *packet.get(at..)?.first_chunk()?;
            Some(Ipv6Addr::from(octets).into())
        };
        Some(Self {
            path: Path {
                from: ip(8)?,
                to: ip(24)?,
            },
            ttl: header[7],
            message: packet.get(HEADER6..HEADER6 + length)?,
        })
    }
}

/// The group of the family of `from`.
pub(super) fn group(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => GROUP4.into(),
        IpAddr::V6(_) => GROUP6.into(),
    }
}

/// `message` from `from` to its group.
pub(super) fn multicast(from: IpAddr, message: &[u8]) -> Frame {
    let length = message.len() as u16;
    let (kind, header) = match from {
        IpAddr::V4(from) => (EtherType::Ip, header4(from, length)),
        IpAddr::V6(from) => {
            let header = ipv6::header(from, GROUP6, PROTOCOL, TRAFFIC_CLASS, length);
            (EtherType::Ipv6, header)
        }
    };
    Frame {
        kind,
        to: neighbor::multicast_mac(group(from)),
        packet: [&header, message].concat(),
    }
}

/// RFC 791 §3.1, not to be fragmented.
fn header4(from: Ipv4Addr, length: u16) -> Vec<u8> {
    let total = (HEADER4 as u16 + length).to_be_bytes();
    let mut header = vec![0x45, TRAFFIC_CLASS, total[0], total[1], 0, 0, 0x40, 0];
    header.extend([TTL, PROTOCOL, 0, 0]);
    header.extend(from.octets());
    header.extend(GROUP4.octets());
    let sum = fold(add(0, &header)).to_be_bytes();
    if let Some(field) = header.get_mut(10..12) {
        field.copy_from_slice(&sum);
    }
    header
}

/// Classic BPF (code, jt, jf, k) for a packet socket of all protocols that starts at the network header: VRRP of both
/// families in groups with one of `vrids`, what ARP says of `addresses`, and neighbour advertisements of them; nothing else wakes
/// anybody.
pub fn filter(addresses: &[IpAddr], vrids: &[u8]) -> Vec<(u16, u8, u8, u32)> {
    const LOAD_WORD: u16 = 0x20;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_BYTE_BEHIND_X: u16 = 0x50;
    const LOAD_HEADER_LENGTH: u16 = 0xb1;
    const AND: u16 = 0x54;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const TAKE: (u16, u8, u8, u32) = (RETURN, 0, 0, u32::MAX);
    const DROP: (u16, u8, u8, u32) = (RETURN, 0, 0, 0);
    let four = addresses.iter().filter_map(|ip| match ip {
        IpAddr::V4(v4) => Some(v4.to_bits()),
        IpAddr::V6(_) => None,
    });
    let six = addresses.iter().filter_map(|ip| match ip {
        IpAddr::V6(v6) => Some(v6.to_bits() as u32),
        IpAddr::V4(_) => None,
    });
    // Loads A. Whether it is one of them: take it, or else drop.
    let one_of = |load, values: &mut dyn Iterator<Item = u32>| {
        let values: Vec<u32> = values.take(MAX_FILTERED).collect();
        let count = values.len();
        let jumps = values.into_iter().enumerate();
        let jumps = jumps.map(|(at, value)| (JUMP_EQUAL, (count - at) as u8, 0, value));
        let mut all = vec![load];
        all.extend(jumps);
        all.extend([DROP, TAKE]);
        all
    };
    let groups = |load| one_of(load, &mut vrids.iter().map(|vrid| u32::from(*vrid)));
    // ARP: the sender's address.
    let arp = one_of((LOAD_WORD, 0, 0, 14), &mut { four });
    // Neighbour advertisement: the last 32 bits of the target.
    let neighbor = one_of((LOAD_WORD, 0, 0, HEADER6 as u32 + 20), &mut { six });
    let mut ipv6 = vec![
        (LOAD_BYTE, 0, 0, 6),
        (JUMP_EQUAL, 4 + neighbor.len() as u8, 0, PROTOCOL.into()),
        (JUMP_EQUAL, 0, 2, 58),
        (LOAD_BYTE, 0, 0, HEADER6 as u32),
        (JUMP_EQUAL, 1, 0, 136),
        DROP,
    ];
    ipv6.extend(neighbor);
    ipv6.extend(groups((LOAD_BYTE, 0, 0, HEADER6 as u32 + 1)));
    let mut ipv4 = vec![
        (LOAD_BYTE, 0, 0, 9),
        (JUMP_EQUAL, 1, 0, PROTOCOL.into()),
        DROP,
        (LOAD_HEADER_LENGTH, 0, 0, 0),
    ];
    ipv4.extend(groups((LOAD_BYTE_BEHIND_X, 0, 0, 1)));
    let mut program = vec![(LOAD_HALF, 0, 0, 0), (JUMP_EQUAL, 0, arp.len() as u8, 1)];
    program.extend(arp);
    program.extend([
        (LOAD_BYTE, 0, 0, 0),
        (AND, 0, 0, 0xf0),
        (JUMP_EQUAL, 0, ipv4.len() as u8, 0x40),
    ]);
    program.extend(ipv4);
    program.extend([(JUMP_EQUAL, 1, 0, 0x60), DROP]);
    program.extend(ipv6);
    program
}
