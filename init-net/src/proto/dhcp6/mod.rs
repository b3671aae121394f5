//! DHCPv6 client, RFC 8415: addresses and prefixes from a server, or only what it tells, kept until it ends.
//!
//! Messages go in and out as UDP payloads. All go to [`SERVERS`] port [`SERVER_PORT`], from port [`CLIENT_PORT`] of a
//! link-local address that has passed duplicate address detection, out of the link. The owner hands in carrier changes
//! ([`Dhcp6::link_down`], [`Dhcp6::link_up`]) and the result of duplicate address detection ([`Dhcp6::decline`]), and
//! puts [`Event::Bound`] leases into effect.
//!
//! Where RFC 8415 leaves a choice, or we depart from it:
//! - The first message is sent at once, not after a random second (§18.2.1, §18.2.6): links of one machine come up at
//!   their own times, and a boot waits for this.
//! - Offers are collected for the first retransmission time, about a second, unless one has preference 255
//!   (§18.2.1); one that has all that was asked for comes before one that has not, then the higher preference counts,
//!   then who was first. After that second the first usable offer is taken at once.
//! - A REQUEST is repeated for half a minute, not for three; a CONFIRM for a minute, not for ten seconds
//!   (`timing.rs`).
//! - A valid lifetime below 10 seconds is not believed, T1 is at least 5.
//! - The Server Unicast option is not followed: what goes to all servers reaches the one that is meant.
//! - A lease is never released unless [`Dhcp6::release`] is called.
//! - Reconfigure is ignored: without authentication it is how a stranger resets a client.

use core::net::Ipv6Addr;

use heapless::Deque;

use super::Machine;
use crate::value::{Duration, Hostname, Instant, Mac, Prefix, Rng, earliest};

mod compose;
mod exchange;
mod grant;
mod identity;
mod judge;
mod lease;
mod options;
mod state;
#[cfg(test)]
mod tests;
mod timing;
mod wire;

use exchange::Exchange;

pub use identity::{MAX_DUID, duid_ll, duid_uuid, iaid, iaid_above};
pub use lease::{
    DelegatedPrefix, Facts, Information, Lease, LeasedAddress, MAX_DOMAINS, MAX_LEASED, MAX_SERVERS,
};
use options::Options;
use state::{Return, State};
pub use wire::Counters;
use wire::{Reject, Reply};

/// All servers and relay agents of a link (RFC 8415 §7.1): where every message goes.
pub const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// UDP port of servers and relay agents (RFC 8415 §7.2).
pub const SERVER_PORT: u16 = 547;
/// UDP port of clients (RFC 8415 §7.2).
pub const CLIENT_PORT: u16 = 546;
/// Largest message taken, bytes: what an Ethernet frame carries after IPv6 and UDP headers.
pub const MAX_MESSAGE: usize = 1500 - 40 - 8;

/// Events kept for an owner that does not fetch them; the oldest go first. One input makes at most two.
const MAX_EVENTS: usize = 8;

/// What to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No lease, only what the server tells: the O flag of a router advertisement.
    Stateless,
    /// Addresses (IA_NA): the M flag.
    Addresses,
    /// A prefix to hand on (IA_PD).
    Prefixes {
        /// The one wanted: `::/56` asks for a length, `::/0` for any.
        hint: Prefix,
    },
    /// Both in one exchange.
    AddressesAndPrefixes {
        /// As above.
        hint: Prefix,
    },
}

impl Mode {
    pub(super) fn wants_addresses(self) -> bool {
        matches!(self, Self::Addresses | Self::AddressesAndPrefixes { .. })
    }

    pub(super) fn prefix_hint(self) -> Option<Prefix> {
        match self {
            Self::Prefixes { hint } | Self::AddressesAndPrefixes { hint } => Some(hint),
            Self::Stateless | Self::Addresses => None,
        }
    }
}

