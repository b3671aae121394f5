//! Operators: which link runs DHCP, and with which settings.

use std::collections::{BTreeMap, BTreeSet};

use super::defaults;
use super::link::Links;
use super::names::Names;
use crate::config::{AutoMethod, Diagnostic, Document, LinkRef, OperatorConfig, Severity};
use crate::state::{Desired, OperatorKind, OperatorSpec};
use crate::value::{Gather as _, Layer, LinkName, Origin};

/// Merges what was said, and DHCPv4 on the links of [`default_links`].
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
    let mut notes: BTreeMap<AutoMethod, Origin> = BTreeMap::new();
    for document in documents {
        for config in &document.operators {
            notes
                .entry(config.method)
                .or_insert_with(|| config.origin.clone());
            for link in names.resolve(&config.link) {
                let by = (document.layer, &config.origin);
                if let Err(fault) = made.carries(&link, by) {
                    diagnostics.push(*fault);
                    continue;
                }
                for kind in runs(config.method) {
                    let link = link.clone();
                    let spec = spec(
                        *kind,
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
    }
    let origin = Origin::builtin("(DHCPv4 on a link of which nothing is said)");
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
        insert(
            desired,
            spec(
                OperatorKind::Dhcp4,
                &config,
                link,
                Layer::Default,
                (names, made),
                ignore_dns,
            ),
        );
    }
    for (method, origin) in notes {
        if let Some(message) = not_applied(method) {
            let (message, effect) = message;
            diagnostics.push(
                Diagnostic::new(Severity::Note, message)
                    .with_place((&origin).into())
                    .with_effect(effect),
            );
        }
    }
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
            let links = d.links.iter().map(|link| &link.link);
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

/// The clients of a method.
fn runs(method: AutoMethod) -> &'static [OperatorKind] {
    match method {
        AutoMethod::Dhcp4 | AutoMethod::SingleDhcp4 | AutoMethod::Any => &[OperatorKind::Dhcp4],
        AutoMethod::Dhcp6 | AutoMethod::Either6 => &[OperatorKind::Dhcp6],
        AutoMethod::Auto6 | AutoMethod::LinkLocal6 | AutoMethod::Ibft => &[],
    }
}

/// What a method lacks until the DHCPv6 and router discovery clients exist, and what happens instead.
fn not_applied(method: AutoMethod) -> Option<(&'static str, &'static str)> {
    const KERNEL: &str = "the link is brought up, IPv6 comes from the kernel's own SLAAC";
    match method {
        AutoMethod::Dhcp4 | AutoMethod::SingleDhcp4 => None,
        AutoMethod::Any => Some((
            "DHCPv6 is not applied yet",
            "DHCPv4 runs; IPv6 comes from the kernel's own SLAAC",
        )),
        AutoMethod::Dhcp6 | AutoMethod::Either6 => Some(("DHCPv6 is not applied yet", KERNEL)),
        AutoMethod::Auto6 => Some((
            "name servers of router advertisements are not applied yet",
            KERNEL,
        )),
        AutoMethod::LinkLocal6 => Some(("SLAAC is not turned off yet", KERNEL)),
        AutoMethod::Ibft => Some(("the iBFT table is not read yet", "the link is brought up")),
    }
}

fn spec(
    operator: OperatorKind,
    config: &OperatorConfig,
    link: LinkName,
    layer: Layer,
    (names, made): (&Names<'_>, &Links),
    ignore_dns: bool,
) -> OperatorSpec {
    let metric = config
        .metric
        .unwrap_or_else(|| defaults::ROUTE_METRIC + names.rank(&link));
    let said = match operator {
        OperatorKind::Dhcp4 => &config.client_id,
        OperatorKind::Dhcp6 => &config.duid,
    };
    let client_identifier = said.clone().unwrap_or_else(|| {
        // The same identity in the initramfs and after it: made from the permanent hardware address.
        let kind: &[u8] = match operator {
            OperatorKind::Dhcp4 => &[defaults::CLIENT_ID_ETHERNET],
            OperatorKind::Dhcp6 => &defaults::DUID_LL_ETHERNET,
        };
        let mac = made.stable_mac(&link, names);
        let mac = mac.and_then(|mac| mac.as_ethernet());
        mac.map(|mac| [kind, &mac[..]].concat()).unwrap_or_default()
    });
    OperatorSpec {
        operator,
        link_name: link,
        route_metric: metric,
        client_identifier,
        vendor_class: config.vendor_class.clone(),
        ignore_hostname: config.ignore_hostname.unwrap_or(false),
        ignore_routes: config.ignore_routes.unwrap_or(false),
        allow_routes: config.allow_routes.clone(),
        ignore_dns,
        first_lease_wins: config.method == AutoMethod::SingleDhcp4,
        layer,
        origin: config.origin.clone(),
        overrode: Vec::new(),
    }
}

/// Documents come lowest layer first: a later one replaces and remembers whom.
fn insert(desired: &mut Desired, mut spec: OperatorSpec) {
    let id = (spec.link_name.clone(), spec.operator);
    if let Some(old) = desired.operators.remove(&id) {
        spec.overrode = old.overrode;
        spec.overrode.push(old.origin);
    }
    desired.operators.insert(id, spec);
}
