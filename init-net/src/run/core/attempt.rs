//! [`Attempt`]: one try of a probe.
//!
//! ```text
//!  Resolving ► Next ► Connecting ► Talking (http) ► Done
//!                ▲         │
//!                └─ failed ┘  the next address of the name
//! ```

use core::net::IpAddr;

use super::fetches::Wires;
use super::{Effect, HttpEvent};
use crate::proto::Machine;
use crate::proto::dns::Lookup;
use crate::proto::http::{Client, Error, Host, Outcome, Request, Scheme, Url};
use crate::proto::tls::{self, Trust};
use crate::value::{Duration, Hostname, Instant, LinkName, ProbeTarget, Rng, earliest};

/// Most addresses of one name that are tried: they share the time of one attempt.
const MAX_ADDRESSES: usize = 4;

/// One try, from the name to the answer. It is asked for its result by [`Attempt::turn`].
pub(super) struct Attempt {
    /// When it began.
    pub(super) began: Instant,
    deadline: Instant,
    timeout: Duration,
    port: u16,
    device: Option<LinkName>,
    /// What to ask for once connected; `None`: the connection is the answer.
    url: Option<Url>,
    /// Over TLS.
    secure: bool,
    /// Whom to believe then, and the wall clock; known before the first connection.
    trust: Option<(Trust, Duration)>,
    /// Whom to believe in place of whom all others do.
    own: Option<Trust>,
    /// Still to be tried, last first.
    addresses: Vec<IpAddr>,
    /// The connection that is open, or being opened.
    open: Option<u64>,
    state: State,
    /// What the last address met.
    last: Option<String>,
}

enum State {
    Unresolved(Hostname),
    Resolving(Lookup),
    Next,
    Connecting { until: Instant },
    Talking(Box<Client>),
    Done(Result<(), String>),
}

impl Attempt {
    /// A try of `target` that begins at `now` and may take `timeout`.
    pub(super) fn new(target: &ProbeTarget, timeout: Duration, now: Instant) -> Self {
        let mut attempt = Self {
            began: now,
            deadline: now + timeout,
            timeout,
            port: 0,
            device: None,
            url: None,
            secure: false,
            trust: None,
            own: None,
            addresses: Vec::new(),
            open: None,
            state: State::Next,
            last: None,
        };
        if let Err(error) = attempt.aim(target) {
            attempt.state = State::Done(Err(error));
        }
        attempt
    }

    /// Believes `trust`, when there is one; the wall clock is read when it is needed.
    pub(super) fn believing(mut self, trust: Option<Trust>) -> Self {
        self.own = trust;
        self
    }

    fn aim(&mut self, target: &ProbeTarget) -> Result<(), String> {
        let (address, name) = match target {
            ProbeTarget::Tcp { host, port } => {
                self.port = *port;
                match host.parse() {
                    Ok(address) => (Some(address), None),
                    Err(_) => (None, Some(host.parse().map_err(text::<_>)?)),
                }
            }
            ProbeTarget::Http { url } => {
                let url: Url = url.parse().map_err(text::<_>)?;
                self.secure = url.scheme() == Scheme::Https;
                self.port = url.port();
                self.device = url.host().zone().cloned();
                let name = match url.host() {
                    Host::Name(name) => Some(name.clone()),
                    Host::V4(_) | Host::V6 { .. } => None,
                };
                let address = url.host().address();
                self.url = Some(url);
                (address, name)
            }
        };
        self.addresses.extend(address);
        if let Some(name) = name {
            self.state = State::Unresolved(name);
        }
        Ok(())
    }

    /// Gives up what is open.
    pub(super) fn close(&mut self, effects: &mut Vec<Effect>) {
        effects.extend(self.open.take().map(|id| Effect::Close { id }));
    }

    /// Takes an event, if it is about this try's connection.
    pub(super) fn receive(&mut self, event: &HttpEvent, now: Instant) {
        let ours = |id: &u64| self.open == Some(*id);
        match (&mut self.state, event) {
            // Every look-up checks the id of the reply by itself.
            (State::Resolving(lookup), HttpEvent::Dns(message)) => lookup.receive(message, now),
            (State::Connecting { .. }, HttpEvent::Connected(id)) if ours(id) => {
                self.state = match self.url.clone() {
                    None => State::Done(Ok(())),
                    Some(url) => {
                        let mut request = Request::get(url, self.deadline);
                        request.head_only = true;
                        match client(request, self.trust.as_ref(), now) {
                            Ok(client) => State::Talking(Box::new(client)),
                            Err(error) => State::Done(Err(error.to_string())),
                        }
                    }
                };
            }
            (State::Connecting { .. }, HttpEvent::Failed(id, errno)) if ours(id) => {
                let error = std::io::Error::from_raw_os_error(*errno);
                self.last = Some(error.to_string());
                self.state = State::Next;
            }
            (State::Talking(client), HttpEvent::Received(id, bytes)) if ours(id) => {
                client.receive(bytes, now);
            }
            (State::Talking(client), HttpEvent::Closed(id)) if ours(id) => client.closed(now),
            _ => {}
        }
    }

