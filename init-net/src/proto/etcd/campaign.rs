//! [`Campaign`]: one machine's part in an election.
//!
//! ```text
//!  no lease ──grant──► Out ──enter──► Asked ──look──► In ──first──► active
//!     ▲                 ▲                └── not there ─┘ gone         │
//!     └──── revoked ────┴──────────────── leaving ◄── unfit, told ─────┘
//! ```
//!
//! To let the key go is to revoke its lease: whatever was asked before and comes late at etcd is about a lease that is no more.
//!
//! While nothing is to be asked the election is watched, from the revision on that was looked at: what happens there is looked at
//! at once. A watch proves nothing (its member may have lost the others), so there is a look now and then as well.

use core::mem;
use std::collections::VecDeque;

use super::gateway::{self, Ask, Candidate, MAX_CANDIDATES, Said, key_of};
use super::lease::Granted;
use super::namesake::Namesake;
use super::{Event, Lease, Settings, Why};
use crate::proto::Dialogue;
use crate::proto::http::{FetchError, Request, Response, Url};
use crate::value::{Duration, Instant, LEAST_LEASE, Rng, earliest, lease_margin, lease_use};

/// Most members that are asked in turn: a cluster has seven at most.
const MAX_ENDPOINTS: usize = 16;

/// How often a candidate that cannot watch looks who campaigns: between this and twice as long.
const LOOK: Duration = Duration::from_millis(250);

/// The same while it watches: a watch is silent for that long, which is less than [`crate::proto::http::READ_TIMEOUT`].
const LOOK_BESIDE_WATCH: Duration = Duration::from_secs(3);

/// Between two looks, whatever is seen: an election that somebody keeps busy must not keep its machines busy.
const LOOK_REST: Duration = Duration::from_millis(100);

/// Shortest watch: for less the connection is not worth it.
const WATCH_LEAST: Duration = Duration::from_millis(200);

/// How long nothing is watched after a watch has failed.
const WATCH_PAUSE: Duration = Duration::from_secs(5);

/// Longest wait for one answer: a member that is there answers in milliseconds, and there are others.
const PATIENCE: Duration = Duration::from_secs(1);

/// First wait after all members have failed; doubles.
const RETRY_FIRST: Duration = Duration::from_millis(250);

/// Longest wait after all members have failed.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Most facts that wait for the owner; the oldest make room.
const MAX_EVENTS: usize = 32;

/// One machine's part in an election. The owner makes one request after another, each once (`Fetch::once`).
///
/// [`Dialogue::request`] also acts on time, and no request outlasts the right to the key: a campaign whose answers are given back
/// has given the key up in time.
#[derive(Debug)]
pub struct Campaign {
    settings: Settings,
    fit: bool,
    rng: Rng,
    /// Whom of [`Settings::endpoints`] to ask.
    endpoint: usize,
    /// Failures in a row.
    failed: usize,
    retry: Duration,
    /// Nothing is asked before.
    quiet_until: Instant,
    /// What is on its way, and since when.
    pending: Option<(Ask, Instant)>,
    lease: Option<Granted>,
    place: Place,
    /// The lease is to be revoked.
    leaving: bool,
    /// This machine has the key.
    active: bool,
    look_at: Instant,
    /// The revision that was looked at last, and when; `None`: what is there may be older.
    seen: Option<(i64, Instant)>,
    /// Nothing is watched before.
    watch_from: Instant,
    /// Whether others campaigned when it looked last; `None`: it has not looked since it left.
    others: Option<bool>,
    /// A candidate of our own name that is before us.
    namesake: Option<Namesake>,
    hold_until: Instant,
    /// How many attempts to say farewell are left, once it is to stop.
    farewells: Option<usize>,
    owner: Option<String>,
    fault: Option<String>,
    events: VecDeque<Event>,
}

/// Where our key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It is not there.
    Out,
    /// It was asked for, and may be there.
    Asked,
    /// It was there.
    In,
}

