//! DHCPv4 client, RFC 2131: a lease from a server, kept until it ends.
//!
//! Messages go in and out as UDP payloads; [`frame`] has the IP and UDP around them for a packet socket. The owner
//! hands in carrier changes ([`Dhcp4::link_down`], [`Dhcp4::link_up`]) and the result of conflict detection
//! ([`Dhcp4::decline`]), and puts [`Event::Bound`] leases into effect.
//!
//! Where RFC 2131 leaves a choice: the first usable offer is taken at once; a lease is never released unless
//! [`Dhcp4::release`] is called; the broadcast flag is not set; retransmission begins at 250 ms ([`timing`]).

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use dhcproto::v4::MessageType;

use super::Machine;
use crate::value::{Duration, Hostname, Instant, Mac, Rng, earliest};

pub mod frame;
mod lease;
mod options;
mod state;
#[cfg(test)]
mod tests;
mod timing;
mod wire;

pub use lease::{Lease, LeaseRoute, MAX_CLIENT_ID, MAX_DOMAINS, MAX_ROUTES, MAX_SERVERS};
use state::{Exchange, Offer, Return, State};
pub use wire::Counters;
use wire::{Kind, Reject, Reply, Request};

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
    events: VecDeque<Event>,
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
            events: VecDeque::new(),
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
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn sending_works(&mut self) {
        self.send_failures = 0;
        self.hold_until = None;
    }

    fn send_due(&self) -> Option<Instant> {
        let due = self.state.send_due()?;
        Some(due.max(self.hold_until.unwrap_or(due)))
    }

    /// What a reply means in the present state.
    fn judge(&self, reply: &mut Reply, now: Instant) -> Result<(State, Option<Event>), Reject> {
        match &self.state {
            State::Selecting {
                exchange,
                wanted,
                offer: None,
            } => {
                belongs_to(exchange, reply)?;
                match reply.kind {
                    Kind::Offer => {
                        if let Some(wait) = reply.ipv6_only(&self.config) {
                            return Ok(ipv6_only(wait, now));
                        }
                        reply.address()?;
                        let offer = Offer {
                            address: reply.your_ip,
                            server_id: reply.server_id,
                            received_at: now,
                        };
                        let (exchange, wanted) = (exchange.clone(), *wanted);
                        Ok((
                            State::Selecting {
                                exchange,
                                wanted,
                                offer: Some(offer),
                            },
                            None,
                        ))
                    }
                    // RFC 4039 §3.1: only with the option, and only when we offered it.
                    Kind::Ack if self.config.rapid_commit && reply.options.rapid_commit() => {
                        match reply.ipv6_only(&self.config) {
                            Some(wait) => Ok(ipv6_only(wait, now)),
                            None => self.bind(reply, exchange, None, now),
                        }
                    }
                    Kind::Ack | Kind::Nak => Err(Reject::Unexpected),
                }
            }
            State::Requesting { exchange, offer } => {
                belongs_to(exchange, reply)?;
                match reply.kind {
                    // A server that probes the address first offers seconds late, once per DISCOVER it got.
                    Kind::Offer => Err(Reject::Unexpected),
                    Kind::Ack | Kind::Nak if reply.server_id != offer.server_id => {
                        Err(Reject::ForeignServer)
                    }
                    Kind::Ack => self.bind(reply, exchange, None, now),
                    Kind::Nak => Ok((self.start_over(now), None)),
                }
            }
            State::Rebooting {
                exchange,
                lease,
                held,
            } => {
                belongs_to(exchange, reply)?;
                match reply.kind {
                    Kind::Offer => Err(Reject::Unexpected),
                    Kind::Ack => match reply.ipv6_only(&self.config) {
                        Some(wait) if !held => Ok(ipv6_only(wait, now)),
                        Some(_) | None => self.bind(reply, exchange, held.then_some(lease), now),
                    },
                    Kind::Nak => Ok((self.start_over(now), held.then_some(LOST_BY_NAK))),
                }
            }
            State::Renewing { exchange, lease } => {
                belongs_to(exchange, reply)?;
                match reply.kind {
                    Kind::Offer => Err(Reject::Unexpected),
                    // A partner of the server may answer for it; a no counts only from the server that was asked.
                    Kind::Ack => self.bind(reply, exchange, Some(lease), now),
                    Kind::Nak if reply.server_id != lease.server_id => Err(Reject::ForeignServer),
                    Kind::Nak => Ok((self.start_over(now), Some(LOST_BY_NAK))),
                }
            }
            State::Rebinding { exchange, lease } => {
                belongs_to(exchange, reply)?;
                match reply.kind {
                    Kind::Offer => Err(Reject::Unexpected),
                    Kind::Ack => self.bind(reply, exchange, Some(lease), now),
                    Kind::Nak => Ok((self.start_over(now), Some(LOST_BY_NAK))),
                }
            }
            State::Selecting { offer: Some(_), .. }
            | State::Init { .. }
            | State::InitReboot { .. }
            | State::Bound { .. }
            | State::Declining { .. }
            | State::Releasing { .. }
            | State::Ipv6Only { .. }
            | State::Down { .. }
            | State::Stopped => Err(Reject::Unexpected),
        }
    }

    fn bind(
        &self,
        reply: &mut Reply,
        exchange: &Exchange,
        held: Option<&Lease>,
        now: Instant,
    ) -> Result<(State, Option<Event>), Reject> {
        let lease = reply.lease(&self.config, exchange.last_sent)?;
        if lease.is_expired(now) {
            return Err(Reject::Unexpected);
        }
        let event = match held {
            Some(before) if before.same_facts(&lease) => Event::Renewed(lease.clone()),
            Some(_) | None => Event::Bound(lease.clone()),
        };
        Ok((State::Bound { lease }, Some(event)))
    }

    /// INIT after a NAK: at once the first time (RFC 2131 §4.4.1), later with growing pauses.
    fn start_over(&self, now: Instant) -> State {
        let pause = match self.naks {
            0 => Duration::ZERO,
            naks => timing::backoff(naks),
        };
        State::Init {
            send_at: now + pause,
            wanted: None,
        }
    }

    /// The message that is due, and the state once it has been sent.
    fn compose(&self, now: Instant, rng: &mut Rng) -> Option<(Transmit, State)> {
        Some(match &self.state {
            State::Init { wanted, .. } => {
                let exchange = Exchange::begin(now, rng);
                let wanted = *wanted;
                let transmit = self.discover(&exchange, wanted);
                (
                    transmit,
                    State::Selecting {
                        exchange,
                        wanted,
                        offer: None,
                    },
                )
            }
            State::Selecting {
                exchange,
                wanted,
                offer: None,
            } => {
                let mut exchange = exchange.again(now, rng);
                exchange.secs = exchange.elapsed_secs(now);
                let wanted = *wanted;
                let transmit = self.discover(&exchange, wanted);
                (
                    transmit,
                    State::Selecting {
                        exchange,
                        wanted,
                        offer: None,
                    },
                )
            }
            State::Selecting {
                exchange,
                offer: Some(offer),
                ..
            } => {
                let exchange = exchange.follow(now, rng);
                let transmit = self.request_offer(&exchange, offer);
                (
                    transmit,
                    State::Requesting {
                        exchange,
                        offer: offer.clone(),
                    },
                )
            }
            State::Requesting { exchange, offer } => {
                let exchange = exchange.again(now, rng);
                let transmit = self.request_offer(&exchange, offer);
                (
                    transmit,
                    State::Requesting {
                        exchange,
                        offer: offer.clone(),
                    },
                )
            }
            State::InitReboot { lease, held, .. } => {
                let exchange = Exchange::begin(now, rng);
                let transmit = self.request_again(&exchange, lease);
                (
                    transmit,
                    State::Rebooting {
                        exchange,
                        lease: lease.clone(),
                        held: *held,
                    },
                )
            }
            State::Rebooting {
                exchange,
                lease,
                held,
            } => {
                let mut exchange = exchange.again(now, rng);
                exchange.secs = exchange.elapsed_secs(now);
                let transmit = self.request_again(&exchange, lease);
                (
                    transmit,
                    State::Rebooting {
                        exchange,
                        lease: lease.clone(),
                        held: *held,
                    },
                )
            }
            State::Bound { lease } => {
                let exchange = Exchange::begin(now, rng);
                self.extend(exchange, lease.clone(), now)
            }
            State::Renewing { exchange, lease } | State::Rebinding { exchange, lease } => {
                let mut exchange = exchange.again(now, rng);
                exchange.secs = exchange.elapsed_secs(now);
                self.extend(exchange, lease.clone(), now)
            }
            State::Declining { lease, reason, .. } => {
                let request = Request {
                    requested_ip: Some(lease.ip()),
                    server_id: Some(lease.server_id),
                    message: Some(reason),
                    ..bare(MessageType::Decline, rng.next_u32())
                };
                let send_at = now + timing::DECLINE_WAIT;
                (
                    self.broadcast(&request),
                    State::Init {
                        send_at,
                        wanted: None,
                    },
                )
            }
            State::Releasing { lease, .. } => {
                let request = Request {
                    client_ip: Some(lease.ip()),
                    server_id: Some(lease.server_id),
                    ..bare(MessageType::Release, rng.next_u32())
                };
                (self.unicast(&request, lease), State::Stopped)
            }
            State::Ipv6Only { .. } | State::Down { .. } | State::Stopped => return None,
        })
    }

    fn discover(&self, exchange: &Exchange, wanted: Option<Ipv4Addr>) -> Transmit {
        self.broadcast(&Request {
            secs: exchange.secs,
            requested_ip: wanted,
            ..bare(MessageType::Discover, exchange.xid)
        })
    }

    fn request_offer(&self, exchange: &Exchange, offer: &Offer) -> Transmit {
        self.broadcast(&Request {
            secs: exchange.secs,
            requested_ip: Some(offer.address),
            server_id: Some(offer.server_id),
            ..bare(MessageType::Request, exchange.xid)
        })
    }

    /// RFC 2131 §4.3.2, INIT-REBOOT: the address as option 50, no server identifier, ciaddr 0.
    fn request_again(&self, exchange: &Exchange, lease: &Lease) -> Transmit {
        self.broadcast(&Request {
            secs: exchange.secs,
            requested_ip: Some(lease.ip()),
            ..bare(MessageType::Request, exchange.xid)
        })
    }

    /// RFC 2131 §4.3.2, RENEWING and REBINDING: the address as ciaddr and nothing else, to the server until T2 and
    /// to everyone after it.
    fn extend(&self, mut exchange: Exchange, lease: Lease, now: Instant) -> (Transmit, State) {
        let request = Request {
            secs: exchange.secs,
            client_ip: Some(lease.ip()),
            ..bare(MessageType::Request, exchange.xid)
        };
        // An infinite lease has no times and does not come here.
        let never = Instant::from_nanos(u64::MAX);
        let t1 = lease.renew_at.unwrap_or(never);
        let t2 = lease.rebind_at.unwrap_or(never);
        if now < t2 {
            exchange.send_at = timing::renewal_retry(now, t1, t2);
            (
                self.unicast(&request, &lease),
                State::Renewing { exchange, lease },
            )
        } else {
            let end = lease.expires_at.unwrap_or(never);
            exchange.send_at = timing::renewal_retry(now, t2, end);
            (
                self.broadcast(&request),
                State::Rebinding { exchange, lease },
            )
        }
    }

    fn broadcast(&self, request: &Request) -> Transmit {
        let payload = request.encode(&self.config);
        Transmit {
            to: Destination::Broadcast,
            payload,
        }
    }

    fn unicast(&self, request: &Request, lease: &Lease) -> Transmit {
        let payload = request.encode(&self.config);
        let to = Destination::Unicast {
            from: lease.ip(),
            server: lease.server_id,
        };
        Transmit { to, payload }
    }
}

const LOST_BY_NAK: Event = Event::Lost {
    reason: LostReason::Nak,
};

fn belongs_to(exchange: &Exchange, reply: &Reply) -> Result<(), Reject> {
    if reply.xid == exchange.xid {
        Ok(())
    } else {
        Err(Reject::ForeignExchange)
    }
}

fn ipv6_only(wait: Duration, now: Instant) -> (State, Option<Event>) {
    (
        State::Ipv6Only { until: now + wait },
        Some(Event::Ipv6Only { wait }),
    )
}

fn bare(kind: MessageType, xid: u32) -> Request {
    Request {
        kind,
        xid,
        secs: 0,
        client_ip: None,
        requested_ip: None,
        server_id: None,
        message: None,
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
