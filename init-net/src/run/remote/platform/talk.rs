//! The conversation with a service that has been found.

use std::collections::BTreeMap;

use super::CMDLINE_SEED;
use crate::compile::defaults;
use crate::config::platform::{Answer, Ask, Medium, Method, Session};
use crate::proto::http::{Cause, Fetch, FetchError, Request, Response, Url, UrlError};
use crate::run::core::{Fetched, Via};
use crate::value::{Duration, Instant, LinkName, earliest};

/// For how long a body that is not complete is asked for again: some clouds fill in the network seconds after the machine
/// has started.
const PARTIAL_GRACE: Duration = Duration::from_secs(30);

/// First wait before such a body is asked for again; doubles up to the cap.
const PARTIAL_FIRST: Duration = Duration::from_millis(250);
const PARTIAL_CAP: Duration = Duration::from_secs(4);

/// Most requests without an answer that are told one by one.
const MAX_FAULTS: usize = 16;

/// Where a service answers.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// What stands before its paths.
    pub(super) base: String,
    /// Over which link.
    pub(super) link: Option<LinkName>,
    /// The way there, where it is to stay.
    pub(super) via: Option<Via>,
}

/// One conversation.
pub(super) struct Talk {
    session: Session,
    /// When it is given up; from the first request on.
    deadline: Option<Instant>,
    /// Until when bodies may be incomplete.
    patience: Option<Instant>,
    /// Bodies that are not complete: when they are asked for again, after how long the time after that.
    partial: BTreeMap<String, (Instant, Duration)>,
}

impl Talk {
    pub(super) fn new(session: Session) -> Self {
        Self {
            session,
            deadline: None,
            patience: None,
            partial: BTreeMap::new(),
        }
    }

    /// The requests that the answers so far lead to.
    pub(super) fn requests(&mut self, chosen: &Chosen, now: Instant) -> Vec<(String, Fetch)> {
        let deadline = *self.deadline.get_or_insert(now + defaults::FETCH_TIMEOUT);
        let due = self.partial.iter_mut().filter(|(_, (at, _))| *at <= now);
        for (key, (at, wait)) in due {
            self.session.repeat(key);
            // Until its answer: far away.
            (*at, *wait) = (deadline, (*wait * 2).min(PARTIAL_CAP));
        }
        let mut requests = Vec::new();
        for ask in self.session.asks() {
            match fetch(&ask, chosen, deadline, now) {
                Ok(fetch) => requests.push((ask.key, fetch)),
                Err(_) => self.session.respond(&ask.key, Answer::Unreachable),
            }
        }
        requests
    }

    pub(super) fn answer(&mut self, key: &str, answer: Result<Response, FetchError>, now: Instant) {
        self.respond(key, answer_of(answer), now);
    }

    /// Takes an answer; one that is not complete is asked for again for a while.
    pub(super) fn respond(&mut self, key: &str, answer: Answer, now: Instant) {
        let patience = *self.patience.get_or_insert(now + PARTIAL_GRACE);
        if let Answer::Body(body) = &answer
            && self.session.provider().is_partial(key, body)
            && now < patience
        {
            let (at, wait) = self
                .partial
                .entry(key.to_owned())
                .or_insert((now, PARTIAL_FIRST));
            *at = now + *wait;
            return;
        }
        self.partial.remove(key);
        self.session.respond(key, answer);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        earliest(self.partial.values().map(|(at, _)| Some(*at)))
    }

    /// What was said and what was not answered, once all of it is there; or why there is nothing.
    pub(super) fn end(&self) -> Option<Result<Fetched, String>> {
        if !self.session.is_done() {
            return None;
        }
        let faults = self.session.faults().into_iter();
        let mut faults: Vec<String> = faults.map(|fault| fault.message).collect();
        let more = faults.len().saturating_sub(MAX_FAULTS);
        faults.truncate(MAX_FAULTS);
        if more > 0 {
            faults.push(format!("{more} more without an answer"));
        }
        let bodies = self.session.bodies();
        // What says where to ask is no answer.
        let mut keys = bodies.keys().map(String::as_str);
        if keys.any(|key| key != CMDLINE_SEED && key != Medium::SMBIOS_SERIAL) {
            return Some(Ok(Fetched {
                faults,
                user_data_missing: self.session.misses_user_data(),
                ..Fetched::fresh(bodies)
            }));
        }
        Some(Err(match faults.as_slice() {
            [] => "the metadata service gave nothing".to_owned(),
            faults => format!("the metadata service gave nothing: {}", faults.join("; ")),
        }))
    }
}

/// `ask` as a request: behind the base, or to a service of its own, over the same link.
pub(super) fn fetch(
    ask: &Ask,
    chosen: &Chosen,
    deadline: Instant,
    now: Instant,
) -> Result<Fetch, String> {
    let url: Url = match ask.path.strip_prefix('/') {
        Some(_) => format!("{}{}", chosen.base, ask.path).parse(),
        None => ask.path.parse(),
    }
    .map_err(|error: UrlError| error.to_string())?;
    let body = ask.body.clone();
    let (kind, body) = body.unwrap_or(("application/octet-stream", Vec::new()));
    let mut request = match ask.method {
        Method::Get => Request::get(url, deadline),
        Method::Put => Request::put(url, deadline),
        Method::Post => Request::post(url, kind, body, deadline),
        Method::Patch => Request::patch(url, kind, body, deadline),
    };
    if ask.low_port {
        request = request.with_low_port();
    }
    for (name, value) in &ask.headers {
        request = request
            .with_header(*name, value)
            .map_err(|_| "a header value holds a control character".to_owned())?;
    }
    let fetch = Fetch::new(request, chosen.link.clone(), now);
    Ok(if ask.optional {
        fetch.without_grace()
    } else {
        fetch
    })
}

/// What `#include` leads to: anywhere, over any link.
pub(super) fn include(url: &str, now: Instant) -> Result<Fetch, UrlError> {
    let request = Request::get(url.parse()?, now + defaults::FETCH_TIMEOUT);
    Ok(Fetch::new(request, None, now))
}

/// How a request ended, for a provider.
pub(super) fn answer_of(result: Result<Response, FetchError>) -> Answer {
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
