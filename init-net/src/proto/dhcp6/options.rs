//! The options of a received message: our own walk over them, then dhcproto for one value at a time.
//!
//! dhcproto's own option loop ends at the first bad option and loses all that follow, nests without limit, subtracts
//! from lengths that it has not checked, and does not look at the length of fixed options. Here every option is cut out
//! first, nesting ends at the third level (message, association, address), and a value that does not decode costs only
//! itself.

use core::net::{IpAddr, Ipv6Addr};

use dhcproto::Decodable as _;
use dhcproto::v6::DhcpOption;

use super::Config;
use super::lease::{
    DelegatedPrefix, Facts, Leased, LeasedAddress, MAX_DOMAINS, MAX_LEASED, MAX_SERVERS,
    is_delegable, is_usable,
};
use super::timing::{MIN_VALID, after};
use crate::value::{Hostname, Instant, Prefix};

/// Option codes (RFC 8415 §21, RFC 3646, 4075, 4704, 5908).
pub mod code {
    pub const CLIENT_ID: u16 = 1;
    pub const SERVER_ID: u16 = 2;
    pub const IA_NA: u16 = 3;
    pub const IA_ADDRESS: u16 = 5;
    pub const PREFERENCE: u16 = 7;
    pub const STATUS: u16 = 13;
    pub const RAPID_COMMIT: u16 = 14;
    pub const DNS: u16 = 23;
    pub const SEARCH: u16 = 24;
    pub const IA_PD: u16 = 25;
    pub const IA_PREFIX: u16 = 26;
    pub const SNTP: u16 = 31;
    pub const REFRESH_TIME: u16 = 32;
    pub const FQDN: u16 = 39;
    pub const NTP: u16 = 56;
    pub const SOL_MAX_RT: u16 = 82;
    pub const INF_MAX_RT: u16 = 83;
}

/// Suboptions of option 56 (RFC 5908 §4).
const NTP_ADDRESS: u16 = 1;
const NTP_NAME: u16 = 3;

/// Status codes (RFC 8415 §21.13). No status is success.
pub mod status {
    pub const SUCCESS: u16 = 0;
    pub const NO_ADDRESSES: u16 = 2;
    pub const NO_BINDING: u16 = 3;
    pub const NOT_ON_LINK: u16 = 4;
    pub const NO_PREFIXES: u16 = 6;
}

/// An identity association in a reply.
pub struct Association<T> {
    pub status: u16,
    /// T1 and T2 in seconds; 0: ours to choose.
    pub times: [u32; 2],
    /// What is granted, and what is taken away: that ends when it was got.
    pub leased: Vec<T>,
}

/// The options of one level, in the order they came.
pub struct Options<'a> {
    list: Vec<(u16, &'a [u8])>,
    /// Options and values that were dropped.
    pub bad: u32,
}

impl<'a> Options<'a> {
    /// Cuts them out. One that is cut off is dropped; what came before it stands.
    pub fn walk(mut rest: &'a [u8]) -> Self {
        let mut options = Self {
            list: Vec::new(),
            bad: 0,
        };
        while let Some(([c0, c1, l0, l1], tail)) = rest.split_first_chunk() {
            let len = usize::from(u16::from_be_bytes([*l0, *l1]));
            let Some((data, tail)) = tail.split_at_checked(len) else {
                break;
            };
            options.list.push((u16::from_be_bytes([*c0, *c1]), data));
            rest = tail;
        }
        if !rest.is_empty() {
            options.bad = 1;
        }
        options
    }

    fn reject<T>(&mut self) -> Option<T> {
        self.bad = self.bad.saturating_add(1);
        None
    }

    fn all(&self, code: u16) -> impl Iterator<Item = &'a [u8]> {
        let of_code = move |(found, data): &(u16, &'a [u8])| (*found == code).then_some(*data);
        self.list.iter().filter_map(of_code)
    }

