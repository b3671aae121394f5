//! `--online HOST:PORT`: the name, the connection, the path, one after the other.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;
use std::collections::VecDeque;
use std::io;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsFd as _;

use super::path::Path;
use super::server::connected;
use super::{Answers, BURST, Probe};
use crate::proto::Machine as _;
use crate::proto::dns::{Event, Lookup};
use crate::state::Observed;
use crate::sys;
use crate::sys::poll::Interest;
use crate::value::{Duration, Hostname, Instant, Rng, earliest};

/// For the name, and again for the connection: a SYN that was lost is sent again after 1 s.
const PATIENCE: Duration = Duration::from_secs(3);

/// Most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 4;

/// What is said of an address that nothing comes from.
const SILENCE: &str = "no answer in time";

/// Longest datagram of a name server that is read, bytes.
const BUFFER: usize = 4096;

/// Whom the machine should be able to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(Hostname),
}

impl FromStr for Target {
    type Err = &'static str;

    /// `example.net:443`, `192.0.2.1:443`, `[2001:db8::1]:443`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "expected HOST:PORT: example.net:443, 192.0.2.1:443, [2001:db8::1]:443";
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: Host::Address(address.ip()),
                port: address.port(),
            });
        }
        let (name, port) = text.rsplit_once(':').ok_or(FORM)?;
        let host = Host::Name(name.parse().map_err(|_| FORM)?);
        let port = port.parse().map_err(|_| FORM)?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// How reaching it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnlineAnswer {
    /// It took the connection.
    Connected,
    /// No server knows an address of its name.
    NoName,
    /// It refused.
    Refused,
    /// Nothing came, or there is no way; in words.
    Failed(String),
}

/// The probe.
pub struct Online {
    target: Target,
    observed: Observed,
    servers: Vec<SocketAddr>,
    state: State,
    /// Addresses that come next, if one fails, and how long each has.
    next: VecDeque<IpAddr>,
    patience: Duration,
    /// `None`: nothing yet.
    answer: Option<OnlineAnswer>,
}

enum State {
    Start,
    Resolve {
        lookup: Box<Lookup>,
        /// To the server that was asked last.
        socket: Option<(SocketAddr, UdpSocket)>,
    },
    Connect {
        stream: TcpStream,
        until: Instant,
    },
    Measure(Box<Path>),
    Done,
}

impl Online {
    /// Asks `servers` for the name.
    pub fn new(target: &Target, servers: Vec<SocketAddr>, observed: Observed) -> Self {
        Self {
            target: target.clone(),
            observed,
            servers,
            state: State::Start,
            next: VecDeque::new(),
            patience: PATIENCE,
            answer: None,
        }
    }

    fn start(&mut self, now: Instant) {
        self.state = match &self.target.host {
            Host::Address(address) => self.connect(&[*address], now),
            Host::Name(name) => State::Resolve {
                lookup: Box::new(Lookup::new(name, &self.servers, now + PATIENCE)),
                socket: None,
            },
        };
    }

    /// Tries `addresses`, one after the other; together they have no more time than one.
    fn connect(&mut self, addresses: &[IpAddr], now: Instant) -> State {
        self.next = candidates(addresses).into();
        self.patience = PATIENCE / self.next.len().max(1) as u32;
        self.connect_next(now)
    }

    fn connect_next(&mut self, now: Instant) -> State {
        while let Some(address) = self.next.pop_front() {
            match sys::tcp::connect(SocketAddr::new(address, self.target.port), None, []) {
                Ok(stream) => {
                    return State::Connect {
                        stream,
                        until: now + self.patience,
                    };
                }
                Err(error) => self.failed(OnlineAnswer::Failed(error.to_string())),
            }
        }
        State::Done
    }

