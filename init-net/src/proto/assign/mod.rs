//! [`Assignment`]: moves a shared address in the network around by requests over HTTP.
//!
//! ```text
//!          acquire                   it is ours, read back
//!  Idle ────────────► Acquiring ───────────────────────────► Held ──► audited each minute
//!   ▲ ▲                   │ refused, or 30 s have passed       │ │ nobody has it: acquired again
//!   │ └───────────────────┘                                   │ └────────────────────────────┐
//!   └──────────────── release, another machine has it ────────┘                  Acquiring ◄─┘
//! ```
//!
//! An API is no lock: the last one wins. Who may ask is decided elsewhere, and what was asked for counts when it is read back.
//! Whatever fails on the way begins again from the start, which reads what there is by then: nothing is repeated blindly.

mod digital_ocean;
mod equinix;
mod hcloud;
mod hook;
mod reply;
#[cfg(test)]
mod tests;

use core::net::IpAddr;
use std::collections::VecDeque;

use super::Dialogue;
use super::http::{FetchError, Method, Request, Response, Url};
use crate::value::{Duration, Instant, Mac, Secret, VipApi, VipProvider, earliest};
use reply::Reply;

/// How long an acquisition may take, failures included.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at who has an address that is held.
const AUDIT: Duration = Duration::from_secs(60);
/// The first looks, sooner: lists are written whole, so that another writer may have taken it along unseen.
const FIRST_AUDITS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// First and longest wait after a failure; doubles.
const BACKOFF: core::ops::RangeInclusive<Duration> =
    Duration::from_millis(250)..=Duration::from_secs(4);
/// First and longest wait for an action of an API that is under way; doubles.
const POLL: core::ops::RangeInclusive<Duration> =
    Duration::from_millis(250)..=Duration::from_secs(2);
/// Longest wait that an API may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// Largest answer that is read, bytes: a page of fifty servers has some 200 KiB.
const MAX_BODY: usize = 2 << 20;
/// Facts that wait for the owner; one input makes one or two.
const MAX_EVENTS: usize = 16;

/// What is moved, and to whom.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address.
    pub ip: IpAddr,
    /// The name of this machine.
    pub hostname: String,
    /// The hardware address of its link.
    pub mac: Option<Mac>,
}

/// A fact for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The address is this machine's, and was read back as such.
    Held,
    /// It could not be had. It may be tried again from then on.
    Failed {
        /// For people.
        why: String,
        /// When.
        retry_at: Instant,
    },
    /// Another machine has it now.
    LostTo(String),
    /// Nobody has it any more: it is acquired again.
    Nobody,
    /// Something that people should know.
    Note(String),
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Idle,
    Acquire { until: Instant },
    Held,
    Release,
}

/// What a procedure is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Acquire,
    Audit,
    Release,
}

/// Who has the address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    Ours,
    Other(String),
    Nobody,
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Api,
    Metadata,
}

/// One request of a procedure.
#[derive(Clone, Debug)]
struct Ask {
    base: Base,
    method: Method,
    /// Behind the base: `/servers?page=1`.
    path: String,
    body: Option<serde_json::Value>,
}

impl Ask {
    fn get(base: Base, path: impl Into<String>) -> Self {
        Self {
            base,
            method: Method::Get,
            path: path.into(),
            body: None,
        }
    }

    fn post(path: impl Into<String>, body: serde_json::Value) -> Self {
        Self {
            base: Base::Api,
            method: Method::Post,
            path: path.into(),
            body: Some(body),
        }
    }
}

/// What follows from an answer.
#[derive(Debug)]
enum Step {
    /// Ask on.
    Ask(Ask),
    /// An action is under way: ask on a little later.
    Poll(Ask),
    /// It is known who has the address.
    Done(Holder),
    /// Not now: begin again a little later.
    Again(String),
    /// Not at all.
    Fail(String),
}

/// A procedure of one API.
trait Procedure: core::fmt::Debug {
    /// The first thing to ask for `task`; `None`: there is nothing to do.
    fn begin(&mut self, task: Task) -> Option<Ask>;

