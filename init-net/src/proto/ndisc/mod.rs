//! Router discovery, the host's side of RFC 4861: which routers are on a link and what they say.
//!
//! Addresses of their prefixes (SLAAC), default routes and the MTU are the kernel's, which hears the same advertisements
//! (`accept_ra`). What it does not do is done with these facts: name servers and search domains (RFC 8106), routes to more
//! than everywhere (RFC 4191), and the flags that ask for DHCPv6.
//!
//! Messages are IPv6 packets, as an AF_PACKET SOCK_DGRAM socket reads and writes them. Where the RFCs leave a choice:
//!
//! - DEVIATION: the first solicitation goes out at once; RFC 4861 §6.3.7 has up to a second of chance before it, for links
//!   that wake up together. A boot does not pay for that.
//! - Repeated as RFC 7559 has it: after 4 s, doubling up to an hour, with chance, until a default router is known.
//! - From the unspecified address until a link-local one can be used.

use core::net::Ipv6Addr;

use heapless::Deque;

use super::Machine;
use crate::value::{Duration, Instant, Rng, earliest};

mod advertisement;
mod packet;
mod router;
#[cfg(test)]
pub(crate) mod tests;

use advertisement::Advertisement;
pub use packet::{ALL_ROUTERS_MAC, FILTER, MAX_PACKET, Reject, checksum_is_right};
pub use router::{
    AdvertisedPrefix, AdvertisedRoute, MAX_DOMAINS, MAX_PREFIXES, MAX_ROUTERS, MAX_ROUTES,
    MAX_SERVERS, Router, Timed,
};

/// Wait after the first solicitation: RTR_SOLICITATION_INTERVAL, RFC 4861 §10. A router answers within half a second, or
/// within 3 s when it has just told everybody.
const FIRST_WAIT: Duration = Duration::from_secs(4);
/// Longest wait: MAX_RTR_SOLICITATION_INTERVAL, RFC 7559 §2.
const MAX_WAIT: Duration = Duration::from_secs(3600);
/// Chance moves each wait by up to one part in so many either way: RAND of RFC 8415 §15.
const JITTER: u32 = 10;
/// Pause after a send that failed.
const SEND_RETRY: Duration = Duration::from_secs(1);
/// Events kept for an owner that does not fetch them; the oldest go first. One input makes at most one a router and two
/// more, when one takes the place of another.
const MAX_EVENTS: usize = MAX_ROUTERS + 2;

/// What the owner has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A router that was not known has spoken.
    Found(Ipv6Addr),
    /// A router says something else than before, or something of it has ended.
    Changed(Ipv6Addr),
    /// A router said the same again: only times are new.
    Refreshed(Ipv6Addr),
    /// Everything that a router said has ended.
    Gone(Ipv6Addr),
    /// Nobody has answered the first solicitation in its time.
    Silent,
}

/// Messages and options that were not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that are no valid advertisement.
    pub rejected: u32,
    /// Options, or parts of them, that make no sense.
    pub bad_options: u32,
    /// Advertisements of routers beyond [`MAX_ROUTERS`].
    pub no_room: u32,
}

/// ```text
///                        a default router
///  new, link_up() ──► SOLICITING ──────────────► LISTENING
///                        ▲  ▲      the last one ended │
///                        │  └─────────────────────────┘
///              link_up() │ link_down(), from both
///                       DOWN
/// ```
#[derive(Clone, Copy, Debug)]
enum State {
    /// `wait`: the one before `send_at`; zero before the first solicitation.
    Soliciting {
        sent: u32,
        send_at: Instant,
        wait: Duration,
    },
    Listening,
    Down,
}

/// Router discovery on one Ethernet link.
#[derive(Clone, Debug)]
pub struct Ndisc {
    mac: [u8; 6],
    /// Where solicitations come from.
    source: Ipv6Addr,
    state: State,
    /// At most [`MAX_ROUTERS`], in the order found.
    routers: Vec<Router>,
    events: Deque<Event, MAX_EVENTS>,
    counters: Counters,
}

impl Ndisc {
    /// A link with carrier and the hardware address `mac`: the first solicitation is due at once.
    pub fn new(mac: [u8; 6], now: Instant) -> Self {
        Self {
            mac,
            source: Ipv6Addr::UNSPECIFIED,
            state: soliciting(now),
            routers: Vec::new(),
            events: Deque::new(),
            counters: Counters::default(),
        }
    }

    /// Goes on with `routers` of the stage before. Those that are impossible or have ended are left out; with a default
    /// router among the rest nothing is sent.
    pub fn resume(mac: [u8; 6], routers: Vec<Router>, now: Instant) -> Self {
        let mut this = Self::new(mac, now);
        for mut router in routers.into_iter().take(MAX_ROUTERS) {
            let known = this.routers.iter().any(|old| old.address == router.address);
            if router.validate().is_ok() && !known {
                router.forget(now);
                if router.says_something() {
                    this.routers.push(router);
                }
            }
        }
        if this.has_default_router() {
            this.state = State::Listening;
        }
        this
    }

    /// What the routers say, in the order in which they were found.
    pub fn routers(&self) -> &[Router] {
        &self.routers
    }

