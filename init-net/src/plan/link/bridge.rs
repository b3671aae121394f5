//! Bridges: options of the bridge, of its ports, and the VLANs on both.

use super::differ::differing;
use super::{Links, at};
use crate::state::{KindSpec, LinkSpec, LinkStatus, MasterSpec, Op};
use crate::value::{BridgeOptions, BridgePortOptions, BridgeVlan, Gather as _};

/// Hundredths of a second by which a time may differ: the kernel counts in jiffies, which with 250 of them in a second
/// hold no odd hundredth.
const TIME_TOLERANCE: u32 = 1;

/// What to change so that a bridge that is `have` becomes `want`.
pub(super) fn change(want: &BridgeOptions, have: &BridgeOptions) -> Option<BridgeOptions> {
    let mut change = differing!(
        BridgeOptions,
        want,
        have,
        [
            stp,
            priority,
            forward_delay,
            hello_time,
            max_age,
            ageing_time,
            vlan_filtering,
            vlan_protocol,
            default_pvid,
            multicast_snooping,
            multicast_querier,
            group_forward_mask,
        ]
    );
    for (slot, have) in [
        (&mut change.forward_delay, have.forward_delay),
        (&mut change.hello_time, have.hello_time),
        (&mut change.max_age, have.max_age),
        (&mut change.ageing_time, have.ageing_time),
    ] {
        let same = |time: &u32| have.is_some_and(|have| time.abs_diff(have) <= TIME_TOLERANCE);
        *slot = slot.filter(|time| !same(time));
    }
    (change != BridgeOptions::default()).then_some(change)
}

fn port_change(want: &BridgePortOptions, have: &BridgePortOptions) -> BridgePortOptions {
    differing!(
        BridgePortOptions,
        want,
        have,
        [
            cost,
            priority,
            hairpin,
            guard,
            root_block,
            fast_leave,
            learning,
            flood,
            multicast_flood,
            broadcast_flood,
            proxy_arp,
            isolated,
        ]
    )
}

impl Links<'_, '_> {
    /// Options and VLANs of a port that is one already, and the VLANs of a bridge itself.
    pub(super) fn bridge(&mut self, spec: &LinkSpec, status: &LinkStatus) {
        if let KindSpec::Bridge {
            vlans: Some(vlans), ..
        } = &spec.kind
        {
            self.vlans(status, vlans, true);
        }
        let is_port = matches!(spec.master, Some(MasterSpec::Bridge(_)))
            && self
                .master_of(spec)
                .is_some_and(|master| master.index == status.master_index);
        if !is_port {
            return;
        }
        if let Some(have) = &status.bridge_port {
            let port = port_change(&spec.bridge_port, have);
            if !port.is_empty() {
                let link = at(status);
                self.ops.push(Op::LinkSetPort { link, port });
            }
        }
        if let Some(vlans) = &spec.bridge_vlans {
            self.vlans(status, vlans, false);
        }
    }

    /// New VLANs come before old ones go. One that is not dumped is not compared: the bridge does not look at tags.
    fn vlans(&mut self, status: &LinkStatus, want: &[BridgeVlan], own: bool) {
        let Some(have) = self.look.observed().bridge_vlans.get(&status.index) else {
            return;
        };
        let have: std::collections::BTreeSet<BridgeVlan> = have.iter().copied().gather();
        let ids: std::collections::BTreeSet<_> = want.iter().map(|vlan| vlan.id).gather();
        for vlan in want.iter().filter(|vlan| !have.contains(vlan)) {
            self.ops.push(Op::BridgeVlanAdd {
                link: at(status),
                vlan: *vlan,
                own,
            });
        }
        for vlan in have.into_iter().filter(|vlan| !ids.contains(&vlan.id)) {
            self.ops.push(Op::BridgeVlanDel {
                link: at(status),
                vlan,
                own,
            });
        }
    }
}
