//! Shared addresses: one [`Instance`] for each of them and each link, and what they share: ears, connections, memory.
//!
//! A packet that waits in a socket proves that its sender lives. So nobody acts on a timer before everything has been heard:
//! what is due asks for [`Effect::DrainVips`] first and acts after [`Event::VipsDrained`](super::Event::VipsDrained).

mod duty;
mod health;
mod instance;
mod moving;
mod place;
mod referee;
mod saved;
mod talk;

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

pub use saved::SavedVip;

use super::fetches::{Means, Wires};
use super::record::EventKind;
use super::{Core, Doubt, Effect, HttpEvent, Outcome};
use crate::proto::vrrp;
use crate::state::{Desired, LinkAt, Observed, Op, VipElection, VipSpec, VipStatus};
use crate::value::{Duration, Instant, LinkName, Rng, earliest};
use instance::{Instance, News};

/// Ids of their connections begin here: they never meet those of what is fetched, or of probes.
const FIRST_ID: u64 = 1 << 62;

/// How long until it is tried again to listen where that failed.
const DEAF_PAUSE: Duration = Duration::from_secs(5);

/// Link and address.
pub type Key = (LinkName, IpAddr);

/// What is heard on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hearing {
    /// Classic BPF (code, jt, jf, k) for packets that start at their network header.
    pub filter: Vec<(u16, u8, u8, u32)>,
    /// The group of IPv4 is joined.
    pub group4: bool,
    /// The group of IPv6 is joined.
    pub group6: bool,
}

/// All of them.
pub struct Vips {
    instances: BTreeMap<Key, Instance>,
    /// Those that are configured no more, until they have said farewell.
    leaving: Vec<(Key, Instance)>,
    /// What is listened to, by index of the link, and whether everything said there has been heard.
    ears: BTreeMap<u32, Ear>,
    /// What the stage before had, by `link/address`.
    inherited: BTreeMap<String, SavedVip>,
    next: u64,
    /// When it is tried again to listen.
    listen_at: Option<Instant>,
    stopping: bool,
}

struct Ear {
    hearing: Hearing,
    state: Heard,
}

/// How much of what was said has been heard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Unknown,
    Asked,
    All,
}

impl Default for Vips {
    fn default() -> Self {
        Self {
            instances: BTreeMap::new(),
            leaving: Vec::new(),
            ears: BTreeMap::new(),
            inherited: BTreeMap::new(),
            next: FIRST_ID,
            listen_at: None,
            stopping: false,
        }
    }
}

impl Vips {
    /// How each of them fares, by link and address.
    pub fn statuses(&self) -> BTreeMap<Key, VipStatus> {
        let all = self.instances.iter();
        all.map(|(key, instance)| (key.clone(), instance.status()))
            .collect()
    }

    /// What the next stage goes on from, by `link/address`.
    fn saved(&self, now: Instant) -> BTreeMap<String, SavedVip> {
        let saved = self.instances.iter();
        saved
            .filter_map(|(key, instance)| Some((name(key), instance.saved(now)?)))
            .collect()
    }

