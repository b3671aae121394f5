//! Names of our own for physical links, given by what they are and not by the order in which they were found.
//!
//! Documents are taken by name, links by permanent address: numbers stay the same as long as the machine has the same
//! cards. A link has one alias; a fixed name that fits several links is given to none.

use std::collections::BTreeSet;

use super::names::Names;
use crate::config::expression::{LinkFacts, OPERATIONAL_STATES};
use crate::config::{AliasConfig, Diagnostic, Document, Severity};
use crate::state::{AliasSpec, Desired, LinkStatus};
use crate::value::{Layer, LinkName};

/// How many candidates an error lists.
const MAX_LISTED: usize = 6;

/// The aliases and the indexes of their links.
pub(super) fn find(
    documents: &[&Document],
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(LinkName, u32)> {
    give(documents, names, diagnostics)
        .into_iter()
        .map(|(spec, index)| (spec.alias, index))
        .collect()
}

/// [`Desired::aliases`]; what is wrong was reported when the names were made.
pub(super) fn merge(documents: &[&Document], names: &Names<'_>, desired: &mut Desired) {
    for (spec, _) in give(documents, names, &mut Vec::new()) {
        desired.aliases.insert(spec.link_name.clone(), spec);
    }
}

fn give(
    documents: &[&Document],
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(AliasSpec, u32)> {
    let mut configs: Vec<(Layer, &AliasConfig)> = documents
        .iter()
        .flat_map(|d| d.aliases.iter().map(|alias| (d.layer, alias)))
        .collect();
    if configs.is_empty() {
        return Vec::new();
    }
    configs.sort_by(|(layer, a), (other, b)| (&a.name, other).cmp(&(&b.name, layer)));
    let mut candidates: Vec<(&LinkName, &LinkStatus)> = names.cards().collect();
    candidates.sort_by_key(|(name, link)| (link.stable_mac(), *name));
    let mut given: Vec<(AliasSpec, u32)> = Vec::new();
    let mut taken: BTreeSet<LinkName> = BTreeSet::new();
    for (layer, config) in configs {
        let fits = |link: &LinkStatus| config.matches.eval(&facts(link)).unwrap_or(false);
        let (found, others): (Vec<_>, Vec<_>) =
            candidates.iter().copied().partition(|(_, link)| fits(link));
        match found.as_slice() {
            [] if names.known() => diagnostics.push(no_match(config)),
            [_, _, ..] if !config.numbered => {
                diagnostics.push(ambiguous(config, &found));
                continue;
            }
            _ => {}
        }
        candidates = others;
        for (number, (name, link)) in found.into_iter().enumerate() {
            let alias = if config.numbered {
                format!("{}{number}", config.name)
            } else {
                config.name.clone()
            };
            let Ok(alias) = alias.parse::<LinkName>() else {
                diagnostics.push(not_a_name(config, &alias));
                continue;
            };
            if names.exists(&alias) && alias != *name {
                diagnostics.push(name_of_another(config, &alias));
                continue;
            }
            if !taken.insert(alias.clone()) {
                continue;
            }
            let spec = AliasSpec {
                link_name: name.clone(),
                alias,
                layer,
                origin: config.origin.clone(),
            };
            given.push((spec, link.index));
        }
    }
    given
}

/// What an expression can ask of `link`.
fn facts(link: &LinkStatus) -> LinkFacts<'_> {
    let card = &link.card;
    let state = OPERATIONAL_STATES
        .iter()
        .find(|(_, name)| *name == link.operational_state);
    let number = state.and_then(|(number, _)| u8::try_from(*number).ok());
    LinkFacts {
        alias: link.alias.as_deref().unwrap_or_default(),
        alt_names: &link.alt_names,
        index: link.index,
        hw_type: link.hw_type,
        link_index: link.link_index,
        flags: link.flags,
        hardware_addr: bytes(&link.hardware_addr),
        permanent_addr: bytes(&link.permanent_addr),
        mtu: link.mtu,
        master_index: link.master_index,
        operational_state: number.unwrap_or_default(),
        kind: &link.kind,
        slave_kind: &link.slave_kind,
        bus_path: said(&card.bus_path),
        pci_id: said(&card.pci_id),
        driver: said(&link.driver),
        driver_version: said(&card.driver_version),
        product_id: said(&card.product_id),
        vendor_id: said(&card.vendor_id),
        product: said(&card.product),
        vendor: said(&card.vendor),
        link_state: link.is_up() && link.has_carrier(),
        speed_mbit: card.speed_mbit.unwrap_or_default(),
        duplex: match card.full_duplex {
            // DUPLEX_FULL, DUPLEX_HALF, DUPLEX_UNKNOWN.
            Some(true) => 1,
            Some(false) => 0,
            None => 0xff,
        },
        ..LinkFacts::default()
    }
}

fn said(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

fn bytes(mac: &Option<crate::value::Mac>) -> &[u8] {
    mac.as_ref()
        .map(crate::value::Mac::as_bytes)
        .unwrap_or_default()
}

fn no_match(config: &AliasConfig) -> Diagnostic {
    let message = format!("no link of this machine fits the alias {}", config.name);
    Diagnostic::new(Severity::Warning, message)
        .with_place((&config.origin).into())
        .with_effect("it is given when such a link appears")
}

fn ambiguous(config: &AliasConfig, found: &[(&LinkName, &LinkStatus)]) -> Diagnostic {
    let name = &config.name;
    let message = format!("{} links fit the alias {name}", found.len());
    Diagnostic::new(Severity::Error, message)
        .with_place((&config.origin).into())
        .with_fix(format!(
            "match one of {}, or write {name}%d to number them",
            list(found.iter().map(|(name, _)| *name))
        ))
        .with_effect("none of them is called so")
}

/// `eth0, eth1 and 3 more`.
pub(super) fn list<'n>(names: impl Iterator<Item = &'n LinkName>) -> String {
    let names: Vec<&str> = names.map(LinkName::as_str).collect();
    match names.get(MAX_LISTED..) {
        Some(more) if !more.is_empty() => {
            let shown: Vec<&str> = names.iter().take(MAX_LISTED).copied().collect();
            format!("{} and {} more", shown.join(", "), more.len())
        }
        _ => names.join(", "),
    }
}

fn not_a_name(config: &AliasConfig, alias: &str) -> Diagnostic {
    let rule = alias.parse::<LinkName>().err();
    let rule = rule.map_or_else(String::new, |rule| rule.to_string());
    Diagnostic::new(Severity::Error, format!("alias {alias}: {rule}"))
        .with_place((&config.origin).into())
        .with_effect("the link is not called so")
}

fn name_of_another(config: &AliasConfig, alias: &LinkName) -> Diagnostic {
    Diagnostic::new(
        Severity::Error,
        format!("alias {alias}: a link has that name"),
    )
    .with_place((&config.origin).into())
    .with_fix("choose a name that no link has")
    .with_effect(format!("{alias} means the link of that name"))
}
