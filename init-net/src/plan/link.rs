//! Links: name, hardware address, MTU, administrative state.

use crate::state::{Desired, LinkAt, Observed, Op};

pub(super) fn plan(desired: &Desired, observed: &Observed, ops: &mut Vec<Op>) {
    for spec in desired.links.values() {
        let Some(status) = super::found(spec, observed) else {
            continue;
        };
        let now = LinkAt {
            index: status.index,
            name: status.name.clone(),
        };
        let then = LinkAt {
            index: status.index,
            name: spec.name.clone(),
        };
        // Alternative names reach a link as well: only `ifname=` renames.
        let rename = spec.renamed_from.is_some() && status.name != spec.name;
        let link = if rename { then.clone() } else { now.clone() };
        let mac = spec
            .hardware_addr
            .filter(|mac| status.hardware_addr != Some(*mac));
        let needs_down = (rename || mac.is_some()) && status.is_up();
        if needs_down {
            ops.push(Op::LinkSetUp {
                link: now.clone(),
                up: false,
            });
        }
        if rename {
            ops.push(Op::LinkRename {
                link: now,
                name: spec.name.clone(),
            });
        }
        if let Some(mac) = mac {
            ops.push(Op::LinkSetMac {
                link: link.clone(),
                mac,
            });
        }
        if let Some(mtu) = spec.mtu.filter(|mtu| status.mtu != mtu.bytes()) {
            ops.push(Op::LinkSetMtu {
                link: link.clone(),
                mtu,
            });
        }
        let up = spec.up.unwrap_or_else(|| status.is_up());
        let is_up = status.is_up() && !needs_down;
        if up != is_up {
            ops.push(Op::LinkSetUp { link, up });
        }
    }
}
