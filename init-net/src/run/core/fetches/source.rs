//! [`Source`]: one thing to fetch.

use super::fetched::Fetched;
use super::running::Answer;
use crate::config::platform::{Found, LeaseFacts, Medium};
use crate::config::{Diagnostic, Document};
use crate::proto::http::Fetch;
use crate::run::state_file::SavedText;
use crate::state::Observed;
use crate::value::{Instant, Rng};

/// What a source sees of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// Which links could carry a request.
    pub observed: &'a Observed,
    /// What DHCPv4 said.
    pub leases: &'a [LeaseFacts],
    /// Drivers are still being loaded: disks may appear.
    pub drivers_loading: bool,
}

/// What the reader of the media says.
#[derive(Clone, Debug)]
pub enum MediaNews {
    /// A medium says something.
    Found(Medium, Found),
    /// Everything that is there has been read.
    Scanned,
    /// There is no reader any more.
    Ended,
}

/// One thing to fetch: knows what to ask next, and what the bodies mean.
pub trait Source {
    /// What the log, the report and the state file call it: `hcloud`, `initnet.config`.
    fn name(&self) -> String;

    /// Requests to start now, by key. Called again after every answer; what is running is not asked for again.
    fn requests(&mut self, around: Around<'_>, now: Instant) -> Vec<(String, Fetch)>;

    /// Places of the machine to read for it, from the start on.
    fn media(&self) -> Vec<Medium> {
        Vec::new()
    }

    /// What the media say.
    fn read(&mut self, _news: &MediaNews, _now: Instant) {}

    /// When [`Source::requests`] has something new to say although nothing happened.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// What the machine gets until the source has said something, so that it can be asked at all.
    fn bootstrap(&mut self, _rng: &mut Rng) -> Option<Document> {
        None
    }

    /// Whether something says that there is such a source: then what it has to say counts from the start.
    fn is_named(&self) -> bool {
        true
    }

    /// Whether it tells others of the outcome, and has nothing to say itself.
    fn is_report(&self) -> bool {
        false
    }

    /// What is to run after it, now that it has ended.
    fn next(&mut self, _ended: &Result<Fetched, String>) -> Option<Box<dyn Source>> {
        None
    }

    /// An answer came.
    fn answer(&mut self, key: &str, answer: Answer, now: Instant);

    /// The end, once there is one: the bodies, or why there are none.
    fn finished(&mut self) -> Option<Result<Fetched, String>>;

    /// Forgets what it asked: it is asked again.
    fn restart(&mut self);

    /// The text of the machine config in bodies of this source, if there is one that counts.
    fn config(&self, fetched: &Fetched) -> Option<SavedText>;

    /// Whether these are answers to what this source asks: the same name may have asked for something else before.
    fn asked_for(&self, _fetched: &Fetched) -> bool {
        true
    }

    /// What bodies of this source mean.
    fn documents(&self, fetched: &Fetched) -> (Vec<Document>, Vec<Diagnostic>);
}

impl core::fmt::Debug for dyn Source {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.name())
    }
}
