//! [`Set`]: many values that one lookup finds.

use super::Datum;
use crate::value::named;

named! {
    /// `enum nft_set_key` types of nft(8) (libnftables, `TYPE_*`), which the kernel stores and does not read.
    pub enum KeyType: u32 {
        /// IPv4 address, 4 bytes.
        Ipv4Addr = 7 "ipv4_addr",
        /// IPv6 address, 16 bytes.
        Ipv6Addr = 8 "ipv6_addr",
        /// Protocol, 1 byte.
        InetProto = 12 "inet_proto",
        /// Port, 2 bytes.
        InetService = 13 "inet_service",
        /// ICMP type, 1 byte.
        IcmpType = 14 "icmp_type",
        /// ICMPv6 type, 1 byte.
        Icmpv6Type = 29 "icmpv6_type",
        /// Link name, 16 bytes.
        Ifname = 41 "ifname",
    }
}

impl KeyType {
    /// Length of a value, bytes; never 0.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(self) -> usize {
        match self {
            Self::InetProto | Self::IcmpType | Self::Icmpv6Type => 1,
            Self::InetService => 2,
            Self::Ipv4Addr => 4,
            Self::Ipv6Addr | Self::Ifname => 16,
        }
    }
}

/// A named set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its name: a letter, then letters, digits, `_`, `-`, `.`.
    pub name: String,
    /// What a key is made of; more than one: a concatenation.
    pub key: Vec<KeyType>,
    /// Elements may be ranges.
    pub interval: bool,
    /// Every element counts.
    pub counter: bool,
    /// In order, apart from each other and not adjacent unless they have comments.
    pub elements: Vec<Element>,
}

/// One value, or all from the first to the last. In a concatenation: in each part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Element {
    /// The lowest.
    pub first: Datum,
    /// The highest, itself included.
    pub last: Datum,
    /// Name of the rule it stands for.
    pub comment: Option<Box<str>>,
}
