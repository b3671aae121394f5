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
mod order;
mod route;
mod rule;
mod sysctl;
#[cfg(test)]
mod tests;
mod wireguard;

use crate::state::{Desired, LinkAt, LinkSpec, LinkStatus, Observed, Op};

/// What to do so that `observed` becomes `desired`, in the order to do it. Empty when nothing is to do.
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Op> {
    let mut ops = Vec::new();
    link::plan(desired, observed, &mut ops);
    alias::plan(desired, observed, &mut ops);
    ethernet::plan(desired, observed, &mut ops);
    sysctl::plan(desired, observed, &mut ops);
    wireguard::plan(desired, observed, &mut ops);
    address::plan(desired, observed, &mut ops);
    route::plan(desired, observed, &mut ops);
    rule::plan(desired, observed, &mut ops);
    file::plan(desired, observed, &mut ops);
    order::sort(&mut ops);
    ops
}

/// The link that `spec` is about, under the name it has now.
fn found<'a>(spec: &LinkSpec, observed: &'a Observed) -> Option<&'a LinkStatus> {
    let before = spec
        .renamed_from
        .as_ref()
        .and_then(|name| observed.link(name));
    observed.link(&spec.name).or(before)
}

/// The link called `name` in `desired`, as observed, with the name that ops print.
fn at(
    name: &crate::value::LinkName,
    desired: &Desired,
    observed: &Observed,
) -> Option<(LinkAt, bool)> {
    let spec = desired.links.get(name);
    let status = match spec {
        Some(spec) => found(spec, observed),
        None => observed.link(name),
    }?;
    let up = spec
        .and_then(|spec| spec.up)
        .unwrap_or_else(|| status.is_up());
    Some((
        LinkAt {
            index: status.index,
            name: spec.map_or(&status.name, |spec| &spec.name).clone(),
        },
        up,
    ))
}
