//! [`Fault`]: ways of answering wrong.

use std::fmt;
use std::io;
use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Linger;

/// Pieces of a slow answer.
const PIECES: usize = 4;

/// Most bytes of what has no end: a client that takes so much is broken, and the mock ends all the same.
const ENDLESS: u64 = 1 << 30;

/// What the clock of [`Fault::Limited`] says, and as seconds since 1970: a time that no machine has.
const STOPPED: (&str, u32) = ("Thu, 29 Feb 2024 23:59:50 GMT", 1_709_251_190);

/// Bytes of what has no end that are written at once.
const BLOCK: usize = 64 * 1024;

/// What happens instead of the right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset without a word.
    Reset,
    /// No answer, until the client gives up.
    Silent,
    /// A status without a body.
    Status(u16),
    /// 429, and after how many seconds to come again.
    TooMany(u32),
    /// 429, and in how many seconds a rate limit ends, as a moment by the service's own clock, which stands still.
    Limited(u32),
    /// The right answer, in pieces, with this time between them.
    Slow(Duration),
    /// As [`Fault::Slow`], and the connection ends before the last piece.
    SlowEnd(Duration),
    /// 200 with another body.
    Body(Vec<u8>),
    /// 200 with a `Content-Encoding` and another body.
    Encoded(&'static str, Vec<u8>),
    /// The connection ends in the middle of the body.
    Truncated,
    /// The connection is reset in the middle of the body.
    Broken,
    /// A `Content-Length` that is none.
    LengthOfText,
    /// Two of them, which contradict each other.
    TwoLengths,
    /// A `Content-Length` of more than there can be.
    Huge,
    /// 302 to this place; `{path}` stands for the path of the request.
    Redirect(String),
    /// A chunked body without end.
    EndlessChunks,
    /// A body without length and without end.
    EndlessBody,
    /// Header lines without end.
    EndlessHead,
    /// One header line without end.
    EndlessLine,
    /// Bytes that are no HTTP.
    Garbage,
}

impl fmt::Display for Fault {
    /// For the log: bodies by their length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(body) => write!(f, "Body of {} bytes", body.len()),
            Self::Encoded(coding, body) => write!(f, "{coding} of {} bytes", body.len()),
            other => write!(f, "{other:?}"),
        }
    }
}

impl Fault {
    /// Answers so where `body` is right, to a request for `path`.
    pub(in crate::peer) fn answer(
        &self,
        mut stream: &TcpStream,
        path: &str,
        body: &[u8],
    ) -> io::Result<()> {
        match self {
            Self::Reset => reset(stream),
            Self::Silent => wait_for_end(stream),
            Self::Status(status) => head(stream, *status, &["Content-Length: 0"]),
            Self::TooMany(seconds) => {
                let again = format!("Retry-After: {seconds}");
                head(stream, 429, &[&again, "Content-Length: 0"])
            }
            Self::Limited(seconds) => {
                let (date, now) = STOPPED;
                let date = format!("Date: {date}");
                let reset = format!("RateLimit-Reset: {}", now.saturating_add(*seconds));
                let none = "RateLimit-Remaining: 0";
                head(stream, 429, &[&date, none, &reset, "Content-Length: 0"])
            }
            Self::Slow(pause) => {
                head(stream, 200, &[&length(body)])?;
                slowly(stream, body, *pause)
            }
            Self::SlowEnd(pause) => {
                head(
                    stream,
                    200,
                    &[&format!("Content-Length: {}", body.len() + 1)],
                )?;
                slowly(stream, body, *pause)
            }
            Self::Body(other) => right(stream, other),
            Self::Encoded(coding, other) => {
                let coding = format!("Content-Encoding: {coding}");
                head(stream, 200, &[&coding, &length(other)])?;
                stream.write_all(other)
            }
            Self::Truncated => half(stream, body),
            Self::Broken => {
                half(stream, body)?;
                reset(stream)
            }
            Self::LengthOfText => {
                head(stream, 200, &["Content-Length: many"])?;
                stream.write_all(body)
            }
            Self::TwoLengths => {
                let other = format!("Content-Length: {}", body.len() + 1);
                head(stream, 200, &[&length(body), &other])?;
                stream.write_all(body)
            }
            Self::Huge => {
                head(stream, 200, &["Content-Length: 18446744073709551615"])?;
                endless(stream, b"x")
            }
            Self::Redirect(place) => {
                let place = format!("Location: {}", place.replace("{path}", path));
                head(stream, 302, &[&place, "Content-Length: 0"])
            }
            Self::EndlessChunks => {
                head(stream, 200, &["Transfer-Encoding: chunked"])?;
                endless(stream, b"1\r\nx\r\n")
            }
            Self::EndlessBody => {
                head(stream, 200, &[])?;
                endless(stream, b"x")
            }
            Self::EndlessHead => {
                stream.write_all(b"HTTP/1.1 200 Lab\r\n")?;
                endless(stream, b"X-More: and more\r\n")
            }
            Self::EndlessLine => {
                stream.write_all(b"HTTP/1.1 200 Lab\r\nX-More: ")?;
                endless(stream, b"x")
            }
            Self::Garbage => stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        }
    }
}

/// The right answer.
pub(super) fn right(stream: &TcpStream, body: &[u8]) -> io::Result<()> {
    reply(stream, 200, body)
}

/// A whole answer.
pub(in crate::peer) fn reply(mut stream: &TcpStream, status: u16, body: &[u8]) -> io::Result<()> {
    head(stream, status, &[&length(body)])?;
    stream.write_all(body)
}

/// A head.
pub(super) fn head(mut stream: &TcpStream, status: u16, fields: &[&str]) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Lab\r\nConnection: close\r\n");
    for field in fields {
        text.push_str(field);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes())
}

fn length(body: &[u8]) -> String {
    format!("Content-Length: {}", body.len())
}

/// A body in pieces.
fn slowly(mut stream: &TcpStream, body: &[u8], pause: Duration) -> io::Result<()> {
    for piece in body.chunks(body.len().div_ceil(PIECES).max(1)) {
        thread::sleep(pause);
        stream.write_all(piece)?;
    }
    Ok(())
}

/// The head of a whole body, and half of it, or of one byte none.
fn half(mut stream: &TcpStream, body: &[u8]) -> io::Result<()> {
    head(
        stream,
        200,
        &[&format!("Content-Length: {}", body.len().max(1))],
    )?;
    stream.write_all(body.get(..body.len() / 2).unwrap_or_default())
}

/// Closes with RST, whatever is still on its way.
fn reset(stream: &TcpStream) -> io::Result<()> {
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&stream, Linger, &at_once).map_err(io::Error::from)
}

/// Reads what the client says until it says no more.
fn wait_for_end(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(None)?;
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

/// The same again and again, until the client has had enough.
fn endless(mut stream: &TcpStream, piece: &[u8]) -> io::Result<()> {
    let block = piece.repeat(BLOCK / piece.len().max(1));
    let mut written = 0;
    while written < ENDLESS {
        stream.write_all(&block)?;
        written += block.len() as u64;
    }
    Ok(())
}
