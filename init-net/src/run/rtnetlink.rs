//! The conversation with rtnetlink: ops to the kernel and what it says to each, dumps, and the bell.

use core::fmt;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::state::{
    AddressStatus, Family, LinkStatus, NeighborStatus, Op, RouteStatus, RuleStatus,
};
use crate::sys::netlink::{Notifications, Requests};
use crate::value::{BridgeVlan, Instant};
use crate::wire::{self, Batch, Dump, Progress, Refusal, RouteHead, WireError, event::Bell};

/// Longest batch, bytes: well below the smallest send buffer (net.core.wmem_default, 208 KiB), beyond which the kernel
/// refuses it (EMSGSIZE).
const MAX_BATCH: usize = 64 << 10;

/// What a refusal takes of the receive buffer, bytes: an skb of 768, or 1,280 with the longest texts. Every message of a
/// batch may be refused, and none of the refusals may be lost.
const REFUSAL: usize = 1280;

/// A route with its gateway, bytes: for what is reserved.
const TYPICAL_MESSAGE: usize = 64;

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
        while let Some(rest) = ops.get(results.len()..).filter(|rest| !rest.is_empty()) {
            self.apply_batch(rest, &mut results);
        }
        results
    }

    /// Does as many of `ops` as one send takes, at least one, and adds a result for each.
    fn apply_batch(&mut self, ops: &[Op], results: &mut Vec<Result<(), RtnetlinkError>>) {
        let most = (self.socket.receive_buffer() / REFUSAL).max(1);
        let first = self.seq.wrapping_add(1);
        let mut messages = Vec::with_capacity(MAX_BATCH.min(ops.len() * TYPICAL_MESSAGE));
        let (mut last, mut sent) = (0, 0);
        let mut encoded = Vec::with_capacity(ops.len().min(most));
        for op in ops {
            let message = wire::encode(op, self.seq.wrapping_add(1));
            if let Ok(message) = &message {
                if sent == most || (sent > 0 && messages.len() + message.len() > MAX_BATCH) {
                    break;
                }
                // Refusals come unasked; that the last message is answered says that all are.
                if let Some(previous) = messages.get_mut(last..) {
                    wire::waive_ack(previous);
                }
                last = messages.len();
                messages.extend_from_slice(message);
                self.seq = self.seq.wrapping_add(1);
                sent += 1;
            }
            encoded.push(message.map(drop));
        }
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
        results.extend(encoded.into_iter().map(|message| {
            message.map_err(RtnetlinkError::Wire)?;
            let answer = answers.next().flatten();
            answer.map_or_else(
                || Err(lost()),
                |answer| answer.map_err(RtnetlinkError::Refused),
            )
        }));
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

    /// VLANs of bridges and of their ports, by link; none where the kernel has no bridges.
    pub fn bridge_vlans(
        &mut self,
        at: Instant,
    ) -> Result<BTreeMap<u32, Vec<BridgeVlan>>, RtnetlinkError> {
        match self.dump(at, wire::dump::bridge_vlans) {
            Err(error) if error.errno() == Some(libc::EOPNOTSUPP) => Ok(BTreeMap::new()),
            dump => dump.map(|dump| dump.bridge_vlans),
        }
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
        self.routes_where(at, protocol, &|_| true)
    }

    /// The same, without those that are not `wanted`. What a kernel before 4.20 does not leave out by its protocol is left
    /// out here.
    pub fn routes_where(
        &mut self,
        at: Instant,
        protocol: Option<u8>,
        wanted: &dyn Fn(&RouteHead) -> bool,
    ) -> Result<Vec<RouteStatus>, RtnetlinkError> {
        let wanted = |head: &RouteHead| {
            protocol.is_none_or(|protocol| protocol == head.protocol) && wanted(head)
        };
        let mut routes = Vec::new();
        for family in [Family::Inet4, Family::Inet6] {
            let request = |seq| wire::dump::routes(family, protocol, seq);
            let dump = self.dump_where(at, request, &wanted)?;
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

    /// All neighbours, those that this machine answers for behind the others; their links are still to be named.
    pub fn neighbors(&mut self, at: Instant) -> Result<Vec<NeighborStatus>, RtnetlinkError> {
        let mut all = Vec::new();
        for proxies in [false, true] {
            let dump = self.dump(at, |seq| wire::neighbor::dump(proxies, seq))?;
            all.extend(dump.neighbors);
        }
        Ok(all)
    }

    fn dump(
        &mut self,
        at: Instant,
        request: impl Fn(u32) -> Result<Vec<u8>, WireError>,
    ) -> Result<Dump, RtnetlinkError> {
        self.dump_where(at, request, &|_| true)
    }

    fn dump_where(
        &mut self,
        at: Instant,
        request: impl Fn(u32) -> Result<Vec<u8>, WireError>,
        wanted: &dyn Fn(&RouteHead) -> bool,
    ) -> Result<Dump, RtnetlinkError> {
        let mut attempt = 1;
        loop {
            self.seq = self.seq.wrapping_add(1);
            let message = request(self.seq).map_err(RtnetlinkError::Wire)?;
            self.socket.send(&message).map_err(RtnetlinkError::Socket)?;
            let mut dump = Dump::new(self.seq, at);
            let progress = loop {
                let datagram = self.socket.receive().map_err(RtnetlinkError::Socket)?;
                match dump.receive_where(datagram, wanted) {
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
        let socket = Notifications::open(&wire::event::GROUPS)?;
        Ok(Self { socket })
    }

    /// Routes of others wake nobody from now on. For whoever stays: the kernel takes 0.2 ms to compile the program, and a
    /// boot is over before a CNI makes its first route.
    pub fn ignore_foreign_routes(&self) -> io::Result<()> {
        self.socket.filter(&wire::event::FILTER)
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
