//! What can be built and will perhaps not work as meant.

use std::collections::{BTreeMap, BTreeSet};

use core::net::IpAddr;

use super::super::names::Names;
use super::{LOOPBACK, Links, fault};
use crate::config::{Diagnostic, Severity};
use crate::state::{Desired, KindSpec, MasterSpec};
use crate::value::{Layer, LinkName, Mtu, RouteTable};

/// What the kernel gives to a link that it makes, bytes (ETH_DATA_LEN).
const ETHERNET_MTU: u32 = 1500;

pub(super) fn check(
    links: &mut Links,
    names: &Names<'_>,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if names.known() {
        unknown(links, names, diagnostics);
    }
    tags_on_members(links, diagnostics);
    mtu_over_parent(links, names, diagnostics);
    mtu_of_ipv6(links, desired, diagnostics);
    tables_of_vrfs(links, diagnostics);
    addresses_twice(links, desired, diagnostics);
}

/// Links that something is configured on, and that neither are there nor are made.
fn unknown(links: &Links, names: &Names<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let there = |name: &LinkName| {
        let made = links.drafts.get(name).is_some_and(|d| d.kind.won.is_some());
        made || names.link(name).is_some()
    };
    let mut reported: BTreeSet<&LinkName> = BTreeSet::new();
    for (name, draft) in &links.drafts {
        let kind = draft.kind.won.as_ref();
        if let Some((won, parent)) = kind.and_then(|won| Some((won, won.value.parent()?)))
            && !there(parent)
            && reported.insert(parent)
        {
            let message = format!("there is no link {parent}, which {name} stands on");
            diagnostics.push(
                fault(Severity::Warning, message, &won.origin)
                    .with_fix("name an existing link; `init-net get links` lists them")
                    .with_effect(format!("{name} is made when it appears")),
            );
        }
    }
    for (name, draft) in &links.drafts {
        if let Some(won) = &draft.master.won {
            let master = won.value.name();
            if !there(name) && reported.insert(name) {
                let message = format!("there is no link {name}, a member of {master}");
                diagnostics.push(
                    fault(Severity::Warning, message, &won.origin)
                        .with_fix("name an existing link; `init-net get links` lists them")
                        .with_effect(format!("{master} works without it until it appears")),
                );
            }
            if !there(master) && reported.insert(master) {
                let message =
                    format!("there is no bridge {master}, which {name} is to be a port of");
                diagnostics.push(
                    fault(Severity::Warning, message, &won.origin)
                        .with_effect(format!("{name} joins it when it appears")),
                );
            }
        }
    }
    for (name, draft) in &links.drafts {
        if draft.layer() != Layer::Default && !there(name) && reported.insert(name) {
            let message = format!("there is no link {name}");
            diagnostics.push(
                fault(Severity::Warning, message, draft.origin())
                    .with_fix("name an existing link; `init-net get links` lists them")
                    .with_effect("it is configured when it appears; nothing waits for it"),
            );
        }
    }
}

/// A bond takes every frame of its members before a VLAN on one of them sees it.
fn tags_on_members(links: &Links, diagnostics: &mut Vec<Diagnostic>) {
    for (name, draft) in &links.drafts {
        let Some(won) = &draft.kind.won else { continue };
        let KindSpec::Vlan { parent, .. } = &won.value else {
            continue;
        };
        let master = links.drafts.get(parent).and_then(|d| d.master.value());
        let Some(MasterSpec::Bond(slave)) = master else {
            continue;
        };
        let bond = &slave.master_name;
        let message = format!("{name} stands on {parent}, a member of {bond}");
        diagnostics.push(
            fault(Severity::Warning, message, &won.origin)
                .with_fix(format!("put it on {bond}"))
                .with_effect("what comes in by the bond does not reach it"),
        );
    }
}

/// The kernel refuses a VLAN or macvlan an MTU above that of its parent (vlan_dev_change_mtu, macvlan_change_mtu). What
/// is left out of one link counts for those above it.
fn mtu_over_parent(links: &mut Links, names: &Names<'_>, diagnostics: &mut Vec<Diagnostic>) {
    loop {
        let refused: Vec<(LinkName, Diagnostic)> = links
            .drafts
            .keys()
            .filter_map(|name| Some((name.clone(), over_parent(links, name, names)?)))
            .collect();
        if refused.is_empty() {
            return;
        }
        for (name, fault) in refused {
            diagnostics.push(fault);
            if let Some(draft) = links.drafts.get_mut(&name) {
                draft.mtu.clear();
            }
        }
    }
}

