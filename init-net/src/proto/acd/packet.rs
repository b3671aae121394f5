//! ARP for IPv4 over Ethernet, RFC 826.

use core::net::Ipv4Addr;

/// An ARP packet for IPv4 over Ethernet, bytes. What follows in a frame is padding.
pub const ARP_LEN: usize = 28;

/// Hardware type Ethernet, protocol type IPv4, lengths 6 and 4.
const PREFIX: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// ar$op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// 1.
    Request,
    /// 2.
    Reply,
}

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Question or answer.
    pub operation: Operation,
    /// Hardware address of the sender.
    pub sender_mac: [u8; 6],
    /// Address of the sender; 0.0.0.0 in a probe.
    pub sender_ip: Ipv4Addr,
    /// Hardware address of the target, ignored in requests.
    pub target_mac: [u8; 6],
    /// Address that is asked for.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// `None` for anything but a request or reply for IPv4 over Ethernet from one host's address.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let bytes: &[u8; ARP_LEN] = packet.first_chunk()?;
        if bytes[..6] != PREFIX {
            return None;
        }
        let operation = match [bytes[6], bytes[7]] {
            [0, 1] => Operation::Request,
            [0, 2] => Operation::Reply,
            _ => return None,
        };
        let mac = |at: usize| core::array::from_fn(|i| bytes[at + i]);
        let ip = |at: usize| Ipv4Addr::from_octets(core::array::from_fn(|i| bytes[at + i]));
        let arp = Self {
            operation,
            sender_mac: mac(8),
            sender_ip: ip(14),
            target_mac: mac(18),
            target_ip: ip(24),
        };
        // The lowest bit of the first byte marks a group, and no frame comes from a group or from nobody.
        let from_a_host = arp.sender_mac[0] & 1 == 0 && arp.sender_mac != [0; 6];
        from_a_host.then_some(arp)
    }

    /// RFC 5227 §1.1: a request without a sender address.
    pub fn is_probe(&self) -> bool {
        self.operation == Operation::Request && self.sender_ip.is_unspecified()
    }

    /// The bytes.
    pub fn encode(&self) -> [u8; ARP_LEN] {
        let mut bytes = [0; ARP_LEN];
        bytes[..6].copy_from_slice(&PREFIX);
        bytes[7] = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        bytes[8..14].copy_from_slice(&self.sender_mac);
        bytes[14..18].copy_from_slice(&self.sender_ip.octets());
        bytes[18..24].copy_from_slice(&self.target_mac);
        bytes[24..28].copy_from_slice(&self.target_ip.octets());
        bytes
    }
}

/// Classic BPF (code, jt, jf, k) for a packet socket that carries ARP without its link header: lets through what is
/// about `address` and nothing else, so that the chatter of a large network wakes nobody. That is a packet whose sender
/// has the address, and a probe for it (RFC 5227 §2.1.1: sender address zero).
pub fn filter(address: Ipv4Addr) -> [(u16, u8, u8, u32); 7] {
    // ld [14] (sender); jeq address → take; jeq 0 → next; ld [24] (target); jeq address → take; ret 0; ret all
    const LOAD_WORD: u16 = 0x20;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let address = address.to_bits();
    [
        (LOAD_WORD, 0, 0, 14),
        (JUMP_EQUAL, 4, 0, address),
        (JUMP_EQUAL, 0, 2, 0),
        (LOAD_WORD, 0, 0, 24),
        (JUMP_EQUAL, 1, 0, address),
        (RETURN, 0, 0, 0),
        (RETURN, 0, 0, u32::MAX),
    ]
}
