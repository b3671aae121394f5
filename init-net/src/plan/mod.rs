//! [`Desired`] × [`Observed`] to an ordered list of [`Op`]s. A function: no IO, no clock, cannot fail.
//!
//! Every decision of what to change is here; whoever applies the ops looks at nothing. The rules:
//! - compare only what we set: flags, scopes and lifetimes that the kernel chose are not looked at;
//! - remove only what is ours (protocol [`OUR_PROTOCOL`](crate::state::OUR_PROTOCOL));
//! - what is right already, whoever made it, is left alone;
//! - what depends on something that is not there yet is not planned: the next round, after the next dump, plans it.

mod address;
mod alias;
mod ethernet;
mod file;
mod link;
mod look;
#[cfg(test)]
pub(crate) mod model;
mod order;
mod route;
mod rule;
mod sysctl;
#[cfg(test)]
mod tests;
mod wireguard;

use crate::state::{Desired, Observed, Op};

use look::Look;

/// What to do so that `observed` becomes `desired`, in the order to do it. Empty when nothing is to do.
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Op> {
    let mut look = Look::new(observed);
    let mut ops = Vec::new();
    link::plan(desired, &mut look, &mut ops);
    alias::plan(desired, &look, &mut ops);
    ethernet::plan(desired, &look, &mut ops);
    sysctl::plan(desired, observed, &mut ops);
    wireguard::plan(desired, &look, &mut ops);
    address::plan(desired, &look, &mut ops);
    route::plan(desired, &look, &mut ops);
    rule::plan(desired, observed, &mut ops);
    file::plan(desired, observed, &mut ops);
    order::sort(&mut ops);
    ops
}

/// The link called `name` in `desired`, with the name that ops print, and whether it is to be up.
fn at(
    name: &crate::value::LinkName,
    desired: &Desired,
    look: &Look<'_>,
) -> Option<(crate::state::LinkAt, bool)> {
    look.at(name, desired)
}
