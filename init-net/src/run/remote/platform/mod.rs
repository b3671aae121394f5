//! A platform: its media are read, its service is looked for on every link at once, then asked over the link that answered.
//!
//! ```text
//!  Media ──► Probing ──► Talking ──► Including ──► Over
//!    ▲  └─ said all ─────────┴───────────┴──────────▲
//!    └─ a volume appears ─┘
//! ```

mod meaning;
mod probing;
mod report;
mod talk;
#[cfg(test)]
mod tests;

use crate::config::platform::{
    Bodies, Bootstrap, Found, Medium, Platform, Provider, Session, detect,
};
use crate::config::userdata::{UserData, UserDataError};
use crate::config::{Diagnostic, Document};
use crate::proto::http::{Fetch, FetchError, Response};
use crate::run::core::{Around, Fetched, MediaNews, Source};
use crate::run::state_file::SavedText;
use crate::value::{Duration, Instant, Rng};
use meaning::Meaning;
use probing::Probing;
use report::Report;
use talk::{Chosen, Talk};

/// The name of the source on a machine that names no platform: a volume may.
pub const UNNAMED: &str = "platform";

/// How long the media are awaited once all drivers are there, where they may well say nothing: a drive that hangs must not
/// hold up the boot.
pub(super) const MEDIA_PATIENCE: Duration = Duration::from_secs(5);

/// Key of the text behind `ds=` on the kernel command line.
const CMDLINE_SEED: &str = "cmdline-ds";

/// Key of what `#include` in the user-data leads to.
const INCLUDED: &str = "#include";

/// The source.
pub struct Metadata {
    /// One for good, so that what an earlier stage fetched is found by it.
    name: &'static str,
    /// `None`: nothing names one, until a volume does.
    provider: Option<&'static dyn Provider>,
    meaning: Meaning,
    local: Local,
    stage: Stage,
    /// The way to the service, once it has answered.
    chosen: Option<Chosen>,
    result: Option<Result<Fetched, String>>,
    /// The cloud has been told that it went wrong.
    reported: bool,
    /// Nobody boots here: the cloud is not told anything.
    offline: bool,
}

/// What the media said.
#[derive(Debug, Default)]
struct Local {
    /// What is known without them.
    given: Bodies,
    found: Vec<(Medium, Found)>,
    /// How often everything that was there has been read.
    scans: u32,
    /// How often while drivers were still being loaded.
    early: u32,
    /// Nobody reads any more.
    ended: bool,
    /// Until when they are awaited.
    until: Option<Instant>,
}

impl Local {
    /// What they say to `provider`: each thing by the medium that stands first among its own.
    fn bodies(&self, provider: &dyn Provider) -> Bodies {
        let mut bodies = self.given.clone();
        for (_, found) in self.of(provider) {
            for (key, body) in &found.bodies {
                bodies.entry(key.clone()).or_insert_with(|| body.clone());
            }
        }
        bodies
    }

    /// Where that is.
    fn place(&self, provider: &dyn Provider) -> Option<String> {
        let (_, found) = self
            .of(provider)
            .find(|(_, found)| provider.is_told(&found.bodies))?;
        Some(found.place.clone())
    }

    fn of<'a>(&'a self, provider: &'a dyn Provider) -> impl Iterator<Item = &'a (Medium, Found)> {
        let media = provider.media().iter();
        media.flat_map(|medium| self.found.iter().filter(move |(of, _)| of == medium))
    }

    /// The platform that they name: by the label of a volume, else as the one that understands them.
    fn names(&self) -> Option<&'static dyn Provider> {
        let labelled = |platform: &Platform| {
            let mut labels = self
                .found
                .iter()
                .filter_map(|(_, found)| found.label.as_ref());
            labels.any(|label| detect::by_label(label).is_some_and(|of| of.name == platform.name))
        };
        let understood = |platform: &Platform| {
            let found = self.found.iter().filter(|(_, found)| found.label.is_none());
            platform.provider.is_some_and(|provider| {
                let mut found = found.filter(|(medium, _)| provider.media().contains(medium));
                found.any(|(_, found)| provider.is_told(&found.bodies))
            })
        };
        let platform = detect::of_labels().find(|of| understood(of) || labelled(of))?;
        platform.provider
    }
}

enum Stage {
    /// What the media say is awaited.
    Media,
    /// The service is looked for.
    Probing(Probing),
    /// It is asked.
    Talking(Talk),
    /// What the user-data includes is fetched.
    Including {
        fetched: Fetched,
        url: String,
        asked: bool,
    },
    /// The result is known.
    Over,
}

