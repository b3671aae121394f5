//! VRRP: which of several machines has an address. RFC 9568 (version 3) and RFC 3768 (version 2).
//!
//! One [`Vrrp`] for one address in one group. It gets the packets of the link that [`filter`] lets through, from the network
//! header on: advertisements, and what neighbours say about who has the address. Its owner reads everything that has arrived
//! before it calls [`Machine::expire`] or [`Machine::transmit`]: after a pause, what waits in the socket proves that the
//! other machine lives.
//!
//! Beyond the RFC: an unfit machine leaves the address to others ([`Vrrp::set_fit`]), a silent machine that still answers for
//! the address is not fought ([`guard`]), a machine that stood still steps back, another group with the same number is not
//! fought either, and who changes too often waits ([`flap`]).

mod flap;
mod frame;
mod guard;
mod receive;
mod send;
mod settings;
#[cfg(test)]
mod tests;
mod timing;
mod wire;

use core::net::IpAddr;
use std::collections::VecDeque;

pub use frame::{GROUP4, GROUP6, TRAFFIC_CLASS, filter};
pub use settings::{COLLISION, Event, Local, Notice, Settings, Transmit, Why};
pub use wire::{Advertisement, PROTOCOL, Path, Reject};

use super::{Machine, neighbor};
use crate::value::{Duration, Instant, Rng, VrrpVersion, earliest};
use flap::Flap;
use guard::{Guard, Verdict};

/// Priority of a machine that leaves, RFC 9568 §5.2.4.
const LEAVING: u8 = 0;
/// An unfit machine has this part of its priority. Below [`FIT`] whatever it was.
const UNFIT_SHARE: u8 = 8;
/// Least priority of a machine that is fit: one that advertises less is taken from, `preempt` or not.
pub const FIT: u8 = 32;
/// A timer that ends later than two intervals, and than this, tells that this machine stood still.
const STALL: Duration = Duration::from_millis(300);
/// For how many times the wait for a silent machine an unfit one leaves the address to others.
const UNFIT_HOLD: u32 = 3;
/// How long a machine that may not take the address waits until it looks again; what changes that wakes it.
const UNFIT_WAIT: Duration = Duration::from_secs(60);
/// Least time after the last advertisement of another group until its number counts as free.
const COLLISION_OVER: Duration = Duration::from_secs(10);
/// For how long a peer that was heard counts as one to leave the address to when it flaps.
const PEER_LIFE: Duration = Duration::from_secs(60);
/// How long nobody may have advertised until a machine takes the address that left it to others because it flapped.
const FLAP_SILENCE: Duration = Duration::from_secs(10);
/// Least time between two answers to machines that have no right to advertise: a flood makes no flood.
const ANSWER_PAUSE: Duration = Duration::from_millis(20);
/// Least time between two contradictions to a neighbour that says it has the address (DEFEND_INTERVAL, RFC 5227 §1.1): more of
/// them, and both say it for ever.
const CLAIM_PAUSE: Duration = Duration::from_secs(10);
/// Messages that wait to be sent, and events to be fetched: one input makes a handful of either.
const MAX_QUEUE: usize = 1024;
/// Notices that are remembered as told; what strangers can make is told no more often than that.
const MAX_TOLD: usize = 32;

/// RFC 9568 §6.4, with what may hold a promotion up:
///
/// ```text
///            local known                 down, nobody answers: advertise
///  Off ─────────────────► Backup ──────────────────────────────────────► Active
///   ▲ ▲                    │  ▲ ▲                                          │
///   │ └─ local gone ───────┤  │ └── outranked · unfit · told · stalled ─────┤
///   │                      │  └──── its number is free again ── Fault ◄─────┤ another
///   └──── stop ────────────┴───────────────────────────────────── ▲ ◄───────┘ group
/// ```
#[derive(Clone, Debug)]
enum State {
    /// The machine cannot speak on the link.
    Off,
    /// Another machine has the address, or it is about to show that none has.
    Backup {
        /// Active_Down_Timer.
        down_at: Instant,
        /// The questions before the promotion; `None`: the machine that had it has left, and said so.
        guard: Option<Guard>,
        /// When a machine of less priority is not listened to any more.
        preempt_at: Option<Instant>,
    },
    /// This machine has the address.
    Active {
        /// Adver_Timer.
        advertise_at: Instant,
        /// When a machine without the right was answered last.
        answered: Option<Instant>,
    },
    /// Another group has the number.
    Fault {
        /// When it will have been silent for long enough.
        until: Instant,
    },
    /// It has ended.
    Stopped,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Advertisements sent; to each of several peers one.
    pub sent: u64,
    /// Advertisements of this group that were believed.
    pub received: u64,
    /// Those that were not.
    pub refused: u64,
}

