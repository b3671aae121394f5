//! [`LinkName`]: the name of a network link.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// 1 to 15 bytes, not `.` or `..`, no `/`, `:` or white space: `dev_valid_name`, net/core/dev.c.
///
/// Stricter than the kernel in one point: printable ASCII only, since names reach logs and file names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LinkName(Box<str>);

/// Why a text is not a link name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkNameError {
    /// No text at all.
    Empty,
    /// A byte that a name may not hold.
    BadByte,
    /// `.` or `..`.
    Dots,
    /// More than 15 bytes.
    TooLong,
}

impl fmt::Display for LinkNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a link name may not be empty",
            Self::BadByte => "a link name holds printable ASCII without space, \"/\" and \":\"",
            Self::Dots => "\".\" and \"..\" are not link names",
            Self::TooLong => "a link name has at most 15 bytes",
        })
    }
}

impl LinkName {
    /// `IFNAMSIZ - 1`, bytes.
    pub const MAX_LEN: usize = 15;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = LinkNameError;

    fn from_str(text: &str) -> Result<Self, LinkNameError> {
        match text {
            "" => Err(LinkNameError::Empty),
            "." | ".." => Err(LinkNameError::Dots),
            _ if text.len() > Self::MAX_LEN => Err(LinkNameError::TooLong),
            _ if text
                .bytes()
                .any(|b| !b.is_ascii_graphic() || b == b'/' || b == b':') =>
            {
                Err(LinkNameError::BadByte)
            }
            _ => Ok(Self(text.into())),
        }
    }
}

impl TryFrom<String> for LinkName {
    type Error = LinkNameError;

    fn try_from(text: String) -> Result<Self, LinkNameError> {
        text.parse()
    }
}

impl From<LinkName> for String {
    fn from(name: LinkName) -> String {
        name.0.into()
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_rule() {
        assert!("enp0s31f6".parse::<LinkName>().is_ok());
        assert!("eth0.100".parse::<LinkName>().is_ok());
        assert_eq!(
            "sixteen-bytes-16".parse::<LinkName>(),
            Err(LinkNameError::TooLong)
        );
        assert_eq!("a/b".parse::<LinkName>(), Err(LinkNameError::BadByte));
        assert_eq!("eth\n0".parse::<LinkName>(), Err(LinkNameError::BadByte));
        assert_eq!("..".parse::<LinkName>(), Err(LinkNameError::Dots));
        assert_eq!("".parse::<LinkName>(), Err(LinkNameError::Empty));
    }
}
