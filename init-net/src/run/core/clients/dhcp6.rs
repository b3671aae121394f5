//! The DHCPv6 client of a link: for a lease, or only for what a server tells.

use core::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::pool::{Client, Turn};
use super::seat::{Place, Seat};
use crate::compile::lease6;
use crate::config::{Diagnostic, Document};
use crate::proto::Machine;
use crate::proto::dhcp6::{self, Config, Dhcp6, Information, Lease, Mode, iaid_above};
use crate::run::core::Effect;
use crate::state::{OperatorKind, OperatorSpec};
use crate::value::{Instant, Rng};

/// The machine and what it got.
pub(super) struct Dhcp6Client {
    machine: Dhcp6,
    mode: Mode,
    held: Option<Held>,
    /// It has, or had, an answer.
    answered: bool,
}

/// What a server granted, or what it told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Held {
    /// Addresses and prefixes.
    Lease(Lease),
    /// Facts alone.
    Information(Information),
}

impl Held {
    /// Checks what the types do not: what comes from a file is as foreign as what comes from the network.
    pub fn validate(&self) -> Result<(), &'static str> {
        match self {
            Self::Lease(lease) => lease.validate(),
            Self::Information(information) => information.validate(),
        }
    }

    /// As a document of layer operator.
    pub fn document(&self, spec: &OperatorSpec) -> (Document, Vec<Diagnostic>) {
        match self {
            Self::Lease(lease) => lease6::of_lease(lease, spec),
            Self::Information(information) => lease6::of_information(&information.facts, spec),
        }
    }
}

impl Dhcp6Client {
    fn new(seat: &Seat, mode: Mode, inherited: Option<Held>, now: Instant) -> Self {
        let config = config(seat, mode);
        let held = inherited.filter(|held| held.validate().is_ok());
        let leases = mode != Mode::Stateless;
        let machine = match held {
            Some(Held::Lease(lease)) if leases => Dhcp6::resume(config, lease, now),
            Some(Held::Information(information)) if !leases => {
                Dhcp6::resume_information(config, information, now)
            }
            // What another mode got ends with it.
            Some(Held::Lease(_) | Held::Information(_)) | None => Dhcp6::new(config, now),
        };
        let lease = machine.lease(now).cloned().map(Held::Lease);
        let held = lease.or_else(|| machine.information().cloned().map(Held::Information));
        Self {
            machine,
            mode,
            answered: held.is_some(),
            held,
        }
    }

    /// Drains the machine's events. Answers whether what follows from them changed.
    fn drain(&mut self, seat: &Seat, effects: &mut Vec<Effect>) -> bool {
        let mut changed = false;
        while let Some(event) = self.machine.event() {
            self.answered = true;
            let (level, text, held) = match event {
                dhcp6::Event::Bound(lease) => {
                    (log::Level::Info, describe(&lease), Some(Held::Lease(lease)))
                }
                dhcp6::Event::Renewed(lease) => {
                    let text = format!("{} renewed", describe(&lease));
                    (log::Level::Info, text, Some(Held::Lease(lease)))
                }
                dhcp6::Event::Information(information) => {
                    let text = "a server told what it knows".to_owned();
                    (log::Level::Info, text, Some(Held::Information(information)))
                }
                dhcp6::Event::Lost { reason } => {
                    (log::Level::Warn, format!("lease lost: {reason:?}"), None)
                }
            };
            // What was resumed is told once more.
            if held.is_some() && held == self.held {
                continue;
            }
            seat.log(level, &text, effects);
            self.held = held;
            changed = true;
        }
        changed
    }

    /// Whether it has a lease, not only facts.
    pub(super) fn has_lease(&self) -> bool {
        matches!(self.held, Some(Held::Lease(_)))
    }

    fn leased_addresses(&self) -> impl Iterator<Item = Ipv6Addr> {
        let lease = match &self.held {
            Some(Held::Lease(lease)) => Some(lease),
            Some(Held::Information(_)) | None => None,
        };
        let addresses = lease.into_iter().flat_map(|lease| &lease.addresses);
        addresses.map(|leased| leased.address)
    }
}

impl Client for Dhcp6Client {
    type Holding = Held;

    const KIND: OperatorKind = OperatorKind::Dhcp6;

