//! [`VlanId`] and [`VlanProtocol`]: IEEE 802.1Q tags.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::named::named;

named! {
    /// Which tag, by its EtherType.
    pub enum VlanProtocol: u16 {
        /// The customer's.
        Dot1Q = 0x8100 "802.1q",
        /// The provider's, for stacks.
        Dot1Ad = 0x88a8 "802.1ad",
    }
}

/// 1 to 4094: 0 is the priority tag, 4095 is reserved (IEEE 802.1Q §9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u16", try_from = "u16")]
pub struct VlanId(u16);

/// The number is outside 1..=4094.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanIdError;

impl fmt::Display for VlanIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a VLAN id is a number from 1 to 4094")
    }
}

impl TryFrom<u16> for VlanId {
    type Error = VlanIdError;

    fn try_from(id: u16) -> Result<Self, VlanIdError> {
        if (1..=4094).contains(&id) {
            Ok(Self(id))
        } else {
            Err(VlanIdError)
        }
    }
}

impl FromStr for VlanId {
    type Err = VlanIdError;

    /// Decimal digits; leading zeros are fine (`vlan0005`).
    fn from_str(text: &str) -> Result<Self, VlanIdError> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(VlanIdError);
        }
        text.parse::<u16>().map_err(|_| VlanIdError)?.try_into()
    }
}

impl From<VlanId> for u16 {
    fn from(id: VlanId) -> u16 {
        id.0
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
