//! [`Observer`]: a client that pings an address all the time, and asks who has it, and writes down who answers.
//!
//! The echoes go the way of every client: through its kernel's table of neighbours, which an announcement corrects. The
//! questions do not: they come from an address of nobody, so that no answer to them corrects that table, and whoever believes
//! to have the address answers.

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;
use std::time::SystemTime;

use nix::sys::socket::AddressFamily;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockProtocol;
use nix::sys::socket::SockType;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::sendto;
use nix::sys::socket::socket;

use super::Event;
use super::Seen;
use super::Station;
use super::Timeline;
use crate::Deadline;
use crate::Error;
use crate::Result;
use crate::cable::End;
use crate::cable::MAX_FRAME;
use crate::cable::Options;
use crate::clock;
use crate::error::Context;
use crate::peer::stop::PeerThread;
use crate::peer::stop::StopSignal;
use crate::peer::stop::Woken;
use crate::traffic::Body;
use crate::traffic::Packet;
use crate::traffic::icmp;

/// Events kept of one observer: an hour at a question each 5 ms, with an answer and an echo. What comes after is not kept.
const MAX_EVENTS: usize = 2_500_000;

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// Who asks, on the network of a [`super::Segment`]: nobody's addresses.
const ASKER: [u8; 6] = [0x52, 0x54, 0, 0x56, 0xff, 1];
const ASKER_V4: Ipv4Addr = Ipv4Addr::new(10, 56, 0, 253);
const ASKER_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xff, 1);

/// Identifier of the echoes.
const IDENTIFIER: u16 = 0x5649;

/// ARP over Ethernet for IPv4 (RFC 826), up to the operation.
const ARP_TYPE: [u8; 2] = [0x08, 0x06];
const ARP_HEAD: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// VRRP.
const VRRP: u8 = 112;

/// A flag of a neighbour advertisement: it answers a solicitation (RFC 4861 §4.4).
const SOLICITED: u8 = 0x40;

/// A running observer; it ends on drop.
#[derive(Debug)]
pub struct Observer {
    began: SystemTime,
    seen: Arc<Mutex<Vec<Event>>>,
    _thread: PeerThread,
}

impl Observer {
    /// Pings `vip` from `client`, which has nothing else to do with it, once each `period`, and asks as often who has it.
    ///
    /// # Errors
    /// The kernel refuses the sockets.
    pub fn start(client: &Station, vip: IpAddr, period: Duration) -> Result<Self> {
        let options = Options {
            times: true,
            ..Options::default()
        };
        let end = End::open(&client.namespace, "eth0", options)?;
        let pinger = client
            .namespace
            .enter(|| pinger(vip))?
            .context("a socket for echoes")?;
        let began = clock::wall();
        let seen = Arc::default();
        let watcher = Watcher {
            vip,
            period,
            end,
            pinger,
            began,
            seen: Arc::clone(&seen),
            sequence: 0,
        };
        Ok(Self {
            began,
            seen,
            _thread: PeerThread::start(move |stop| watcher.run(&stop))?,
        })
    }

    /// Writes down that the test did something just now, or is about to.
    pub fn mark(&self, name: &str) -> Duration {
        self.recorder().push(Seen::Mark(name.to_owned()))
    }

    /// For somebody else who sees something of the same address.
    pub(super) fn recorder(&self) -> Recorder {
        Recorder {
            began: self.began,
            seen: Arc::clone(&self.seen),
        }
    }

    /// What was seen so far.
    pub fn timeline(&self) -> Timeline {
        Timeline::new(lock(&self.seen).clone())
    }