/// What waits for its turn to be sent.
#[derive(Clone, Debug)]
enum Item {
    Message(Transmit),
    /// It is told once everything before it is out.
    Tell(Event),
}

/// One address in one group.
#[derive(Clone, Debug)]
pub struct Vrrp {
    settings: Settings,
    local: Option<Local>,
    fit: bool,
    state: State,
    /// Active_Adver_Interval: that of the machine that has the address (RFC 9568 §6.1).
    interval: Duration,
    /// Whose advertisements were believed last, and when.
    owner: Option<(IpAddr, Instant)>,
    /// That one has left, or was silent for too long.
    deserted: bool,
    /// No promotion before this moment.
    hold_until: Instant,
    /// Nor before this one, while another machine has the address.
    flap_until: Instant,
    flap: Flap,
    queue: VecDeque<Item>,
    /// Since when the first of them waits.
    queued_at: Instant,
    events: VecDeque<Event>,
    told: Vec<Notice>,
    counters: Counters,
}

impl Vrrp {
    /// A machine that listens first: it takes the address when nobody shows within the time that an Active may be silent.
    pub fn new(settings: Settings, local: Local, fit: bool, now: Instant) -> Self {
        let mut this = Self::idle(settings, Some(local), fit);
        this.listen(now);
        this
    }

    /// One that goes on after a hand-over with the address that it has: it advertises at once.
    pub fn resume(settings: Settings, local: Local, fit: bool, now: Instant) -> Self {
        let mut this = Self::idle(settings, Some(local), fit);
        this.state = active(now);
        this
    }

    fn idle(settings: Settings, local: Option<Local>, fit: bool) -> Self {
        Self {
            interval: settings.interval,
            settings,
            local,
            fit,
            state: State::Off,
            owner: None,
            deserted: false,
            hold_until: Instant::BOOT,
            flap_until: Instant::BOOT,
            flap: Flap::default(),
            queue: VecDeque::new(),
            queued_at: Instant::BOOT,
            events: VecDeque::new(),
            told: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Says what the machine is on the link; `None`: it cannot speak there, and has the address no more. Another source
    /// address changes nothing else.
    pub fn set_local(&mut self, local: Option<Local>, now: Instant) {
        let had = self.local.is_some();
        self.local = local;
        match (&self.state, local) {
            (State::Stopped, _) => {}
            (_, None) => {
                self.queue.clear();
                self.lose(Why::NoSource);
                self.state = State::Off;
            }
            (_, Some(_)) if !had => self.listen(now),
            (_, Some(_)) => {}
        }
    }

    /// Says whether the machine is fit to have the address. One that is not leaves it to others, for a while: when none of
    /// them takes it, it takes it again if [`Settings::bootstrap`] says so.
    pub fn set_fit(&mut self, fit: bool, now: Instant) {
        let was = core::mem::replace(&mut self.fit, fit);
        match &self.state {
            State::Active { .. } if was && !fit => {
                let hold = self.down_interval() * UNFIT_HOLD;
                self.leave(Why::Unfit, hold, now);
            }
            // Nobody has shown meanwhile, as far as it knows: it may take the address now that it could not before.
            State::Backup { .. } if !was && fit && !self.has_owner(now) => self.listen(now),
            // Or somebody has, and left since.
            State::Backup { down_at, .. } if !was && fit && *down_at > self.patience(now) => {
                self.wait(now);
            }
            _ => {}
        }
    }

    /// The owner cannot do its duty: others may have the address, and for `hold` this machine does not take it.
    pub fn abdicate(&mut self, hold: Duration, now: Instant) {
        match self.state {
            State::Active { .. } => self.leave(Why::Told, hold, now),
            State::Backup { .. } => self.hold_until = self.hold_until.max(now + hold),
            State::Off | State::Fault { .. } | State::Stopped => {}
        }
    }

    /// Ends well: others are told at once.
    pub fn stop(&mut self, now: Instant) {
        if self.lose(Why::Told) {
            self.say_farewell(now);
        }
        self.state = State::Stopped;
    }

    /// Whether this machine has the address.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Active { .. })
    }

    /// Whether it has ended, and everything is sent.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Stopped) && self.queue.is_empty()
    }

    /// Who has the address, as far as is known: the last one that advertised it, while this machine does not have it.
    pub fn owner(&self) -> Option<IpAddr> {
        match self.state {
            State::Backup { .. } if self.deserted => None,
            State::Backup { .. } => self.owner.map(|(owner, _)| owner),
            State::Active { .. } => self.local.map(|local| local.source),
            State::Off | State::Fault { .. } | State::Stopped => None,
        }
    }

    /// The priority that it has now: less while it is unfit.
    pub fn priority(&self) -> u8 {
        match self.fit {
            true => self.settings.priority,
            false => (self.settings.priority / UNFIT_SHARE).max(1),
        }
    }