    /// Of several addresses, what says most is kept: that one refused, then that one is silent; that there is no way is
    /// true of one family on many machines.
    fn failed(&mut self, answer: OnlineAnswer) {
        let rank = |answer: &OnlineAnswer| match answer {
            OnlineAnswer::Refused => 2,
            OnlineAnswer::Failed(text) if text == SILENCE => 1,
            _ => 0,
        };
        if self
            .answer
            .as_ref()
            .is_none_or(|old| rank(&answer) > rank(old))
        {
            self.answer = Some(answer);
        }
    }

    /// Connected: measures the way by the link that the kernel chose.
    fn measure(&mut self, stream: &TcpStream) -> State {
        self.answer = Some(OnlineAnswer::Connected);
        let ends = stream
            .local_addr()
            .and_then(|local| Ok((local, stream.peer_addr()?)));
        let Ok((local, remote)) = ends else {
            return State::Done;
        };
        let addresses = self.observed.addresses.iter();
        let index = addresses
            .filter(|a| a.address.address() == local.ip())
            .map(|a| a.link_index)
            .next();
        match index.and_then(|index| self.observed.links.get(&index)) {
            Some(link) => State::Measure(Box::new(Path::new(link, remote, false))),
            None => State::Done,
        }
    }
}

/// Which addresses of a name are tried: the first of each family, then the others.
fn candidates(all: &[IpAddr]) -> Vec<IpAddr> {
    let firsts = [IpAddr::is_ipv4, IpAddr::is_ipv6].map(|is| all.iter().find(|a| is(a)));
    let others = all
        .iter()
        .filter(|address| !firsts.contains(&Some(*address)));
    let all = firsts.into_iter().flatten().chain(others);
    all.take(MAX_ADDRESSES).copied().collect()
}

/// Drives the look-up; the outcome when there is one.
fn resolve(
    lookup: &mut Lookup,
    socket: &mut Option<(SocketAddr, UdpSocket)>,
    now: Instant,
    rng: &mut Rng,
) -> Option<Event> {
    if let Some((_, socket)) = socket {
        let mut buffer = [0; BUFFER];
        for _ in 0..BURST {
            match socket.recv(&mut buffer) {
                Ok(length) => lookup.receive(buffer.get(..length).unwrap_or_default(), now),
                // A server that is not there is silent for the look-up, which goes on to the next.
                Err(_) => break,
            }
        }
    }
    lookup.expire(now);
    loop {
        let sent = lookup.transmit(now, rng, |query| -> io::Result<()> {
            if socket
                .as_ref()
                .is_none_or(|(server, _)| *server != query.server)
            {
                *socket = connected(query.server).ok().map(|s| (query.server, s));
            }
            if let Some((_, socket)) = socket {
                let _lost = socket.send(&query.payload);
            }
            Ok(())
        });
        if !matches!(sent, Ok(true)) {
            return lookup.event();
        }
    }
}

impl Probe for Online {
    fn turn(&mut self, now: Instant, rng: &mut Rng) -> Option<Instant> {
        if matches!(self.state, State::Start) {
            self.start(now);
        }
        if let State::Resolve { lookup, socket } = &mut self.state {
            match resolve(lookup, socket, now, rng) {
                None => return earliest([lookup.deadline(), Some(now + PATIENCE)]),
                Some(Event::Failed) => {
                    self.answer = Some(OnlineAnswer::NoName);
                    self.state = State::Done;
                }
                Some(Event::Addresses(all)) => {
                    self.state = self.connect(&all, now);
                    // Nothing is writable before it was waited for.
                    return Some(now);
                }
            }
        }
        match core::mem::replace(&mut self.state, State::Done) {
            State::Connect { stream, until } => match settled(&stream) {
                None if now < until => {
                    self.state = State::Connect { stream, until };
                    Some(until)
                }
                None => {
                    self.failed(OnlineAnswer::Failed(SILENCE.into()));
                    self.state = self.connect_next(now);
                    Some(now)
                }
                Some(Ok(())) => {
                    self.state = self.measure(&stream);
                    Some(now)
                }
                Some(Err(error)) => {
                    self.failed(match error.kind() {
                        io::ErrorKind::ConnectionRefused => OnlineAnswer::Refused,
                        _ => OnlineAnswer::Failed(error.to_string()),
                    });
                    self.state = self.connect_next(now);
                    Some(now)
                }
            },
            State::Measure(mut path) => {
                let again = path.turn(now, rng);
                self.state = State::Measure(path);
                again
            }
            _ => None,
        }
    }

