//! Operators: which link runs DHCP and router discovery, and with which settings.

use std::collections::{BTreeMap, BTreeSet};

use super::defaults;
use super::link::Links;
use super::names::Names;
use crate::config::{AutoMethod, Diagnostic, Document, LinkRef, OperatorConfig};
use crate::proto::dhcp6::duid_ll;
use crate::state::{
    DelegateSpec, Desired, Dhcp6Spec, Dhcp6Start, OperatorKind, OperatorNeed, OperatorSpec,
};
use crate::value::{Gather as _, Hostname, Layer, LinkName, Origin};

/// Merges what was said, and everything on the links of [`default_links`].
pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
    made: &Links,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let ignore_dns = documents
        .iter()
        .rev()
        .find_map(|d| d.boot.peer_dns.as_ref())
        .is_some_and(|said| !said.value);
    for document in documents {
        for config in &document.operators {
            for link in names.resolve(&config.link) {
                let by = (document.layer, &config.origin);
                if let Err(fault) = made.carries(&link, by) {
                    diagnostics.push(*fault);
                    continue;
                }
                for order in runs(config.method) {
                    let link = link.clone();
                    let spec = spec(
                        *order,
                        config,
                        link,
                        document.layer,
                        (names, made),
                        ignore_dns,
                    );
                    insert(desired, spec);
                }
            }
        }
        // A link of which it is said that routers count: the kernel takes what it knows of, the rest is ours.
        for config in &document.links {
            if config.settings.accept_ra.is_none_or(|how| how == 0) {
                continue;
            }
            for link in names.resolve(&config.link) {
                let method = AutoMethod::Auto6;
                let said = OperatorConfig::new(config.link.clone(), method, config.origin.clone());
                for (kind, start, _) in runs(method) {
                    let order = (*kind, *start, OperatorNeed::Optional);
                    let at = (link.clone(), document.layer);
                    let spec = spec(order, &said, at.0, at.1, (names, made), ignore_dns);
                    if !desired.operators.contains_key(&(link.clone(), *kind)) {
                        insert(desired, spec);
                    }
                }
            }
        }
    }
    let origin = Origin::builtin("(DHCP and routers on a link of which nothing is said)");
    for link in default_links(documents, names) {
        let mut config =
            OperatorConfig::new(LinkRef::EveryPhysical, AutoMethod::Dhcp4, origin.clone());
        // The command line's DHCP keys hold for clients that it does not name, too.
        for boot in documents.iter().map(|d| &d.boot) {
            config.vendor_class = boot
                .vendor_class
                .as_ref()
                .map(|said| said.value.clone())
                .or(config.vendor_class);
            let of_link = boot
                .client_ids
                .iter()
                .rev()
                .find(|id| names.resolve(&id.link).contains(&link));
            config.client_id = of_link.map(|id| id.bytes.clone()).or(config.client_id);
        }
        for order in runs(AutoMethod::Any) {
            let (link, layer) = (link.clone(), Layer::Default);
            insert(
                desired,
                spec(*order, &config, link, layer, (names, made), ignore_dns),
            );
        }
    }
    for config in documents.iter().flat_map(|document| &document.links) {
        for link in names.resolve(&config.link) {
            if let Some(spec) = desired.operators.get_mut(&(link, OperatorKind::Router)) {
                spec.allow_routes.extend(&config.settings.allow_routes);
            }
        }
    }
    for link in deaf_links(documents, names) {
        desired.operators.retain(|(name, _), spec| {
            let needs_routers = match spec.operator {
                OperatorKind::Dhcp4 => false,
                OperatorKind::Dhcp6 => spec.dhcp6.start != Dhcp6Start::Always,
                OperatorKind::Router => true,
            };
            *name != link || !needs_routers
        });
    }
}

