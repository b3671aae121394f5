//! The firewall: the default action of the highest layer; rules by name, the highest layer's wins in the place of the one
//! it replaces. What it comes to is a table of nf_tables: [`base`] has what is in force without a rule, [`lower`] makes the
//! rules, [`ranges`] is the arithmetic of their networks, and [`runs`] has those that are one set together.

mod base;
mod check;
mod lower;
mod members;
mod ranges;
mod runs;
mod sets;
mod space;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub(super) use members::check as check_members;

use super::node_address;
use crate::config::{
    DefaultAction, Diagnostic, Document, FirewallRuleConfig, IngressConfig, PodsToHost, PortConfig,
    RuleVerdict as Said,
};
use crate::state::{
    Desired, FirewallRuleSpec, FirewallSpec, IngressSpec, LimitSpec, ManagementSpec,
    PodsToHostSpec, PortSpec, RuleVerdict, VipElection, VrrpSpec,
};
use crate::value::{Layer, LinkName, LinkPattern, Origin, Prefix};

pub(super) fn merge(
    documents: &[&Document],
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut action: Option<(DefaultAction, Layer, &Origin)> = None;
    let mut egress: Option<(DefaultAction, Layer, &Origin)> = None;
    let mut rules: Vec<(Layer, &FirewallRuleConfig)> = Vec::new();
    // By name: with ten thousand rules a search among those before would take longer than the kernel does.
    let mut places: HashMap<&str, usize> = HashMap::new();
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
        if let Some(said) = &document.firewall.egress_action {
            egress = Some((said.value, layer, &said.origin));
        }
        for rule in &document.firewall.rules {
            let at = *places.entry(rule.name.as_str()).or_insert(rules.len());
            match rules.get_mut(at) {
                Some(slot) => *slot = (layer, rule),
                None => rules.push((layer, rule)),
            }
        }
    }
    let first = rules.first().map(|(layer, rule)| (*layer, &rule.origin));
    let said = action.or(egress).map(|(_, layer, origin)| (layer, origin));
    let Some((layer, origin)) = said.or(first) else {
        return;
    };
    let highest = rules.iter().map(|(layer, _)| *layer).max();
    let mut spec = FirewallSpec {
        accept_by_default: !matches!(action, Some((DefaultAction::Block, _, _))),
        egress_accept_by_default: egress.map(|(action, _, _)| action == DefaultAction::Accept),
        rules: rules
            .iter()
            .map(|(_, rule)| rule_spec(rule, desired))
            .collect(),
        layer: highest.map_or(layer, |highest| highest.max(layer)),
        ..FirewallSpec::closed(origin.clone())
    };
    around(&mut spec, documents, desired);
    spec.table = Arc::new(lower::table(&spec));
    let rules = core::mem::take(&mut spec.rules);
    spec.fallback = Arc::new(lower::table(&spec));
    spec.rules = rules;
    check::check(&spec, documents, diagnostics);
    desired.firewall = Some(spec);
}

/// What is not a rule: all documents add to it, but for what pods may reach, where the highest layer counts.
fn around(spec: &mut FirewallSpec, documents: &[&Document], desired: &Desired) {
    spec.cluster_subnets = node_address::cluster_subnets(documents);
    let mut peers = Vec::new();
    for document in documents {
        let said = &document.firewall;
        spec.trusted_links
            .extend(said.trusted_links.iter().cloned());
        peers.extend(said.vrrp_peers.iter().copied());
        let management = said.management.iter().map(|port| ManagementSpec {
            protocol: port.value.protocol,
            ports: port.value.ports,
            origin: port.origin.clone(),
        });
        spec.management.extend(management);
        if let Some(said) = &said.pods_to_host {
            spec.pods_to_host = Some(PodsToHostSpec {
                subnets: pods(documents),
                ports: match &said.value {
                    PodsToHost::All => None,
                    PodsToHost::Ports(ports) => Some(ports.iter().map(port_spec).collect()),
                },
            });
        }
    }
    spec.trusted_links = with_own_links(&spec.trusted_links, desired);
    spec.trusted_links.sort();
    spec.trusted_links.dedup();
    peers.sort();
    peers.dedup();
    // Machines that speak to each other alone say who they are; to the group anybody of the link may speak.
    let elections = desired.vips.values().filter_map(|vip| match &vip.election {
        VipElection::Vrrp(election) => Some(election),
        VipElection::Etcd(_) => None,
    });
    let elections: Vec<_> = elections.collect();
    let shared = !elections.is_empty();
    if shared && elections.iter().all(|election| !election.peers.is_empty()) {
        let all = elections.iter().flat_map(|election| &election.peers);
        peers.extend(all.map(|peer| Prefix::host(*peer)));
        peers.sort();
        peers.dedup();
    }
    spec.vrrp = (shared || !peers.is_empty()).then_some(VrrpSpec { peers });
}

/// `named`, and the links with virtual hardware addresses that stand on them: what comes for a shared address comes in by those.
fn with_own_links(named: &[LinkPattern], desired: &Desired) -> Vec<LinkPattern> {
    let mut links = named.to_vec();
    for vip in desired.vips.values() {
        let Some(own) = vip.own_link() else { continue };
        let names = |link: &LinkName| named.iter().any(|named| named.matches(link.as_str()));
        if names(&vip.link_name) && !names(own) {
            links.push(own.clone().into());
        }
    }
    links
}

/// Networks of pods, sorted, each once.
fn pods(documents: &[&Document]) -> Vec<Prefix> {
    let subnets = documents
        .iter()
        .flat_map(|document| &document.cluster.pod_subnets);
    let mut subnets: Vec<Prefix> = subnets.map(|said| said.value).collect();
    subnets.sort();
    subnets.dedup();
    subnets
}

fn port_spec(port: &PortConfig) -> PortSpec {
    PortSpec {
        protocol: port.protocol,
        ports: port.ports,
    }
}

fn rule_spec(rule: &FirewallRuleConfig, desired: &Desired) -> FirewallRuleSpec {
    let subnets = |list: &[IngressConfig]| {
        let subnets = list.iter().map(|from| IngressSpec {
            subnet: from.subnet,
            except: from.except,
        });
        subnets.collect()
    };
    FirewallRuleSpec {
        name: rule.name.clone(),
        action: rule.action.map(|action| match action {
            Said::Accept => RuleVerdict::Accept,
            Said::Drop => RuleVerdict::Drop,
            Said::Reject => RuleVerdict::Reject,
        }),
        interfaces: with_own_links(&rule.interfaces, desired),
        protocol: rule.protocol,
        ports: rule.ports.clone(),
        services: rule.services.clone(),
        icmp_types: rule.icmp_types.clone(),
        ingress: subnets(&rule.ingress),
        egress: subnets(&rule.egress),
        limit: rule.limit.map(|limit| LimitSpec {
            rate: limit.rate,
            burst: limit.burst,
        }),
        log: rule.log.clone(),
        origin: rule.origin.clone(),
    }
}
