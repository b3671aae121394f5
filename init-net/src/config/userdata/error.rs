//! Why bytes are no configuration.

use core::fmt;

use super::{Format, Formats, MAX_DECODED};

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
    /// For other tools.
    Foreign(Foreign),
    /// A MIME message without a configuration in it.
    Mime(MimeError),
    /// An `#include` that leads nowhere.
    Include(IncludeError),
}

/// What belongs to another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// All of it.
    Whole(Format),
    /// Every part of a MIME message that is known.
    Parts(Formats),
}

/// What is wrong with a MIME message (RFC 2045, RFC 2046).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MimeError {
    /// No boundary, an empty one, or one above 70 characters (RFC 2046 §5.1.1).
    Boundary,
    /// A Content-Transfer-Encoding that RFC 2045 §6.1 does not know.
    TransferEncoding,
    /// More parts than anyone writes.
    TooManyParts,
    /// Messages in messages in messages.
    TooDeep,
    /// No part is a configuration.
    NoConfig,
}

/// What is wrong with an `#include`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncludeError {
    /// No URL.
    Nothing,
    /// More than one.
    Several,
    /// Not `http://` or `https://`.
    NoUrl,
}

/// What to give instead of something else.
const INSTEAD: &str = "give YAML documents with kind";

impl fmt::Display for UserDataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compression => f.write_str("the compressed data is damaged"),
            Self::TooLarge => write!(f, "decoded, it is above {} MiB", MAX_DECODED >> 20),
            Self::TooManyLayers => f.write_str("too many layers of compression and base64"),
            Self::Base64 => f.write_str("not base64"),
            Self::Encoding => f.write_str("not text in UTF-8"),
            Self::Foreign(Foreign::Whole(format)) => write!(f, "{}; {INSTEAD}", format.verdict()),
            Self::Foreign(Foreign::Parts(formats)) => write!(
                f,
                "of its parts none is a machine configuration ({formats}); add one of type \
                 text/x-init-net with YAML documents"
            ),
            Self::Mime(error) => error.fmt(f),
            Self::Include(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for MimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boundary => "the MIME message has no boundary of 1 to 70 characters",
            Self::TransferEncoding => {
                "a part has a Content-Transfer-Encoding other than base64, quoted-printable, 7bit, \
                 8bit or binary"
            }
            Self::TooManyParts => "the MIME message has too many parts",
            Self::TooDeep => "MIME messages are in each other more than once",
            Self::NoConfig => {
                "no part of the MIME message is a machine configuration; add one of type \
                 text/x-init-net with YAML documents"
            }
        })
    }
}

impl fmt::Display for IncludeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "#include names no URL; write one http:// or https:// URL",
            Self::Several => "#include names several URLs; put the documents behind one",
            Self::NoUrl => "#include names something else than an http:// or https:// URL",
        })
    }
}
