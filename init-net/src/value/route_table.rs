//! [`RouteTable`]: the number of a kernel routing table.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// 1 to 2³²−1 (RTA_TABLE); 253, 254 and 255 are `default`, `main` and `local`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RouteTable(u32);

/// Why a text is not a routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteTableError;

impl fmt::Display for RouteTableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a routing table is main, local, default or a number from 1 to 4294967295")
    }
}

impl RouteTable {
    /// Table 254.
    pub const MAIN: RouteTable = RouteTable(254);
    /// Table 255.
    pub const LOCAL: RouteTable = RouteTable(255);

    /// From the kernel's number; `None` for 0 (RT_TABLE_UNSPEC).
    pub const fn new(id: u32) -> Option<Self> {
        if id == 0 { None } else { Some(Self(id)) }
    }

    /// The kernel's number.
    pub const fn id(self) -> u32 {
        self.0
    }
}

impl FromStr for RouteTable {
    type Err = RouteTableError;

    fn from_str(text: &str) -> Result<Self, RouteTableError> {
        match text {
            "default" => Ok(Self(253)),
            "main" => Ok(Self::MAIN),
            "local" => Ok(Self::LOCAL),
            _ => text.parse().ok().and_then(Self::new).ok_or(RouteTableError),
        }
    }
}

impl TryFrom<String> for RouteTable {
    type Error = RouteTableError;

    fn try_from(text: String) -> Result<Self, RouteTableError> {
        text.parse()
    }
}

impl From<RouteTable> for String {
    fn from(table: RouteTable) -> String {
        table.to_string()
    }
}

impl fmt::Display for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            253 => f.write_str("default"),
            254 => f.write_str("main"),
            255 => f.write_str("local"),
            id => id.fmt(f),
        }
    }
}
