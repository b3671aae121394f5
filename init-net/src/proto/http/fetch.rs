//! [`Fetch`]: one request, tried until it is answered, refused or out of time.
//!
//! ```text
//!  Start ► Trusting ► Ready ► Resolving ► Connect ► Talking(Client) ► Failed ► Waiting ► Start
//!    └─── http ────────┘ └─ literal ──────┘  ▲        └─ redirect ─► Start
//!                                            └─ next address of the name
//! ```

use core::fmt;
use core::net::IpAddr;
use core::ops::RangeInclusive;

use super::client::{Client, Outcome};
use super::error::Error;
use super::message::{Request, Response};
use super::url::{Host, RedirectError, Scheme, Url, is_local};
use crate::proto::Machine;
use crate::proto::tls::Trust;
use crate::value::{Duration, Hostname, Instant, LinkName, Rng, earliest};

/// Most redirects of one request.
pub const MAX_REDIRECTS: u8 = 3;

/// For how long 404 means "not yet": several clouds publish metadata some seconds after the machine has started.
pub const NOT_FOUND_GRACE: Duration = Duration::from_secs(10);

/// First wait between two attempts; doubles each time.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// Longest wait between two attempts, also when the server asks for more by `Retry-After`.
const BACKOFF_MAX: Duration = Duration::from_secs(4);

/// Source ports of [`Request::with_low_port`]: below 1024, and above those on which most well-known services listen.
pub const LOW_PORTS: RangeInclusive<u16> = 600..=1023;

/// Most addresses of one name that are tried in one attempt.
const MAX_ADDRESSES: usize = 8;

/// What the owner is to do.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// Say whose certificates count and what time it is, by [`Fetch::trusted`]: the URL is https.
    Trust,
    /// Look `name` up, then call [`Fetch::resolved`].
    Resolve(Hostname),
    /// Open a TCP connection, then call [`Fetch::connected`] or [`Fetch::connect_failed`].
    Connect {
        /// To whom.
        address: IpAddr,
        /// To which port.
        port: u16,
        /// Through this link only, which is also the scope of a link-local address.
        device: Option<LinkName>,
        /// From a port below 1024: the first one to try. See [`LOW_PORTS`].
        low_port: Option<u16>,
    },
    /// Write all of it to the connection.
    Send(Vec<u8>),
    /// Close the connection, whatever its state.
    Close,
}

impl fmt::Debug for Command {
    /// Without the bytes: they hold tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trust => f.write_str("trust"),
            Self::Resolve(name) => write!(f, "resolve {name}"),
            Self::Connect {
                address,
                port,
                device,
                low_port,
            } => {
                write!(f, "connect {address} port {port}")?;
                if let Some(device) = device {
                    write!(f, " dev {device}")?;
                }
                match low_port {
                    Some(first) => write!(f, " from a low port, {first} first"),
                    None => Ok(()),
                }
            }
            Self::Send(bytes) => write!(f, "send {} bytes", bytes.len()),
            Self::Close => f.write_str("close"),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No answer at all.
    Http(Error),
    /// An answer that is none.
    Status(u16),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// The end of a request that got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError {
    /// What was asked last; prints without its query.
    pub url: Url,
    /// How often.
    pub attempts: u32,
    /// What ended it.
    pub cause: Cause,
    /// When the deadline ended it: what the last attempt met.
    pub last: Option<Cause>,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.cause)?;
        if let Some(last) = &self.last {
            write!(f, "; last: {last}")?;
        }
        match self.attempts {
            0 | 1 => Ok(()),
            attempts => write!(f, " ({attempts} attempts)"),
        }
    }
}

/// One request, tried until it is answered, refused or out of time.
#[derive(Debug)]
pub struct Fetch {
    request: Request,
    device: Option<LinkName>,
    /// 404 before this moment is tried again.
    not_found_until: Instant,
    redirects: u8,
    attempts: u32,
    backoff: Duration,
    /// Addresses of the name that are still to be tried in this attempt, last first.
    addresses: Vec<IpAddr>,
    state: State,
    /// Whom to believe in this attempt, and what time it is: the wall clock, since 1970.
    trust: Option<(Trust, Duration)>,
    /// What a connection that is to be closed is owed.
    farewell: Vec<u8>,
    /// There is one attempt.
    once: bool,
    /// Whether the owner holds a connection for us.
    open: bool,
    last: Option<Cause>,
    result: Option<Result<Response, FetchError>>,
}

#[derive(Debug)]
enum State {
    /// The next attempt begins.
    Start,
    /// The owner says whom to believe.
    Trusting,
    /// A connection is wanted.
    Ready,
    /// The owner looks the name up.
    Resolving,
    /// The connection is to be asked for.
    Connect(IpAddr),
    /// On a connection.
    Talking(Box<Client>),
    /// An attempt failed; the wait is drawn at the next transmit, which has the dice.
    Failed { at: Instant, at_least: Duration },
    /// Between two attempts.
    Waiting { until: Instant },
    /// The result is known.
    Done,
}

