//! [`Lookup`]: the questions, the servers, the waits.

use core::net::{IpAddr, SocketAddr};

use simple_dns::TYPE;

use super::Event;
use super::reply::{self, Reply};
use crate::proto::Machine;
use crate::value::{Duration, Hostname, Instant, Rng, earliest};

/// How long one server has to answer both questions before the next one is asked.
pub const SERVER_TIMEOUT: Duration = Duration::from_secs(1);

/// Most servers that are asked; resolv.conf(5) has three.
const MAX_SERVERS: usize = 4;

/// One question to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Whom to ask.
    pub server: SocketAddr,
    /// The bytes of the datagram.
    pub payload: Vec<u8>,
}

/// The two record types that are asked for, in this order.
const KINDS: [TYPE; 2] = [TYPE::A, TYPE::AAAA];

/// One name.
///
/// ```text
///  Ask(server, kind) ─► Ask(server, next kind) ─► Wait ──both answered──► Done
///        ▲                                          │
///        └───── next server, after refusal or 1 s ──┘       deadline ─► Done
/// ```
#[derive(Clone, Debug)]
pub struct Lookup {
    name: String,
    servers: Vec<SocketAddr>,
    /// Which server is asked; counts up and wraps over `servers`.
    turn: usize,
    /// Ids of the two questions to this server.
    ids: [Option<u16>; 2],
    /// Answers to the two questions, kept across servers.
    answers: [Option<Vec<IpAddr>>; 2],
    state: State,
    deadline: Instant,
    event: Option<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ask { kind: usize, since: Option<Instant> },
    Wait { until: Instant },
    Done,
}

const ASK: State = State::Ask {
    kind: 0,
    since: None,
};

impl Lookup {
    /// Asks `servers` in turn, again and again until `deadline`. Without servers it fails at once.
    pub fn new(name: &Hostname, servers: &[SocketAddr], deadline: Instant) -> Self {
        let servers: Vec<SocketAddr> = servers.iter().take(MAX_SERVERS).copied().collect();
        let none = servers.is_empty();
        Self {
            name: name.to_string(),
            servers,
            turn: 0,
            ids: [None; 2],
            answers: [None, None],
            state: if none { State::Done } else { ASK },
            deadline,
            event: none.then_some(Event::Failed),
        }
    }

    fn next_server(&mut self) {
        self.turn += 1;
        self.ids = [None; 2];
        self.state = ASK;
    }

    fn finish(&mut self) {
        let found: Vec<IpAddr> = self
            .answers
            .iter_mut()
            .flatten()
            .flat_map(std::mem::take)
            .collect();
        self.event = Some(match found.is_empty() {
            true => Event::Failed,
            false => Event::Addresses(found),
        });
        self.state = State::Done;
    }
}

impl Machine for Lookup {
    type Transmit = Query;
    type Event = Event;

    fn receive(&mut self, message: &[u8], now: Instant) {
        if self.state == State::Done {
            return;
        }
        let slots = self.ids.iter_mut().zip(&mut self.answers).zip(KINDS);
        for ((id, answer), kind) in slots {
            if id.is_none() || *id != reply::id(message) {
                continue;
            }
            match reply::parse(message, &self.name, kind) {
                None => return,
                Some(Reply::Addresses(found)) => {
                    *id = None;
                    *answer = Some(found);
                }
                Some(Reply::Refused) => {
                    self.next_server();
                    // A server that refuses is not asked again at once, or one server alone would be asked in a loop.
                    if self.turn.is_multiple_of(self.servers.len()) {
                        self.state = State::Wait {
                            until: now + SERVER_TIMEOUT,
                        };
                    }
                    return;
                }
            }
            break;
        }
        if self.answers.iter().all(Option::is_some) {
            self.finish();
        }
    }

    fn expire(&mut self, now: Instant) {
        match self.state {
            State::Done => {}
            _ if now >= self.deadline => self.finish(),
            State::Wait { until } if now >= until => {
                // One family answered and the other is lost: use what is there.
                if self.answers.iter().flatten().any(|found| !found.is_empty()) {
                    self.finish();
                } else {
                    self.next_server();
                }
            }
            State::Wait { .. } | State::Ask { .. } => {}
        }
    }

    fn transmit<E>(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        send: impl FnOnce(Query) -> Result<(), E>,
    ) -> Result<bool, E> {
        let State::Ask { mut kind, since } = self.state else {
            return Ok(false);
        };
        while self.answers.get(kind).is_some_and(Option::is_some) {
            kind += 1;
        }
        let since = since.unwrap_or(now);
        let next = self.turn % self.servers.len().max(1);
        let (Some(record), Some(server)) = (KINDS.get(kind), self.servers.get(next)) else {
            self.state = State::Wait {
                until: since + SERVER_TIMEOUT,
            };
            return Ok(false);
        };
        let other = self.ids.iter().flatten().next().copied();
        let id = match rng.next_u32() as u16 {
            id if Some(id) == other => id.wrapping_add(1),
            id => id,
        };
        let Some(payload) = reply::encode(id, &self.name, *record) else {
            self.finish();
            return Ok(false);
        };
        send(Query {
            server: *server,
            payload,
        })?;
        if let Some(slot) = self.ids.get_mut(kind) {
            *slot = Some(id);
        }
        self.state = State::Ask {
            kind: kind + 1,
            since: Some(since),
        };
        Ok(true)
    }

    fn event(&mut self) -> Option<Event> {
        self.event.take()
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Done => None,
            State::Ask { since, .. } => Some(since.unwrap_or(Instant::BOOT)),
            State::Wait { until } => earliest([Some(until), Some(self.deadline)]),
        }
    }
}