    /// Takes what is desired and what was seen.
    fn follow(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Vec<(Key, News)> {
        let mut told = Vec::new();
        if desired.vips.is_empty() && self.instances.is_empty() && self.leaving.is_empty() {
            return told;
        }
        let gone: Vec<Key> = self
            .instances
            .keys()
            .filter(|key| !desired.vips.contains_key(*key))
            .cloned()
            .collect();
        for key in gone {
            self.dismiss(key, now);
        }
        for (key, spec) in &desired.vips {
            self.employ(key, spec, now, effects);
        }
        let hostname = hostname(desired, observed);
        for (key, instance) in &mut self.instances {
            let mut news = Vec::new();
            instance.follow(desired, observed, &hostname, now, effects, &mut news);
            told.extend(news.into_iter().map(|news| (key.clone(), news)));
        }
        self.listen(effects);
        told
    }

    /// Begins with `spec`, or goes on with it.
    fn employ(&mut self, key: &Key, spec: &VipSpec, now: Instant, effects: &mut Vec<Effect>) {
        if self.stopping {
            return;
        }
        let next = match self.instances.get(key) {
            Some(running) if running.spec == *spec => return,
            Some(running) => running.succeed(spec, now),
            None => None,
        };
        let next = match next {
            Some(next) => next,
            None => {
                self.dismiss(key.clone(), now);
                Instance::new(spec.clone(), self.inherited.remove(&name(key)), now)
            }
        };
        if let Some(mut old) = self.instances.insert(key.clone(), next) {
            old.close(effects);
        }
    }

    /// Lets the instance say farewell.
    fn dismiss(&mut self, key: Key, now: Instant) {
        if let Some(mut instance) = self.instances.remove(&key) {
            instance.stop(now);
            self.leaving.push((key, instance));
        }
    }

    /// All of them, those that leave included.
    fn all(&self) -> impl Iterator<Item = &Instance> {
        let leaving = self.leaving.iter().map(|(_, instance)| instance);
        self.instances.values().chain(leaving)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Instance> {
        let leaving = self.leaving.iter_mut().map(|(_, instance)| instance);
        self.instances.values_mut().chain(leaving)
    }

    /// Listens where something is to be heard, and nowhere else.
    fn listen(&mut self, effects: &mut Vec<Effect>) {
        #[derive(Default)]
        struct Wanted {
            addresses: BTreeSet<IpAddr>,
            vrids: BTreeSet<u8>,
            groups: [bool; 2],
        }
        let mut wanted: BTreeMap<u32, (LinkAt, Wanted)> = BTreeMap::new();
        for instance in self.all() {
            let (Some(link), VipElection::Vrrp(election)) =
                (instance.ear(), &instance.spec.election)
            else {
                continue;
            };
            let (_, wanted) = wanted
                .entry(link.index)
                .or_insert_with(|| (link.clone(), Wanted::default()));
            wanted.addresses.insert(instance.spec.ip);
            wanted.vrids.insert(election.vrid);
            if election.peers.is_empty() {
                wanted.groups[usize::from(instance.spec.ip.is_ipv6())] = true;
            }
        }
        self.ears.retain(|index, _| {
            let stays = wanted.contains_key(index);
            if !stays {
                effects.push(Effect::CloseVips { index: *index });
            }
            stays
        });
        for (index, (link, wanted)) in wanted {
            let addresses: Vec<IpAddr> = wanted.addresses.into_iter().collect();
            let vrids: Vec<u8> = wanted.vrids.into_iter().collect();
            let [group4, group6] = wanted.groups;
            let hearing = Hearing {
                filter: vrrp::filter(&addresses, &vrids),
                group4,
                group6,
            };
            if self
                .ears
                .get(&index)
                .is_some_and(|ear| ear.hearing == hearing)
            {
                continue;
            }
            effects.push(Effect::ListenVips {
                link,
                hearing: hearing.clone(),
            });
            let state = Heard::Unknown;
            self.ears.insert(index, Ear { hearing, state });
        }
    }

    /// What was said on a link.
    pub(super) fn receive_packets(&mut self, index: u32, packets: &[Vec<u8>], now: Instant) {
        for instance in self.all_mut() {
            for packet in packets {
                instance.receive_packet(index, packet, now);
            }
        }
    }

    /// Everything that was said on a link has been heard.
    pub(super) fn drained(&mut self, index: u32) {
        if let Some(ear) = self.ears.get_mut(&index) {
            ear.state = Heard::All;
        }
    }

    /// Nothing can be heard on a link: who does not hear others must not believe that there are none.
    pub(super) fn deaf(&mut self, index: u32, now: Instant) {
        self.ears.remove(&index);
        self.listen_at = Some(now + DEAF_PAUSE);
        for instance in self.all_mut() {
            instance.deafen(index, now);
        }
    }

    /// Something about a connection.
    pub(super) fn receive(&mut self, event: &HttpEvent, now: Instant) {
        for instance in self.all_mut() {
            instance.receive(event, now);
        }
    }

    /// Lets each of them act.
    fn turn(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        observed: Option<&Observed>,
        means: &mut Means<'_>,
        effects: &mut Vec<Effect>,
    ) -> Vec<(Key, News)> {
        let mut told = Vec::new();
        let mut wires = Wires {
            next: &mut self.next,
            nameservers: means.nameservers,
            trusted: means.trusted,
            observed,
            effects,
        };
        let leaving = self
            .leaving
            .iter_mut()
            .map(|(key, instance)| (&*key, instance));
        for (key, instance) in self.instances.iter_mut().chain(leaving) {
            let ear = instance
                .ear()
                .and_then(|link| self.ears.get_mut(&link.index));
            let mut drained = true;
            if let Some(ear) = ear {
                drained = ear.state == Heard::All;
                if ear.state == Heard::Unknown && instance.wants_to_act(now) {
                    ear.state = Heard::Asked;
                    let index = instance.ear().map(|link| link.index);
                    let drain = index.map(|index| Effect::DrainVips { index });
                    wires.effects.extend(drain);
                }
            }
            let mut news = Vec::new();
            instance.turn(drained, now, rng, &mut wires, &mut news);
            told.extend(news.into_iter().map(|news| (key.clone(), news)));
        }
        // What is heard from now on has to be asked for again.
        for ear in self.ears.values_mut().filter(|ear| ear.state == Heard::All) {
            ear.state = Heard::Unknown;
        }
        let before = self.leaving.len();
        self.leaving.retain_mut(|(_, instance)| {
            let done = instance.is_done();
            if done {
                instance.close(effects);
            }
            !done
        });
        if self.leaving.len() != before {
            self.listen(effects);
        }
        told
    }

    /// What the kernel said to ops on these addresses.
    fn held(&mut self, outcomes: &[Outcome], now: Instant) {
        for outcome in outcomes {
            let Op::AddressReplace(op) = &outcome.op else {
                continue;
            };
            for instance in self.all_mut().filter(|it| it.concerns(op)) {
                match &outcome.result {
                    Err((_, why)) => instance.refused(why, now),
                    Ok(()) => instance.confirmed(now),
                }
            }
        }
    }

    /// Ends all of them well.
    fn stop(&mut self, now: Instant) {
        self.stopping = true;
        let keys: Vec<Key> = self.instances.keys().cloned().collect();
        for key in keys {
            self.dismiss(key, now);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let instances = self.all().map(Instance::deadline);
        earliest(instances.chain([self.listen_at]))
    }
}

impl Core {
    /// Shared addresses.
    pub const fn vips(&self) -> &Vips {
        &self.vips
    }

    /// What the next stage goes on from.
    pub fn saved_vips(&self, now: Instant) -> BTreeMap<String, SavedVip> {
        self.vips.saved(now)
    }

    /// What the stage before had.
    pub fn inherit_vips(&mut self, saved: BTreeMap<String, SavedVip>) {
        self.vips.inherited = saved;
    }

    /// Whether every shared address has been left to others, after [`Event::Stop`](super::Event::Stop).
    pub fn has_left(&self) -> bool {
        self.vips.leaving.is_empty()
    }

    /// Ends everything that others are to be told of.
    pub(super) fn stop_vips(&mut self, now: Instant) {
        self.vips.stop(now);
    }

    /// Takes what is desired and what was seen.
    pub(super) fn follow_vips(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if let Some(observed) = &self.observed {
            let told = self.vips.follow(&self.desired, observed, now, effects);
            self.tell_vips(told, now, effects);
        }
    }

    /// Lets them act, and tells what came of it.
    pub(super) fn turn_vips(
        &mut self,
        servers: &[core::net::SocketAddr],
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let mut means = Means {
            nameservers: servers,
            trusted: &mut self.trusted,
        };
        if self.vips.listen_at.is_some_and(|at| at <= now) {
            self.vips.listen_at = None;
            self.looks.need(Doubt::LINKS, now);
        }
        let observed = self.observed.as_ref();
        let told = self
            .vips
            .turn(now, &mut self.rng, observed, &mut means, effects);
        self.tell_vips(told, now, effects);
    }

    fn tell_vips(&mut self, told: Vec<(Key, News)>, now: Instant, effects: &mut Vec<Effect>) {
        for (key, news) in told {
            let (link, ip) = &key;
            let (kind, level, text) = match news {
                News::Gained => {
                    let text = format!("this machine has {ip} on {link} now");
                    (Some(EventKind::VipGained), log::Level::Info, text)
                }
                News::Lost(why) => {
                    let text = format!("this machine has {ip} on {link} no more: {why}");
                    (Some(EventKind::VipLost), log::Level::Info, text)
                }
                News::Notice(level, text) => {
                    let kind = (level <= log::Level::Warn).then_some(EventKind::VipTrouble);
                    (kind, level, format!("{ip} on {link}: {text}"))
                }
            };
            if let Some(kind) = kind {
                self.note_vip(kind, &name(&key), &text, now);
            }
            // Who is told of a change may ask what there is.
            self.revision += 1;
            effects.push(Effect::Log(level, format!("vip: {text}")));
        }
    }

    /// The kernel has answered to what was done for them.
    pub(super) fn held(&mut self, outcomes: &[Outcome], now: Instant) {
        self.vips.held(outcomes, now);
        for outcome in outcomes {
            self.remember(outcome);
            let refresh = matches!(&outcome.op, Op::AddressReplace(op) if op.present);
            // A refresh that was done changes nothing that anybody asks for.
            if !refresh || outcome.result.is_err() {
                self.looks.need(Doubt::ADDRESSES, now);
            }
        }
    }
}

/// As in the state file and in events.
fn name((link, ip): &Key) -> String {
    format!("{link}/{ip}")
}

/// By what name others know this machine.
fn hostname(desired: &Desired, observed: &Observed) -> String {
    let said = desired.hostname.as_ref().map(|spec| spec.hostname.clone());
    let has = || observed.hostname.clone();
    said.or_else(has).unwrap_or_else(|| "localhost".to_owned())
}
