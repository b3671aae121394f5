//! The core: decides when. Pure: events and the time in, effects out; a whole boot replays in a unit test.
//!
//! One reconcile round is: [`Effect::Observe`] → [`Event::Observed`] → compile (when something changed) → plan →
//! [`Effect::Apply`] → [`Event::Applied`] → observe again, until the plan is empty. Everything else (leases, fetched
//! documents, kernel notices, requests) only changes an input of that round.

mod backoff;
mod clients;
mod conflicts;
mod devices;
mod doubt;
mod events;
mod fetches;
mod memory;
mod needs;
mod readiness;
mod requests;
mod subjects;
#[cfg(test)]
mod tests;
mod timeline;

use std::collections::{BTreeMap, BTreeSet};

use crate::compile::{self, Settings};
use crate::config::{Diagnostic, Document};
use crate::plan::plan;
use crate::state::{Desired, LinkAt, LinkStatus, OUR_PROTOCOL, Observed, Op};
use crate::value::{Duration, Gather as _, Instant, LinkName, Prefix, Rng, earliest};

pub use clients::SavedLease;
pub use doubt::Doubt;
pub use events::{Effect, Event, HttpEvent, Outcome};
pub use fetches::{Fetched, Fetches, Source};
pub use needs::{Module, needs};
pub use readiness::{Readiness, Verdict};
pub use requests::{Reply, Request};
pub use timeline::{Stage, Timeline};

use backoff::Backoff;
use clients::Clients;
use conflicts::Conflicts;
use devices::Devices;
use memory::owned_key;

/// Quiet time between a kernel notice and the dump it causes, when there was a dump just before: swallows the handful
/// of messages of one link coming up, and is far below the 5 ms in which drift is to be undone.
const SETTLE: Duration = Duration::from_millis(1);

/// After a look that took long (thousands of links), the next one for a mere notice waits this many times as long: at most a
/// fifth of a processor goes into looking while links come up one by one. A look of a small machine takes less than
/// [`SETTLE`] either way.
const REST: u32 = 4;

/// Longest such wait.
const MAX_REST: Duration = Duration::from_secs(1);

/// Compiles in one round: one for the sources, one for the leases that clients start or end with, one to spare.
const MAX_COMPILES: usize = 3;

/// Wait after a dump that failed (memory, an interrupted socket).
const DUMP_RETRY: Duration = Duration::from_millis(100);

/// Rounds in a row that may apply something before the core suspects that somebody undoes its work and backs off. Links on
/// links take one a level, at most 8 in any kernel (MAX_NEST_DEV), and up to 4 more for what is made again and for
/// addresses, routes and files.
const MAX_ROUNDS: u32 = 16;

/// Wait after [`MAX_ROUNDS`]: long enough not to burn a core in a fight, short enough to win it eventually.
const FIGHT_PAUSE: Duration = Duration::from_secs(1);

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
    /// When to dump next, if something made the last dump doubtful.
    dump_at: Option<Instant>,
    /// What to dump then.
    doubt: Doubt,
    last_dump: Option<Instant>,
    /// No dump before this moment: somebody undoes our work, or dumps fail.
    not_before: Instant,
    /// A look is under way.
    looking: bool,
    /// When the last look was asked for, and how long it took.
    look_began: Instant,
    look_took: Duration,
    /// Ops are under way: their outcomes are awaited.
    applying: bool,
    rounds: u32,
    /// The last plan was empty but for ops that are backing off.
    settled: bool,
    backoff: Backoff,
    clients: Clients,
    conflicts: Conflicts,
    fetches: Fetches,
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
    /// Drivers are still being loaded: links may appear.
    drivers_loading: bool,
    /// Bumped by every change of leases or sources, so that the shell knows when to write the state file.
    revision: u64,
    saved_revision: u64,
    /// The process that this runs in, as it tells it.
    process: serde_json::Value,
}

impl Core {
    /// A core that knows `documents` and, after a hand-off or a crash, `leases`.
    pub fn new(documents: Vec<Document>, leases: Vec<SavedLease>, rng: Rng, now: Instant) -> Self {
        let settings = compile::settings(&documents);
        Self {
            documents,
            settings,
            desired: Desired::default(),
            diagnostics: Vec::new(),
            observed: None,
            stale: true,
            dump_at: Some(now),
            doubt: Doubt::EVERYTHING,
            last_dump: None,
            not_before: Instant::BOOT,
            looking: false,
            look_began: now,
            look_took: Duration::ZERO,
            applying: false,
            rounds: 0,
            settled: false,
            backoff: Backoff::default(),
            clients: Clients::new(leases),
            conflicts: Conflicts::default(),
            fetches: Fetches::default(),
            rng,
            started: now,
            timeline: Timeline::default(),
            names: BTreeMap::new(),
            owned: BTreeSet::new(),
            devices: Devices::default(),
            drivers_loading: false,
            revision: 1,
            saved_revision: 0,
            process: serde_json::Value::Null,
        }
    }