    fn interest(&self) -> Option<Interest<'_>> {
        match &self.state {
            State::Resolve { socket, .. } => {
                let (_, socket) = socket.as_ref()?;
                Some(Interest::read(socket.as_fd()))
            }
            State::Connect { stream, .. } => Some(Interest::write(stream.as_fd())),
            State::Measure(path) => path.interest(),
            State::Start | State::Done => None,
        }
    }

    fn tell(&self, answers: &mut Answers) {
        let answer = self.answer.clone();
        let answer = answer.unwrap_or_else(|| OnlineAnswer::Failed(SILENCE.into()));
        answers.online = Some((self.target.to_string(), answer));
        if let State::Measure(path) = &self.state {
            path.tell(answers);
        }
    }
}

/// How connecting went; `None`: it still goes on.
fn settled(stream: &TcpStream) -> Option<io::Result<()>> {
    let ready = sys::poll::poll(&[Interest::write(stream.as_fd())], Some(Duration::ZERO));
    let is_ready = ready.is_ok_and(|ready| ready.iter().any(|one| one.writable));
    is_ready.then(|| sys::tcp::outcome(stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        let read = text.parse::<Target>().ok().map(|target| target.to_string());
        assert_eq!(read.as_deref(), expect);
    }

    #[test]
    fn targets() {
        check("example.net:443", Some("example.net:443"));
        check("192.0.2.1:80", Some("192.0.2.1:80"));
        check("[2001:db8::1]:443", Some("[2001:db8::1]:443"));
        check("example.net", None);
        check("example.net:70000", None);
        check("2001:db8::1", None);
        check(":80", None);
    }

    #[test]
    fn both_families_of_a_name_are_tried() {
        let parse = |text: &str| -> Vec<IpAddr> {
            text.split(' ').map(|word| word.parse().unwrap()).collect()
        };
        let all = parse("192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 2001:db8::1");
        let expect = parse("192.0.2.1 2001:db8::1 192.0.2.2 192.0.2.3");
        assert_eq!(candidates(&all), expect);
        assert_eq!(candidates(&expect[1..2]), expect[1..2]);
    }

    /// Asks for `addresses` of a name, and what came of it; the port is open on 127.0.0.1 alone.
    #[track_caller]
    fn reach(addresses: [&str; 2]) -> OnlineAnswer {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = format!("lab.example:{port}").parse().unwrap();
        let mut online = Online::new(&target, Vec::new(), Observed::default());
        let mut rng = Rng::new(1);
        let now = sys::clock::now();
        online.state = online.connect(&addresses.map(|a| a.parse().unwrap()), now);
        while online.turn(sys::clock::now(), &mut rng).is_some() {
            let interests: Vec<_> = online.interest().into_iter().collect();
            sys::poll::poll(&interests, Some(PATIENCE)).unwrap();
        }
        let mut answers = Answers::default();
        online.tell(&mut answers);
        answers.online.unwrap().1
    }

    #[test]
    fn the_next_address_is_tried_when_one_fails() {
        assert_eq!(reach(["127.0.0.2", "127.0.0.1"]), OnlineAnswer::Connected);
        // Of 0.0.0.0/8 only 0.0.0.0 itself can be connected to.
        assert_eq!(reach(["0.0.0.1", "127.0.0.1"]), OnlineAnswer::Connected);
        assert_eq!(reach(["127.0.0.2", "0.0.0.1"]), OnlineAnswer::Refused);
        assert_eq!(reach(["0.0.0.1", "127.0.0.2"]), OnlineAnswer::Refused);
    }
}