/// Links of which it is said, at last, that routers do not count: `acceptRA: false`, `ipv6: false`, `ip=link6`.
fn deaf_links(documents: &[&Document], names: &Names<'_>) -> Vec<LinkName> {
    let mut deaf: BTreeMap<LinkName, bool> = BTreeMap::new();
    for document in documents {
        for config in &document.links {
            let settings = &config.settings;
            let off = settings.accept_ra.map(|how| how == 0);
            let off = off.or((settings.ipv6 == Some(false)).then_some(true));
            let links = names.resolve(&config.link).into_iter();
            deaf.extend(links.filter_map(|link| Some((link, off?))));
        }
    }
    deaf.into_iter()
        .filter_map(|(link, off)| off.then_some(link))
        .collect()
}

/// Whether anything is, or by default would be, configured on any link: whether a boot has links to wait for.
pub(super) fn wants_links(documents: &[&Document]) -> bool {
    !default_is_off(documents)
        || documents
            .iter()
            .any(|d| !d.operators.is_empty() || !d.addresses.is_empty())
}

/// Whether links of which nothing is said stay as they are.
fn default_is_off(documents: &[&Document]) -> bool {
    documents.iter().any(|d| {
        let said = !d.links.is_empty()
            || !d.addresses.is_empty()
            || !d.operators.is_empty()
            || !d.routes.is_empty();
        d.boot
            .no_default_network
            .as_ref()
            .is_some_and(|said| said.value)
            || d.default_dhcp.as_ref().is_some_and(|said| !said.value)
            || (d.layer == Layer::Cmdline && said)
    })
}

/// The physical links that come up with DHCPv4 because nothing is said of them.
///
/// A command line that says anything of any link means those links alone, as dracut reads it; platform and machine
/// config speak link by link, as the field reads them.
pub(super) fn default_links(documents: &[&Document], names: &Names<'_>) -> Vec<LinkName> {
    if default_is_off(documents) {
        return Vec::new();
    }
    let configured: BTreeSet<LinkName> = documents
        .iter()
        .filter(|d| d.layer != Layer::Operator)
        .flat_map(|d| {
            let links = d.links.iter().filter(|link| !link.only_allows_routes());
            let links = links.map(|link| &link.link);
            let addresses = d.addresses.iter().map(|address| &address.link);
            links
                .chain(addresses)
                .chain(d.operators.iter().map(|operator| &operator.link))
        })
        .flat_map(|link| names.resolve(link))
        .gather();
    names
        .resolve(&LinkRef::EveryPhysical)
        .into_iter()
        .filter(|name| !configured.contains(name) && !names.is_used(name))
        .collect()
}

/// What to run, when DHCPv6 does, and whether a boot waits for it.
type Order = (OperatorKind, Dhcp6Start, OperatorNeed);

/// The operators of a method.
fn runs(method: AutoMethod) -> &'static [Order] {
    use Dhcp6Start::{Advertised, Always, Fallback};
    use OperatorKind::{Dhcp4, Dhcp6, Router};
    use OperatorNeed::{OneOfThem, Optional, Required};
    match method {
        AutoMethod::Dhcp4 | AutoMethod::SingleDhcp4 => &[(Dhcp4, Always, Required)],
        AutoMethod::Any => &[
            (Dhcp4, Always, OneOfThem),
            (Router, Always, OneOfThem),
            (Dhcp6, Advertised, OneOfThem),
        ],
        // Routes come from routers even where addresses do not.
        AutoMethod::Dhcp6 => &[(Dhcp6, Always, Required), (Router, Always, Optional)],
        AutoMethod::Auto6 => &[(Router, Always, Required), (Dhcp6, Advertised, Optional)],
        AutoMethod::Either6 => &[(Router, Always, OneOfThem), (Dhcp6, Fallback, OneOfThem)],
        AutoMethod::LinkLocal6 | AutoMethod::Ibft => &[],
    }
}