/// What the client is and asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who we are to servers; at most [`MAX_DUID`] bytes are sent.
    pub duid: Vec<u8>,
    /// Tells the links of one DUID apart.
    pub iaid: u32,
    /// What to ask for.
    pub mode: Mode,
    /// Offer to take a lease in two messages.
    pub rapid_commit: bool,
    /// The name to send (RFC 4704); the server is asked to put it into the DNS. With it, the server's name for us is
    /// neither asked for nor taken.
    pub hostname: Option<Hostname>,
    /// Without a name to send, ask the server for one.
    pub request_hostname: bool,
}

impl Config {
    /// A client that identifies itself by its hardware address, asks for addresses and a name, and takes a rapid
    /// commit.
    pub fn new(mac: Mac) -> Self {
        Self {
            duid: duid_ll(mac),
            iaid: iaid(mac),
            mode: Mode::Addresses,
            rapid_commit: true,
            hostname: None,
            request_hostname: true,
        }
    }
}

/// One message to send to [`SERVERS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The UDP payload.
    pub payload: Vec<u8>,
}

/// Why a lease is no longer ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostReason {
    /// All of it ended.
    Expired,
    /// A server said that the addresses do not belong to this link.
    NotOnLink,
    /// The server does not know the lease any more, or took it back, and grants no other.
    Refused,
    /// We said no to all of it: [`Dhcp6::decline`].
    Declined,
    /// We gave it back: [`Dhcp6::release`].
    Released,
}

/// What the owner has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new lease, or the one before with other addresses, prefixes or facts: put it into effect in place of the one
    /// before. An address or prefix that is not in it may not be used any longer.
    Bound(Lease),
    /// The lease before, with new times only.
    Renewed(Lease),
    /// Nothing of the lease may be used any longer.
    Lost {
        /// Why.
        reason: LostReason,
    },
    /// What the server told ([`Mode::Stateless`]), in place of what it told before.
    Information(Information),
}

/// The client of one link.
#[derive(Clone, Debug)]
pub struct Dhcp6 {
    config: Config,
    state: State,
    events: Deque<Event, MAX_EVENTS>,
    counters: Counters,
    /// SOL_MAX_RT and INF_MAX_RT, which servers may change (RFC 8415 §18.2.1, §18.2.6).
    solicit_cap: Duration,
    information_cap: Duration,
    /// How often everyone had to be asked again since a lease last held: a lease that is always refused must not become
    /// a storm.
    refusals: u32,
    /// After a send that failed: the wait, and until when not to try again.
    hold: Option<(Duration, Instant)>,
}

impl Dhcp6 {
    /// The first SOLICIT or INFORMATION-REQUEST is due at once.
    pub fn new(config: Config, now: Instant) -> Self {
        let state = match config.mode {
            Mode::Stateless => State::Asking {
                exchange: Exchange::due(now),
                known: None,
            },
            Mode::Addresses | Mode::Prefixes { .. } | Mode::AddressesAndPrefixes { .. } => {
                State::soliciting(now)
            }
        };
        Self::begin(config, state)
    }

    /// BOUND with the times of `lease`, without a packet; [`Event::Bound`] tells the lease. One that has ended, is
    /// invalid, belongs to another DUID or IAID, or has nothing of what is asked for, is not used. After a time in which
    /// the link could have moved, call [`Dhcp6::link_up`] as well: the lease is confirmed while it stays in use.
    pub fn resume(config: Config, lease: Lease, now: Instant) -> Self {
        let Some(lease) = Self::admit(&config, lease, now) else {
            return Self::new(config, now);
        };
        let event = Event::Bound(lease.clone());
        // With another mode than before, what is missing is asked for now and not at T1.
        let missing = config.mode.wants_addresses() && lease.addresses.is_empty()
            || config.mode.prefix_hint().is_some() && lease.prefixes.is_empty();
        let state = if missing {
            State::Renewing {
                exchange: Exchange::due(now),
                lease,
            }
        } else {
            State::Bound { lease }
        };
        let mut machine = Self::begin(config, state);
        machine.push(event);
        machine
    }

