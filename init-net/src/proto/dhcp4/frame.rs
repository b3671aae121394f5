//! IPv4 and UDP around a DHCP message: what an AF_PACKET SOCK_DGRAM socket reads and writes.

use core::net::Ipv4Addr;

use crate::proto::checksum::{add, fold};

/// UDP port of servers (RFC 2131 §4.1).
pub const SERVER_PORT: u16 = 67;
/// UDP port of clients (RFC 2131 §4.1).
pub const CLIENT_PORT: u16 = 68;

/// Classic BPF for an AF_PACKET SOCK_DGRAM socket, `(code, jt, jf, k)` as in linux/filter.h: UDP, not a fragment,
/// destination port 68. Such a socket shows the filter the packet from its IP header on (net/packet/af_packet.c).
pub const FILTER: [(u16, u8, u8, u32); 9] = [
    (0x30, 0, 0, 9),                   // A = protocol
    (0x15, 0, 6, PROTOCOL_UDP as u32), // not UDP: drop
    (0x28, 0, 0, 6),                   // A = flags and fragment offset
    (0x45, 4, 0, FRAGMENT as u32),     // a fragment: drop
    (0xb1, 0, 0, 0),                   // X = length of the IP header
    (0x48, 0, 0, 2),                   // A = destination port
    (0x15, 0, 1, CLIENT_PORT as u32),  // other port: drop
    (0x06, 0, 0, MAX_PACKET as u32),   // take it
    (0x06, 0, 0, 0),                   // drop
];

/// Largest IP packet taken, bytes: what option 57 tells the server, and what an Ethernet without jumbo frames carries.
pub const MAX_PACKET: usize = 1500;
/// IPv4 header without options, bytes.
const IP_HEADER: usize = 20;
/// UDP header, bytes.
const UDP_HEADER: usize = 8;
/// Largest DHCP message in such a packet, bytes.
pub const MAX_MESSAGE: usize = MAX_PACKET - IP_HEADER - UDP_HEADER;
const PROTOCOL_UDP: u8 = 17;
/// "More fragments" and the fragment offset; "don't fragment" is fine.
const FRAGMENT: u16 = 0x3fff;
/// Time to live of what we send: servers and relays are on the link, but a unicast renewal may be routed.
const TTL: u8 = 64;

/// Why a packet is not for a DHCP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameReject {
    /// Shorter than its headers.
    Short,
    /// Not IPv4.
    Version,
    /// Header length below 20 bytes or beyond the packet.
    HeaderLength,
    /// Total length below the headers or beyond what was read.
    TotalLength,
    /// A fragment: replies that fit our option 57 are never fragmented.
    Fragment,
    /// Not UDP.
    Protocol,
    /// Not to port 68.
    Port,
    /// UDP length below 8 bytes or beyond the IP payload.
    UdpLength,
    /// IP or UDP checksum wrong.
    Checksum,
}

/// An IPv4 packet with one UDP datagram, both checksums filled in. A payload beyond 65,507 bytes does not fit and
/// is cut off there.
pub fn ip_udp(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    src_port: u16,
    dst_port: u16,
    payload: &[u8],
) -> Vec<u8> {
    let room = usize::from(u16::MAX) - IP_HEADER - UDP_HEADER;
    let payload = payload.get(..room).unwrap_or(payload);
    let udp_len = (UDP_HEADER + payload.len()) as u16;
    let total_len = udp_len + IP_HEADER as u16;

    let mut header = [0; IP_HEADER];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&total_len.to_be_bytes());
    header[6] = 0x40; // Don't fragment: with it the identification may stay 0 (RFC 6864 §4.1).
    header[8] = TTL;
    header[9] = PROTOCOL_UDP;
    header[12..16].copy_from_slice(&src.octets());
    header[16..20].copy_from_slice(&dst.octets());
    let sum = fold(add(0, &header));
    header[10..12].copy_from_slice(&sum.to_be_bytes());

    let mut udp = [0; UDP_HEADER];
    udp[0..2].copy_from_slice(&src_port.to_be_bytes());
    udp[2..4].copy_from_slice(&dst_port.to_be_bytes());
    udp[4..6].copy_from_slice(&udp_len.to_be_bytes());
    let sum = fold(add(add(pseudo_header(src, dst, udp_len), &udp), payload));
    // RFC 768: a sum of 0 goes out as 0xffff, 0 means "no checksum".
    let sum = if sum == 0 { 0xffff } else { sum };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());

    let mut packet = Vec::with_capacity(usize::from(total_len));
    packet.extend_from_slice(&header);
    packet.extend_from_slice(&udp);
    packet.extend_from_slice(payload);
    packet
}

