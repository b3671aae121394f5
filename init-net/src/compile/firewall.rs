//! The firewall: the default action of the highest layer; rules by name, the highest layer's wins in the place of the one
//! it replaces.

use std::sync::Arc;

use super::node_address;
use crate::config::{DefaultAction, Diagnostic, Document, FirewallRuleConfig, Severity};
use crate::state::{Desired, FirewallRuleSpec, FirewallSpec, IngressSpec};
use crate::value::{Layer, Origin};

pub(super) fn merge(
    documents: &[&Document],
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut action: Option<(DefaultAction, Layer, &Origin)> = None;
    let mut rules: Vec<(Layer, &FirewallRuleConfig)> = Vec::new();
    for document in documents {
        let layer = document.layer;
        if let Some(said) = &document.boot.firewall {
            let said_as = if said.value == "deny" {
                DefaultAction::Block
            } else {
                DefaultAction::Accept
            };
            action = Some((said_as, layer, &said.origin));
        }
        if let Some(said) = &document.firewall.default_action {
            action = Some((said.value, layer, &said.origin));
        }
        for rule in &document.firewall.rules {
            match rules.iter_mut().find(|(_, old)| old.name == rule.name) {
                Some(slot) => *slot = (layer, rule),
                None => rules.push((layer, rule)),
            }
        }
    }
    let first = rules.first().map(|(layer, rule)| (*layer, &rule.origin));
    let Some((layer, origin)) = action.map(|(_, layer, origin)| (layer, origin)).or(first) else {
        return;
    };
    let highest = rules.iter().map(|(layer, _)| *layer).max();
    diagnostics.push(
        Diagnostic::new(Severity::Note, "the firewall is not applied yet")
            .with_place(origin.into())
            .with_effect("no packet is filtered"),
    );
    desired.firewall = Some(FirewallSpec {
        accept_by_default: !matches!(action, Some((DefaultAction::Block, _, _))),
        rules: rules.iter().map(|(_, rule)| spec(rule)).collect(),
        cluster_subnets: node_address::cluster_subnets(documents),
        table: Arc::default(),
        layer: highest.map_or(layer, |highest| highest.max(layer)),
        origin: origin.clone(),
    });
}

fn spec(rule: &FirewallRuleConfig) -> FirewallRuleSpec {
    let ingress = rule.ingress.iter().map(|from| IngressSpec {
        subnet: from.subnet,
        except: from.except,
    });
    FirewallRuleSpec {
        name: rule.name.clone(),
        protocol: rule.protocol,
        ports: rule.ports.clone(),
        ingress: ingress.collect(),
        origin: rule.origin.clone(),
    }
}