/// What is wrong with the MTU of `name`.
fn over_parent(links: &Links, name: &LinkName, names: &Names<'_>) -> Option<Diagnostic> {
    let draft = links.drafts.get(name)?;
    let said = draft.mtu.won.as_ref()?;
    let parent = match draft.kind.value()? {
        KindSpec::Vlan { parent, .. } | KindSpec::Macvlan { parent, .. } => parent,
        _ => return None,
    };
    let limit = mtu_of(links, parent, names)?;
    if said.value.bytes() <= limit {
        return None;
    }
    let mtu = said.value;
    let message =
        format!("{name}: an MTU of {mtu} is above the {limit} of {parent}, which it stands on");
    Some(
        fault(Severity::Warning, message, &said.origin)
            .with_fix(format!("raise the MTU of {parent} as well"))
            .with_effect(format!("{name} gets that of {parent}")),
    )
}

/// The MTU that a link will have, bytes: that which is said, that of its parent, that which it has.
fn mtu_of(links: &Links, name: &LinkName, names: &Names<'_>) -> Option<u32> {
    let mut name = name;
    // Each step goes one link down, and circles were left out.
    loop {
        let draft = links.drafts.get(name);
        if let Some(mtu) = draft.and_then(|draft| draft.mtu.value()) {
            return Some(mtu.bytes());
        }
        let kind = draft.and_then(|draft| draft.kind.value());
        match kind.and_then(KindSpec::parent) {
            Some(parent) => name = parent,
            None => {
                let seen = names.link(name).map(|link| link.mtu);
                return seen.or(kind.map(|_| ETHERNET_MTU));
            }
        }
    }
}

/// Below 1280 bytes the kernel has no IPv6 on a link (RFC 8200 §5): its addresses would be refused for ever.
fn mtu_of_ipv6(links: &Links, desired: &mut Desired, diagnostics: &mut Vec<Diagnostic>) {
    let mut reported: BTreeSet<LinkName> = BTreeSet::new();
    desired.addresses.retain(|_, spec| {
        let draft = links.drafts.get(&spec.link_name);
        let small = draft
            .and_then(|draft| draft.mtu.won.as_ref())
            .filter(|won| won.value < Mtu::MIN_IPV6 && !spec.address.is_ipv4());
        let Some(won) = small else { return true };
        let name = &spec.link_name;
        if reported.insert(name.clone()) {
            let (mtu, least) = (won.value, Mtu::MIN_IPV6);
            let message =
                format!("{name}: IPv6 needs an MTU of at least {least}, this one is {mtu}");
            diagnostics.push(
                fault(Severity::Warning, message, &won.origin).with_effect(format!(
                    "{name} has no IPv6; its IPv6 addresses are left out"
                )),
            );
        }
        false
    });
}

fn tables_of_vrfs(links: &Links, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<RouteTable, &LinkName> = BTreeMap::new();
    for (name, draft) in &links.drafts {
        let Some(won) = &draft.kind.won else { continue };
        let KindSpec::Vrf { table } = &won.value else {
            continue;
        };
        let Some(first) = seen.get(table) else {
            seen.insert(*table, name);
            continue;
        };
        let message = format!("the VRFs {first} and {name} have the same table {table}");
        diagnostics.push(
            fault(Severity::Warning, message, &won.origin)
                .with_fix("give each its own table")
                .with_effect("they share their routes, which is what VRFs are to prevent"),
        );
    }
}

/// One address on two links of one routing domain. Loopback and link-local addresses may be everywhere.
fn addresses_twice(links: &Links, desired: &Desired, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<(Option<RouteTable>, IpAddr), &LinkName> = BTreeMap::new();
    for spec in desired.addresses.values() {
        let address = spec.address.address();
        let local = match address {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
        };
        if local || spec.link_name.as_str() == LOOPBACK {
            continue;
        }
        let name = &spec.link_name;
        let first = *seen.entry((links.vrf_table(name), address)).or_insert(name);
        if first != name {
            let message = format!("{address} is on {first} and on {name}");
            diagnostics.push(
                fault(Severity::Warning, message, &spec.origin)
                    .with_fix("leave it on one of them")
                    .with_effect(
                        "both get it; which of the two answers for it is up to the kernel",
                    ),
            );
        }
    }
}
