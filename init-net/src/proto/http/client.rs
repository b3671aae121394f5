//! [`Client`]: one request on one connection.
//!
//! ```text
//!  Connecting ──connected──► Sending ──transmit──► Head ──► Body ──► Done
//!      │ └─ https ─► Securing ─┘                                       │
//!      └──────────── connect_failed · closed · deadlines ──────────────┘
//! ```

use core::mem;

use super::body::{Body, Chunk, Framing};
use super::error::Error;
use super::message::{MAX_BODY, Method, Request, Response};
use super::pause;
use super::url::{RedirectError, Url, check_redirect};
use crate::proto::{Machine, tls};
use crate::value::{Duration, Instant, Rng, earliest};

/// Longest wait for a connection: a metadata service is one hop away, and another address or attempt follows.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for the next byte of an answer.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for a secure connection, however busy the other side is with it.
pub const TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// Most bytes of a response head.
const MAX_HEAD: usize = 16 * 1024;

/// Most fields of a response head.
const MAX_HEADERS: usize = 64;

/// Most 1xx answers before the real one (RFC 9110 §15.2).
const MAX_INTERIM: u8 = 4;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A complete answer, of any status but a redirect.
    Done(Response),
    /// 301, 302, 303, 307 or 308, with a `Location` that the policy allows.
    Redirect(Url),
    /// No answer.
    Failed(Error),
}

/// One request on one connection. Its owner connects, and reports with [`Client::connected`],
/// [`Client::connect_failed`], [`Machine::receive`] and [`Client::closed`].
#[derive(Debug)]
pub struct Client {
    request: Request,
    state: State,
    secured: Option<Box<tls::Session>>,
    /// What is to go over the connection, encrypted.
    output: Vec<u8>,
    input: Vec<u8>,
    interim: u8,
    outcome: Option<Outcome>,
}

#[derive(Debug)]
enum State {
    Connecting {
        until: Instant,
    },
    Securing {
        until: Instant,
    },
    Sending,
    Head {
        until: Instant,
    },
    Body {
        head: Head,
        body: Body,
        until: Instant,
    },
    Done,
}

/// What is kept of a response head.
#[derive(Clone, Debug)]
struct Head {
    status: u16,
    content_type: Option<String>,
    retry_after: Option<Duration>,
}

impl Head {
    fn with_body(self, body: Vec<u8>) -> Outcome {
        Outcome::Done(Response {
            status: self.status,
            content_type: self.content_type,
            retry_after: self.retry_after,
            body,
        })
    }
}

impl Client {
    /// The connection is being made as of `now`.
    pub fn new(request: Request, now: Instant) -> Self {
        Self {
            request,
            state: State::Connecting {
                until: now + CONNECT_TIMEOUT,
            },
            secured: None,
            output: Vec::new(),
            input: Vec::new(),
            interim: 0,
            outcome: None,
        }
    }

    /// Over TLS: what an https URL asks for.
    #[must_use]
    pub fn secured(mut self, session: tls::Session) -> Self {
        self.secured = Some(Box::new(session));
        self
    }

    /// The connection stands.
    pub fn connected(&mut self, now: Instant) {
        if let State::Connecting { .. } = self.state {
            self.state = match self.secured {
                None => State::Sending,
                Some(_) => State::Securing {
                    until: now + TLS_TIMEOUT,
                },
            };
        }
    }

    /// What the other side is owed once there is an outcome: why we leave it (RFC 8446 §6).
    pub fn farewell(&mut self) -> Vec<u8> {
        let mut bytes = mem::take(&mut self.output);
        if let Some(session) = &mut self.secured {
            session.end();
            session.transmit(&mut bytes);
        }
        bytes
    }

    /// There is no connection.
    pub fn connect_failed(&mut self, errno: i32, _now: Instant) {
        self.finish(Outcome::Failed(Error::Connect(errno)));
    }

    /// The peer closed, or the connection broke: legal only after a body that has no other end.
    pub fn closed(&mut self, _now: Instant) {
        match mem::replace(&mut self.state, State::Done) {
            State::Done => {}
            State::Body { head, body, .. } if !self.is_cut() => {
                self.outcome = Some(match body.end() {
                    Ok(bytes) => head.with_body(bytes),
                    Err(error) => Outcome::Failed(error),
                });
            }
            State::Connecting { .. }
            | State::Securing { .. }
            | State::Sending
            | State::Head { .. }
            | State::Body { .. } => self.outcome = Some(Outcome::Failed(Error::Truncated)),
        }
    }

