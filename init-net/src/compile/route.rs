//! Routes: normalised, given their link and the on-link host route that an off-subnet gateway needs.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::defaults;
use super::link::Links;
use super::names::Names;
use super::networks::Networks;
use super::route_policy::RoutePolicy;
use crate::config::{Diagnostic, Document, LinkRef, RouteConfig, Severity};
use crate::state::{Desired, Family, NextHopSpec, RouteId, RouteSpec, Scope};
use crate::value::{Layer, LinkName, Origin, Prefix, RouteKind, RouteMetrics, RouteTable};

pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
    made: &Links,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut networks = Networks::new(desired.addresses.values());
    let only_link = only_link(desired);
    // Most leases have a default route and no other, and many machines ten thousand routes of their own.
    let narrow = |config: &RouteConfig| config.destination.is_some_and(|to| !to.is_default());
    let mut policy = documents
        .iter()
        .any(|d| d.layer == Layer::Operator && d.routes.iter().any(narrow))
        .then(|| RoutePolicy::new(documents, names, made, desired));
    let mut last_fault: Option<Origin> = None;
    for document in documents {
        // Default routes of one source must differ in metric: the n-th default route of a source gets base + n.
        let mut defaults_seen: BTreeMap<Family, u32> = BTreeMap::new();
        for config in &document.routes {
            let find = |link: Option<&LinkRef>, gateway: Option<IpAddr>| match link {
                Some(link) => said_link(link, gateway, names, &networks),
                None => guessed_link(gateway, names, &networks, only_link.as_ref()),
            };
            let mut spec = spec(config, document.layer);
            if let Err(fault) = give_links(&mut spec, config, find) {
                diagnostics.push(*fault);
                continue;
            }
            let by = (document.layer, &config.origin);
            if let Some(fault) = on_member(&spec, by, made) {
                // Once for each argument or line, which may say an address as well.
                let known = |other: &Diagnostic| {
                    other.message == fault.message && other.place == fault.place
                };
                if last_fault.as_ref() != Some(&config.origin) && !diagnostics.iter().any(known) {
                    diagnostics.push(*fault);
                }
                last_fault = Some(config.origin.clone());
                continue;
            }
            spec.table = config.table.unwrap_or_else(|| table(&spec, made));
            if document.layer == Layer::Operator
                && let Some(Err(fault)) = policy.as_mut().map(|policy| policy.judge(&spec))
            {
                diagnostics.push(*fault);
                continue;
            }
            if spec.dst.is_none() && config.metric.is_none() {
                let seen = defaults_seen.entry(spec.family).or_default();
                spec.priority += *seen;
                *seen += 1;
            }
            for host in on_link_gateways(&spec, &networks) {
                networks.add(&host);
                insert(desired, host);
            }
            networks.add(&spec);
            if let Some(stays) = insert(desired, spec.clone())
                && (stays.gateway, &stays.out_link_name, &stays.next_hops)
                    != (spec.gateway, &spec.out_link_name, &spec.next_hops)
            {
                diagnostics.push(same_slot(&spec, &stays));
            }
        }
    }
}

/// The link that was said; of several that fit, the one whose network holds the gateway.
fn said_link(
    link: &LinkRef,
    gateway: Option<IpAddr>,
    names: &Names<'_>,
    networks: &Networks,
) -> Option<LinkName> {
    let found = names.resolve(link);
    let holds = |link: &&LinkName| gateway.is_some_and(|gateway| networks.reaches(link, gateway));
    found.iter().find(holds).or(found.first()).cloned()
}

/// The link whose network holds the gateway, else the only one that is configured, else the boot device.
fn guessed_link(
    gateway: Option<IpAddr>,
    names: &Names<'_>,
    networks: &Networks,
    only_link: Option<&LinkName>,
) -> Option<LinkName> {
    let holds = gateway.and_then(|gateway| networks.link_to(gateway));
    holds
        .or(only_link)
        .cloned()
        .or_else(|| names.resolve(&LinkRef::Primary).into_iter().next())
}

/// A single configured link is what was meant, even when the gateway lies outside its network.
fn only_link(desired: &Desired) -> Option<LinkName> {
    let addressed = desired.addresses.values().map(|a| &a.link_name);
    let mut links = addressed.chain(desired.operators.keys().map(|(link, _)| link));
    let first = links.next()?;
    links.all(|link| link == first).then(|| first.clone())
}

/// Fills in the link, or those of the next hops.
fn give_links(
    spec: &mut RouteSpec,
    config: &RouteConfig,
    find: impl Fn(Option<&LinkRef>, Option<IpAddr>) -> Option<LinkName>,
) -> Result<(), Box<Diagnostic>> {
    if spec.kind.is_nowhere() {
        // The kernel binds an IPv6 route to nowhere to the loopback link (ip6_route_info_create), one of IPv4 to none.
        let loopback = (spec.family == Family::Inet6).then(|| "lo".parse().ok());
        spec.out_link_name = loopback.flatten();
        return Ok(());
    }
    if config.next_hops.is_empty() {
        let link = find(config.link.as_ref(), config.gateway);
        spec.out_link_name = Some(link.ok_or_else(|| no_link(config))?);
        return Ok(());
    }
    for hop in &config.next_hops {
        let link = hop.link.as_ref().or(config.link.as_ref());
        spec.next_hops.push(NextHopSpec {
            gateway: hop.gateway,
            out_link_name: find(link, hop.gateway).ok_or_else(|| no_link(config))?,
            weight: hop.weight,
        });
    }
    Ok(())
}

