//! [`Rate`]: how often something may happen.

use core::fmt;
use core::str::FromStr;

use serde::{Serialize, Serializer};

use super::named::named;

named! {
    /// Units of a rate, as seconds (nft(8), `limit rate`).
    pub enum RateUnit: u64 {
        /// 1 s.
        Second = 1 "second",
        /// 60 s.
        Minute = 60 "minute",
        /// 3,600 s.
        Hour = 3600 "hour",
        /// 86,400 s.
        Day = 86_400 "day",
    }
}

/// `10/second`: so many in each unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub count: u32,
    /// In how long.
    pub unit: RateUnit,
}

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateError;

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = Rate::MAX;
        write!(
            f,
            "expected 1 to {most} packets in a second, minute, hour or day: 10/second"
        )
    }
}

impl Rate {
    /// Most packets in a unit: nft_limit counts in nanoseconds, and a packet has to cost some.
    pub const MAX: u32 = 1_000_000;
}

impl FromStr for Rate {
    type Err = RateError;

    /// The unit may be its first letter, or end with `s`.
    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, unit) = text.split_once('/').ok_or(RateError)?;
        if !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(RateError);
        }
        let count = count.parse().map_err(|_| RateError)?;
        let fits = |(name, _): &&(&str, RateUnit)| {
            *name == unit || name.get(..1) == Some(unit) || unit.strip_suffix('s') == Some(*name)
        };
        let (_, unit) = RateUnit::NAMED.iter().find(fits).ok_or(RateError)?;
        match count {
            1..=Self::MAX => Ok(Self { count, unit: *unit }),
            _ => Err(RateError),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, shown) in [
            ("10/second", "10/second"),
            ("10/s", "10/second"),
            ("3/minutes", "3/minute"),
            ("1000000/d", "1000000/day"),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "10",
            "/s",
            "0/second",
            "1000001/s",
            "+1/s",
            "1/",
            "1/fortnight",
            "-1/s",
        ] {
            assert_eq!(bad.parse::<Rate>(), Err(RateError), "{bad}");
        }
    }
}
