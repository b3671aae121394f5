//! `--online HOST:PORT`: the name, the connection, the path, one after the other.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;
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
    answer: OnlineAnswer,
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
            answer: OnlineAnswer::Failed("no answer in time".into()),
        }
    }

    fn start(&mut self, now: Instant) {
        self.state = match &self.target.host {
            Host::Address(address) => self.connect(*address, now),
            Host::Name(name) => State::Resolve {
                lookup: Box::new(Lookup::new(name, &self.servers, now + PATIENCE)),
                socket: None,
            },
        };
    }

    fn connect(&mut self, address: IpAddr, now: Instant) -> State {
        match sys::tcp::connect(SocketAddr::new(address, self.target.port), None) {
            Ok(stream) => State::Connect {
                stream,
                until: now + PATIENCE,
            },
            Err(error) => {
                self.answer = OnlineAnswer::Failed(error.to_string());
                State::Done
            }
        }
    }

    /// Connected: measures the way by the link that the kernel chose.
    fn measure(&mut self, stream: &TcpStream) -> State {
        self.answer = OnlineAnswer::Connected;
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
                    self.answer = OnlineAnswer::NoName;
                    self.state = State::Done;
                }
                // IPv4 first, as the look-up has it.
                Some(Event::Addresses(all)) => {
                    self.state = match all.first() {
                        Some(address) => self.connect(*address, now),
                        None => State::Done,
                    };
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
                None => None,
                Some(Ok(())) => {
                    self.state = self.measure(&stream);
                    Some(now)
                }
                Some(Err(error)) => {
                    self.answer = match error.kind() {
                        io::ErrorKind::ConnectionRefused => OnlineAnswer::Refused,
                        _ => OnlineAnswer::Failed(error.to_string()),
                    };
                    None
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
        answers.online = Some((self.target.to_string(), self.answer.clone()));
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
}