impl Fetch {
    /// A request that begins at `now` and goes out through `device`, when one is given.
    pub fn new(request: Request, device: Option<LinkName>, now: Instant) -> Self {
        Self {
            device: request.url.host().zone().cloned().or(device),
            request,
            not_found_until: now + NOT_FOUND_GRACE,
            redirects: 0,
            attempts: 0,
            backoff: BACKOFF_FIRST,
            addresses: Vec::new(),
            state: State::Start,
            trust: None,
            farewell: Vec::new(),
            once: false,
            open: false,
            last: None,
            result: None,
        }
    }

    /// One attempt, and whatever is answered is the answer: for what must not be asked twice unseen.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// 404 is an answer at once: for keys that need not exist.
    #[must_use]
    pub fn without_grace(mut self) -> Self {
        self.not_found_until = Instant::BOOT;
        self
    }

    /// What is asked; changes with a redirect.
    pub fn url(&self) -> &Url {
        &self.request.url
    }

    /// Whom to believe, as [`Command::Trust`] asked, and the wall clock: since 1970.
    pub fn trusted(&mut self, trust: &Trust, wall: Duration) {
        if let State::Trusting = self.state {
            self.trust = Some((trust.clone(), wall));
            self.state = State::Ready;
        }
    }

    /// The addresses of the name that [`Command::Resolve`] asked for; none: the look-up failed.
    pub fn resolved(&mut self, addresses: &[IpAddr], now: Instant) {
        if let State::Resolving = self.state {
            // A redirect may not lead to this link by way of a name either.
            let moved = self.redirects > 0;
            let usable = addresses.iter().filter(|a| !moved || !is_local(**a));
            self.addresses = usable.take(MAX_ADDRESSES).copied().collect();
            self.addresses.reverse();
            match self.addresses.pop() {
                Some(address) => self.state = State::Connect(address),
                None => self.fail(Cause::Http(Error::Lookup), Duration::ZERO, now),
            }
        }
    }

    /// The connection stands.
    pub fn connected(&mut self, now: Instant) {
        if let State::Talking(client) = &mut self.state {
            client.connected(now);
        }
    }

    /// There is no connection: `errno` of connect(2) or of the socket.
    pub fn connect_failed(&mut self, errno: i32, now: Instant) {
        if let State::Talking(client) = &mut self.state {
            client.connect_failed(errno, now);
        }
        self.advance(now);
    }

    /// The peer closed, or the connection broke.
    pub fn closed(&mut self, now: Instant) {
        if let State::Talking(client) = &mut self.state {
            client.closed(now);
        }
        self.advance(now);
    }

    /// A connection has been asked for.
    fn talk(&mut self, now: Instant) {
        let client = Client::new(self.request.clone(), now);
        let client = match &self.trust {
            None => client,
            Some((trust, wall)) => match trust.session(self.request.url.host().peer(), *wall) {
                Ok(session) => client.secured(session),
                Err(error) => {
                    return self.fail(Cause::Http(Error::Tls(error)), Duration::ZERO, now);
                }
            },
        };
        self.state = State::Talking(Box::new(client));
    }

    /// Takes the outcome of an attempt, when there is one.
    fn advance(&mut self, now: Instant) {
        let State::Talking(client) = &mut self.state else {
            return;
        };
        let Some(outcome) = client.event() else {
            return;
        };
        self.farewell = client.farewell();
        match outcome {
            Outcome::Done(response) => self.judge(response, now),
            Outcome::Redirect(url) => self.follow(url),
            Outcome::Failed(Error::Connect(_) | Error::ConnectTimeout)
                if !self.addresses.is_empty() =>
            {
                self.state = match self.addresses.pop() {
                    Some(address) => State::Connect(address),
                    None => State::Start,
                };
            }
            Outcome::Failed(error) => self.fail(Cause::Http(error), Duration::ZERO, now),
        }
    }

    fn judge(&mut self, response: Response, now: Instant) {
        let again = match response.status {
            _ if self.once => {
                self.state = State::Done;
                self.result = Some(Ok(response));
                return;
            }
            200..=204 => {
                self.state = State::Done;
                self.result = Some(Ok(response));
                return;
            }
            404 => now < self.not_found_until,
            408 | 410 | 425 | 429 | 500..=599 => true,
            _ => false,
        };
        let cause = Cause::Status(response.status);
        if again {
            let at_least = response.retry_after.unwrap_or_default().min(BACKOFF_MAX);
            self.fail(cause, at_least, now);
        } else {
            self.refuse(cause);
        }
    }

    fn follow(&mut self, url: Url) {
        if self.redirects == MAX_REDIRECTS {
            return self.refuse(Cause::Http(Error::Redirect(RedirectError::TooMany)));
        }
        self.redirects += 1;
        self.attempts = self.attempts.saturating_sub(1);
        self.request = self.request.clone().moved(url);
        self.trust = None;
        self.state = State::Start;
    }

