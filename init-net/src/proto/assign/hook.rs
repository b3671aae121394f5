//! Requests that the configuration says: for every API that is not known here.

use super::reply::Reply;
use super::{Ask, Base, Holder, Procedure, Step, Target, Task};
use crate::proto::http::{Method, Request, Url};
use crate::value::{HookCall, HookMethod, Instant, Secret, VipHook};

#[derive(Debug)]
pub(super) struct Hook {
    hook: VipHook,
    target: Target,
    task: Task,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Acquire,
    /// `after`: the address was acquired just now.
    Status {
        after: bool,
    },
    Release,
}

/// How a variable is written where it stands.
#[derive(Clone, Copy)]
enum Place {
    Url,
    Header,
    Body,
}

impl Hook {
    pub(super) fn new(hook: VipHook, target: Target) -> Self {
        Self {
            hook,
            target,
            task: Task::Audit,
            state: State::Acquire,
        }
    }

    fn call(&self) -> Option<&HookCall> {
        match self.state {
            State::Acquire => Some(&self.hook.acquire),
            State::Status { .. } => self.hook.status.as_ref(),
            State::Release => self.hook.release.as_ref(),
        }
    }

    /// The request itself is made by [`Self::request`], from what the configuration says.
    fn ask(&mut self, state: State) -> Option<Ask> {
        self.state = state;
        self.call().map(|_| Ask::get(Base::Api, ""))
    }

    fn fill(&self, text: &str, place: Place) -> String {
        let mac = self
            .target
            .mac
            .map(|mac| mac.to_string())
            .unwrap_or_default();
        let ip = self.target.ip.to_string();
        let variables = [
            ("${ip}", ip.as_str()),
            ("${hostname}", self.target.hostname.as_str()),
            ("${mac}", mac.as_str()),
        ];
        let mut filled = text.to_owned();
        for (name, value) in variables {
            filled = filled.replace(name, &written(value, place));
        }
        filled
    }
}

/// `value` so that it is nothing but itself where it stands.
fn written(value: &str, place: Place) -> String {
    match place {
        Place::Url => {
            let mut encoded = String::new();
            for byte in value.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                        encoded.push(byte.into());
                    }
                    _ => encoded.push_str(&format!("%{byte:02X}")),
                }
            }
            encoded
        }
        // What a header cannot hold is refused where it is put in.
        Place::Header => value.to_owned(),
        Place::Body => {
            let quoted = serde_json::Value::from(value).to_string();
            let inner = quoted
                .strip_prefix('"')
                .and_then(|text| text.strip_suffix('"'));
            inner.unwrap_or_default().to_owned()
        }
    }
}

impl Procedure for Hook {
    fn begin(&mut self, task: Task) -> Option<Ask> {
        self.task = task;
        let has_status = self.hook.status.is_some();
        match task {
            Task::Acquire if has_status => self.ask(State::Status { after: false }),
            Task::Acquire => self.ask(State::Acquire),
            Task::Audit => self.ask(State::Status { after: false }),
            Task::Release => self.ask(State::Release),
        }
    }

    fn take(&mut self, reply: &Reply<'_>) -> Step {
        let next = |ask: Option<Ask>, otherwise| ask.map_or(otherwise, Step::Ask);
        match (self.state, reply.status) {
            (State::Acquire, 200..=299) => {
                let ask = self.ask(State::Status { after: true });
                next(ask, Step::Done(Holder::Ours))
            }
            (State::Release, 200..=299) => Step::Done(Holder::Nobody),
            (State::Status { .. }, 200..=299) => Step::Done(Holder::Ours),
            (State::Status { after: false }, 404 | 409) if self.task == Task::Acquire => {
                let ask = self.ask(State::Acquire);
                next(ask, Step::Fail("there is no request to acquire it".into()))
            }
            (State::Status { .. }, 404) => Step::Done(Holder::Nobody),
            (State::Status { .. }, 409) => Step::Done(Holder::Other("another machine".into())),
            _ => Step::Again(reply.fault()),
        }
    }

    fn request(&self, _ask: &Ask, deadline: Instant) -> Result<Request, String> {
        let call = self.call().ok_or("there is no such request")?;
        let url = self.fill(&call.url, Place::Url);
        let url: Url = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let mut request = Request::get(url, deadline);
        request.method = match call.method {
            HookMethod::Get => Method::Get,
            HookMethod::Put => Method::Put,
            HookMethod::Post => Method::Post,
            HookMethod::Patch => Method::Patch,
            HookMethod::Delete => Method::Delete,
        };
        for (name, value) in &call.headers {
            let value = self.fill(value.expose(), Place::Header);
            let refused = |_| format!("the field {name} holds what no header can");
            request = request.with_header(name.clone(), &value).map_err(refused)?;
        }
        Ok(match &call.body {
            Some(body) => {
                let body = self.fill(body.expose(), Place::Body);
                request.with_body("application/json", body.into_bytes())
            }
            None => request,
        })
    }

    fn secrets(&self) -> Vec<&Secret> {
        let headers = self.call().map(|call| call.headers.iter());
        let values = headers.into_iter().flatten().map(|(_, value)| value);
        values.collect()
    }
}
