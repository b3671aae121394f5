//! [`Packet`]: an IP packet as plain data, to bytes and back. Lengths and checksums are right when it is written; when it is
//! read nobody looks at checksums, which a card that is never there would fill in.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// Length of an Ethernet header, bytes.
const ETHERNET: usize = 14;

/// Length of an IPv4 header without options, bytes.
const IPV4: usize = 20;

/// Length of an IPv6 header, bytes.
const IPV6: usize = 40;

/// EtherTypes.
const TYPE_IPV4: [u8; 2] = [0x08, 0x00];
const TYPE_IPV6: [u8; 2] = [0x86, 0xdd];

/// IP protocol numbers.
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// Flags of a TCP header (RFC 9293 §3.1).
pub mod tcp {
    /// No more data.
    pub const FIN: u8 = 1;
    /// A new connection.
    pub const SYN: u8 = 2;
    /// No connection.
    pub const RST: u8 = 4;
    /// The acknowledgement counts.
    pub const ACK: u8 = 16;
}

/// Types of ICMP and ICMPv6 messages.
pub mod icmp {
    /// Answer to [`ECHO`].
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// Is anybody there?
    pub const ECHO: u8 = 8;
    /// What time is it?
    pub const TIMESTAMP: u8 = 13;
    /// Answer to [`TIMESTAMP`].
    pub const TIMESTAMP_REPLY: u8 = 14;
    /// ICMPv6: destination unreachable.
    pub const UNREACHABLE6: u8 = 1;
    /// ICMPv6: is anybody there?
    pub const ECHO6: u8 = 128;
    /// ICMPv6: answer to [`ECHO6`].
    pub const ECHO_REPLY6: u8 = 129;
    /// ICMPv6: who has this address?
    pub const NEIGHBOUR_SOLICITATION: u8 = 135;
    /// ICMPv6: answer to [`NEIGHBOUR_SOLICITATION`].
    pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
}

/// An IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// From.
    pub source: IpAddr,
    /// To; of the same family.
    pub destination: IpAddr,
    /// Hop limit, TTL.
    pub hops: u8,
    /// What is in it.
    pub body: Body,
}

/// What is in a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// TCP without options.
    Tcp {
        /// From this port
        from: u16,
        /// to that.
        to: u16,
        /// Of [`tcp`].
        flags: u8,
        /// Number of the first byte.
        sequence: u32,
        /// Number of the next byte that is expected.
        acknowledged: u32,
        /// Data.
        data: Vec<u8>,
    },
    /// UDP.
    Udp {
        /// From this port
        from: u16,
        /// to that.
        to: u16,
        /// Data.
        data: Vec<u8>,
    },
    /// ICMP, or ICMPv6 where the addresses are IPv6.
    Icmp {
        /// Of [`icmp`].
        kind: u8,
        /// Code.
        code: u8,
        /// Everything behind the checksum.
        data: Vec<u8>,
    },
    /// Another protocol.
    Other {
        /// Its number.
        protocol: u8,
        /// Everything.
        data: Vec<u8>,
    },
}

impl Packet {
    /// A packet with the usual hop limit.
    pub fn new(source: IpAddr, destination: IpAddr, body: Body) -> Self {
        Self {
            source,
            destination,
            hops: 64,
            body,
        }
    }

    /// The first packet of a connection.
    pub fn syn(source: IpAddr, from: u16, destination: IpAddr, to: u16, sequence: u32) -> Self {
        let body = Body::Tcp {
            from,
            to,
            flags: tcp::SYN,
            sequence,
            acknowledged: 0,
            data: Vec::new(),
        };
        Self::new(source, destination, body)
    }

    /// A datagram.
    pub fn datagram(
        source: IpAddr,
        from: u16,
        destination: IpAddr,
        to: u16,
        data: impl Into<Vec<u8>>,
    ) -> Self {
        let data = data.into();
        Self::new(source, destination, Body::Udp { from, to, data })
    }

    /// A request for an echo, with an identifier and a sequence number.
    pub fn echo(source: IpAddr, destination: IpAddr, identifier: u16, sequence: u16) -> Self {
        let kind = if source.is_ipv4() {
            icmp::ECHO
        } else {
            icmp::ECHO6
        };
        let data = [identifier.to_be_bytes(), sequence.to_be_bytes()].concat();
        Self::new(
            source,
            destination,
            Body::Icmp {
                kind,
                code: 0,
                data,
            },
        )
    }

    /// What ends the connection that `self` opened or answered: a reset with the numbers that it expects.
    pub fn reset(&self) -> Option<Self> {
        let Body::Tcp {
            from,
            to,
            acknowledged,
            ..
        } = self.body
        else {
            return None;
        };
        let body = Body::Tcp {
            from: to,
            to: from,
            flags: tcp::RST,
            sequence: acknowledged,
            acknowledged: 0,
            data: Vec::new(),
        };
        Some(Self::new(self.destination, self.source, body))
    }

