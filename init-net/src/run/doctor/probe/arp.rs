//! ARP: does the gateway answer, and does somebody else answer for an address of ours (RFC 5227)?

use core::net::Ipv4Addr;

use super::{Answers, BURST, Gateway, Owned, Probe, ethernet};
use crate::proto::acd::{self, Operation};
use crate::state::LinkStatus;
use crate::sys::packet::{self, PacketSocket};
use crate::sys::poll::Interest;
use crate::value::{Duration, Instant, LinkName, Mac, Rng};

use std::os::fd::AsFd as _;

/// Questions before nobody is there: one may be lost (RFC 5227 §1.1, PROBE_NUM).
const QUESTIONS: u8 = 3;

/// Between two questions. RFC 5227 waits 1 to 2 s at a boot, when all hosts ask at once; this is one host.
const PERIOD: Duration = Duration::from_millis(400);

/// For the answer to the last one.
const PATIENCE: Duration = Duration::from_millis(800);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Gateway,
    Rival,
}

pub struct Arp {
    socket: PacketSocket,
    purpose: Purpose,
    link: LinkName,
    question: acd::Arp,
    /// Answers from these are our own.
    own: Vec<Mac>,
    sent: u8,
    next: Instant,
    heard: Option<Mac>,
}

impl Arp {
    /// Who has the gateway `address`? Asked with the address `source`.
    pub fn gateway(link: &LinkStatus, address: Ipv4Addr, source: Ipv4Addr) -> Result<Self, String> {
        Self::new(Purpose::Gateway, link, address, source, Vec::new())
    }

    /// Who but `own` has the address of ours?
    pub fn rival(link: &LinkStatus, address: Ipv4Addr, own: Vec<Mac>) -> Result<Self, String> {
        Self::new(Purpose::Rival, link, address, Ipv4Addr::UNSPECIFIED, own)
    }

    fn new(
        purpose: Purpose,
        link: &LinkStatus,
        address: Ipv4Addr,
        source: Ipv4Addr,
        own: Vec<Mac>,
    ) -> Result<Self, String> {
        let sender_mac = ethernet(link)?;
        let filter = acd::filter(address);
        let socket = PacketSocket::open(link.index, packet::Protocol::Arp, &filter)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            socket,
            purpose,
            link: link.name.clone(),
            question: acd::Arp {
                operation: Operation::Request,
                sender_mac,
                sender_ip: source,
                target_mac: [0; 6],
                target_ip: address,
            },
            own,
            sent: 0,
            next: Instant::BOOT,
            heard: None,
        })
    }

    fn read(&mut self) {
        let mut buffer = [0; acd::ARP_LEN];
        for _ in 0..BURST {
            let Ok(received) = self.socket.receive(&mut buffer) else {
                return;
            };
            let packet = buffer.get(..received.length).unwrap_or_default();
            let sender = acd::Arp::parse(packet)
                .filter(|arp| arp.sender_ip == self.question.target_ip)
                .and_then(|arp| Mac::from_bytes(&arp.sender_mac));
            self.heard = self.heard.or(sender.filter(|mac| !self.own.contains(mac)));
        }
    }
}

impl Probe for Arp {
    fn turn(&mut self, now: Instant, _: &mut Rng) -> Option<Instant> {
        self.read();
        if self.heard.is_some() {
            return None;
        }
        if now >= self.next {
            if self.sent == QUESTIONS {
                return None;
            }
            // One that cannot be sent counts as one that was lost.
            let _lost = self.socket.send(&self.question.encode(), &Mac::BROADCAST);
            self.sent += 1;
            self.next = now
                + match self.sent {
                    QUESTIONS => PATIENCE,
                    _ => PERIOD,
                };
        }
        Some(self.next)
    }

    fn interest(&self) -> Option<Interest<'_>> {
        Some(Interest::read(self.socket.as_fd()))
    }

    fn tell(&self, answers: &mut Answers) {
        let (link, address) = (self.link.clone(), self.question.target_ip);
        match self.purpose {
            Purpose::Gateway => answers.gateways.push(Gateway {
                link,
                address: address.into(),
                answered: self.heard.is_some(),
            }),
            Purpose::Rival => answers.owned.push(Owned {
                link,
                address,
                rival: self.heard,
            }),
        }
    }
}
