//! The clients of dynamic sources, one file a protocol: leases by DHCP, and what routers say.
//!
//! Routers decide whether DHCPv6 runs: it is followed after them.

mod advice;
mod dhcp4;
mod dhcp6;
mod pool;
mod router;
mod saved;
mod seat;

use core::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use super::Effect;
use crate::config::platform::LeaseFacts;
use crate::config::{Diagnostic, Document};
use crate::state::{
    AddressStatus, Desired, Dhcp6Start, Family, LinkAt, LinkStatus, Observed, OperatorKind,
    OperatorNeed, OperatorSpec, Scope,
};
use crate::value::{Instant, Rng, earliest};

use advice::Advice;
use dhcp4::Dhcp4Client;
use dhcp6::Dhcp6Client;
use pool::{Client as _, Pool, Turn};
use router::RouterClient;
use seat::Place;

pub use dhcp6::Held;
pub use pool::Saved;
pub use router::Routers;
pub use saved::SavedLeases;

/// All clients.
pub(super) struct Clients {
    dhcp4: Pool<Dhcp4Client>,
    routers: Pool<RouterClient>,
    dhcp6: Pool<Dhcp6Client>,
}

impl Clients {
    pub(super) fn new(inherited: SavedLeases) -> Self {
        Self {
            dhcp4: Pool::new(inherited.dhcp4),
            routers: Pool::new(inherited.routers),
            dhcp6: Pool::new(inherited.dhcp6),
        }
    }

    /// Starts, stops and informs clients so that they fit what is desired and what is there. Answers whether something
    /// held came or went by it.
    pub(super) fn follow(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let alone = |link| Place::new(link, observed, Advice::default());
        let mut changed = self.dhcp4.follow(desired, observed, alone, now, effects);
        changed |= self.routers.follow(desired, observed, alone, now, effects);
        let routers = &self.routers;
        let advised = |link: &LinkStatus| routers.get(link.index).map(RouterClient::advice);
        let place = |link| Place::new(link, observed, advised(link).unwrap_or_default());
        changed | self.dhcp6.follow(desired, observed, place, now, effects)
    }

    pub(super) fn receive_dhcp(&mut self, index: u32, message: &[u8], now: Instant) {
        self.dhcp4.receive(index, message, now);
    }

    pub(super) fn receive_dhcp6(&mut self, index: u32, message: &[u8], now: Instant) {
        self.dhcp6.receive(index, message, now);
    }

    pub(super) fn receive_advertisement(&mut self, index: u32, packet: &[u8], now: Instant) {
        self.routers.receive(index, packet, now);
    }

    /// Declines the DHCPv4 lease of `address`, if there is one. Answers whether there was.
    pub(super) fn decline(&mut self, index: u32, address: Ipv4Addr, now: Instant) -> bool {
        let client = self.dhcp4.get_mut(index);
        client.is_some_and(|client| client.decline(address, now))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        earliest([
            self.dhcp4.deadline(),
            self.routers.deadline(),
            self.dhcp6.deadline(),
        ])
    }

    /// Lets every machine act.
    pub(super) fn turn(&mut self, now: Instant, rng: &mut Rng, effects: &mut Vec<Effect>) -> Turn {
        let mut turn = self.dhcp4.turn(now, rng, effects);
        turn |= self.routers.turn(now, rng, effects);
        turn |= self.dhcp6.turn(now, rng, effects);
        turn
    }

    /// What is held, as documents of layer operator.
    pub(super) fn documents(&self) -> (Vec<Document>, Vec<Diagnostic>) {
        let (mut documents, mut faults) = (Vec::new(), Vec::new());
        self.dhcp4.documents(&mut documents, &mut faults);
        self.routers.documents(&mut documents, &mut faults);
        self.dhcp6.documents(&mut documents, &mut faults);
        (documents, faults)
    }

    /// What is held, and what is for links that have not shown up yet.
    pub(super) fn saved(&self) -> SavedLeases {
        SavedLeases {
            dhcp4: self.dhcp4.saved(),
            dhcp6: self.dhcp6.saved(),
            routers: self.routers.saved(),
        }
    }

    /// What DHCPv4 tells of where a service may be.
    pub(super) fn lease_facts(&self) -> Vec<LeaseFacts> {
        let clients = self.dhcp4.clients();
        let facts = clients.filter_map(|(seat, _, client)| client.facts_of_lease(seat));
        facts.collect()
    }

