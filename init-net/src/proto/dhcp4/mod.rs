//! DHCPv4 client, RFC 2131: a lease from a server, kept until it ends.
//!
//! Messages go in and out as UDP payloads; [`frame`] has the IP and UDP around them for a packet socket. The owner
//! hands in carrier changes ([`Dhcp4::link_down`], [`Dhcp4::link_up`]) and the result of conflict detection
//! ([`Dhcp4::decline`]), and puts [`Event::Bound`] leases into effect.
//!
//! Where RFC 2131 leaves a choice: the first usable offer is taken at once; a lease is never released unless
//! [`Dhcp4::release`] is called; the broadcast flag is not set; retransmission begins at 250 ms
//! (`timing.rs`).

use core::net::Ipv4Addr;

use heapless::Deque;

use super::Machine;
use crate::value::{Duration, Hostname, Instant, Mac, Rng, earliest};

mod compose;
pub mod frame;
mod judge;
mod lease;
mod options;
mod state;
#[cfg(test)]
mod tests;
mod timing;
mod wire;

pub use lease::{Lease, LeaseRoute, MAX_CLIENT_ID, MAX_DOMAINS, MAX_ROUTES, MAX_SERVERS};
use state::{Return, State};
pub use wire::Counters;
use wire::{Kind, Reply};

/// Events kept for an owner that does not fetch them; the oldest go first. One input makes at most two.
const MAX_EVENTS: usize = 8;

/// What the client is and asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Hardware address: Ethernet, or 20 bytes of IP over InfiniBand.
    pub mac: Mac,
    /// Option 61, type byte included; `None` or empty: not sent. At most 255 bytes are.
    pub client_id: Option<Vec<u8>>,
    /// Option 12 to send. With it, the server's name for us is neither asked for nor taken.
    pub hostname: Option<Hostname>,
    /// Option 60; at most 255 bytes are sent.
    pub vendor_class: Option<String>,
    /// Ask for option 26. Azure's servers do not answer those who ask.
    pub request_mtu: bool,
    /// Ask for option 108: on a network that needs no IPv4, take none (RFC 8925).
    pub request_ipv6_only: bool,
    /// Offer to take a lease in two messages (RFC 4039).
    pub rapid_commit: bool,
}

impl Config {
    /// A client that identifies itself by its hardware address (type 1), asks for everything but option 108 and
    /// takes a rapid commit.
    pub fn new(mac: Mac) -> Self {
        let client_id = [&[1], mac.as_bytes()].concat();
        Self {
            mac,
            client_id: Some(client_id),
            hostname: None,
            vendor_class: None,
            request_mtu: true,
            request_ipv6_only: false,
            rapid_commit: true,
        }
    }
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// From 0.0.0.0 port 68 to 255.255.255.255 port 67, through a packet socket.
    Broadcast,
    /// Routed, from the leased address.
    Unicast {
        /// The leased address.
        from: Ipv4Addr,
        /// The server of the lease.
        server: Ipv4Addr,
    },
}

/// One DHCP message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: Destination,
    /// The UDP payload.
    pub payload: Vec<u8>,
}

impl Transmit {
    /// The message as an IPv4 packet, for a socket that takes packets.
    pub fn packet(&self) -> Vec<u8> {
        let (src, dst) = match self.to {
            Destination::Broadcast => (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST),
            Destination::Unicast { from, server } => (from, server),
        };
        frame::ip_udp(
            src,
            dst,
            frame::CLIENT_PORT,
            frame::SERVER_PORT,
            &self.payload,
        )
    }
}

/// Why an address is no longer ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostReason {
    /// The lease ended.
    Expired,
    /// A server said no.
    Nak,
    /// We said no: [`Dhcp4::decline`].
    Declined,
    /// We gave it back: [`Dhcp4::release`].
    Released,
}

/// What the owner has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new lease, or the same address with other facts: put it into effect in place of the one before.
    Bound(Lease),
    /// The lease before, with new times only.
    Renewed(Lease),
    /// The address may not be used any longer.
    Lost {
        /// Why.
        reason: LostReason,
    },
    /// The network asks to be used without IPv4.
    Ipv6Only {
        /// For how long, unless the carrier changes.
        wait: Duration,
    },
}

/// The client of one link.
#[derive(Clone, Debug)]
pub struct Dhcp4 {
    config: Config,
    state: State,
    events: Deque<Event, MAX_EVENTS>,
    counters: Counters,
    /// NAKs since the last lease: an offer that is always refused must not become a storm.
    naks: u32,
    /// Sends that failed in a row, and until when not to try again.
    send_failures: u32,
    hold_until: Option<Instant>,
}

impl Dhcp4 {
    /// INIT: the first DISCOVER is due at once.
    pub fn new(config: Config, now: Instant) -> Self {
        Self::begin(
            config,
            State::Init {
                send_at: now,
                wanted: None,
            },
        )
    }