    /// Whether the end of the connection is not the end that the other side meant (RFC 8446 §6.1).
    fn is_cut(&self) -> bool {
        let session = self.secured.as_ref();
        session.is_some_and(|session| !session.is_ended())
    }

    /// Takes what came; `true`: more of the answer may be in [`Client::input`].
    fn take(&mut self, bytes: &[u8], now: Instant) -> Result<bool, Error> {
        let before = self.input.len();
        match &mut self.secured {
            None => self.input.extend_from_slice(bytes),
            Some(session) => {
                let taken = session.receive(bytes, &mut self.input);
                session.transmit(&mut self.output);
                taken.map_err(Error::Tls)?;
                if let State::Securing { .. } = self.state
                    && !session.is_handshaking()
                {
                    self.state = State::Sending;
                }
            }
        }
        let came = self.input.len() > before;
        match &mut self.state {
            State::Head { until } | State::Body { until, .. } => {
                if came {
                    *until = now + READ_TIMEOUT;
                }
                Ok(true)
            }
            // A server that speaks before it was asked.
            State::Sending | State::Securing { .. } if came => Err(Error::Head),
            State::Connecting { .. } | State::Securing { .. } | State::Sending | State::Done => {
                Ok(false)
            }
        }
    }

    fn finish(&mut self, outcome: Outcome) {
        if !matches!(self.state, State::Done) {
            self.state = State::Done;
            self.outcome = Some(outcome);
        }
    }

    fn advance(&mut self, now: Instant) -> Result<(), Error> {
        loop {
            match &mut self.state {
                State::Head { .. } => {
                    let Some((length, head, next)) = parse_head(&self.input, &self.request)? else {
                        return Ok(());
                    };
                    self.input.drain(..length);
                    match next {
                        Next::Interim if self.interim >= MAX_INTERIM => return Err(Error::Head),
                        Next::Interim => self.interim += 1,
                        Next::Redirect(url) => {
                            self.finish(Outcome::Redirect(url));
                            return Ok(());
                        }
                        Next::Body(_) if self.request.head_only => {
                            self.finish(head.with_body(Vec::new()));
                            return Ok(());
                        }
                        Next::Body(framing) => {
                            let limit = self.request.body_limit.min(MAX_BODY);
                            self.state = State::Body {
                                head,
                                body: Body::new(framing, limit)?,
                                until: now + READ_TIMEOUT,
                            };
                        }
                    }
                }
                State::Body { body, .. } => {
                    let whole = body.take(&mut self.input)?;
                    let enough = self
                        .request
                        .lines
                        .is_some_and(|lines| body.has_lines(lines));
                    if (whole || enough)
                        && let State::Body { head, body, .. } =
                            mem::replace(&mut self.state, State::Done)
                    {
                        self.outcome = Some(head.with_body(body.into_bytes()));
                    }
                    return Ok(());
                }
                State::Connecting { .. }
                | State::Securing { .. }
                | State::Sending
                | State::Done => return Ok(()),
            }
        }
    }
}

impl Machine for Client {
    type Transmit = Vec<u8>;
    type Event = Outcome;

    fn receive(&mut self, bytes: &[u8], now: Instant) {
        if matches!(self.state, State::Connecting { .. } | State::Done) {
            return;
        }
        let taken = self.take(bytes, now);
        if let Err(error) = taken.and_then(|more| if more { self.advance(now) } else { Ok(()) }) {
            self.finish(Outcome::Failed(error));
        }
        if self
            .secured
            .as_ref()
            .is_some_and(|session| session.is_ended())
        {
            self.closed(now);
        }
    }

    fn expire(&mut self, now: Instant) {
        let error = match &self.state {
            State::Done => return,
            _ if now >= self.request.deadline => Error::Deadline,
            State::Connecting { until } if now >= *until => Error::ConnectTimeout,
            State::Securing { until } if now >= *until => Error::TlsTimeout,
            State::Head { until } | State::Body { until, .. } if now >= *until => {
                Error::ReadTimeout
            }
            State::Connecting { .. }
            | State::Securing { .. }
            | State::Sending
            | State::Head { .. }
            | State::Body { .. } => return,
        };
        self.finish(Outcome::Failed(error));
    }