    /// Waits until something of a kind is seen that is not older than `moment`.
    ///
    /// # Errors
    /// [`Error::Deadline`] when it does not come in time; it holds what did.
    pub fn wait_for(
        &self,
        what: &str,
        moment: Duration,
        within: Duration,
        kind: impl Fn(&Seen) -> bool,
    ) -> Result<Duration> {
        let deadline = Deadline::after(within);
        let mut looked = 0;
        loop {
            {
                let seen = lock(&self.seen);
                let new = seen.iter().skip(looked);
                let mut found = new.filter(|event| event.at >= moment && kind(&event.what));
                if let Some(event) = found.next() {
                    return Ok(event.at);
                }
                looked = seen.len();
            }
            if deadline.remaining().is_none() {
                let what = format!("{what} in\n{}", self.timeline().story());
                return Err(Error::Deadline { what });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until this hardware address answers, from `moment` on.
    ///
    /// # Errors
    /// As [`Observer::wait_for`].
    pub fn wait_owner(&self, mac: [u8; 6], moment: Duration, within: Duration) -> Result<Duration> {
        let what = format!("an answer of {}", crate::command::mac_text(mac));
        self.wait_for(
            &what,
            moment,
            within,
            |seen| matches!(seen, Seen::Answer { mac: from } if *from == mac),
        )
    }
}

/// Writes down what is seen, with the time.
#[derive(Debug)]
pub(super) struct Recorder {
    began: SystemTime,
    seen: Arc<Mutex<Vec<Event>>>,
}

impl Recorder {
    /// It was seen just now.
    pub(super) fn push(&self, what: Seen) -> Duration {
        let at = since(self.began, clock::wall());
        push(&self.seen, Event { at, what });
        at
    }
}

/// What runs on the observer's thread.
struct Watcher {
    vip: IpAddr,
    period: Duration,
    end: End,
    pinger: OwnedFd,
    began: SystemTime,
    seen: Arc<Mutex<Vec<Event>>>,
    sequence: u16,
}

impl Watcher {
    fn run(mut self, stop: &StopSignal) {
        let mut buffer = vec![0; MAX_FRAME];
        let mut due = clock::now();
        loop {
            let now = clock::now();
            if now >= due {
                self.ask();
                // What a busy host left no time for is left out: a burst would say nothing more.
                due = (due + self.period).max(now);
            }
            let limit = due.saturating_duration_since(clock::now());
            match stop.wait(self.end.as_fd(), Some(limit)) {
                Ok(Woken::Readable) => {
                    while let Some((frame, at)) = self.end.take_at(&mut buffer) {
                        if let Some(what) = classify(frame, self.vip) {
                            let at = since(self.began, at);
                            push(&self.seen, Event { at, what });
                        }
                    }
                }
                Ok(Woken::Timeout) => {}
                Ok(Woken::Stop) | Err(_) => return,
            }
        }
    }

    /// One question who has the address, and one echo.
    fn ask(&mut self) {
        let at = since(self.began, clock::wall());
        // Without a carrier nothing is asked.
        if self.end.send(&question(self.vip)).is_ok() {
            let what = Seen::Asked;
            push(&self.seen, Event { at, what });
        }
        self.sequence = self.sequence.wrapping_add(1);
        let nobody = match self.vip {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let packet = Packet::echo(nobody, self.vip, IDENTIFIER, self.sequence).bytes();
        let head = if self.vip.is_ipv4() { 20 } else { 40 };
        let to = SockaddrStorage::from(SocketAddr::new(self.vip, 0));
        let message = packet.get(head..).unwrap_or_default();
        // A neighbour that does not answer is an error of the next one: clients go on.
        let _ = sendto(
            std::os::fd::AsRawFd::as_raw_fd(&self.pinger),
            message,
            &to,
            MsgFlags::MSG_DONTWAIT,
        );
    }
}

/// A raw socket of ICMP; of ICMPv6 the kernel makes the checksum.
fn pinger(vip: IpAddr) -> io::Result<OwnedFd> {
    let (family, protocol) = match vip {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    Ok(socket(
        family,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        protocol,
    )?)
}

/// The frame that asks everybody who has the address.
fn question(vip: IpAddr) -> Vec<u8> {
    match vip {
        IpAddr::V4(vip) => {
            let (everybody, nobody) = ([0xff; 6], [0; 6]);
            let request = [0, 1];
            [
                &everybody[..],
                &ASKER,
                &ARP_TYPE,
                &ARP_HEAD,
                &request,
                &ASKER,
                &ASKER_V4.octets(),
                &nobody,
                &vip.octets(),
            ]
            .concat()
        }
        IpAddr::V6(vip) => {
            let octets = vip.octets();
            // The solicited-node group (RFC 4291 §2.7.1), and its hardware address (RFC 2464 §7).
            let [.., a, b, c] = octets;
            let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
            let to = [0x33, 0x33, 0xff, a, b, c];
            // Option 1: source link-layer address.
            let data = [&[0; 4][..], &octets, &[1, 1], &ASKER].concat();
            let packet = Packet {
                hops: 255,
                ..Packet::new(
                    ASKER_V6.into(),
                    group.into(),
                    Body::Icmp {
                        kind: icmp::NEIGHBOUR_SOLICITATION,
                        code: 0,
                        data,
                    },
                )
            };
            packet.frame(ASKER, to)
        }
    }
}

/// What a frame says about the address; `None`: nothing.
fn classify(frame: &[u8], vip: IpAddr) -> Option<Seen> {
    let to: [u8; 6] = frame.get(..6)?.try_into().ok()?;
    let mac: [u8; 6] = frame.get(6..12)?.try_into().ok()?;
    if frame.get(12..14)? == ARP_TYPE {
        return arp(frame, to, vip);
    }
    let packet = Packet::of_frame(frame)?;
    match &packet.body {
        Body::Icmp { kind, data, .. } => match *kind {
            icmp::ECHO_REPLY | icmp::ECHO_REPLY6
                if packet.source == vip && data.get(..2)? == IDENTIFIER.to_be_bytes() =>
            {
                let hops = packet.hops;
                Some(Seen::Reply { mac, hops })
            }
            icmp::NEIGHBOUR_ADVERTISEMENT if vip.is_ipv6() => {
                let target: [u8; 16] = data.get(4..20)?.try_into().ok()?;
                if IpAddr::from(target) != vip {
                    return None;
                }
                let mac = link_layer_address(data).unwrap_or(mac);
                let answers = to == ASKER && data.first()? & SOLICITED != 0;
                Some(if answers {
                    Seen::Answer { mac }
                } else if packet.destination.is_multicast() {
                    Seen::Announced { mac }
                } else {
                    return None;
                })
            }
            _ => None,
        },
        Body::Other {
            protocol: VRRP,
            data,
        } => Some(Seen::Advert {
            mac,
            from: packet.source,
            vrid: *data.get(1)?,
            priority: *data.get(2)?,
        }),
        _ => None,
    }
}

/// What an ARP message says about the address.
fn arp(frame: &[u8], to: [u8; 6], vip: IpAddr) -> Option<Seen> {
    let IpAddr::V4(vip) = vip else {
        return None;
    };
    if frame.get(14..20)? != ARP_HEAD || frame.get(28..32)? != vip.octets() {
        return None;
    }
    let reply = *frame.get(21)? == 2;
    let mac = frame.get(22..28)?.try_into().ok()?;
    let gratuitous = frame.get(38..42)? == vip.octets();
    match (reply, gratuitous) {
        (true, false) if to == ASKER => Some(Seen::Answer { mac }),
        (_, true) => Some(Seen::Announced { mac }),
        (false, false) => Some(Seen::Asks { mac }),
        (true, false) => None,
    }
}

/// Option 2 of a neighbour advertisement: target link-layer address.
fn link_layer_address(data: &[u8]) -> Option<[u8; 6]> {
    let option = data.get(20..28)?;
    (option.get(..2)? == [2, 1]).then(|| option.get(2..8)?.try_into().ok())?
}

fn since(began: SystemTime, at: SystemTime) -> Duration {
    at.duration_since(began).unwrap_or_default()
}

fn push(seen: &Mutex<Vec<Event>>, event: Event) {
    let mut seen = lock(seen);
    if seen.len() < MAX_EVENTS {
        seen.push(event);
    }
}

fn lock(seen: &Mutex<Vec<Event>>) -> MutexGuard<'_, Vec<Event>> {
    seen.lock().expect("no holder of the lock panics")
}
