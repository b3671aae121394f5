//! [`Error`]: how one request fails.

use core::fmt;

use super::RedirectError;
use crate::proto::tls;

/// How one attempt at a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No connection: the errno of connect(2) or of the socket.
    Connect(i32),
    /// No connection in time.
    ConnectTimeout,
    /// No byte in time.
    ReadTimeout,
    /// The caller's deadline.
    Deadline,
    /// The name has no address, or no server says so.
    Lookup,
    /// The head is not HTTP/1.x (RFC 9112 §4, §5).
    Head,
    /// The head is above its limit of bytes or fields.
    HeadTooLarge,
    /// `Content-Length` or `Transfer-Encoding` is malformed or contradicts itself (RFC 9112 §6.3).
    Framing,
    /// A chunk is malformed (RFC 9112 §7.1).
    Chunk,
    /// The body is above this limit, bytes.
    BodyTooLarge(usize),
    /// The connection ended inside the answer.
    Truncated,
    /// A redirect that is not followed.
    Redirect(RedirectError),
    /// No secure connection in time.
    TlsTimeout,
    /// No secure connection, or it broke.
    Tls(tls::Error),
}

impl Error {
    /// Whether another attempt may end otherwise.
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::ConnectTimeout
            | Self::ReadTimeout
            | Self::TlsTimeout
            | Self::Lookup
            | Self::Head
            | Self::Framing
            | Self::Chunk
            | Self::Truncated => true,
            Self::Tls(error) => error.is_temporary(),
            Self::Deadline | Self::HeadTooLarge | Self::BodyTooLarge(_) | Self::Redirect(_) => {
                false
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(errno) => write!(f, "no connection (errno {errno})"),
            Self::ConnectTimeout => f.write_str("no connection in time"),
            Self::ReadTimeout => f.write_str("no answer in time"),
            Self::Deadline => f.write_str("the deadline passed"),
            Self::Lookup => f.write_str("the host name has no address"),
            Self::Head => f.write_str("the answer is not HTTP"),
            Self::HeadTooLarge => f.write_str("the answer's head is too large"),
            Self::Framing => f.write_str("the answer's length fields are invalid"),
            Self::Chunk => f.write_str("the answer has an invalid chunk"),
            Self::BodyTooLarge(limit) => write!(f, "the answer is above {limit} bytes"),
            Self::Truncated => f.write_str("the connection ended inside the answer"),
            Self::Redirect(error) => error.fmt(f),
            Self::TlsTimeout => f.write_str("no secure connection in time"),
            Self::Tls(error) => error.fmt(f),
        }
    }
}
