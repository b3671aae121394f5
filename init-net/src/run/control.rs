//! `/run/init-net/control.sock`: JSON lines, one request and one reply each; a watch has a reply for every change. Mode
//! 0600.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use super::RUN_DIR;
use super::core::{Reply, Request};
use super::outgoing::Outgoing;
use crate::sys;
use crate::sys::poll::Interest;
use crate::value::Duration;

/// Longest request, bytes: `apply` with the largest machine config, escaped.
const MAX_REQUEST: usize = 8 << 20;

/// Longest reply that a client reads, bytes: 100,000 routes as JSON.
const MAX_REPLY: u64 = 64 << 20;

/// Clients at once: people and scripts, not a service.
const MAX_CLIENTS: usize = 32;

/// How long a client may take to read its reply: the loop waits meanwhile.
const SEND_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a client waits for the supervisor.
const TIMEOUT: Duration = Duration::from_secs(10);

fn path() -> PathBuf {
    PathBuf::from(RUN_DIR).join("control.sock")
}

/// The supervisor's side.
pub struct Control {
    listener: UnixListener,
    clients: BTreeMap<u64, Client>,
    next: u64,
    /// Watchers that are gone, and of whom nobody was told yet.
    gone: Vec<u64>,
}

struct Client {
    stream: UnixStream,
    received: Vec<u8>,
    /// It has said all it will; an answer may still be owed.
    ended: bool,
    owed: usize,
    /// It is told what changes, until it goes.
    watches: bool,
    /// What it has not read of that.
    outgoing: Outgoing,
}

impl Control {
    /// Listens; a socket that a killed supervisor left is replaced.
    pub fn open() -> io::Result<Self> {
        let listener = sys::unix::listen(&path())?;
        Ok(Self {
            listener,
            clients: BTreeMap::new(),
            next: 0,
            gone: Vec::new(),
        })
    }

    /// What to wait for. At the limit newcomers wait: their connections would only ring.
    pub fn interests(&self) -> impl Iterator<Item = Interest<'_>> {
        let listener = (self.clients.len() < MAX_CLIENTS).then(|| self.listener.as_fd());
        let behind = |client: &&Client| !client.outgoing.is_empty();
        let behind = self.clients.values().filter(behind);
        listener
            .into_iter()
            .map(Interest::read)
            .chain(self.clients.values().map(Client::interest))
            .chain(behind.map(|client| Interest::write(client.stream.as_fd())))
    }

    /// Accepts, reads and writes what can be; answers the complete requests, by client. Never blocks.
    pub fn drain(&mut self) -> Vec<(u64, Result<Request, String>)> {
        while self.clients.len() < MAX_CLIENTS {
            let Ok(Some((stream, peer))) = sys::unix::accept(&self.listener) else {
                break;
            };
            // Root only, whatever became of the file's mode.
            if peer.uid == 0 {
                self.clients.insert(
                    self.next,
                    Client {
                        stream,
                        received: Vec::new(),
                        ended: false,
                        owed: 0,
                        watches: false,
                        outgoing: Outgoing::default(),
                    },
                );
                self.next += 1;
            }
        }
        let mut requests = Vec::new();
        let gone = &mut self.gone;
        self.clients.retain(|id, client| {
            let stays = client.read(*id, &mut requests) && client.catch_up().is_ok();
            gone.extend(Some(*id).filter(|_| client.watches && !stays));
            stays
        });
        requests
    }

    /// A line for a client that watches. One that is too far behind is cut off.
    pub fn push(&mut self, id: u64, reply: &Reply) {
        let Some(client) = self.clients.get_mut(&id) else {
            self.gone.push(id);
            return;
        };
        let sent = client.outgoing.push(&line(reply));
        if sent.and_then(|()| client.catch_up()).is_err() {
            self.clients.remove(&id);
            self.gone.push(id);
        }
    }

    /// Watchers that have gone since the last call.
    pub fn gone(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.gone)
    }

    /// Sends a reply and lets the client go on. One that does not read is cut off in time, and the loop goes on.
    pub fn reply(&mut self, id: u64, reply: &Reply) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let line = line(reply);
        client.owed = client.owed.saturating_sub(1);
        let sent = if client.outgoing.is_empty() {
            client.send(&line)
        } else {
            client.outgoing.push(&line)
        };
        if sent.is_err() || (client.ended && client.owed == 0) {
            self.gone.extend(Some(id).filter(|_| client.watches));
            self.clients.remove(&id);
        }
    }
}