    /// The bytes of an option; sent twice, the first one counts.
    pub fn raw(&self, code: u16) -> Option<&'a [u8]> {
        self.all(code).next()
    }

    /// An option of exactly `N` bytes.
    fn fixed<const N: usize>(&mut self, code: u16) -> Option<[u8; N]> {
        match self.raw(code)?.try_into() {
            Ok(bytes) => Some(bytes),
            Err(_) => self.reject(),
        }
    }

    /// A four-byte number: options 32, 82, 83.
    pub fn number(&mut self, code: u16) -> Option<u32> {
        self.fixed(code).map(u32::from_be_bytes)
    }

    /// Option 7; 0 without it.
    pub fn preference(&mut self) -> u8 {
        self.fixed(code::PREFERENCE)
            .map_or(0, |[preference]| preference)
    }

    /// The number in option 13. One without a number says nothing good.
    pub fn status(&self) -> u16 {
        match self.raw(code::STATUS) {
            None => status::SUCCESS,
            Some([a, b, ..]) => u16::from_be_bytes([*a, *b]),
            Some(_) => u16::MAX,
        }
    }

    /// The IA_NA of `iaid`, got at `at`.
    pub fn addresses(&mut self, iaid: u32, at: Instant) -> Option<Association<LeasedAddress>> {
        self.association(code::IA_NA, iaid, code::IA_ADDRESS, |data| {
            let (address, rest) = data.split_first_chunk::<16>()?;
            let (preferred, rest) = rest.split_first_chunk()?;
            let (valid, rest) = rest.split_first_chunk()?;
            let address = Ipv6Addr::from(*address);
            let [preferred_until, valid_until] = lifetimes(*preferred, *valid, rest, at)?;
            is_usable(address).then_some(LeasedAddress {
                address,
                preferred_until,
                valid_until,
            })
        })
    }

    /// The IA_PD of `iaid`, got at `at`.
    pub fn prefixes(&mut self, iaid: u32, at: Instant) -> Option<Association<DelegatedPrefix>> {
        self.association(code::IA_PD, iaid, code::IA_PREFIX, |data| {
            let (preferred, rest) = data.split_first_chunk()?;
            let (valid, rest) = rest.split_first_chunk()?;
            let (len, rest) = rest.split_first()?;
            let (address, rest) = rest.split_first_chunk::<16>()?;
            let [preferred_until, valid_until] = lifetimes(*preferred, *valid, rest, at)?;
            let address = IpAddr::V6(Ipv6Addr::from(*address));
            // RFC 8415 §21.22: bits after the length are ignored.
            let prefix = Prefix::new(address, *len).ok()?.network();
            is_delegable(prefix).then_some(DelegatedPrefix {
                prefix,
                preferred_until,
                valid_until,
            })
        })
    }

    /// The first association of this code and `iaid`; of what is in it twice, the first one counts. RFC 8415 §21.4, §21.21: with T1 after T2 it counts as not sent.
    fn association<T: Leased>(
        &mut self,
        code: u16,
        iaid: u32,
        nested_code: u16,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Option<Association<T>> {
        let iaid = iaid.to_be_bytes();
        let data = self.all(code).find(|data| data.starts_with(&iaid))?;
        let Some(([.., a, b, c, d, e, f, g, h], rest)) = data.split_first_chunk::<12>() else {
            return self.reject();
        };
        let times = [[*a, *b, *c, *d], [*e, *f, *g, *h]].map(u32::from_be_bytes);
        if times[1] != 0 && times[0] > times[1] {
            return self.reject();
        }
        let nested = Options::walk(rest);
        let mut leased = Vec::new();
        let mut bad = nested.bad;
        for data in nested.all(nested_code) {
            match read(data) {
                Some(one) if leased.iter().any(|known: &T| known.is_same(&one)) => {}
                Some(one) if leased.len() < MAX_LEASED => leased.push(one),
                Some(_) | None => bad = bad.saturating_add(1),
            }
        }
        self.bad = self.bad.saturating_add(bad);
        Some(Association {
            status: nested.status(),
            times,
            leased,
        })
    }

    /// Everything that is not an address.
    pub fn facts(&mut self, config: &Config) -> Facts {
        let (mut ntp, ntp_names) = self.ntp();
        if ntp.is_empty() && ntp_names.is_empty() {
            ntp = self.servers(code::SNTP, is_usable);
        }
        // RFC 4704 asks and tells with one option: a name that we sent comes back, and is not news.
        let hostname = match config.hostname {
            None if config.request_hostname => self.fqdn(),
            None | Some(_) => None,
        };
        Facts {
            dns: self.servers(code::DNS, |ip| is_usable(ip) || ip.is_unicast_link_local()),
            search: self.search(),
            ntp,
            ntp_names,
            hostname,
        }
    }

    /// Options 23 and 31: addresses that `is_host` does not take are dropped, repeats too. A name server may be
    /// link-local: it is then on the link of the answer. A time server may not: it is written down without a link.
    fn servers(&mut self, code: u16, is_host: impl Fn(Ipv6Addr) -> bool) -> Vec<Ipv6Addr> {
        let Some(data) = self.raw(code) else {
            return Vec::new();
        };
        let Some(DhcpOption::DomainNameServers(list)) = decode(code::DNS, data) else {
            return self.reject().unwrap_or_default();
        };
        let mut servers = Vec::new();
        for ip in list {
            if !is_host(ip) {
                self.bad = self.bad.saturating_add(1);
            } else if !servers.contains(&ip) && servers.len() < MAX_SERVERS {
                servers.push(ip);
            }
        }
        servers
    }

    /// Option 24. Names from the first malformed one on are lost, names that are not host names are dropped one by one.
    fn search(&mut self) -> Vec<Hostname> {
        let Some(data) = self.raw(code::SEARCH) else {
            return Vec::new();
        };
        let (domains, bad) = names(data);
        self.bad = self.bad.saturating_add(bad);
        domains
    }

    /// Option 56: addresses and names; multicast groups are not used.
    fn ntp(&mut self) -> (Vec<Ipv6Addr>, Vec<Hostname>) {
        let (mut servers, mut domains) = (Vec::new(), Vec::new());
        let mut bad: u32 = 0;
        for data in self.all(code::NTP).take(MAX_SERVERS) {
            let nested = Options::walk(data);
            bad = bad.saturating_add(nested.bad);
            for (code, data) in nested.list {
                let name = names(data).0.into_iter().next();
                match (code, <[u8; 16]>::try_from(data).map(Ipv6Addr::from), name) {
                    (NTP_ADDRESS, Ok(ip), _) if is_usable(ip) => {
                        if !servers.contains(&ip) && servers.len() < MAX_SERVERS {
                            servers.push(ip);
                        }
                    }
                    (NTP_NAME, _, Some(name)) => {
                        if !domains.contains(&name) && domains.len() < MAX_DOMAINS {
                            domains.push(name);
                        }
                    }
                    (NTP_ADDRESS | NTP_NAME, ..) => bad = bad.saturating_add(1),
                    (..) => {}
                }
            }
        }
        self.bad = self.bad.saturating_add(bad);
        (servers, domains)
    }

    /// Option 39 (RFC 4704 §4): a byte of flags, then a name, whole or only its first labels. Servers without a name for
    /// us send an empty one. `localhost` is no name for a machine.
    fn fqdn(&mut self) -> Option<Hostname> {
        let name = match self.raw(code::FQDN)? {
            [_flags, name @ ..] => name,
            [] => return self.reject(),
        };
        if name.iter().all(|byte| *byte == 0) {
            return None;
        }
        // A partial name has no end of its own; after a whole one this is the root, a second name.
        let name = [name, &[0]].concat();
        match names(&name).0.into_iter().next() {
            Some(name) if name.name() != "localhost" => Some(name),
            Some(_) | None => self.reject(),
        }
    }
}

