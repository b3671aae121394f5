//! What the core remembers for people: events, counters, since when, versions, watches. Nothing here decides anything.

mod counters;
mod nodes;
mod progress;
mod ring;
mod versions;
mod watches;

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use serde_json::Value;

pub use counters::Counters;
pub use nodes::NodeAddresses;
pub use progress::{LEVELS, Progress};
pub use ring::{EventKind, Ring};
pub use watches::{Change, ChangeKind};

use super::backoff::already_so;
use super::{Core, Doubt, Effect, Outcome};
use crate::state::{AddressStatus, Desired, LinkStatus, OUR_PROTOCOL, Observed};
use crate::value::{Duration, Instant, LinkName, Moment, Prefix};
use versions::Versions;
use watches::Watches;

/// All of it.
#[derive(Default)]
pub struct Record {
    /// Time since 1970 at the last event, as the shell says.
    wall: Duration,
    ring: Ring,
    counters: Counters,
    progress: Progress,
    nodes: NodeAddresses,
    versions: Versions,
    watches: Watches,
    /// Each client that has a lease, with what it says: address, and all of it.
    leases: BTreeMap<String, (String, Value)>,
    /// Of the core, when its leases were looked at last: a lease that changes changes it.
    revision: u64,
    /// The last plan of what is desired now was empty: what is planned next undoes what somebody did.
    in_sync: bool,
    /// What is desired, or what is there, changed since the addresses of the machine were told apart.
    stale_nodes: bool,
    /// The process that this runs in, as it tells it.
    process: Option<Value>,
}

impl Record {
    /// A record of one look, where no supervisor keeps one.
    pub fn of_one_look(desired: &Desired, observed: &Observed, now: Moment) -> Self {
        let mut record = Self {
            wall: now.wall,
            ..Self::default()
        };
        record.nodes.follow(desired, observed);
        record.progress.looked(observed, now);
        record
    }

    /// The last events.
    pub const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The process of the supervisor; `None`: none runs, or it has not told yet.
    pub const fn process(&self) -> Option<&Value> {
        self.process.as_ref()
    }

    /// What was counted.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Since when.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The addresses of the machine.
    pub const fn nodes(&self) -> &NodeAddresses {
        &self.nodes
    }

