//! [`Body`]: how long a body is, and its bytes as they come (RFC 9112 §6, §7).

use super::error::Error;

/// Longest line with a chunk size, bytes, extensions included.
const MAX_CHUNK_LINE: usize = 256;

/// Most bytes of trailer fields, which are read and thrown away.
const MAX_TRAILERS: usize = 4096;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After this many more bytes.
    Length(u64),
    /// At the chunk of length 0.
    Chunked(Chunk),
    /// When the peer closes.
    UntilClose,
}

/// Where in the chunked form we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Before a size line.
    Size,
    /// Inside data, with this many bytes to come.
    Data(u64),
    /// Before the line end that follows data.
    DataEnd,
    /// In the trailer, with this many bytes of it read.
    Trailer(usize),
}

/// A body on its way.
#[derive(Clone, Debug)]
pub(super) struct Body {
    framing: Framing,
    limit: usize,
    bytes: Vec<u8>,
}

impl Body {
    /// A body of at most `limit` bytes; a declared length above it is refused at once.
    pub(super) fn new(framing: Framing, limit: usize) -> Result<Self, Error> {
        if let Framing::Length(length) = framing
            && usize::try_from(length)
                .is_ok_and(|length| length <= limit)
                .eq(&false)
        {
            return Err(Error::BodyTooLarge(limit));
        }
        Ok(Self {
            framing,
            limit,
            bytes: Vec::new(),
        })
    }

    /// Takes what it can from the front of `input`; `true`: the body is complete.
    pub(super) fn take(&mut self, input: &mut Vec<u8>) -> Result<bool, Error> {
        let mut used = 0;
        let done = self.advance(input, &mut used);
        input.drain(..used);
        done
    }

    /// Whether so many lines have come.
    pub(super) fn has_lines(&self, count: usize) -> bool {
        self.bytes.iter().filter(|byte| **byte == b'\n').count() >= count
    }

    /// The peer closed: the body, when that is a legal end.
    pub(super) fn end(self) -> Result<Vec<u8>, Error> {
        match self.framing {
            Framing::UntilClose | Framing::Length(0) => Ok(self.bytes),
            Framing::Length(_) | Framing::Chunked(_) => Err(Error::Truncated),
        }
    }

    /// The bytes of a complete body.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn advance(&mut self, input: &[u8], used: &mut usize) -> Result<bool, Error> {
        loop {
            let rest = input.get(*used..).unwrap_or_default();
            match self.framing {
                Framing::UntilClose => {
                    *used += self.push(rest, u64::MAX)?;
                    return Ok(false);
                }
                Framing::Length(left) => {
                    let taken = self.push(rest, left)?;
                    *used += taken;
                    let left = left - taken as u64;
                    self.framing = Framing::Length(left);
                    return Ok(left == 0);
                }
                Framing::Chunked(Chunk::Size) => match chunk_size(rest)? {
                    None => return Ok(false),
                    Some((line, 0)) => {
                        *used += line;
                        self.framing = Framing::Chunked(Chunk::Trailer(0));
                    }
                    Some((line, size)) => {
                        *used += line;
                        self.framing = Framing::Chunked(Chunk::Data(size));
                    }
                },
                Framing::Chunked(Chunk::Data(left)) => {
                    let taken = self.push(rest, left)?;
                    *used += taken;
                    let left = left - taken as u64;
                    if left > 0 {
                        self.framing = Framing::Chunked(Chunk::Data(left));
                        return Ok(false);
                    }
                    self.framing = Framing::Chunked(Chunk::DataEnd);
                }
                Framing::Chunked(Chunk::DataEnd) => match rest {
                    [b'\r', b'\n', ..] => {
                        *used += 2;
                        self.framing = Framing::Chunked(Chunk::Size);
                    }
                    [] | [b'\r'] => return Ok(false),
                    _ => return Err(Error::Chunk),
                },
                Framing::Chunked(Chunk::Trailer(seen)) => {
                    let allowed = MAX_TRAILERS - seen;
                    let window = rest.get(..allowed).unwrap_or(rest);
                    let Some(line) = window.iter().position(|b| *b == b'\n') else {
                        return if rest.len() >= allowed {
                            Err(Error::HeadTooLarge)
                        } else {
                            Ok(false)
                        };
                    };
                    *used += line + 1;
                    if matches!(window.get(..line), Some([] | [b'\r'])) {
                        return Ok(true);
                    }
                    self.framing = Framing::Chunked(Chunk::Trailer(seen + line + 1));
                }
            }
        }
    }

    /// Appends at most `most` bytes of `input`; answers how many.
    fn push(&mut self, input: &[u8], most: u64) -> Result<usize, Error> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(input.len());
        if self.bytes.len() + most > self.limit {
            return Err(Error::BodyTooLarge(self.limit));
        }
        self.bytes
            .extend_from_slice(input.get(..most).unwrap_or_default());
        Ok(most)
    }
}

/// Length of the size line and the size; `None`: more bytes are needed.
fn chunk_size(input: &[u8]) -> Result<Option<(usize, u64)>, Error> {
    // httparse reads a line without digits as 0, which would end the body.
    if input.first().is_some_and(|b| !b.is_ascii_hexdigit()) {
        return Err(Error::Chunk);
    }
    let window = input.get(..MAX_CHUNK_LINE).unwrap_or(input);
    match httparse::parse_chunk_size(window) {
        Ok(httparse::Status::Complete(found)) => Ok(Some(found)),
        Ok(httparse::Status::Partial) if window.len() == MAX_CHUNK_LINE => Err(Error::Chunk),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::InvalidChunkSize) => Err(Error::Chunk),
    }
}
