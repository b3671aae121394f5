//! Path MTU: echo requests that may not be fragmented, of many sizes.

use core::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;

use super::search::{MAX_ROUNDS, Search};
use super::{Answers, BURST, Probe, on_link};
use crate::proto::icmp::{self, Message};
use crate::state::LinkStatus;
use crate::sys::icmp::IcmpSocket;
use crate::sys::poll::Interest;
use crate::value::{Duration, Instant, LinkName, Rng};

/// How long the answers of a round may take: 3 s for all of [`MAX_ROUNDS`].
const ROUND: Duration = Duration::from_millis(3000 / MAX_ROUNDS as u64);

/// When those without an answer are sent once more: one may be lost.
const AGAIN: Duration = Duration::from_millis(200);

/// What is read of an answer, bytes: headers, and what a router quotes.
const BUFFER: usize = 128;

/// What was found on the way to an address.
#[derive(Clone, Debug)]
pub struct PathAnswer {
    /// By which link.
    pub link: LinkName,
    /// To whom.
    pub address: IpAddr,
    /// In a network of this machine.
    pub is_gateway: bool,
    /// What the link takes, bytes.
    pub link_mtu: u16,
    /// The largest packet that arrived, bytes; 0: none.
    pub largest: u16,
    /// Who said that larger ones are too big.
    pub told_by: Option<IpAddr>,
    /// Why nothing could be sent.
    pub error: Option<String>,
}

/// The probe.
pub struct Path {
    socket: Option<IcmpSocket>,
    remote: SocketAddr,
    link: LinkName,
    is_gateway: bool,
    id: Option<u16>,
    search: Search,
    /// Sizes by sequence number.
    sizes: Vec<u16>,
    /// When this round ends, and when what is missing is sent once more.
    until: Option<Instant>,
    again: Option<Instant>,
    told_by: Option<IpAddr>,
    error: Option<String>,
}

impl Path {
    /// To a neighbour on `link`.
    pub fn to_gateway(link: &LinkStatus, address: IpAddr) -> Self {
        Self::new(link, on_link(address, 0, link), true)
    }

    /// By `link`, to `remote`.
    pub fn new(link: &LinkStatus, remote: SocketAddr, is_gateway: bool) -> Self {
        let (socket, error) = match IcmpSocket::open(remote.ip(), None) {
            Ok(socket) => (Some(socket), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self {
            socket,
            remote,
            link: link.name.clone(),
            is_gateway,
            id: None,
            search: Search::new(u16::try_from(link.mtu).unwrap_or(u16::MAX)),
            sizes: Vec::new(),
            until: None,
            again: None,
            told_by: None,
            error,
        }
    }

    fn read(&mut self, id: u16) {
        let Some(socket) = &self.socket else { return };
        let is_ipv4 = self.remote.is_ipv4();
        let mut buffer = [0; BUFFER];
        for _ in 0..BURST {
            let Ok((length, from)) = socket.receive(&mut buffer) else {
                return;
            };
            match icmp::parse(buffer.get(..length).unwrap_or_default(), is_ipv4, id) {
                Some(Message::Reply { sequence }) if from == Some(self.remote.ip()) => {
                    if let Some(size) = self.sizes.get(usize::from(sequence)) {
                        self.search.arrived(*size);
                    }
                }
                Some(Message::TooBig { .. }) => self.told_by = self.told_by.or(from),
                _ => {}
            }
        }
    }

    /// Sends what has no answer yet.
    fn send(&mut self, id: u16) {
        let Some(socket) = &self.socket else { return };
        for size in self.search.open() {
            let known = self.sizes.iter().position(|known| *known == size);
            let sequence = known.unwrap_or_else(|| {
                self.sizes.push(size);
                self.sizes.len() - 1
            });
            let message = icmp::echo(self.remote.ip(), id, sequence as u16, size);
            if let Err(error) = socket.send(&message, self.remote) {
                // EMSGSIZE of a large one says what no answer would say.
                if error.raw_os_error() != Some(libc::EMSGSIZE) {
                    self.error = Some(error.to_string());
                }
            }
        }
    }
}

impl Probe for Path {
    fn turn(&mut self, now: Instant, rng: &mut Rng) -> Option<Instant> {
        self.socket.as_ref()?;
        let id = *self.id.get_or_insert_with(|| rng.next_u32() as u16);
        self.read(id);
        let over = self
            .until
            .is_some_and(|until| now >= until || self.search.is_settled());
        if over {
            self.until = None;
            if !self.search.next_round() {
                return None;
            }
        }
        match self.until {
            None => {
                self.send(id);
                self.until = Some(now + ROUND);
                self.again = Some(now + AGAIN);
            }
            Some(_) if self.again.is_some_and(|again| now >= again) => {
                self.send(id);
                self.again = None;
            }
            Some(_) => {}
        }
        crate::value::earliest([self.until, self.again])
    }

    fn interest(&self) -> Option<Interest<'_>> {
        let socket = self.socket.as_ref()?;
        Some(Interest::read(socket.as_fd()))
    }

    fn tell(&self, answers: &mut Answers) {
        let largest = self.search.largest();
        answers.paths.push(PathAnswer {
            link: self.link.clone(),
            address: self.remote.ip(),
            is_gateway: self.is_gateway,
            link_mtu: self.search.most(),
            largest,
            told_by: self.told_by,
            error: self.error.clone().filter(|_| largest == 0),
        });
    }
}
