//! The core: decides when. Pure: events and the time in, effects out; a whole boot replays in a unit test.
//!
//! One reconcile round is: [`Effect::Observe`] → [`Event::Observed`] → compile (when something changed) → plan →
//! [`Effect::Apply`] → [`Event::Applied`] → observe again, until the plan is empty. Everything else (leases, fetched
//! documents, kernel notices, requests) only changes an input of that round.

mod asking;
mod attempt;
mod backoff;
mod change;
mod clients;
mod conflicts;
mod devices;
mod doubt;
mod events;
mod fetches;
mod fights;
mod firewall;
mod foreign;
mod look;
mod memory;
mod needs;
mod patrol;
mod probes;
mod readiness;
mod record;
mod refusal;
mod requests;
mod subjects;
#[cfg(test)]
mod tests;
mod timeline;
mod view;
mod vips;

use std::collections::{BTreeMap, BTreeSet};

use crate::compile::{self, Settings};
use crate::config::{Diagnostic, Document};
use crate::plan::plan;
use crate::state::{Desired, Family, LinkAt, LinkStatus, OUR_PROTOCOL, Observed, Op};
use crate::value::{Gather as _, Instant, LinkName, Prefix, Rng, earliest};

pub use change::{Ending, Pending, Progress};
pub use clients::{Held, Routers, Saved, SavedLeases};
pub use doubt::Doubt;
pub use events::{Effect, Event, HttpEvent, Outcome};
pub use fetches::{Around, Fetched, Fetches, Means, MediaNews, Source, Trusted, Via};
pub use needs::{Module, needs};
pub use readiness::{Readiness, Verdict};
pub use record::{Change, ChangeKind, EventKind, LEVELS, Record};
pub use requests::{Reply, Request};
pub use timeline::{Stage, Timeline};
pub use vips::{Hearing, SavedVip, Vips};

use backoff::Backoff;
use change::Confirmation;
use clients::Clients;
use conflicts::Conflicts;
use devices::Devices;
use fights::Fights;
use firewall::Firewall;
use foreign::Foreign;
use look::Looks;
use memory::owned_key;
use patrol::Patrol;
use probes::Probes;

/// Compiles in one round: one for the sources, one for the leases that clients start or end with, one to spare.
const MAX_COMPILES: usize = 3;

/// Everything that is decided, and what it is decided from.
pub struct Core {
    /// What the sources said: command line, machine config, platform. Leases are added at every compile.
    documents: Vec<Document>,
    settings: Settings,
    desired: Desired,
    diagnostics: Vec<Diagnostic>,
    observed: Option<Observed>,
    /// An input of `compile` changed since it last ran.
    stale: bool,
    /// When to look at the machine again.
    looks: Looks,
    patrol: Patrol,
    foreign: Foreign,
    /// Ops are under way: their outcomes are awaited.
    applying: bool,
    fights: Fights,
    /// The last plan was empty but for ops that are backing off.
    settled: bool,
    backoff: Backoff,
    clients: Clients,
    conflicts: Conflicts,
    fetches: Fetches,
    trusted: Trusted,
    probes: Probes,
    vips: Vips,
    change: Confirmation,
    rng: Rng,
    /// When the boot began, and until when it may wait.
    started: Instant,
    timeline: Timeline,
    /// The index behind each name that links had when they were first seen: a name that somebody changes stays understood.
    names: BTreeMap<LinkName, u32>,
    /// Addresses we added ([`owned_key`]): who owns an address before Linux 5.18, which has no IFA_PROTO.
    owned: BTreeSet<String>,
    /// Parameters, cards and keys: what was looked at and decided, and the modules for it.
    devices: Devices,
    firewall: Firewall,
    /// Drivers are still being loaded: links may appear.
    drivers_loading: bool,
    /// Bumped by every change of leases or sources, so that the shell knows when to write the state file.
    revision: u64,
    saved_revision: u64,
    /// What is remembered for people.
    record: Record,
}