    /// What follows from `reply`, which is neither a failure of the server nor of the token.
    fn take(&mut self, reply: &Reply<'_>) -> Step;

    /// The request as it goes out. `Err`: it cannot be made, and why.
    fn request(&self, ask: &Ask, deadline: Instant) -> Result<Request, String>;

    /// What goes out with requests and is told nobody.
    fn secrets(&self) -> Vec<&Secret>;
}

/// The assignment of one address to this machine.
#[derive(Debug)]
pub struct Assignment {
    procedure: Box<dyn Procedure>,
    goal: Goal,
    /// What is to be asked next, inside a procedure.
    ask: Option<Ask>,
    /// A procedure has begun.
    running: bool,
    /// An answer is awaited.
    pending: bool,
    /// What it answers is not wanted any more.
    stale: bool,
    /// Nothing is asked before.
    at: Instant,
    backoff: Duration,
    poll: Duration,
    /// Looks that found it here since it was acquired.
    looks: usize,
    fault: Option<String>,
    events: VecDeque<Event>,
}

impl Assignment {
    /// One that does nothing until it is told to; `None`: the neighbours learn the address, nobody is to be asked.
    pub fn new(provider: &VipProvider, target: Target, now: Instant) -> Option<Self> {
        let procedure: Box<dyn Procedure> = match provider.clone() {
            VipProvider::Layer2 => return None,
            VipProvider::HCloud(api) => Box::new(hcloud::HCloud::new(api, target.ip)),
            VipProvider::EquinixMetal(api) => Box::new(equinix::Equinix::new(api, target.ip)),
            VipProvider::DigitalOcean(api) => {
                Box::new(digital_ocean::DigitalOcean::new(api, target.ip))
            }
            VipProvider::Http(hook) => Box::new(hook::Hook::new(*hook, target)),
        };
        Some(Self {
            procedure,
            goal: Goal::Idle,
            ask: None,
            running: false,
            pending: false,
            stale: false,
            at: now,
            backoff: *BACKOFF.start(),
            poll: *POLL.start(),
            looks: 0,
            fault: None,
            events: VecDeque::new(),
        })
    }

    /// This machine has won: the address is made its own. Ends with [`Event::Held`] or [`Event::Failed`].
    pub fn acquire(&mut self, now: Instant) {
        let until = now + PATIENCE;
        self.turn_to(Goal::Acquire { until }, now);
    }

    /// It has the address after a hand-over: whether that is still so is looked at soon.
    pub fn resume(&mut self, now: Instant) {
        self.turn_to(Goal::Held, now);
    }

    /// It has lost: who has won takes the address. Only a hook is told.
    pub fn release(&mut self, now: Instant) {
        self.turn_to(Goal::Release, now);
    }

    /// Whether the address is this machine's, as far as is known.
    pub fn is_held(&self) -> bool {
        self.goal == Goal::Held
    }

    /// Whether nothing is to be done.
    pub fn is_idle(&self) -> bool {
        self.goal == Goal::Idle && !self.pending
    }

    /// What is in the way, or was when it was last acquired; ends when this machine has it.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    fn turn_to(&mut self, goal: Goal, now: Instant) {
        self.goal = goal;
        self.ask = None;
        self.running = false;
        self.stale = self.pending;
        self.at = now;
        self.backoff = *BACKOFF.start();
    }

    fn task(&self) -> Option<Task> {
        match self.goal {
            Goal::Idle => None,
            Goal::Acquire { .. } => Some(Task::Acquire),
            Goal::Held => Some(Task::Audit),
            Goal::Release => Some(Task::Release),
        }
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Begins the procedure anew after a while; an acquisition that has taken too long ends.
    fn again(&mut self, why: String, at_least: Duration, now: Instant) {
        let wait = self.backoff.max(at_least.min(MAX_RETRY_AFTER));
        self.backoff = (self.backoff * 2).min(*BACKOFF.end());
        match self.goal {
            Goal::Acquire { until } if now + wait >= until => self.fail(why, wait, now),
            // Once: the winner does not wait for it.
            Goal::Release => {
                self.tell(Event::Note(format!("release: {why}")));
                self.turn_to(Goal::Idle, now);
            }
            Goal::Acquire { .. } | Goal::Held | Goal::Idle => {
                if self.fault.as_ref() != Some(&why) {
                    self.tell(Event::Note(why.clone()));
                }
                self.fault = Some(why);
                self.ask = None;
                self.running = false;
                self.at = now + wait;
            }
        }
    }

    fn fail(&mut self, why: String, wait: Duration, now: Instant) {
        match self.goal {
            Goal::Acquire { .. } => {
                self.turn_to(Goal::Idle, now);
                self.fault = Some(why.clone());
                let retry_at = now + wait;
                self.tell(Event::Failed { why, retry_at });
            }
            // What is held stays held while nobody says otherwise.
            Goal::Held => self.again(why, AUDIT, now),
            Goal::Idle | Goal::Release => self.again(why, Duration::ZERO, now),
        }
    }

    fn look_again(&mut self, now: Instant) {
        self.at = now + FIRST_AUDITS.get(self.looks).copied().unwrap_or(AUDIT);
        self.looks = self.looks.saturating_add(1);
    }

    fn done(&mut self, holder: Holder, now: Instant) {
        self.running = false;
        self.ask = None;
        self.backoff = *BACKOFF.start();
        match (self.goal, holder) {
            (Goal::Acquire { .. }, Holder::Ours) => {
                self.fault = None;
                self.goal = Goal::Held;
                self.looks = 0;
                self.look_again(now);
                self.tell(Event::Held);
            }
            (Goal::Acquire { .. }, Holder::Other(who)) => {
                self.again(format!("{who} has the address"), Duration::ZERO, now);
            }
            (Goal::Acquire { .. }, Holder::Nobody) => {
                self.again("nobody has the address".into(), Duration::ZERO, now);
            }
            (Goal::Held, Holder::Ours) => {
                self.fault = None;
                self.look_again(now);
            }
            (Goal::Held, Holder::Other(who)) => {
                self.turn_to(Goal::Idle, now);
                self.tell(Event::LostTo(who));
            }
            (Goal::Held, Holder::Nobody) => {
                self.tell(Event::Nobody);
                self.acquire(now);
            }
            (Goal::Release, _) => self.turn_to(Goal::Idle, now),
            (Goal::Idle, _) => {}
        }
    }
}

impl Dialogue for Assignment {
    type Event = Event;