/// The DHCP message in an IPv4 packet to port 68.
///
/// `checksum_ready`: the kernel did not say TP_STATUS_CSUMNOTREADY. Replies of a peer on the same host (veth, virtio)
/// have not had their checksum filled in, and it means nothing then.
pub fn udp_payload(packet: &[u8], checksum_ready: bool) -> Result<&[u8], FrameReject> {
    let fixed: &[u8; IP_HEADER] = packet.first_chunk().ok_or(FrameReject::Short)?;
    if fixed[0] >> 4 != 4 {
        return Err(FrameReject::Version);
    }
    let header_len = usize::from(fixed[0] & 0x0f) * 4;
    if header_len < IP_HEADER {
        return Err(FrameReject::HeaderLength);
    }
    let header = packet.get(..header_len).ok_or(FrameReject::HeaderLength)?;
    if fixed[9] != PROTOCOL_UDP {
        return Err(FrameReject::Protocol);
    }
    if u16::from_be_bytes([fixed[6], fixed[7]]) & FRAGMENT != 0 {
        return Err(FrameReject::Fragment);
    }
    // What follows the total length is padding of the link.
    let total_len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    let datagram = packet
        .get(header_len..total_len)
        .ok_or(FrameReject::TotalLength)?;
    let udp: &[u8; UDP_HEADER] = datagram.first_chunk().ok_or(FrameReject::TotalLength)?;
    if u16::from_be_bytes([udp[2], udp[3]]) != CLIENT_PORT {
        return Err(FrameReject::Port);
    }
    let udp_len = u16::from_be_bytes([udp[4], udp[5]]);
    let datagram = datagram
        .get(..usize::from(udp_len))
        .ok_or(FrameReject::UdpLength)?;
    let payload = datagram.get(UDP_HEADER..).ok_or(FrameReject::UdpLength)?;
    if checksum_ready {
        let [src, dst] = [12, 16]
            .map(|at| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]));
        let no_udp_sum = udp[6] == 0 && udp[7] == 0;
        if fold(add(0, header)) != 0
            || !no_udp_sum && fold(add(pseudo_header(src, dst, udp_len), datagram)) != 0
        {
            return Err(FrameReject::Checksum);
        }
    }
    Ok(payload)
}

