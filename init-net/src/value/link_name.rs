//! [`LinkName`]: the name of a network link.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::VlanId;

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

    /// The name of the VLAN `id` on a link called `base`, for configurations that give it none: `eth0.5`. Where the
    /// longest id would not fit, the base is cut to 4 bytes and told from others by the first 3 bytes of its SHA-256:
    /// `enx1ee6413.25`. The field's rule: its tools know VLANs by these names.
    #[must_use]
    pub fn of_vlan(base: &LinkName, id: VlanId) -> LinkName {
        /// A dot and four digits, however many the id has.
        const RESERVED: usize = 5;
        let base = base.as_str();
        if base.len() + RESERVED <= Self::MAX_LEN {
            return Self(format!("{base}.{id}").into());
        }
        let [a, b, c, ..] = <[u8; 32]>::from(Sha256::digest(base));
        let start: String = base.chars().take(4).collect();
        Self(format!("{start}{a:02x}{b:02x}{c:02x}.{id}").into())
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
    fn names_of_vlans() {
        #[track_caller]
        fn check(base: &str, id: u16, expect: &str) {
            let id = id.try_into().unwrap();
            assert_eq!(
                LinkName::of_vlan(&base.parse().unwrap(), id).as_str(),
                expect
            );
        }
        check("eth0", 1, "eth0.1");
        check("0123456789", 4094, "0123456789.4094");
        check("enx12545f8c99cd", 25, "enx1ee6413.25");
        check("enx12545f8c99ce", 4094, "enx1ef972f.4094");
    }

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