    /// Takes one event and answers with what to do about it. Effects are to be performed in order.
    pub fn step(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Tick => {}
            Event::Changed(doubt) => self.look(doubt, now),
            Event::DumpFailed => {
                self.looking = false;
                self.doubt = Doubt::EVERYTHING;
                self.not_before = now + DUMP_RETRY;
                self.dump_at = Some(self.not_before);
            }
            Event::Observed(observed, of) => self.observed(*observed, of, now, &mut effects),
            Event::Applied(outcomes) => self.applied(outcomes, now, &mut effects),
            Event::ModulesLoaded => {
                self.devices.loaded();
                self.look(Doubt::EVERYTHING, now);
            }
            Event::Dhcp { index, message } => self.clients.receive_dhcp(index, &message, now),
            Event::Arp {
                index,
                address,
                message,
            } => self.conflicts.receive(index, address, &message, now),
            Event::Http(event) => self.fetches.receive(&event, now),
            Event::Documents(documents, sources) => {
                self.fetches.replace(sources, &mut effects);
                self.replace_documents(documents);
            }
            Event::Request { id, request } => {
                let reply = self.answer(request, now);
                effects.push(Effect::Reply { id, reply });
            }
        }
        self.turn(now, &mut effects);
        effects
    }

    /// When [`Event::Tick`] is due at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let dump = self.dump_at.filter(|_| !self.applying);
        earliest([
            dump,
            self.backoff.deadline().map(|at| at.max(self.not_before)),
            self.clients.deadline(),
            self.conflicts.deadline(),
            self.fetches.deadline(),
        ])
    }

    /// What runs after every event: protocol machines, then reconcile, then whatever became due.
    fn turn(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let (conflicts, freed) = self.conflicts.turn(now, &mut self.rng, effects);
        self.revision += u64::from(freed);
        for conflict in conflicts {
            let declined = conflict.during_probe
                && self.clients.decline(conflict.index, conflict.address, now);
            if !declined {
                self.conflicts.claim(conflict.index, conflict.address, now);
            }
        }
        if self.clients.turn(now, &mut self.rng, effects) {
            self.changed();
        }
        for (name, started, ended) in self.clients.stages().chain(self.fetches.stages()) {
            self.timeline.begin(&name, started);
            if ended {
                self.timeline.end(&name, now);
            }
        }
        let nameservers = self
            .desired
            .resolver
            .as_ref()
            .map(|resolver| resolver.name_servers.clone());
        let servers = nameservers.unwrap_or_default();
        let fetched = self.fetches.turn(
            now,
            &mut self.rng,
            self.observed.as_ref(),
            &servers,
            effects,
        );
        for document in fetched {
            self.documents
                .retain(|old| old.source != document.source || old.layer != document.layer);
            self.documents.push(document);
            self.changed();
        }
        // With a look due or under way what was seen is of before the last ops: the look reconciles.
        let fresh = !self.looking && self.dump_at.is_none_or(|at| at > now);
        if self.stale && !self.applying && fresh && self.observed.is_some() {
            self.reconcile(now, effects);
        }
        if self.backoff.due(now) && self.not_before <= now && !self.applying {
            self.look(Doubt::EVERYTHING, now);
        }
        if !self.applying && self.dump_at.is_some_and(|at| at <= now) {
            self.dump_at = None;
            self.looking = true;
            self.look_began = now;
            effects.push(Effect::Observe(core::mem::take(&mut self.doubt)));
        }
    }

    /// The kernel may have changed: dump again, at once or a while after the last time.
    fn look(&mut self, doubt: Doubt, now: Instant) {
        self.doubt |= doubt;
        let rest = (self.look_took * REST).clamp(SETTLE, MAX_REST);
        let after_last = self.last_dump.map_or(now, |last| last + rest);
        let at = after_last.max(now).max(self.not_before);
        self.dump_at = Some(self.dump_at.map_or(at, |already| already.min(at)));
    }

    fn changed(&mut self) {
        self.stale = true;
        self.revision += 1;
    }

    fn replace_documents(&mut self, documents: Vec<Document>) {
        self.documents = documents;
        self.settings = compile::settings(&self.documents);
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
        self.looking = false;
        self.last_dump = Some(now);
        self.look_took = now.saturating_since(self.look_began);
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
        if let Some(older) = self.observed.take() {
            of.complete(&mut observed, older);
        }
        if of.has(Doubt::SETTINGS) {
            self.devices.looked(&self.desired, &observed);
        }
        self.observed = Some(observed);
        if !self.applying {
            self.reconcile(now, effects);
        }
    }

    /// Compiles if needed, then plans against the last dump.
    fn reconcile(&mut self, now: Instant, effects: &mut Vec<Effect>) {
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
                let (desired, compiled) = compile::compile(&documents, &observed.links);
                diagnostics.extend(compiled);
                let new = diagnostics
                    .iter()
                    .filter(|new| !self.diagnostics.contains(new));
                effects.extend(new.cloned().map(Effect::Diagnostic));
                self.desired = desired;
                self.diagnostics = diagnostics;
            }
            if !self.clients.follow(&self.desired, observed, now, effects) {
                break;
            }
            self.stale = true;
            self.revision += 1;
        }
        self.conflicts.follow(&self.desired, observed, now, effects);
        self.devices.load(&self.desired, effects);
        if self.looks_at_devices_first(now) {
            return;
        }
        let Some(observed) = &mut self.observed else {
            return;
        };
        self.revision += u64::from(self.devices.decide(&self.desired, observed));
        let mut ops = plan(&self.desired, observed);
        let Some(observed) = &self.observed else {
            return;
        };
        ops.retain(|op| !self.may_be_leased(op, observed) && !self.devices.awaits(op));
        self.backoff.forget_all_but(&ops);
        self.backoff.hold(&mut ops, &observed.links, now);
        self.settled = ops.is_empty() && !self.devices.is_loading();
        if ops.is_empty() {
            self.rounds = 0;
            return;
        }
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            let first = ops.first().map(ToString::to_string).unwrap_or_default();
            effects.push(Effect::Log(
                log::Level::Warn,
                format!("somebody keeps undoing this, pausing {FIGHT_PAUSE:?}: {first}"),
            ));
            self.rounds = 0;
            self.doubt = Doubt::EVERYTHING;
            self.not_before = now + FIGHT_PAUSE;
            self.dump_at = Some(self.not_before);
            return;
        }
        self.applying = true;
        effects.push(Effect::Apply(ops));
    }

    /// Whether `op` removes what may belong to a lease that is about to be confirmed: after a lost state file, the
    /// kernel alone remembers it. It cannot stay too long: the kernel ends the address with the lease.
    fn may_be_leased(&self, op: &Op, observed: &Observed) -> bool {
        let leased = |link: &LinkAt, only: Option<Prefix>| {
            observed.addresses.iter().any(|status| {
                status.link_index == link.index
                    && status.protocol == OUR_PROTOCOL
                    && status.valid_until.is_some()
                    && only.is_none_or(|only| only == status.address)
            }) && self.clients.is_open(&self.desired, link)
        };
        match op {
            Op::AddressDel { link, address, .. } => leased(link, Some(*address)),
            Op::RouteDel(route) => route.link.as_ref().is_some_and(|link| leased(link, None)),
            _ => false,
        }
    }

    fn applied(&mut self, outcomes: Vec<Outcome>, now: Instant, effects: &mut Vec<Effect>) {
        self.applying = false;
        for outcome in outcomes {
            self.doubt |= Doubt::after(&outcome);
            self.remember(&outcome);
            let decided = self.devices.remember(&outcome, &self.desired);
            self.revision += u64::from(decided);
            self.backoff.record(&outcome, now, &mut self.rng, effects);
        }
        // The dump is the truth: whatever the acknowledgements said, look again.
        self.dump_at = Some(now.max(self.not_before));
    }

    /// Whether the state file should be written again; answers yes once a change.
    pub fn needs_saving(&mut self) -> bool {
        let needs = self.revision != self.saved_revision;
        self.saved_revision = self.revision;
        needs
    }

    /// What `get status` tells of the process.
    pub fn set_process(&mut self, process: serde_json::Value) {
        self.process = process;
    }

    /// Whether links may still appear because drivers are being loaded.
    pub fn set_drivers_loading(&mut self, loading: bool) {
        self.drivers_loading = loading;
    }

    /// The leases held, for the state file.
    pub fn leases(&self) -> Vec<SavedLease> {
        self.clients.saved()
    }

    /// Names that links had, with their indexes, for the state file.
    pub fn names(&self) -> &BTreeMap<LinkName, u32> {
        &self.names
    }

    /// Addresses that were added by us, for the state file.
    pub fn owned(&self) -> Vec<String> {
        self.owned.iter().cloned().collect()
    }

    /// Addresses that nobody else has, for the state file.
    pub fn verified(&self) -> Vec<String> {
        self.conflicts.verified()
    }

    /// Addresses that other hosts have as well.
    pub fn rivals(&self) -> Vec<String> {
        self.conflicts.rivals()
    }

    /// What was fetched, for the state file.
    pub fn fetched(&self) -> &BTreeMap<String, Fetched> {
        self.fetches.fetched()
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

    /// Whether the bodies of that source are still to be fetched.
    pub fn wants(&self, source: &str) -> bool {
        self.fetches.wants(source)
    }

    /// Something to fetch during this boot.
    pub fn fetch(&mut self, source: Box<dyn Source>) {
        self.fetches.add(source);
    }

    /// The stages of this boot so far.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The stages of this boot so far, to add to.
    pub fn timeline_mut(&mut self) -> &mut Timeline {
        &mut self.timeline
    }

    /// What the sources together want.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What the last dump found.
    pub fn last_observed(&self) -> Option<&Observed> {
        self.observed.as_ref()
    }

    /// What the sources have wrong, as far as it shows only when they are together or fetched.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().chain(self.fetches.faults())
    }

    /// The DHCP clients with their leases, as resources.
    pub fn lease_facts(&self) -> Vec<serde_json::Value> {
        self.clients.facts()
    }

    /// How to boot.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Ops that fail and are retried, with the last error.
    pub fn failures(&self) -> Vec<(String, String)> {
        self.backoff.failures()
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
