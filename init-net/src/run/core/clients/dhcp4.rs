//! The DHCPv4 client of a link.

use core::net::Ipv4Addr;

use super::pool::{Client, Turn};
use super::seat::{Place, Seat};
use crate::compile::lease;
use crate::config::platform::LeaseFacts;
use crate::config::{Diagnostic, Document};
use crate::proto::Machine;
use crate::proto::dhcp4::{self, Config, Destination, Dhcp4, Lease};
use crate::run::core::Effect;
use crate::state::{OperatorKind, OperatorSpec};
use crate::value::{Instant, Mac, Rng};

/// The machine and its lease.
pub(super) struct Dhcp4Client {
    machine: Dhcp4,
    lease: Option<Lease>,
    /// It has, or had, a lease.
    answered: bool,
}

impl Dhcp4Client {
    /// Declines the lease of `address`, if there is one (RFC 2131 §3.1.5). Answers whether there was.
    pub(super) fn decline(&mut self, address: Ipv4Addr, now: Instant) -> bool {
        let leased = self
            .lease
            .as_ref()
            .is_some_and(|lease| lease.ip() == address);
        if leased {
            self.machine.decline("address in use", now);
        }
        leased
    }

    /// Drains the machine's events. Answers whether the lease changed.
    fn drain(&mut self, seat: &Seat, effects: &mut Vec<Effect>) -> bool {
        let mut changed = false;
        let mut log = |level, text: String| seat.log(level, &text, effects);
        while let Some(event) = self.machine.event() {
            self.answered = true;
            let held = match &event {
                dhcp4::Event::Bound(lease) | dhcp4::Event::Renewed(lease) => {
                    self.lease.as_ref() == Some(lease)
                }
                dhcp4::Event::Lost { .. } | dhcp4::Event::Ipv6Only { .. } => false,
            };
            // A resumed lease is told once more.
            if held {
                continue;
            }
            changed = true;
            match event {
                dhcp4::Event::Bound(lease) => {
                    log(
                        log::Level::Info,
                        format!(
                            "{} from {} for {}",
                            lease.address,
                            lease.server_id,
                            length(&lease)
                        ),
                    );
                    self.lease = Some(lease);
                }
                dhcp4::Event::Renewed(lease) => {
                    log(
                        log::Level::Info,
                        format!("{} renewed for {}", lease.address, length(&lease)),
                    );
                    self.lease = Some(lease);
                }
                dhcp4::Event::Lost { reason } => {
                    log(log::Level::Warn, format!("lease lost: {reason:?}"));
                    self.lease = None;
                }
                dhcp4::Event::Ipv6Only { wait } => {
                    log(
                        log::Level::Info,
                        format!(
                            "the network is IPv6-only (option 108), no IPv4 for {} s",
                            wait.as_secs()
                        ),
                    );
                }
            }
        }
        if changed {
            // Renewed or lost: the socket that renewed the old lease is of no use any more.
            effects.push(Effect::CloseRenew {
                index: seat.link.index,
            });
        }
        changed
    }
}

impl Client for Dhcp4Client {
    type Holding = Lease;

    const KIND: OperatorKind = OperatorKind::Dhcp4;

    fn wanted(_spec: &OperatorSpec, _place: &Place<'_>, _held: Option<&Lease>) -> bool {
        true
    }

    fn can_send(place: &Place<'_>) -> bool {
        place.has_carrier()
    }

    fn start(
        seat: &Seat,
        _place: &Place<'_>,
        inherited: Option<Lease>,
        now: Instant,
    ) -> Option<Self> {
        let config = config(&seat.spec, seat.mac);
        let (machine, lease) =
            match inherited.filter(|lease| lease.validate().is_ok() && !lease.is_expired(now)) {
                Some(lease) => (Dhcp4::resume(config, lease.clone(), now), Some(lease)),
                None => (Dhcp4::new(config, now), None),
            };
        Some(Self {
            machine,
            answered: lease.is_some(),
            lease,
        })
    }

    fn set_sending(&mut self, sends: bool, now: Instant) {
        if sends {
            self.machine.link_up(now)
        } else {
            self.machine.link_down(now)
        }
    }

    fn follow(&mut self, _seat: &Seat, _place: &Place<'_>, _now: Instant) -> bool {
        false
    }

    fn receive(&mut self, message: &[u8], now: Instant) {
        self.machine.receive(message, now);
    }

    fn turn(
        &mut self,
        seat: &Seat,
        now: Instant,
        rng: &mut Rng,
        effects: &mut Vec<Effect>,
    ) -> Turn {
        self.machine.expire(now);
        let changed = self.drain(seat, effects);
        self.machine.transmit_all(now, rng, |transmit| {
            let (link, message) = (seat.link.clone(), transmit.payload);
            effects.push(match transmit.to {
                Destination::Broadcast => Effect::BroadcastDhcp { link, message },
                Destination::Unicast { from, server } => Effect::UnicastDhcp {
                    link,
                    from,
                    server,
                    message,
                },
            });
        });
        Turn {
            changed,
            refreshed: false,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.machine.deadline()
    }

    fn holds(&self) -> bool {
        self.lease.is_some()
    }

    fn holding(&self) -> Option<Lease> {
        self.lease.clone()
    }

    fn is_answered(&self) -> bool {
        self.answered
    }

    fn state_name(&self) -> &'static str {
        self.machine.state_name()
    }

    fn document(&self, seat: &Seat) -> Option<(Document, Vec<Diagnostic>)> {
        Some(lease::document(self.lease.as_ref()?, &seat.spec))
    }

    fn close(index: u32) -> Effect {
        Effect::CloseClient { index }
    }
}

fn config(spec: &OperatorSpec, mac: Mac) -> Config {
    Config {
        mac,
        client_id: Some(spec.client_identifier.clone()).filter(|id| !id.is_empty()),
        hostname: spec.hostname.clone(),
        vendor_class: spec.vendor_class.clone(),
        rapid_commit: true,
        // A network without IPv4 reaches IPv4 by NAT64 only. Programs that insist on IPv4 would need a translator on this
        // machine (RFC 6877), and there is none.
        request_ipv6_only: false,
        request_mtu: !spec.ignore_mtu,
    }
}

/// `3600 s`, `ever`.
impl Dhcp4Client {
    /// What the lease tells of where a service may be.
    pub(super) fn facts_of_lease(&self, seat: &Seat) -> Option<LeaseFacts> {
        let lease = self.lease.as_ref()?;
        Some(LeaseFacts {
            link: seat.spec.link_name.clone(),
            server: Some(lease.server_id),
            router: lease.routers.first().copied(),
        })
    }
}

fn length(lease: &Lease) -> String {
    lease
        .lease_secs
        .map_or_else(|| "ever".to_owned(), |secs| format!("{secs} s"))
}
