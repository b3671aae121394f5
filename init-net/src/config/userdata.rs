//! User-data and inline configurations: bytes as a cloud or the command line gives them, to the text of a machine
//! configuration. Compression and base64 are undone, other formats are recognised and refused.

use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::machine;
use crate::value::Hostname;

/// Largest result, bytes: the largest text the configuration parser takes.
pub const MAX_DECODED: usize = machine::tree::MAX_BYTES;

/// Most layers of compression and base64 around each other.
const MAX_LAYERS: usize = 3;

/// Whether a source wraps its bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base64 {
    /// Never: taken as it is.
    Never,
    /// Some tools do; undone when the result makes sense.
    Maybe,
    /// Always: anything else is an error.
    Always,
}

/// What the bytes are.
#[derive(Clone, PartialEq, Eq)]
pub enum UserData {
    /// Nothing: empty, or NUL bytes only.
    Absent,
    /// A machine configuration.
    Config(String),
    /// `#include`: the machine configuration is at this URL.
    Include(String),
    /// `#cloud-config`: not ours, but its host name is worth something.
    CloudConfig(Option<Hostname>),
}

impl fmt::Debug for UserData {
    /// Without the text: it holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Config(text) => write!(f, "Config({} bytes)", text.len()),
            Self::Include(_) => f.write_str("Include"),
            Self::CloudConfig(hostname) => write!(f, "CloudConfig({hostname:?})"),
        }
    }
}

/// Why the bytes are no configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserDataError {
    /// The gzip or zstd stream is damaged.
    Compression,
    /// Decoded, it is above [`MAX_DECODED`].
    TooLarge,
    /// More layers of encoding than anyone writes.
    TooManyLayers,
    /// Not base64 where it has to be.
    Base64,
    /// Not UTF-8.
    Encoding,
    /// A format that runs programs or belongs to another tool: its first word.
    Foreign(&'static str),
}

impl fmt::Display for UserDataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compression => f.write_str("the compressed data is damaged"),
            Self::TooLarge => write!(f, "decoded, it is above {} MiB", MAX_DECODED >> 20),
            Self::TooManyLayers => f.write_str("too many layers of compression and base64"),
            Self::Base64 => f.write_str("not base64"),
            Self::Encoding => f.write_str("not text in UTF-8"),
            Self::Foreign(word) => {
                write!(
                    f,
                    "{word} is not a machine configuration; write YAML documents with kind"
                )
            }
        }
    }
}

/// First words of formats that are not ours.
const FOREIGN: [&str; 7] = [
    "#!",
    "#cloud-boothook",
    "#part-handler",
    "#include",
    "## template:",
    "Content-Type:",
    "MIME-Version:",
];

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Undoes compression and base64, and says what is inside.
pub fn decode(raw: &[u8], base64: Base64) -> Result<UserData, UserDataError> {
    let text = unwrap(raw, base64)?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    if text.iter().all(|b| *b == 0 || b.is_ascii_whitespace()) {
        return Ok(UserData::Absent);
    }
    let text = core::str::from_utf8(text).map_err(|_| UserDataError::Encoding)?;
    if text.starts_with("#cloud-config") {
        let names = ["hostname", "fqdn", "local-hostname"];
        let mut names = names.iter().filter_map(|key| machine::top_level(text, key));
        return Ok(UserData::CloudConfig(
            names.find_map(|name| name.parse().ok()),
        ));
    }
    match FOREIGN.iter().find(|word| text.starts_with(**word)) {
        Some(word) => Err(UserDataError::Foreign(word)),
        None => Ok(UserData::Config(text.to_owned())),
    }
}

/// A text of another kind than user-data, in the same wrappings.
pub fn decode_text(raw: &[u8], base64: Base64) -> Result<String, UserDataError> {
    let text = unwrap(raw, base64)?;
    String::from_utf8(text).map_err(|_| UserDataError::Encoding)
}

/// The value of `initnet.config.inline=`, pieces joined: base64 of a text, or of a gzip or zstd stream of it.
pub fn decode_inline(text: &str) -> Result<UserData, UserDataError> {
    decode(text.as_bytes(), Base64::Always)
}