impl Campaign {
    /// A campaign that begins at `now`.
    pub fn new(mut settings: Settings, fit: bool, now: Instant) -> Self {
        settings.endpoints.truncate(MAX_ENDPOINTS);
        // Machines that boot at once look at different times.
        let seed = settings
            .candidate
            .bytes()
            .fold(now.as_nanos(), |seed, byte| {
                seed.wrapping_mul(31).wrapping_add(u64::from(byte))
            });
        Self {
            settings,
            fit,
            rng: Rng::new(seed),
            endpoint: 0,
            failed: 0,
            retry: RETRY_FIRST,
            quiet_until: now,
            pending: None,
            lease: None,
            place: Place::Out,
            leaving: false,
            active: false,
            look_at: now,
            seen: None,
            watch_from: now,
            others: None,
            namesake: None,
            hold_until: now,
            farewells: None,
            owner: None,
            fault: None,
            events: VecDeque::new(),
        }
    }

    /// A campaign that goes on with the lease of another one: [`Campaign::lease`] of then. It has the key at once, without a word,
    /// when the other one had it and the lease cannot have ended meanwhile; otherwise it asks first.
    pub fn resume(settings: Settings, lease: Lease, fit: bool, now: Instant) -> Self {
        let ttl = settings.ttl;
        Self {
            lease: Some(Granted {
                id: lease.id,
                ttl,
                ends: lease.until + lease_margin(ttl),
                renew_at: now,
            }),
            place: Place::Asked,
            active: now < lease.until,
            ..Self::new(settings, fit, now)
        }
    }

    /// Says whether this machine is fit to have the key. One that is not lets it go when another one campaigns, or at once without
    /// [`Settings::bootstrap`].
    pub fn set_fit(&mut self, fit: bool, _now: Instant) {
        self.fit = fit;
        self.leave_if_unfit();
    }

    /// Gives the key up, and does not campaign for `hold`.
    pub fn abdicate(&mut self, hold: Duration, now: Instant) {
        self.hold_until = now + hold;
        self.leave(Why::Told);
    }

    /// Gives the key up for good: the lease is revoked, as far as one attempt a member goes.
    pub fn stop(&mut self, now: Instant) {
        if self.farewells.is_none() {
            self.farewells = Some(self.settings.endpoints.len());
            self.quiet_until = now;
            self.leave(Why::Told);
        }
    }

    /// Whether this machine has the key.
    pub const fn is_active(&self) -> bool {
        self.active
    }

    /// Whether nothing is left to be asked after [`Campaign::stop`].
    pub const fn is_done(&self) -> bool {
        self.farewells.is_some() && self.lease.is_none() && self.pending.is_none()
    }

