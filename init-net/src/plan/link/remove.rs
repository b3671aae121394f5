//! Links of ours that go: those that nothing wants any more, and those that have to be made again.

use std::collections::{BTreeMap, HashSet};

use super::{Links, MAX_DEPTH, at, below, goes_with_below, is_ours};
use crate::state::{KindSpec, Op};
use crate::value::Gather as _;

impl Links<'_, '_> {
    /// Deletes them, but for those that the kernel deletes with what they stand on.
    pub(super) fn remove(&mut self) {
        let doomed = self.doomed();
        self.look.gone.extend(doomed.keys());
        for (index, again) in doomed {
            let Some(status) = self.look.links.get(&index) else {
                continue;
            };
            // Of a pair, both ends are below the other one.
            let peer = self.look.links.get(&below(status));
            let first_of_pair =
                status.kind == "veth" && peer.is_some_and(|peer| status.name < peer.name);
            if goes_with_below(status) && self.falls(below(status)) && !first_of_pair {
                continue;
            }
            self.ops.push(Op::LinkDel {
                link: at(status),
                kind: status.kind.clone(),
                again,
            });
        }
    }

    /// Whether it goes in this round, or something further below that takes it along.
    pub(super) fn falls(&self, mut index: u32) -> bool {
        for _ in 0..MAX_DEPTH {
            if self.look.gone.contains(&index) {
                return true;
            }
            match self.look.links.get(&index) {
                Some(status) if goes_with_below(status) => index = below(status),
                _ => return false,
            }
        }
        false
    }

    /// By index, with the reason of those that are made again.
    fn doomed(&self) -> BTreeMap<u32, Option<&'static str>> {
        let wanted = self.wanted();
        let ours = self.look.observed().links.values().filter(|s| is_ours(s));
        let unwanted = ours
            .map(|status| status.index)
            .filter(|index| !wanted.contains(index))
            .map(|index| (index, None));
        let unfit = self.desired.links.values().filter_map(|spec| {
            let status = self.look.found(spec).filter(|status| is_ours(status))?;
            let reason = self.judge(spec, status).err()?;
            Some((status.index, Some(reason)))
        });
        unwanted.chain(unfit).gather()
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
