//! [`Hostname`]: the machine's name, short name and domain.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// An RFC 1123 §2.1 host name, lower-cased, split at its first dot.
///
/// A value cannot hold anything that means something to a shell, a file format or a terminal: labels are letters,
/// digits and inner hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hostname {
    name: String,
    domain: Option<String>,
}

/// Why a text is not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostnameError {
    /// Empty, or an empty label.
    Empty,
    /// A character other than letters, digits, `-` and `.`, or a hyphen at an end of a label.
    BadLabel,
    /// A label above 63 or a whole above 253 bytes.
    TooLong,
}

impl fmt::Display for HostnameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a host name may not be empty or hold an empty label",
            Self::BadLabel => {
                "a host name holds letters, digits, inner \"-\" and \".\" (RFC 1123 section 2.1)"
            }
            Self::TooLong => "a host name has labels of at most 63 bytes and 253 bytes in all",
        })
    }
}

impl Hostname {
    /// The short name: the first label.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What follows the first dot.
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// The same short name in `domain`, when it is a valid domain.
    pub fn with_domain(&self, domain: &str) -> Result<Hostname, HostnameError> {
        format!("{}.{}", self.name, domain).parse()
    }
}

impl FromStr for Hostname {
    type Err = HostnameError;

    /// A trailing dot and NUL padding (DHCP servers send both) are trimmed; letters are lower-cased.
    fn from_str(text: &str) -> Result<Self, HostnameError> {
        let text = text.trim_end_matches('\0');
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if text.len() > 253 {
            return Err(HostnameError::TooLong);
        }
        for label in text.split('.') {
            if label.is_empty() {
                return Err(HostnameError::Empty);
            }
            if label.len() > 63 {
                return Err(HostnameError::TooLong);
            }
            let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            let edges =
                label.bytes().next().is_some_and(alnum) && label.bytes().last().is_some_and(alnum);
            if !edges || !label.bytes().all(|b| alnum(b) || b == b'-') {
                return Err(HostnameError::BadLabel);
            }
        }
        Ok(match text.split_once('.') {
            Some((name, domain)) => Self {
                name: name.into(),
                domain: Some(domain.into()),
            },
            None => Self {
                name: text,
                domain: None,
            },
        })
    }
}

impl TryFrom<String> for Hostname {
    type Error = HostnameError;

    fn try_from(text: String) -> Result<Self, HostnameError> {
        text.parse()
    }
}

impl From<Hostname> for String {
    fn from(hostname: Hostname) -> String {
        hostname.to_string()
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.domain {
            Some(domain) => write!(f, ".{domain}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<&str, HostnameError>) {
        assert_eq!(
            text.parse::<Hostname>().map(|h| h.to_string()),
            expect.map(str::to_owned)
        );
    }

    #[test]
    fn names() {
        check("web1", Ok("web1"));
        check("Web1.Example.", Ok("web1.example"));
        check("web1\0\0", Ok("web1"));
        check("3com", Ok("3com"));
        check("", Err(HostnameError::Empty));
        check("a..b", Err(HostnameError::Empty));
        check("a_b", Err(HostnameError::BadLabel));
        check("-a", Err(HostnameError::BadLabel));
        check("a;reboot", Err(HostnameError::BadLabel));
        check("a\nb", Err(HostnameError::BadLabel));
        check(&"a".repeat(64), Err(HostnameError::TooLong));
    }
}
