//! [`PortRange`] and [`Protocol`]: what a firewall rule is about.

use core::fmt;
use core::str::FromStr;

use serde::{Serialize, Serializer};

use super::named::named;

named! {
    /// IP protocol numbers of the firewall.
    pub enum Protocol: u8 {
        /// ICMP for IPv4.
        Icmp = 1 "icmp",
        /// TCP.
        Tcp = 6 "tcp",
        /// UDP.
        Udp = 17 "udp",
        /// ICMP for IPv6.
        Icmpv6 = 58 "icmpv6",
    }
}

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// Why a text is no range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRangeError;

impl fmt::Display for PortRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected a port from 0 to 65535, or a range such as 9100-9110, the lower first",
        )
    }
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = Self {
        first: 0,
        last: u16::MAX,
    };

    /// This port alone.
    pub const fn one(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }

    /// From the first to the last; `None`: they are the wrong way round.
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first <= last {
            Some(Self { first, last })
        } else {
            None
        }
    }

    /// The lowest port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub const fn last(self) -> u16 {
        self.last
    }
}

impl FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<Self, PortRangeError> {
        let port = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse::<u16>().map_err(|_| PortRangeError),
            false => Err(PortRangeError),
        };
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(text)?, port(text)?),
        };
        if first <= last {
            Ok(Self { first, last })
        } else {
            Err(PortRangeError)
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl Serialize for PortRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_ranges() {
        let range: PortRange = "9100-9110".parse().unwrap();
        assert_eq!(
            (range.first(), range.last(), range.to_string()),
            (9100, 9110, "9100-9110".to_owned())
        );
        assert_eq!("22".parse::<PortRange>().unwrap().to_string(), "22");
        for bad in ["", "-", "9-1", "1-", "65536", "+1", "1-2-3", "ssh"] {
            assert_eq!(bad.parse::<PortRange>(), Err(PortRangeError), "{bad}");
        }
    }
}
