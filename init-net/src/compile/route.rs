//! Routes: normalised, given their link and the on-link host route that an off-subnet gateway needs.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::defaults;
use super::names::Names;
use crate::config::{Diagnostic, Document, LinkRef, RouteConfig, Severity};
use crate::state::{Desired, Family, RouteId, RouteSpec, Scope};
use crate::value::{Layer, LinkName, Origin, Prefix, RouteKind, RouteTable};

pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for document in documents {
        // Default routes of one source must differ in metric: the n-th default route of a source gets base + n.
        let mut defaults_seen: BTreeMap<Family, u32> = BTreeMap::new();
        for config in &document.routes {
            let Some(link) = link_of(config, names, desired) else {
                diagnostics.push(no_link(config));
                continue;
            };
            let mut spec = spec(config, link, document.layer);
            if spec.dst.is_none() && config.metric.is_none() {
                let seen = defaults_seen.entry(spec.family).or_default();
                spec.priority += *seen;
                *seen += 1;
            }
            if let Some(host) = on_link_gateway(&spec, desired) {
                insert(desired, host);
            }
            if let Some(stays) = insert(desired, spec.clone())
                && (stays.gateway, &stays.out_link_name) != (spec.gateway, &spec.out_link_name)
            {
                diagnostics.push(same_slot(&spec, &stays));
            }
        }
    }
}

/// The link said, else the one whose network holds the gateway, else the boot device.
fn link_of(config: &RouteConfig, names: &Names<'_>, desired: &Desired) -> Option<LinkName> {
    if let Some(link) = &config.link {
        return names.resolve(link).into_iter().next();
    }
    let holds = |gateway: IpAddr| {
        let of_network = desired
            .addresses
            .values()
            .find(|a| a.address.contains(gateway) || a.peer == Some(gateway));
        of_network.map(|address| address.link_name.clone())
    };
    config.gateway.and_then(holds).or_else(|| {
        // A single configured link is what was meant, even when the gateway lies outside its network.
        let mut links: Vec<&LinkName> = desired.addresses.values().map(|a| &a.link_name).collect();
        links.extend(desired.operators.keys().map(|(link, _)| link));
        links.sort();
        links.dedup();
        match links.as_slice() {
            [only] => Some((*only).clone()),
            _ => names.resolve(&LinkRef::Primary).into_iter().next(),
        }
    })
}

fn spec(config: &RouteConfig, link: LinkName, layer: Layer) -> RouteSpec {
    // `0.0.0.0/0` is the default route of its family.
    let dst = config
        .destination
        .filter(|dst| !dst.is_default())
        .map(|dst| dst.network());
    let said = config
        .gateway
        .or(config.destination.map(|dst| dst.address()))
        .or(config.source);
    let family = match config.destination {
        Some(dst) => Family::of(dst.address()),
        None => said.map_or(Family::Inet4, Family::of),
    };
    // The kernel makes 0 the default metric of IPv6 (ip6_route_info_create).
    let unset = |metric: &u32| family == Family::Inet6 && *metric == 0;
    let metric = config
        .metric
        .filter(|metric| !unset(metric))
        .unwrap_or(defaults::ROUTE_METRIC);
    RouteSpec {
        family,
        dst,
        src: config.source,
        gateway: config.gateway,
        out_link_name: Some(link),
        next_hops: Vec::new(),
        table: config.table.unwrap_or(RouteTable::MAIN),
        priority: metric,
        // IPv6 routes have no scope of their own: the kernel reports global for all of them.
        scope: if config.gateway.is_none() && family == Family::Inet4 {
            Scope::Link
        } else {
            Scope::Global
        },
        kind: RouteKind::Unicast,
        on_link: false,
        mtu: config.mtu,
        metrics: config.metrics.clone(),
        layer,
        origin: config.origin.clone(),
        overrode: Vec::new(),
    }
}

/// The host route to a gateway that no network of its link covers (Hetzner, OVH, GCP: /32 with a foreign gateway).
/// An IPv6 link-local gateway is on every link.
fn on_link_gateway(route: &RouteSpec, desired: &Desired) -> Option<RouteSpec> {
    let gateway = route.gateway?;
    let link = route.out_link_name.as_ref()?;
    if matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return None;
    }
    let covered = desired
        .addresses
        .values()
        .filter(|a| a.link_name == *link)
        .any(|a| {
            (a.address.contains(gateway) && a.address.len() < Prefix::host(gateway).len())
                || a.peer == Some(gateway)
        });
    // Before all routes are looked at, which with ten thousand of them takes a second.
    if covered {
        return None;
    }
    let routed = desired
        .routes
        .values()
        .filter(|r| {
            r.out_link_name.as_ref() == Some(link) && r.table == route.table && r.gateway.is_none()
        })
        .any(|r| r.dst.is_some_and(|dst| dst.contains(gateway)));
    // With no static address of that family on the link nothing is known of its networks: a lease brings them.
    let known = desired
        .addresses
        .values()
        .any(|a| a.link_name == *link && a.family == Family::of(gateway));
    if routed || !known {
        return None;
    }
    Some(RouteSpec {
        family: Family::of(gateway),
        dst: Some(Prefix::host(gateway)),
        src: route.src,
        gateway: None,
        scope: if gateway.is_ipv4() {
            Scope::Link
        } else {
            Scope::Global
        },
        mtu: None,
        origin: Origin::new(
            route.origin.source.clone(),
            format!("{} (gateway off the subnet)", route.origin.place),
            None,
        ),
        overrode: Vec::new(),
        ..route.clone()
    })
}

/// Documents come lowest layer first. The kernel keeps one route per table, destination and metric: what differs only in
/// gateway or link is the same slot. A higher layer takes it over; within a layer the first one said stays. Answers with
/// the route that stays when `spec` does not.
fn insert(desired: &mut Desired, mut spec: RouteSpec) -> Option<RouteSpec> {
    let key = |r: &RouteSpec| (r.table, r.family, r.dst, r.priority);
    // Ids sort by slot, and the least of a slot has neither gateway nor link.
    let least = RouteId {
        gateway: None,
        link: None,
        ..spec.id()
    };
    let occupant = desired
        .routes
        .range(least..)
        .map(|(_, old)| old)
        .next()
        .filter(|old| key(old) == key(&spec));
    if let Some(old) = occupant.cloned() {
        if old.layer == spec.layer {
            return Some(old);
        }
        desired.routes.remove(&old.id());
        spec.overrode = old.overrode;
        spec.overrode.push(old.origin);
    }
    desired.routes.insert(spec.id(), spec);
    None
}

fn same_slot(spec: &RouteSpec, stays: &RouteSpec) -> Diagnostic {
    let metric = spec.priority;
    Diagnostic::new(
        Severity::Warning,
        format!("two routes to the same destination with metric {metric}"),
    )
    .with_place((&spec.origin).into())
    .with_fix("give one of them another metric")
    .with_effect(format!("the kernel takes one: that of {}", stays.origin))
}

fn no_link(config: &RouteConfig) -> Diagnostic {
    Diagnostic::new(Severity::Warning, "no link of this machine matches")
        .with_place((&config.origin).into())
        .with_effect("the route waits for its link")
}
