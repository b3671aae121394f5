//! Compression and base64 around a text, undone within limits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::{Base64, MAX_DECODED, UserDataError};

/// Most layers of compression and base64 around each other.
const MAX_LAYERS: usize = 3;

/// Room for the first bytes that a stream gives; doubled as often as needed.
const FIRST_ROOM: usize = 16 * 1024;

pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];
pub(super) const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Undoes byte order mark, compression and base64 as often as they are there; the result is at most `limit` bytes.
pub(super) fn undo(raw: &[u8], base64: Base64, limit: usize) -> Result<Vec<u8>, UserDataError> {
    if raw.len() > MAX_DECODED {
        return Err(UserDataError::TooLarge);
    }
    let mut bytes = raw.to_vec();
    let mut base64 = base64;
    for _ in 0..=MAX_LAYERS {
        if bytes.starts_with(&BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if bytes.starts_with(&GZIP) {
            bytes = gunzip(&bytes, limit)?;
        } else if bytes.starts_with(&ZSTD) {
            bytes = unzstd(&bytes, limit)?;
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
                None if bytes.len() > limit => return Err(UserDataError::TooLarge),
                None => return Ok(bytes),
            }
        }
    }
    Err(UserDataError::TooManyLayers)
}

/// White space (line ends of `base64 -w 76`) does not count; padding may be missing.
pub(super) fn from_base64(bytes: &[u8]) -> Option<Vec<u8>> {
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

/// Every member of a gzip stream, joined (RFC 1952 §2.2). NUL bytes may follow: what was rounded up to a block.
fn gunzip(mut bytes: &[u8], limit: usize) -> Result<Vec<u8>, UserDataError> {
    let mut all = Vec::new();
    loop {
        let (member, rest) = gunzip_member(bytes, limit.saturating_sub(all.len()))?;
        all.extend(member);
        if rest.iter().all(|b| *b == 0) {
            return Ok(all);
        }
        bytes = rest;
    }
}

/// One member (RFC 1952 §2.3), and what follows it. Length and CRC are checked.
fn gunzip_member(bytes: &[u8], limit: usize) -> Result<(Vec<u8>, &[u8]), UserDataError> {
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
    let (inflated, rest) = inflate(rest, limit)?;
    let (trailer, rest) = rest.split_first_chunk::<8>().ok_or(broken)?;
    let [c0, c1, c2, c3, l0, l1, l2, l3] = *trailer;
    let crc = u32::from_le_bytes([c0, c1, c2, c3]);
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if crc == crc32(&inflated) && length as usize == inflated.len() {
        Ok((inflated, rest))
    } else {
        Err(broken)
    }
}

/// A DEFLATE stream (RFC 1951), and what follows it.
fn inflate(mut input: &[u8], limit: usize) -> Result<(Vec<u8>, &[u8]), UserDataError> {
    let mut state = Box::<DecompressorOxide>::default();
    // One byte more than is allowed: a stream that ends at the limit is told from one that goes on.
    let room = limit.saturating_add(1);
    let mut output = vec![0; FIRST_ROOM.min(room)];
    let mut written = 0;
    loop {
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, more) = decompress(&mut state, input, &mut output, written, flags);
        input = input.get(read..).unwrap_or_default();
        written += more;
        match status {
            TINFLStatus::Done if written > limit => return Err(UserDataError::TooLarge),
            TINFLStatus::Done => {
                output.truncate(written);
                return Ok((output, input));
            }
            TINFLStatus::HasMoreOutput if output.len() >= room => {
                return Err(UserDataError::TooLarge);
            }
            TINFLStatus::HasMoreOutput => output.resize((output.len() * 2).min(room), 0),
            _ => return Err(UserDataError::Compression),
        }
    }
}

/// CRC-32 of RFC 1952 §8, bit by bit: it runs once a boot over a few kilobytes.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
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
fn unzstd(bytes: &[u8], limit: usize) -> Result<Vec<u8>, UserDataError> {
    use std::io::Read;
    let window = MAX_DECODED as u64 * 2;
    let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(bytes, window)
        .map_err(|_| UserDataError::Compression)?;
    let mut out = Vec::new();
    decoder
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|_| UserDataError::Compression)?;
    if out.len() > limit {
        return Err(UserDataError::TooLarge);
    }
    Ok(out)
}