    /// As [`Dhcp6::resume`] for [`Mode::Stateless`]: `information` is told by an event, and asked for again when its
    /// time has come.
    pub fn resume_information(config: Config, information: Information, now: Instant) -> Self {
        let usable = information.validate().is_ok() && information.acquired_at <= now;
        if config.mode != Mode::Stateless || !usable {
            return Self::new(config, now);
        }
        let event = Event::Information(information.clone());
        let mut machine = Self::begin(config, State::Informed { information });
        machine.push(event);
        machine
    }

    /// The part of the lease that can be used.
    fn admit(config: &Config, mut lease: Lease, now: Instant) -> Option<Lease> {
        let ours = lease.duid == wire::duid(config) && lease.iaid == config.iaid;
        if lease.validate().is_err() || lease.acquired_at > now || !ours {
            return None;
        }
        if !config.mode.wants_addresses() {
            lease.addresses.clear();
        }
        if config.mode.prefix_hint().is_none() {
            lease.prefixes.clear();
        }
        lease.prune(now);
        Some(lease).filter(|lease| !lease.is_empty())
    }

    fn begin(config: Config, state: State) -> Self {
        Self {
            config,
            state,
            events: Deque::new(),
            counters: Counters::default(),
            solicit_cap: timing::SOLICIT.cap,
            information_cap: timing::INFORMATION.cap,
            refusals: 0,
            hold: None,
        }
    }

    /// The name of the state, for people.
    pub fn state_name(&self) -> &'static str {
        self.state.name()
    }

    /// The lease that may be used at `now`.
    pub fn lease(&self, now: Instant) -> Option<&Lease> {
        self.state.held().filter(|lease| !lease.is_expired(now))
    }

    /// What the server told last, in [`Mode::Stateless`].
    pub fn information(&self) -> Option<&Information> {
        self.state.known()
    }

    /// Messages and options that were not taken.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The carrier is gone. Nothing is sent until it is back; a lease stays until it ends.
    pub fn link_down(&mut self, now: Instant) {
        self.expire(now);
        self.state = match self.state.on_return() {
            Some(on_return) => State::Down { on_return },
            None => State::Stopped,
        };
    }

    /// The carrier is there: this may be another network. A lease in use is confirmed while it stays in use (CONFIRM,
    /// or REBIND where it has prefixes: RFC 8415 §18.2.12), anything else starts over without waiting.
    pub fn link_up(&mut self, now: Instant) {
        self.expire(now);
        self.refusals = 0;
        self.hold = None;
        let exchange = Exchange::due(now);
        self.state = match self.state.on_return() {
            Some(Return::Solicit) => State::soliciting(now),
            Some(Return::Confirm { lease }) => State::Confirming { exchange, lease },
            Some(Return::Ask { known }) => State::Asking { exchange, known },
            None => State::Stopped,
        };
    }

    /// Other hosts have these leased addresses: tells the server, and goes on with the rest of the lease or asks for
    /// another. Addresses that are not leased are ignored.
    pub fn decline(&mut self, addresses: &[Ipv6Addr], now: Instant) {
        self.expire(now);
        let Some(lease) = self.state.held() else {
            return;
        };
        let mut rest = lease.clone();
        rest.addresses
            .retain(|leased| !addresses.contains(&leased.address));
        let mut declined = lease.clone();
        declined.prefixes.clear();
        declined
            .addresses
            .retain(|leased| addresses.contains(&leased.address));
        if declined.is_empty() {
            return;
        }
        let rest = Some(rest).filter(|rest| !rest.is_empty());
        self.push(match &rest {
            Some(rest) => Event::Bound(rest.clone()),
            None => Event::Lost {
                reason: LostReason::Declined,
            },
        });
        if let State::Declining { declined: also, .. } = &self.state {
            declined.addresses.extend(&also.addresses);
        }
        self.state = match (&self.state, rest) {
            // Without a carrier the server cannot be told; it learns of it when it probes.
            (State::Down { .. }, Some(lease)) => State::Down {
                on_return: Return::Confirm { lease },
            },
            (State::Down { .. }, None) => State::Down {
                on_return: Return::Solicit,
            },
            (_, rest) => State::Declining {
                exchange: Exchange::due(now),
                declined: Box::new(declined),
                rest,
            },
        };
    }

    /// Gives everything back and stops for good.
    pub fn release(&mut self, now: Instant) {
        self.expire(now);
        self.state = match self.state.held().cloned() {
            Some(lease) => {
                self.push(Event::Lost {
                    reason: LostReason::Released,
                });
                State::Releasing {
                    exchange: Exchange::due(now),
                    lease,
                }
            }
            None => State::Stopped,
        };
    }

    fn push(&mut self, event: Event) {
        if let Err(event) = self.events.push_back(event) {
            self.events.pop_front();
            let _room_was_made = self.events.push_back(event);
        }
    }

    fn send_due(&self) -> Option<Instant> {
        let due = self.state.send_due()?;
        Some(self.hold.map_or(due, |(_, until)| due.max(until)))
    }

    /// Options 82 and 83, which count even where the rest of the message does not (RFC 8415 §18.2.9).
    fn adopt_caps(&mut self, options: &mut Options<'_>) {
        let mut cap = |code| {
            let secs = options.number(code)?;
            let in_range = timing::MAX_RT_RANGE.contains(&secs);
            in_range.then(|| Duration::from_secs(u64::from(secs)))
        };
        self.solicit_cap = cap(options::code::SOL_MAX_RT).unwrap_or(self.solicit_cap);
        self.information_cap = cap(options::code::INF_MAX_RT).unwrap_or(self.information_cap);
    }
}

