//! [`Mac`]: a hardware address, 6 bytes (Ethernet) up to 20 (IPoIB).

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// A link-layer address of 1 to 32 bytes (`MAX_ADDR_LEN`, include/linux/netdevice.h).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mac {
    bytes: [u8; Mac::MAX_LEN],
    len: u8,
}

/// Why a text is not a hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacError;

impl fmt::Display for MacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a hardware address: 6 (or 20) two-digit hexadecimal groups joined by \":\" or \"-\"")
    }
}

impl Mac {
    /// `MAX_ADDR_LEN` of the kernel, bytes.
    pub const MAX_LEN: usize = 32;

    /// Every station of an Ethernet.
    pub const BROADCAST: Mac = Mac::ethernet([0xff; 6]);

    /// An Ethernet address.
    pub const fn ethernet(address: [u8; 6]) -> Self {
        let mut bytes = [0; Self::MAX_LEN];
        let mut i = 0;
        while i < address.len() {
            bytes[i] = address[i];
            i += 1;
        }
        Self { bytes, len: 6 }
    }

    /// From raw bytes as in IFLA_ADDRESS; `None` when empty or too long.
    pub fn from_bytes(raw: &[u8]) -> Option<Self> {
        if raw.is_empty() || raw.len() > Self::MAX_LEN {
            return None;
        }
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..raw.len()].copy_from_slice(raw);
        Some(Self {
            bytes,
            len: raw.len() as u8,
        })
    }

    /// The bytes of the address.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The six bytes of an Ethernet address, `None` for any other length.
    pub fn as_ethernet(&self) -> Option<[u8; 6]> {
        self.as_bytes().try_into().ok()
    }
}

impl FromStr for Mac {
    type Err = MacError;

    /// Accepts `aa:bb:cc:dd:ee:ff`, `aa-bb-…`, either case, 6 or 20 groups, and 12 bare hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, MacError> {
        let mut bytes = Vec::with_capacity(20);
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            for pair in text.as_bytes().chunks(2) {
                let pair = core::str::from_utf8(pair).map_err(|_| MacError)?;
                bytes.push(u8::from_str_radix(pair, 16).map_err(|_| MacError)?);
            }
        } else {
            let separator = if text.contains(':') { ':' } else { '-' };
            for group in text.split(separator) {
                if group.len() != 2 || !group.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(MacError);
                }
                bytes.push(u8::from_str_radix(group, 16).map_err(|_| MacError)?);
            }
        }
        if bytes.len() != 6 && bytes.len() != 20 {
            return Err(MacError);
        }
        Self::from_bytes(&bytes).ok_or(MacError)
    }
}

impl TryFrom<String> for Mac {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.as_bytes().iter().enumerate() {
            if i > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(
            text.parse::<Mac>().ok().map(|m| m.to_string()).as_deref(),
            expect
        );
    }

    #[test]
    fn forms() {
        check("52:54:00:A7:8F:ac", Some("52:54:00:a7:8f:ac"));
        check("52-54-00-a7-8f-ac", Some("52:54:00:a7:8f:ac"));
        check("525400a78fac", Some("52:54:00:a7:8f:ac"));
        check("52:54:00", None);
        check("52:54-00:a7:8f:ac", None);
        check("5:54:00:a7:8f:ac", None);
        check("+2:54:00:a7:8f:ac", None);
        check("", None);
    }
}