fn unwrap(raw: &[u8], base64: Base64) -> Result<Vec<u8>, UserDataError> {
    if raw.len() > MAX_DECODED {
        return Err(UserDataError::TooLarge);
    }
    let mut bytes = raw.to_vec();
    let mut base64 = base64;
    for _ in 0..=MAX_LAYERS {
        if bytes.starts_with(&GZIP) {
            bytes = gunzip(&bytes)?;
        } else if bytes.starts_with(&ZSTD) {
            bytes = unzstd(&bytes)?;
        } else {
            let inner = match base64 {
                Base64::Never => None,
                Base64::Always => Some(from_base64(&bytes).ok_or(UserDataError::Base64)?),
                Base64::Maybe => from_base64(&bytes).filter(|inner| makes_sense(inner)),
            };
            // Base64 is undone once: a plain word of a configuration may look like base64 as well.
            base64 = Base64::Never;
            match inner {
                Some(inner) => bytes = inner,
                None => return Ok(bytes),
            }
        }
    }
    Err(UserDataError::TooManyLayers)
}

/// White space (line ends of `base64 -w 76`) does not count; padding may be missing.
fn from_base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut packed: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace() && *b != 0)
        .collect();
    if packed.is_empty() {
        return Some(Vec::new());
    }
    while !packed.len().is_multiple_of(4) && packed.len() % 4 != 1 {
        packed.push(b'=');
    }
    STANDARD.decode(packed).ok()
}

/// A short plain word is legal base64 by chance; what comes out of it then is not text.
fn makes_sense(bytes: &[u8]) -> bool {
    let text = core::str::from_utf8(bytes);
    bytes.starts_with(&GZIP)
        || bytes.starts_with(&ZSTD)
        || text.is_ok_and(|text| {
            !text
                .chars()
                .any(|c| c.is_control() && !"\r\n\t".contains(c))
        })
}

/// The first member of a gzip stream (RFC 1952 §2.3). Length and CRC are checked.
fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, UserDataError> {
    let broken = UserDataError::Compression;
    let (flags, mut rest) = match bytes {
        [0x1f, 0x8b, 8, flags, _, _, _, _, _, _, rest @ ..] => (*flags, rest),
        _ => return Err(broken),
    };
    if flags & 0x04 != 0 {
        let length = rest
            .first_chunk()
            .map(|two| u16::from_le_bytes(*two))
            .ok_or(broken)?;
        rest = rest.get(2 + usize::from(length)..).ok_or(broken)?;
    }
    for flag in [0x08, 0x10] {
        if flags & flag != 0 {
            let end = rest.iter().position(|b| *b == 0).ok_or(broken)?;
            rest = rest.get(end + 1..).ok_or(broken)?;
        }
    }
    if flags & 0x02 != 0 {
        rest = rest.get(2..).ok_or(broken)?;
    }
    let (deflated, trailer) = rest.split_last_chunk::<8>().ok_or(broken)?;
    let inflated =
        decompress_to_vec_with_limit(deflated, MAX_DECODED).map_err(|error| {
            match error.status {
                miniz_oxide::inflate::TINFLStatus::HasMoreOutput => UserDataError::TooLarge,
                _ => broken,
            }
        })?;
    let [c0, c1, c2, c3, l0, l1, l2, l3] = *trailer;
    let crc = u32::from_le_bytes([c0, c1, c2, c3]);
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if crc == crc32(&inflated) && length as usize == inflated.len() {
        Ok(inflated)
    } else {
        Err(broken)
    }
}

/// CRC-32 of RFC 1952 §8, bit by bit: it runs once a boot over a few kilobytes.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
        }
    }
    !crc
}

