//! A mock of a cloud's metadata service: a folder over HTTP, with what the service insists on, and with faults on the way to
//! the right answer.
//!
//! The folder is one for `init-net compile --metadata-dir`: a path is answered by the file there, a folder by its file
//! `index` or by a listing. A service on an address of its own has the folder of that name in it.

pub(super) mod fault;
mod folder;
mod rules;

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use nix::sys::socket;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::Backlog;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::sockopt::ReuseAddr;

use super::http::Request;
use super::http::SILENCE;
use super::http::listen;
use super::http::read_request;
use super::stop::PeerThread;
use crate::Lab;
use crate::Log;
use crate::Namespace;
use crate::Result;
use crate::error::Context;
pub use fault::Fault;
use rules::Header;
use rules::Rules;
use rules::Tokens;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// What a service is to do.
#[derive(Clone, Debug)]
pub struct Builder {
    folder: PathBuf,
    said: BTreeMap<String, Vec<u8>>,
    rules: Rules,
    first: BTreeMap<String, VecDeque<Fault>>,
    always: BTreeMap<String, Fault>,
    every: VecDeque<Fault>,
}

impl Builder {
    /// Another body for a path than the folder has; a path that ends in `*` is for all that begin so.
    #[must_use]
    pub fn says(mut self, path: &str, body: impl Into<Vec<u8>>) -> Self {
        self.said.insert(path.to_owned(), body.into());
        self
    }

    /// Paths that begin with `prefix` are refused without this field (name in lower case) and value; `None`: any value.
    #[must_use]
    pub fn requires(mut self, prefix: &str, name: &str, value: Option<&str>) -> Self {
        self.rules.headers.push(Header {
            prefix: prefix.to_owned(),
            name: name.to_owned(),
            value: value.map(str::to_owned),
        });
        self
    }

    /// Paths that begin with `prefix` are refused to clients whose port is not below 1024.
    #[must_use]
    pub fn low_port(mut self, prefix: &str) -> Self {
        self.rules.low_ports.push(prefix.to_owned());
        self
    }

    /// `PUT path`, with a number in the field `lifetime`, makes a token, and everything else is refused without it in
    /// `header`. Names in lower case.
    #[must_use]
    pub fn tokens(mut self, path: &str, lifetime: &str, header: &str) -> Self {
        self.rules.tokens = Some(Tokens {
            path: path.to_owned(),
            lifetime: lifetime.to_owned(),
            header: header.to_owned(),
            made: 0,
            expired: 0,
            expire_after: None,
        });
        self
    }

    /// After `count` answers the token holds no longer, once.
    #[must_use]
    pub fn expires_after(mut self, count: usize) -> Self {
        if let Some(tokens) = &mut self.rules.tokens {
            tokens.expire_after = Some(count);
        }
        self
    }

    /// The first requests for a path go wrong so, one after the other.
    #[must_use]
    pub fn first(mut self, path: &str, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.first
            .entry(path.to_owned())
            .or_default()
            .extend(faults);
        self
    }

    /// Every request for a path goes wrong so; `*` stands for every path.
    #[must_use]
    pub fn always(mut self, path: &str, fault: Fault) -> Self {
        self.always.insert(path.to_owned(), fault);
        self
    }

    /// The first requests for whatever path go wrong so, one after the other, before anything else does.
    #[must_use]
    pub fn at_first(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.every.extend(faults);
        self
    }

    /// Takes `address` in the namespace; connections are refused until [`MetadataServer::open`].
    ///
    /// # Errors
    /// The address is not on an interface there, or the port is taken.
    pub fn reserve(self, namespace: &Namespace, address: SocketAddr) -> Result<MetadataServer> {
        let socket = namespace
            .enter(|| bound(address))?
            .context(address.to_string())?;
        let shared = Arc::new(Shared {
            script: Mutex::new(self),
            requests: Mutex::default(),
            log: Log::default(),
        });
        Ok(MetadataServer {
            reserved: Some(socket),
            _thread: None,
            shared,
        })
    }