impl Metadata {
    /// The metadata of `provider`; `None`: of the one that a volume names, if there is one. `seed` is what stands behind
    /// `ds=` on the kernel command line.
    pub fn new(
        provider: Option<&'static dyn Provider>,
        with_user_data: bool,
        pin: Option<[u8; 32]>,
        seed: Option<&str>,
    ) -> Self {
        let seed = seed.map(|seed| (CMDLINE_SEED.to_owned(), seed.as_bytes().to_vec()));
        Self {
            name: provider.map_or(UNNAMED, Provider::name),
            provider,
            meaning: Meaning {
                with_user_data,
                pin,
            },
            local: Local {
                given: seed.into_iter().collect(),
                ..Local::default()
            },
            stage: Stage::Media,
            chosen: None,
            result: None,
            reported: false,
            offline: false,
        }
    }

    /// The same from `base` only, over whatever link leads there: `--metadata-url`.
    pub fn at(provider: &'static dyn Provider, base: &str) -> Self {
        let base = base.trim_end_matches('/');
        let mut session = Session::new(provider, Bodies::new());
        if session.is_done() {
            // It asks only where it is told to.
            let seed = format!("{};s={base}", provider.name());
            let seed = (CMDLINE_SEED.to_owned(), seed.into_bytes());
            session = Session::new(provider, Bodies::from([seed]));
        }
        let chosen = Chosen {
            base: base.to_owned(),
            link: None,
            via: None,
        };
        Self {
            stage: Stage::Talking(Talk::new(session)),
            chosen: Some(chosen),
            offline: true,
            ..Self::new(Some(provider), true, None, None)
        }
    }

    /// Whether nothing more is expected of the media: something was said, or all drivers are there and everything has been
    /// read since.
    fn media_are_read(&mut self, around: Around<'_>, now: Instant) -> bool {
        if around.drivers_loading {
            self.local.early = self.local.scans;
        } else {
            self.local.until.get_or_insert(now + MEDIA_PATIENCE);
        }
        let local = &self.local;
        let told = self
            .provider
            .or_else(|| local.names())
            .is_some_and(|provider| provider.is_told(&local.bodies(provider)));
        local.ended
            || self.media().is_empty()
            || local.until.is_some_and(|until| until <= now)
            || told && local.scans > 0
            || !around.drivers_loading && local.scans > local.early
    }

    /// Goes on from what the media said.
    fn leave_media(&mut self) {
        self.provider = self.provider.or_else(|| self.local.names());
        let Some(provider) = self.provider else {
            // Nothing names a platform: there is none.
            return self.end(Ok(Fetched::fresh(Bodies::new())));
        };
        let local = self.local.bodies(provider);
        let told = provider.is_told(&local);
        let mut session = Session::new(provider, local);
        match session.asks().into_iter().next() {
            Some(probe) => self.stage = Stage::Probing(Probing::new(session, probe)),
            None if told || names_machine(provider, &session.bodies()) => {
                self.said(Fetched::fresh(session.bodies()));
            }
            None => self.end(Err("nothing of it is there".into())),
        }
    }

    /// The service and the media have said everything.
    fn said(&mut self, said: Fetched) {
        let place = self
            .provider
            .and_then(|provider| self.local.place(provider));
        // A query may hold a token.
        let plain = |base: &str| base.split('?').next().unwrap_or_default().to_owned();
        let place = place.or_else(|| Some(plain(&self.chosen.as_ref()?.base)));
        let fetched = Fetched {
            platform: self.provider.map(|provider| provider.name().to_owned()),
            place,
            via: self.chosen.as_ref().and_then(|chosen| chosen.via.clone()),
            ..said
        };
        let parsed = self
            .provider
            .map(|provider| provider.parse(&fetched.bodies).user_data);
        match parsed {
            Some(Ok(UserData::Include(url))) if self.meaning.with_user_data => {
                self.stage = Stage::Including {
                    fetched,
                    url,
                    asked: false,
                };
            }
            _ => self.end(Ok(fetched)),
        }
    }

    fn end(&mut self, result: Result<Fetched, String>) {
        self.stage = Stage::Over;
        self.result = Some(result);
    }

    /// The platform whose bodies these are.
    fn provider_of(&self, fetched: &Fetched) -> Option<&'static dyn Provider> {
        self.provider
            .or_else(|| detect::named(fetched.platform.as_deref()?)?.provider)
    }
}

/// Whether `media` say what the machine is called or which one it is: `ds=nocloud;h=…;i=…`. It is worth something without
/// anything else, and waits for everything else.
fn names_machine(provider: &dyn Provider, media: &Bodies) -> bool {
    let document = provider.parse(media).document;
    let mut facts = document.metadata.iter();
    !document.hostnames.is_empty() || facts.any(|(name, _)| *name == "instanceId")
}

impl Source for Metadata {
    fn name(&self) -> String {
        self.name.into()
    }

    fn is_named(&self) -> bool {
        self.name != UNNAMED
    }

    fn media(&self) -> Vec<Medium> {
        match (self.provider, self.is_named()) {
            (Some(provider), true) => provider.media().to_vec(),
            _ => detect::of_labels()
                .filter_map(|platform| platform.provider)
                .flat_map(|provider| provider.media().to_vec())
                .collect(),
        }
    }

