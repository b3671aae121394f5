//! [`Instance`]: one shared address on one link: who referees, how fit the machine is, and the duties of who has it.
//!
//! ```text
//!            referee: won                 provider: held
//!  Without ────────────────► Acquiring ─────────────────► Held ──► refreshed each second, announced
//!     ▲                          │ failed: abdicate         │
//!     └──────────────────────────┴──────────────────────────┘ referee: lost
//! ```
//! The order counts. On promotion: advertisement, address, announcements. On demotion: the address goes first, then the
//! referee says farewell.

use super::duty::INCAPABLE;
use super::health::Health;
use super::moving::provider;
use super::place::{self, Place};
use super::referee::{Referee, Ruling, Start};
use super::saved::SavedVip;
use super::talk::Talk;
use crate::proto::announce::Announcer;
use crate::proto::assign::Assignment;
use crate::proto::etcd::Lease;
use crate::proto::{Machine as _, vrrp};
use crate::run::core::fetches::Wires;
use crate::run::core::{Effect, HttpEvent};
use crate::state::{AddressOp, Desired, LinkAt, Observed, Op, VipSpec, VipState, VipStatus};
use crate::value::{Duration, Instant, Rng, earliest};

/// Rounds of rulings and messages in one turn: a referee that contradicts itself must not keep the loop.
const MAX_ROUNDS: usize = 32;

/// Between two removals of an address of a former run.
const CLEAR_PAUSE: Duration = Duration::from_secs(1);

/// What the instance tells about itself.
pub(super) enum News {
    /// This machine has the address.
    Gained,
    /// It has it no more, and why.
    Lost(String),
    /// Something that people should know.
    Notice(log::Level, String),
}

/// One shared address on one link.
pub(super) struct Instance {
    pub(super) spec: VipSpec,
    pub(super) place: Option<Place>,
    pub(super) referee: Option<Referee>,
    pub(super) health: Option<Health>,
    /// Who moves it in the network around; `None`: the neighbours learn it.
    pub(super) provider: Option<Talk<Assignment>>,
    pub(super) duty: Duty,
    pub(super) since: Instant,
    pub(super) promotions: u32,
    /// What is in the way, or was last.
    pub(super) reason: String,
    /// Why this machine gives the address up by itself: the referee knows only that it was told to.
    excuse: Option<String>,
    /// Configuration that cannot be used.
    broken: Option<String>,
    /// What the stage before had, until this one has begun.
    pub(super) inherited: Option<SavedVip>,
    /// When the address of a former run was last taken away.
    cleared: Option<Instant>,
    /// By what name others know this machine.
    hostname: String,
    stopping: bool,
}

/// What this machine does with the address.
pub(super) enum Duty {
    Without,
    Acquiring,
    Held {
        refresh_at: Instant,
        announcer: Option<Announcer>,
    },
}

impl Instance {
    /// One that begins, or goes on with what the stage before had.
    pub(super) fn new(spec: VipSpec, inherited: Option<SavedVip>, now: Instant) -> Self {
        let fit = inherited.as_ref().and_then(|saved| saved.fit);
        let health = spec.check.clone();
        let health = health.map(|check| Health::new(check, fit, now)).transpose();
        let (health, broken) = match health {
            Ok(health) => (health, None),
            Err(error) => (None, Some(error)),
        };
        Self {
            spec,
            place: None,
            referee: None,
            health,
            provider: None,
            duty: Duty::Without,
            since: now,
            promotions: 0,
            reason: String::new(),
            excuse: None,
            broken,
            inherited,
            cleared: None,
            hostname: String::new(),
            stopping: false,
        }
    }

    /// Takes what was seen of the machine.
    pub(super) fn follow(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        hostname: &str,
        now: Instant,
        effects: &mut Vec<Effect>,
        news: &mut Vec<News>,
    ) {
        hostname.clone_into(&mut self.hostname);
        let place = match Place::find(&self.spec, desired, observed) {
            Ok(place) => place,
            Err(why) => {
                self.lose_place(why, now, effects, news);
                return;
            }
        };
        if self.place.is_none() {
            self.reason.clear();
        }
        let resumes = self.resumes(&place, observed, now);
        if !resumes {
            self.remove_stale(&place, desired, observed, now, effects);
        }
        let moved = self
            .place
            .as_ref()
            .is_some_and(|old| old.link != place.link || old.holder != place.holder);
        if moved {
            self.lose_place("the link is another one".into(), now, effects, news);
        }
        if let Some(referee) = &mut self.referee
            && self
                .place
                .as_ref()
                .is_none_or(|old| old.local != place.local)
        {
            referee.set_local(place.local.ok(), now);
        }
        self.begin(&place, resumes, now);
        self.keep(&place, observed, now, effects);
        self.place = Some(place);
        self.inherited = None;
    }