    /// What keeps it from taking part.
    pub fn fault(&self) -> Option<&'static str> {
        match self.state {
            State::Fault { .. } => Some(COLLISION),
            State::Off | State::Backup { .. } | State::Active { .. } | State::Stopped => None,
        }
    }

    /// For how long the others wait for this machine when it says nothing.
    pub fn down_interval(&self) -> Duration {
        timing::down(&self.settings, self.priority(), self.settings.interval)
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a machine that was heard may still have the address.
    fn has_owner(&self, now: Instant) -> bool {
        self.owner
            .is_some_and(|(_, heard)| now < self.patience(heard))
    }

    /// Begins to listen. RFC 9568 §6.4.1, (150).
    fn listen(&mut self, now: Instant) {
        self.interval = self.settings.interval;
        self.owner = None;
        self.wait(now);
    }

    /// Gives the address up when its own advertisement is so late that this machine must have stood still: another one may have
    /// the address by now. Answers whether it did.
    fn steps_back(&mut self, now: Instant) -> bool {
        let State::Active { advertise_at, .. } = self.state else {
            return false;
        };
        let stood_still = self.stood_still(advertise_at, now);
        if stood_still {
            self.lose(Why::Stalled);
            self.listen(now);
        }
        stood_still
    }

    /// When it may be promoted. An address that nobody has had for [`FLAP_SILENCE`] changes hands no more.
    fn held_until(&self) -> Instant {
        let deserted = self.owner.map(|(_, heard)| heard + FLAP_SILENCE);
        let flap = deserted.map_or(self.flap_until, |at| at.min(self.flap_until));
        self.hold_until.max(flap)
    }

    /// Whether a timer that was due at `due` is so late that this machine must have stood still.
    fn stood_still(&self, due: Instant, now: Instant) -> bool {
        now.saturating_since(due) > (self.settings.interval * 2).max(STALL)
    }

    /// Until when the Active may be silent that was heard now.
    fn patience(&self, now: Instant) -> Instant {
        now + timing::down(&self.settings, self.priority(), self.interval)
    }

    /// Waits for the Active from now on.
    fn wait(&mut self, now: Instant) {
        let down_at = self.patience(now);
        self.state = State::Backup {
            down_at,
            guard: self.guard(down_at, now),
            preempt_at: None,
        };
    }

    /// The questions before a promotion at `down_at`.
    fn guard(&self, down_at: Instant, now: Instant) -> Option<Guard> {
        (!self.settings.guard.is_zero()).then(|| Guard::new(down_at, self.interval, now))
    }

    /// The address goes, if it is here: the owner hears of it before anything further is sent. Answers whether it was.
    fn lose(&mut self, why: Why) -> bool {
        let had = self.is_active();
        if had {
            self.queue.clear();
            self.push_event(Event::Lost(why));
        }
        had
    }

    /// Leaves the address to others.
    fn leave(&mut self, why: Why, hold: Duration, now: Instant) {
        self.lose(why);
        self.say_farewell(now);
        self.hold_until = self.hold_until.max(now + hold);
        self.listen(now);
    }

    /// The wait has ended.
    fn down(&mut self, guard: Option<Guard>, preempt_at: Option<Instant>, now: Instant) {
        let may = self.fit || self.settings.bootstrap;
        if !may {
            self.deserted = true;
            // Until it is fit, or somebody advertises.
            self.state = State::Backup {
                down_at: now + UNFIT_WAIT,
                guard: None,
                preempt_at,
            };
            return;
        }
        let held_until = self.held_until();
        if now < held_until {
            self.deserted = true;
            let down_at = held_until;
            self.state = State::Backup {
                down_at,
                guard: self.guard(down_at, now),
                preempt_at,
            };
            return;
        }
        let verdict = guard.map(|mut guard| {
            let verdict = guard.judge(self.settings.guard, self.interval, now);
            (guard, verdict)
        });
        match verdict {
            Some((guard, Verdict::Kept(mac, down_at))) => {
                self.tell(Notice::StillAnswered { mac });
                self.state = State::Backup {
                    down_at,
                    guard: Some(guard),
                    preempt_at,
                };
            }
            Some((guard, Verdict::Unsure(down_at))) => {
                self.state = State::Backup {
                    down_at,
                    guard: Some(guard),
                    preempt_at,
                };
            }
            Some((_, Verdict::Overridden(mac))) => {
                self.tell(Notice::Overridden { mac });
                self.promote(now);
            }
            Some((_, Verdict::Free)) | None => self.promote(now),
        }
    }

    /// RFC 9568 §6.4.2, (345): the advertisement, then the address.
    fn promote(&mut self, now: Instant) {
        let has_peers = self.owner.is_some_and(|(_, heard)| now < heard + PEER_LIFE);
        if has_peers && let Err(hold) = self.flap.promote(now) {
            self.told
                .retain(|told| !matches!(told, Notice::Flapping { .. }));
            self.tell(Notice::Flapping { hold });
            self.flap_until = now + hold;
            self.wait(now);
            return;
        }
        let end = |told: &Notice| {
            !matches!(
                told,
                Notice::StillAnswered { .. } | Notice::Overridden { .. } | Notice::Flapping { .. }
            )
        };
        self.told.retain(end);
        self.interval = self.settings.interval;
        self.state = active(now + self.settings.interval);
        self.advertise(self.priority(), now);
        self.push_item(Item::Tell(Event::Won), now);
    }

    fn tell(&mut self, notice: Notice) {
        if self.told.contains(&notice) {
            return;
        }
        if self.told.len() >= MAX_TOLD {
            // Senders are easily forged: a flood of names must not flood the log.
            if matches!(notice, Notice::Refused { .. } | Notice::Differs { .. }) {
                return;
            }
            self.told.remove(0);
        }
        self.told.push(notice.clone());
        self.push_event(Event::Notice(notice));
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() < MAX_QUEUE {
            self.events.push_back(event);
        }
    }

    fn push_item(&mut self, item: Item, now: Instant) {
        if self.queue.is_empty() {
            self.queued_at = now;
        }
        if self.queue.len() < MAX_QUEUE {
            self.queue.push_back(item);
        }
    }

    /// Events that wait for nothing any more.
    fn release(&mut self) {
        while let Some(Item::Tell(_)) = self.queue.front() {
            if let Some(Item::Tell(event)) = self.queue.pop_front() {
                self.push_event(event);
            }
        }
    }
}

