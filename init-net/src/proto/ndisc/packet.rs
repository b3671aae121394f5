//! IPv6 and ICMPv6 around router discovery: what an AF_PACKET SOCK_DGRAM socket reads and writes.
//!
//! A packet socket instead of an ICMPv6 one, for two reasons: it solicits from the unspecified address, a second or two
//! before duplicate address detection lets the kernel send anything; and source and hop limit are in what it reads.

use core::net::Ipv6Addr;

use crate::proto::checksum::{add, fold};
use crate::proto::ipv6::{self, HEADER, ICMPV6, ON_LINK};
use crate::value::Mac;

/// Classic BPF for an AF_PACKET SOCK_DGRAM socket, `(code, jt, jf, k)` as in linux/filter.h: ICMPv6 without extension
/// headers (RFC 6980 forbids the one that matters, fragmentation), type 134.
pub const FILTER: [(u16, u8, u8, u32); 6] = [
    (0x30, 0, 0, 6),                           // A = next header
    (0x15, 0, 3, ICMPV6 as u32),               // not ICMPv6: drop
    (0x30, 0, 0, HEADER as u32),               // A = ICMPv6 type
    (0x15, 0, 1, ROUTER_ADVERTISEMENT as u32), // another one: drop
    (0x06, 0, 0, MAX_PACKET as u32),           // take it
    (0x06, 0, 0, 0),                           // drop
];

/// Largest packet taken, bytes: what an Ethernet without jumbo frames carries. The longest advertisement in use has a
/// few hundred.
pub const MAX_PACKET: usize = 1500;
/// Where solicitations go: ff02::2 on Ethernet (RFC 2464 §7).
pub const ALL_ROUTERS_MAC: Mac = Mac::ethernet([0x33, 0x33, 0, 0, 0, 2]);

/// All routers of the link (RFC 4291 §2.7.1).
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
/// Source link-layer address option (RFC 4861 §4.6.1), one unit of 8 bytes.
const SOURCE_ADDRESS: [u8; 2] = [1, 1];

/// Why a packet is no valid router advertisement (RFC 4861 §6.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// Shorter than its headers, or than it says.
    Short,
    /// Not IPv6.
    Version,
    /// Not ICMPv6 right behind the header, or another type.
    Type,
    /// Hop limit below 255: it came from another link.
    HopLimit,
    /// The source is not link-local.
    Source,
    /// The code is not 0.
    Code,
    /// An option of length 0, or beyond the end.
    Option,
}

/// A router solicitation, IPv6 header and all. `source` is a link-local address that may be used, or unspecified; only
/// the former may tell the hardware address (RFC 4861 §4.1).
pub(super) fn solicitation(source: Ipv6Addr, mac: [u8; 6]) -> Vec<u8> {
    let mut body = vec![ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    if !source.is_unspecified() {
        body.extend(SOURCE_ADDRESS);
        body.extend(mac);
    }
    ipv6::icmp(source, ALL_ROUTERS, body)
}

/// Source and ICMPv6 message of a router advertisement. The checksum is [`checksum_is_right`]'s.
pub(super) fn advertisement(packet: &[u8]) -> Result<(Ipv6Addr, &[u8]), Reject> {
    let header: &[u8; HEADER] = packet.first_chunk().ok_or(Reject::Short)?;
    if header[0] >> 4 != 6 {
        return Err(Reject::Version);
    }
    let body = body(packet).ok_or(Reject::Short)?;
    if header[6] != ICMPV6 || body.first() != Some(&ROUTER_ADVERTISEMENT) {
        return Err(Reject::Type);
    }
    if header[7] != ON_LINK {
        return Err(Reject::HopLimit);
    }
    let source = address(header, 8);
    if !source.is_unicast_link_local() {
        return Err(Reject::Source);
    }
    match body.get(1) {
        Some(0) => Ok((source, body)),
        Some(_) => Err(Reject::Code),
        None => Err(Reject::Short),
    }
}

/// Whether the ICMPv6 checksum of a packet is right. To be asked where the kernel did not say that it is yet to be
/// filled in (TP_STATUS_CSUMNOTREADY: a peer on the same host).
pub fn checksum_is_right(packet: &[u8]) -> bool {
    let (Some(header), Some(body)) = (packet.first_chunk::<HEADER>(), body(packet)) else {
        return false;
    };
    let (source, destination) = (address(header, 8), address(header, 24));
    let sum = ipv6::pseudo_header(source, destination, ICMPV6, body.len());
    fold(add(sum, body)) == 0
}

/// What follows the header, without padding of the link.
fn body(packet: &[u8]) -> Option<&[u8]> {
    let length = packet.get(4..6)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    packet.get(HEADER..HEADER + length)
}

fn address(header: &[u8; HEADER], at: usize) -> Ipv6Addr {
    Ipv6Addr::from_octets(core::array::from_fn(|i| header[at + i]))
}