    /// An address of a former run, or on another link: it is taken away before anything else. What somebody else gave this
    /// machine stays, and is told. So does one on a link that has an election of its own.
    fn remove_stale(
        &mut self,
        place: &Place,
        desired: &Desired,
        observed: &Observed,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let (mut foreign, mut stale) = (None, false);
        for there in place::there(&self.spec, observed) {
            let here = there.link.index == place.holder.index;
            let another = !here && desired.shares(there.status);
            if another || (here && self.is_held()) {
                continue;
            }
            if there.status.is_shared_by_us() {
                stale = true;
                // It may have gone since it was seen; and what the kernel refuses it refuses again.
                if self.cleared.is_some_and(|at| now < at + CLEAR_PAUSE) {
                    continue;
                }
                effects.push(Effect::Hold(vec![Op::AddressDel {
                    link: there.link,
                    address: there.status.address,
                    peer: there.status.peer,
                }]));
            } else {
                foreign = Some(there.link.name);
            }
        }
        if !stale {
            self.cleared = None;
        } else if self.cleared.is_none_or(|at| at + CLEAR_PAUSE <= now) {
            self.cleared = Some(now);
        }
        if let Some(link) = foreign {
            self.reason = format!("somebody else gave the address to {link} of this machine");
        }
    }

    /// A campaign that ended with the carrier or the link begins anew with it.
    fn begin_anew(&mut self, now: Instant) {
        let ended = self.referee.as_ref().is_some_and(Referee::is_done) && !self.stopping;
        let place = self.place.as_ref().filter(|place| place.local.is_ok());
        if ended && let Some(place) = place.cloned() {
            self.referee = None;
            self.begin(&place, false, now);
        }
    }

    fn begin(&mut self, place: &Place, resumes: bool, now: Instant) {
        if self.referee.is_some() || self.broken.is_some() || self.stopping {
            return;
        }
        let lease = |saved: &SavedVip| {
            let until = if resumes { saved.until } else { Instant::BOOT };
            saved.lease.map(|id| Lease { id, until })
        };
        let start = Start {
            local: place.local.ok(),
            hostname: &self.hostname,
            fit: self.is_fit(),
            resumes,
            lease: self.inherited.as_ref().and_then(lease),
        };
        // An election that begins anew leaves who moves the address to go on.
        let kept = self.provider.take().map(|it| Ok(Some(it)));
        let provider = || kept.unwrap_or_else(|| provider(&self.spec, place, &self.hostname, now));
        let begun = Referee::new(&self.spec, &start, now)
            .and_then(|referee| referee.map(|it| Ok((it, provider()?))).transpose());
        match begun {
            Ok(None) => {}
            Ok(Some((referee, provider))) => {
                self.referee = Some(referee);
                self.provider = provider;
                if resumes {
                    self.resume(now);
                }
            }
            Err(why) => self.broken = Some(why),
        }
    }

    fn lose_place(
        &mut self,
        why: String,
        now: Instant,
        effects: &mut Vec<Effect>,
        news: &mut Vec<News>,
    ) {
        if !matches!(self.duty, Duty::Without) {
            self.since = now;
            news.push(News::Lost(why.clone()));
        }
        if let Some(referee) = &mut self.referee {
            referee.set_local(None, now);
        }
        self.drop_address(effects);
        self.place = None;
        // Who speaks on the link has nobody to speak to; a cluster is told that the key is left.
        self.referee = self.referee.take_if(|referee| !referee.hears_packets());
        if let Some(mut provider) = self.provider.take() {
            provider.close(effects);
        }
        self.reason = why;
    }

    /// Before it is gone: it leaves no connection open.
    pub(super) fn close(&mut self, effects: &mut Vec<Effect>) {
        if let Some(health) = &mut self.health {
            health.close(effects);
        }
        if let Some(referee) = &mut self.referee {
            referee.close(effects);
        }
        if let Some(provider) = &mut self.provider {
            provider.close(effects);
        }
    }

