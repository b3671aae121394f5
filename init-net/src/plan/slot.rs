//! [`Slots`]: which routes of others a plan has to know of. A hundred thousand of a CNI's are none of them.

use std::collections::HashSet;

use crate::state::{Desired, Family, OUR_PROTOCOL, RouteSpec, RouteStatus};
use crate::value::{Prefix, RouteTable};

/// What the kernel tells two routes apart by (fib_find_alias; fib6_add_rt2node).
pub(super) type Slot = (RouteTable, Family, Option<Prefix>, u32);

/// The slot that `spec` wants.
pub(super) fn wanted(spec: &RouteSpec) -> Slot {
    (spec.table, spec.family, spec.dst, spec.priority)
}

/// The slot that `status` is in.
pub(super) fn taken(status: &RouteStatus) -> Slot {
    (status.table, status.family, status.dst, status.priority)
}

/// The slots of the desired routes.
pub struct Slots {
    wanted: HashSet<Slot>,
    lengths: HashSet<(Family, u8)>,
}

impl Slots {
    /// Those of `desired`.
    pub fn of(desired: &Desired) -> Self {
        let wanted: HashSet<Slot> = desired.routes.values().map(wanted).collect();
        let length = |(_, family, dst, _): &Slot| (*family, dst.map_or(0, |dst| dst.len()));
        Self {
            lengths: wanted.iter().map(length).collect(),
            wanted,
        }
    }

    /// Whether a route to a destination of `dst_len` bits may be one that [`Slots::concern`] us.
    pub fn may_hold(&self, family: Family, dst_len: u8) -> bool {
        dst_len == 0 || self.lengths.contains(&(family, dst_len))
    }

    /// Whether `route` is ours, or in a slot that we want, or a default route, which decides readiness whoever made it.
    pub fn concern(&self, route: &RouteStatus) -> bool {
        route.protocol == OUR_PROTOCOL || is_default(route) || self.wanted.contains(&taken(route))
    }
}

/// Whether it is a default route, of whatever table: each rings when it comes or goes.
fn is_default(route: &RouteStatus) -> bool {
    route.dst.is_none()
}

/// Whether `route` is one of others that concerns us and does not ring.
pub fn is_silent(route: &RouteStatus) -> bool {
    route.protocol != OUR_PROTOCOL && !is_default(route)
}
