//! [`Lease`] and [`Information`]: what a server granted and told, with absolute times. They go over from the initramfs
//! in the state file.

use core::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::identity::MAX_DUID;
use crate::value::{Hostname, Instant, Prefix};

/// Most addresses and most prefixes kept of one lease; a server that grants more is not a help.
pub const MAX_LEASED: usize = 16;
/// Longest list of name servers or time servers kept; the C library reads 3 name servers. What follows is dropped.
pub const MAX_SERVERS: usize = 16;
/// Longest list of search domains or names of time servers kept; resolv.conf(5) of glibc before 2.26 took 6.
pub const MAX_DOMAINS: usize = 32;

/// One address of an IA_NA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeasedAddress {
    /// To be used as /128: DHCPv6 says nothing about what else is on the link, router advertisements do.
    pub address: Ipv6Addr,
    /// Until when new connections may use it; `None`: without end. Never after `valid_until`.
    pub preferred_until: Option<Instant>,
    /// Until when it may be used at all; `None`: without end.
    pub valid_until: Option<Instant>,
}

/// One prefix of an IA_PD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DelegatedPrefix {
    /// The network, host bits zero.
    pub prefix: Prefix,
    /// Until when to advertise it as preferred; `None`: without end. Never after `valid_until`.
    pub preferred_until: Option<Instant>,
    /// Until when it may be used at all; `None`: without end.
    pub valid_until: Option<Instant>,
}

/// What addresses and prefixes have in common.
pub(super) trait Leased: Copy {
    /// Whether both are the same address or prefix, with whatever times.
    fn is_same(&self, other: &Self) -> bool;
    fn preferred_until(&self) -> Option<Instant>;
    fn valid_until(&self) -> Option<Instant>;

    /// Whether it is valid at `at`.
    fn is_live(&self, at: Instant) -> bool {
        self.valid_until().is_none_or(|end| end > at)
    }
}

impl Leased for LeasedAddress {
    fn is_same(&self, other: &Self) -> bool {
        self.address == other.address
    }
    fn preferred_until(&self) -> Option<Instant> {
        self.preferred_until
    }
    fn valid_until(&self) -> Option<Instant> {
        self.valid_until
    }
}

impl Leased for DelegatedPrefix {
    fn is_same(&self, other: &Self) -> bool {
        self.prefix == other.prefix
    }
    fn preferred_until(&self) -> Option<Instant> {
        self.preferred_until
    }
    fn valid_until(&self) -> Option<Instant> {
        self.valid_until
    }
}

/// What a server tells besides addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Option 23, in order of preference.
    pub dns: Vec<Ipv6Addr>,
    /// Option 24.
    pub search: Vec<Hostname>,
    /// Servers of option 56, else of option 31.
    pub ntp: Vec<Ipv6Addr>,
    /// Servers that option 56 names.
    pub ntp_names: Vec<Hostname>,
    /// Option 39, when we asked for it.
    pub hostname: Option<Hostname>,
}

impl Facts {
    fn validate(&self) -> Result<(), &'static str> {
        if self.dns.len().max(self.ntp.len()) > MAX_SERVERS
            || self.search.len().max(self.ntp_names.len()) > MAX_DOMAINS
        {
            return Err("a list of the server is longer than the client takes");
        }
        Ok(())
    }
}

/// What one server granted: the addresses of one IA_NA, the prefixes of one IA_PD.
///
/// Times are on CLOCK_BOOTTIME, so a lease is meaningful for one boot only; the state file is refused on another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Ours as sent. The server keeps the lease under it and the IAID.
    pub duid: Vec<u8>,
    /// Of the IA_NA and of the IA_PD (they are two spaces, RFC 8415 §4.2).
    pub iaid: u32,
    /// Option 2.
    pub server_duid: Vec<u8>,
    /// When the message was sent that led to this lease: all times count from it.
    pub acquired_at: Instant,
    /// T1, the earliest of both associations; `None`: never.
    pub renew_at: Option<Instant>,
    /// T2, the earliest of both associations; `None`: never.
    pub rebind_at: Option<Instant>,
    /// Addresses of the IA_NA, at most [`MAX_LEASED`].
    pub addresses: Vec<LeasedAddress>,
    /// Prefixes of the IA_PD, at most [`MAX_LEASED`].
    pub prefixes: Vec<DelegatedPrefix>,
    /// The rest of the reply.
    pub facts: Facts,
}

