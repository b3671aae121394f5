//! What a boot fetches: a machine config by URL, and the metadata of a platform.
//!
//! Each [`Source`] is a job. A job runs one or more HTTP requests at once; how one is retried is
//! [`crate::proto::http::Fetch`]'s, what a platform asks and in which order is its provider's. When a job ends its
//! bodies are kept as plain data ([`Fetched`]), so that the next stage, or the next boot when the service is down, makes
//! the same documents of them.

use core::convert::Infallible;
use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde::{Deserialize, Serialize};

use super::{Effect, HttpEvent};
use crate::config::{Diagnostic, Document, Severity};
use crate::proto::Machine;
use crate::proto::dns::{self, Lookup};
use crate::proto::http::{Command, Fetch, FetchError, Response};
use crate::run::state_file::SavedText;
use crate::state::Observed;
use crate::value::{Duration, Instant, LinkName, Rng, earliest};

/// Wait before a source that gave nothing is asked again; doubles up to the cap. Each time is [`Fetch`]'s own retries.
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_CAP: Duration = Duration::from_secs(300);

/// The answer to one request.
pub(super) type Answer = Result<Response, FetchError>;

/// One request under way: the machine, its connection and its name look-up.
pub(super) struct Running {
    fetch: Fetch,
    connection: Option<u64>,
    lookup: Option<Lookup>,
}

impl Running {
    pub(super) fn new(fetch: Fetch) -> Self {
        Self {
            fetch,
            connection: None,
            lookup: None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        earliest([
            self.fetch.deadline(),
            self.lookup.as_ref().and_then(Lookup::deadline),
        ])
    }

    /// Takes an event, if it is about this request's connection.
    fn receive(&mut self, event: &HttpEvent, now: Instant) {
        match event {
            HttpEvent::Connected(id) if self.connection == Some(*id) => self.fetch.connected(now),
            HttpEvent::Failed(id, errno) if self.connection == Some(*id) => {
                self.connection = None;
                self.fetch.connect_failed(*errno, now);
            }
            HttpEvent::Received(id, bytes) if self.connection == Some(*id) => {
                self.fetch.receive(bytes, now)
            }
            HttpEvent::Closed(id) if self.connection == Some(*id) => {
                self.connection = None;
                self.fetch.closed(now);
            }
            // Every look-up checks the id of the reply by itself.
            HttpEvent::Dns(message) => {
                if let Some(lookup) = &mut self.lookup {
                    lookup.receive(message, now);
                }
            }
            HttpEvent::Connected(_)
            | HttpEvent::Failed(..)
            | HttpEvent::Received(..)
            | HttpEvent::Closed(_) => {}
        }
    }

    /// Lets the request act; answers with its result once there is one.
    fn turn(&mut self, now: Instant, rng: &mut Rng, wires: &mut Wires<'_>) -> Option<Answer> {
        self.fetch.expire(now);
        loop {
            self.look_up(now, rng, wires);
            let mut command = None;
            let more = self.fetch.transmit(now, rng, |said| {
                command = Some(said);
                Ok::<(), Infallible>(())
            });
            match command {
                Some(command) => self.perform(command, now, wires),
                None if matches!(more, Ok(true)) => {}
                None => break,
            }
        }
        let answer = self.fetch.event();
        if answer.is_some()
            && let Some(id) = self.connection.take()
        {
            wires.effects.push(Effect::Close { id });
        }
        answer
    }

    fn look_up(&mut self, now: Instant, rng: &mut Rng, wires: &mut Wires<'_>) {
        let found = self
            .lookup
            .as_mut()
            .and_then(|lookup| wires.look_up(lookup, now, rng));
        if let Some(addresses) = found {
            self.lookup = None;
            self.fetch.resolved(&addresses, now);
        }
    }

    fn perform(&mut self, command: Command, now: Instant, wires: &mut Wires<'_>) {
        match command {
            Command::Resolve(name) => {
                let deadline = self.fetch.deadline().unwrap_or(now);
                self.lookup = Some(Lookup::new(&name, wires.nameservers, deadline));
            }
            Command::Connect {
                address,
                port,
                device,
            } => {
                self.connection = Some(wires.connect(address, port, device));
            }
            Command::Send(bytes) => {
                if let Some(id) = self.connection {
                    wires.effects.push(Effect::Write { id, bytes });
                }
            }
            Command::Close => {
                if let Some(id) = self.connection.take() {
                    wires.effects.push(Effect::Close { id });
                }
            }
        }
    }
}

/// What a request works with besides itself.
pub(super) struct Wires<'a> {
    /// Id of the next connection.
    pub(super) next: &'a mut u64,
    pub(super) nameservers: &'a [SocketAddr],
    pub(super) observed: Option<&'a Observed>,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Wires<'_> {
    /// Asks for a connection and answers with its id. Ids are never reused: an event of a connection that was given up finds
    /// nobody.
    pub(super) fn connect(&mut self, address: IpAddr, port: u16, device: Option<LinkName>) -> u64 {
        let id = *self.next;
        *self.next += 1;
        let scope = device
            .as_ref()
            .and_then(|name| self.observed?.link(name))
            .map_or(0, |link| link.index);
        let address = match address {
            IpAddr::V4(v4) => SocketAddr::from((v4, port)),
            IpAddr::V6(v6) => core::net::SocketAddrV6::new(v6, port, 0, scope).into(),
        };
        self.effects.push(Effect::Connect {
            id,
            address,
            device,
        });
        id
    }

    /// Lets a look-up act; its result, once there is one: no address is a failure.
    pub(super) fn look_up(
        &mut self,
        lookup: &mut Lookup,
        now: Instant,
        rng: &mut Rng,
    ) -> Option<Vec<IpAddr>> {
        lookup.expire(now);
        lookup.transmit_all(now, rng, |query| {
            self.effects.push(Effect::QueryDns {
                server: query.server,
                message: query.payload,
            });
        });
        lookup.event().map(|event| match event {
            dns::Event::Addresses(addresses) => addresses,
            dns::Event::Failed => Vec::new(),
        })
    }
}

/// Bodies as they came, by source: plain data for the state file and the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fetched {
    /// Body by key: a path of the metadata service, or the URL of a machine config. Base64 in JSON.
    #[serde(serialize_with = "encode", deserialize_with = "decode")]
    pub bodies: BTreeMap<String, Vec<u8>>,
    /// From an earlier boot: the service has not answered in this one.
    #[serde(default)]
    pub cached: bool,
}

