//! The few ICMP messages that diagnose: echo (RFC 792, RFC 4443 §4), "too big" (RFC 1191, RFC 4443 §3.2) and the
//! solicitation of a neighbour (RFC 4861 §4.3, §4.4).

use core::net::{IpAddr, Ipv6Addr};

/// Types of ICMP and ICMPv6.
mod kind {
    pub const ECHO_REPLY: u8 = 0;
    pub const UNREACHABLE: u8 = 3;
    pub const ECHO: u8 = 8;
    pub const TOO_BIG_V6: u8 = 2;
    pub const ECHO_V6: u8 = 128;
    pub const ECHO_REPLY_V6: u8 = 129;
    pub const SOLICITATION: u8 = 135;
    pub const ADVERTISEMENT: u8 = 136;
}

/// "Fragmentation needed and DF set", a code of [`kind::UNREACHABLE`].
const FRAGMENTATION_NEEDED: u8 = 4;

/// An ICMP header of all messages here, bytes.
const HEADER: usize = 8;

/// What is in front of an echo's data, bytes: IP header without options, and ICMP header.
pub const fn overhead(to: IpAddr) -> u16 {
    match to {
        IpAddr::V4(_) => 28,
        IpAddr::V6(_) => 48,
    }
}

/// What a message says to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// The answer to the echo with this sequence number.
    Reply {
        /// As sent.
        sequence: u16,
    },
    /// A router could not pass a packet of ours on.
    TooBig {
        /// The largest that it can pass on, bytes; 0 by a router from before RFC 1191.
        mtu: u32,
    },
    /// A neighbour has this address.
    Neighbour {
        /// The address.
        target: Ipv6Addr,
    },
}

/// An echo request to `to` that is a packet of `size` bytes (at least [`overhead`]), IP header included.
pub fn echo(to: IpAddr, id: u16, sequence: u16, size: u16) -> Vec<u8> {
    let data = usize::from(size.saturating_sub(overhead(to)));
    let mut message = vec![0; HEADER + data];
    let head = [id.to_be_bytes(), sequence.to_be_bytes()].concat();
    message[4..HEADER].copy_from_slice(&head);
    match to {
        IpAddr::V4(_) => {
            message[0] = kind::ECHO;
            let sum = checksum(&message).to_be_bytes();
            message[2..4].copy_from_slice(&sum);
        }
        IpAddr::V6(_) => message[0] = kind::ECHO_V6,
    }
    message
}

/// The question who has `target`, from the hardware address `source`.
pub fn solicitation(target: Ipv6Addr, source: &[u8; 6]) -> Vec<u8> {
    /// Source link-layer address, one unit of eight bytes.
    const OPTION: [u8; 2] = [1, 1];
    let mut message = vec![kind::SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    message.extend(OPTION);
    message.extend(source);
    message
}

/// The group that who has `target` listens to (RFC 4291 §2.7.1).
pub fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    let low = u16::from_be_bytes([b, c]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), low)
}

/// Reads what a raw socket hands out: of IPv4 with the IP header, of IPv6 without. `id` is that of our echoes. `None`:
/// nothing for us.
pub fn parse(bytes: &[u8], is_ipv4: bool, id: u16) -> Option<Message> {
    let message = if is_ipv4 { after_ip(bytes)? } else { bytes };
    let header: &[u8; HEADER] = message.first_chunk()?;
    let rest = message.get(HEADER..)?;
    let [kind, code, _, _, a, b, c, d] = *header;
    match (is_ipv4, kind) {
        (true, kind::ECHO_REPLY) | (false, kind::ECHO_REPLY_V6) => {
            (u16::from_be_bytes([a, b]) == id).then_some(Message::Reply {
                sequence: u16::from_be_bytes([c, d]),
            })
        }
        (true, kind::UNREACHABLE) if code == FRAGMENTATION_NEEDED => {
            is_ours(after_ip(rest)?, kind::ECHO, id).then_some(Message::TooBig {
                mtu: u32::from(u16::from_be_bytes([c, d])),
            })
        }
        (false, kind::TOO_BIG_V6) => {
            /// An IPv6 header; we send no extension headers.
            const IPV6: usize = 40;
            is_ours(rest.get(IPV6..)?, kind::ECHO_V6, id).then_some(Message::TooBig {
                mtu: u32::from_be_bytes([a, b, c, d]),
            })
        }
        (false, kind::ADVERTISEMENT) => {
            let target: &[u8; 16] = rest.first_chunk()?;
            Some(Message::Neighbour {
                target: Ipv6Addr::from(*target),
            })
        }
        _ => None,
    }
}

