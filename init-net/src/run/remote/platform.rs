//! A platform's metadata service: probed on every link at once, then asked over the link that answered.

use std::collections::BTreeSet;

use crate::compile::defaults;
use crate::config::platform::{self, Answer, Ask, Bodies, Known, Method, Provider, Session};
use crate::config::userdata::{UserData, UserDataError};
use crate::config::{Diagnostic, Document, FirewallFault, Said, Severity, machine, pin};
use crate::proto::http::{Cause, Fetch, FetchError, Request, Response, Url};
use crate::run::core::{Fetched, Source};
use crate::run::sources::preference;
use crate::run::state_file::SavedText;
use crate::state::{Observed, Scope};
use crate::value::{Instant, LinkName, Origin};

/// The source.
pub struct Metadata {
    provider: &'static dyn Provider,
    session: Session,
    /// The first request, made on every candidate until one answers.
    probe: Option<Ask>,
    /// Candidates that the probe went to.
    probed: BTreeSet<(LinkName, usize)>,
    failed: usize,
    chosen: Option<Chosen>,
    /// Whether the user-data is the machine config: nothing named another one.
    with_user_data: bool,
    /// `initnet.config.sha256=`.
    pin: Option<[u8; 32]>,
    result: Option<Result<Fetched, String>>,
    finished: bool,
    /// When the whole source is given up; from the first request on.
    deadline: Option<Instant>,
}

/// Where the service answered.
struct Chosen {
    base: String,
    link: Option<LinkName>,
}

impl Metadata {
    /// The metadata of `provider`.
    pub fn new(
        provider: &'static dyn Provider,
        with_user_data: bool,
        pin: Option<[u8; 32]>,
    ) -> Self {
        Self {
            provider,
            session: Session::new(provider, Bodies::new()),
            probe: None,
            probed: BTreeSet::new(),
            failed: 0,
            chosen: None,
            with_user_data,
            pin,
            result: None,
            finished: false,
            deadline: None,
        }
    }

    /// The same from `base` only, over whatever link leads there: `--metadata-url`.
    pub fn at(provider: &'static dyn Provider, base: &str) -> Self {
        let chosen = Chosen {
            base: base.trim_end_matches('/').to_owned(),
            link: None,
        };
        Self {
            chosen: Some(chosen),
            ..Self::new(provider, true, None)
        }
    }

    fn user_data_name(&self) -> String {
        format!("{} user-data", self.provider.name())
    }

    /// Probes every link that could reach the service and has not been tried.
    fn probes(&mut self, observed: &Observed, now: Instant) -> Vec<(String, Fetch)> {
        let provider = self.provider;
        if self.probe.is_none() {
            self.probe = self.session.asks().into_iter().next();
        }
        let Some(ask) = self.probe.clone() else {
            return Vec::new();
        };
        let mut requests = Vec::new();
        for link in observed
            .links
            .values()
            .filter(|link| link.name.as_str() != "lo" && link.is_up() && link.has_carrier())
        {
            for (number, base) in platform::base_urls(provider, &Known::default(), &link.name)
                .into_iter()
                .enumerate()
            {
                let ipv6 = base.contains('[');
                // A link-local service answers a link-local address; any other needs one that is routed to.
                let usable = observed
                    .addresses
                    .iter()
                    .filter(|a| a.link_index == link.index && a.is_usable());
                let carries = usable
                    .clone()
                    .any(|a| a.address.is_ipv4() != ipv6 && (ipv6 || a.scope != Scope::Host));
                if carries && self.probed.insert((link.name.clone(), number)) {
                    let deadline = *self.deadline.get_or_insert(now + defaults::FETCH_TIMEOUT);
                    match fetch(&ask, &base, Some(link.name.clone()), deadline, now) {
                        Ok(fetch) => requests.push((format!("{} {number}", link.name), fetch)),
                        Err(_) => self.failed += 1,
                    }
                }
            }
        }
        requests
    }

    /// The requests that the answers so far lead to, over the link that answered.
    fn asks(&mut self, now: Instant) -> Vec<(String, Fetch)> {
        let deadline = *self.deadline.get_or_insert(now + defaults::FETCH_TIMEOUT);
        let Some(chosen) = &self.chosen else {
            return Vec::new();
        };
        let mut requests = Vec::new();
        for ask in self.session.asks() {
            match fetch(&ask, &chosen.base, chosen.link.clone(), deadline, now) {
                Ok(fetch) => requests.push((ask.key, fetch)),
                Err(_) => self.session.respond(&ask.key, Answer::Unreachable),
            }
        }
        requests
    }
}

fn fetch(
    ask: &Ask,
    base: &str,
    link: Option<LinkName>,
    deadline: Instant,
    now: Instant,
) -> Result<Fetch, String> {
    let url: Url = format!("{base}{}", ask.path)
        .parse()
        .map_err(|e: crate::proto::http::UrlError| e.to_string())?;
    let mut request = match ask.method {
        Method::Get => Request::get(url, deadline),
        Method::Put | Method::Post | Method::Patch => Request::put(url, deadline),
    };
    for (name, value) in &ask.headers {
        request = request
            .with_header(name, value)
            .map_err(|_| "a header value holds a control character".to_owned())?;
    }
    let fetch = Fetch::new(request, link, now);
    Ok(if ask.optional {
        fetch.without_grace()
    } else {
        fetch
    })
}

