//! A link that is there: name, addresses, options, membership, administrative state.

use super::kind::Change;
use super::master::joins_down;
use super::{Links, below};
use crate::state::{LinkAt, LinkSpec, LinkStatus, MasterSpec, Op, iff};
use crate::value::Mac;

impl<'a> Links<'a, '_> {
    pub(super) fn change(&mut self, spec: &'a LinkSpec, status: &'a LinkStatus, change: Change) {
        self.follow_below(status);
        let now = super::at(status);
        // Alternative names reach a link as well: only `ifname=` renames.
        let rename = spec.renamed_from.is_some() && status.name != spec.name;
        let name = if rename { &spec.name } else { &status.name };
        let link = LinkAt {
            index: status.index,
            name: name.clone(),
        };
        let mac = self.mac(spec, status);
        let master = self.joins(spec, status);
        // Drivers of cards refuse it otherwise; what is only software changes it while it runs (IFF_LIVE_ADDR_CHANGE).
        let down_for_mac = mac.is_some() && status.kind.is_empty();
        let down_to_join = master.is_some() && joins_down(spec);
        // With a member that is not ours the change fails, and is reported: nothing is bounced for it.
        let possible = !change.empty || self.empty(status);
        let down_for_kind = change.down && possible;
        let needs_down =
            status.is_up() && (rename || down_for_mac || down_to_join || down_for_kind);
        if needs_down {
            self.taken_down.insert(status.index);
            self.ops.push(Op::LinkSetUp {
                link: now.clone(),
                up: false,
            });
        }
        if rename {
            self.ops.push(Op::LinkRename {
                link: now,
                name: spec.name.clone(),
            });
        }
        if let Some(mac) = mac {
            let link = link.clone();
            self.ops.push(Op::LinkSetMac { link, mac });
        }
        if let Some(kind) = change.kind {
            self.ops.push(Op::LinkSetKind {
                link: link.clone(),
                kind: Box::new(kind),
                primary: change.primary,
            });
        }
        if let Some(master) = &master {
            self.join(link.clone(), status, master);
        }
        self.bridge(spec, status);
        if let Some(mtu) = spec.mtu.filter(|mtu| status.mtu != mtu.bytes()) {
            let link = link.clone();
            self.ops.push(Op::LinkSetMtu { link, mtu });
        }
        let multicast = status.flags & iff::MULTICAST != 0;
        if let Some(on) = spec.multicast.filter(|on| *on != multicast) {
            let link = link.clone();
            self.ops.push(Op::LinkSetMulticast { link, on });
        }
        let up = spec.up.unwrap_or_else(|| status.is_up());
        let is_up = status.is_up() && !needs_down;
        // The bond that is made in this round takes it down again, and up.
        if up && master.is_none() && self.awaits_bond(spec, status) {
            return;
        }
        self.set_up(link, status, up, is_up);
    }

    /// A VLAN goes down with what it stands on, and comes up with it (vlan_device_event, net/8021q/vlan.c).
    fn follow_below(&mut self, status: &LinkStatus) {
        let Some(on) = self.look.links.get(&below(status)) else {
            return;
        };
        if status.kind != "vlan" {
            return;
        }
        if self.taken_down.contains(&on.index) || self.leaves_bond(on) {
            self.taken_down.insert(status.index);
        }
        if !self.up.contains(&on.index) || self.leaves_bond(on) {
            self.up.remove(&status.index);
        }
    }

    /// A member of a bond has the hardware address that the bond gives it: one of its own counts before it joins.
    fn mac(&self, spec: &LinkSpec, status: &LinkStatus) -> Option<Mac> {
        let is_member = matches!(spec.master, Some(MasterSpec::Bond(_)))
            && self
                .master_of(spec)
                .is_some_and(|bond| bond.index == status.master_index);
        spec.hardware_addr
            .filter(|mac| status.hardware_addr != Some(*mac) && !is_member)
    }

    /// Whether it is down and not yet in the bond that some source wants made for it.
    fn awaits_bond(&self, spec: &LinkSpec, status: &LinkStatus) -> bool {
        let Some(MasterSpec::Bond(slave)) = &spec.master else {
            return false;
        };
        let bond = self.desired.links.get(&slave.master_name);
        let is_member = self
            .master_of(spec)
            .is_some_and(|bond| bond.index == status.master_index);
        !status.is_up() && !is_member && bond.is_some_and(|bond| bond.kind.is_made())
    }

    fn set_up(&mut self, link: LinkAt, status: &LinkStatus, up: bool, is_up: bool) {
        if !up {
            self.up.remove(&status.index);
            self.taken_down.insert(status.index);
        }
        if up == is_up {
            return;
        }
        if up {
            // ENETDOWN (vlan_dev_open, macvlan_open): the round after the parent came up.
            let needs_below = ["vlan", "macvlan", "ipvlan"].contains(&status.kind.as_str());
            let falls =
                |below: &LinkStatus| !self.up.contains(&below.index) || self.leaves_bond(below);
            if needs_below && self.look.links.get(&below(status)).is_some_and(falls) {
                return;
            }
            self.up.insert(status.index);
        }
        self.ops.push(Op::LinkSetUp { link, up });
    }
}
