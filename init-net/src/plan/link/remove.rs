//! Links of ours that nothing wants any more.

use std::collections::HashSet;

use super::{Links, at, below, goes_with_below, is_ours};
use crate::state::{KindSpec, Op};

impl Links<'_, '_> {
    /// Deletes them, but for those that the kernel deletes with what they stand on.
    pub(super) fn remove_unwanted(&mut self) {
        let wanted = self.wanted();
        let unwanted = |index: u32| {
            let status = self.look.links.get(&index);
            status.is_some_and(is_ours) && !wanted.contains(&index)
        };
        let mut gone = Vec::new();
        for status in self.look.observed().links.values() {
            if !unwanted(status.index) {
                continue;
            }
            gone.push(status.index);
            let under = below(status);
            // Of a pair, both ends are below the other one.
            let peer = self.look.links.get(&under);
            let first_of_pair =
                status.kind == "veth" && peer.is_some_and(|peer| status.name < peer.name);
            if goes_with_below(status) && unwanted(under) && !first_of_pair {
                continue;
            }
            self.ops.push(Op::LinkDel {
                link: at(status),
                kind: status.kind.clone(),
                again: None,
            });
        }
        self.look.gone.extend(gone);
    }

    /// Links that something wants made, and the other ends of pairs.
    fn wanted(&self) -> HashSet<u32> {
        let specs = self.desired.links.values();
        let made = specs.filter(|spec| spec.kind.is_made());
        made.flat_map(|spec| {
            let peer = match &spec.kind {
                KindSpec::Veth { peer } => self.look.link(peer),
                _ => None,
            };
            [self.look.found(spec), peer]
        })
        .flatten()
        .map(|status| status.index)
        .collect()
    }
}