fn active(advertise_at: Instant) -> State {
    State::Active {
        advertise_at,
        answered: None,
    }
}

impl Machine for Vrrp {
    type Transmit = Transmit;
    type Event = Event;

    fn receive(&mut self, packet: &[u8], now: Instant) {
        if self.local.is_none() || matches!(self.state, State::Off | State::Stopped) {
            return;
        }
        // What it hears first after it stood still finds a machine that claims nothing.
        self.steps_back(now);
        if let Some(packet) = frame::Packet::parse(packet) {
            self.receive_advertisement(&packet, now);
        } else if let Some((ip, mac)) = neighbor::claim(packet) {
            self.receive_claim(ip, mac, now);
        }
    }

    fn expire(&mut self, now: Instant) {
        match self.state.clone() {
            State::Backup {
                down_at,
                guard,
                preempt_at,
            } if down_at <= now => {
                // What the others said while a virtual machine was paused has reached no socket: their silence proves nothing.
                if self.stood_still(down_at, now) {
                    return self.wait(now);
                }
                self.down(guard, preempt_at, now);
            }
            State::Backup {
                down_at,
                guard: Some(mut guard),
                preempt_at,
            } => {
                if let Some(local) = self.local
                    && guard.asks(now)
                {
                    let question = neighbor::question(self.settings.ip, local.card);
                    if let Some(frame) = question {
                        self.push_item(Item::Message(Transmit::Question(frame)), now);
                    }
                    self.state = State::Backup {
                        down_at,
                        guard: Some(guard),
                        preempt_at,
                    };
                }
            }
            State::Active { advertise_at, .. } if advertise_at <= now => {
                if self.steps_back(now) {
                    return;
                }
                self.advertise(self.priority(), now);
                if let State::Active { advertise_at, .. } = &mut self.state {
                    *advertise_at = now + self.settings.interval;
                }
            }
            State::Fault { until } if until <= now => {
                self.told
                    .retain(|told| !matches!(told, Notice::Collision { .. }));
                self.push_event(Event::Notice(Notice::CollisionOver));
                self.listen(now);
            }
            State::Off
            | State::Backup { .. }
            | State::Active { .. }
            | State::Fault { .. }
            | State::Stopped => {}
        }
    }

    fn transmit<E>(
        &mut self,
        now: Instant,
        _rng: &mut Rng,
        send: impl FnOnce(Transmit) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.expire(now);
        self.release();
        let Some(Item::Message(message)) = self.queue.front() else {
            return Ok(false);
        };
        send(message.clone())?;
        let question = matches!(message, Transmit::Question(_));
        self.counters.sent += u64::from(!question);
        self.queue.pop_front();
        self.queued_at = now;
        self.release();
        Ok(true)
    }

    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let timer = match &self.state {
            State::Backup { down_at, guard, .. } => {
                let ask = guard.as_ref().and_then(Guard::ask_due);
                earliest([Some(*down_at), ask])
            }
            State::Active { advertise_at, .. } => Some(*advertise_at),
            State::Fault { until } => Some(*until),
            State::Off | State::Stopped => None,
        };
        let queued = (!self.queue.is_empty()).then_some(self.queued_at);
        earliest([timer, queued])
    }
}
