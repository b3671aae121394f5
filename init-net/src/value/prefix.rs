//! [`Prefix`]: an IP address with a prefix length; host bits are kept.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// `192.0.2.7/24`: the address as given, and how many leading bits name the network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Prefix {
    address: IpAddr,
    len: u8,
}

/// Why a text or a pair is not a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// The part before `/` is not an IP address.
    Address,
    /// The length is not a number, or too large for the family.
    Length,
    /// A netmask whose one bits are not all in front.
    Hole,
    /// A netmask of the other family.
    Family,
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "not an IP address",
            Self::Length => "a prefix length is 0 to 32 for IPv4 and 0 to 128 for IPv6",
            Self::Hole => "the netmask has a hole: its one bits must all be in front",
            Self::Family => "the netmask is of the other address family",
        })
    }
}

impl Prefix {
    /// From an address and a length, checked against the family.
    pub fn new(address: IpAddr, len: u8) -> Result<Self, PrefixError> {
        if len > max_len(address) {
            Err(PrefixError::Length)
        } else {
            Ok(Self { address, len })
        }
    }

    /// The address alone: /32 or /128.
    pub fn host(address: IpAddr) -> Self {
        Self {
            address,
            len: max_len(address),
        }
    }

    /// The address, host bits included.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The prefix length in bits; a prefix is never "empty".
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether the prefix covers its whole family (`/0`).
    pub const fn is_default(&self) -> bool {
        self.len == 0
    }

    /// Whether this is an IPv4 prefix.
    pub const fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// The same network with all host bits zero.
    pub fn network(&self) -> Prefix {
        let address = match self.address {
            IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask4(self.len))),
            IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask6(self.len))),
        };
        Prefix {
            address,
            len: self.len,
        }
    }

    /// Whether `address` lies in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        Prefix::new(address, self.len).is_ok_and(|other| {
            other.is_ipv4() == self.is_ipv4() && other.network().address == self.network().address
        })
    }

    /// The IPv4 broadcast address of the network; `None` for IPv6, /31 (RFC 3021) and /32.
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(a) if self.len < 31 => {
                Some(Ipv4Addr::from_bits(a.to_bits() | !mask4(self.len)))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }
}

/// Length of a contiguous netmask: `255.255.255.0` is 24; a hole is an error (never silently /0).
pub fn prefix_len_from_netmask(mask: IpAddr) -> Result<u8, PrefixError> {
    let (ones, zeros, bits) = match mask {
        IpAddr::V4(m) => (m.to_bits().leading_ones(), m.to_bits().trailing_zeros(), 32),
        IpAddr::V6(m) => (
            m.to_bits().leading_ones(),
            m.to_bits().trailing_zeros(),
            128,
        ),
    };
    if ones + zeros == bits {
        Ok(ones as u8)
    } else {
        Err(PrefixError::Hole)
    }
}

const fn max_len(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn mask4(len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0)
}

fn mask6(len: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0)
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// `address/length` or `address/netmask`.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, len) = text.split_once('/').ok_or(PrefixError::Length)?;
        let address: IpAddr = address.parse().map_err(|_| PrefixError::Address)?;
        let len = match len.parse::<IpAddr>() {
            Ok(mask) if mask.is_ipv4() != address.is_ipv4() => return Err(PrefixError::Family),
            Ok(mask) => prefix_len_from_netmask(mask)?,
            Err(_) if len.is_empty() || !len.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(PrefixError::Length);
            }
            Err(_) => len.parse().map_err(|_| PrefixError::Length)?,
        };
        Self::new(address, len)
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> String {
        prefix.to_string()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<&str, PrefixError>) {
        assert_eq!(
            text.parse::<Prefix>().map(|p| p.to_string()),
            expect.map(str::to_owned)
        );
    }

    #[test]
    fn forms() {
        check("10.0.0.2/24", Ok("10.0.0.2/24"));
        check("10.0.0.2/255.255.255.0", Ok("10.0.0.2/24"));
        check("10.0.0.2/0", Ok("10.0.0.2/0"));
        check("2001:db8::1/64", Ok("2001:db8::1/64"));
        check("10.0.0.2/255.0.255.0", Err(PrefixError::Hole));
        check("10.0.0.2/33", Err(PrefixError::Length));
        check("10.0.0.2/+8", Err(PrefixError::Length));
        check("10.0.0.2", Err(PrefixError::Length));
        check("10.0.0/24", Err(PrefixError::Address));
        check("10.0.0.2/ffff::", Err(PrefixError::Family));
    }

    #[test]
    fn networks() {
        let p: Prefix = "10.0.3.2/23".parse().unwrap();
        assert_eq!(p.network().to_string(), "10.0.2.0/23");
        assert_eq!(p.broadcast(), Some(Ipv4Addr::new(10, 0, 3, 255)));
        assert!(p.contains("10.0.2.9".parse().unwrap()));
        assert!(!p.contains("10.0.4.1".parse().unwrap()));
        assert!(!p.contains("::".parse().unwrap()));
        assert_eq!("10.0.0.1/31".parse::<Prefix>().unwrap().broadcast(), None);
    }
}