    /// When watchers want to be told.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.watches.deadline()
    }

    /// The client is gone.
    pub(super) fn forget_client(&mut self, client: u64) {
        self.watches.forget(client);
    }

    /// Whether somebody watches resources of `kind`.
    pub(super) fn is_watched(&self, kind: &str) -> bool {
        self.watches.has(kind)
    }

    /// Gives `resources`, which are all of `kind`, their versions. Events never change.
    pub(super) fn stamp(&mut self, kind: &'static str, resources: &mut [Value]) {
        if kind != "events" {
            self.versions.stamp(kind, resources);
        }
    }

    fn push(&mut self, now: Instant, kind: EventKind, resource: String, text: &str) {
        self.counters.event(kind);
        let at = Moment {
            boot: now,
            wall: self.wall,
        };
        self.ring.push(at, kind, resource, text);
    }

    /// Other sources count from now on.
    pub(super) fn configured(&mut self, sources: usize, now: Instant) {
        let text = format!("{sources} sources");
        self.push(now, EventKind::ConfigApplied, "config".into(), &text);
    }

    /// A look was not to be had.
    pub(super) fn look_failed(&mut self) {
        self.counters.failed_looks += 1;
    }

    /// A look at the parts `of` the machine, that took a while.
    pub(super) fn looked(
        &mut self,
        old: Option<&Observed>,
        new: &Observed,
        of: Doubt,
        took: Duration,
        now: Instant,
    ) {
        self.counters.looks += 1;
        self.counters.look_time += took;
        self.stale_nodes |= of.has(Doubt::ADDRESSES);
        // What the first look finds was there before: the boot's beginning, no event.
        let Some(old) = old else { return };
        if of.has(Doubt::LINKS) {
            self.links(&old.links, &new.links, now);
        }
        if of.has(Doubt::ADDRESSES) {
            self.addresses(&old.addresses, &new.addresses, now);
        }
    }

    fn links(
        &mut self,
        old: &BTreeMap<u32, LinkStatus>,
        new: &BTreeMap<u32, LinkStatus>,
        now: Instant,
    ) {
        let mut tell = |kind, name: &LinkName, text: &str| {
            self.push(now, kind, format!("links/{name}"), text);
        };
        for (_, link) in old.iter().filter(|(index, _)| !new.contains_key(*index)) {
            tell(EventKind::LinkRemoved, &link.name, "removed");
        }
        for (index, link) in new {
            let Some(before) = old.get(index) else {
                let kind = if link.kind.is_empty() {
                    "card"
                } else {
                    &link.kind
                };
                tell(EventKind::LinkAdded, &link.name, kind);
                continue;
            };
            match (before.is_up(), link.is_up()) {
                (false, true) => tell(EventKind::LinkUp, &link.name, "up"),
                (true, false) => tell(EventKind::LinkDown, &link.name, "down"),
                _ => {}
            }
            let carrier = |link: &LinkStatus| link.is_up() && link.has_carrier();
            match (carrier(before), carrier(link)) {
                (false, true) => tell(EventKind::CarrierUp, &link.name, "carrier"),
                (true, false) if link.is_up() => {
                    tell(EventKind::CarrierDown, &link.name, "no carrier");
                }
                _ => {}
            }
        }
    }

    fn addresses(&mut self, old: &[AddressStatus], new: &[AddressStatus], now: Instant) {
        let key = |address: &AddressStatus| (address.link_index, address.address);
        // The kernel dumps them in one order: mostly nothing came or went.
        if old.len() == new.len() && old.iter().zip(new).all(|(old, new)| key(old) == key(new)) {
            return;
        }
        let mut gone: BTreeMap<(u32, Prefix), &AddressStatus> = BTreeMap::new();
        gone.extend(old.iter().map(|address| (key(address), address)));
        let mut come = Vec::new();
        for address in new {
            if gone.remove(&key(address)).is_none() {
                come.push(address);
            }
        }
        let gone = gone.into_values().map(|a| (EventKind::AddressRemoved, a));
        let come = come.into_iter().map(|a| (EventKind::AddressAdded, a));
        for (kind, address) in gone.chain(come) {
            let AddressStatus {
                link_name,
                address,
                protocol,
                ..
            } = address;
            let whose = if *protocol == OUR_PROTOCOL {
                "ours"
            } else {
                "not ours"
            };
            let resource = format!("addresses/{link_name}/{address}");
            self.push(
                now,
                kind,
                resource,
                &format!("{address} on {link_name}, {whose}"),
            );
        }
    }

    /// Something else is desired now, or is there to be configured.
    pub(super) fn compiled(&mut self, changed: bool) {
        self.in_sync &= !changed;
        self.stale_nodes |= changed;
    }

    /// What was planned: with nothing to do the machine is as desired.
    pub(super) fn planned(&mut self, nothing: bool) {
        self.in_sync |= nothing;
        self.counters.rounds += u64::from(!nothing);
    }

    /// An op was tried; `before` is the error that it failed with last.
    pub(super) fn tried(&mut self, outcome: &Outcome, before: Option<&str>, now: Instant) {
        let already_so = outcome
            .result
            .as_ref()
            .is_err_and(|(errno, _)| already_so(&outcome.op, *errno));
        self.counters
            .op(outcome, already_so || outcome.result.is_ok());
        if already_so {
            return;
        }
        let resource = || outcome.op.subject();
        let text = || outcome.op.to_string();
        match (&outcome.result, before) {
            (Ok(()), Some(_)) => self.push(now, EventKind::OpRecovered, resource(), &text()),
            (Ok(()), None) if self.in_sync => {
                *self
                    .counters
                    .repairs
                    .entry(outcome.op.resource())
                    .or_default() += 1;
                self.push(now, EventKind::Repaired, resource(), &text());
            }
            (Ok(()), None) => {}
            (Err((_, error)), before) if before == Some(error) => {}
            (Err((_, error)), _) => {
                let text = format!("{}: {error}", outcome.op);
                self.push(now, EventKind::OpFailed, resource(), &text);
            }
        }
    }

    /// What the clients have now.
    fn leases(&mut self, facts: Vec<Value>, now: Instant) {
        let mut held = BTreeMap::new();
        for mut fact in facts {
            let text = |field: &str| fact.get(field).and_then(Value::as_str).map(str::to_owned);
            let (Some(id), Some(address)) = (text("id"), text("address")) else {
                continue;
            };
            if let Value::Object(fields) = &mut fact {
                // It goes through its states with one lease.
                fields.remove("state");
            }
            held.insert(id, (address, fact));
        }
        let old = core::mem::take(&mut self.leases);
        for (id, (address, _)) in old.iter().filter(|(id, _)| !held.contains_key(*id)) {
            self.push(now, EventKind::LeaseLost, format!("leases/{id}"), address);
        }
        for (id, (address, fact)) in &held {
            let kind = match old.get(id) {
                None => EventKind::LeaseBound,
                Some((_, before)) if before != fact => EventKind::LeaseRenewed,
                Some(_) => continue,
            };
            self.push(now, kind, format!("leases/{id}"), address);
        }
        self.leases = held;
    }
}

