//! Addresses: same link and prefix, highest layer wins.

use core::net::IpAddr;

use super::link::Links;
use super::names::Names;
use crate::config::{AddressConfig, Diagnostic, Document, Severity};
use crate::state::{AddressId, AddressSpec, Desired, Family, Scope};
use crate::value::{Layer, LinkName, Prefix};

pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
    made: &Links,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for document in documents {
        for config in &document.addresses {
            let links = names.resolve(&config.link);
            if links.is_empty() {
                diagnostics.push(no_link(config, names));
            }
            for link in links {
                let by = (document.layer, &config.origin);
                match made.carries(&link, by) {
                    Ok(()) => insert(desired, spec(config, link, document.layer)),
                    Err(fault) => diagnostics.push(*fault),
                }
            }
        }
    }
}

fn spec(config: &AddressConfig, link: LinkName, layer: Layer) -> AddressSpec {
    // A peer that is the address itself is none: the kernel reports no peer then.
    let peer = config.peer.filter(|peer| *peer != config.address.address());
    AddressSpec {
        address: config.address,
        link_name: link,
        family: Family::of(config.address.address()),
        scope: scope(config.address),
        peer,
        broadcast: if peer.is_some() {
            None
        } else {
            config.address.broadcast()
        },
        priority: config.priority,
        valid_until: config.valid_until,
        preferred_until: config.preferred_until,
        no_prefix_route: config.no_prefix_route.unwrap_or(false),
        no_dad: config.no_dad.unwrap_or(false),
        layer,
        origin: config.origin.clone(),
        overrode: Vec::new(),
    }
}

/// What the kernel would give the address when nothing is said: inet_addr_type, ipv6_addr_scope.
fn scope(address: Prefix) -> Scope {
    match address.address() {
        IpAddr::V4(v4) if v4.is_loopback() => Scope::Host,
        IpAddr::V4(v4) if v4.is_link_local() => Scope::Link,
        IpAddr::V6(v6) if v6.is_loopback() => Scope::Host,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Scope::Link,
        IpAddr::V4(_) | IpAddr::V6(_) => Scope::Global,
    }
}

/// Documents come lowest layer first. Within a layer the first one said stays. For IPv6 the kernel knows one length of an
/// address on a link: another one is the same address.
fn insert(desired: &mut Desired, mut spec: AddressSpec) {
    let id = spec.id();
    // Ids sort by link and address: the same address with another length stands beside it.
    let least = AddressId {
        address: least_length(spec.address),
        ..id.clone()
    };
    let same = |old: &AddressSpec| {
        old.address == spec.address
            || (spec.family == Family::Inet6 && old.address.address() == spec.address.address())
    };
    let old = desired
        .addresses
        .range(least..)
        .map(|(_, old)| old)
        .take_while(|old| old.link_name == id.link && old.address.address() == id.address.address())
        .find(|old| same(old))
        .cloned();
    if let Some(old) = old {
        if old.layer == spec.layer {
            return;
        }
        desired.addresses.remove(&old.id());
        spec.overrode = old.overrode;
        spec.overrode.push(old.origin);
    }
    desired.addresses.insert(id, spec);
}

fn least_length(address: Prefix) -> Prefix {
    Prefix::new(address.address(), 0).unwrap_or(address)
}

fn no_link(config: &AddressConfig, names: &Names<'_>) -> Diagnostic {
    let why = if names.known() {
        "no link of this machine matches"
    } else {
        "the links are not known"
    };
    Diagnostic::new(Severity::Warning, why)
        .with_place((&config.origin).into())
        .with_effect(format!("{} waits for its link", config.address))
}