impl Core {
    /// A core that knows `documents` and, after a hand-off or a crash, `leases`.
    pub fn new(documents: Vec<Document>, leases: SavedLeases, rng: Rng, now: Instant) -> Self {
        let settings = compile::settings(&documents);
        Self {
            documents,
            settings,
            desired: Desired::default(),
            diagnostics: Vec::new(),
            observed: None,
            stale: true,
            looks: Looks::new(now),
            patrol: Patrol::default(),
            foreign: Foreign::default(),
            applying: false,
            fights: Fights::default(),
            settled: false,
            backoff: Backoff::default(),
            clients: Clients::new(leases),
            conflicts: Conflicts::default(),
            fetches: Fetches::default(),
            trusted: Trusted::default(),
            probes: Probes::default(),
            vips: Vips::default(),
            change: Confirmation::default(),
            rng,
            started: now,
            timeline: Timeline::default(),
            names: BTreeMap::new(),
            owned: BTreeSet::new(),
            devices: Devices::default(),
            firewall: Firewall::default(),
            drivers_loading: false,
            revision: 1,
            saved_revision: 0,
            record: Record::default(),
        }
    }

    /// Takes one event and answers with what to do about it. Effects are to be performed in order.
    pub fn step(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let idle = matches!(
            event,
            Event::Tick
                | Event::Changed(_)
                | Event::Request { .. }
                | Event::Sampled { .. }
                | Event::Vip { .. }
                | Event::VipsDrained { .. }
                | Event::VipsDeaf { .. }
                | Event::Held(_)
        );
        match event {
            Event::Tick => {}
            Event::Changed(doubt) => self.looks.notice(doubt, now),
            Event::DumpFailed(error) => {
                self.record.look_failed();
                if self.looks.failed(now) {
                    let text = format!("dump: {error}; it is tried again");
                    effects.push(Effect::Log(log::Level::Error, text));
                }
                self.looks.notice(self.foreign.wanted(), now);
            }
            Event::Observed(observed, of) => self.observed(*observed, of, now, &mut effects),
            Event::Applied(outcomes) => self.applied(outcomes, now, &mut effects),
            Event::ModulesLoaded => {
                self.devices.loaded();
                self.firewall.refusal.hurry();
                self.looks.notice(Doubt::EVERYTHING, now);
            }
            Event::Dhcp { index, message } => self.clients.receive_dhcp(index, &message, now),
            Event::Dhcp6 { index, message } => self.clients.receive_dhcp6(index, &message, now),
            Event::Advertisement { index, packet } => {
                self.clients.receive_advertisement(index, &packet, now)
            }
            Event::Arp {
                index,
                address,
                message,
            } => self.conflicts.receive(index, address, &message, now),
            Event::Http(event) => {
                self.fetches.receive(&event, now);
                self.probes.receive(&event, now);
                self.vips.receive(&event, now);
            }
            Event::Vip { index, packets } => self.vips.receive_packets(index, &packets, now),
            Event::VipsDrained { index } => self.vips.drained(index),
            Event::VipsDeaf { index } => self.vips.deaf(index, now),
            Event::Held(outcomes) => self.held(&outcomes, now),
            Event::Stop => self.stop_vips(now),
            Event::Trust(trust) => self.trusted.set(trust),
            Event::Media(news) => self.fetches.read(&news, self.drivers_loading, now),
            Event::Documents(documents, sources) => {
                self.record.configured(documents.len(), now);
                self.fetches.replace(sources, &mut effects);
                self.replace_documents(documents);
                // Another table goes on from what the rules have counted by now, not by the last look.
                self.looks.need(Doubt::FIREWALL, now);
            }
            Event::Request { id, request } => self.ask(id, request, now, &mut effects),
            Event::Sampled {
                id,
                request,
                sample,
            } => self.respond(id, request, *sample, now, &mut effects),
            Event::Gone(client) => {
                self.foreign.forget_client(client);
                self.record.forget_client(client);
            }
        }
        self.turn(now, &mut effects);
        self.take_note(idle, now, &mut effects);
        self.forget_foreign();
        effects
    }