    /// This machine cannot do its duty until `until`: others may have the address, until then or for [`INCAPABLE`].
    pub(super) fn give_up(&mut self, why: String, until: Instant, now: Instant) {
        if let Some(referee) = &mut self.referee {
            let hold = until.saturating_since(now).max(INCAPABLE);
            referee.abdicate(hold, now);
        }
        self.reason.clone_from(&why);
        self.excuse = Some(why);
    }

    /// What was said on the link.
    pub(super) fn receive_packet(&mut self, link: u32, packet: &[u8], now: Instant) {
        if self
            .place
            .as_ref()
            .is_some_and(|place| place.link.index == link)
            && let Some(referee) = &mut self.referee
        {
            referee.receive_packet(packet, now);
        }
    }

    /// Nothing can be heard on the link with that index.
    pub(super) fn deafen(&mut self, index: u32, now: Instant) {
        /// What is in the way.
        const DEAF: &str = "nothing can be heard on the link";
        if self.ear().is_none_or(|link| link.index != index) {
            return;
        }
        if let Some(place) = &mut self.place {
            place.local = Err(DEAF);
        }
        self.excuse = Some(DEAF.to_owned());
        if let Some(referee) = &mut self.referee {
            referee.set_local(None, now);
        }
    }

    /// Something about a connection.
    pub(super) fn receive(&mut self, event: &HttpEvent, now: Instant) {
        if let Some(referee) = &mut self.referee {
            referee.receive(event, now);
        }
        if let Some(health) = &mut self.health {
            health.receive(event, now);
        }
        if let Some(provider) = &mut self.provider {
            provider.receive(event, now);
        }
    }

    /// Lets everything act. `drained`: what was said on the link by now has been heard.
    pub(super) fn turn(
        &mut self,
        drained: bool,
        now: Instant,
        rng: &mut Rng,
        wires: &mut Wires<'_>,
        news: &mut Vec<News>,
    ) {
        if let Some(health) = &mut self.health
            && !self.stopping
            && health.turn(now, rng, wires)
        {
            let failure = health.failure();
            let fit = failure.is_none();
            let text = failure.unwrap_or_else(|| "the check answers: this machine is fit".into());
            news.push(News::Notice(log::Level::Info, text));
            if let Some(referee) = &mut self.referee {
                referee.set_fit(fit, now);
            }
        }
        self.turn_referee(drained, now, rng, wires, news);
        self.turn_provider(now, rng, wires, news);
        // What the provider said may make the referee say something.
        self.turn_referee(drained, now, rng, wires, news);
        self.begin_anew(now);
        // Who stood still may have lost it: the referee says so before the address is kept alive and announced once more.
        if drained || !self.wants_to_act(now) {
            self.turn_holder(now, rng, wires.effects);
        }
    }

    fn turn_referee(
        &mut self,
        drained: bool,
        now: Instant,
        rng: &mut Rng,
        wires: &mut Wires<'_>,
        news: &mut Vec<News>,
    ) {
        for _ in 0..MAX_ROUNDS {
            self.obey_all(now, wires.effects, news);
            let Some(referee) = &mut self.referee else {
                return;
            };
            if referee.hears_packets() && !drained {
                return;
            }
            let place = self.place.as_ref();
            let more = referee.turn(now, rng, wires, |wires, message| {
                let Some(place) = place else { return };
                wires.effects.push(match message {
                    vrrp::Transmit::Frame(frame) => Effect::SendVip {
                        link: place.holder.clone(),
                        frame,
                    },
                    vrrp::Transmit::Question(frame) => Effect::SendVip {
                        link: place.link.clone(),
                        frame,
                    },
                    vrrp::Transmit::Datagram {
                        from,
                        to,
                        ttl,
                        payload,
                    } => Effect::SendVrrp {
                        link: place.link.clone(),
                        from,
                        to,
                        ttl,
                        payload,
                    },
                });
            });
            if !more {
                break;
            }
        }
        self.obey_all(now, wires.effects, news);
    }

    fn obey_all(&mut self, now: Instant, effects: &mut Vec<Effect>, news: &mut Vec<News>) {
        while let Some(ruling) = self.referee.as_mut().and_then(Referee::ruling) {
            self.obey(ruling, now, effects, news);
        }
    }