    /// Serves at once, in the lab's namespace, with its log as evidence.
    ///
    /// # Errors
    /// As [`Builder::reserve`].
    pub fn start(self, lab: &Lab, address: &str) -> Result<MetadataServer> {
        let parsed = address
            .parse()
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
            .context(address)?;
        let mut server = self.reserve(lab.namespace(), parsed)?;
        lab.keep(&format!("metadata-{}", parsed.ip()), server.log());
        server.open()?;
        Ok(server)
    }
}

/// A service, stopped on drop.
#[derive(Debug)]
pub struct MetadataServer {
    /// Until it serves.
    reserved: Option<OwnedFd>,
    _thread: Option<PeerThread>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<Builder>,
    requests: Mutex<Vec<Request>>,
    log: Log,
}

impl MetadataServer {
    /// A service that says what is in `folder`.
    pub fn of(folder: impl Into<PathBuf>) -> Builder {
        Builder {
            folder: folder.into(),
            said: BTreeMap::new(),
            rules: Rules::default(),
            first: BTreeMap::new(),
            always: BTreeMap::new(),
            every: VecDeque::new(),
        }
    }

    /// Serves from now on.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn open(&mut self) -> Result<()> {
        if let Some(socket) = self.reserved.take() {
            let backlog = Backlog::new(BACKLOG).unwrap_or(Backlog::MAXCONN);
            socket::listen(&socket, backlog)
                .map_err(io::Error::from)
                .context("listen")?;
            let server = self.shared.clone();
            self._thread = Some(listen(TcpListener::from(socket), move |stream| {
                server.serve(stream);
            })?);
        }
        Ok(())
    }

    /// From now on every request for a path goes wrong so; `None`: right again.
    pub fn set_always(&self, path: &str, fault: Option<Fault>) {
        let mut script = self.shared.script();
        match fault {
            Some(fault) => script.always.insert(path.to_owned(), fault),
            None => script.always.remove(path),
        };
    }

    /// Faults of [`Builder::first`] and [`Builder::at_first`] that nobody has met yet.
    pub fn faults_left(&self) -> usize {
        let script = self.shared.script();
        script.every.len() + script.first.values().map(VecDeque::len).sum::<usize>()
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.shared.requests.lock();
        requests.expect("no holder of the lock panics").clone()
    }

    /// A line for each request: `GET /path 200`, or `GET /path` and the fault.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Builder> {
        self.script.lock().expect("no holder of the lock panics")
    }

    fn serve(&self, stream: &TcpStream) {
        if let Err(error) = self.answer(stream) {
            self.log.push(format!("a connection: {error}"));
        }
    }

    fn answer(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(SILENCE))?;
        let Some(request) = read_request(stream)? else {
            return Ok(());
        };
        let port = stream.peer_addr()?.port();
        let said = self.script().choose(&request, port);
        let what = match &said {
            Said::Right(_) => "200".to_owned(),
            Said::Status(status) => status.to_string(),
            Said::Wrong(fault, _) => fault.to_string(),
        };
        let path = request.path.clone();
        self.log.push(format!("{} {path} {what}", request.method));
        if let Ok(mut requests) = self.requests.lock() {
            requests.push(request);
        }
        match said {
            Said::Right(body) => fault::right(stream, &body),
            Said::Status(status) => fault::head(stream, status, &["Content-Length: 0"]),
            Said::Wrong(fault, body) => fault.answer(stream, &path, &body),
        }
    }
}

/// What is answered.
enum Said {
    Right(Vec<u8>),
    Status(u16),
    /// The fault, where this would have been right.
    Wrong(Fault, Vec<u8>),
}

impl Builder {
    fn choose(&mut self, request: &Request, port: u16) -> Said {
        let path = request.path.split('?').next().unwrap_or_default();
        let right = self.body(path);
        let fault = match self.every.pop_front() {
            Some(fault) => Some(fault),
            None => self.first.get_mut(path).and_then(VecDeque::pop_front),
        };
        let fault = fault.or_else(|| self.always.get(path).cloned());
        if let Some(fault) = fault.or_else(|| self.always.get("*").cloned()) {
            return Said::Wrong(fault, right.unwrap_or_default());
        }
        let token = self.token();
        if let Some(status) = self.rules.refuse(request, port, &token) {
            return Said::Status(status);
        }
        let made = self
            .rules
            .tokens
            .as_ref()
            .filter(|tokens| tokens.path == path);
        match (right, made) {
            (Some(body), Some(tokens)) => {
                let new = Tokens::text(&token, tokens.made);
                let body = String::from_utf8_lossy(&body).replace(&token, &new);
                Said::Right(body.into_bytes())
            }
            (Some(body), None) => Said::Right(body),
            (None, _) => Said::Status(404),
        }
    }