    /// Messages and options that were not taken.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The name of the state, for people.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Soliciting { .. } => "SOLICITING",
            State::Listening => "LISTENING",
            State::Down => "DOWN",
        }
    }

    /// Solicits from `source` from now on: a link-local address that may be used, or unspecified.
    pub fn set_source(&mut self, source: Ipv6Addr) {
        self.source = source;
    }

    /// The carrier is gone. Nothing is sent until it is back; what the routers said stays until it ends, as the kernel
    /// keeps its part of it.
    pub fn link_down(&mut self, now: Instant) {
        self.expire(now);
        self.state = State::Down;
    }

    /// The carrier is there: this may be another network, so that routers are looked for at once.
    pub fn link_up(&mut self, now: Instant) {
        self.expire(now);
        self.state = soliciting(now);
    }

    fn has_default_router(&self) -> bool {
        self.routers
            .iter()
            .any(|router| router.default_until.is_some())
    }

    fn hear(&mut self, source: Ipv6Addr, said: Advertisement, now: Instant) {
        self.counters.bad_options = self.counters.bad_options.saturating_add(said.bad);
        let full = self.routers.len() >= MAX_ROUTERS;
        match self.routers.iter_mut().find(|old| old.address == source) {
            Some(router) => {
                let changed = router.hear(said, now);
                if changed && !router.says_something() {
                    self.routers.retain(|router| router.address != source);
                    self.push(Event::Gone(source));
                } else if changed {
                    self.push(Event::Changed(source));
                } else {
                    self.push(Event::Refreshed(source));
                }
            }
            None => {
                let mut router = Router::new(source);
                router.hear(said, now);
                if full && !self.make_room(&router) {
                    self.counters.no_room = self.counters.no_room.saturating_add(1);
                } else if router.says_something() {
                    self.routers.push(router);
                    self.push(Event::Found(source));
                }
            }
        }
        self.settle(now);
    }

    /// A default router takes the place of the one that was found first and is none, or not any more: prefixes without end
    /// would keep that one for ever. Answers whether there was one.
    fn make_room(&mut self, new: &Router) -> bool {
        let is_default = |router: &Router| router.default_until.is_some();
        let mut routers = self.routers.iter();
        match routers.position(|old| is_default(new) && !is_default(old)) {
            Some(at) => {
                let old = self.routers.remove(at);
                self.push(Event::Gone(old.address));
                true
            }
            None => false,
        }
    }

    /// RFC 7559 §2: solicitations stop with a default router, and begin again without one.
    fn settle(&mut self, now: Instant) {
        self.state = match (self.state, self.has_default_router()) {
            (State::Down, _) => State::Down,
            (State::Soliciting { .. } | State::Listening, true) => State::Listening,
            (state @ State::Soliciting { .. }, false) => state,
            (State::Listening, false) => soliciting(now),
        };
    }

    fn push(&mut self, event: Event) {
        if let Err(event) = self.events.push_back(event) {
            self.events.pop_front();
            let _room_was_made = self.events.push_back(event);
        }
    }

    fn send_due(&self) -> Option<Instant> {
        match self.state {
            State::Soliciting { send_at, .. } => Some(send_at),
            State::Listening | State::Down => None,
        }
    }
}

fn soliciting(now: Instant) -> State {
    State::Soliciting {
        sent: 0,
        send_at: now,
        wait: Duration::ZERO,
    }
}

/// RFC 8415 §15: doubled, and moved by chance.
fn next_wait(last: Duration, rng: &mut Rng) -> Duration {
    let wait = match last.is_zero() {
        true => FIRST_WAIT,
        false => (last * 2).min(MAX_WAIT),
    };
    let jitter = wait / JITTER;
    let spread = u64::try_from(2 * jitter.as_nanos()).unwrap_or(0);
    wait - jitter + Duration::from_nanos(rng.below(spread + 1))
}

impl Machine for Ndisc {
    /// An IPv6 packet for [`ALL_ROUTERS_MAC`].
    type Transmit = Vec<u8>;
    type Event = Event;

    fn receive(&mut self, message: &[u8], now: Instant) {
        self.expire(now);
        match Advertisement::parse(message) {
            Ok((source, said)) => self.hear(source, said, now),
            Err(_) => self.counters.rejected = self.counters.rejected.saturating_add(1),
        }
    }

    fn expire(&mut self, now: Instant) {
        let ended = |router: &Router| router.deadline().is_some_and(|end| end <= now);
        if !self.routers.iter().any(ended) {
            return;
        }
        let mut events: Deque<Event, MAX_ROUTERS> = Deque::new();
        self.routers.retain_mut(|router| {
            let changed = router.forget(now);
            let stays = router.says_something();
            let event = match stays {
                true => Event::Changed(router.address),
                false => Event::Gone(router.address),
            };
            if changed {
                let _one_a_router = events.push_back(event);
            }
            stays
        });
        while let Some(event) = events.pop_front() {
            self.push(event);
        }
        self.settle(now);
    }

    fn transmit<E>(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        send: impl FnOnce(Vec<u8>) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.expire(now);
        let State::Soliciting {
            sent,
            send_at,
            wait,
        } = self.state
        else {
            return Ok(false);
        };
        if send_at > now {
            return Ok(false);
        }
        let result = send(packet::solicitation(self.source, self.mac));
        self.state = match result {
            Ok(()) => {
                let wait = next_wait(wait, rng);
                State::Soliciting {
                    sent: sent.saturating_add(1),
                    send_at: now + wait,
                    wait,
                }
            }
            Err(_) => State::Soliciting {
                sent,
                send_at: now + SEND_RETRY,
                wait,
            },
        };
        if result.is_ok() && sent == 1 {
            self.push(Event::Silent);
        }
        result.map(|()| true)
    }

    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let ends = self.routers.iter().map(Router::deadline);
        earliest(ends.chain([self.send_due()]))
    }
}