impl Machine for Dhcp6 {
    type Transmit = Transmit;
    type Event = Event;

    fn receive(&mut self, message: &[u8], now: Instant) {
        self.expire(now);
        let mut reply = match Reply::parse(message, &self.config) {
            Ok(reply) => reply,
            Err(reject) => return self.counters.count(reject),
        };
        let outcome = self.judge(&mut reply, now);
        if matches!(outcome, Ok(_) | Err(Reject::Refused)) {
            self.adopt_caps(&mut reply.options);
        }
        self.counters.bad_option = self.counters.bad_option.saturating_add(reply.options.bad);
        let (state, event) = match outcome {
            Ok(outcome) => outcome,
            Err(reject) => return self.counters.count(reject),
        };
        let asks_again = matches!(self.state, State::Declining { .. })
            || matches!(
                state,
                State::Soliciting {
                    exchange: Exchange::Due { .. },
                    ..
                }
            );
        if asks_again {
            self.refusals = self.refusals.saturating_add(1);
        } else if matches!(event, Some(Event::Renewed(_))) {
            self.refusals = 0;
        }
        self.state = state;
        if let Some(event) = event {
            self.push(event);
        }
    }

    fn expire(&mut self, now: Instant) {
        while self.state.end_due().is_some_and(|due| due <= now) {
            let state = core::mem::replace(&mut self.state, State::Stopped);
            let (state, event) = state.end(now);
            self.state = state;
            if let Some(event) = event {
                self.push(event);
            }
        }
    }

    fn transmit<E>(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        send: impl FnOnce(Transmit) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.expire(now);
        if self.send_due().is_none_or(|due| due > now) {
            return Ok(false);
        }
        let Some((transmit, state)) = self.compose(now, rng) else {
            return Ok(false);
        };
        match send(transmit) {
            Ok(()) => {
                self.hold = None;
                self.state = state;
                Ok(true)
            }
            Err(error) => {
                let wait = match self.hold {
                    None => timing::SEND_FAILED.first_wait(rng),
                    Some((wait, _)) => timing::SEND_FAILED.next_wait(wait, rng),
                };
                self.hold = Some((wait, now + wait));
                Err(error)
            }
        }
    }

    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        earliest([self.send_due(), self.state.end_due()])
    }
}