impl Core {
    /// What time it is for people.
    pub fn set_wall(&mut self, wall: Duration) {
        self.record.wall = wall;
        self.trusted.set_wall(wall);
    }

    /// What `get status` tells of the process.
    pub fn set_process(&mut self, process: Value) {
        self.record.process = Some(process);
    }

    /// What is remembered for people.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Another host has an address of ours.
    pub(super) fn note_conflict(&mut self, index: u32, address: Ipv4Addr, now: Instant) {
        let link = self.observed.as_ref().and_then(|it| it.links.get(&index));
        let name = link.map_or_else(|| format!("if{index}"), |link| link.name.to_string());
        let text = format!("another host on {name} has {address}");
        let resource = format!("addresses/{name}/{address}");
        self.record.push(now, EventKind::Conflict, resource, &text);
    }

    /// Something happened to a shared address.
    pub(super) fn note_vip(&mut self, kind: EventKind, id: &str, text: &str, now: Instant) {
        self.record.push(now, kind, format!("vips/{id}"), text);
    }

    /// What follows every step. `idle`: nothing is known that was not: time passed, the kernel rang, somebody asked.
    pub(super) fn take_note(&mut self, idle: bool, now: Instant, effects: &mut Vec<Effect>) {
        let quiet = |effect: &Effect| {
            matches!(
                effect,
                Effect::Observe(_)
                    | Effect::Reply { .. }
                    | Effect::Sample { .. }
                    | Effect::Push { .. }
                    | Effect::DrainVips { .. }
                    | Effect::SendVip { .. }
                    | Effect::SendVrrp { .. }
                    | Effect::Hold(_)
            )
        };
        if !idle || !effects.iter().all(quiet) {
            if self.record.revision != self.revision {
                self.record.revision = self.revision;
                self.record.leases(self.clients.facts(), now);
            }
            let at = Moment {
                boot: now,
                wall: self.record.wall,
            };
            if let Some(observed) = self.observed.as_ref().filter(|_| self.record.stale_nodes) {
                self.record.stale_nodes = false;
                self.record.nodes.follow(&self.desired, observed);
                self.record.progress.looked(observed, at);
            }
            if self.observed.is_some() {
                let readiness = self.readiness();
                let Record { progress, ring, .. } = &mut self.record;
                progress.follow(&readiness, at, ring);
            }
            self.record.watches.touch();
        }
        self.push_changes(now, effects);
    }
}
