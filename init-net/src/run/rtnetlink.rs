//! The conversation with rtnetlink: ops to the kernel and what it says to each, dumps, and the bell.

use core::fmt;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::state::{AddressStatus, Family, LinkStatus, Op, RouteStatus, RuleStatus};
use crate::sys::netlink::{Notifications, Requests};
use crate::value::Instant;
use crate::wire::{self, Batch, Dump, Progress, Refusal, WireError, event::Bell};

/// Messages in one send: their acknowledgements (an skb of 768 bytes each) must fit the smallest receive buffer.
const MAX_BATCH: usize = 128;

/// Dumps of something that changes all the time: after so many the last one has to do. What it missed rings the bell.
const MAX_DUMPS: usize = 4;

/// Datagrams of one [`Monitor::drain`]: a flood must not keep the loop from its timers.
const MAX_DRAIN: usize = 4096;

/// Why an op did not happen, or a dump did not come.
#[derive(Debug)]
pub enum RtnetlinkError {
    /// It has no message.
    Wire(WireError),
    /// The kernel said no.
    Refused(Refusal),
    /// The socket failed, or the answer was lost: whether it happened shows in the next dump.
    Socket(io::Error),
}

impl RtnetlinkError {
    /// Positive `errno` of a refusal.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused(refusal) => Some(refusal.errno),
            Self::Wire(_) | Self::Socket(_) => None,
        }
    }
}

impl fmt::Display for RtnetlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Socket(error) => write!(f, "netlink: {error}"),
        }
    }
}

impl std::error::Error for RtnetlinkError {}

/// A socket and the sequence numbers on it.
pub struct Rtnetlink {
    socket: Requests,
    seq: u32,
}

impl Rtnetlink {
    /// Opens it.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            socket: Requests::open()?,
            seq: 0,
        })
    }

    /// Does `ops` in their order, as many in one send as go, and says what became of each. One that fails does not
    /// keep the later ones from being done.
    pub fn apply(&mut self, ops: &[Op]) -> Vec<Result<(), RtnetlinkError>> {
        let mut results = Vec::with_capacity(ops.len());
        for chunk in ops.chunks(MAX_BATCH) {
            results.extend(self.apply_batch(chunk));
        }
        results
    }

    fn apply_batch(&mut self, ops: &[Op]) -> Vec<Result<(), RtnetlinkError>> {
        let first = self.seq.wrapping_add(1);
        let mut messages = Vec::new();
        let mut encoded = Vec::with_capacity(ops.len());
        for op in ops {
            let seq = self.seq.wrapping_add(1);
            encoded.push(wire::encode(op, seq).map(|message| {
                self.seq = seq;
                messages.extend(message);
            }));
        }
        let sent = encoded.iter().filter(|message| message.is_ok()).count();
        let mut batch = Batch::new(first, sent);
        let outcome = if sent == 0 {
            Ok(())
        } else {
            self.exchange(&messages, &mut batch)
        };
        let mut answers = batch.into_results().into_iter();
        let lost = || match &outcome {
            Err(error) => RtnetlinkError::Socket(io::Error::from(error.kind())),
            Ok(()) => RtnetlinkError::Socket(io::ErrorKind::UnexpectedEof.into()),
        };
        encoded
            .into_iter()
            .map(|message| {
                message.map_err(RtnetlinkError::Wire)?;
                let answer = answers.next().flatten();
                answer.map_or_else(
                    || Err(lost()),
                    |answer| answer.map_err(RtnetlinkError::Refused),
                )
            })
            .collect()
    }

    fn exchange(&mut self, messages: &[u8], batch: &mut Batch) -> io::Result<()> {
        self.socket.send(messages)?;
        while !batch.receive(self.socket.receive()?) {}
        Ok(())
    }

    /// All links by index.
    pub fn links(&mut self, at: Instant) -> Result<BTreeMap<u32, LinkStatus>, RtnetlinkError> {
        self.dump(at, wire::dump::links).map(|dump| dump.links)
    }

    /// All addresses; their links are still to be named ([`wire::name_links`]).
    pub fn addresses(&mut self, at: Instant) -> Result<Vec<AddressStatus>, RtnetlinkError> {
        self.dump(at, wire::dump::addresses)
            .map(|dump| dump.addresses)
    }

    /// Routes of both families and every table but `local`, or of one `protocol` only: the kernel then leaves out the
    /// rest. Their links are still to be named.
    pub fn routes(
        &mut self,
        at: Instant,
        protocol: Option<u8>,
    ) -> Result<Vec<RouteStatus>, RtnetlinkError> {
        let mut routes = Vec::new();
        for family in [Family::Inet4, Family::Inet6] {
            let dump = self.dump(at, |seq| wire::dump::routes(family, protocol, seq))?;
            // Without IPv6 (ipv6.disable=1) the kernel answers a request for its routes with those of IPv4.
            routes.extend(
                dump.routes
                    .into_iter()
                    .filter(|route| route.family == family),
            );
        }
        Ok(routes)
    }

    /// All rules; none where the kernel is built without them (CONFIG_IP_MULTIPLE_TABLES).
    pub fn rules(&mut self, at: Instant) -> Result<Vec<RuleStatus>, RtnetlinkError> {
        match self.dump(at, wire::dump::rules) {
            Err(error) if error.errno() == Some(libc::EOPNOTSUPP) => Ok(Vec::new()),
            dump => dump.map(|dump| dump.rules),
        }
    }

    fn dump(
        &mut self,
        at: Instant,
        request: impl Fn(u32) -> Result<Vec<u8>, WireError>,
    ) -> Result<Dump, RtnetlinkError> {
        let mut attempt = 1;
        loop {
            self.seq = self.seq.wrapping_add(1);
            let message = request(self.seq).map_err(RtnetlinkError::Wire)?;
            self.socket.send(&message).map_err(RtnetlinkError::Socket)?;
            let mut dump = Dump::new(self.seq, at);
            let progress = loop {
                match dump.receive(self.socket.receive().map_err(RtnetlinkError::Socket)?) {
                    Progress::More => {}
                    progress => break progress,
                }
            };
            match progress {
                Progress::Interrupted if attempt < MAX_DUMPS => attempt += 1,
                Progress::Failed(refusal) => return Err(RtnetlinkError::Refused(refusal)),
                _ => return Ok(dump),
            }
        }
    }
}

/// Hears what changes.
pub struct Monitor {
    socket: Notifications,
}

impl Monitor {
    /// Subscribes. Do so before the first dump.
    pub fn open() -> io::Result<Self> {
        let socket = Notifications::open(&wire::event::GROUPS, &wire::event::FILTER)?;
        Ok(Self { socket })
    }

    /// Everything that has rung since the last call. `true`: more is waiting.
    pub fn drain(&mut self, bell: &mut Bell) -> io::Result<bool> {
        for _ in 0..MAX_DRAIN {
            match self.socket.receive() {
                Ok(datagram) => bell.receive(datagram),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => bell.overrun = true,
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