/// What is wrong with a route out of a member of a bond or bridge.
fn on_member(spec: &RouteSpec, by: (Layer, &Origin), made: &Links) -> Option<Box<Diagnostic>> {
    let hops = spec.next_hops.iter().map(|hop| &hop.out_link_name);
    spec.out_link_name
        .iter()
        .chain(hops)
        .find_map(|link| made.carries(link, by).err())
}

/// A route of a VRF, or of a link in one, belongs into its table, where the kernel puts the routes to the networks of its
/// addresses.
fn table(spec: &RouteSpec, made: &Links) -> RouteTable {
    let of_hops = spec.next_hops.first().map(|hop| &hop.out_link_name);
    let link = spec.out_link_name.as_ref().or(of_hops);
    link.and_then(|link| made.vrf_table(link))
        .unwrap_or(RouteTable::MAIN)
}

/// The route without its links.
fn spec(config: &RouteConfig, layer: Layer) -> RouteSpec {
    // `0.0.0.0/0` is the default route of its family.
    let dst = config
        .destination
        .filter(|dst| !dst.is_default())
        .map(|dst| dst.network());
    let first_hop = config.next_hops.iter().find_map(|hop| hop.gateway);
    let gateway = config.gateway.filter(|_| config.next_hops.is_empty());
    let said = gateway
        .or(first_hop)
        .or(config.destination.map(|dst| dst.address()))
        .or(config.source);
    let family = match config.destination {
        Some(dst) => Family::of(dst.address()),
        None => said.map_or(Family::Inet4, Family::of),
    };
    // The kernel makes 0 the default metric of IPv6 (ip6_route_info_create).
    let unset = |metric: &u32| family == Family::Inet6 && *metric == 0;
    let metric =
        config
            .metric
            .filter(|metric| !unset(metric))
            .unwrap_or(match (layer, family, dst) {
                (Layer::Platform, Family::Inet6, None) => defaults::CLOUD_METRIC6,
                _ => defaults::ROUTE_METRIC,
            });
    let to_group = dst.is_some_and(|dst| dst.address().is_multicast());
    let kind = config.kind.unwrap_or(if to_group {
        RouteKind::Multicast
    } else {
        RouteKind::Unicast
    });
    RouteSpec {
        family,
        dst,
        src: config.source,
        gateway: gateway.filter(|_| !kind.is_nowhere()),
        out_link_name: None,
        next_hops: Vec::new(),
        table: RouteTable::MAIN,
        priority: metric,
        scope: scope(family, kind, gateway.is_some() || first_hop.is_some()),
        kind,
        on_link: config.on_link.unwrap_or(false),
        mtu: config.mtu,
        metrics: config.metrics.clone(),
        layer,
        origin: config.origin.clone(),
        overrode: Vec::new(),
    }
}

/// What ip(8) gives: a route to this machine reaches no further than the host, one without gateway no further than the
/// link. IPv6 routes have no scope of their own: the kernel reports global for all of them.
fn scope(family: Family, kind: RouteKind, has_gateway: bool) -> Scope {
    match (family, kind) {
        (Family::Inet6, _) => Scope::Global,
        (Family::Inet4, RouteKind::Local) => Scope::Host,
        (Family::Inet4, RouteKind::Broadcast | RouteKind::Anycast | RouteKind::Multicast) => {
            Scope::Link
        }
        (Family::Inet4, kind) if has_gateway || kind.is_nowhere() => Scope::Global,
        (Family::Inet4, _) => Scope::Link,
    }
}

/// The host routes to gateways that no network of their link covers (Hetzner, OVH, GCP: /32 with a foreign gateway).
fn on_link_gateways(route: &RouteSpec, networks: &Networks) -> Vec<RouteSpec> {
    let single = route.gateway.zip(route.out_link_name.as_ref());
    let hops = route.next_hops.iter();
    let hops = hops.filter_map(|hop| Some((hop.gateway?, &hop.out_link_name)));
    single
        .into_iter()
        .chain(hops)
        .filter_map(|(gateway, link)| on_link_gateway(route, gateway, link, networks))
        .collect()
}

/// An IPv6 link-local gateway is on every link; one that is said to be on the link needs no route.
fn on_link_gateway(
    route: &RouteSpec,
    gateway: IpAddr,
    link: &LinkName,
    networks: &Networks,
) -> Option<RouteSpec> {
    let family = Family::of(gateway);
    if route.on_link || matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return None;
    }
    // With no static address of that family on the link nothing is known of its networks: a lease brings them.
    if networks.reaches(link, gateway)
        || networks.routes(route.table, link, gateway)
        || !networks.knows(link, family)
    {
        return None;
    }
    Some(RouteSpec {
        family,
        dst: Some(Prefix::host(gateway)),
        src: route.src.filter(|src| Family::of(*src) == family),
        gateway: None,
        out_link_name: Some(link.clone()),
        next_hops: Vec::new(),
        scope: scope(family, RouteKind::Unicast, false),
        kind: RouteKind::Unicast,
        mtu: None,
        metrics: RouteMetrics::default(),
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

fn no_link(config: &RouteConfig) -> Box<Diagnostic> {
    let fault = Diagnostic::new(Severity::Warning, "no link of this machine matches")
        .with_place((&config.origin).into())
        .with_effect("the route waits for its link");
    Box::new(fault)
}