fn encode<S: serde::Serializer>(
    bodies: &BTreeMap<String, Vec<u8>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        bodies
            .iter()
            .map(|(key, body)| (key, STANDARD.encode(body))),
    )
}

fn decode<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
    let texts = BTreeMap::<String, String>::deserialize(deserializer)?;
    let bodies = texts
        .into_iter()
        .map(|(key, text)| Ok((key, STANDARD.decode(text)?)));
    bodies
        .collect::<Result<_, base64::DecodeError>>()
        .map_err(serde::de::Error::custom)
}

/// One thing to fetch: knows what to ask next, and what the bodies mean.
pub trait Source {
    /// What the log, the report and the state file call it: `hcloud`, `initnet.config`.
    fn name(&self) -> String;

    /// Requests to start now, by key. Called again after every answer; what is running is not asked for again.
    /// `observed` says which links could carry them.
    fn requests(&mut self, observed: &Observed, now: Instant) -> Vec<(String, Fetch)>;

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
}

struct Job {
    source: Box<dyn Source>,
    running: BTreeMap<String, Running>,
    started: Option<Instant>,
    done: bool,
    /// It gave nothing: when it is asked again, and after how long the time after that.
    again: Option<(Instant, Duration)>,
}

impl Fetches {
    /// One more job.
    pub fn add(&mut self, source: Box<dyn Source>) {
        self.jobs.push(Job {
            source,
            running: BTreeMap::new(),
            started: None,
            done: false,
            again: None,
        });
    }

    pub(super) fn set_cached(&mut self, cached: BTreeMap<String, Fetched>) {
        self.cached = cached;
    }

    pub(super) fn inherit(&mut self, fetched: BTreeMap<String, Fetched>) {
        self.fetched = fetched;
    }

    pub(super) fn fetched(&self) -> &BTreeMap<String, Fetched> {
        &self.fetched
    }

    /// Other jobs in place of the present ones, less those whose bodies are here already.
    pub(super) fn replace(&mut self, sources: Vec<Box<dyn Source>>, effects: &mut Vec<Effect>) {
        let open = self.jobs.iter().flat_map(|job| job.running.values());
        effects.extend(
            open.filter_map(|running| running.connection)
                .map(|id| Effect::Close { id }),
        );
        self.jobs.clear();
        self.faults.clear();
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
        let names = self.jobs.iter().map(|job| job.source.name());
        names.filter(|name| !self.fetched.contains_key(name))
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
        self.jobs
            .iter()
            .filter(|job| !job.done)
            .map(|job| job.source.name())
    }

    /// When [`Fetches::turn`] has something to do next.
    pub fn deadline(&self) -> Option<Instant> {
        let running = self
            .jobs
            .iter()
            .flat_map(|job| job.running.values())
            .map(Running::deadline);
        let again = self
            .jobs
            .iter()
            .filter(|job| job.done)
            .map(|job| job.again.map(|(at, _)| at));
        earliest(running.chain(again))
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
        observed: Option<&Observed>,
        nameservers: &[SocketAddr],
        effects: &mut Vec<Effect>,
    ) -> Vec<Document> {
        let Some(looked) = observed else {
            return Vec::new();
        };
        let mut documents = Vec::new();
        for job in &mut self.jobs {
            if job.done && job.again.is_some_and(|(at, _)| at <= now) {
                job.source.restart();
                job.done = false;
            }
        }
        for job in self.jobs.iter_mut().filter(|job| !job.done) {
            // An answer may allow the next request at once.
            loop {
                for (key, fetch) in job.source.requests(looked, now) {
                    job.started.get_or_insert(now);
                    job.running
                        .entry(key)
                        .or_insert_with(|| Running::new(fetch));
                }
                let mut answered = Vec::new();
                for (key, running) in &mut job.running {
                    let mut wires = Wires {
                        next: &mut self.next,
                        nameservers,
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
            if let Some(result) = job.source.finished() {
                job.done = true;
                for id in job
                    .running
                    .values()
                    .filter_map(|running| running.connection)
                {
                    effects.push(Effect::Close { id });
                }
                job.running.clear();
                let name = job.source.name();
                let fetched = match result {
                    Ok(fetched) => {
                        job.again = None;
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
                        let copy = self.cached.get(&name);
                        let copy = copy.filter(|copy| job.source.asked_for(copy));
                        let cached = copy.map(|copy| Fetched {
                            cached: true,
                            ..copy.clone()
                        });
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
        documents
    }
}
