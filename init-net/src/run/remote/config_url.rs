//! `initnet.config=http://…`: one request, pinned by `initnet.config.sha256=`.

use std::collections::BTreeMap;

use crate::compile::defaults;
use crate::config::userdata::{self, Base64, UserData};
use crate::config::variables::{self, Variables};
use crate::config::{Diagnostic, Document, Severity, machine, pin};
use crate::proto::http::{Fetch, FetchError, Request, Response, Url};
use crate::run::core::{Around, Fetched, Source};
use crate::run::sources::preference;
use crate::run::state_file::SavedText;
use crate::state::{LinkStatus, Observed, Scope};
use crate::value::Instant;

/// The source.
pub struct ConfigUrl {
    url: String,
    pin: Option<[u8; 32]>,
    variables: Variables,
    started: bool,
    result: Option<Result<Fetched, String>>,
}

impl ConfigUrl {
    /// `url` with its variables still in it.
    pub fn new(
        url: &str,
        pin: Option<[u8; 32]>,
        uuid: Option<String>,
        serial: Option<String>,
    ) -> Self {
        let variables = Variables {
            uuid,
            serial,
            ..Variables::default()
        };
        Self {
            url: url.to_owned(),
            pin,
            variables,
            started: false,
            result: None,
        }
    }

    /// The URL without its query, which may hold a token.
    fn shown(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// Key of the only body: what it was asked for by. Another URL or pin is another question.
    fn key(&self) -> String {
        match &self.pin {
            None => self.url.clone(),
            Some(pin) => {
                let digits = pin.iter().map(|byte| format!("{byte:02x}"));
                format!("{} sha256={}", self.url, digits.collect::<String>())
            }
        }
    }

    fn request(&mut self, observed: &Observed, now: Instant) -> Result<Fetch, String> {
        let first = observed.links.values().find(|link| link.is_physical());
        self.variables.mac = first
            .and_then(LinkStatus::stable_mac)
            .map(|mac| mac.to_string());
        self.variables.hostname = observed.hostname.clone();
        let url =
            variables::substitute(&self.url, &self.variables).map_err(|error| error.to_string())?;
        let url: Url = url
            .parse()
            .map_err(|error: crate::proto::http::UrlError| error.to_string())?;
        Ok(Fetch::new(
            Request::get(url, now + defaults::FETCH_TIMEOUT),
            None,
            now,
        ))
    }
}

impl Source for ConfigUrl {
    fn name(&self) -> String {
        "initnet.config".into()
    }

    fn requests(&mut self, around: Around<'_>, now: Instant) -> Vec<(String, Fetch)> {
        let observed = around.observed;
        // Without an address every attempt would fail, and the back-off would be long when one comes.
        let usable = observed
            .addresses
            .iter()
            .any(|a| a.is_usable() && a.scope == Scope::Global);
        if self.started || !usable {
            return Vec::new();
        }
        self.started = true;
        match self.request(observed, now) {
            Ok(fetch) => vec![(self.key(), fetch)],
            Err(error) => {
                self.result = Some(Err(error));
                Vec::new()
            }
        }
    }

    fn answer(&mut self, _key: &str, answer: Result<Response, FetchError>, _now: Instant) {
        self.result = Some(match answer {
            Ok(response) => match pin::check(&response.body, self.pin.as_ref()) {
                // What is no machine config is no answer: it may say something later.
                Ok(()) => text(&response.body)
                    .map(|_| Fetched::fresh(BTreeMap::from([(self.key(), response.body)]))),
                Err(mismatch) => Err(mismatch.to_string()),
            },
            Err(error) => Err(error.to_string()),
        });
    }

    fn finished(&mut self) -> Option<Result<Fetched, String>> {
        self.result.take()
    }

    fn restart(&mut self) {
        self.started = false;
    }

    fn config(&self, fetched: &Fetched) -> Option<SavedText> {
        Some(SavedText {
            name: self.shown().to_owned(),
            text: text(fetched.bodies.get(&self.key())?).ok()?,
            preference: preference::NAMED,
        })
    }

    fn asked_for(&self, fetched: &Fetched) -> bool {
        fetched.bodies.contains_key(&self.key())
    }

    fn documents(&self, fetched: &Fetched) -> (Vec<Document>, Vec<Diagnostic>) {
        let Some(body) = fetched.bodies.get(&self.key()) else {
            return (Vec::new(), Vec::new());
        };
        let name = self.shown();
        match text(body) {
            Ok(text) => {
                let (mut document, diagnostics) = machine::parse(&text, name);
                document.preference = preference::NAMED;
                (vec![document], diagnostics)
            }
            // Of an earlier boot.
            Err(why) => {
                let message = format!("{name}: {why}");
                (Vec::new(), vec![Diagnostic::new(Severity::Error, message)])
            }
        }
    }
}

/// The machine config that the body is, or why it is none.
fn text(body: &[u8]) -> Result<String, String> {
    match userdata::decode(body, Base64::Maybe) {
        Ok(UserData::Config(text)) => Ok(text),
        Ok(UserData::Absent) => Err("the answer is empty".into()),
        Ok(UserData::Include(_)) => Err("an #include leads no further from here".into()),
        Ok(UserData::CloudConfig(_)) => Err("a #cloud-config is no machine config".into()),
        Err(error) => Err(error.to_string()),
    }
}