    fn obey(
        &mut self,
        ruling: Ruling,
        now: Instant,
        effects: &mut Vec<Effect>,
        news: &mut Vec<News>,
    ) {
        match ruling {
            Ruling::Won => {
                self.excuse = None;
                match &mut self.provider {
                    Some(provider) => {
                        provider.dialogue.acquire(now);
                        self.duty = Duty::Acquiring;
                        self.since = now;
                    }
                    None => self.hold(now, effects, news),
                }
            }
            Ruling::Lost(why) => {
                let why = self.excuse.take().unwrap_or(why);
                let had = !matches!(self.duty, Duty::Without);
                self.drop_address(effects);
                if let Some(provider) = &mut self.provider {
                    provider.dialogue.release(now);
                }
                if had {
                    self.since = now;
                    self.reason.clone_from(&why);
                    news.push(News::Lost(why));
                }
            }
            Ruling::Contested => {
                if let Duty::Held {
                    announcer: Some(announcer),
                    ..
                } = &mut self.duty
                {
                    announcer.again(now);
                }
            }
            Ruling::Notice(level, text) => {
                self.reason.clone_from(&text);
                news.push(News::Notice(level, text));
            }
        }
    }

    /// Whether the op puts this address on its link.
    pub(super) fn concerns(&self, op: &AddressOp) -> bool {
        let holder = self.place.as_ref().map(|place| place.holder.index);
        op.address.address() == self.spec.ip && Some(op.link.index) == holder
    }

    /// Ends well: who comes next is told.
    pub(super) fn stop(&mut self, now: Instant) {
        self.stopping = true;
        if let Some(referee) = &mut self.referee {
            referee.stop(now);
        }
    }

    /// Whether everything has been said.
    pub(super) fn is_done(&self) -> bool {
        let told = self.referee.as_ref().is_none_or(Referee::is_done);
        // A hook is told that the address is left.
        let left = |provider: &Talk<Assignment>| provider.dialogue.is_idle();
        told && self.provider.as_ref().is_none_or(left)
    }

    fn is_fit(&self) -> bool {
        self.health
            .as_ref()
            .is_none_or(|health| health.fit() == Some(true))
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.duty, Duty::Held { .. })
    }

    /// The link to listen on; `None`: nothing is to be heard.
    pub(super) fn ear(&self) -> Option<&LinkAt> {
        let hears = self.referee.as_ref().is_some_and(Referee::hears_packets);
        self.place
            .as_ref()
            .map(|place| &place.link)
            .filter(|_| hears)
    }

    /// Whether the referee must act now, which it may after what was said has been heard.
    pub(super) fn wants_to_act(&self, now: Instant) -> bool {
        let due = |referee: &Referee| referee.deadline().is_some_and(|at| at <= now);
        self.referee.as_ref().is_some_and(due)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let (refresh, announce) = match &self.duty {
            Duty::Held {
                refresh_at,
                announcer,
            } => (
                Some(*refresh_at),
                announcer.as_ref().and_then(Announcer::deadline),
            ),
            Duty::Without | Duty::Acquiring => (None, None),
        };
        earliest([
            refresh,
            announce,
            self.referee.as_ref().and_then(Referee::deadline),
            self.health
                .as_ref()
                .filter(|_| !self.stopping)
                .and_then(Health::deadline),
            self.provider.as_ref().and_then(Talk::deadline),
        ])
    }

    /// How it fares.
    pub(super) fn status(&self) -> VipStatus {
        let fault = self.referee.as_ref().and_then(Referee::fault);
        let fault = self.broken.as_deref().or(fault);
        let state = match (&self.duty, &self.place) {
            (Duty::Held { .. }, _) => VipState::Active,
            (Duty::Acquiring, _) => VipState::Acquiring,
            (Duty::Without, _) if fault.is_some() => VipState::Fault,
            (Duty::Without, None) => VipState::Waiting,
            (Duty::Without, Some(place)) if place.local.is_err() => VipState::Fault,
            (Duty::Without, Some(_)) => VipState::Backup,
        };
        let place = self.place.as_ref().and_then(|place| place.local.err());
        let moved = self.provider.as_ref().and_then(|it| it.dialogue.fault());
        let reason = fault.or(place).or(moved).map(str::to_owned);
        let unfit = self.health.as_ref().and_then(Health::failure);
        VipStatus {
            state,
            since: self.since,
            owner: self.referee.as_ref().and_then(Referee::owner),
            healthy: self.health.as_ref().and_then(Health::fit),
            priority: self.referee.as_ref().and_then(Referee::priority),
            reason: reason.or(unfit).unwrap_or_else(|| self.reason.clone()),
            promotions: self.promotions,
        }
    }
}