/// Hands one option to dhcproto.
fn decode(code: u16, data: &[u8]) -> Option<DhcpOption> {
    let len = u16::try_from(data.len()).ok()?;
    let mut bytes = [code.to_be_bytes(), len.to_be_bytes()].concat();
    bytes.extend_from_slice(data);
    DhcpOption::from_bytes(&bytes).ok()
}

/// A list of names as in option 24, and how many were dropped. Compression pointers, which RFC 8415 §10 forbids, go
/// strictly backwards in the decoder; a name ends at 255 bytes.
fn names(data: &[u8]) -> (Vec<Hostname>, u32) {
    let Some(DhcpOption::DomainSearchList(list)) = decode(code::SEARCH, data) else {
        return (Vec::new(), 1);
    };
    let (mut domains, mut bad) = (Vec::new(), 0);
    for name in list.iter().take(MAX_DOMAINS) {
        match name.to_string().parse::<Hostname>() {
            Ok(domain) if !domains.contains(&domain) => domains.push(domain),
            Ok(_) => {}
            Err(_) => bad += 1,
        }
    }
    (domains, bad)
}

/// When preferred and valid lifetime end. `None` for one that RFC 8415 §21.6 and §21.22 discard (preferred above valid),
/// that a status in `options` refuses, or that is too short to be of use; 0 takes away.
fn lifetimes(
    preferred: [u8; 4],
    valid: [u8; 4],
    options: &[u8],
    at: Instant,
) -> Option<[Option<Instant>; 2]> {
    let [preferred, valid] = [preferred, valid].map(u32::from_be_bytes);
    let usable = preferred <= valid
        && (valid == 0 || valid >= MIN_VALID)
        && Options::walk(options).status() == status::SUCCESS;
    usable.then(|| [after(at, preferred), after(at, valid)])
}
