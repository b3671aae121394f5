//! Names of our own on links. One that nobody asks for is left: it does not say who gave it.

use super::look::Look;
use crate::state::{Desired, Op};

pub(super) fn plan(desired: &Desired, observed: &Look<'_>, ops: &mut Vec<Op>) {
    for spec in desired.aliases.values() {
        let Some((link, _)) = super::at(&spec.link_name, desired, observed) else {
            continue;
        };
        let now = observed.links.get(&link.index);
        let now = now.and_then(|status| status.alias.as_deref());
        if now != Some(spec.alias.as_str()) {
            ops.push(Op::LinkSetAlias {
                link,
                alias: Some(spec.alias.clone()),
            });
        }
    }
}
