//! [`Router`]: what one router says, with absolute times. It goes over from the initramfs in the state file.

use core::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::advertisement::Advertisement;
use crate::value::{Duration, Hostname, Instant, Prefix, RoutePreference, earliest};

/// Routers on a link that are listened to. Two or three is redundancy; more is a fault or an attack.
pub const MAX_ROUTERS: usize = 8;
/// Prefixes of a router. RFC 4861 has no bound; the kernel keeps at most 16 addresses of a link (`max_addresses`).
pub const MAX_PREFIXES: usize = 16;
/// Routes of a router, beside its default route.
pub const MAX_ROUTES: usize = 32;
/// Name servers of a router: the C library reads 3.
pub const MAX_SERVERS: usize = 8;
/// Search domains of a router; resolv.conf(5) of glibc before 2.26 took 6.
pub const MAX_DOMAINS: usize = 16;

/// How long the flags M and O of a router that says nothing else are believed: three times the longest usual time between
/// two advertisements (MaxRtrAdvInterval, RFC 4861 §6.2.1), as for a default router.
const FLAGS_LIFETIME: Duration = Duration::from_secs(1800);

/// Something that ends; `None`: never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timed<T> {
    /// What.
    pub value: T,
    /// When it ends.
    pub until: Option<Instant>,
}

/// A network of the link. Addresses in it are the kernel's to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvertisedPrefix {
    /// Which, host bits zero.
    pub prefix: Prefix,
    /// Its hosts are reached without a router.
    pub on_link: bool,
    /// Hosts give themselves addresses in it (SLAAC).
    pub autonomous: bool,
}

/// Route information, RFC 4191.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvertisedRoute {
    /// To where, host bits zero.
    pub destination: Prefix,
    /// Among routes of several routers.
    pub preference: RoutePreference,
}

/// One router. What an advertisement does not say stays as it was said before, until it ends (RFC 4861 §6.3.4).
///
/// Times are on CLOCK_BOOTTIME.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Router {
    /// Its link-local address.
    pub address: Ipv6Addr,
    /// Until when it is a default router; `None`: it is none.
    pub default_until: Option<Instant>,
    /// Among default routers.
    pub preference: RoutePreference,
    /// M: addresses come from DHCPv6.
    pub managed: bool,
    /// O: other facts come from DHCPv6.
    pub other: bool,
    /// Until when the flags are believed.
    pub flags_until: Instant,
    /// MTU for IPv6, bytes; it is the kernel's to use.
    pub mtu: Option<u32>,
    /// Networks of the link.
    pub prefixes: Vec<Timed<AdvertisedPrefix>>,
    /// Routes beside the default one.
    pub routes: Vec<Timed<AdvertisedRoute>>,
    /// Name servers, RFC 8106 §5.1.
    pub servers: Vec<Timed<Ipv6Addr>>,
    /// Search domains, RFC 8106 §5.2.
    pub domains: Vec<Timed<Hostname>>,
}

impl Router {
    /// A router that has said nothing yet.
    pub(super) fn new(address: Ipv6Addr) -> Self {
        Self {
            address,
            default_until: None,
            preference: RoutePreference::Medium,
            managed: false,
            other: false,
            flags_until: Instant::BOOT,
            mtu: None,
            prefixes: Vec::new(),
            routes: Vec::new(),
            servers: Vec::new(),
            domains: Vec::new(),
        }
    }

    /// Takes what an advertisement says. Answers whether more than times has changed.
    pub(super) fn hear(&mut self, said: Advertisement, now: Instant) -> bool {
        let before = self.clone();
        let lifetime = Duration::from_secs(said.lifetime.into());
        self.default_until = (said.lifetime > 0).then(|| now + lifetime);
        self.preference = said.preference;
        self.managed = said.managed;
        self.other = said.other;
        self.flags_until = now + FLAGS_LIFETIME.max(lifetime);
        self.mtu = said.mtu.or(self.mtu);
        for new in said.prefixes {
            let value = AdvertisedPrefix {
                prefix: new.prefix,
                on_link: new.on_link,
                autonomous: new.autonomous,
            };
            let same = |old: &AdvertisedPrefix| old.prefix == value.prefix;
            update(
                &mut self.prefixes,
                value,
                new.valid,
                now,
                MAX_PREFIXES,
                same,
            );
        }
        for (destination, preference, secs) in said.routes {
            let value = AdvertisedRoute {
                destination,
                preference,
            };
            let same = |old: &AdvertisedRoute| old.destination == destination;
            update(&mut self.routes, value, secs, now, MAX_ROUTES, same);
        }
        for (server, secs) in said.servers {
            let same = |old: &Ipv6Addr| *old == server;
            update(&mut self.servers, server, secs, now, MAX_SERVERS, same);
        }
        for (domain, secs) in said.domains {
            let same = |old: &Hostname| *old == domain;
            update(
                &mut self.domains,
                domain.clone(),
                secs,
                now,
                MAX_DOMAINS,
                same,
            );
        }
        !self.says_the_same(&before)
    }

