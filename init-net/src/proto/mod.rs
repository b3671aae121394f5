//! Sans-IO protocol machines: packets and time in, packets and facts out. One folder each.
//!
//! The driving rule: give the machine one input ([`Machine::receive`] or [`Machine::expire`]), then drain
//! [`Machine::transmit`] until it answers `Ok(false)` and [`Machine::event`] until it answers `None`, then wait until
//! [`Machine::deadline`]. Spurious calls are harmless.
//!
//! [`icmp`] has no machine: it reads and writes messages.

pub mod acd;
pub mod announce;
pub mod assign;
mod checksum;
pub mod dhcp4;
pub mod dhcp6;
pub mod dns;
pub mod etcd;
pub mod http;
pub mod icmp;
mod ipv6;
pub mod ndisc;
pub mod neighbor;
pub mod tls;
pub mod vrrp;

use core::convert::Infallible;

use crate::value::{Instant, Mac, Rng};

/// Type of a frame, `ETH_P_*` of include/uapi/linux/if_ether.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtherType {
    /// IPv4.
    Ip = 0x0800,
    /// ARP.
    Arp = 0x0806,
    /// IPv6.
    Ipv6 = 0x86dd,
}

/// A packet for one hardware address of a link; the kernel makes the link header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the packet is.
    pub kind: EtherType,
    /// For whom.
    pub to: Mac,
    /// From its network header on.
    pub packet: Vec<u8>,
}

/// What every protocol machine has.
pub trait Machine {
    /// One thing to send, with where to.
    type Transmit;
    /// A fact for the owner.
    type Event;

    /// Takes one message that was addressed to this machine. Garbage is counted and otherwise ignored.
    fn receive(&mut self, message: &[u8], now: Instant);

    /// Acts on every timer that is due at `now`.
    fn expire(&mut self, now: Instant);

    /// Hands at most one message to `send`; the state moves only when `send` succeeds. `Ok(true)`: call again.
    fn transmit<E>(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        send: impl FnOnce(Self::Transmit) -> Result<(), E>,
    ) -> Result<bool, E>;

    /// Hands every message that is due to `send`, which cannot fail: an owner that queues them.
    fn transmit_all(&mut self, now: Instant, rng: &mut Rng, mut send: impl FnMut(Self::Transmit)) {
        while let Ok(true) = self.transmit(now, rng, |message| {
            send(message);
            Ok::<(), Infallible>(())
        }) {}
    }

    /// The next fact, oldest first.
    fn event(&mut self) -> Option<Self::Event>;

    /// When [`Machine::expire`] or [`Machine::transmit`] has something to do next; `None`: nothing until input.
    fn deadline(&self) -> Option<Instant>;
}

/// A service that is asked one thing after another over HTTP. The owner makes each [`Dialogue::request`] once, as it is, and
/// gives back what came of it; then drains [`Dialogue::event`] and asks for the next.
pub trait Dialogue {
    /// A fact for the owner.
    type Event;

    /// What to ask now; `None`: nothing, or the last request has not been answered yet.
    fn request(&mut self, now: Instant) -> Option<http::Request>;

    /// Whether the last request is to be waited for no longer, as there is something else to ask: the owner ends it, and gives
    /// nothing back.
    fn abandons(&mut self, _now: Instant) -> bool {
        false
    }

    /// What came of the last request: any status is an answer.
    fn answer(&mut self, answer: Result<http::Response, http::FetchError>, now: Instant);

    /// The next fact, oldest first.
    fn event(&mut self) -> Option<Self::Event>;

    /// When [`Dialogue::request`] has something to ask although nothing happened; `None`: not before something does.
    fn deadline(&self) -> Option<Instant>;
}
