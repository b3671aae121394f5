//! `/run/init-net/control.sock`: JSON lines, one request and one reply each; a watch has a reply for every change. Mode
//! 0600: root alone; with `initnet.control.group=` 0660, and members of that group may ask.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use super::RUN_DIR;
use super::core::{Reply, Request};
use super::outgoing::Outgoing;
use crate::sys;
use crate::sys::poll::Interest;
use crate::sys::unix::Peer;
use crate::value::{Duration, Instant};

/// Longest request, bytes: `apply` with the largest machine config, escaped.
const MAX_REQUEST: usize = 8 << 20;

/// Longest reply that a client reads, bytes: 100,000 routes as JSON.
const MAX_REPLY: u64 = 64 << 20;

/// Clients at once: people and scripts, not a service.
const MAX_CLIENTS: usize = 32;

/// Of them, clients that may only ask: they must not keep root out.
const MAX_READERS: usize = 16;

/// Longest request of one that may only ask, bytes: a kind, an id.
const MAX_QUESTION: usize = 64 << 10;

/// How long newcomers wait after one could not be let in, as for want of descriptors: the listener rings all the while.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

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
    /// Until then newcomers wait.
    paused: Option<Instant>,
    /// Watchers that are gone, and of whom nobody was told yet.
    gone: Vec<u64>,
    /// The group whose members may ask.
    group: Option<u32>,
}

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Root.
    Everything,
    /// A member of the control group: [`Request::only_reads`].
    Ask,
}

struct Client {
    stream: UnixStream,
    access: Access,
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
    /// Listens; a socket that a killed supervisor left is replaced. One that is `given` is taken as it is, with the mode that
    /// whoever opened it chose.
    pub fn open(given: Option<UnixListener>) -> io::Result<Self> {
        let listener = given.map_or_else(|| sys::unix::listen(&path()), Ok)?;
        Ok(Self {
            listener,
            clients: BTreeMap::new(),
            next: 0,
            paused: None,
            gone: Vec::new(),
            group: None,
        })
    }

