//! Addresses: same link and prefix, highest layer wins.

use core::net::IpAddr;

use super::names::Names;
use crate::config::{AddressConfig, Diagnostic, Document, Severity};
use crate::state::{AddressSpec, Desired, Family, Scope};
use crate::value::{Layer, LinkName, Prefix};

pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
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
                insert(desired, spec(config, link, document.layer));
            }
        }
    }
}

fn spec(config: &AddressConfig, link: LinkName, layer: Layer) -> AddressSpec {
    AddressSpec {
        address: config.address,
        link_name: link,
        family: Family::of(config.address.address()),
        scope: scope(config.address),
        peer: config.peer,
        broadcast: if config.peer.is_some() {
            None
        } else {
            config.address.broadcast()
        },
        priority: config.priority,
        valid_until: config.valid_until,
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

/// Documents come lowest layer first. Within a layer the first one said stays.
fn insert(desired: &mut Desired, mut spec: AddressSpec) {
    let id = spec.id();
    match desired.addresses.get_mut(&id) {
        Some(old) if old.layer == spec.layer => {}
        Some(old) => {
            spec.overrode = core::mem::take(&mut old.overrode);
            spec.overrode.push(old.origin.clone());
            *old = spec;
        }
        None => {
            desired.addresses.insert(id, spec);
        }
    }
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