    /// Each client as a resource.
    pub(super) fn facts(&self) -> Vec<Value> {
        let facts = self.dhcp4.facts().chain(self.dhcp6.facts());
        facts.chain(self.routers.facts()).collect()
    }

    /// Each client as a stage of the boot: its name, when it began, whether it has what it is there for.
    pub(super) fn stages(&self) -> impl Iterator<Item = (String, Instant, bool)> {
        let stages = self.dhcp4.stages().chain(self.dhcp6.stages());
        stages.chain(self.routers.stages())
    }

    /// Operators whose link can send and that still lack what they are there for, as far as a boot waits for them.
    pub(super) fn unbound<'a>(
        &'a self,
        desired: &'a Desired,
        observed: &'a Observed,
    ) -> Vec<&'a OperatorSpec> {
        let early = self.waits_for_link_local(desired, observed);
        let early = early.map(|spec| (spec, false));
        let standing: Vec<(&OperatorSpec, bool)> = self.standing(observed).chain(early).collect();
        let content = |spec: &OperatorSpec| {
            standing.iter().any(|(other, has)| {
                *has && other.need == OperatorNeed::OneOfThem && other.link_name == spec.link_name
            })
        };
        let lacks = |(spec, has): &(&'a OperatorSpec, bool)| {
            let waits = match spec.need {
                OperatorNeed::Required => true,
                OperatorNeed::OneOfThem => !content(spec),
                OperatorNeed::Optional => false,
            };
            (waits && !has).then_some(*spec)
        };
        standing.iter().filter_map(lacks).collect()
    }

    /// Operators whose link can send, and whether they have what they are there for.
    fn standing<'a>(
        &'a self,
        observed: &'a Observed,
    ) -> impl Iterator<Item = (&'a OperatorSpec, bool)> {
        let dhcp4 = self.dhcp4.clients().map(|(seat, has, _)| (seat, has));
        let dhcp6 = self.dhcp6.clients().map(|(seat, has, _)| (seat, has));
        // A router alone does not help: it takes an address as well, which the kernel makes.
        let routers = self.routers.clients().map(|(seat, _, client)| {
            let has = client.has_default_router() && has_global6(observed, seat.link.index);
            (seat, has)
        });
        dhcp4
            .chain(dhcp6)
            .chain(routers)
            .filter(|(seat, _)| seat.sends)
            .map(|(seat, has)| (&seat.spec, has))
    }

    /// DHCPv6 that waits for nothing but its link-local address: while duplicate address detection has it, a second or
    /// more, there is no client yet.
    fn waits_for_link_local<'a>(
        &'a self,
        desired: &'a Desired,
        observed: &'a Observed,
    ) -> impl Iterator<Item = &'a OperatorSpec> {
        let specs = desired.operators.values().filter(|spec| {
            spec.operator == OperatorKind::Dhcp6 && spec.dhcp6.start == Dhcp6Start::Always
        });
        specs.filter(|spec| {
            let link = observed.link(&spec.link_name);
            link.is_some_and(|link| {
                let carrier = link.is_up() && link.has_carrier();
                carrier && self.dhcp6.get(link.index).is_none()
            })
        })
    }

    /// How many clients have a lease.
    pub(super) fn bound(&self) -> usize {
        let dhcp4 = self.dhcp4.clients().filter(|(_, has, _)| *has);
        let dhcp6 = self.dhcp6.clients();
        let dhcp6 = dhcp6.filter(|(_, _, client)| client.has_lease());
        dhcp4.count() + dhcp6.count()
    }

    /// Whether the leases of this family on a link are an open question: what an earlier supervisor left of them may still
    /// be right.
    pub(super) fn is_open(&self, desired: &Desired, link: &LinkAt, family: Family) -> bool {
        match family {
            Family::Inet4 => self.dhcp4.is_open(desired, link),
            Family::Inet6 => {
                // Where routers decide, their silence is an answer.
                let decided = self.dhcp6.get(link.index).is_none()
                    && self
                        .routers
                        .get(link.index)
                        .is_some_and(|client| client.is_answered());
                !decided && self.dhcp6.is_open(desired, link)
            }
        }
    }
}

/// Whether the kernel or we have given the link a global IPv6 address that can be used.
fn has_global6(observed: &Observed, index: u32) -> bool {
    let global = |status: &AddressStatus| {
        status.link_index == index
            && status.scope == Scope::Global
            && matches!(status.address.address(), IpAddr::V6(_))
            && status.is_usable()
    };
    observed.addresses.iter().any(global)
}
