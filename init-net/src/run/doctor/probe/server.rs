//! A name server: does it answer within two seconds, and what?

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;

use super::{Answers, BURST, Probe};
use crate::proto::dns::{self, Verdict};
use crate::sys;
use crate::sys::poll::Interest;
use crate::value::{Duration, Instant, NameServer, Rng};

/// Questions: one may be lost.
const QUESTIONS: u8 = 2;

/// For the answer to each.
const PERIOD: Duration = Duration::from_secs(1);

/// Longest answer that is read, bytes: only its header counts.
const BUFFER: usize = 512;

/// What a server did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAnswer {
    /// It answered this.
    Answered(Verdict),
    /// Nothing came.
    Silent,
    /// Its host says that nobody listens.
    Closed,
    /// The question cannot be sent; the kernel's words.
    NoWay(String),
}

/// A name server.
#[derive(Clone, Debug)]
pub struct Server {
    pub address: NameServer,
    pub answer: ServerAnswer,
}

/// The probe.
pub struct Asked {
    address: NameServer,
    socket: Option<UdpSocket>,
    id: u16,
    sent: u8,
    next: Instant,
    answer: ServerAnswer,
}

impl Asked {
    /// `to`: where `address` is; `None`: its link is not there.
    pub fn new(address: NameServer, to: Option<SocketAddr>, rng: &mut Rng) -> Self {
        let (socket, answer) = match to.map(connected) {
            Some(Ok(socket)) => (Some(socket), ServerAnswer::Silent),
            Some(Err(error)) => (None, ServerAnswer::NoWay(error.to_string())),
            None => (None, ServerAnswer::NoWay("its link is not there".into())),
        };
        Self {
            address,
            socket,
            id: rng.next_u32() as u16,
            sent: 0,
            next: Instant::BOOT,
            answer,
        }
    }
}

/// A socket that hears `server` alone.
pub fn connected(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = sys::udp::bind(SocketAddr::new(any, 0), None)?;
    socket.connect(server)?;
    Ok(socket)
}

impl Probe for Asked {
    fn turn(&mut self, now: Instant, _: &mut Rng) -> Option<Instant> {
        let socket = self.socket.as_ref()?;
        let mut buffer = [0; BUFFER];
        for _ in 0..BURST {
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    if let Some(verdict) = dns::verdict(bytes, self.id) {
                        self.answer = ServerAnswer::Answered(verdict);
                        return None;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    self.answer = ServerAnswer::Closed;
                    return None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // No neighbour answers, or a router knows no way.
                Err(error) => {
                    self.answer = ServerAnswer::NoWay(error.to_string());
                    return None;
                }
            }
        }
        if now >= self.next {
            if self.sent == QUESTIONS {
                return None;
            }
            if let Err(error) = socket.send(&dns::question(self.id)) {
                self.answer = ServerAnswer::NoWay(error.to_string());
                return None;
            }
            self.sent += 1;
            self.next = now + PERIOD;
        }
        Some(self.next)
    }

    fn interest(&self) -> Option<Interest<'_>> {
        let socket = self.socket.as_ref()?;
        Some(Interest::read(socket.as_fd()))
    }

    fn tell(&self, answers: &mut Answers) {
        answers.servers.push(Server {
            address: self.address.clone(),
            answer: self.answer.clone(),
        });
    }
}
