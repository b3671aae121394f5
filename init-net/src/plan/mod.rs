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
mod firewall;
pub mod forecast;
mod link;
mod look;
mod order;
mod route;
mod rule;
mod slot;
mod sysctl;
#[cfg(test)]
mod tests;
mod wireguard;

use crate::state::{Desired, Observed, Op};

use look::Look;
pub use slot::{Slots, is_silent};

/// What to do so that `observed` becomes `desired`, in the order to do it. Empty when nothing is to do.
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Op> {
    let mut look = Look::new(observed);
    let mut ops = Vec::new();
    firewall::plan(desired, observed, &mut ops);
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

/// Rounds that are looked ahead. Masters and parents come a round before what is on them, a bond whose mode changes takes
/// two: more than this is a configuration that never settles, and shows as what is repeated.
const MAX_ROUNDS: usize = 16;

/// What it takes to make `observed` what is `desired`, all rounds of it: what is made on links that are yet to be made is
/// in it. An op that the kernel would refuse is shown once and left.
pub fn ahead(desired: &Desired, observed: &Observed) -> Vec<Op> {
    let mut state = observed.clone();
    let (mut all, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..MAX_ROUNDS {
        let mut ops = plan(desired, &state);
        ops.retain(|op| !refused.contains(op));
        if ops.is_empty() {
            break;
        }
        for op in &ops {
            if forecast::change(&mut state, op).is_err() {
                refused.push(op.clone());
            }
        }
        all.append(&mut ops);
    }
    all
}