    /// Who has the key: the name under which it campaigns.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// What is in the way now.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The lease that it has the key by, or waits with, for [`Campaign::resume`].
    pub fn lease(&self) -> Option<Lease> {
        let stays = !self.leaving && self.farewells.is_none();
        let lease = self.lease.filter(|_| stays)?;
        let until = if self.active {
            lease.gives_up()
        } else {
            Instant::BOOT
        };
        Some(Lease {
            id: lease.id,
            until,
        })
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn lose(&mut self, why: Why) {
        if mem::take(&mut self.active) {
            self.tell(Event::Lost(why));
            self.set_owner(None);
        }
    }

    fn leave(&mut self, why: Why) {
        self.lose(why);
        self.others = None;
        self.leaving = self.lease.is_some();
    }

    /// Whoever is not fit and has a key leaves to others, who are fit: nobody queues who is not.
    fn leave_if_unfit(&mut self) {
        let stays = self.settings.bootstrap && self.others == Some(false);
        // One that has not looked yet waits for what it sees.
        let unknown = self.active && self.settings.bootstrap && self.others.is_none();
        if !self.fit && self.place != Place::Out && !stays && !unknown {
            self.leave(Why::Unfit);
        }
    }

    fn set_owner(&mut self, owner: Option<String>) {
        if self.owner != owner {
            self.owner.clone_from(&owner);
            self.tell(Event::Owner(owner));
        }
    }

    /// Acts on time: the lease may end soon.
    fn check(&mut self, now: Instant) {
        if self.active && self.lease.is_none_or(|lease| now >= lease.gives_up()) {
            self.lose(Why::Unreachable);
        }
    }

    /// What is to be asked next, and when; `None`: nothing.
    fn next(&self) -> Option<(Ask, Instant)> {
        let look = (Ask::Look, self.look_at);
        let may = self.fit || (self.settings.bootstrap && self.others == Some(false));
        let (first, second) = match self.lease {
            Some(lease) if self.leaving => (Some((Ask::Revoke(lease.id), self.quiet_until)), None),
            _ if self.farewells.is_some() => return None,
            None if may => (
                Some((Ask::Grant(self.settings.ttl), self.hold_until)),
                Some(look),
            ),
            None => (None, Some(look)),
            Some(lease) => {
                let enter = Ask::Enter {
                    lease: lease.id,
                    alone: !self.fit,
                };
                let enter = (self.place == Place::Out && may).then_some((enter, self.hold_until));
                let special = enter.or(self.namesake.and_then(|other| other.next()));
                let renew = (Ask::Renew(lease.id), lease.renew_at);
                let first = [Some(renew), special].into_iter().flatten();
                (first.min_by_key(|(_, at)| *at), Some(look))
            }
        };
        let (ask, at) = [first, second]
            .into_iter()
            .flatten()
            .min_by_key(|(_, at)| *at)?;
        Some((ask, at.max(self.quiet_until)))
    }

    /// What is asked while nothing else is to be, until then.
    fn watch(&self, now: Instant, until: Instant) -> Option<Ask> {
        let worth = until.saturating_since(now) >= WATCH_LEAST;
        let (revision, _) = self.seen.filter(|_| worth && self.may_watch(now))?;
        Some(Ask::Watch(revision.saturating_add(1)))
    }

    /// Whoever is to leave, or waits for a namesake to be judged, looks.
    fn may_watch(&self, now: Instant) -> bool {
        let idle = !self.leaving && self.farewells.is_none() && self.namesake.is_none();
        idle && self.failed == 0 && now >= self.watch_from && self.seen.is_some()
    }

    /// The watch is over; `event`: by what it was there for.
    fn watched(&mut self, event: bool, now: Instant) {
        if !event {
            self.watch_from = now + WATCH_PAUSE;
        }
        let looked = self.seen.map_or(now, |(_, at)| at);
        self.look_at = now.max(looked + LOOK_REST);
    }

    /// Between `period` and twice as long.
    fn draw(&mut self, period: Duration) -> Duration {
        period + Duration::from_millis(self.rng.below(period.as_millis() as u64 + 1))
    }

    /// The member, or all of them in turn, did not do it.
    fn fail(&mut self, endpoint: Option<&Url>, text: &str, now: Instant) {
        let count = self.settings.endpoints.len().max(1);
        self.failed += 1;
        // The next one may be behind this one.
        self.seen = None;
        self.look_at = self.look_at.min(now);
        self.endpoint = (self.endpoint + 1) % count;
        self.quiet_until = now;
        if self.farewells.is_some() {
            // One attempt a member: there is no time to wait.
        } else if self.failed.is_multiple_of(count) {
            let text = match endpoint {
                Some(endpoint) => format!("etcd: {}: {text}", endpoint.host_field()),
                None => format!("etcd: {text}"),
            };
            if self.fault.as_ref() != Some(&text) {
                self.fault = Some(text.clone());
                self.tell(Event::Trouble(text));
            }
            let jitter = Duration::from_millis(self.rng.below(self.retry.as_millis() as u64 / 2));
            self.quiet_until = now + (self.retry - jitter);
            self.retry = (self.retry * 2).min(RETRY_MAX);
        }
    }

    /// An attempt to say farewell has failed.
    fn count_farewell(&mut self, ask: &Ask) {
        if let (Ask::Revoke(_), Some(left)) = (ask, &mut self.farewells) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.end_lease();
            }
        }
    }

    fn end_lease(&mut self) {
        self.lease = None;
        self.leaving = false;
        self.place = Place::Out;
        self.namesake = None;
    }

    fn act(&mut self, ask: &Ask, said: Said, asked: Instant, now: Instant) {
        let current = |lease: &Granted| matches!(ask, Ask::Renew(id) | Ask::Enter { lease: id, .. } | Ask::Revoke(id) if *id == lease.id);
        let ours = self.lease.as_ref().is_some_and(current);
        match said {
            Said::Granted(id, ttl) => {
                self.lease = Some(Granted::new(id, ttl, asked));
                self.leaving = self.farewells.is_some();
            }
            Said::Renewed(ttl) if ours => {
                let late = self.lease.is_some_and(|lease| now >= lease.gives_up());
                if let Some(lease) = &mut self.lease {
                    *lease = Granted::new(lease.id, ttl, asked);
                }
                if late {
                    self.look_at = now;
                }
            }
            Said::NoLease if ours => {
                self.lose(Why::Expired);
                self.end_lease();
            }
            Said::Candidates(candidates, revision) => {
                self.look(&candidates, now);
                self.seen = Some((revision, now));
                if self.may_watch(now) {
                    self.look_at = now + self.draw(LOOK_BESIDE_WATCH);
                }
            }
            Said::Age(age) => self.judge(age, now),
            Said::Done => match ask {
                Ask::Enter { .. } if ours => {
                    self.place = Place::Asked;
                    self.look_at = now;
                }
                Ask::Evict { .. } => {
                    self.namesake = None;
                    self.look_at = now;
                }
                Ask::Revoke(_) => {
                    self.end_lease();
                    self.look_at = now;
                }
                _ => {}
            },
            Said::NoLease if matches!(ask, Ask::Age(_)) => self.judge(None, now),
            Said::Renewed(_) | Said::NoLease => {}
        }
    }

    fn look(&mut self, candidates: &[Candidate], now: Instant) {
        self.look_at = now + self.draw(LOOK);
        self.set_owner(candidates.first().map(|first| first.name.clone()));
        if self.leaving || self.farewells.is_some() {
            return;
        }
        let own = self.lease.map(|lease| key_of(&self.settings.key, lease.id));
        let is_own = |candidate: &Candidate| {
            own.as_ref()
                .is_some_and(|own| own.as_bytes() == candidate.key)
        };
        self.others = Some(candidates.iter().any(|other| !is_own(other)));
        let position = candidates.iter().position(is_own);
        // Behind more than are read it may still be there.
        if position.is_some() {
            self.place = Place::In;
        } else if candidates.len() < MAX_CANDIDATES {
            if self.place != Place::Out {
                // Whoever deletes it each time is not raced.
                self.hold_until = self.hold_until.max(self.look_at);
            }
            self.place = Place::Out;
        }
        if self.active && position != Some(0) {
            // Without its lease, so that nothing else that this may hold is kept by it: the next process may have another key.
            self.leave(Why::Deleted);
        }
        self.leave_if_unfit();
        let (false, Some(position), Some(lease)) = (self.leaving, position, &mut self.lease) else {
            return;
        };
        if position > 0 {
            let name = gateway::shown(&self.settings.candidate);
            let before = candidates.get(..position).unwrap_or_default();
            self.meet(before.iter().find(|other| other.name == name), now);
        } else if now >= lease.gives_up() {
            // First, but not for long enough to act on it.
            lease.renew_at = now;
        } else if !self.active {
            self.namesake = None;
            self.active = true;
            self.tell(Event::Won);
        }
    }

    /// A candidate of our own name is before us, or none.
    fn meet(&mut self, other: Option<&Candidate>, now: Instant) {
        self.namesake = other.map(|other| Namesake::seen(self.namesake, other, now));
    }

    /// `age`: how long the namesake's lease still is, of how long; `None`: it is gone.
    fn judge(&mut self, age: Option<(Duration, Duration)>, now: Instant) {
        match (&mut self.namesake, age) {
            (None, _) => {}
            (Some(_), None) => {
                self.namesake = None;
                self.look_at = now;
            }
            (Some(namesake), Some((left, granted))) => {
                if namesake.judge(left, granted, now) {
                    let name = gateway::shown(&self.settings.candidate);
                    let text =
                        format!("etcd: another machine campaigns under the name {name} as well");
                    self.tell(Event::Trouble(text));
                }
            }
        }
    }
}

