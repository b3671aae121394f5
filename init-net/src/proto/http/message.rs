//! [`Request`] and [`Response`].

use core::fmt;

use super::url::Url;
use crate::value::{Duration, Instant};

/// Largest body, bytes: far above any metadata, and above the largest user-data of the clouds we know once it is
/// decoded. More is refused, not cut.
pub const MAX_BODY: usize = 4 * 1024 * 1024;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Write without a body: session tokens.
    Put,
}

/// One request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Of whom.
    pub url: Url,
    /// Largest body to accept, bytes; at most [`MAX_BODY`].
    pub body_limit: usize,
    /// When to give up, attempts and redirects included.
    pub deadline: Instant,
    /// The status is all that is wanted: the answer ends with its head.
    pub head_only: bool,
    headers: Vec<(&'static str, String)>,
}

/// A header value holds visible ASCII and spaces: anything else could begin a header of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderError;

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header value holds printable ASCII only")
    }
}

impl Request {
    /// `GET url`.
    pub fn get(url: Url, deadline: Instant) -> Self {
        Self {
            method: Method::Get,
            url,
            body_limit: MAX_BODY,
            deadline,
            head_only: false,
            headers: Vec::new(),
        }
    }

    /// `PUT url` without a body.
    pub fn put(url: Url, deadline: Instant) -> Self {
        Self {
            method: Method::Put,
            ..Self::get(url, deadline)
        }
    }

    /// Adds a field. It is not sent on to another host by a redirect.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Result<Self, HeaderError> {
        if value.bytes().any(|b| !(b' '..=b'~').contains(&b)) {
            return Err(HeaderError);
        }
        self.headers.push((name, value.to_owned()));
        Ok(self)
    }

    /// The same request to where a redirect points.
    pub(super) fn moved(mut self, url: Url) -> Self {
        if !self.url.same_host(&url) {
            self.headers.clear();
        }
        self.url = url;
        self
    }

    /// The bytes on the wire (RFC 9112 §3). One request a connection, no compression: bodies are decoded by magic.
    pub(super) fn encode(&self) -> Vec<u8> {
        let (method, length) = match self.method {
            Method::Get => ("GET", ""),
            Method::Put => ("PUT", "Content-Length: 0\r\n"),
        };
        let mut text = format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: init-net/{}\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\n{length}",
            self.url.target(),
            self.url.host_field(),
            env!("CARGO_PKG_VERSION"),
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

impl fmt::Debug for Request {
    /// Without header values: they hold tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.method, self.url)
    }
}

/// One complete answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// `Content-Type`, when sent.
    pub content_type: Option<String>,
    /// `Retry-After` in its form of seconds.
    pub retry_after: Option<Duration>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Response {
    /// Without the body: user-data holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}
