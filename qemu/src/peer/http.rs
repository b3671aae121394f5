//! A scripted HTTP server: metadata services and configuration URLs.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::stop::PeerThread;
use super::stop::Woken;
use crate::Lab;
use crate::Log;
use crate::Result;
use crate::error::Context;

/// A client that says nothing for this long is given up, so that its thread ends.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// Largest request body read, bytes. Clients of metadata services send a report at most.
const BODY_MAX: u64 = 64 * 1024;

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `PUT`…
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// What came with it, at most 64 KiB.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(found, _)| found == name)?;
        Some(value)
    }

    /// The same once more, for another server.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}

/// What a path answers.
#[derive(Clone, Debug)]
pub struct Route {
    method: String,
    path: String,
    requires: Vec<(String, String)>,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    failures: usize,
}

impl Route {
    /// `GET path` answers 200 with this body.
    pub fn get(path: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new("GET", path, body)
    }

    /// `PUT path` answers 200 with this body.
    pub fn put(path: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new("PUT", path, body)
    }

    /// Answers with this status instead of 200.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Answers 401 unless the request has this header (name in lower case) with this value.
    #[must_use]
    pub fn requires(mut self, header: &str, value: &str) -> Self {
        self.requires.push((header.to_owned(), value.to_owned()));
        self
    }

    /// A header of the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Answers this long after the request.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The first `count` requests get a 503.
    #[must_use]
    pub fn fails_first(mut self, count: usize) -> Self {
        self.failures = count;
        self
    }

    fn new(method: &str, path: &str, body: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            requires: Vec::new(),
            status: 200,
            headers: Vec::new(),
            body: body.as_ref().to_vec(),
            delay: Duration::ZERO,
            failures: 0,
        }
    }
}

/// A running server, stopped on drop.
#[derive(Debug)]
pub struct HttpServer {
    _thread: PeerThread,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    routes: Mutex<Vec<Route>>,
    requests: Mutex<Vec<Request>>,
    log: Log,
}

impl HttpServer {
    /// Serves `routes` on `address` (`169.254.169.254:80`) in the lab's namespace; any other path is a 404.
    ///
    /// # Errors
    /// The address is not on an interface there, or the port is taken.
    pub fn start(lab: &Lab, address: &str, routes: Vec<Route>) -> Result<Self> {
        let listener = lab
            .namespace()
            .enter(|| TcpListener::bind(address))?
            .context(address)?;
        let shared = Arc::new(Shared {
            routes: Mutex::new(routes),
            requests: Mutex::default(),
            log: Log::default(),
        });
        lab.keep("http-server", &shared.log);
        let server = shared.clone();
        let thread = listen(listener, move |stream| server.serve(stream))?;
        Ok(Self {
            _thread: thread,
            shared,
        })
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.shared.requests.lock();
        requests.expect("no holder of the lock panics").clone()
    }

    /// A line for each request: `GET /path 200`.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }
}

/// Gives every connection to `serve`, each on a thread of its own: one that is delayed must not hold up the others.
pub(super) fn listen(
    listener: TcpListener,
    serve: impl Fn(&TcpStream) + Send + Sync + 'static,
) -> Result<PeerThread> {
    let serve = Arc::new(serve);
    PeerThread::start(move |stop| {
        while let Ok(Woken::Readable) = stop.wait(listener.as_fd(), None) {
            if let Ok((stream, _)) = listener.accept() {
                let serve = serve.clone();
                thread::spawn(move || serve(&stream));
            }
        }
    })
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        if let Err(error) = self.answer(stream) {
            self.log.push(format!("a connection: {error}"));
        }
    }

    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(SILENCE))?;
        let Some(request) = read_request(stream)? else {
            return Ok(());
        };
        let (status, headers, body, delay) = self.choose(&request);
        let line = format!("{} {} {status}", request.method, request.path);
        if let Ok(mut requests) = self.requests.lock() {
            requests.push(request);
        }
        self.log.push(line);
        thread::sleep(delay);
        let mut head = format!(
            "HTTP/1.1 {status} Lab\r\nContent-Length: {}\r\nConnection: close\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)
    }

    fn choose(&self, request: &Request) -> (u16, Vec<(String, String)>, Vec<u8>, Duration) {
        let nothing = |status| (status, Vec::new(), Vec::new(), Duration::ZERO);
        let Ok(mut routes) = self.routes.lock() else {
            return nothing(500);
        };
        let mut matching = routes.iter_mut();
        let found =
            matching.find(|route| route.method == request.method && route.path == request.path);
        let Some(route) = found else {
            return nothing(404);
        };
        let allowed = |(name, value): &(String, String)| request.header(name) == Some(value);
        if !route.requires.iter().all(allowed) {
            return nothing(401);
        }
        if route.failures > 0 {
            route.failures -= 1;
            return nothing(503);
        }
        (
            route.status,
            route.headers.clone(),
            route.body.clone(),
            route.delay,
        )
    }
}

/// Reads one request with its body; `None` when the client closed without a word.
pub(super) fn read_request(stream: impl Read) -> std::io::Result<Option<Request>> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, path) = (word(), word());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let mut request = Request {
        method,
        path,
        headers,
        body: Vec::new(),
    };
    let length = request.header("content-length");
    let length = length.and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = reader.take(length.min(BODY_MAX));
    body.read_to_end(&mut request.body)?;
    Ok(Some(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lab: &Lab, request: &str, expect: &str) {
        let stream = lab
            .namespace()
            .enter(|| TcpStream::connect("127.0.0.1:80").unwrap())
            .unwrap();
        (&stream).write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        (&stream).read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(format!("{status} {body}").trim_end(), expect);
    }

    #[test]
    fn routes_answer_as_scripted() {
        let lab = Lab::new("http-routes").unwrap();
        let routes = vec![
            Route::put("/token", "t0"),
            Route::get("/name", "host-1").requires("x-token", "t0"),
            Route::get("/late", "done").fails_first(1),
        ];
        let server = HttpServer::start(&lab, "127.0.0.1:80", routes).unwrap();
        check(
            &lab,
            "PUT /token HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
            "200 t0",
        );
        check(&lab, "GET /token HTTP/1.1\r\n\r\n", "404");
        check(&lab, "GET /name HTTP/1.1\r\n\r\n", "401");
        check(
            &lab,
            "GET /name HTTP/1.1\r\nX-Token: t0\r\n\r\n",
            "200 host-1",
        );
        check(&lab, "GET /late HTTP/1.1\r\n\r\n", "503");
        check(&lab, "GET /late HTTP/1.1\r\n\r\n", "200 done");
        let lines = server.log().lines();
        assert_eq!(lines[3], "GET /name 200");
        assert_eq!(server.requests()[3].header("x-token"), Some("t0"));
    }
}
