//! Membership: who joins which master, and who leaves.

use super::{Links, at};
use crate::state::{LinkSpec, LinkStatus, MasterSpec, OUR_GROUP, Op};

impl<'a> Links<'a, '_> {
    /// The master that a link has to be put into. `None`: it is there, or the master is not.
    pub(super) fn joins(&self, spec: &LinkSpec, status: &LinkStatus) -> Option<&'a LinkStatus> {
        self.master_of(spec)
            .filter(|master| master.index != status.master_index)
    }

    /// Puts it there. The kernel takes it out of the one before.
    pub(super) fn join(
        &mut self,
        link: crate::state::LinkAt,
        status: &LinkStatus,
        to: &LinkStatus,
    ) {
        self.ops.push(Op::LinkSetMaster {
            link,
            master: Some(at(to)),
            group: mark(status),
        });
    }

    /// Takes all members out of a bond that cannot change with them; they join again in the next round. `false`: one of
    /// them is not ours to move.
    pub(super) fn empty(&mut self, bond: &LinkStatus) -> bool {
        let mut members = self.members.remove(&bond.index).unwrap_or_default();
        members.retain(|member| !self.look.gone.contains(&member.index));
        let movable = |member: &&LinkStatus| {
            let wanted_here = self
                .placed
                .get(&member.index)
                .and_then(|master| self.look.named(master, self.desired));
            member.group == OUR_GROUP || wanted_here.is_some_and(|m| m.index == bond.index)
        };
        if !members.iter().all(movable) {
            return false;
        }
        for member in members {
            self.ops.push(Op::LinkSetMaster {
                link: at(member),
                master: None,
                group: mark(member),
            });
        }
        self.emptied.insert(bond.index);
        true
    }

    /// Whether it leaves a bond in this round, which closes what leaves it (__bond_release_one).
    pub(super) fn leaves_bond(&self, status: &LinkStatus) -> bool {
        let master = status.master_index;
        if status.slave_kind != "bond" {
            return false;
        }
        let stays = match self.placed.get(&status.index) {
            // While the wanted one is not there, it stays in the one it is in.
            Some(wanted) => self
                .look
                .named(wanted, self.desired)
                .is_none_or(|wanted| wanted.index == master),
            None => status.group != OUR_GROUP,
        };
        !stays || self.look.gone.contains(&master) || self.emptied.contains(&master)
    }

    /// Takes out what we once put into a master and what nothing wants in one. The mark goes with it: a card that others
    /// put into a master later must not look like ours.
    pub(super) fn release_unwanted(&mut self) {
        for status in self.look.observed().links.values() {
            let stays = self.placed.contains_key(&status.index)
                || self.look.gone.contains(&status.index)
                || self.emptied.contains(&status.master_index);
            if stays || status.group != OUR_GROUP {
                continue;
            }
            let made = !status.kind.is_empty();
            // What we made may be in the master of others, who put it there.
            let leaves = !made || self.is_our_master(status.master_index);
            if leaves {
                self.ops.push(Op::LinkSetMaster {
                    link: at(status),
                    master: None,
                    group: if made { OUR_GROUP } else { 0 },
                });
            }
        }
    }

    fn is_our_master(&self, index: u32) -> bool {
        let Some(master) = self.look.links.get(&index) else {
            return false;
        };
        // With the master goes the membership.
        !self.look.gone.contains(&index)
            && (super::is_ours(master) || self.desired.links.contains_key(&master.name))
    }
}

/// The group of a member: cards get ours, which tells later who put them there; what others made keeps theirs, or it
/// would look as if we had made it.
fn mark(status: &LinkStatus) -> u32 {
    if status.kind.is_empty() {
        OUR_GROUP
    } else {
        status.group
    }
}

/// Whether joining takes a link that is down (bond_enslave, drivers/net/bonding/bond_main.c).
pub(super) fn joins_down(spec: &LinkSpec) -> bool {
    matches!(spec.master, Some(MasterSpec::Bond(_)))
}
