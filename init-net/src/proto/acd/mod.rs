//! Address conflict detection and announcement for IPv4, RFC 5227.
//!
//! The address is used at once and probed meanwhile: a boot cannot pay the 5 to 9 seconds of the RFC's own numbers.
//! Three probes in 140 ms, a verdict after 200 ms, then two announcements, and from then on a watch that defends the
//! address. What a conflict means is the owner's decision: decline a lease, warn about a static address.
//!
//! Messages are ARP packets without a link header, as an AF_PACKET SOCK_DGRAM socket reads and writes them.

use core::net::Ipv4Addr;

use heapless::Deque;

use super::Machine;
use crate::value::{Duration, Instant, Mac, Rng};

mod packet;
#[cfg(test)]
mod tests;

pub use packet::{ARP_LEN, Arp, Operation, filter};

/// Pauses after each of the three probes; when nobody objects in the last one, the address is free: 200 ms in all.
///
/// DEVIATION: RFC 5227 §1.1 has a random second before the first probe and 1 to 2 s between them, so that hosts on
/// slow shared cables could answer and not all ask at once; a host on the link answers in under a millisecond today.
const PROBE_PAUSES: [Duration; 3] = [
    Duration::from_millis(60),
    Duration::from_millis(80),
    Duration::from_millis(60),
];
/// ANNOUNCE_NUM, RFC 5227 §1.1.
const ANNOUNCE_NUM: u8 = 2;
/// ANNOUNCE_INTERVAL, RFC 5227 §1.1.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
/// DEFEND_INTERVAL, RFC 5227 §1.1: not more than one defence in it, or two hosts that defend fight for ever.
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
/// Pause after a send that failed, doubled with each further one.
const SEND_RETRY: Duration = Duration::from_millis(50);
/// Longest such pause.
const SEND_RETRY_CAP: Duration = Duration::from_secs(3);
/// Events kept for an owner that does not fetch them; the oldest go first. One input makes at most one.
const MAX_EVENTS: usize = 4;

/// What the owner has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nobody answered the probes.
    Free,
    /// Another host uses the address, or is about to.
    Conflict {
        /// Its hardware address.
        mac: Mac,
        /// Found before [`Event::Free`]. Probing has ended then: [`Acd::claim`] goes on regardless.
        during_probe: bool,
    },
}

/// ```text
///                 3 probes, 200 ms              2 announcements
///  new ──► PROBING ────────────────► ANNOUNCING ───────────────► WATCHING ──┐ conflict: defend,
///             │ conflict                 ▲                          ▲       │ once in 10 s
///             ▼                          │                          └───────┘
///         CONFLICTED ────────────────────┘ claim()
/// ```
#[derive(Clone, Debug)]
enum State {
    /// `next_at`: the next probe, or after the third the verdict.
    Probing {
        sent: usize,
        next_at: Instant,
    },
    Conflicted,
    Announcing {
        sent: u8,
        send_at: Instant,
        defence: Defence,
    },
    Watching {
        defence: Defence,
    },
}

/// Against hosts that use the address after it was claimed.
#[derive(Clone, Copy, Debug, Default)]
struct Defence {
    /// A conflict was seen and the answer to it has not been sent.
    due: Option<Instant>,
    /// The last conflict that was answered.
    last: Option<Instant>,
}

/// Detection for one address on one link. Dropping it ends the watch.
#[derive(Clone, Debug)]
pub struct Acd {
    mac: [u8; 6],
    address: Ipv4Addr,
    state: State,
    events: Deque<Event, MAX_EVENTS>,
    /// Sends that failed in a row, and until when not to try again.
    send_failures: u32,
    hold_until: Option<Instant>,
}

impl Acd {
    /// Begins to probe at `now`. `None` when the link has no Ethernet address: ARP of other hardware is not spoken.
    pub fn new(mac: Mac, address: Ipv4Addr, now: Instant) -> Option<Self> {
        let probing = State::Probing {
            sent: 0,
            next_at: now,
        };
        Self::in_state(mac, address, probing)
    }

    /// Goes on with the watch over an address that an earlier stage found free and announced: nothing is sent until another
    /// host uses it. `None` as for [`Acd::new`].
    pub fn resume(mac: Mac, address: Ipv4Addr) -> Option<Self> {
        let defence = Defence::default();
        Self::in_state(mac, address, State::Watching { defence })
    }

    fn in_state(mac: Mac, address: Ipv4Addr, state: State) -> Option<Self> {
        Some(Self {
            mac: mac.as_ethernet()?,
            address,
            state,
            events: Deque::new(),
            send_failures: 0,
            hold_until: None,
        })
    }

    /// The address under test.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Announces and defends the address although another host has it: better for a static address than none.
    /// Without a conflict found during probing this does nothing.
    pub fn claim(&mut self, now: Instant) {
        if matches!(self.state, State::Conflicted) {
            self.state = announcing(now);
        }
    }

    fn push(&mut self, event: Event) {
        if let Err(event) = self.events.push_back(event) {
            self.events.pop_front();
            let _room_was_made = self.events.push_back(event);
        }
    }