    /// Lets the try act; answers with its result once there is one, and leaves no connection open then.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        wires: &mut Wires<'_>,
    ) -> Option<Result<(), String>> {
        loop {
            let next = match &mut self.state {
                State::Done(result) => {
                    let result = result.clone();
                    self.close(wires.effects);
                    return Some(result);
                }
                _ if now >= self.deadline => {
                    let late = || format!("no answer within {:?}", self.timeout);
                    State::Done(Err(self.last.take().unwrap_or_else(late)))
                }
                State::Unresolved(name) => {
                    State::Resolving(Lookup::new(name, wires.nameservers, self.deadline))
                }
                State::Resolving(lookup) => match wires.look_up(lookup, now, rng) {
                    None => return None,
                    Some(found) => {
                        let found = found.into_iter().take(MAX_ADDRESSES);
                        self.addresses.extend(found);
                        self.addresses.reverse();
                        if self.addresses.is_empty() {
                            self.last = Some(Error::Lookup.to_string());
                        }
                        State::Next
                    }
                },
                State::Next if self.secure && self.trust.is_none() => {
                    self.trust = match &self.own {
                        Some(own) => Some((own.clone(), wires.trusted.wall())),
                        None => {
                            let trust = wires.trusted.get(wires.effects);
                            trust.map(|(trust, wall)| (trust.clone(), wall))
                        }
                    };
                    self.trust.as_ref()?;
                    State::Next
                }
                State::Next => {
                    self.close(wires.effects);
                    // Each address has its share of the time: one that never answers does not hide the others.
                    let share = u32::try_from(self.addresses.len()).unwrap_or(1).max(1);
                    let left = self.deadline.saturating_since(now);
                    match self.addresses.pop() {
                        None => State::Done(Err(self.last.take().unwrap_or_default())),
                        Some(address) => {
                            let id = wires.connect(address, self.port, self.device.clone(), None);
                            self.open = Some(id);
                            let until = now + left / share;
                            State::Connecting { until }
                        }
                    }
                }
                State::Connecting { until } if now >= *until => {
                    self.last = Some(Error::ConnectTimeout.to_string());
                    State::Next
                }
                State::Connecting { .. } => return None,
                State::Talking(client) => {
                    client.expire(now);
                    let open = self.open;
                    client.transmit_all(now, rng, |bytes| {
                        let write = open.map(|id| Effect::Write { id, bytes });
                        wires.effects.extend(write);
                    });
                    State::Done(judge(client.event()?))
                }
            };
            self.state = next;
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Next if self.secure && self.trust.is_none() => None,
            State::Unresolved(_) | State::Next | State::Done(_) => Some(self.began),
            State::Resolving(lookup) => lookup.deadline(),
            State::Connecting { until } => Some(*until),
            State::Talking(client) => client.deadline(),
        };
        earliest([own, Some(self.deadline)])
    }
}

/// The client on a connection that stands.
fn client(
    request: Request,
    trust: Option<&(Trust, Duration)>,
    now: Instant,
) -> Result<Client, tls::Error> {
    let session = trust.map(|(trust, wall)| trust.session(request.url.host().peer(), *wall));
    let client = Client::new(request, now);
    let mut client = match session.transpose()? {
        Some(session) => client.secured(session),
        None => client,
    };
    client.connected(now);
    Ok(client)
}

/// 200 to 399 is what is wanted. A redirect is one of those wherever it leads; it is not followed.
fn judge(outcome: Outcome) -> Result<(), String> {
    match outcome {
        Outcome::Done(response) => match response.status {
            200..=399 => Ok(()),
            status => Err(format!("status {status}")),
        },
        Outcome::Redirect(_) | Outcome::Failed(Error::Redirect(_)) => Ok(()),
        Outcome::Failed(error) => Err(error.to_string()),
    }
}

fn text<E: core::fmt::Display>(error: E) -> String {
    error.to_string()
}