    fn transmit<E>(
        &mut self,
        now: Instant,
        _rng: &mut Rng,
        send: impl FnOnce(Vec<u8>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let head = State::Head {
            until: now + READ_TIMEOUT,
        };
        let Some(session) = &mut self.secured else {
            if let State::Sending = self.state {
                send(self.request.encode())?;
                self.state = head;
                return Ok(true);
            }
            return Ok(false);
        };
        match self.state {
            State::Connecting { .. } | State::Done => return Ok(false),
            State::Sending => {
                self.state = head;
                if let Err(error) = session.write(&self.request.encode()) {
                    self.finish(Outcome::Failed(Error::Tls(error)));
                    return Ok(true);
                }
            }
            State::Securing { .. } | State::Head { .. } | State::Body { .. } => {}
        }
        session.transmit(&mut self.output);
        if self.output.is_empty() {
            return Ok(false);
        }
        send(self.output.clone())?;
        self.output.clear();
        Ok(true)
    }

    fn event(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Done => return None,
            State::Sending => None,
            State::Connecting { until }
            | State::Securing { until }
            | State::Head { until }
            | State::Body { until, .. } => Some(*until),
        };
        earliest([own, Some(self.request.deadline)])
    }
}

/// What follows a head.
enum Next {
    Interim,
    Redirect(Url),
    Body(Framing),
}

/// Length of the head, what is kept of it, and what follows; `None`: more bytes are needed.
fn parse_head(input: &[u8], request: &Request) -> Result<Option<(usize, Head, Next)>, Error> {
    let window = input.get(..MAX_HEAD).unwrap_or(input);
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(window) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if window.len() == MAX_HEAD => {
            return Err(Error::HeadTooLarge);
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Error::HeadTooLarge),
        Err(_) => return Err(Error::Head),
    };
    let status = response.code.ok_or(Error::Head)?;
    let fields = &*response.headers;
    let text = |name: &'static str| {
        all(fields, name)
            .next()
            .and_then(|value| core::str::from_utf8(value).ok())
            .map(str::trim)
    };
    let next = match status {
        // RFC 9110 §15.2.2: we never ask to switch protocols.
        101 => return Err(Error::Head),
        100..=199 => Next::Interim,
        301 | 302 | 303 | 307 | 308 if text("location").is_some() => {
            let location = text("location").unwrap_or_default();
            let url = (request.url.join(location))
                .map_err(|error| Error::Redirect(RedirectError::Location(error)))?;
            check_redirect(&request.url, &url).map_err(Error::Redirect)?;
            // RFC 9110 §15.4: only 307 and 308 keep method and body; the others mean that something is to be read.
            let kept = matches!(status, 307 | 308) && request.url.same_host(&url);
            if request.method != Method::Get && !kept {
                return Err(Error::Redirect(RedirectError::Write));
            }
            Next::Redirect(url)
        }
        204 | 304 => Next::Body(Framing::Length(0)),
        200..=599 => Next::Body(framing(fields, response.version)?),
        _ => return Err(Error::Head),
    };
    let head = Head {
        status,
        content_type: text("content-type").map(str::to_owned),
        retry_after: pause::asked(status, text),
    };
    Ok(Some((length, head, next)))
}

fn all<'a>(
    fields: &'a [httparse::Header<'a>],
    name: &'static str,
) -> impl Iterator<Item = &'a [u8]> {
    fields
        .iter()
        .filter(move |field| field.name.eq_ignore_ascii_case(name))
        .map(|field| field.value)
}

/// RFC 9112 §6.3. A message with both fields is refused: it is how requests are smuggled.
fn framing(fields: &[httparse::Header<'_>], version: Option<u8>) -> Result<Framing, Error> {
    let mut codings = all(fields, "transfer-encoding");
    let mut lengths = all(fields, "content-length");
    match (codings.next(), lengths.next()) {
        (None, None) => Ok(Framing::UntilClose),
        (Some(coding), None) => {
            let chunked = coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
            if chunked && codings.next().is_none() && version == Some(1) {
                Ok(Framing::Chunked(Chunk::Size))
            } else {
                Err(Error::Framing)
            }
        }
        (None, Some(length)) => {
            if lengths.any(|other| other != length) {
                return Err(Error::Framing);
            }
            let text = core::str::from_utf8(length)
                .map_err(|_| Error::Framing)?
                .trim();
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
                return Err(Error::Framing);
            }
            text.parse()
                .map(Framing::Length)
                .map_err(|_| Error::Framing)
        }
        (Some(_), Some(_)) => Err(Error::Framing),
    }
}