    fn send_due(&self) -> Option<Instant> {
        let due = match &self.state {
            State::Probing { sent, next_at } => PROBE_PAUSES.get(*sent).map(|_| *next_at)?,
            State::Conflicted => return None,
            State::Announcing {
                send_at, defence, ..
            } => defence.due.map_or(*send_at, |due| due.min(*send_at)),
            State::Watching { defence } => defence.due?,
        };
        Some(due.max(self.hold_until.unwrap_or(due)))
    }

    fn verdict_due(&self) -> Option<Instant> {
        match &self.state {
            State::Probing { sent, next_at } => {
                PROBE_PAUSES.get(*sent).is_none().then_some(*next_at)
            }
            State::Conflicted | State::Announcing { .. } | State::Watching { .. } => None,
        }
    }

    /// The state after one more packet was sent at `now`.
    fn after_send(&self, now: Instant) -> State {
        match &self.state {
            State::Probing { sent, .. } => State::Probing {
                sent: sent + 1,
                next_at: now + PROBE_PAUSES.get(*sent).copied().unwrap_or_default(),
            },
            State::Conflicted => State::Conflicted,
            // A defence is the same packet as an announcement and counts as one.
            State::Announcing { sent, defence, .. } if sent + 1 < ANNOUNCE_NUM => {
                State::Announcing {
                    sent: sent + 1,
                    send_at: now + ANNOUNCE_INTERVAL,
                    defence: defence.done(),
                }
            }
            State::Announcing { defence, .. } | State::Watching { defence } => State::Watching {
                defence: defence.done(),
            },
        }
    }
}

impl Defence {
    /// What to do about a conflict at `now`; `None`: one was answered a short while ago.
    fn against_conflict(self, now: Instant) -> Option<Self> {
        let quiet = self.last.is_none_or(|last| last + DEFEND_INTERVAL <= now);
        quiet.then_some(Self {
            due: Some(now),
            last: Some(now),
        })
    }

    fn done(self) -> Self {
        Self { due: None, ..self }
    }
}

fn announcing(now: Instant) -> State {
    State::Announcing {
        sent: 0,
        send_at: now,
        defence: Defence::default(),
    }
}

impl Machine for Acd {
    /// An ARP packet for the link's broadcast address.
    type Transmit = [u8; ARP_LEN];
    type Event = Event;

    /// RFC 5227 §2.1.1 and §2.4. Packets from our own hardware address are our own, or those of another interface
    /// on the same address.
    fn receive(&mut self, message: &[u8], now: Instant) {
        // Not `expire` first: an answer that waited in the socket is an answer to the probes.
        let Some(arp) = Arp::parse(message) else {
            return;
        };
        if arp.sender_mac == self.mac {
            return;
        }
        let in_use = arp.sender_ip == self.address;
        let probed = arp.is_probe() && arp.target_ip == self.address;
        let (next, during_probe) = match &self.state {
            State::Probing { .. } if in_use || probed => (State::Conflicted, true),
            State::Announcing {
                sent,
                send_at,
                defence,
            } if in_use => {
                let Some(defence) = defence.against_conflict(now) else {
                    return;
                };
                let (sent, send_at) = (*sent, *send_at);
                (
                    State::Announcing {
                        sent,
                        send_at,
                        defence,
                    },
                    false,
                )
            }
            State::Watching { defence } if in_use => {
                let Some(defence) = defence.against_conflict(now) else {
                    return;
                };
                (State::Watching { defence }, false)
            }
            State::Probing { .. }
            | State::Conflicted
            | State::Announcing { .. }
            | State::Watching { .. } => return,
        };
        let Some(mac) = Mac::from_bytes(&arp.sender_mac) else {
            return;
        };
        self.state = next;
        self.push(Event::Conflict { mac, during_probe });
    }

    fn expire(&mut self, now: Instant) {
        if self.verdict_due().is_some_and(|due| due <= now) {
            self.state = announcing(now);
            self.push(Event::Free);
        }
    }

    fn transmit<E>(
        &mut self,
        now: Instant,
        _rng: &mut Rng,
        send: impl FnOnce([u8; ARP_LEN]) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.expire(now);
        if self.send_due().is_none_or(|due| due > now) {
            return Ok(false);
        }
        // RFC 5227 §2.1.1: a probe has no sender address, so that it cannot poison a cache. §2.3: an announcement
        // has the address in both places.
        let sender_ip = match &self.state {
            State::Probing { .. } => Ipv4Addr::UNSPECIFIED,
            State::Conflicted | State::Announcing { .. } | State::Watching { .. } => self.address,
        };
        let arp = Arp {
            operation: Operation::Request,
            sender_mac: self.mac,
            sender_ip,
            target_mac: [0; 6],
            target_ip: self.address,
        };
        match send(arp.encode()) {
            Ok(()) => {
                self.send_failures = 0;
                self.hold_until = None;
                self.state = self.after_send(now);
                Ok(true)
            }
            Err(error) => {
                let pause = SEND_RETRY.saturating_mul(1 << self.send_failures.min(8));
                self.send_failures = self.send_failures.saturating_add(1);
                self.hold_until = Some(now + pause.min(SEND_RETRY_CAP));
                Err(error)
            }
        }
    }

    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        crate::value::earliest([self.send_due(), self.verdict_due()])
    }
}