    /// BOUND with the times of `lease`, without a packet; [`Event::Bound`] tells the lease. One that has ended, is
    /// invalid or belongs to another client identifier is only asked for again.
    pub fn resume(config: Config, lease: Lease, now: Instant) -> Self {
        match Self::admit(&config, lease, now) {
            Ok(lease) => {
                let event = Event::Bound(lease.clone());
                let mut machine = Self::begin(config, State::Bound { lease });
                machine.push(event);
                machine
            }
            Err(wanted) => Self::begin(
                config,
                State::Init {
                    send_at: now,
                    wanted,
                },
            ),
        }
    }

    /// INIT-REBOOT: asks whether `lease` is still right before using it. The same exceptions as [`Dhcp4::resume`].
    pub fn reboot(config: Config, lease: Lease, now: Instant) -> Self {
        let state = match Self::admit(&config, lease, now) {
            Ok(lease) => State::InitReboot {
                send_at: now,
                lease,
                held: false,
            },
            Err(wanted) => State::Init {
                send_at: now,
                wanted,
            },
        };
        Self::begin(config, state)
    }

    /// The lease when it can be used, else the address to ask for.
    fn admit(config: &Config, lease: Lease, now: Instant) -> Result<Lease, Option<Ipv4Addr>> {
        if lease.validate().is_err() || lease.acquired_at > now {
            return Err(None);
        }
        if lease.client_id.as_deref() != wire::client_id(config) || lease.is_expired(now) {
            return Err(Some(lease.ip()));
        }
        Ok(lease)
    }

    fn begin(config: Config, state: State) -> Self {
        Self {
            config,
            state,
            events: Deque::new(),
            counters: Counters::default(),
            naks: 0,
            send_failures: 0,
            hold_until: None,
        }
    }

    /// The name of the state, for people.
    pub fn state_name(&self) -> &'static str {
        self.state.name()
    }

    /// The lease whose address may be used at `now`.
    pub fn lease(&self, now: Instant) -> Option<&Lease> {
        self.state.held().filter(|lease| !lease.is_expired(now))
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

    /// The carrier is there: this may be another network. An address in use is confirmed while it stays in use,
    /// anything else starts over without waiting.
    pub fn link_up(&mut self, now: Instant) {
        self.expire(now);
        self.naks = 0;
        self.sending_works();
        self.state = match self.state.on_return() {
            Some(Return::Discover { wanted }) => State::Init {
                send_at: now,
                wanted,
            },
            Some(Return::Reboot { lease }) => State::InitReboot {
                send_at: now,
                lease,
                held: false,
            },
            Some(Return::Confirm { lease }) => State::InitReboot {
                send_at: now,
                lease,
                held: true,
            },
            None => State::Stopped,
        };
    }

    /// Another host has the leased address: tells the server why, and asks for another one ten seconds later.
    /// Without a lease this does nothing.
    pub fn decline(&mut self, reason: &'static str, now: Instant) {
        self.expire(now);
        if let Some(lease) = self.state.held().cloned() {
            self.state = State::Declining {
                send_at: now,
                lease,
                reason,
            };
            self.push(Event::Lost {
                reason: LostReason::Declined,
            });
        }
    }

    /// Gives the address back and stops for good.
    pub fn release(&mut self, now: Instant) {
        self.expire(now);
        self.state = match self.state.held().cloned() {
            Some(lease) => {
                self.push(Event::Lost {
                    reason: LostReason::Released,
                });
                State::Releasing {
                    send_at: now,
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

    fn sending_works(&mut self) {
        self.send_failures = 0;
        self.hold_until = None;
    }

    fn send_due(&self) -> Option<Instant> {
        let due = self.state.send_due()?;
        Some(due.max(self.hold_until.unwrap_or(due)))
    }
}

impl Machine for Dhcp4 {
    type Transmit = Transmit;
    type Event = Event;

    fn receive(&mut self, message: &[u8], now: Instant) {
        self.expire(now);
        let mut reply = match Reply::parse(message, &self.config) {
            Ok(reply) => reply,
            Err(reject) => return self.counters.count(reject),
        };
        let outcome = self.judge(&mut reply, now);
        self.counters.bad_option = self.counters.bad_option.saturating_add(reply.options.bad);
        let (state, event) = match outcome {
            Ok(outcome) => outcome,
            Err(reject) => return self.counters.count(reject),
        };
        match reply.kind {
            Kind::Ack => self.naks = 0,
            Kind::Nak => self.naks = self.naks.saturating_add(1),
            Kind::Offer => {}
        }
        self.state = state;
        if let Some(event) = event {
            self.push(event);
        }
    }

    fn expire(&mut self, now: Instant) {
        while self.state.end_due().is_some_and(|due| due <= now) {
            let (state, lost) = self.state.end(now);
            self.state = state;
            if lost {
                self.push(Event::Lost {
                    reason: LostReason::Expired,
                });
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
                self.sending_works();
                self.state = state;
                Ok(true)
            }
            Err(error) => {
                self.send_failures = self.send_failures.saturating_add(1);
                self.hold_until = Some(now + timing::backoff_jittered(self.send_failures, rng));
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
