//! Routing rules: same family and priority, the highest layer wins; within a layer the first one stays.

use super::names::Names;
use crate::config::{Diagnostic, Document, RuleConfig, Severity};
use crate::state::{Desired, Family, RuleSpec};
use crate::value::{Layer, RuleAction};

pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for document in documents {
        for config in &document.rules {
            let families = match families(config) {
                Ok(families) => families,
                Err(fault) => {
                    diagnostics.push(*fault);
                    continue;
                }
            };
            if config.action == RuleAction::Unicast && config.table.is_none() {
                diagnostics.push(no_table(config));
                continue;
            }
            let mut clash = None;
            for family in families {
                let spec = spec(config, *family, names, document.layer);
                clash = insert(desired, spec).or(clash);
            }
            diagnostics.extend(clash.map(|stays| same_priority(config, &stays)));
        }
    }
}

/// The family of source and destination; both where neither is said.
fn families(config: &RuleConfig) -> Result<&'static [Family], Box<Diagnostic>> {
    let of = |prefix: Option<crate::value::Prefix>| prefix.map(|p| Family::of(p.address()));
    match (of(config.src), of(config.dst)) {
        (None, None) => Ok(&[Family::Inet4, Family::Inet6]),
        (Some(src), Some(dst)) if src != dst => Err(Diagnostic::new(
            Severity::Error,
            "source and destination of the rule are of two address families",
        )
        .with_place((&config.origin).into())
        .with_fix("write one rule for each family")
        .with_effect("the rule is left out")
        .into()),
        (Some(Family::Inet4), _) | (_, Some(Family::Inet4)) => Ok(&[Family::Inet4]),
        _ => Ok(&[Family::Inet6]),
    }
}

fn spec(config: &RuleConfig, family: Family, names: &Names<'_>, layer: Layer) -> RuleSpec {
    let looks_up = config.action == RuleAction::Unicast;
    RuleSpec {
        family,
        priority: config.priority,
        // `0.0.0.0/0` is everything, which the kernel reports as nothing.
        src: config.src.map(|p| p.network()).filter(|p| !p.is_default()),
        dst: config.dst.map(|p| p.network()).filter(|p| !p.is_default()),
        action: config.action,
        table: config
            .table
            .filter(|_| looks_up)
            .map_or(0, |table| table.id()),
        iif_name: config.iif_name.as_ref().map(|name| names.final_name(name)),
        oif_name: config.oif_name.as_ref().map(|name| names.final_name(name)),
        fw_mark: config.fw_mark.unwrap_or(0),
        // A mark without mask is compared whole (fib_nl2rule).
        fw_mask: match (config.fw_mark, config.fw_mask) {
            (None, _) => 0,
            (Some(_), mask) => mask.unwrap_or(u32::MAX),
        },
        suppress_prefix_length: config.suppress_prefix_length,
        layer,
        origin: config.origin.clone(),
        overrode: Vec::new(),
    }
}

/// Documents come lowest layer first. Answers with the rule that stays when `spec` does not.
fn insert(desired: &mut Desired, mut spec: RuleSpec) -> Option<RuleSpec> {
    if let Some(old) = desired.rules.get(&spec.id()) {
        if old.layer == spec.layer {
            return Some(old.clone());
        }
        spec.overrode = old.overrode.clone();
        spec.overrode.push(old.origin.clone());
    }
    desired.rules.insert(spec.id(), spec);
    None
}

fn no_table(config: &RuleConfig) -> Diagnostic {
    let message = format!("rule {}: no table to look up", config.priority);
    Diagnostic::new(Severity::Error, message)
        .with_place((&config.origin).into())
        .with_fix("say which table, or another action")
        .with_effect("the rule is left out")
}

fn same_priority(config: &RuleConfig, stays: &RuleSpec) -> Diagnostic {
    let message = format!("two rules with priority {}", config.priority);
    Diagnostic::new(Severity::Warning, message)
        .with_place((&config.origin).into())
        .with_fix("give one of them another priority")
        .with_effect(format!("that of {} stays", stays.origin))
}