impl Lease {
    /// Whether nothing of it is valid at `now`.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.ends().all(|end| end.is_some_and(|end| end <= now))
    }

    /// When the last of it ends; `None`: never.
    pub fn expires_at(&self) -> Option<Instant> {
        // `None` is the latest of all, not the earliest.
        self.ends()
            .try_fold(Instant::BOOT, |last, end| Some(last.max(end?)))
    }

    /// When the first of it ends; `None`: never.
    pub(super) fn first_end(&self) -> Option<Instant> {
        self.ends().flatten().min()
    }

    fn ends(&self) -> impl Iterator<Item = Option<Instant>> {
        let addresses = self.addresses.iter().map(|leased| leased.valid_until);
        let prefixes = self.prefixes.iter().map(|leased| leased.valid_until);
        addresses.chain(prefixes)
    }

    /// Without what has ended at `now`.
    pub(super) fn prune(&mut self, now: Instant) {
        self.addresses.retain(|leased| leased.is_live(now));
        self.prefixes.retain(|leased| leased.is_live(now));
    }

    /// Whether nothing is leased.
    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.prefixes.is_empty()
    }

    /// Whether nothing but the times and the server differs: no consumer has anything but lifetimes to change.
    pub fn same_facts(&self, other: &Lease) -> bool {
        self.addresses.len() == other.addresses.len()
            && self.prefixes.len() == other.prefixes.len()
            && self.facts == other.facts
            && (self.addresses.iter().zip(&other.addresses)).all(|(a, b)| a.is_same(b))
            && (self.prefixes.iter().zip(&other.prefixes)).all(|(a, b)| a.is_same(b))
    }

    /// Checks what the types do not: a lease from a file is as foreign as one from the network.
    pub fn validate(&self) -> Result<(), &'static str> {
        let duid = 1..=MAX_DUID;
        if !duid.contains(&self.duid.len()) || !duid.contains(&self.server_duid.len()) {
            return Err("a DUID has 1 to 130 bytes");
        }
        if self.is_empty() {
            return Err("a DHCPv6 lease has an address or a prefix");
        }
        if self.addresses.len().max(self.prefixes.len()) > MAX_LEASED {
            return Err("a DHCPv6 lease has at most 16 addresses and 16 prefixes");
        }
        if !self
            .addresses
            .iter()
            .all(|leased| is_usable(leased.address))
        {
            return Err("a leased address is not a host address");
        }
        if !self
            .prefixes
            .iter()
            .all(|leased| is_delegable(leased.prefix))
        {
            return Err("a delegated prefix is not an IPv6 network");
        }
        let addresses = self
            .addresses
            .iter()
            .map(|a| (a.preferred_until, a.valid_until));
        let prefixes = self
            .prefixes
            .iter()
            .map(|p| (p.preferred_until, p.valid_until));
        if !addresses
            .chain(prefixes)
            .all(|(preferred, valid)| in_order(preferred, valid))
        {
            return Err("a preferred lifetime ends no later than the valid lifetime");
        }
        if !in_order(self.renew_at, self.rebind_at)
            || self.renew_at.is_some_and(|at| at < self.acquired_at)
        {
            return Err("the times of a lease are in the order acquired, T1, T2");
        }
        self.facts.validate()
    }
}

/// The answer to an INFORMATION-REQUEST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Information {
    /// When the request was sent.
    pub acquired_at: Instant,
    /// When to ask again (option 32, a day without it); `None`: never.
    pub refresh_at: Option<Instant>,
    /// What the server told.
    pub facts: Facts,
}

impl Information {
    /// Checks what the types do not, as [`Lease::validate`].
    pub fn validate(&self) -> Result<(), &'static str> {
        if self.refresh_at.is_some_and(|at| at < self.acquired_at) {
            return Err("information is refreshed after it was got");
        }
        self.facts.validate()
    }
}

/// Whether `first` is no later than `then`, with `None` for never.
fn in_order(first: Option<Instant>, then: Option<Instant>) -> bool {
    match (first, then) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(first), Some(then)) => first <= then,
    }
}

/// Whether a server may be at `ip`, or a host use it: not `::`, loopback, multicast or link-local. A link-local name
/// server has no meaning without its link (RFC 3646 does not say one).
pub(super) fn is_usable(ip: Ipv6Addr) -> bool {
    !(ip.is_unspecified()
        || ip.is_loopback()
        || ip.is_multicast()
        || ip.is_unicast_link_local()
        || ip.to_ipv4_mapped().is_some())
}

/// Whether `prefix` is a network that can be routed to a client.
pub(super) fn is_delegable(prefix: Prefix) -> bool {
    match prefix.address() {
        IpAddr::V6(ip) => prefix.len() > 0 && prefix.network() == prefix && is_usable(ip),
        IpAddr::V4(_) => false,
    }
}
