//! Router advertisements: header and options, RFC 4861 §4.2 and §4.6, RFC 4191, RFC 8106.

use core::net::{IpAddr, Ipv6Addr};

use super::packet::{self, Reject};
use super::router::{MAX_DOMAINS, MAX_PREFIXES, MAX_ROUTES, MAX_SERVERS};
use crate::value::{Hostname, Prefix, RoutePreference};

/// The fixed part, bytes.
const FIXED: usize = 16;
/// Unit of option lengths, bytes.
const UNIT: usize = 8;

const PREFIX_INFORMATION: u8 = 3;
const MTU: u8 = 5;
const ROUTE_INFORMATION: u8 = 24;
const RECURSIVE_DNS: u8 = 25;
const DNS_SEARCH: u8 = 31;

/// Least MTU of an IPv6 link (RFC 8200 §5), bytes: less is not believed.
const MIN_MTU: u32 = 1280;

/// What one advertisement says. Lifetimes are seconds; [`u32::MAX`] is for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advertisement {
    /// M: addresses come from DHCPv6.
    pub managed: bool,
    /// O: other facts come from DHCPv6.
    pub other: bool,
    /// Of the router, among default routers (RFC 4191 §2.2).
    pub preference: RoutePreference,
    /// As a default router; 0: it is none.
    pub lifetime: u16,
    pub mtu: Option<u32>,
    pub prefixes: Vec<PrefixInformation>,
    /// Destination, preference, lifetime.
    pub routes: Vec<(Prefix, RoutePreference, u32)>,
    /// Address, lifetime.
    pub servers: Vec<(Ipv6Addr, u32)>,
    /// Domain, lifetime.
    pub domains: Vec<(Hostname, u32)>,
    /// Options, or parts of them, that were not taken.
    pub bad: u32,
}

/// Prefix information option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PrefixInformation {
    pub prefix: Prefix,
    pub on_link: bool,
    pub autonomous: bool,
    pub valid: u32,
    pub preferred: u32,
}

impl Advertisement {
    /// Reads an IPv6 packet. One that breaks a rule of RFC 4861 §6.1.2 is refused whole; an option that makes no sense costs
    /// only itself, and one that is not known nothing (PREF64, captive portal…).
    pub(super) fn parse(packet: &[u8]) -> Result<(Ipv6Addr, Self), Reject> {
        let (source, body) = packet::advertisement(packet)?;
        let fixed: &[u8; FIXED] = body.first_chunk().ok_or(Reject::Short)?;
        let flags = fixed[5];
        let lifetime = u16::from_be_bytes([fixed[6], fixed[7]]);
        let mut this = Self {
            managed: flags & 0x80 != 0,
            other: flags & 0x40 != 0,
            // RFC 4191 §2.2: the reserved value counts as medium.
            preference: preference(flags).unwrap_or(RoutePreference::Medium),
            lifetime,
            mtu: None,
            prefixes: Vec::new(),
            routes: Vec::new(),
            servers: Vec::new(),
            domains: Vec::new(),
            bad: 0,
        };
        let mut rest = &body[FIXED..];
        while let [kind, units, ..] = *rest {
            let length = usize::from(units) * UNIT;
            if length == 0 {
                return Err(Reject::Option);
            }
            let (option, behind) = rest.split_at_checked(length).ok_or(Reject::Option)?;
            if this.option(kind, option).is_none() {
                this.bad = this.bad.saturating_add(1);
            }
            rest = behind;
        }
        match rest {
            [] => Ok((source, this)),
            _ => Err(Reject::Option),
        }
    }

    /// `None`: it makes no sense.
    fn option(&mut self, kind: u8, option: &[u8]) -> Option<()> {
        match kind {
            PREFIX_INFORMATION => self.prefix_information(option),
            MTU => {
                let mtu = number(option, 4)?;
                self.mtu = Some(Some(mtu).filter(|mtu| *mtu >= MIN_MTU)?);
                Some(())
            }
            ROUTE_INFORMATION => self.route_information(option),
            RECURSIVE_DNS => self.recursive_dns(option),
            DNS_SEARCH => self.dns_search(option),
            _ => Some(()),
        }
    }

