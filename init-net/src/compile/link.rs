//! Links: field-wise, a higher layer replaces what it says and leaves the rest.

use super::names::Names;
use super::operator;
use crate::config::{Diagnostic, Document, KindConfig, LinkConfig, LinkRef, Severity};
use crate::state::{Desired, LinkSpec};
use crate::value::{Layer, LinkName, Origin};

pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let loopback: LinkName = "lo".parse().expect("lo is a link name");
    set(
        desired,
        loopback,
        Layer::Default,
        &Origin::builtin("(loopback up)"),
        |link| link.up = Some(true),
    );
    for (name, before) in names.renamed() {
        let origin = documents
            .iter()
            .flat_map(|d| &d.names)
            .find(|rename| rename.name == *name);
        let origin = origin.map_or_else(|| Origin::builtin(""), |rename| rename.origin.clone());
        set(desired, name.clone(), Layer::Cmdline, &origin, |link| {
            link.renamed_from = Some(before.name.clone())
        });
    }
    // A link that carries anything is up, unless a document says otherwise below.
    let carriers: Vec<(LinkName, Layer, Origin)> = desired
        .operators
        .values()
        .map(|spec| (spec.link_name.clone(), spec.layer, spec.origin.clone()))
        .chain(
            desired
                .addresses
                .values()
                .map(|a| (a.link_name.clone(), a.layer, a.origin.clone())),
        )
        .collect();
    for (name, layer, origin) in carriers {
        if layer != Layer::Operator {
            set(desired, name, layer, &origin, |link| link.up = Some(true));
        }
    }
    for config in documents
        .iter()
        .flat_map(|d| d.operators.iter().map(|o| (d.layer, o)))
    {
        for name in names.resolve(&config.1.link) {
            set(desired, name, config.0, &config.1.origin, |link| {
                link.up = Some(true)
            });
        }
    }
    let origin = Origin::builtin("(a link of which nothing is said is up)");
    for name in operator::default_links(documents, names) {
        set(desired, name, Layer::Default, &origin, |link| {
            link.up = Some(true)
        });
    }
    for document in documents {
        for config in &document.links {
            if let Some(kind) = &config.kind {
                diagnostics.push(not_applied(config, kind));
                continue;
            }
            for name in names.resolve(&config.link) {
                set(desired, name, document.layer, &config.origin, |link| {
                    link.up = config.up.or(link.up);
                    link.mtu = config.mtu.or(link.mtu);
                    link.hardware_addr = config.mac.or(link.hardware_addr);
                });
            }
        }
    }
}

/// Changes the spec of `name`; documents come lowest layer first, so a change overrides what is there.
fn set(
    desired: &mut Desired,
    name: LinkName,
    layer: Layer,
    origin: &Origin,
    change: impl FnOnce(&mut LinkSpec),
) {
    let link = desired
        .links
        .entry(name.clone())
        .or_insert_with(|| LinkSpec::new(name, layer, origin.clone()));
    let before = link.clone();
    change(link);
    if layer >= link.layer && link.origin != *origin {
        // Only a value that really lost counts as overridden.
        let lost = (before.mtu.is_some() && before.mtu != link.mtu)
            || (before.up.is_some() && before.up != link.up)
            || (before.hardware_addr.is_some() && before.hardware_addr != link.hardware_addr);
        if lost {
            link.overrode.push(before.origin);
        }
        link.layer = layer;
        link.origin = origin.clone();
    }
}

fn not_applied(config: &LinkConfig, kind: &KindConfig) -> Diagnostic {
    let kind = match kind {
        KindConfig::Vlan { .. } => "VLANs",
        KindConfig::Bond { .. } => "bonds",
        KindConfig::Bridge { .. } => "bridges",
        KindConfig::Team { .. } => "teams",
        KindConfig::Vrf { .. } => "VRFs",
        KindConfig::Dummy => "dummies",
        KindConfig::Veth { .. } => "veths",
        KindConfig::Wireguard(_) => "WireGuard links",
        KindConfig::Macvlan { .. } => "macvlans",
        KindConfig::Ipvlan { .. } => "ipvlans",
        KindConfig::Vxlan { .. } => "vxlans",
    };
    let name = match &config.link {
        LinkRef::Name(name) => name.to_string(),
        LinkRef::Mac(mac) => mac.to_string(),
        LinkRef::Primary | LinkRef::EveryPhysical | LinkRef::Selector(_) | LinkRef::Vlan { .. } => {
            String::new()
        }
    };
    Diagnostic::new(Severity::Note, format!("{kind} are not applied yet"))
        .with_place((&config.origin).into())
        .with_effect(format!(
            "{name} is not created; what is configured on it waits"
        ))
}