fn answer(result: Result<Response, FetchError>) -> Answer {
    match result {
        Ok(response) => Answer::Body(response.body),
        Err(FetchError {
            cause: Cause::Status(status),
            ..
        }) => Answer::Status(status),
        Err(FetchError {
            last: Some(Cause::Status(status)),
            ..
        }) => Answer::Status(status),
        Err(_) => Answer::Unreachable,
    }
}

impl Source for Metadata {
    fn name(&self) -> String {
        self.provider.name().into()
    }

    fn requests(&mut self, observed: &Observed, now: Instant) -> Vec<(String, Fetch)> {
        if self.finished {
            return Vec::new();
        }
        let requests = if self.chosen.is_some() {
            self.asks(now)
        } else {
            self.probes(observed, now)
        };
        if self.session.is_done() {
            let bodies = self.session.bodies();
            self.result = Some(if bodies.is_empty() {
                let faults: Vec<String> = self
                    .session
                    .faults()
                    .into_iter()
                    .map(|fault| fault.message)
                    .collect();
                Err(format!(
                    "the metadata service gave nothing: {}",
                    faults.join("; ")
                ))
            } else {
                Ok(Fetched {
                    bodies,
                    cached: false,
                })
            });
            self.finished = true;
        }
        requests
    }

    fn answer(&mut self, key: &str, result: Result<Response, FetchError>, _now: Instant) {
        if self.chosen.is_some() {
            return self.session.respond(key, answer(result));
        }
        let Some((link, number)) = key.split_once(' ') else {
            return;
        };
        let (Ok(link), Ok(number)) = (link.parse::<LinkName>(), number.parse::<usize>()) else {
            return;
        };
        let Some(ask) = self.probe.clone() else {
            return;
        };
        match answer(result) {
            Answer::Unreachable => {
                // The last candidate: nobody is there. The source is asked again later, on the links of then.
                self.failed += 1;
                if self.failed >= self.probed.len() {
                    self.result = Some(Err(
                        "the metadata service does not answer on any link".into()
                    ));
                    self.finished = true;
                }
            }
            // Any answer at all is the service's: a status is for the provider to judge.
            said => {
                let base = platform::base_urls(self.provider, &Known::default(), &link)
                    .into_iter()
                    .nth(number);
                self.chosen = base.map(|base| Chosen {
                    base,
                    link: Some(link),
                });
                self.session.respond(&ask.key, said);
            }
        }
    }

    fn finished(&mut self) -> Option<Result<Fetched, String>> {
        self.result.take()
    }

    fn restart(&mut self) {
        // Where the address is fixed (`--metadata-url`) there is no second time.
        *self = Self::new(self.provider, self.with_user_data, self.pin);
    }

    fn config(&self, fetched: &Fetched) -> Option<SavedText> {
        match self.provider.parse(&fetched.bodies).user_data {
            Ok(UserData::Config(text))
                if self.with_user_data
                    && pin::check(text.as_bytes(), self.pin.as_ref()).is_ok() =>
            {
                Some(SavedText {
                    name: self.user_data_name(),
                    text,
                    preference: preference::USER_DATA,
                })
            }
            Ok(_) | Err(_) => None,
        }
    }

    fn documents(&self, fetched: &Fetched) -> (Vec<Document>, Vec<Diagnostic>) {
        let parsed = self.provider.parse(&fetched.bodies);
        let mut documents = vec![parsed.document];
        let mut diagnostics = parsed.diagnostics;
        let name = self.user_data_name();
        match parsed.user_data {
            Ok(UserData::Config(text)) if self.with_user_data => {
                if let Err(mismatch) = pin::check(text.as_bytes(), self.pin.as_ref()) {
                    mark_unread(&mut documents, &name);
                    diagnostics.push(
                        Diagnostic::new(Severity::Error, format!("{name}: {mismatch}"))
                            .with_effect("the next source of the machine config is used"),
                    );
                    return (documents, diagnostics);
                }
                let (mut document, faults) = machine::parse(&text, &name);
                document.preference = preference::USER_DATA;
                documents.push(document);
                diagnostics.extend(faults);
            }
            Ok(UserData::CloudConfig(_)) if self.with_user_data => diagnostics.push(
                Diagnostic::new(
                    Severity::Warning,
                    format!("{name}: a #cloud-config is no machine config"),
                )
                .with_fix("give the machine machine config documents as its user-data")
                .with_effect("nothing of it applies but its host name"),
            ),
            Err(error) if self.with_user_data => {
                // What another tool is to read says nothing to us; everything else might.
                if !matches!(error, UserDataError::Foreign(_)) {
                    mark_unread(&mut documents, &name);
                }
                diagnostics.push(
                    Diagnostic::new(Severity::Error, format!("{name}: {error}"))
                        .with_effect("the boot goes on without this machine config"),
                );
            }
            Ok(_) | Err(_) => {}
        }
        (documents, diagnostics)
    }
}

/// There is a machine config, and it is not used.
fn mark_unread(documents: &mut [Document], name: &str) {
    let origin = Origin::new(name, "user-data", None);
    if let Some(document) = documents.first_mut() {
        document.firewall.fault = Some(Said::new(FirewallFault::Unread, origin));
    }
}
