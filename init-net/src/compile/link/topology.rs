//! What cannot be built as a whole: circles, too many links above each other, one tag twice.

use std::collections::BTreeMap;

use super::graph::{Edges, MAX_DEPTH, walk};
use super::{Links, fault};
use crate::config::{Diagnostic, Severity};
use crate::state::KindSpec;
use crate::value::{LinkName, VlanId, VlanProtocol};

/// Leaves out the links that cannot be made.
pub(super) fn judge(links: &mut Links, diagnostics: &mut Vec<Diagnostic>) {
    tags(links, diagnostics);
    circles(links, diagnostics);
    pairs(links, diagnostics);
}

impl Links {
    /// What stands on what.
    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (name, draft) in &self.drafts {
            if let Some(parent) = draft.kind.value().and_then(KindSpec::parent) {
                edges.entry(name.clone()).or_default().push(parent.clone());
            }
            if let Some(master) = draft.master.value() {
                let master = master.name().clone();
                edges.entry(master).or_default().push(name.clone());
            }
        }
        edges
    }

    /// Leaves a link out, and lets its members go.
    fn refuse(&mut self, name: &LinkName) {
        self.drafts.remove(name);
        self.refused.insert(name.clone());
    }

    /// Members of what is left out belong to nobody.
    fn release_members(&mut self) {
        let refused = &self.refused;
        for draft in self.drafts.values_mut() {
            let gone = |master: &crate::state::MasterSpec| refused.contains(master.name());
            if draft.master.value().is_some_and(gone) {
                draft.master.clear();
            }
        }
        // Members of which nothing else is said were there for their master alone.
        self.drafts
            .retain(|_, draft| draft.named || draft.master.won.is_some());
    }
}

fn circles(links: &mut Links, diagnostics: &mut Vec<Diagnostic>) {
    let edges = links.edges();
    let found = walk(&edges);
    for circle in &found.circles {
        let origin = circle.iter().find_map(|name| links.drafts.get(name));
        let Some(origin) = origin.map(|draft| draft.origin().clone()) else {
            continue;
        };
        let names: Vec<&str> = circle
            .iter()
            .chain(circle.first())
            .map(LinkName::as_str)
            .collect();
        let message = format!("links stand on each other: {}", names.join(" on "));
        diagnostics.push(
            fault(Severity::Error, message, &origin)
                .with_fix("take one of them out of the circle")
                .with_effect("none of them is made; all other links are"),
        );
    }
    let deep = found.depth.iter().filter(|(_, depth)| **depth > MAX_DEPTH);
    let mut refused: Vec<LinkName> = found.circles.iter().flatten().cloned().collect();
    for (name, depth) in deep {
        if let Some(draft) = links.drafts.get(name).filter(|_| *depth == MAX_DEPTH + 1) {
            let message =
                format!("{name} stands on {MAX_DEPTH} links, which is more than the kernel allows");
            diagnostics.push(
                fault(Severity::Error, message, draft.origin())
                    .with_effect("it is not made, nor what stands on it"),
            );
        }
        // A card at the top of a chain is no member of it any more; it stays.
        if links
            .drafts
            .get(name)
            .is_some_and(|draft| draft.kind.won.is_some())
        {
            refused.push(name.clone());
        }
    }
    for name in &refused {
        links.refuse(name);
    }
    links.release_members();
}

/// One tag of one protocol on one parent: the kernel takes it once.
fn tags(links: &mut Links, diagnostics: &mut Vec<Diagnostic>) {
    let mut vlans: Vec<_> = links
        .drafts
        .iter()
        .filter_map(|(name, draft)| match &draft.kind.won {
            Some(won) => match &won.value {
                KindSpec::Vlan {
                    parent,
                    id,
                    protocol,
                } => Some((won, (parent.clone(), *id, *protocol), name.clone())),
                _ => None,
            },
            None => None,
        })
        .collect();
    vlans.sort_by_key(|(won, _, _)| (core::cmp::Reverse(won.layer), won.order));
    let mut seen: BTreeMap<(LinkName, VlanId, VlanProtocol), LinkName> = BTreeMap::new();
    let mut refused = Vec::new();
    for (won, tag, name) in vlans {
        let Some(first) = seen.get(&tag) else {
            seen.insert(tag, name);
            continue;
        };
        let (parent, id, _) = &tag;
        let message = format!("{name}: {first} has VLAN {id} of {parent} already");
        diagnostics.push(
            fault(Severity::Error, message, &won.origin)
                .with_fix("give it another id, or leave one of the two out")
                .with_effect(format!("{name} is not made")),
        );
        refused.push(name);
    }
    for name in refused {
        links.refuse(&name);
    }
}

/// Both ends of a veth name each other. An end of which nothing is said is made, too: there is no half pair.
fn pairs(links: &mut Links, diagnostics: &mut Vec<Diagnostic>) {
    let ends: Vec<(LinkName, LinkName)> = links
        .drafts
        .iter()
        .filter_map(|(name, draft)| match draft.kind.value() {
            Some(KindSpec::Veth { peer }) => Some((name.clone(), peer.clone())),
            _ => None,
        })
        .collect();
    for (name, peer) in ends {
        let Some(draft) = links.drafts.get(&name) else {
            continue;
        };
        let other = links.drafts.get(&peer).and_then(|draft| draft.kind.value());
        if matches!(other, Some(KindSpec::Veth { peer }) if *peer == name) {
            continue;
        }
        let message = format!("{name}: its other end {peer} is not a veth that names {name}");
        diagnostics.push(
            fault(Severity::Error, message, draft.origin())
                .with_fix(format!("describe {peer} as the other end of {name}"))
                .with_effect("the pair is not made"),
        );
        links.refuse(&name);
    }
    links.release_members();
}