    /// The attempt failed; another one may follow.
    fn fail(&mut self, cause: Cause, at_least: Duration, now: Instant) {
        match &cause {
            _ if self.once => self.refuse(cause),
            Cause::Http(error) if !error.is_temporary() => self.refuse(cause),
            Cause::Http(_) | Cause::Status(_) => {
                self.last = Some(cause);
                self.state = State::Failed { at: now, at_least };
            }
        }
    }

    /// The request failed.
    fn refuse(&mut self, cause: Cause) {
        let deadline = cause == Cause::Http(Error::Deadline);
        self.state = State::Done;
        self.result = Some(Err(FetchError {
            url: self.request.url.clone(),
            attempts: self.attempts,
            cause,
            last: self.last.take().filter(|_| deadline),
        }));
    }

    /// The wait before the next attempt: doubled each time, between 3/4 and 5/4 of its value so that a rack that
    /// boots at once does not ask at once, never above [`BACKOFF_MAX`].
    fn draw_backoff(&mut self, rng: &mut Rng) -> Duration {
        let base = self.backoff;
        self.backoff = (base * 2).min(BACKOFF_MAX);
        let quarter = base / 4;
        let jitter = Duration::from_micros(rng.below(quarter.as_micros() as u64 * 2 + 1));
        (base - quarter + jitter).min(BACKOFF_MAX)
    }
}

/// Another one each time: the last one is in TIME_WAIT for a minute, also at the other end.
fn draw_low_port(rng: &mut Rng) -> u16 {
    let (first, last) = (*LOW_PORTS.start(), *LOW_PORTS.end());
    let offset = rng.below(u64::from(last - first) + 1);
    first + u16::try_from(offset).unwrap_or(0)
}

impl Machine for Fetch {
    type Transmit = Command;
    type Event = Result<Response, FetchError>;

    fn receive(&mut self, bytes: &[u8], now: Instant) {
        if let State::Talking(client) = &mut self.state {
            client.receive(bytes, now);
        }
        self.advance(now);
    }

    fn expire(&mut self, now: Instant) {
        match &mut self.state {
            State::Done => {}
            _ if now >= self.request.deadline => self.refuse(Cause::Http(Error::Deadline)),
            State::Talking(client) => {
                client.expire(now);
                self.advance(now);
            }
            State::Waiting { until } if now >= *until => self.state = State::Start,
            State::Start
            | State::Trusting
            | State::Ready
            | State::Resolving
            | State::Connect(_)
            | State::Failed { .. }
            | State::Waiting { .. } => {}
        }
    }

    fn transmit<E>(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        send: impl FnOnce(Command) -> Result<(), E>,
    ) -> Result<bool, E> {
        if self.open && !matches!(self.state, State::Talking(_)) {
            if !self.farewell.is_empty() {
                send(Command::Send(self.farewell.clone()))?;
                self.farewell.clear();
                return Ok(true);
            }
            send(Command::Close)?;
            self.open = false;
            return Ok(true);
        }
        if let State::Failed { at, at_least } = self.state {
            let wait = self.draw_backoff(rng).max(at_least);
            self.state = State::Waiting { until: at + wait };
        }
        if matches!(self.state, State::Waiting { until } if now >= until) {
            self.state = State::Start;
        }
        if let State::Start = self.state {
            if self.request.url.scheme() == Scheme::Https {
                // Each time: the clock may have been set meanwhile.
                send(Command::Trust)?;
                self.state = State::Trusting;
                return Ok(true);
            }
            self.state = State::Ready;
        }
        if let State::Ready = self.state
            && let Host::Name(name) = self.request.url.host()
        {
            send(Command::Resolve(name.clone()))?;
            self.attempts += 1;
            self.state = State::Resolving;
            return Ok(true);
        }
        match &mut self.state {
            State::Ready | State::Connect(_) => {
                let literal = self.request.url.host().address();
                let (address, attempt) = match self.state {
                    State::Connect(address) => (address, 0),
                    _ => match literal {
                        Some(address) => (address, 1),
                        None => return Ok(false),
                    },
                };
                send(Command::Connect {
                    address,
                    port: self.request.url.port(),
                    device: self.device.clone(),
                    low_port: self.request.low_port.then(|| draw_low_port(rng)),
                })?;
                self.attempts += attempt;
                self.open = true;
                self.talk(now);
                Ok(true)
            }
            State::Talking(client) => client.transmit(now, rng, |bytes| send(Command::Send(bytes))),
            State::Start
            | State::Trusting
            | State::Resolving
            | State::Failed { .. }
            | State::Waiting { .. }
            | State::Done => Ok(false),
        }
    }

    fn event(&mut self) -> Option<Self::Event> {
        self.result.take()
    }

    fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Done => return None,
            State::Start | State::Ready | State::Connect(_) => Some(Instant::BOOT),
            State::Failed { at, .. } => Some(*at),
            State::Trusting | State::Resolving => None,
            State::Talking(client) => client.deadline(),
            State::Waiting { until } => Some(*until),
        };
        earliest([own, Some(self.request.deadline)])
    }
}