    /// A lease is kept when the routers do not say any more that there is one to have (RFC 4862 leaves it open): it ends by
    /// itself, or with its renewal. Facts have no end of their own, and go as soon as it is known that nobody says O.
    fn wanted(spec: &OperatorSpec, place: &Place<'_>, held: Option<&Held>) -> bool {
        let kept = match held {
            Some(Held::Lease(_)) => true,
            Some(Held::Information(_)) => !place.advice.answered,
            None => false,
        };
        kept || place.advice.client(spec.dhcp6.start).is_some()
    }

    /// RFC 8415 §17: from a link-local address, which has passed duplicate address detection.
    fn can_send(place: &Place<'_>) -> bool {
        place.has_carrier() && place.link_local().is_some()
    }

    fn start(
        seat: &Seat,
        place: &Place<'_>,
        inherited: Option<Held>,
        now: Instant,
    ) -> Option<Self> {
        let said = mode(&seat.spec, place);
        // The routers may not have spoken again yet, and what they said last does not end a lease.
        let mode = match (said, &inherited) {
            (None | Some(Mode::Stateless), Some(Held::Lease(_))) => Mode::Addresses,
            (Some(mode), _) => mode,
            (None, Some(Held::Information(_)) | None) => Mode::Stateless,
        };
        Some(Self::new(seat, mode, inherited, now))
    }

    fn set_sending(&mut self, sends: bool, now: Instant) {
        if sends {
            self.machine.link_up(now)
        } else {
            self.machine.link_down(now)
        }
    }

    fn follow(&mut self, seat: &Seat, place: &Place<'_>, now: Instant) -> bool {
        let held = self.held.is_some();
        // From facts to a lease when a router says M now, never back while a lease is held.
        let mode = mode(&seat.spec, place).unwrap_or(self.mode);
        let back = mode == Mode::Stateless && self.held.is_some();
        if mode != self.mode && !back && seat.sends {
            *self = Self::new(seat, mode, self.held.take(), now);
        }
        let leased: Vec<Ipv6Addr> = self.leased_addresses().collect();
        let duplicates: Vec<Ipv6Addr> = place
            .duplicates()
            .filter(|address| leased.contains(address))
            .collect();
        if !duplicates.is_empty() {
            self.machine.decline(&duplicates, now);
        }
        held != self.held.is_some()
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
            effects.push(Effect::SendDhcp6 {
                link: seat.link.clone(),
                message: transmit.payload,
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
        self.held.is_some()
    }

    fn holding(&self) -> Option<Held> {
        self.held.clone()
    }

    fn is_answered(&self) -> bool {
        self.answered
    }

    fn state_name(&self) -> &'static str {
        self.machine.state_name()
    }

    fn document(&self, seat: &Seat) -> Option<(Document, Vec<Diagnostic>)> {
        Some(self.held.as_ref()?.document(&seat.spec))
    }

    fn close(index: u32) -> Effect {
        Effect::CloseDhcp6 { index }
    }
}

/// What is to be asked for; `None`: nothing.
fn mode(spec: &OperatorSpec, place: &Place<'_>) -> Option<Mode> {
    let lease = place.advice.client(spec.dhcp6.start)?;
    Some(match (lease, spec.dhcp6.prefix) {
        (false, None) => Mode::Stateless,
        (true, None) => Mode::Addresses,
        (false, Some(hint)) => Mode::Prefixes { hint },
        (true, Some(hint)) => Mode::AddressesAndPrefixes { hint },
    })
}

fn config(seat: &Seat, mode: Mode) -> Config {
    let spec = &seat.spec;
    let mut config = Config::new(seat.permanent);
    if !spec.client_identifier.is_empty() {
        config.duid.clone_from(&spec.client_identifier);
    }
    if seat.shares_mac {
        config.iaid = iaid_above(seat.permanent, &seat.link.name);
    }
    config.mode = mode;
    config.hostname.clone_from(&spec.hostname);
    config.request_hostname = !spec.ignore_hostname;
    config
}

/// `2001:db8::7, 2001:db8:1::/56`.
fn describe(lease: &Lease) -> String {
    let addresses = lease
        .addresses
        .iter()
        .map(|leased| leased.address.to_string());
    let prefixes = lease
        .prefixes
        .iter()
        .map(|leased| leased.prefix.to_string());
    addresses.chain(prefixes).collect::<Vec<_>>().join(", ")
}