    /// The first token that is given out.
    fn token(&self) -> String {
        let tokens = self.rules.tokens.as_ref();
        let body = tokens.and_then(|tokens| self.body(&tokens.path));
        let body = body.unwrap_or_default();
        rules::token_in(&String::from_utf8_lossy(&body)).to_owned()
    }

    fn body(&self, path: &str) -> Option<Vec<u8>> {
        let mut said = self.said.iter();
        let found = said.find(|(pattern, _)| match pattern.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => path == *pattern,
        });
        match found {
            Some((_, body)) => Some(body.clone()),
            None => folder::body(&self.folder, path),
        }
    }
}

/// A socket that has its address and does not listen: connections are refused.
fn bound(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket::socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    socket::setsockopt(&socket, ReuseAddr, &true)?;
    socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    /// Status and body of the answer; what ends without a head is `none`.
    fn ask(lab: &Lab, request: &str) -> String {
        let stream = lab
            .namespace()
            .enter(|| TcpStream::connect("127.0.0.1:80").unwrap())
            .unwrap();
        (&stream)
            .write_all(format!("{request} HTTP/1.1\r\n\r\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        // A reset is an answer as well.
        let _ = (&stream).read_to_string(&mut answer);
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            return "none".into();
        };
        let status = head.split(' ').nth(1).unwrap();
        format!("{status} {body}").trim_end().to_owned()
    }

    #[test]
    fn faults_come_first_and_a_token_holds_until_it_expires() {
        let lab = Lab::new("metadata-mock").unwrap();
        let folder = lab.folder().join("metadata");
        fs::create_dir_all(folder.join("cards/a1")).unwrap();
        for (path, text) in [("token", "t"), ("name", "node7"), ("cards/a1/id", "0")] {
            fs::write(folder.join(path), text).unwrap();
        }
        let server = MetadataServer::of(&folder)
            .tokens("/token", "ttl", "x-token")
            .expires_after(2)
            .first(
                "/name",
                [Fault::Reset, Fault::Status(503), Fault::Truncated],
            );
        let server = server.start(&lab, "127.0.0.1:80").unwrap();
        let check =
            |request: &str, expect: &str| assert_eq!(ask(&lab, request), expect, "{request}");
        check("GET /name", "none");
        check("GET /name", "503");
        check("GET /name", "200 no");
        assert_eq!(server.faults_left(), 0);
        check("GET /name", "401");
        check("PUT /token", "400");
        let put = "PUT /token HTTP/1.1\r\nttl: 60\r\nx:";
        check(put, "200 t");
        let with =
            |path: &str, token: &str| format!("GET {path} HTTP/1.1\r\nx-token: {token}\r\nx:");
        check(&with("/name", "t"), "200 node7");
        check(&with("/cards/", "t"), "200 a1/");
        check(&with("/name", "t"), "401");
        check(put, "200 t-2");
        check(&with("/name", "t"), "401");
        check(&with("/name?x=y", "t-2"), "200 node7");
        check(&with("/../name", "t-2"), "404");
        assert_eq!(server.log().count("GET /name Reset"), 1);
    }

    #[test]
    fn a_reserved_address_refuses_until_it_is_opened() {
        let lab = Lab::new("metadata-reserved").unwrap();
        let connects = || {
            let namespace = lab.namespace();
            namespace
                .enter(|| TcpStream::connect("[::1]:80").is_ok())
                .unwrap()
        };
        let builder = MetadataServer::of(lab.folder()).at_first([Fault::Slow(Duration::ZERO)]);
        let mut server = builder
            .reserve(lab.namespace(), "[::1]:80".parse().unwrap())
            .unwrap();
        assert!(!connects());
        server.open().unwrap();
        assert!(connects());
    }
}
