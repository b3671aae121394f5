//! [`LinkPattern`]: the name of a link, or what several names start with.

use core::fmt;
use core::str::FromStr;

use serde::{Serialize, Serializer};

use super::{LinkName, LinkNameError};

/// `eth0`, or `cali*`: every name that starts with `cali`. Only this much: nf_tables compares the first bytes of a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkPattern {
    start: LinkName,
    open: bool,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPatternError {
    /// The part before a `*` is no name.
    Name(LinkNameError),
    /// `*` alone.
    Everything,
    /// A `*` before the end, or another sign of a pattern.
    Inside,
}

impl fmt::Display for LinkPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Everything => f.write_str(
                "expected links by name: without interfaces a rule is about all, and ingress: accept trusts all",
            ),
            Self::Inside => {
                f.write_str("expected a name, or the start of one and \"*\" at the end: cali*")
            }
        }
    }
}

impl LinkPattern {
    /// The name, or its start.
    pub fn start(&self) -> &str {
        self.start.as_str()
    }

    /// Whether more may follow.
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Whether `name` fits.
    pub fn matches(&self, name: &str) -> bool {
        match self.open {
            true => name.starts_with(self.start()),
            false => name == self.start(),
        }
    }
}

impl From<LinkName> for LinkPattern {
    fn from(start: LinkName) -> Self {
        Self { start, open: false }
    }
}

impl FromStr for LinkPattern {
    type Err = LinkPatternError;

    fn from_str(text: &str) -> Result<Self, LinkPatternError> {
        let (start, open) = match text.strip_suffix('*') {
            Some("") => return Err(LinkPatternError::Everything),
            Some(start) => (start, true),
            None => (text, false),
        };
        if start.contains(['*', '?', '[']) {
            return Err(LinkPatternError::Inside);
        }
        let start = start.parse().map_err(LinkPatternError::Name)?;
        Ok(Self { start, open })
    }
}

impl fmt::Display for LinkPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.start())?;
        f.write_str(if self.open { "*" } else { "" })
    }
}

impl Serialize for LinkPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_starts_of_them() {
        let fits =
            |pattern: &str, name: &str| pattern.parse::<LinkPattern>().unwrap().matches(name);
        assert!(fits("eth0", "eth0") && !fits("eth0", "eth01"));
        assert!(fits("cali*", "cali12ab") && fits("cali*", "cali") && !fits("cali*", "cal"));
        let bad = |text: &str| text.parse::<LinkPattern>().unwrap_err();
        assert_eq!(bad("*"), LinkPatternError::Everything);
        assert_eq!(bad("e*0"), LinkPatternError::Inside);
        assert_eq!(bad("eth?"), LinkPatternError::Inside);
        assert_eq!(bad(""), LinkPatternError::Name(LinkNameError::Empty));
        assert_eq!(
            bad("sixteen-letters-*"),
            LinkPatternError::Name(LinkNameError::TooLong)
        );
    }
}
