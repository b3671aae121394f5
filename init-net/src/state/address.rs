//! Addresses: [`AddressSpec`] and [`AddressStatus`].

use core::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::value::{Instant, Layer, LinkName, Origin, Prefix};

/// Address family, spelled as the field does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Inet4,
    /// IPv6.
    Inet6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Inet4,
            IpAddr::V6(_) => Self::Inet6,
        }
    }
}

impl core::fmt::Display for Family {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Inet4 => "inet4",
            Self::Inet6 => "inet6",
        })
    }
}

/// rtnetlink scope, include/uapi/linux/rtnetlink.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// 0.
    Global,
    /// 200.
    Site,
    /// 253.
    Link,
    /// 254.
    Host,
    /// 255.
    Nowhere,
}

impl Scope {
    /// The kernel's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Global => 0,
            Self::Site => 200,
            Self::Link => 253,
            Self::Host => 254,
            Self::Nowhere => 255,
        }
    }

    /// The word of ip(8).
    pub const fn word(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Site => "site",
            Self::Link => "link",
            Self::Host => "host",
            Self::Nowhere => "nowhere",
        }
    }

    /// From the kernel's number; user-defined scopes count as global.
    pub const fn from_number(number: u8) -> Self {
        match number {
            200 => Self::Site,
            253 => Self::Link,
            254 => Self::Host,
            255 => Self::Nowhere,
            _ => Self::Global,
        }
    }
}

/// Identity of an address: the link, and the address with its length.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressId {
    /// On which link.
    pub link: LinkName,
    /// Which address.
    pub address: Prefix,
}

impl core::fmt::Display for AddressId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.link, self.address)
    }
}

/// An address that should be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressSpec {
    /// With its prefix length, host bits kept.
    pub address: Prefix,
    /// On which link.
    pub link_name: LinkName,
    /// Of the address.
    pub family: Family,
    /// Usually global.
    pub scope: Scope,
    /// Point-to-point peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// IPv4 broadcast address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Ipv4Addr>,
    /// Metric of the connected route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// When the lease behind it ends, CLOCK_BOOTTIME; `None`: permanent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Instant>,
    /// From when on it is no source of new connections; `None`: as long as it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_until: Option<Instant>,
    /// IFA_F_NOPREFIXROUTE: without the connected route.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub no_prefix_route: bool,
    /// IFA_F_NODAD: no duplicate address detection.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub no_dad: bool,
    /// Rank of the source that won.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
    /// Which values lost against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrode: Vec<Origin>,
}

impl AddressSpec {
    /// Its identity.
    pub fn id(&self) -> AddressId {
        AddressId {
            link: self.link_name.clone(),
            address: self.address,
        }
    }
}

/// An address that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressStatus {
    /// IFA_LOCAL (IPv4) or IFA_ADDRESS (IPv6), with its length.
    pub address: Prefix,
    /// IFA_ADDRESS where it differs from the local one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// IFA_BROADCAST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Ipv4Addr>,
    /// On which link.
    pub link_index: u32,
    /// Its name.
    pub link_name: LinkName,
    /// Of the address.
    pub family: Family,
    /// As the kernel has it.
    pub scope: Scope,
    /// IFA_FLAGS.
    pub flags: u32,
    /// IFA_RT_PRIORITY; 0 unset.
    #[serde(default)]
    pub priority: u32,
    /// IFA_PROTO; 0 before Linux 5.18 and where nobody set it.
    #[serde(default)]
    pub protocol: u8,
    /// When it ends; `None`: permanent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Instant>,
    /// When it is deprecated; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_until: Option<Instant>,
}

impl AddressStatus {
    /// IFA_F_TENTATIVE: duplicate address detection is still running.
    pub const TENTATIVE: u32 = 0x40;
    /// IFA_F_NODAD.
    pub const NODAD: u32 = 0x02;
    /// IFA_F_DEPRECATED: there, and used for nothing new.
    pub const DEPRECATED: u32 = 0x20;
    /// IFA_F_NOPREFIXROUTE.
    pub const NOPREFIXROUTE: u32 = 0x200;
    /// IFA_F_DADFAILED: somebody else has it.
    pub const DADFAILED: u32 = 0x08;

    /// Usable as a source: neither tentative nor found to be a duplicate.
    pub fn is_usable(&self) -> bool {
        self.flags & (Self::TENTATIVE | Self::DADFAILED) == 0
    }

    /// Of a shared address: whether we put it there. It has our mark, or, before Linux 5.18 gave marks, a lifetime.
    pub fn is_shared_by_us(&self) -> bool {
        self.protocol == super::OUR_PROTOCOL || self.valid_until.is_some()
    }
}
