//! Whether a link that is there can become what is wanted, and what of its kind to change for that.

use super::differ::differs;
use super::{Links, at, bridge};
use crate::state::{KindSpec, KindStatus, LinkAt, LinkSpec, LinkStatus};
use crate::value::{LinkName, MacvlanMode, VxlanOptions};

/// Options of its kind to change in place.
#[derive(Default)]
pub(super) struct Change {
    /// What changes; `None`: nothing.
    pub kind: Option<KindSpec>,
    /// The preferred member of a bond, when that changes.
    pub primary: Option<LinkAt>,
    /// The kernel changes it only while the link is down.
    pub down: bool,
    /// The kernel changes it only while the bond has no members.
    pub empty: bool,
}

/// Why a link has to be made again; as `plan` prints it.
type Reason = &'static str;

impl<'a> Links<'a, '_> {
    /// What to change in `status`, or why that is impossible.
    pub(super) fn judge(&self, spec: &LinkSpec, status: &'a LinkStatus) -> Result<Change, Reason> {
        if !spec.kind.is_made() {
            return Ok(Change::default());
        }
        if status.kind != spec.kind.name() {
            return Err("another kind");
        }
        if let Some(parent) = spec.kind.parent() {
            self.judge_parent(parent, status)?;
        }
        let kind = match (&spec.kind, &status.kind_data) {
            (
                KindSpec::Vlan { id, protocol, .. },
                Some(KindStatus::Vlan { id: i, protocol: p }),
            ) => {
                if (id, protocol) != (i, p) {
                    return Err("another tag");
                }
                None
            }
            (KindSpec::Vrf { table }, Some(KindStatus::Vrf { table: have })) => {
                if table != have {
                    return Err("another table");
                }
                None
            }
            (KindSpec::Veth { peer }, _) => {
                // One whose other end was given to another namespace has what it was made for.
                let other = self.look.links.get(&status.link_index);
                if other.is_some_and(|other| other.name != *peer) {
                    return Err("another peer");
                }
                None
            }
            (
                KindSpec::Bond { options, primary },
                Some(KindStatus::Bond {
                    options: have,
                    primary_index,
                    ..
                }),
            ) => {
                let primary = primary.as_ref().and_then(|name| {
                    self.look
                        .named(name, self.desired)
                        // Known to the kernel, and reported, only while it is a member.
                        .filter(|member| member.master_index == status.index)
                        .filter(|member| member.index != *primary_index)
                        .filter(|member| !self.leaves_bond(member))
                });
                return Ok(super::bond::change(options, primary.map(at), have));
            }
            (KindSpec::Bridge { options, .. }, Some(KindStatus::Bridge(have))) => {
                bridge::change(options, have).map(|options| KindSpec::Bridge {
                    options,
                    vlans: None,
                })
            }
            (KindSpec::Macvlan { parent, mode }, Some(KindStatus::Macvlan { mode: have })) => {
                let mode = mode.filter(|mode| mode != have);
                // macvlan_changelink, drivers/net/macvlan.c.
                if mode.is_some() && [mode, Some(*have)].contains(&Some(MacvlanMode::Passthru)) {
                    return Err("passthru is for life");
                }
                mode.map(|mode| KindSpec::Macvlan {
                    parent: parent.clone(),
                    mode: Some(mode),
                })
            }
            (KindSpec::Ipvlan { parent, mode }, Some(KindStatus::Ipvlan { mode: have })) => mode
                .filter(|mode| mode != have)
                .map(|mode| KindSpec::Ipvlan {
                    parent: parent.clone(),
                    mode: Some(mode),
                }),
            (
                KindSpec::Vxlan { parent, options },
                Some(KindStatus::Vxlan { options: have, .. }),
            ) => vxlan(options, have)?.map(|options| KindSpec::Vxlan {
                parent: parent.clone(),
                options,
            }),
            // Nothing to set, or nothing that can be read.
            _ => None,
        };
        Ok(Change {
            kind,
            ..Change::default()
        })
    }

    fn judge_parent(&self, parent: &LinkName, status: &LinkStatus) -> Result<(), Reason> {
        // While the parent is not there, there is nothing better to stand on.
        let wanted = self.look.named(parent, self.desired);
        if wanted.is_some_and(|parent| parent.index != super::below(status)) {
            return Err("another parent");
        }
        Ok(())
    }
}

/// vxlan_nl2conf, drivers/net/vxlan/vxlan_core.c: not the identifier, not the port, not the family of an address.
fn vxlan(want: &VxlanOptions, have: &VxlanOptions) -> Result<Option<VxlanOptions>, Reason> {
    if want.vni != have.vni {
        return Err("another network identifier");
    }
    if differs(&want.port, &have.port).is_some() {
        return Err("another port");
    }
    let missing_or_other = |want: Option<core::net::IpAddr>, have: Option<core::net::IpAddr>| {
        want.is_some_and(|want| have.is_none_or(|have| want.is_ipv4() != have.is_ipv4()))
    };
    if missing_or_other(want.local, have.local) || missing_or_other(want.remote, have.remote) {
        return Err("another family");
    }
    let change = VxlanOptions {
        vni: want.vni,
        local: differs(&want.local, &have.local),
        remote: differs(&want.remote, &have.remote),
        port: None,
        learning: differs(&want.learning, &have.learning),
        ttl: differs(&want.ttl, &have.ttl),
    };
    let nothing = VxlanOptions {
        vni: want.vni,
        ..VxlanOptions::default()
    };
    Ok((change != nothing).then_some(change))
}
