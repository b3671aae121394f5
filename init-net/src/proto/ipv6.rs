//! IPv6 packets of a link: header and checksum (RFC 8200), ICMPv6 (RFC 4443).

use core::net::Ipv6Addr;

use super::checksum::{add, fold};

/// The header, bytes.
pub(super) const HEADER: usize = 40;
/// Next header of ICMPv6.
pub(super) const ICMPV6: u8 = 58;
/// Hop limit of what no router passes on, and a router lowers (RFC 4861 §7.1, RFC 9568 §5.1.2.3).
pub(super) const ON_LINK: u8 = 255;

/// A header with hop limit [`ON_LINK`] (RFC 8200 §3).
pub(super) fn header(
    from: Ipv6Addr,
    to: Ipv6Addr,
    next_header: u8,
    traffic_class: u8,
    length: u16,
) -> Vec<u8> {
    let mut header = vec![0x60 | traffic_class >> 4, traffic_class << 4, 0, 0];
    header.extend(length.to_be_bytes());
    header.extend([next_header, ON_LINK]);
    header.extend(from.octets());
    header.extend(to.octets());
    header
}

/// RFC 8200 §8.1: addresses, length and next header take part in the checksum.
pub(super) fn pseudo_header(from: Ipv6Addr, to: Ipv6Addr, next_header: u8, length: usize) -> u32 {
    let sum = add(add(0, &from.octets()), &to.octets());
    sum + length as u32 + u32::from(next_header)
}

/// A packet with the ICMPv6 `message`, whose checksum (bytes 2 and 3) is filled in.
pub(super) fn icmp(from: Ipv6Addr, to: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    let sum = fold(add(
        pseudo_header(from, to, ICMPV6, message.len()),
        &message,
    ));
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    let header = header(from, to, ICMPV6, 0, message.len() as u16);
    [header, message].concat()
}