    /// When [`Event::Tick`] is due at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let look = self.looks.deadline().filter(|_| !self.applying);
        earliest([
            look,
            // The look that comes anyway tries it: due before that, it would only ring.
            self.backoff
                .deadline()
                .filter(|_| !self.applying && self.looks.is_idle())
                .map(|at| at.max(self.looks.not_before())),
            self.firewall
                .refusal
                .deadline()
                .filter(|_| !self.applying && self.looks.is_idle())
                .map(|at| at.max(self.looks.not_before())),
            self.patrol
                .deadline()
                .map(|at| at.max(self.looks.not_before())),
            self.clients.deadline(),
            self.conflicts.deadline(),
            self.fetches.deadline(),
            self.probes.deadline(),
            self.vips.deadline(),
            self.change.deadline(),
            self.record.deadline(),
        ])
    }

    /// What runs after every event: protocol machines, then reconcile, then whatever became due.
    fn turn(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let (conflicts, freed) = self.conflicts.turn(now, &mut self.rng, effects);
        self.revision += u64::from(freed);
        for conflict in conflicts {
            self.note_conflict(conflict.index, conflict.address, now);
            let declined = conflict.during_probe
                && self.clients.decline(conflict.index, conflict.address, now);
            if !declined {
                self.conflicts.claim(conflict.index, conflict.address, now);
            }
        }
        let turn = self.clients.turn(now, &mut self.rng, effects);
        if turn.changed {
            self.changed();
        }
        self.revision += u64::from(turn.refreshed);
        for (name, started, ended) in self.clients.stages().chain(self.fetches.stages()) {
            self.timeline.begin(&name, started);
            if ended {
                self.timeline.end(&name, now);
            }
        }
        let servers = self.name_servers();
        self.turn_vips(&servers, now, effects);
        self.turn_fetches(&servers, now, effects);
        if self
            .firewall
            .is_stale(self.fetches.unknown().next().is_some())
        {
            self.stale = true;
        }
        let fresh = self.looks.is_fresh(now) && self.observed.is_some();
        if self.stale && !self.applying && fresh {
            self.reconcile(false, now, effects);
        }
        if self.backoff.due(now) && self.looks.may(now) && !self.applying {
            self.looks.notice(Doubt::EVERYTHING, now);
        }
        if self.looks.may(now) && !self.applying && self.firewall.refusal.due(now) {
            self.looks.notice(Doubt::FIREWALL, now);
        }
        if self.looks.may(now)
            && let Some(doubt) = self.patrol.due(now)
        {
            self.looks.notice(doubt, now);
        }
        if !self.applying
            && let Some(doubt) = self.looks.begin(now)
        {
            effects.push(Effect::Observe(self.worth_a_look(doubt)));
        }
        let mut means = Means {
            nameservers: &servers,
            trusted: &mut self.trusted,
        };
        self.probes.turn(
            &self.desired.probes,
            now,
            &mut self.rng,
            self.observed.as_ref(),
            &mut means,
            effects,
        );
        self.turn_change(now, effects);
    }

    fn changed(&mut self) {
        self.stale = true;
        self.revision += 1;
    }

    fn replace_documents(&mut self, documents: Vec<Document>) {
        self.documents = documents;
        self.settings = compile::settings(&self.documents);
        self.change.restart();
        self.changed();
    }

    /// Takes a look at the parts `of` the machine; the others are as the last look saw them.
    fn observed(
        &mut self,
        mut observed: Observed,
        of: Doubt,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if self.looks.came(now) {
            let text = "dump: it works again".to_owned();
            effects.push(Effect::Log(log::Level::Info, text));
        }
        self.patrol.looked(of, now);
        self.timeline.mark("first look", now);
        if of.has(Doubt::LINKS) {
            self.keep_names(&mut observed);
            let same_links = self
                .observed
                .as_ref()
                .is_some_and(|old| same_links(&old.links, &observed.links));
            self.stale |= !same_links;
        }
        if of.has(Doubt::ADDRESSES) {
            let present: BTreeSet<String> = observed
                .addresses
                .iter()
                .map(|address| owned_key(address.link_index, &address.address))
                .gather();
            self.owned.retain(|owned| present.contains(owned));
            self.mark_owned(&mut observed);
        }
        self.record.looked(
            self.observed.as_ref(),
            &observed,
            of,
            self.looks.took(),
            now,
        );
        if let Some(older) = self.observed.take() {
            of.complete(&mut observed, older);
        }
        if of.has(Doubt::SETTINGS) {
            self.devices.looked(&self.desired, &observed);
        }
        self.observed = Some(observed);
        self.foreign.fresh = of.has(Doubt::FOREIGN_ROUTES);
        if !self.applying {
            self.reconcile(self.looks.is_in_pause(), now, effects);
        }
        self.answer_with_routes(of, now, effects);
        let silent = self.depends_on_foreign();
        self.patrol.follow_routes(silent);
    }

    /// Compiles if needed, then plans against the last dump. `in_pause`: of that only the firewall is new.
    fn reconcile(&mut self, in_pause: bool, now: Instant, effects: &mut Vec<Effect>) {
        if let Some(observed) = &mut self.observed {
            // What a dump says of time is absolute: from an older one, lifetimes still count from now.
            observed.at = now;
        }
        let Some(observed) = &self.observed else {
            return;
        };
        // A client that starts with an inherited lease, or ends with one, changes what is desired: before anything is
        // planned, or the lease's address would be taken away and put back.
        for _ in 0..MAX_COMPILES {
            if self.stale {
                self.stale = false;
                let mut documents = self.documents.clone();
                let (leased, mut diagnostics) = self.clients.documents();
                documents.extend(leased);
                documents.extend(self.fetches.bootstrap().cloned());
                let unknown = self.fetches.unknown().next().is_some();
                documents.push(self.firewall.document(unknown, observed));
                let (mut desired, compiled) = compile::compile(&documents, &observed.links);
                diagnostics.extend(compiled);
                diagnostics.extend(crate::run::managed::warnings(&desired));
                let new = diagnostics
                    .iter()
                    .filter(|new| !self.diagnostics.contains(new));
                effects.extend(new.cloned().map(Effect::Diagnostic));
                self.firewall.keep(&mut desired, &self.desired, observed);
                if desired.firewall != self.desired.firewall {
                    self.backoff.forget_firewall();
                    self.firewall.refusal.forget();
                }
                desired.firewall_stand_in = self.firewall.refusal.stand_in().cloned();
                self.record.compiled(desired != self.desired);
                self.desired = desired;
                self.foreign.fresh = false;
                self.patrol.follow(&self.desired);
                self.diagnostics = diagnostics;
            }
            if !self.clients.follow(&self.desired, observed, now, effects) {
                break;
            }
            self.stale = true;
            self.revision += 1;
        }
        let forgot = self.conflicts.follow(&self.desired, observed, now, effects);
        self.revision += u64::from(forgot);
        self.follow_vips(now, effects);
        self.devices.load(&self.desired, effects);
        if self.looks_at_devices_first(now) {
            return;
        }
        let Some(observed) = &mut self.observed else {
            return;
        };
        self.revision += u64::from(self.devices.decide(&self.desired, observed));
        self.desired.firewall_stand_in = self.firewall.refusal.stand_in().cloned();
        let mut ops = plan(&self.desired, observed);
        let Some(observed) = &self.observed else {
            return;
        };
        ops.retain(|op| !self.may_be_leased(op, observed) && !self.devices.awaits(op));
        let wanted = self.wants_firewall();
        self.firewall.gate(&mut ops, wanted, now);
        if wanted {
            self.timeline.begin("firewall", now);
        }
        self.backoff.forget_all_but(&ops);
        self.fights.forget_all_but(&ops);
        self.backoff.hold(&mut ops, &observed.links, now);
        if in_pause {
            ops.retain(|op| matches!(op, Op::Firewall(_)));
            if ops.is_empty() {
                return;
            }
        }
        if self.looks_at_foreign_first(&ops, now) {
            return;
        }
        self.settled = ops.is_empty() && !self.devices.is_loading() && !self.firewall.holds();
        self.record.planned(ops.is_empty());
        if ops.is_empty() {
            if self.fights.calm() {
                self.probes.hurry(now, effects);
            }
            return;
        }
        if self.fights.judge(&mut ops, &mut self.backoff, now, effects) {
            self.looks.pause(now + fights::PAUSE);
            return;
        }
        if ops.is_empty() {
            if in_pause {
                self.looks.rest_firewall(now + fights::FIREWALL_PAUSE);
            }
            return;
        }
        self.applying = true;
        effects.push(Effect::Apply(ops));
    }

    /// Whether `op` removes what may belong to a lease that is about to be confirmed: after a lost state file, the
    /// kernel alone remembers it. It cannot stay too long: the kernel ends the address with the lease.
    fn may_be_leased(&self, op: &Op, observed: &Observed) -> bool {
        let leased = |link: &LinkAt, family: Family, only: Option<Prefix>| {
            observed.addresses.iter().any(|status| {
                status.link_index == link.index
                    && status.family == family
                    && status.protocol == OUR_PROTOCOL
                    && status.valid_until.is_some()
                    && only.is_none_or(|only| only == status.address)
            }) && self.clients.is_open(&self.desired, link, family)
        };
        match op {
            Op::AddressDel { link, address, .. } => {
                leased(link, Family::of(address.address()), Some(*address))
            }
            Op::RouteDel(route) => {
                let link = route.link.as_ref();
                link.is_some_and(|link| leased(link, route.family, None))
            }
            _ => false,
        }
    }

    fn applied(&mut self, outcomes: Vec<Outcome>, now: Instant, effects: &mut Vec<Effect>) {
        self.applying = false;
        let mut doubt = Doubt::default();
        for outcome in outcomes {
            if self.tried_firewall(&outcome, now, effects) {
                doubt |= Doubt::FIREWALL;
                continue;
            }
            doubt |= Doubt::after(&outcome);
            if let (Op::Firewall(_), Ok(())) = (&outcome.op, &outcome.result) {
                self.timeline.end("firewall", now);
            }
            self.remember(&outcome);
            self.record
                .tried(&outcome, self.backoff.error_of(&outcome.op), now);
            let decided = self.devices.remember(&outcome, &self.desired);
            self.revision += u64::from(decided);
            if !self.was_blind(&outcome) {
                self.backoff.record(&outcome, now, &mut self.rng, effects);
            }
        }
        // The dump is the truth: whatever the acknowledgements said, look again.
        self.looks.need(doubt, now);
    }

    /// Bodies of an earlier boot, for sources that do not answer in this one.
    pub fn set_cached(&mut self, cached: BTreeMap<String, Fetched>) {
        self.fetches.set_cached(cached);
    }

    /// What the stage before fetched, which addresses it made and which of them it found free, and its stages.
    pub fn inherit(
        &mut self,
        fetched: BTreeMap<String, Fetched>,
        names: BTreeMap<LinkName, u32>,
        owned: Vec<String>,
        verified: Vec<String>,
        timeline: Timeline,
    ) {
        self.names = names;
        self.owned = owned.into_iter().collect();
        self.conflicts = Conflicts::new(verified);
        self.fetches.inherit(fetched);
        self.timeline = timeline;
    }

    /// Something to fetch during this boot.
    pub fn fetch(&mut self, source: Box<dyn Source>) {
        self.fetches.add(source);
    }

    /// The stages of this boot so far, to add to.
    pub fn timeline_mut(&mut self) -> &mut Timeline {
        &mut self.timeline
    }
}

/// Whether `compile` would see the same links: statistics and flags that it does not read are not compared.
fn same_links(old: &BTreeMap<u32, LinkStatus>, new: &BTreeMap<u32, LinkStatus>) -> bool {
    old.len() == new.len()
        && old
            .iter()
            .zip(new)
            .all(|((old_index, old), (new_index, new))| {
                old_index == new_index
                    && old.name == new.name
                    && old.alt_names == new.alt_names
                    && old.hardware_addr == new.hardware_addr
                    && old.has_carrier() == new.has_carrier()
                    && old.master_index == new.master_index
            })
}