    /// Forgets what has ended. Answers whether anything had.
    pub(super) fn forget(&mut self, now: Instant) -> bool {
        let before = self.clone();
        self.default_until = self.default_until.filter(|until| *until > now);
        if self.flags_until <= now {
            (self.managed, self.other) = (false, false);
        }
        retain(&mut self.prefixes, now);
        retain(&mut self.routes, now);
        retain(&mut self.servers, now);
        retain(&mut self.domains, now);
        *self != before
    }

    /// Whether it still says anything.
    pub(super) fn says_something(&self) -> bool {
        self.default_until.is_some()
            || self.managed
            || self.other
            || !self.prefixes.is_empty()
            || !self.routes.is_empty()
            || !self.servers.is_empty()
            || !self.domains.is_empty()
    }

    /// When the next thing ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let flags = (self.managed || self.other).then_some(self.flags_until);
        earliest([
            self.default_until,
            flags,
            first_end(&self.prefixes),
            first_end(&self.routes),
            first_end(&self.servers),
            first_end(&self.domains),
        ])
    }

    /// Equal but for times.
    fn says_the_same(&self, other: &Self) -> bool {
        self.default_until.is_some() == other.default_until.is_some()
            && self.preference == other.preference
            && (self.managed, self.other) == (other.managed, other.other)
            && self.mtu == other.mtu
            && same_values(&self.prefixes, &other.prefixes)
            && same_values(&self.routes, &other.routes)
            && same_values(&self.servers, &other.servers)
            && same_values(&self.domains, &other.domains)
    }

    /// Whether it can have come from [`super::Ndisc`]: what was read from a file may not.
    pub fn validate(&self) -> Result<(), &'static str> {
        if !self.address.is_unicast_link_local() {
            return Err("a router's address is not link-local");
        }
        let network = |prefix: Prefix| {
            matches!(prefix.address(), IpAddr::V6(_)) && prefix.network() == prefix
        };
        let networks = self.prefixes.iter().map(|timed| timed.value.prefix);
        let routes = self.routes.iter().map(|timed| timed.value.destination);
        if !networks.chain(routes).all(network) {
            return Err("a router's prefix is no IPv6 network");
        }
        let fits = self.prefixes.len() <= MAX_PREFIXES
            && self.routes.len() <= MAX_ROUTES
            && self.servers.len() <= MAX_SERVERS
            && self.domains.len() <= MAX_DOMAINS;
        fits.then_some(()).ok_or("a router says too much")
    }
}

/// Sets, adds or, with 0 seconds, removes one value. What has no room is dropped.
fn update<T>(
    list: &mut Vec<Timed<T>>,
    value: T,
    secs: u32,
    now: Instant,
    room: usize,
    same: impl Fn(&T) -> bool,
) {
    if secs == 0 {
        list.retain(|old| !same(&old.value));
        return;
    }
    let until = (secs != u32::MAX).then(|| now + Duration::from_secs(secs.into()));
    let new = Timed { value, until };
    let full = list.len() >= room;
    match list.iter_mut().find(|old| same(&old.value)) {
        Some(old) => *old = new,
        None if full => {}
        None => list.push(new),
    }
}

fn retain<T>(list: &mut Vec<Timed<T>>, now: Instant) {
    list.retain(|timed| timed.until.is_none_or(|until| until > now));
}

fn first_end<T>(list: &[Timed<T>]) -> Option<Instant> {
    earliest(list.iter().map(|timed| timed.until))
}

fn same_values<T: PartialEq>(one: &[Timed<T>], other: &[Timed<T>]) -> bool {
    one.iter()
        .map(|timed| &timed.value)
        .eq(other.iter().map(|timed| &timed.value))
}