    /// Members of group `name` may ask from now on, and connect to the socket at `path`, unless somebody else opened it.
    pub fn admit(&mut self, name: &str, own_socket: bool) -> io::Result<()> {
        let gid = sys::group::find(name)?.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "no such group in /etc/group")
        })?;
        if own_socket {
            sys::unix::open_to_group(&path(), gid)?;
        }
        self.group = Some(gid);
        Ok(())
    }

    /// The listening socket, for who takes this process over.
    pub fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// `None`: nothing. Who is root is decided by the peer, whatever became of the file's mode.
    fn access(&self, stream: &UnixStream, peer: &Peer) -> Option<Access> {
        if peer.uid == 0 {
            return Some(Access::Everything);
        }
        let group = self.group?;
        let member = peer.gid == group
            || sys::group::of_peer(stream).is_ok_and(|groups| groups.contains(&group));
        member.then_some(Access::Ask)
    }

    /// Why somebody is sent away, as the reply to whatever was asked.
    fn refusal(&self, access: Option<Access>) -> Reply {
        Reply::Error(match (access, self.group) {
            (Some(_), _) => {
                format!("busy: {MAX_READERS} clients of the control group ask already; ask again")
            }
            (None, None) => {
                "not allowed: the control socket answers root only;\n  run this as root, or boot \
                             with initnet.control.group=GROUP"
                    .to_owned()
            }
            (None, Some(group)) => format!(
                "not allowed: the control socket answers root, and members of group {group};\n  run this as one of them"
            ),
        })
    }

    /// Whether newcomers wait. At the limit they do, too: their connections would only ring.
    fn is_closed(&self) -> bool {
        self.clients.len() >= MAX_CLIENTS || self.deadline().is_some()
    }

    /// When newcomers are let in again.
    pub fn deadline(&self) -> Option<Instant> {
        self.paused.filter(|until| sys::clock::now() < *until)
    }

    /// What to wait for.
    pub fn interests(&self) -> impl Iterator<Item = Interest<'_>> {
        let listener = (!self.is_closed()).then(|| self.listener.as_fd());
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
        while !self.is_closed() {
            let (stream, peer) = match sys::unix::accept(&self.listener) {
                Ok(Some(accepted)) => accepted,
                Ok(None) => break,
                Err(error) => {
                    log::warn!("control socket: {error}");
                    self.paused = Some(sys::clock::now() + ACCEPT_PAUSE);
                    break;
                }
            };
            let access = self.access(&stream, &peer);
            let readers = self
                .clients
                .values()
                .filter(|client| client.access == Access::Ask);
            match access {
                Some(access) if access == Access::Everything || readers.count() < MAX_READERS => {
                    self.clients.insert(
                        self.next,
                        Client {
                            stream,
                            access,
                            received: Vec::new(),
                            ended: false,
                            owed: 0,
                            watches: false,
                            outgoing: Outgoing::default(),
                        },
                    );
                    self.next += 1;
                }
                _ => refuse(stream, &self.refusal(access)),
            }
        }
        let mut requests = Vec::new();
        let gone = &mut self.gone;
        self.clients.retain(|id, client| {
            let reads = client.read(*id, &mut requests);
            let stays = reads && client.catch_up().is_ok() && !client.is_done();
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

    /// Sends a reply and lets the client go on. One that does not read is not waited for, and cut off when too far behind.
    pub fn reply(&mut self, id: u64, reply: &Reply) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.owed = client.owed.saturating_sub(1);
        let sent = client.outgoing.push(&line(reply));
        if sent.and_then(|()| client.catch_up()).is_err() || client.is_done() {
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

/// A fresh connection has room for one line; whoever hangs up first does not hear it.
fn refuse(mut stream: UnixStream, refusal: &Reply) {
    let _unheard = stream.write_all(&line(refusal));
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

    /// Whether it asks nothing more and has all its answers.
    fn is_done(&self) -> bool {
        self.ended && self.owed == 0 && self.outgoing.is_empty()
    }

    /// Whether it is gone for good, and not only done with asking.
    fn hung_up(&self) -> bool {
        let ready = sys::poll::poll(&[self.interest()], Some(Duration::ZERO));
        ready.is_ok_and(|ready| ready.iter().any(|ready| ready.readable))
    }

    /// Reads; `false`: the client is gone or talks nonsense.
    fn read(&mut self, id: u64, requests: &mut Vec<(u64, Result<Request, String>)>) -> bool {
        if self.ended {
            return !self.is_done() && !self.hung_up();
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
            if self.received.len() > self.access.max_request() {
                break false;
            }
        };
        while let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
            self.owed += 1;
            let line: Vec<u8> = self.received.drain(..=end).collect();
            let request = serde_json::from_slice(&line).map_err(|error| error.to_string());
            let request = request.and_then(|request| self.access.judge(request));
            self.watches |= matches!(request, Ok(Request::Watch { .. }));
            requests.push((id, request));
        }
        !self.is_done()
    }
}

impl Access {
    fn max_request(self) -> usize {
        match self {
            Self::Everything => MAX_REQUEST,
            Self::Ask => MAX_QUESTION,
        }
    }

    fn judge(self, request: Request) -> Result<Request, String> {
        if self == Self::Everything || request.only_reads() {
            return Ok(request);
        }
        Err("not allowed: members of the control group may ask (get, explain, status, plan) and change \
             nothing;\n  run this as root"
            .into())
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
        // Who is sent away is told so before anything is read of him: the answer may be there although the question broke.
        match stream.write_all(&line) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            sent => sent,
        }
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
        let heard = BufReader::new(stream.take(MAX_REPLY)).read_until(b'\n', &mut reply);
        if reply.is_empty() {
            heard?;
        }
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

#[cfg(test)]
mod tests;
