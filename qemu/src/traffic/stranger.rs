//! [`Stranger`]: all of the network at the other end of a cable. It sends from any address, sees whatever comes back, and
//! says "here" to whoever asks for a neighbour.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use super::Body;
use super::Packet;
use super::icmp;
use crate::Deadline;
use crate::Namespace;
use crate::Result;
use crate::cable::End;
use crate::cable::MAX_FRAME;
use crate::cable::Options;

/// EtherType of ARP, and a request in it: Ethernet, IPv4, operation 1 (RFC 826).
const ARP: [u8; 2] = [0x08, 0x06];
const ARP_REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];

/// An end of a cable at which nobody is but this.
#[derive(Debug)]
pub struct Stranger {
    end: End,
    /// Whom it talks to.
    other: [u8; 6],
    /// Who it is.
    own: [u8; 6],
    /// Addresses that somebody else has.
    others: Vec<IpAddr>,
    buffer: Vec<u8>,
}

impl Stranger {
    /// At `interface` of `namespace`, which is up and has no address. It talks to the hardware address `other`, and is
    /// `own` itself.
    ///
    /// # Errors
    /// The interface is missing.
    pub fn at(
        namespace: &Namespace,
        interface: &str,
        other: [u8; 6],
        own: [u8; 6],
    ) -> Result<Self> {
        Ok(Self {
            end: End::open(namespace, interface, Options::default())?,
            other,
            own,
            others: Vec::new(),
            buffer: vec![0; MAX_FRAME],
        })
    }

    /// An address that it leaves to somebody else on the same cable.
    #[must_use]
    pub fn without(mut self, address: IpAddr) -> Self {
        self.others.push(address);
        self
    }

    /// Sends a packet; false: the other end is not up.
    pub fn send(&self, packet: &Packet) -> bool {
        self.end.send(&packet.frame(self.own, self.other)).is_ok()
    }

    /// Sends a packet to a hardware address, such as that of a group.
    pub fn send_to(&self, packet: &Packet, to: [u8; 6]) -> bool {
        self.end.send(&packet.frame(self.own, to)).is_ok()
    }

    /// The next packet that has come, if any. Questions for neighbours are answered meanwhile.
    pub fn take(&mut self) -> Option<Packet> {
        while let Some(frame) = self.end.take(&mut self.buffer) {
            if frame.get(6..12) != Some(&self.other) {
                continue;
            }
            if let Some((wanted, answer)) = arp(frame, self.own) {
                if !self.others.contains(&wanted) {
                    // An end that does not take it is asked again.
                    let _ = self.end.send(&answer);
                }
                continue;
            }
            let Some(packet) = Packet::of_frame(frame) else {
                continue;
            };
            let Some(answer) = advertisement(&packet, self.own) else {
                return Some(packet);
            };
            if !self.others.contains(&answer.source) {
                let _ = self.end.send(&answer.frame(self.own, self.other));
            }
        }
        None
    }

    /// Waits until something has come; false: nothing did.
    pub fn wait(&self, deadline: Deadline) -> bool {
        self.end.wait(deadline)
    }

    /// The next packet; `None`: none came in time.
    pub fn next(&mut self, deadline: Deadline) -> Option<Packet> {
        loop {
            if let Some(packet) = self.take() {
                return Some(packet);
            }
            if !self.end.wait(deadline) {
                return None;
            }
        }
    }
}

/// What a frame asks a hardware address for, and the answer. Who asks without an address of its own asks whether the address
/// is free (RFC 5227), and it is.
fn arp(frame: &[u8], own: [u8; 6]) -> Option<(IpAddr, Vec<u8>)> {
    if frame.get(12..14)? != ARP || frame.get(14..22)? != ARP_REQUEST {
        return None;
    }
    let (asker, asker_address) = (frame.get(22..28)?, frame.get(28..32)?);
    let wanted = frame.get(38..42)?;
    // An announcement asks for the asker.
    if asker_address == [0; 4] || asker_address == wanted {
        return None;
    }
    let mut reply = ARP_REQUEST;
    reply[7] = 2;
    let octets: [u8; 4] = wanted.try_into().ok()?;
    let answer = [
        asker,
        &own,
        &ARP,
        &reply,
        &own,
        wanted,
        asker,
        asker_address,
    ];
    Some((Ipv4Addr::from(octets).into(), answer.concat()))
}

/// The answer to a packet that asks for a hardware address (RFC 4861 §4.3).
fn advertisement(packet: &Packet, own: [u8; 6]) -> Option<Packet> {
    let Body::Icmp { kind, data, .. } = &packet.body else {
        return None;
    };
    let IpAddr::V6(asker) = packet.source else {
        return None;
    };
    if *kind != icmp::NEIGHBOUR_SOLICITATION || asker.is_unspecified() {
        return None;
    }
    let wanted: [u8; 16] = data.get(4..20)?.try_into().ok()?;
    // Solicited, override; option 2: target link-layer address.
    let mut data = vec![0x60, 0, 0, 0];
    data.extend(wanted);
    data.extend([2, 1]);
    data.extend(own);
    Some(Packet {
        hops: 255,
        ..Packet::new(
            Ipv6Addr::from(wanted).into(),
            asker.into(),
            Body::Icmp {
                kind: icmp::NEIGHBOUR_ADVERTISEMENT,
                code: 0,
                data,
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::traffic::tcp;

    const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 9, 1];
    const OTHER: [u8; 6] = [0x52, 0x54, 0, 0, 9, 2];

    #[test]
    fn anybody_is_answered() {
        let [near, far] = [(); 2].map(|()| Namespace::new().unwrap());
        far.veth("wild", &near, "eth0").unwrap();
        far.ip("link set wild addrgenmode none up").unwrap();
        near.ip("link set eth0 address 52:54:00:00:09:02").unwrap();
        near.ip("address add 10.9.0.2/24 dev eth0").unwrap();
        near.ip("address add fd00:9::2/64 dev eth0 nodad").unwrap();
        near.ip("link set eth0 up").unwrap();
        near.ip("route add default via 10.9.0.1").unwrap();
        near.ip("-6 route add default via fd00:9::1").unwrap();
        let mut stranger = Stranger::at(&far, "wild", OTHER, MAC).unwrap();
        let patience = || Deadline::after(Duration::from_secs(60));
        let pairs = [
            ("10.9.0.77", "10.9.0.2"),
            ("192.0.2.1", "10.9.0.2"),
            ("fd00:9::77", "fd00:9::2"),
            ("2001:db8::1", "fd00:9::2"),
        ];
        for (from, to) in pairs {
            let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
            let asked = Packet::syn(from, 4000, to, 1, 5);
            assert!(stranger.send(&asked));
            let answer = loop {
                let packet = stranger.next(patience()).expect("an answer");
                if packet.destination == from {
                    break packet;
                }
            };
            assert_eq!(answer.source, to);
            let Body::Tcp {
                flags,
                acknowledged,
                ..
            } = answer.body
            else {
                panic!("{answer:?}");
            };
            assert_eq!(flags, tcp::RST | tcp::ACK);
            assert_eq!(acknowledged, 6);
        }
    }
}
