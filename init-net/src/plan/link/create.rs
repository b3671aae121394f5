//! A link that is not there.

use super::{Links, at, bond};
use crate::state::{KindSpec, LinkAdd, LinkSpec, MasterSpec, Op};

impl<'a> Links<'a, '_> {
    /// Makes it, once what it stands on is there. Members of it, keys, ports and VLANs come in the next round, which
    /// knows its index.
    pub(super) fn create(&mut self, spec: &'a LinkSpec) {
        if !spec.kind.is_made() || self.comes_with_its_peer(spec) {
            return;
        }
        let below = match spec.kind.parent() {
            Some(parent) => {
                let status = self.look.named(parent, self.desired);
                let Some(status) = status.filter(|s| !self.look.gone.contains(&s.index)) else {
                    return;
                };
                Some(status)
            }
            None => None,
        };
        // A bond that changes in this round must stay empty for it: joining ranks behind the change, making before it.
        let master = self
            .master_of(spec)
            .filter(|master| !self.emptied.contains(&master.index));
        // The bond brings it up, and takes no member that is.
        let joins_bond = master.is_some() && matches!(spec.master, Some(MasterSpec::Bond(_)));
        // Making ranks behind taking down and before bringing up.
        let stands_up = below.is_none_or(|below| {
            below.is_up() && !self.taken_down.contains(&below.index) && !self.leaves_bond(below)
        });
        // Keys and kernel parameters count from the first packet.
        let waits =
            matches!(spec.kind, KindSpec::Wireguard(_)) || self.tuned.contains(spec.name.as_str());
        let fits_below = |mtu: &crate::value::Mtu| below.is_none_or(|b| mtu.bytes() <= b.mtu);
        let kind = match &spec.kind {
            KindSpec::Bond { options, primary } => KindSpec::Bond {
                options: bond::effective(options, None),
                primary: primary.clone(),
            },
            kind => kind.clone(),
        };
        self.ops.push(Op::LinkAdd(Box::new(LinkAdd {
            name: spec.name.clone(),
            kind,
            parent: below.map(at),
            master: master.map(at),
            mac: spec.hardware_addr,
            // A parent whose MTU is raised in this round has it only after.
            mtu: spec.mtu.filter(fits_below),
            up: spec.up == Some(true) && !joins_bond && stands_up && !waits,
        })));
    }

    /// A pair is made once, by the end whose name comes first; an end whose other one is there cannot be made at all.
    fn comes_with_its_peer(&self, spec: &LinkSpec) -> bool {
        let KindSpec::Veth { peer } = &spec.kind else {
            return false;
        };
        match self.look.link(peer) {
            // Ours: it is made again in this round, or this end of it is in another namespace. Of others: in the way,
            // and the kernel shall say so.
            Some(other) => super::is_ours(other),
            None => *peer < spec.name && self.desired.links.contains_key(peer),
        }
    }
}