fn spec(
    (operator, start, need): Order,
    config: &OperatorConfig,
    link: LinkName,
    layer: Layer,
    (names, made): (&Names<'_>, &Links),
    ignore_dns: bool,
) -> OperatorSpec {
    let metric = config
        .metric
        .unwrap_or_else(|| defaults::ROUTE_METRIC + names.rank(&link));
    // The same identity in the initramfs and after it: made from the permanent hardware address.
    let mac = || made.stable_mac(&link, names);
    let client_identifier = match operator {
        OperatorKind::Dhcp4 => config.client_id.clone().unwrap_or_else(|| {
            let mac = mac().and_then(|mac| mac.as_ethernet());
            let id = |mac: [u8; 6]| [&[defaults::CLIENT_ID_ETHERNET], &mac[..]].concat();
            mac.map(id).unwrap_or_default()
        }),
        OperatorKind::Dhcp6 => {
            let duid = config.duid.clone();
            duid.unwrap_or_else(|| mac().map(duid_ll).unwrap_or_default())
        }
        OperatorKind::Router => Vec::new(),
    };
    let dhcp6 = match operator {
        OperatorKind::Dhcp4 | OperatorKind::Router => Dhcp6Spec::default(),
        OperatorKind::Dhcp6 => Dhcp6Spec {
            start,
            prefix: config.prefix_hint,
            delegate: config
                .delegate
                .iter()
                .map(|part| DelegateSpec {
                    link_name: names.final_name(&part.link),
                    subnet: part.subnet,
                })
                .collect(),
        },
    };
    OperatorSpec {
        operator,
        link_name: link,
        route_metric: metric,
        client_identifier,
        vendor_class: config.vendor_class.clone(),
        ignore_hostname: config.ignore_hostname.unwrap_or(false),
        ignore_routes: config.ignore_routes.unwrap_or(false),
        allow_routes: config.allow_routes.clone(),
        route_table: config.table,
        ignore_dns: ignore_dns || config.use_dns == Some(false),
        ignore_domains: ignore_dns || config.use_domains == Some(false),
        ignore_mtu: config.use_mtu == Some(false),
        ignore_ntp: config.use_ntp == Some(false),
        hostname: config
            .hostname
            .clone()
            .filter(|_| config.send_hostname != Some(false)),
        first_lease_wins: config.method == AutoMethod::SingleDhcp4,
        need: match config.optional {
            Some(true) => OperatorNeed::Optional,
            Some(false) | None => need,
        },
        dhcp6,
        layer,
        origin: config.origin.clone(),
        overrode: Vec::new(),
    }
}

/// A client that is to tell a host name without being given one tells the machine's own: the configured one, not what
/// another server gave.
pub(super) fn tell_hostname(documents: &[&Document], names: &Names<'_>, desired: &mut Desired) {
    let own = desired.hostname.as_ref();
    let own = own.filter(|spec| spec.layer != Layer::Operator);
    let Some(own) = own.and_then(|spec| spec.hostname.parse::<Hostname>().ok()) else {
        return;
    };
    for config in documents.iter().flat_map(|document| &document.operators) {
        if config.send_hostname != Some(true) || config.hostname.is_some() {
            continue;
        }
        for link in names.resolve(&config.link) {
            for (kind, _, _) in runs(config.method) {
                let spec = desired.operators.get_mut(&(link.clone(), *kind));
                if let Some(spec) = spec.filter(|spec| spec.origin == config.origin) {
                    spec.hostname = Some(own.clone());
                }
            }
        }
    }
}

/// Documents come lowest layer first: a later one replaces and remembers whom. Of two methods of one layer that run the same
/// (`dhcp6,auto6`), what either asks for is done.
fn insert(desired: &mut Desired, mut spec: OperatorSpec) {
    let id = (spec.link_name.clone(), spec.operator);
    if let Some(old) = desired.operators.remove(&id) {
        if old.layer == spec.layer {
            spec.need = spec.need.min(old.need);
            spec.dhcp6.start = spec.dhcp6.start.min(old.dhcp6.start);
        }
        spec.overrode = old.overrode;
        if old.origin != spec.origin {
            spec.overrode.push(old.origin);
        }
    }
    desired.operators.insert(id, spec);
}
