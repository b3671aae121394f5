//! [`Campaign`]: one machine's part in an election.

use std::collections::VecDeque;

use super::{Event, Lease, Settings};
use crate::proto::Dialogue;
use crate::proto::http::{FetchError, Request, Response};
use crate::value::{Duration, Instant};

/// One machine's part in an election. The owner makes one request after another, each once (`Fetch::once`).
///
/// [`Dialogue::request`] also acts on time: it is to be called when [`Dialogue::deadline`] has passed although a request is on its
/// way, and events are to be drained after it.
#[derive(Debug)]
pub struct Campaign {
    settings: Settings,
    fit: bool,
    lease: Option<Lease>,
    active: bool,
    stopping: bool,
    owner: Option<String>,
    fault: Option<String>,
    events: VecDeque<Event>,
}

impl Campaign {
    /// A campaign that begins at `now`.
    pub fn new(settings: Settings, fit: bool, _now: Instant) -> Self {
        Self {
            settings,
            fit,
            lease: None,
            active: false,
            stopping: false,
            owner: None,
            fault: None,
            events: VecDeque::new(),
        }
    }

    /// A campaign that goes on with the lease of one that had the key: [`Campaign::lease`] of then. It has the key at once when
    /// the lease cannot have ended, and asks first otherwise.
    pub fn resume(settings: Settings, lease: Lease, fit: bool, now: Instant) -> Self {
        Self {
            active: now < lease.until,
            lease: Some(lease),
            ..Self::new(settings, fit, now)
        }
    }

    /// Says whether this machine is fit to have the key.
    pub fn set_fit(&mut self, fit: bool, _now: Instant) {
        self.fit = fit;
    }

    /// Gives the key up, and does not campaign for `hold`.
    pub fn abdicate(&mut self, _hold: Duration, _now: Instant) {
        self.active = false;
    }

    /// Gives the key up for good: the lease is revoked, as far as one attempt a member goes.
    pub fn stop(&mut self, _now: Instant) {
        self.stopping = true;
        self.active = false;
    }

    /// Whether this machine has the key.
    pub const fn is_active(&self) -> bool {
        self.active
    }

    /// Whether nothing is left to be asked after [`Campaign::stop`].
    pub const fn is_done(&self) -> bool {
        self.stopping
    }

    pub const fn ttl(&self) -> Duration {
        self.settings.ttl
    }

    /// Who has the key: the name under which it campaigns.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// What is in the way now.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The lease, for [`Campaign::resume`].
    pub const fn lease(&self) -> Option<Lease> {
        self.lease
    }
}

impl Dialogue for Campaign {
    type Event = Event;

    fn request(&mut self, _now: Instant) -> Option<Request> {
        None
    }

    fn answer(&mut self, _answer: Result<Response, FetchError>, _now: Instant) {}

    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}
