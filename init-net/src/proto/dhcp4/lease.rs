//! [`Lease`]: everything a server granted, with absolute times. It goes over from the initramfs in the state file.

use core::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::value::{Duration, Hostname, Instant, Mtu, Prefix};

/// Longest list of routers, name servers or time servers kept; the C library reads 3 name servers, and no network
/// has more than a handful of the others. What follows is dropped.
pub const MAX_SERVERS: usize = 16;
/// Longest list of routes kept: a message of 1,472 bytes cannot carry more.
pub const MAX_ROUTES: usize = 256;
/// Longest list of search domains kept; resolv.conf(5) of glibc before 2.26 took 6.
pub const MAX_DOMAINS: usize = 32;
/// Longest client identifier: one option, bytes.
pub const MAX_CLIENT_ID: usize = 255;

/// One route of option 121, 249 or 33.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseRoute {
    /// Network, host bits zero.
    pub destination: Prefix,
    /// Next hop; `None`: on the link (RFC 3442: router 0.0.0.0).
    pub gateway: Option<Ipv4Addr>,
}

/// What a DHCPACK granted and told.
///
/// Times are on CLOCK_BOOTTIME, so a lease is meaningful for one boot only; the state file is refused on another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// yiaddr with the length of option 1. Without a usable mask it is /32: a guessed class would claim hosts on the
    /// link that are not there, while a /32 reaches everything through the router.
    pub address: Prefix,
    /// Option 54.
    pub server_id: Ipv4Addr,
    /// Option 61 as sent, type byte included. The server keeps the lease under it.
    pub client_id: Option<Vec<u8>>,
    /// When the request was sent that led to this lease: all times count from it (RFC 2131 §4.4.1).
    pub acquired_at: Instant,
    /// Option 51 in seconds; `None`: infinite (0xffffffff).
    pub lease_secs: Option<u32>,
    /// T1; `None` for an infinite lease.
    pub renew_at: Option<Instant>,
    /// T2; `None` for an infinite lease.
    pub rebind_at: Option<Instant>,
    /// End; `None` for an infinite lease.
    pub expires_at: Option<Instant>,
    /// Option 3, in order of preference.
    pub routers: Vec<Ipv4Addr>,
    /// Option 121, else 249. Not empty: options 3 and 33 do not count (RFC 3442).
    pub classless_routes: Vec<LeaseRoute>,
    /// Option 33.
    pub static_routes: Vec<LeaseRoute>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 119.
    pub search: Vec<Hostname>,
    /// Option 15.
    pub domain: Option<Hostname>,
    /// Option 12, when we asked for it.
    pub hostname: Option<Hostname>,
    /// Option 26.
    pub mtu: Option<Mtu>,
    /// Option 28.
    pub broadcast: Option<Ipv4Addr>,
    /// Option 42.
    pub ntp: Vec<Ipv4Addr>,
}

impl Lease {
    /// The leased address without its length.
    pub fn ip(&self) -> Ipv4Addr {
        match self.address.address() {
            IpAddr::V4(ip) => ip,
            // Leases are made from yiaddr or pass `validate`.
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        }
    }

    /// Whether it has ended at `now`.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether nothing but the times differs: no consumer of the lease has anything to do.
    pub fn same_facts(&self, other: &Lease) -> bool {
        let timeless = |lease: &Lease| Lease {
            server_id: Ipv4Addr::UNSPECIFIED,
            acquired_at: Instant::BOOT,
            lease_secs: None,
            renew_at: None,
            rebind_at: None,
            expires_at: None,
            ..lease.clone()
        };
        timeless(self) == timeless(other)
    }

    /// Checks what the types do not: a lease from a file is as foreign as one from the network.
    pub fn validate(&self) -> Result<(), &'static str> {
        if !self.address.is_ipv4() {
            return Err("the address of a DHCPv4 lease is an IPv4 address");
        }
        if !is_usable(self.address) {
            return Err("the leased address is not a host address");
        }
        if !is_host(self.server_id) {
            return Err("the server identifier is not a host address");
        }
        match (self.renew_at, self.rebind_at, self.expires_at) {
            (None, None, None) if self.lease_secs.is_none() => {}
            (Some(t1), Some(t2), Some(end))
                if self.lease_secs.is_some()
                    && self.acquired_at <= t1
                    && t1 < t2
                    && t2 < end
                    && end.saturating_since(self.acquired_at)
                        <= Duration::from_secs(u64::from(u32::MAX)) => {}
            _ => return Err("the times of a lease are in the order acquired, T1, T2, end"),
        }
        if self
            .client_id
            .as_ref()
            .is_some_and(|id| id.len() > MAX_CLIENT_ID)
        {
            return Err("a client identifier has at most 255 bytes");
        }
        if self.routers.len().max(self.dns.len()).max(self.ntp.len()) > MAX_SERVERS
            || self.classless_routes.len().max(self.static_routes.len()) > MAX_ROUTES
            || self.search.len() > MAX_DOMAINS
        {
            return Err("a list of the lease is longer than a DHCP message can make it");
        }
        if !self.routers.iter().all(|router| is_host(*router)) {
            return Err("a router is not a host address");
        }
        let routes = self.classless_routes.iter().chain(&self.static_routes);
        for route in routes {
            if !route.destination.is_ipv4() || route.gateway.is_some_and(|via| !is_host(via)) {
                return Err("a route of the lease is not an IPv4 route");
            }
        }
        Ok(())
    }
}

/// Whether `ip` can be the address of one host: not 0.0.0.0/8, loopback, multicast or 255.255.255.255.
pub fn is_host(ip: Ipv4Addr) -> bool {
    ip.octets()[0] != 0 && !ip.is_loopback() && !ip.is_multicast() && !ip.is_broadcast()
}

/// Whether a host may use this address: also not the network or broadcast address of its own network.
pub fn is_usable(prefix: Prefix) -> bool {
    let IpAddr::V4(ip) = prefix.address() else {
        return false;
    };
    let edge = prefix.len() < 31
        && (prefix.network().address() == prefix.address() || prefix.broadcast() == Some(ip));
    is_host(ip) && !edge
}
