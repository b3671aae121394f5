//! Who belongs to which bond, bridge or VRF.

use std::collections::BTreeMap;

use super::draft::{Draft, Statement};
use super::fault;
use crate::config::{Diagnostic, Severity};
use crate::state::{BondSlave, KindSpec, MasterSpec, Slave};
use crate::value::{Gather as _, Layer, LinkName, Origin};

/// One master that says it has a link, or one link that says it has a master.
struct Claim {
    layer: Layer,
    order: usize,
    origin: Origin,
    member: LinkName,
    master: MasterSpec,
}

/// Gives every member its master: that of the highest layer, and within a layer that of the first line. A second one
/// in the same layer is an error; `lists` are the members that masters say they have.
pub(super) fn settle(
    drafts: &mut BTreeMap<LinkName, Draft>,
    lists: &BTreeMap<LinkName, Vec<LinkName>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for claim in claims(drafts, lists) {
        let draft = drafts
            .entry(claim.member.clone())
            .or_insert_with(|| Draft::new(claim.layer, &claim.origin));
        match &draft.master.won {
            None => {
                let by = Statement {
                    layer: claim.layer,
                    order: claim.order,
                    origin: &claim.origin,
                };
                draft.master.say(Some(claim.master), &by);
            }
            Some(old) if old.value.name() == claim.master.name() => {}
            Some(old) if old.layer > claim.layer => draft.master.lose(claim.origin),
            Some(old) => {
                let (member, first) = (&claim.member, old.value.name());
                let message = format!(
                    "{member} is in two masters, {first} and {}",
                    claim.master.name()
                );
                diagnostics.push(
                    fault(Severity::Error, message, &claim.origin)
                        .with_fix("leave it in one of them")
                        .with_effect(format!("{} stands", old.origin)),
                );
                draft.master.lose(claim.origin);
            }
        }
    }
    // A primary that another master took away is none.
    let master_of: BTreeMap<LinkName, LinkName> = drafts
        .iter()
        .filter_map(|(name, draft)| Some((name.clone(), draft.master.value()?.name().clone())))
        .gather();
    for (name, draft) in drafts.iter_mut() {
        if let Some(won) = &mut draft.kind.won
            && let KindSpec::Bond { primary, .. } = &mut won.value
        {
            primary.take_if(|primary| master_of.get(primary) != Some(name));
        }
    }
}

/// All claims, the highest layer first, in the order said.
fn claims(
    drafts: &BTreeMap<LinkName, Draft>,
    lists: &BTreeMap<LinkName, Vec<LinkName>>,
) -> Vec<Claim> {
    let mut claims: Vec<Claim> = Vec::new();
    for (name, draft) in drafts {
        if let Some(bridge) = &draft.bridge.won {
            claims.push(Claim {
                layer: bridge.layer,
                order: bridge.order,
                origin: bridge.origin.clone(),
                member: name.clone(),
                master: MasterSpec::Bridge(Slave {
                    master_name: bridge.value.clone(),
                }),
            });
        }
        let Some(kind) = &draft.kind.won else {
            continue;
        };
        for (index, member) in (0..).zip(lists.get(name).into_iter().flatten()) {
            let master_name = name.clone();
            let master = match &kind.value {
                KindSpec::Bond { .. } => MasterSpec::Bond(BondSlave {
                    master_name,
                    slave_index: index,
                }),
                KindSpec::Bridge { .. } => MasterSpec::Bridge(Slave { master_name }),
                KindSpec::Vrf { .. } => MasterSpec::Vrf(Slave { master_name }),
                _ => continue,
            };
            claims.push(Claim {
                layer: kind.layer,
                order: kind.order,
                origin: kind.origin.clone(),
                member: member.clone(),
                master,
            });
        }
    }
    claims.sort_by_key(|claim| (core::cmp::Reverse(claim.layer), claim.order));
    claims
}
