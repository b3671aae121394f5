//! What a boot fetches: a machine config by URL, and the metadata of a platform.
//!
//! Each [`Source`] is a job. A job runs one or more HTTP requests at once; how one is retried is
//! [`crate::proto::http::Fetch`]'s, what a platform asks and in which order is its provider's. When a job ends its
//! bodies are kept as plain data ([`Fetched`]), so that the next stage, or the next boot when the service is down, makes
//! the same documents of them.

mod fetched;
mod means;
mod running;
mod source;

use std::collections::BTreeMap;

pub use fetched::{Fetched, Via};
pub use means::{Means, Trusted};
pub(super) use running::{Running, Wires};
pub use source::{Around, MediaNews, Source};

use super::{Effect, HttpEvent};
use crate::config::platform::Medium;
use crate::config::{Diagnostic, Document, Severity};
use crate::value::{Duration, Instant, Rng, earliest};

/// Wait before a source that gave nothing is asked again; doubles up to the cap. Each time is the retries of
/// [`crate::proto::http::Fetch`].
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_CAP: Duration = Duration::from_secs(300);

/// All jobs.
#[derive(Default)]
pub struct Fetches {
    jobs: Vec<Job>,
    next: u64,
    fetched: BTreeMap<String, Fetched>,
    /// Of an earlier boot, for sources that do not answer.
    cached: BTreeMap<String, Fetched>,
    /// Why sources gave nothing, and what their bodies have wrong.
    faults: BTreeMap<String, Vec<Diagnostic>>,
    /// What is read of the machine itself, once somebody wants it.
    reading: Reading,
    /// From when on copies stand in for sources that have neither answered nor failed.
    copies_from: Option<Instant>,
}

/// The reader of the media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reading {
    /// Not started.
    #[default]
    Idle,
    /// At work, started while drivers were being loaded (`true`) or not.
    Running(bool),
}

struct Job {
    source: Box<dyn Source>,
    running: BTreeMap<String, Running>,
    started: Option<Instant>,
    done: bool,
    /// It gave nothing: when it is asked again, and after how long the time after that.
    again: Option<(Instant, Duration)>,
    /// What the machine has meanwhile.
    bootstrap: Option<Document>,
}

impl Job {
    fn new(source: Box<dyn Source>) -> Self {
        Self {
            source,
            running: BTreeMap::new(),
            started: None,
            done: false,
            again: None,
            bootstrap: None,
        }
    }

    /// Gives up what is under way.
    fn close(&mut self, effects: &mut Vec<Effect>) {
        for mut running in core::mem::take(&mut self.running).into_values() {
            running.close(effects);
        }
    }
}

impl Fetches {
    /// One more job.
    pub fn add(&mut self, source: Box<dyn Source>) {
        self.jobs.push(Job::new(source));
    }

    pub(super) fn set_cached(&mut self, cached: BTreeMap<String, Fetched>) {
        self.cached = cached;
    }

    /// Copies stand in from `at` on: a source that is silent must not cost the boot what is known of it.
    pub(super) fn set_copies_from(&mut self, at: Instant) {
        self.copies_from = Some(at);
    }

