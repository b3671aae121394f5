//! [`Mtu`]: the largest packet a link carries, in bytes.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// 68 (RFC 791 §3.2) to 65536 (loopback), bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u32", try_from = "u32")]
pub struct Mtu(u32);

/// The number is outside the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MtuError;

impl fmt::Display for MtuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an MTU is a number of bytes from 68 to 65536")
    }
}

impl Mtu {
    /// Below this the kernel disables IPv6 on the link (RFC 8200 §5).
    pub const MIN_IPV6: Mtu = Mtu(1280);

    /// In bytes.
    pub const fn bytes(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Mtu {
    type Error = MtuError;

    fn try_from(bytes: u32) -> Result<Self, MtuError> {
        if (68..=65536).contains(&bytes) {
            Ok(Self(bytes))
        } else {
            Err(MtuError)
        }
    }
}

impl FromStr for Mtu {
    type Err = MtuError;

    fn from_str(text: &str) -> Result<Self, MtuError> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(MtuError);
        }
        text.parse::<u32>().map_err(|_| MtuError)?.try_into()
    }
}

impl From<Mtu> for u32 {
    fn from(mtu: Mtu) -> u32 {
        mtu.0
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
