//! MIME messages (RFC 2045, RFC 2046), as far as user-data is one: a list of parts, each with a type and an encoding.

use super::{MimeError, UserDataError, layers};

/// Most parts of one message.
const MAX_PARTS: usize = 64;

/// Most bytes of the fields before a part.
const MAX_FIELDS: usize = 16 * 1024;

/// Longest boundary, bytes (RFC 2046 §5.1.1).
const MAX_BOUNDARY: usize = 70;

/// How often a part may be a message of parts itself.
const MAX_DEPTH: u8 = 1;

/// One part that holds no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The media type without parameters, in lower case; empty when none is given.
    pub(super) media_type: String,
    encoding: String,
    body: &'a [u8],
}

/// Whether the first line is a field of a MIME message.
pub(super) fn is_message(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    ["content-type:", "mime-version:"].iter().any(|field| {
        let begin = bytes.get(..field.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(field.as_bytes()))
    })
}

/// The parts of a message in their order; of one that is not multipart, itself.
pub(super) fn parts(message: &[u8]) -> Result<Vec<Part<'_>>, MimeError> {
    let mut parts = Vec::new();
    collect(message.trim_ascii_start(), MAX_DEPTH, &mut parts)?;
    Ok(parts)
}

fn collect<'a>(message: &'a [u8], depth: u8, parts: &mut Vec<Part<'a>>) -> Result<(), MimeError> {
    let (fields, body) = split_fields(message);
    let content_type = field(&fields, "content-type");
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let media_type = media_type.trim().to_ascii_lowercase();
    if !media_type.starts_with("multipart/") {
        if parts.len() == MAX_PARTS {
            return Err(MimeError::TooManyParts);
        }
        let encoding = field(&fields, "content-transfer-encoding");
        parts.push(Part {
            media_type,
            encoding: encoding.trim().to_ascii_lowercase(),
            body,
        });
        return Ok(());
    }
    let boundary = parameter(parameters, "boundary").ok_or(MimeError::Boundary)?;
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
        return Err(MimeError::Boundary);
    }
    for piece in split_parts(body, boundary.as_bytes()) {
        let inner = split_fields(piece).0;
        let inner = field(&inner, "content-type")
            .trim_start()
            .to_ascii_lowercase();
        match depth.checked_sub(1) {
            None if inner.starts_with("multipart/") => return Err(MimeError::TooDeep),
            left => collect(piece, left.unwrap_or(0), parts)?,
        }
    }
    Ok(())
}

/// The fields before the first empty line, each with the lines that go on with it, and what follows.
fn split_fields(message: &[u8]) -> (Vec<String>, &[u8]) {
    let mut fields: Vec<String> = Vec::new();
    let mut at = 0;
    for line in message.split_inclusive(|b| *b == b'\n') {
        at += line.len();
        let line = line.trim_ascii_end();
        if line.is_empty() || at > MAX_FIELDS {
            break;
        }
        let text = String::from_utf8_lossy(line);
        match fields.last_mut() {
            Some(last) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                last.push(' ');
                last.push_str(text.trim_start());
            }
            _ => fields.push(text.into_owned()),
        }
    }
    (fields, message.get(at..).unwrap_or_default())
}

/// The value of the first field of that name, in lower case; empty when there is none.
fn field<'f>(fields: &'f [String], name: &str) -> &'f str {
    let split = fields.iter().filter_map(|field| field.split_once(':'));
    let mut values = split.filter(|(found, _)| found.trim_end().eq_ignore_ascii_case(name));
    values.next().map_or("", |(_, value)| value)
}

/// The value of a parameter (RFC 2045 §5.1), without its quotes.
fn parameter(mut rest: &str, name: &str) -> Option<String> {
    while let Some((found, after)) = rest.split_once('=') {
        let found = found.trim_start_matches([';', ' ', '\t']).trim_end();
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, next) = after.split_once(';').unwrap_or((after, ""));
                (value.trim_end().to_owned(), next)
            }
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next;
    }
    None
}

/// A quoted string after its first quote (RFC 5322 §3.2.4), and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, text.get(at + 1..).unwrap_or("")),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

/// What stands between the delimiter lines, `--boundary`; what is before the first and after the last (`--boundary--`) is for
/// nobody. The end of the text ends a part as well.
fn split_parts<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let (mut begin, mut at) = (None, 0);
    for line in body.split_inclusive(|b| *b == b'\n') {
        let start = at;
        at += line.len();
        let Some(rest) = line
            .strip_prefix(b"--")
            .and_then(|l| l.strip_prefix(boundary))
        else {
            continue;
        };
        let is_last = match rest.trim_ascii_end() {
            b"" => false,
            b"--" => true,
            _ => continue,
        };
        pieces.extend(begin.and_then(|begin| body.get(begin..start)));
        begin = (!is_last).then_some(at);
        if is_last {
            break;
        }
    }
    pieces.extend(begin.and_then(|begin| body.get(begin..)));
    // The line end before a delimiter belongs to it.
    let bare = |piece: &'a [u8]| {
        let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
        piece.strip_suffix(b"\r").unwrap_or(piece)
    };
    pieces.into_iter().map(bare).collect()
}

impl Part<'_> {
    /// The part without its encoding and compression, at most `limit` bytes.
    pub(super) fn decoded(&self, limit: usize) -> Result<Vec<u8>, UserDataError> {
        let bytes = match self.encoding.as_str() {
            "" | "7bit" | "8bit" | "binary" => self.body.to_vec(),
            "base64" => layers::from_base64(self.body).ok_or(UserDataError::Base64)?,
            "quoted-printable" => from_quoted_printable(self.body),
            _ => return Err(UserDataError::Mime(MimeError::TransferEncoding)),
        };
        layers::undo(&bytes, super::Base64::Never, limit)
    }
}

/// RFC 2045 §6.7. What is no escape stands for itself.
fn from_quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|b| *b == b'\n') {
        let content = line.trim_ascii_end();
        let end = match line {
            [.., b'\r', b'\n'] => &b"\r\n"[..],
            [.., b'\n'] => b"\n",
            _ => b"",
        };
        let (mut rest, end) = match content.strip_suffix(b"=") {
            Some(content) => (content, &b""[..]),
            None => (content, end),
        };
        while let [first, after @ ..] = rest {
            let escaped = match (first, after) {
                (b'=', [high, low, ..]) => hex(*high).zip(hex(*low)),
                _ => None,
            };
            match escaped {
                Some((high, low)) => {
                    bytes.push(high << 4 | low);
                    rest = after.get(2..).unwrap_or_default();
                }
                None => {
                    bytes.push(*first);
                    rest = after;
                }
            }
        }
        bytes.extend_from_slice(end);
    }
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