    fn request(&mut self, now: Instant) -> Option<Request> {
        if self.pending || now < self.at {
            return None;
        }
        let task = self.task()?;
        if !self.running {
            self.running = true;
            self.poll = *POLL.start();
            self.ask = self.procedure.begin(task);
            if self.ask.is_none() {
                // Nothing is asked: what was wanted is so.
                self.done(Holder::Ours, now);
                return None;
            }
        }
        let ask = self.ask.take()?;
        match self.procedure.request(&ask, now + ANSWER) {
            Ok(mut request) => {
                request.body_limit = MAX_BODY;
                self.pending = true;
                Some(request)
            }
            Err(why) => {
                self.fail(why, *BACKOFF.end(), now);
                None
            }
        }
    }

    fn answer(&mut self, answer: Result<Response, FetchError>, now: Instant) {
        self.pending = false;
        if core::mem::take(&mut self.stale) {
            return;
        }
        let response = match answer {
            Ok(response) => response,
            Err(error) => return self.again(error.to_string(), Duration::ZERO, now),
        };
        let retry_after = response.retry_after.unwrap_or_default();
        let reply = Reply::new(&response, &self.procedure.secrets());
        match response.status {
            401 | 403 => self.fail(reply.fault(), *BACKOFF.end(), now),
            423 | 429 | 500.. => self.again(reply.fault(), retry_after, now),
            _ => match self.procedure.take(&reply) {
                Step::Ask(ask) => {
                    self.poll = *POLL.start();
                    self.ask = Some(ask);
                    self.at = now;
                }
                Step::Poll(ask) => {
                    self.ask = Some(ask);
                    self.at = now + self.poll;
                    self.poll = (self.poll * 2).min(*POLL.end());
                    if let Goal::Acquire { until } = self.goal
                        && self.at >= until
                    {
                        self.fail(
                            "an action of the API does not end".into(),
                            *BACKOFF.end(),
                            now,
                        );
                    }
                }
                Step::Done(holder) => self.done(holder, now),
                Step::Again(why) => self.again(why, retry_after, now),
                Step::Fail(why) => self.fail(why, *BACKOFF.end(), now),
            },
        }
    }

    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let waits = !self.pending && self.goal != Goal::Idle;
        earliest([waits.then_some(self.at)])
    }
}

/// Where a cloud's own API and metadata service are, and the field of the head that has the token.
#[derive(Clone, Copy, Debug)]
struct Cloud {
    api: &'static str,
    metadata: &'static str,
    header: &'static str,
    /// Before the token in it.
    scheme: &'static str,
}

impl Cloud {
    /// `ask` as it goes out; the token goes to the API alone.
    fn request(self, api: &VipApi, ask: &Ask, deadline: Instant) -> Result<Request, String> {
        let base = match ask.base {
            Base::Api => api.endpoint.as_deref().unwrap_or(self.api),
            Base::Metadata => api.metadata_endpoint.as_deref().unwrap_or(self.metadata),
        };
        let text = format!("{}{}", base.trim_end_matches('/'), ask.path);
        let url: Url = text.parse().map_err(|error| format!("{base}: {error}"))?;
        let mut request = Request::get(url, deadline);
        request.method = ask.method;
        if ask.base == Base::Api {
            let token = format!("{}{}", self.scheme, api.api_token.expose());
            let refused = |_| "the token holds what no header can".to_owned();
            request = request.with_header(self.header, &token).map_err(refused)?;
        }
        Ok(match &ask.body {
            Some(body) => request.with_body("application/json", body.to_string().into_bytes()),
            None => request,
        })
    }
}