/// RFC 768: addresses, protocol and length take part in the UDP checksum.
fn pseudo_header(src: Ipv4Addr, dst: Ipv4Addr, udp_len: u16) -> u32 {
    let sum = add(add(0, &src.octets()), &dst.octets());
    sum + u32::from(PROTOCOL_UDP) + u32::from(udp_len)
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{Ipv4Packet, UdpPacket};

    use super::*;

    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn packet() -> Vec<u8> {
        ip_udp(SERVER, CLIENT, SERVER_PORT, CLIENT_PORT, b"twelve bytes")
    }

    /// What the kernel would do with [`FILTER`]; only the instructions that it uses.
    fn filter_takes(packet: &[u8]) -> bool {
        let byte = |at: usize| packet.get(at).copied();
        let half = |at: usize| Some(u32::from(u16::from_be_bytes([byte(at)?, byte(at + 1)?])));
        let (mut a, mut x, mut pc) = (0u32, 0usize, 0usize);
        loop {
            let (code, jt, jf, k) = FILTER[pc];
            pc += 1;
            let jump = |taken: bool| usize::from(if taken { jt } else { jf });
            let loaded = match code {
                0x30 => byte(k as usize).map(u32::from),
                0x28 => half(k as usize),
                0x48 => half(x + k as usize),
                0xb1 => byte(k as usize).map(|b| {
                    x = usize::from(b & 0x0f) * 4;
                    a
                }),
                0x15 => {
                    pc += jump(a == k);
                    Some(a)
                }
                0x45 => {
                    pc += jump(a & k != 0);
                    Some(a)
                }
                0x06 => return k != 0,
                _ => panic!("unknown instruction {code:#x}"),
            };
            match loaded {
                Some(value) => a = value,
                None => return false,
            }
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Vec<u8>), expect: Result<&[u8], FrameReject>) {
        let mut packet = packet();
        change(&mut packet);
        assert_eq!(udp_payload(&packet, false), expect);
    }

    #[test]
    fn smoltcp_reads_what_we_write() {
        for payload in [&b""[..], b"odd", b"even"] {
            let bytes = ip_udp(CLIENT, SERVER, CLIENT_PORT, SERVER_PORT, payload);
            let ip = Ipv4Packet::new_checked(&bytes[..]).unwrap();
            assert!(ip.verify_checksum());
            assert_eq!((ip.src_addr(), ip.dst_addr()), (CLIENT, SERVER));
            let udp = UdpPacket::new_checked(ip.payload()).unwrap();
            assert!(udp.verify_checksum(&CLIENT.into(), &SERVER.into()));
            assert_eq!((udp.src_port(), udp.dst_port()), (68, 67));
            assert_eq!(udp.payload(), payload);
        }
    }

    #[test]
    fn checksum_counts_only_when_the_kernel_filled_it_in() {
        let mut bytes = packet();
        assert_eq!(udp_payload(&bytes, true), Ok(&b"twelve bytes"[..]));
        bytes[26] ^= 1;
        assert_eq!(udp_payload(&bytes, true), Err(FrameReject::Checksum));
        assert_eq!(udp_payload(&bytes, false), Ok(&b"twelve bytes"[..]));
        bytes[26] = 0;
        bytes[27] = 0;
        assert_eq!(udp_payload(&bytes, true), Ok(&b"twelve bytes"[..]));
        bytes[10] ^= 1;
        assert_eq!(udp_payload(&bytes, true), Err(FrameReject::Checksum));
    }

    #[test]
    fn inconsistent_headers() {
        check(|_| {}, Ok(b"twelve bytes"));
        check(|p| p.extend_from_slice(&[0; 20]), Ok(b"twelve bytes"));
        check(|p| p[0] = 0x65, Err(FrameReject::Version));
        check(|p| p[0] = 0x44, Err(FrameReject::HeaderLength));
        check(|p| p.truncate(19), Err(FrameReject::Short));
        check(|p| p.clear(), Err(FrameReject::Short));
        check(|p| p[9] = 6, Err(FrameReject::Protocol));
        check(|p| p[6] = 0x20, Err(FrameReject::Fragment));
        check(|p| p[7] = 1, Err(FrameReject::Fragment));
        check(|p| p[3] += 1, Err(FrameReject::TotalLength));
        check(|p| p[3] = 27, Err(FrameReject::TotalLength));
        check(|p| p[3] = 0, Err(FrameReject::TotalLength));
        check(|p| p[23] = 67, Err(FrameReject::Port));
        check(|p| p[25] = 7, Err(FrameReject::UdpLength));
        check(|p| p[25] = 21, Err(FrameReject::UdpLength));
        check(|p| p[25] = 8, Ok(b""));
        check(|p| p[25] = 12, Ok(b"twel"));
        check(|p| p[24] = 0xff, Err(FrameReject::UdpLength));
    }

    #[test]
    fn truncation_at_every_offset_is_refused() {
        let bytes = packet();
        for len in 0..bytes.len() {
            assert!(udp_payload(&bytes[..len], false).is_err(), "{len}");
        }
    }

    #[test]
    fn ip_options_are_skipped() {
        let mut bytes = packet();
        bytes.splice(20..20, [1; 4]);
        bytes[0] = 0x46;
        bytes[3] += 4;
        assert_eq!(udp_payload(&bytes, false), Ok(&b"twelve bytes"[..]));
        assert!(filter_takes(&bytes));
    }

    #[test]
    fn the_filter_takes_what_the_parser_takes() {
        assert!(filter_takes(&packet()));
        for (at, value) in [(9, 6), (6, 0x20), (7, 1), (23, 67)] {
            let mut bytes = packet();
            bytes[at] = value;
            assert!(!filter_takes(&bytes), "byte {at} = {value:#x}");
        }
        assert!(!filter_takes(&packet()[..22]));
    }
}