    /// RFC 4861 §4.6.2, RFC 4862 §5.5.3.
    fn prefix_information(&mut self, option: &[u8]) -> Option<()> {
        let (length, flags) = (*option.get(2)?, *option.get(3)?);
        let (valid, preferred) = (number(option, 4)?, number(option, 8)?);
        let prefix = prefix(length, option.get(16..32)?)?;
        let IpAddr::V6(address) = prefix.address() else {
            return None;
        };
        if preferred > valid || address.is_unicast_link_local() || address.is_multicast() {
            return None;
        }
        if self.prefixes.len() < MAX_PREFIXES {
            self.prefixes.push(PrefixInformation {
                prefix,
                on_link: flags & 0x80 != 0,
                autonomous: flags & 0x40 != 0,
                valid,
                preferred,
            });
        }
        Some(())
    }

    /// RFC 4191 §2.3: the prefix has as many bytes as the option leaves room for.
    fn route_information(&mut self, option: &[u8]) -> Option<()> {
        let (length, flags) = (*option.get(2)?, *option.get(3)?);
        let needed = match length {
            0 => 0,
            1..=64 => 8,
            65..=128 => 16,
            _ => return None,
        };
        let given = option.get(8..)?;
        let mut bytes = [0; 16];
        bytes[..needed].copy_from_slice(given.get(..needed)?);
        // The reserved preference: ignore the option.
        let preference = preference(flags)?;
        let destination = prefix(length, &bytes)?;
        let IpAddr::V6(address) = destination.address() else {
            return None;
        };
        if address.is_unicast_link_local() || address.is_multicast() || address.is_loopback() {
            return None;
        }
        if self.routes.len() < MAX_ROUTES {
            self.routes
                .push((destination, preference, number(option, 4)?));
        }
        Some(())
    }

    /// RFC 8106 §5.1.
    fn recursive_dns(&mut self, option: &[u8]) -> Option<()> {
        let lifetime = number(option, 4)?;
        let (addresses, []) = option.get(8..)?.as_chunks::<16>() else {
            return None;
        };
        if addresses.is_empty() {
            return None;
        }
        for address in addresses.iter().map(|bytes| Ipv6Addr::from_octets(*bytes)) {
            if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
                self.bad = self.bad.saturating_add(1);
            } else if self.servers.len() < MAX_SERVERS {
                self.servers.push((address, lifetime));
            }
        }
        Some(())
    }

    /// RFC 8106 §5.2: names of RFC 1035 §3.1 without compression, then padding with zeros. A name that is no host name
    /// costs itself.
    fn dns_search(&mut self, option: &[u8]) -> Option<()> {
        let lifetime = number(option, 4)?;
        let mut rest = option.get(8..)?;
        while rest.first().is_some_and(|length| *length != 0) {
            let (name, behind) = domain(rest)?;
            rest = behind;
            match name.parse::<Hostname>() {
                Ok(name) if self.domains.len() < MAX_DOMAINS => {
                    self.domains.push((name, lifetime));
                }
                Ok(_) => {}
                Err(_) => self.bad = self.bad.saturating_add(1),
            }
        }
        Some(())
    }
}

/// One name and what follows its root label. Bytes that are not ASCII become what no host name holds.
fn domain(mut rest: &[u8]) -> Option<(String, &[u8])> {
    let mut name = String::new();
    loop {
        let (length, behind) = rest.split_first()?;
        if *length == 0 {
            return Some((name, behind));
        }
        // Two bits mark compression and what never came (RFC 1035 §4.1.4).
        let length = Some(usize::from(*length)).filter(|length| *length < 64)?;
        let (label, behind) = behind.split_at_checked(length)?;
        if !name.is_empty() {
            name.push('.');
        }
        // A dot inside of a label would make two of it.
        let text = |byte: &u8| match byte.is_ascii() && *byte != b'.' {
            true => char::from(*byte),
            false => char::REPLACEMENT_CHARACTER,
        };
        name.extend(label.iter().map(text));
        rest = behind;
    }
}

/// The two bits of RFC 4191 §2.1; `None`: the reserved value.
fn preference(flags: u8) -> Option<RoutePreference> {
    RoutePreference::from_number(flags >> 3 & 3)
}

/// A network; host bits are cleared (RFC 4861 §4.6.2: they are reserved).
fn prefix(length: u8, bytes: &[u8]) -> Option<Prefix> {
    let address = Ipv6Addr::from_octets(bytes.try_into().ok()?);
    Some(Prefix::new(IpAddr::V6(address), length).ok()?.network())
}

fn number(option: &[u8], at: usize) -> Option<u32> {
    let bytes = option.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}