/// A reply as it goes over the socket.
fn line(reply: &Reply) -> Vec<u8> {
    let mut line =
        serde_json::to_vec(reply).expect("plain data with string keys always serialises");
    line.push(b'\n');
    line
}

impl Client {
    /// What to wait for: its next request, or, when it says no more and is still owed something, that it goes.
    fn interest(&self) -> Interest<'_> {
        let fd = self.stream.as_fd();
        if self.ended {
            Interest::hang_up(fd)
        } else {
            Interest::read(fd)
        }
    }

    /// Writes what it takes now of what it is behind.
    fn catch_up(&mut self) -> io::Result<()> {
        self.outgoing.flush(&mut self.stream)
    }

    /// Whether it is gone for good, and not only done with asking.
    fn hung_up(&self) -> bool {
        let ready = sys::poll::poll(&[self.interest()], Some(Duration::ZERO));
        ready.is_ok_and(|ready| ready.iter().any(|ready| ready.readable))
    }

    /// Writes all of `line` within [`SEND_TIMEOUT`].
    fn send(&mut self, mut line: &[u8]) -> io::Result<()> {
        let until = sys::clock::now() + SEND_TIMEOUT;
        while !line.is_empty() {
            match self.stream.write(line) {
                Ok(count) => line = line.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = until.saturating_since(sys::clock::now());
                    if left.is_zero() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    sys::poll::poll(&[Interest::write(self.stream.as_fd())], Some(left))?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads; `false`: the client is gone or talks nonsense.
    fn read(&mut self, id: u64, requests: &mut Vec<(u64, Result<Request, String>)>) -> bool {
        if self.ended {
            return self.owed > 0 && !self.hung_up();
        }
        let mut buffer = [0; 4096];
        self.ended |= !loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break false,
                Ok(count) => self
                    .received
                    .extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
            if self.received.len() > MAX_REQUEST {
                break false;
            }
        };
        while let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
            self.owed += 1;
            let line: Vec<u8> = self.received.drain(..=end).collect();
            let request = serde_json::from_slice(&line).map_err(|error| error.to_string());
            self.watches |= matches!(request, Ok(Request::Watch { .. }));
            requests.push((id, request));
        }
        !self.ended || self.owed > 0
    }
}

/// A client's side: sends a request. `None`: no supervisor listens.
pub fn send(request: &Request) -> Result<Option<UnixStream>, String> {
    let Ok(mut stream) = UnixStream::connect(path()) else {
        return Ok(None);
    };
    let mut send = || {
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line)
    };
    let sent: io::Result<()> = send();
    sent.map(|()| Some(stream)).map_err(|error| words(&error))
}

/// One request, one reply. `None`: no supervisor listens.
pub fn ask(request: &Request) -> Result<Option<Reply>, String> {
    let Some(mut stream) = send(request)? else {
        return Ok(None);
    };
    let receive = |stream: &mut UnixStream| -> io::Result<Vec<u8>> {
        stream.set_read_timeout(Some(TIMEOUT))?;
        let mut reply = Vec::new();
        BufReader::new(stream.take(MAX_REPLY)).read_until(b'\n', &mut reply)?;
        Ok(reply)
    };
    let reply = receive(&mut stream).map_err(|error| words(&error))?;
    serde_json::from_slice(&reply)
        .map(Some)
        .map_err(|error| format!("{}: {error}", path().display()))
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        // EAGAIN is how a timeout of a socket reads.
        io::ErrorKind::WouldBlock => {
            format!("the supervisor is busy: no answer within {TIMEOUT:?}; ask again")
        }
        _ => format!("{}: {error}", path().display()),
    }
}