/// One zstd frame; the decoder's own window limit (128 MiB) is above ours, so ours is set.
fn unzstd(bytes: &[u8]) -> Result<Vec<u8>, UserDataError> {
    use std::io::Read;
    let window = MAX_DECODED as u64 * 2;
    let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(bytes, window)
        .map_err(|_| UserDataError::Compression)?;
    let mut out = Vec::new();
    decoder
        .take(MAX_DECODED as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|_| UserDataError::Compression)?;
    if out.len() > MAX_DECODED {
        return Err(UserDataError::TooLarge);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `printf 'kind: X\n' | gzip -n`
    const GZIPPED: &str = "H4sIAAAAAAAAA8vOzEuxUojgAgByta2dCAAAAA==";
    /// `printf 'kind: X\n' | zstd`
    const ZSTDED: &str = "KLUv/QRYQQAAa2luZDogWApO5XKh";

    fn bytes(text: &str) -> Vec<u8> {
        STANDARD.decode(text).unwrap()
    }

    #[track_caller]
    fn check(raw: &[u8], base64: Base64, expect: Result<&str, UserDataError>) {
        let found = decode(raw, base64).map(|data| match data {
            UserData::Config(text) => text,
            other => format!("{other:?}"),
        });
        assert_eq!(found, expect.map(str::to_owned));
    }

    #[test]
    fn layers() {
        use Base64::*;
        check(b"kind: X\n", Never, Ok("kind: X\n"));
        check(b"\xef\xbb\xbfkind: X\n", Never, Ok("kind: X\n"));
        check(&bytes(GZIPPED), Never, Ok("kind: X\n"));
        check(&bytes(ZSTDED), Never, Ok("kind: X\n"));
        check(GZIPPED.as_bytes(), Always, Ok("kind: X\n"));
        check(ZSTDED.as_bytes(), Maybe, Ok("kind: X\n"));
        check(b"a2luZDog\nWAo=\n", Maybe, Ok("kind: X\n"));
        check(b"a2luZDogWAo", Always, Ok("kind: X\n"));
        check(b"kind: X\n", Maybe, Ok("kind: X\n"));
        check(b"word", Maybe, Ok("word"));
        check(b"kind: X\n", Always, Err(UserDataError::Base64));
        check(b"", Never, Ok("Absent"));
        check(b"\0\0\0", Always, Ok("Absent"));
        check(b"a: \xff", Never, Err(UserDataError::Encoding));
    }

    #[test]
    fn damage() {
        let whole = bytes(GZIPPED);
        for end in 2..whole.len() {
            check(
                &whole[..end],
                Base64::Never,
                Err(UserDataError::Compression),
            );
        }
        let mut wrong_crc = whole.clone();
        wrong_crc[whole.len() - 8] ^= 1;
        check(&wrong_crc, Base64::Never, Err(UserDataError::Compression));
        let whole = bytes(ZSTDED);
        for end in 4..whole.len() - 4 {
            check(
                &whole[..end],
                Base64::Never,
                Err(UserDataError::Compression),
            );
        }
    }

    #[test]
    fn bombs() {
        let zeros = vec![b'x'; MAX_DECODED + 1];
        let deflated = miniz_oxide::deflate::compress_to_vec(&zeros, 6);
        let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0];
        bomb.extend(deflated);
        bomb.extend([0; 8]);
        check(&bomb, Base64::Never, Err(UserDataError::TooLarge));
        let bomb = ruzstd::encoding::compress_to_vec(
            zeros.as_slice(),
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        check(&bomb, Base64::Never, Err(UserDataError::TooLarge));
        check(&zeros, Base64::Never, Err(UserDataError::TooLarge));
    }

    #[test]
    fn foreign_formats() {
        use Base64::Never;
        check(
            b"#!/bin/sh\nreboot\n",
            Never,
            Err(UserDataError::Foreign("#!")),
        );
        check(
            b"#include\nhttp://x/\n",
            Never,
            Err(UserDataError::Foreign("#include")),
        );
        check(
            b"Content-Type: multipart/mixed\n",
            Never,
            Err(UserDataError::Foreign("Content-Type:")),
        );
        check(
            b"#cloud-config\nfqdn: a.b\n",
            Never,
            Ok("CloudConfig(Some(Hostname { name: \"a\", domain: Some(\"b\") }))"),
        );
        check(
            b"#cloud-config\nhostname: [1]\n",
            Never,
            Ok("CloudConfig(None)"),
        );
        check(
            b"#cloud-config\nhostname: \"a\\nb\"\n",
            Never,
            Ok("CloudConfig(None)"),
        );
        check(
            b"# a comment\nkind: X\n",
            Never,
            Ok("# a comment\nkind: X\n"),
        );
    }

    #[test]
    fn inline() {
        assert_eq!(
            decode_inline(ZSTDED),
            Ok(UserData::Config("kind: X\n".into()))
        );
        assert_eq!(decode_inline("!"), Err(UserDataError::Base64));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>, magic in prop::sample::select(vec![&b""[..], &GZIP, &ZSTD])) {
            let raw = [magic, &bytes].concat();
            let _ = decode(&raw, Base64::Maybe);
            let _ = decode(&raw, Base64::Always);
        }
    }
}