/// What follows an IPv4 header.
fn after_ip(bytes: &[u8]) -> Option<&[u8]> {
    let words = usize::from(bytes.first()? & 0x0f);
    bytes.get(words.max(5) * 4..)
}

/// Whether a quoted message is an echo of ours.
fn is_ours(quoted: &[u8], kind: u8, id: u16) -> bool {
    matches!(quoted, [first, _, _, _, a, b, ..] if *first == kind && u16::from_be_bytes([*a, *b]) == id)
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [a, b] => u32::from(u16::from_be_bytes([*a, *b])),
        [a] => u32::from(*a) << 8,
        _ => 0,
    });
    // At most 64 KiB: 32,768 words of 16 bits fit 32 bits.
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded + (folded >> 16)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: IpAddr = IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    /// An IPv4 header without options.
    const IP: [u8; 20] = [
        0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1,
    ];

    #[test]
    fn an_echo_has_the_size_that_is_asked_for_and_adds_up() {
        let message = echo(V4, 0x1234, 7, 1500);
        assert_eq!(message.len(), 1480);
        assert_eq!(message[..2], [8, 0]);
        assert_eq!(message[4..8], [0x12, 0x34, 0, 7]);
        assert_eq!(checksum(&message), 0, "RFC 1071: with its sum it is zero");
        assert_eq!(echo(V6, 1, 7, 1280).len(), 1240);
        assert_eq!(echo(V6, 1, 7, 0).len(), 8);
        // 0x0800 + 1 + 1, inverted.
        assert_eq!(echo(V4, 1, 1, 36)[2..4], [0xf7, 0xfd]);
    }

    #[test]
    fn replies_of_others_are_not_ours() {
        let mut reply = [&IP[..], &echo(V4, 9, 7, 64)].concat();
        assert_eq!(parse(&reply, true, 9), None, "our own question");
        reply[20] = 0;
        let expect = Some(Message::Reply { sequence: 7 });
        assert_eq!(parse(&reply, true, 9), expect);
        assert_eq!(parse(&reply, true, 8), None);
        let mut reply = echo(V6, 9, 7, 64);
        reply[0] = 129;
        assert_eq!(parse(&reply, false, 9), expect);
    }

    #[test]
    fn routers_say_what_is_too_big() {
        let quoted = echo(V4, 9, 7, 36);
        let told = [&IP[..], &[3, 4, 0, 0, 0, 0, 5, 120], &IP, &quoted].concat();
        assert_eq!(parse(&told, true, 9), Some(Message::TooBig { mtu: 1400 }));
        assert_eq!(parse(&told, true, 8), None);
        let quoted = echo(V6, 9, 7, 64);
        let told = [&[2, 0, 0, 0, 0, 0, 5, 120][..], &[0; 40], &quoted].concat();
        assert_eq!(parse(&told, false, 9), Some(Message::TooBig { mtu: 1400 }));
    }

    #[test]
    fn neighbours_are_asked_and_answer() {
        let target: Ipv6Addr = "fe80::5054:ff:fe12:3456".parse().unwrap();
        assert_eq!(
            solicited_node(target),
            "ff02::1:ff12:3456".parse::<Ipv6Addr>().unwrap()
        );
        let question = solicitation(target, &[2, 0, 0, 0, 0, 1]);
        assert_eq!(question.len(), 32);
        assert_eq!(question[24..], [1, 1, 2, 0, 0, 0, 0, 1]);
        let mut answer = question;
        assert_eq!(parse(&answer, false, 1), None);
        answer[0] = 136;
        assert_eq!(
            parse(&answer, false, 1),
            Some(Message::Neighbour { target })
        );
    }

    proptest::proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>, is_ipv4: bool) {
            parse(&bytes, is_ipv4, 1);
        }
    }
}