impl Dialogue for Campaign {
    type Event = Event;

    fn request(&mut self, now: Instant) -> Option<Request> {
        self.check(now);
        if self.pending.is_some() {
            return None;
        }
        let (ask, at) = self.next()?;
        let watch = match now < at {
            true => Some(self.watch(now, at)?),
            false => None,
        };
        let Some(endpoint) = self.settings.endpoints.get(self.endpoint).cloned() else {
            self.end_lease();
            self.fail(None, "there is no endpoint", now);
            return None;
        };
        let patience = PATIENCE.min(lease_use(self.settings.ttl) / 4);
        let mut deadline = watch.as_ref().map_or(now + patience, |_| at);
        let ask = watch.unwrap_or(ask);
        if let Some(lease) = self.lease.filter(|_| self.active) {
            deadline = deadline.min(lease.gives_up());
        }
        if let (Ask::Enter { .. }, Place::Out) = (&ask, self.place) {
            // It may come to be though its answer does not come.
            self.place = Place::Asked;
        }
        let names = (self.settings.key.as_str(), self.settings.candidate.as_str());
        match gateway::request(&ask, &endpoint, names, deadline) {
            Ok(request) => {
                self.pending = Some((ask, now));
                Some(request)
            }
            Err(error) => {
                self.count_farewell(&ask);
                self.fail(Some(&endpoint), &error.to_string(), now);
                None
            }
        }
    }

