//! Names of our own on links. One that moves to another link leaves the first. One that nobody asks for any more is left:
//! it does not say who gave it.

use std::collections::BTreeSet;

use super::look::Look;
use crate::state::{Desired, LinkAt, Op};
use crate::value::Gather as _;

pub(super) fn plan(desired: &Desired, observed: &Look<'_>, ops: &mut Vec<Op>) {
    let mut named = BTreeSet::new();
    for spec in desired.aliases.values() {
        let Some((link, _)) = super::at(&spec.link_name, desired, observed) else {
            continue;
        };
        named.insert(link.index);
        let now = observed.links.get(&link.index);
        let now = now.and_then(|status| status.alias.as_deref());
        if now != Some(spec.alias.as_str()) {
            ops.push(Op::LinkSetAlias {
                link,
                alias: Some(spec.alias.clone()),
            });
        }
    }
    let ours: BTreeSet<&str> = desired
        .aliases
        .values()
        .map(|spec| spec.alias.as_str())
        .gather();
    for status in observed.links.values() {
        let taken = status
            .alias
            .as_deref()
            .is_some_and(|alias| ours.contains(alias));
        if taken && !named.contains(&status.index) {
            ops.push(Op::LinkSetAlias {
                link: LinkAt {
                    index: status.index,
                    name: status.name.clone(),
                },
                alias: None,
            });
        }
    }
}
