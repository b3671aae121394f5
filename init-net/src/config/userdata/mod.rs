//! User-data and inline configurations: bytes as a cloud or the command line gives them, to the text of a machine
//! configuration.
//!
//! In this order: a byte order mark, compression and base64 are undone ([`layers`]), the parts of a MIME message are looked
//! through ([`mime`]), and the first line tells the formats of other tools ([`format`]), which are refused by name.

mod error;
mod format;
mod layers;
mod mime;
mod parts;
#[cfg(test)]
mod tests;

use core::fmt;

use super::machine;
use crate::value::Hostname;

pub use error::{Foreign, IncludeError, MimeError, UserDataError};
pub use format::{Format, Formats};

/// Largest result, bytes: the largest text the configuration parser takes. All parts of a message together stay below it
/// as well.
pub const MAX_DECODED: usize = machine::tree::MAX_BYTES;

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
    /// `#include`: the machine configuration is at this URL, `http` or `https`.
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

/// Undoes compression and base64, and says what is inside.
pub fn decode(raw: &[u8], base64: Base64) -> Result<UserData, UserDataError> {
    let bytes = layers::undo(raw, base64, MAX_DECODED)?;
    if is_nothing(&bytes) {
        return Ok(UserData::Absent);
    }
    if mime::is_message(&bytes) {
        return parts::choose(&bytes);
    }
    judge(text(&bytes)?)
}

/// Whether `raw` is meant as a machine configuration, right or wrong: the vendor of a cloud writes much that is for others, `{}`
/// among it.
pub fn is_meant(raw: &[u8]) -> bool {
    match decode(raw, Base64::Never) {
        Ok(UserData::Config(text)) => machine::is_meant(&text),
        Ok(UserData::Include(_)) => true,
        Ok(UserData::Absent | UserData::CloudConfig(_)) | Err(_) => false,
    }
}

/// The value of `initnet.config.inline=`, pieces joined: base64 of a text, or of a gzip or zstd stream of it.
pub fn decode_inline(text: &str) -> Result<UserData, UserDataError> {
    decode(text.as_bytes(), Base64::Always)
}

fn is_nothing(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0 || b.is_ascii_whitespace())
}

fn text(bytes: &[u8]) -> Result<&str, UserDataError> {
    core::str::from_utf8(bytes).map_err(|_| UserDataError::Encoding)
}

/// What a text is by its beginning.
fn judge(text: &str) -> Result<UserData, UserDataError> {
    match format::of(text) {
        None => Ok(UserData::Config(text.to_owned())),
        Some(Format::Include) => include(text).map(UserData::Include),
        Some(Format::CloudConfig) => Ok(UserData::CloudConfig(hostname(text))),
        Some(format) => Err(UserDataError::Foreign(Foreign::Whole(format))),
    }
}

/// The host name in a cloud-config.
fn hostname(text: &str) -> Option<Hostname> {
    let names = ["hostname", "fqdn", "local-hostname"];
    let mut names = names.iter().filter_map(|key| machine::top_level(text, key));
    names.find_map(|name| name.parse().ok())
}

/// Longest URL of an `#include`, bytes.
const MAX_URL: usize = 4096;

/// The only URL of an `#include`, on its line or on one of its own. Lines that begin with `#` say nothing.
fn include(text: &str) -> Result<String, UserDataError> {
    let text = text.trim_start();
    let first = ["#include-once", "#include"];
    let after = first.iter().find_map(|word| text.strip_prefix(word));
    let lines = after.unwrap_or(text).lines().map(str::trim);
    let mut urls = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let fault = match (urls.next(), urls.next()) {
        (None, _) => IncludeError::Nothing,
        (Some(_), Some(_)) => IncludeError::Several,
        (Some(url), None) if is_web_url(url) => return Ok(url.to_owned()),
        (Some(_), None) => IncludeError::NoUrl,
    };
    Err(UserDataError::Include(fault))
}

fn is_web_url(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let web = |scheme: &str| {
        ["http", "https"]
            .iter()
            .any(|s| s.eq_ignore_ascii_case(scheme))
    };
    let plain = !url.contains(|c: char| c.is_control() || c.is_whitespace());
    scheme.is_some_and(web) && plain && url.len() <= MAX_URL
}