    /// The sources whose copy is due: they are silent, and nothing is known of them.
    fn silent(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| {
            let name = job.source.name();
            !job.done
                && !self.fetched.contains_key(&name)
                && copy_for(&self.cached, job.source.as_ref()).is_some()
        })
    }

    /// Uses the copies that are due; answers with their documents.
    fn serve_copies(&mut self, now: Instant, effects: &mut Vec<Effect>) -> Vec<Document> {
        let mut documents = Vec::new();
        if self.copies_from.is_none_or(|at| now < at) {
            return documents;
        }
        let due = self.silent().filter_map(|job| {
            let copy = copy_for(&self.cached, job.source.as_ref())?;
            let (made, mut faults) = job.source.documents(&copy);
            let name = job.source.name();
            faults.push(
                Diagnostic::new(Severity::Warning, format!("{name}: no answer so far"))
                    .with_effect("the copy of an earlier boot is used until there is one"),
            );
            Some((name, copy, made, faults))
        });
        for (name, copy, made, faults) in due.collect::<Vec<_>>() {
            documents.extend(made);
            effects.extend(faults.iter().cloned().map(Effect::Diagnostic));
            self.faults.insert(name.clone(), faults);
            self.fetched.insert(name, copy);
        }
        documents
    }

    pub(super) fn inherit(&mut self, fetched: BTreeMap<String, Fetched>) {
        self.fetched = fetched;
    }

    pub(super) fn fetched(&self) -> &BTreeMap<String, Fetched> {
        &self.fetched
    }

    /// Other jobs in place of the present ones, less those whose bodies are here already.
    pub(super) fn replace(&mut self, sources: Vec<Box<dyn Source>>, effects: &mut Vec<Effect>) {
        for mut job in core::mem::take(&mut self.jobs) {
            job.close(effects);
        }
        self.faults.clear();
        if self.reading != Reading::Idle {
            // What was read before is told to nobody again: whoever comes now wants it from the beginning.
            effects.push(Effect::CloseMedia);
            self.reading = Reading::Idle;
        }
        for source in sources {
            if self.wants(source.as_ref()) {
                self.add(source);
            }
        }
    }

    /// Whether the bodies of that source are still to be fetched.
    pub fn wants(&self, source: &dyn Source) -> bool {
        let fetched = self.fetched.get(&source.name());
        fetched.is_none_or(|fetched| fetched.cached || !source.asked_for(fetched))
    }

    /// Whether a source has neither answered nor failed yet.
    pub fn pending(&self) -> bool {
        self.jobs.iter().any(|job| !job.done && job.again.is_none())
    }

    /// The sources of which nothing is known, of now or of an earlier boot: they have not answered, and may have failed.
    pub(super) fn unknown(&self) -> impl Iterator<Item = String> {
        let named = self.jobs.iter().map(|job| &job.source);
        let named = named.filter(|source| source.is_named() && !source.is_report());
        named
            .map(|source| source.name())
            .filter(|name| !self.fetched.contains_key(name))
    }

    /// What the machine has while sources are asked that it could not reach otherwise.
    pub(super) fn bootstrap(&self) -> impl Iterator<Item = &Document> {
        self.jobs.iter().filter_map(|job| job.bootstrap.as_ref())
    }

    /// What went wrong with sources that ended.
    pub fn faults(&self) -> impl Iterator<Item = &Diagnostic> {
        self.faults.values().flatten()
    }

    /// Each source as a stage of the boot: its name, when its first request went out, whether it has ended.
    pub(super) fn stages(&self) -> impl Iterator<Item = (String, Instant, bool)> {
        self.jobs
            .iter()
            .filter_map(|job| Some((job.source.name(), job.started?, job.done)))
    }

    /// The sources that have not ended, for the report.
    pub(super) fn waiting(&self) -> impl Iterator<Item = String> {
        let open = self.jobs.iter().filter(|job| !job.done);
        let open = open.filter(|job| !job.source.is_report());
        open.map(|job| job.source.name())
    }

    /// When [`Fetches::turn`] has something to do next.
    pub fn deadline(&self) -> Option<Instant> {
        let running = self
            .jobs
            .iter()
            .flat_map(|job| job.running.values())
            .map(Running::deadline);
        let again = self.jobs.iter().map(|job| match job.done {
            true => job.again.map(|(at, _)| at),
            false => job.source.deadline(),
        });
        let copies = self.copies_from.filter(|_| self.silent().next().is_some());
        earliest(running.chain(again).chain([copies]))
    }

    /// Something of the media. The end of a look that began while drivers were being loaded says nothing once they are there:
    /// another look follows.
    pub fn read(&mut self, news: &MediaNews, drivers_loading: bool, now: Instant) {
        let began_before = self.reading == Reading::Running(true) && !drivers_loading;
        if began_before && matches!(news, MediaNews::Scanned) {
            return;
        }
        for job in &mut self.jobs {
            match (job.done, &mut job.again) {
                (false, _) => job.source.read(news, now),
                // It waits for its next turn: a medium that appears is one.
                (true, Some((at, _))) => {
                    job.source.read(news, now);
                    if matches!(news, MediaNews::Found(..)) {
                        *at = now;
                    }
                }
                (true, None) => {}
            }
        }
    }

    /// Starts, pokes and closes the reader of the media.
    fn turn_reading(&mut self, drivers_loading: bool, effects: &mut Vec<Effect>) {
        let open = self.jobs.iter();
        let open = open.filter(|job| !job.done || job.again.is_some());
        let mut media: Vec<Medium> = Vec::new();
        for medium in open.flat_map(|job| job.source.media()) {
            if !media.contains(&medium) {
                media.push(medium);
            }
        }
        let next = match self.reading {
            Reading::Idle if media.is_empty() => return,
            Reading::Idle => {
                effects.push(Effect::ReadMedia(media));
                Reading::Running(drivers_loading)
            }
            Reading::Running(_) if media.is_empty() => {
                effects.push(Effect::CloseMedia);
                Reading::Idle
            }
            Reading::Running(true) if !drivers_loading => {
                effects.push(Effect::RereadMedia);
                Reading::Running(false)
            }
            same => same,
        };
        self.reading = next;
    }

    /// Something about a connection.
    pub fn receive(&mut self, event: &HttpEvent, now: Instant) {
        for running in self
            .jobs
            .iter_mut()
            .flat_map(|job| job.running.values_mut())
        {
            running.receive(event, now);
        }
    }

    /// Lets every request act; answers with the documents of the sources that ended.
    pub fn turn(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        around: Option<Around<'_>>,
        means: &mut Means<'_>,
        effects: &mut Vec<Effect>,
    ) -> Vec<Document> {
        let Some(around) = around else {
            return Vec::new();
        };
        let observed = Some(around.observed);
        self.turn_reading(around.drivers_loading, effects);
        let mut documents = Vec::new();
        let mut following = Vec::new();
        for job in &mut self.jobs {
            if job.done && job.again.is_some_and(|(at, _)| at <= now) {
                job.source.restart();
                job.done = false;
            }
        }
        documents.extend(self.serve_copies(now, effects));
        for job in self.jobs.iter_mut().filter(|job| !job.done) {
            // An answer may allow the next request at once.
            loop {
                for (key, fetch) in job.source.requests(around, now) {
                    job.started.get_or_insert(now);
                    job.running
                        .entry(key)
                        .or_insert_with(|| Running::new(fetch));
                }
                let mut answered = Vec::new();
                for (key, running) in &mut job.running {
                    let mut wires = Wires {
                        next: &mut self.next,
                        nameservers: means.nameservers,
                        trusted: means.trusted,
                        observed,
                        effects,
                    };
                    if let Some(answer) = running.turn(now, rng, &mut wires) {
                        answered.push((key.clone(), answer));
                    }
                }
                if answered.is_empty() {
                    break;
                }
                for (key, answer) in answered {
                    job.running.remove(&key);
                    job.source.answer(&key, answer, now);
                }
            }
            if job.bootstrap.is_none()
                && let Some(document) = job.source.bootstrap(rng)
            {
                // It is no document of the source: it is gone when that has said something.
                job.bootstrap = Some(document);
            }
            if let Some(result) = job.source.finished() {
                job.done = true;
                job.close(effects);
                following.extend(job.source.next(&result));
                let name = job.source.name();
                if job.source.is_report() {
                    if let Err(error) = result {
                        let fault = Diagnostic::new(Severity::Warning, format!("{name}: {error}"));
                        effects.push(Effect::Diagnostic(fault.clone()));
                        self.faults.insert(name, vec![fault]);
                    }
                    continue;
                }
                let fetched = match result {
                    Ok(fetched) => {
                        job.again = None;
                        job.bootstrap = None;
                        if let Some(place) = &fetched.place {
                            let platform = fetched.platform.as_deref().unwrap_or(&name);
                            let text = format!("{platform}: read from {place}");
                            effects.push(Effect::Log(log::Level::Info, text));
                        }
                        self.faults.remove(&name);
                        Some(fetched)
                    }
                    Err(error) => {
                        let wait = job
                            .again
                            .map_or(RETRY_FIRST, |(_, wait)| (wait * 2).min(RETRY_CAP));
                        let jitter =
                            Duration::from_millis(rng.below(wait.as_millis() as u64 / 4 + 1));
                        job.again = Some((now + wait + jitter, wait));
                        let cached = copy_for(&self.cached, job.source.as_ref());
                        let effect = match &cached {
                            Some(_) => "the copy of an earlier boot is used",
                            None => "the boot goes on without this source",
                        };
                        let fault = Diagnostic::new(Severity::Error, format!("{name}: {error}"))
                            .with_effect(effect);
                        let old = self.faults.insert(name.clone(), vec![fault.clone()]);
                        // It is asked again and again, and said once.
                        if old.is_none_or(|old| !old.contains(&fault)) {
                            effects.push(Effect::Diagnostic(fault));
                        }
                        cached
                    }
                };
                if let Some(fetched) =
                    fetched.filter(|fetched| self.fetched.get(&name) != Some(fetched))
                {
                    let (made, diagnostics) = job.source.documents(&fetched);
                    self.fetched.insert(name.clone(), fetched);
                    documents.extend(made);
                    effects.extend(diagnostics.iter().cloned().map(Effect::Diagnostic));
                    self.faults
                        .entry(name.clone())
                        .or_default()
                        .extend(diagnostics);
                }
            }
        }
        if !following.is_empty() {
            // They begin now: nothing else may wake this up.
            self.jobs.extend(following.into_iter().map(Job::new));
            documents.extend(self.turn(now, rng, Some(around), means, effects));
        }
        documents
    }
}

/// The copy in `cached` that may be used for `source`.
fn copy_for(cached: &BTreeMap<String, Fetched>, source: &dyn Source) -> Option<Fetched> {
    let copy = cached.get(&source.name())?;
    source.asked_for(copy).then(|| Fetched {
        cached: true,
        ..copy.clone()
    })
}