    /// The packet that an error is about, as much of it as there is.
    pub fn quoted(&self) -> Option<Self> {
        let Body::Icmp { kind, data, .. } = &self.body else {
            return None;
        };
        let quote = data.get(4..)?;
        match (self.source, *kind) {
            // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
            (IpAddr::V4(_), 3 | 4 | 5 | 11 | 12) => Self::of_ipv4(quote),
            (IpAddr::V6(_), 1..=127) => Self::of_ipv6(quote),
            _ => None,
        }
    }

    /// As a frame from one hardware address to another.
    pub fn frame(&self, from: [u8; 6], to: [u8; 6]) -> Vec<u8> {
        let ether_type = if self.source.is_ipv4() {
            TYPE_IPV4
        } else {
            TYPE_IPV6
        };
        [&to[..], &from, &ether_type, &self.bytes()].concat()
    }

    /// Of a frame; `None`: not IP, a fragment, or cut short.
    pub fn of_frame(frame: &[u8]) -> Option<Self> {
        let ether_type = frame.get(12..ETHERNET)?;
        let packet = frame.get(ETHERNET..)?;
        if ether_type == TYPE_IPV4 {
            Self::of_ipv4(packet)
        } else if ether_type == TYPE_IPV6 {
            Self::of_ipv6(packet)
        } else {
            None
        }
    }

    /// From the IP header on.
    pub fn bytes(&self) -> Vec<u8> {
        let (protocol, mut body) = self.body_bytes();
        let length = body.len();
        // The checksum of ICMP over IPv4 leaves the addresses out.
        let pseudo = if protocol == ICMP {
            Vec::new()
        } else {
            let mut pseudo = addresses(self.source, self.destination);
            pseudo.extend((length as u32).to_be_bytes());
            pseudo.extend([0, 0, 0, protocol]);
            pseudo
        };
        let place = match protocol {
            TCP => Some(16),
            UDP => Some(6),
            ICMP | ICMPV6 => Some(2),
            _ => None,
        };
        if let Some(place) = place {
            let sum = match checksum(&[&pseudo, &body]) {
                // 0 means that there is none (RFC 768).
                0 if protocol == UDP => 0xffff,
                sum => sum,
            };
            body[place..place + 2].copy_from_slice(&sum.to_be_bytes());
        }
        let mut head = if self.source.is_ipv4() {
            let total = (IPV4 + length) as u16;
            let mut head = vec![0x45, 0];
            head.extend(total.to_be_bytes());
            // Do not fragment; no checksum yet.
            head.extend([0, 0, 0x40, 0, self.hops, protocol, 0, 0]);
            head.extend(addresses(self.source, self.destination));
            let sum = checksum(&[&head]);
            head[10..12].copy_from_slice(&sum.to_be_bytes());
            head
        } else {
            let mut head = vec![0x60, 0, 0, 0];
            head.extend((length as u16).to_be_bytes());
            head.extend([protocol, self.hops]);
            head.extend(addresses(self.source, self.destination));
            head
        };
        head.extend(body);
        head
    }

    /// Protocol and bytes with a checksum of 0.
    fn body_bytes(&self) -> (u8, Vec<u8>) {
        match &self.body {
            Body::Tcp {
                from,
                to,
                flags,
                sequence,
                acknowledged,
                data,
            } => {
                let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
                bytes.extend(sequence.to_be_bytes());
                bytes.extend(acknowledged.to_be_bytes());
                // 20 bytes long; the largest window.
                bytes.extend([0x50, *flags, 0xff, 0xff, 0, 0, 0, 0]);
                bytes.extend(data);
                (TCP, bytes)
            }
            Body::Udp { from, to, data } => {
                let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
                bytes.extend(((8 + data.len()) as u16).to_be_bytes());
                bytes.extend([0, 0]);
                bytes.extend(data);
                (UDP, bytes)
            }
            Body::Icmp { kind, code, data } => {
                let mut bytes = vec![*kind, *code, 0, 0];
                bytes.extend(data);
                let protocol = if self.source.is_ipv4() { ICMP } else { ICMPV6 };
                (protocol, bytes)
            }
            Body::Other { protocol, data } => (*protocol, data.clone()),
        }
    }

    fn of_ipv4(packet: &[u8]) -> Option<Self> {
        let head = packet.get(..IPV4)?;
        let length = usize::from(head[0] & 15) * 4;
        let fragment = u16::from_be_bytes([head[6], head[7]]) & 0x3fff;
        if head[0] >> 4 != 4 || fragment != 0 {
            return None;
        }
        let total = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let address = |at: usize| -> Option<IpAddr> {
            let octets: [u8; 4] = head.get(at..at + 4)?.try_into().ok()?;
            Some(Ipv4Addr::from(octets).into())
        };
        Some(Self {
            source: address(12)?,
            destination: address(16)?,
            hops: head[8],
            // Frames are filled up to 60 bytes; what an error quotes is cut short.
            body: Body::read(head[9], packet.get(length..total.min(packet.len()))?)?,
        })
    }

