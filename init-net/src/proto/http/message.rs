//! [`Request`] and [`Response`].

use core::fmt;
use std::borrow::Cow;

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
    /// Write: session tokens, mostly without a body.
    Put,
    /// Report.
    Post,
    /// Change a state.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// As it stands in a request line.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
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
    /// The answer ends with so many lines of its body, though more may follow: of a stream without an end.
    pub lines: Option<usize>,
    /// The connection comes from a port below 1024, which only a privileged program has: some services answer no other.
    pub low_port: bool,
    /// Media type and bytes of what is written.
    body: Option<(&'static str, Vec<u8>)>,
    headers: Vec<(Cow<'static, str>, String)>,
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
            lines: None,
            low_port: false,
            body: None,
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

    /// `POST url` with `body` of the media type `content_type`. It is sent again when an attempt fails, as every request is:
    /// for reports that may be given twice.
    pub fn post(url: Url, content_type: &'static str, body: Vec<u8>, deadline: Instant) -> Self {
        Self {
            method: Method::Post,
            ..Self::get(url, deadline)
        }
        .with_body(content_type, body)
    }

    /// `PATCH url` with `body` of the media type `content_type`; sent again when an attempt fails.
    pub fn patch(url: Url, content_type: &'static str, body: Vec<u8>, deadline: Instant) -> Self {
        Self {
            method: Method::Patch,
            ..Self::get(url, deadline)
        }
        .with_body(content_type, body)
    }

    /// Gives what is written. A redirect never takes it to another host.
    #[must_use]
    pub fn with_body(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        self.body = Some((content_type, body));
        self
    }

    /// From a source port below 1024.
    #[must_use]
    pub fn with_low_port(mut self) -> Self {
        self.low_port = true;
        self
    }

    /// Adds a field. It is not sent on to another host by a redirect.
    pub fn with_header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: &str,
    ) -> Result<Self, HeaderError> {
        let name = name.into();
        // RFC 9110 §5.6.2.
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(HeaderError);
        }
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
    pub(in crate::proto) fn encode(&self) -> Vec<u8> {
        let mut text = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: init-net/{}\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\n",
            self.method.as_str(),
            self.url.target(),
            self.url.host_field(),
            env!("CARGO_PKG_VERSION"),
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        match &self.body {
            Some((content_type, body)) => text.push_str(&format!(
                "Content-Type: {content_type}\r\nContent-Length: {}\r\n",
                body.len()
            )),
            None if self.method == Method::Get => {}
            // RFC 9110 §8.6: a method that writes says that it writes nothing.
            None => text.push_str("Content-Length: 0\r\n"),
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(self.body.as_ref().map_or(&[], |(_, body)| body));
        bytes
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
    /// How long the server asks to wait: `Retry-After`, or until a rate limit ends, a minute at most.
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
