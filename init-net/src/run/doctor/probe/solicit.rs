//! Neighbour discovery: does an IPv6 gateway answer (RFC 4861 §7.2)?

use core::net::Ipv6Addr;
use std::os::fd::AsFd as _;

use super::{Answers, BURST, Gateway, Probe, ethernet, on_link};
use crate::proto::icmp::{self, Message};
use crate::state::LinkStatus;
use crate::sys::icmp::IcmpSocket;
use crate::sys::poll::Interest;
use crate::value::{Duration, Instant, Rng};

/// MAX_MULTICAST_SOLICIT of RFC 4861 §10.
const QUESTIONS: u8 = 3;

/// RETRANS_TIMER is 1 s; this is a diagnosis on a link that works.
const PERIOD: Duration = Duration::from_millis(600);

/// Longest message that is read, bytes: advertisements have 32, and options that do not count.
const BUFFER: usize = 256;

pub struct Solicit {
    socket: IcmpSocket,
    link: LinkStatus,
    target: Ipv6Addr,
    question: Vec<u8>,
    sent: u8,
    next: Instant,
    heard: bool,
}

impl Solicit {
    pub fn new(link: &LinkStatus, target: Ipv6Addr) -> Result<Self, String> {
        let question = icmp::solicitation(target, &ethernet(link)?);
        let socket =
            IcmpSocket::open(target.into(), Some(&link.name)).map_err(|error| error.to_string())?;
        Ok(Self {
            socket,
            link: link.clone(),
            target,
            question,
            sent: 0,
            next: Instant::BOOT,
            heard: false,
        })
    }
}

impl Probe for Solicit {
    fn turn(&mut self, now: Instant, _: &mut Rng) -> Option<Instant> {
        let mut buffer = [0; BUFFER];
        for _ in 0..BURST {
            let Ok((length, _)) = self.socket.receive(&mut buffer) else {
                break;
            };
            let message = icmp::parse(buffer.get(..length).unwrap_or_default(), false, 0);
            self.heard |= message
                == Some(Message::Neighbour {
                    target: self.target,
                });
        }
        if self.heard {
            return None;
        }
        if now >= self.next {
            if self.sent == QUESTIONS {
                return None;
            }
            let group = icmp::solicited_node(self.target).into();
            // One that cannot be sent counts as one that was lost.
            let _lost = self
                .socket
                .send(&self.question, on_link(group, 0, &self.link));
            self.sent += 1;
            self.next = now + PERIOD;
        }
        Some(self.next)
    }

    fn interest(&self) -> Option<Interest<'_>> {
        Some(Interest::read(self.socket.as_fd()))
    }

    fn tell(&self, answers: &mut Answers) {
        answers.gateways.push(Gateway {
            link: self.link.name.clone(),
            address: self.target.into(),
            answered: self.heard,
        });
    }
}