    fn read(&mut self, news: &MediaNews, _now: Instant) {
        match news {
            MediaNews::Scanned => self.local.scans += 1,
            MediaNews::Ended => self.local.ended = true,
            MediaNews::Found(medium, found) => {
                if !self.media().contains(medium) {
                    return;
                }
                self.local.found.push((*medium, found.clone()));
                // It stands before a service that has not been found.
                if matches!(self.stage, Stage::Probing(_)) {
                    self.stage = Stage::Media;
                }
            }
        }
    }

    fn bootstrap(&mut self, rng: &mut Rng) -> Option<Document> {
        let provider = self.provider?;
        match (provider.bootstrap(), &self.stage) {
            (Bootstrap::LinkLocal, Stage::Probing(_)) => Some(probing::link_local(provider, rng)),
            _ => None,
        }
    }

    fn requests(&mut self, around: Around<'_>, now: Instant) -> Vec<(String, Fetch)> {
        if matches!(self.stage, Stage::Media) && self.media_are_read(around, now) {
            self.leave_media();
        }
        match &mut self.stage {
            Stage::Media | Stage::Over => Vec::new(),
            Stage::Probing(probing) => {
                let requests = probing.requests(&self.local, around, now);
                if probing.is_over() {
                    self.end(Err("the address of the metadata service is no URL".into()));
                }
                requests
            }
            Stage::Talking(talk) => {
                let requests = match &self.chosen {
                    Some(chosen) => talk.requests(chosen, now),
                    None => Vec::new(),
                };
                if let Some(said) = talk.end() {
                    match said {
                        Ok(said) => self.said(said),
                        Err(error) => self.end(Err(error)),
                    }
                    return self.requests(around, now);
                }
                requests
            }
            Stage::Including { url, asked, .. } => {
                if std::mem::replace(asked, true) {
                    return Vec::new();
                }
                match talk::include(url, now) {
                    Ok(fetch) => vec![(INCLUDED.to_owned(), fetch)],
                    Err(_) => {
                        self.included(None);
                        Vec::new()
                    }
                }
            }
        }
    }

    fn answer(&mut self, key: &str, answer: Result<Response, FetchError>, now: Instant) {
        match &mut self.stage {
            Stage::Probing(probing) => match probing.answer(key, answer) {
                probing::Heard::Service(chosen, said) => {
                    let mut talk = Talk::new(probing.take_session());
                    talk.respond(&probing.probe().key, said, now);
                    self.chosen = Some(chosen);
                    self.stage = Stage::Talking(talk);
                }
                probing::Heard::Nobody => {
                    self.end(Err(
                        "the metadata service does not answer on any link".into()
                    ));
                }
                probing::Heard::NotYet => {}
            },
            Stage::Talking(talk) => talk.answer(key, answer, now),
            Stage::Including { .. } if key == INCLUDED => {
                self.included(answer.ok().map(|response| response.body));
            }
            Stage::Including { .. } | Stage::Media | Stage::Over => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Media => self.local.until,
            Stage::Talking(talk) => talk.deadline(),
            _ => None,
        }
    }

    fn finished(&mut self) -> Option<Result<Fetched, String>> {
        self.result.take()
    }

    fn restart(&mut self) {
        // Where the address is fixed (`--metadata-url`) there is no second time. What the media said stays.
        self.stage = Stage::Media;
        self.local.until = None;
        self.chosen = None;
    }

    fn next(&mut self, ended: &Result<Fetched, String>) -> Option<Box<dyn Source>> {
        let provider = self.provider.filter(|_| !self.offline)?;
        // What is for another tool is no failure of the machine.
        let is_ours = |error: &UserDataError| !matches!(error, UserDataError::Foreign(_));
        let failed = match ended {
            Ok(fetched) => provider
                .parse(&fetched.bodies)
                .user_data
                .err()
                .filter(is_ours)
                .map(|error| error.to_string()),
            Err(error) => Some(error.clone()),
        };
        if failed.is_some() && std::mem::replace(&mut self.reported, true) {
            return None;
        }
        let link = self.chosen.as_ref().and_then(|chosen| chosen.link.clone());
        let report = Report::new(provider, link, failed)?;
        Some(Box::new(report))
    }

    fn config(&self, fetched: &Fetched) -> Option<SavedText> {
        self.meaning.config(self.provider_of(fetched)?, fetched)
    }

    fn documents(&self, fetched: &Fetched) -> (Vec<Document>, Vec<Diagnostic>) {
        match self.provider_of(fetched) {
            Some(provider) => self.meaning.documents(provider, fetched),
            None => (Vec::new(), Vec::new()),
        }
    }
}

impl Metadata {
    /// What `#include` led to has come, or not.
    fn included(&mut self, body: Option<Vec<u8>>) {
        if let Stage::Including { fetched, .. } = &mut self.stage {
            let mut fetched = fetched.clone();
            let body = body.map(|body| (INCLUDED.to_owned(), body));
            fetched.bodies.extend(body);
            self.end(Ok(fetched));
        }
    }
}