    fn of_ipv6(packet: &[u8]) -> Option<Self> {
        let head = packet.get(..IPV6)?;
        if head[0] >> 4 != 6 {
            return None;
        }
        let end = IPV6 + usize::from(u16::from_be_bytes([head[4], head[5]]));
        let address = |at: usize| -> Option<IpAddr> {
            let octets: [u8; 16] = head.get(at..at + 16)?.try_into().ok()?;
            Some(Ipv6Addr::from(octets).into())
        };
        Some(Self {
            source: address(8)?,
            destination: address(24)?,
            hops: head[7],
            body: Body::read(head[6], packet.get(IPV6..end.min(packet.len()))?)?,
        })
    }
}

impl Body {
    /// The ports, from and to.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Tcp { from, to, .. } | Self::Udp { from, to, .. } => Some((*from, *to)),
            Self::Icmp { .. } | Self::Other { .. } => None,
        }
    }

    fn read(protocol: u8, bytes: &[u8]) -> Option<Self> {
        let port = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        Some(match protocol {
            // An error quotes eight bytes at least: the ports and the sequence number.
            TCP => {
                let length = bytes
                    .get(12)
                    .map_or(20, |length| usize::from(length >> 4) * 4);
                Self::Tcp {
                    from: port(0)?,
                    to: port(2)?,
                    flags: bytes.get(13).copied().unwrap_or(0),
                    sequence: number(4)?,
                    acknowledged: number(8).unwrap_or(0),
                    data: bytes.get(length..).unwrap_or_default().to_vec(),
                }
            }
            UDP => Self::Udp {
                from: port(0)?,
                to: port(2)?,
                data: bytes.get(8..)?.to_vec(),
            },
            ICMP | ICMPV6 => Self::Icmp {
                kind: *bytes.first()?,
                code: *bytes.get(1)?,
                data: bytes.get(4..)?.to_vec(),
            },
            _ => Self::Other {
                protocol,
                data: bytes.to_vec(),
            },
        })
    }
}

fn addresses(source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    for address in [source, destination] {
        match address {
            IpAddr::V4(v4) => bytes.extend(v4.octets()),
            IpAddr::V6(v6) => bytes.extend(v6.octets()),
        }
    }
    bytes
}

/// The Internet checksum (RFC 1071) of parts, each of even length but the last.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4() -> (IpAddr, IpAddr) {
        ([10, 0, 0, 1].into(), [10, 0, 0, 2].into())
    }

    fn v6() -> (IpAddr, IpAddr) {
        ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap())
    }

    /// The sum over what has its checksum is 0.
    #[test]
    fn checksums_are_right() {
        let (from, to) = v4();
        let bytes = Packet::echo(from, to, 7, 1).bytes();
        assert_eq!(checksum(&[&bytes[..20]]), 0);
        assert_eq!(checksum(&[&bytes[20..]]), 0);
        let (from, to) = v6();
        for packet in [
            Packet::syn(from, 1, to, 2, 3),
            Packet::datagram(from, 1, to, 2, *b"odd"),
            Packet::echo(from, to, 7, 1),
        ] {
            let bytes = packet.bytes();
            let body = &bytes[40..];
            let mut pseudo = addresses(from, to);
            pseudo.extend((body.len() as u32).to_be_bytes());
            pseudo.extend([0, 0, 0, bytes[6]]);
            assert_eq!(checksum(&[&pseudo, body]), 0, "{packet:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for (from, to) in [v4(), v6()] {
            for packet in [
                Packet::syn(from, 40_000, to, 443, 77),
                Packet::syn(from, 40_000, to, 443, 77).reset().unwrap(),
                Packet::datagram(from, 1, to, 65_535, *b"hello"),
                Packet::echo(from, to, 7, 9),
                Packet::new(
                    from,
                    to,
                    Body::Other {
                        protocol: 112,
                        data: vec![1, 2, 3],
                    },
                ),
            ] {
                let mut frame = packet.frame([2; 6], [4; 6]);
                // As the smallest frame of Ethernet.
                frame.resize(frame.len().max(60), 0);
                assert_eq!(Packet::of_frame(&frame), Some(packet));
            }
        }
        assert_eq!(Packet::of_frame(&[0; 60]), None);
    }

    #[test]
    fn an_error_quotes_what_it_is_about() {
        for ((from, to), kind) in [(v4(), icmp::UNREACHABLE), (v6(), icmp::UNREACHABLE6)] {
            let asked = Packet::datagram(from, 1, to, 2, *b"");
            let data = [&[0; 4][..], &asked.bytes()].concat();
            let error = Packet::new(
                to,
                from,
                Body::Icmp {
                    kind,
                    code: 3,
                    data,
                },
            );
            assert_eq!(error.quoted(), Some(asked));
            assert_eq!(Packet::echo(from, to, 1, 1).quoted(), None);
        }
    }
}