    fn abandons(&mut self, now: Instant) -> bool {
        let watches = matches!(self.pending, Some((Ask::Watch(_), _)));
        let due = self.farewells.is_some() || self.next().is_some_and(|(_, at)| at <= now);
        if watches && due {
            self.pending = None;
        }
        watches && due
    }

    fn answer(&mut self, answer: Result<Response, FetchError>, now: Instant) {
        let Some((ask, asked)) = self.pending.take() else {
            return;
        };
        let said = match &answer {
            Ok(response) => gateway::read(&ask, response),
            Err(error) => Err(error.cause.to_string()),
        };
        match said.and_then(usable) {
            said if matches!(ask, Ask::Watch(_)) => self.watched(said == Ok(Said::Done), now),
            Ok(said) => {
                self.failed = 0;
                self.retry = RETRY_FIRST;
                self.fault = None;
                self.act(&ask, said, asked, now);
            }
            Err(text) => {
                self.count_farewell(&ask);
                let endpoint = self.settings.endpoints.get(self.endpoint).cloned();
                self.fail(endpoint.as_ref(), &text, now);
            }
        }
        self.check(now);
    }

    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let gives_up = self.lease.filter(|_| self.active);
        let gives_up = gives_up.map(|lease| lease.gives_up());
        let next = match self.pending {
            None | Some((Ask::Watch(_), _)) => self.next().map(|(_, at)| at),
            Some(_) => None,
        };
        earliest([gives_up, next])
    }
}

/// A lease that is too short for its margin is none.
fn usable(said: Said) -> Result<Said, String> {
    match said {
        Said::Granted(_, ttl) | Said::Renewed(ttl) if ttl < LEAST_LEASE => Err(format!(
            "it grants {ttl:?}, and a lease is {LEAST_LEASE:?} at least"
        )),
        said => Ok(said),
    }
}
