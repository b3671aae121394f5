//! Links: made, changed in place, made again, put into a master, taken away.
//!
//! A round does for a link what is possible with the indexes of the last dump; what stands on something that is made in
//! this round comes in the next one. Whose a link is, its group tells ([`OUR_GROUP`]): ours are deleted when nothing wants
//! them or when the kernel cannot change them; those of others are changed in place where they fit, and never deleted.

mod bond;
mod bridge;
mod change;
mod create;
mod differ;
mod kind;
mod master;
mod remove;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::look::Look;
use crate::state::{Desired, KindStatus, LinkAt, LinkSpec, LinkStatus, MasterSpec, OUR_GROUP, Op};
use crate::value::LinkName;

pub(super) fn plan<'a>(desired: &'a Desired, look: &mut Look<'a>, ops: &mut Vec<Op>) {
    let mut links = Links::new(desired, look, ops);
    links.remove();
    for spec in in_order(desired, links.look) {
        links.settle(spec);
    }
    links.release_unwanted();
}

/// The planning of links, from the bottom up.
struct Links<'a, 'p> {
    desired: &'a Desired,
    look: &'p mut Look<'a>,
    ops: &'p mut Vec<Op>,
    /// Who is in a master, by its index.
    members: HashMap<u32, Vec<&'a LinkStatus>>,
    /// Which link is wanted in which master.
    placed: HashMap<u32, &'a LinkName>,
    /// Links that are up at the end of this round.
    up: HashSet<u32>,
    /// Links that are down in the course of it.
    taken_down: HashSet<u32>,
    /// Bonds that give up their members in this round, to take them again in the next.
    emptied: HashSet<u32>,
    /// Links that have kernel parameters: those must be set before the link is up.
    tuned: HashSet<&'a str>,
}

impl<'a, 'p> Links<'a, 'p> {
    fn new(desired: &'a Desired, look: &'p mut Look<'a>, ops: &'p mut Vec<Op>) -> Self {
        let mut members: HashMap<u32, Vec<&LinkStatus>> = HashMap::new();
        let mut up = HashSet::new();
        for status in look.observed().links.values() {
            if status.master_index != 0 {
                members.entry(status.master_index).or_default().push(status);
            }
            if status.is_up() {
                up.insert(status.index);
            }
        }
        let placed = desired.links.values().filter_map(|spec| {
            let master = spec.master.as_ref()?;
            Some((look.found(spec)?.index, master.name()))
        });
        Self {
            desired,
            members,
            placed: placed.collect(),
            up,
            taken_down: HashSet::new(),
            emptied: HashSet::new(),
            tuned: desired
                .sysctls
                .keys()
                .flat_map(|key| key.segments())
                .collect(),
            look,
            ops,
        }
    }

    fn settle(&mut self, spec: &'a LinkSpec) {
        let Some(status) = self.look.found(spec) else {
            return self.create(spec);
        };
        if self.falls(status.index) {
            self.look.gone.insert(status.index);
            return;
        }
        match self.judge(spec, status) {
            Ok(change) => self.change(spec, status, change),
            // Not ours, or it would be gone: the kernel refuses the new one, and says so until the other one has left.
            Err(_) => self.create(spec),
        }
    }

    /// The master that `spec` asks for, when it is there, is what it should be, and stays.
    fn master_of(&self, spec: &LinkSpec) -> Option<&'a LinkStatus> {
        let master = spec.master.as_ref()?;
        let kind = match master {
            MasterSpec::Bond(_) => "bond",
            MasterSpec::Bridge(_) => "bridge",
            MasterSpec::Vrf(_) => "vrf",
        };
        self.look
            .named(master.name(), self.desired)
            .filter(|status| status.kind == kind && !self.look.gone.contains(&status.index))
    }
}

fn at(status: &LinkStatus) -> LinkAt {
    LinkAt {
        index: status.index,
        name: status.name.clone(),
    }
}

/// A link that we made. A network card in our group is one that we put into a master.
fn is_ours(status: &LinkStatus) -> bool {
    status.group == OUR_GROUP && !status.kind.is_empty()
}

/// The link that it stands on, or the other end of a pair; 0 none.
fn below(status: &LinkStatus) -> u32 {
    match status.kind_data {
        // No IFLA_LINK in kernels before 6.13.
        Some(KindStatus::Vxlan { parent_index, .. }) => parent_index,
        _ => status.link_index,
    }
}

/// Whether the kernel deletes it together with [`below`].
fn goes_with_below(status: &LinkStatus) -> bool {
    ["vlan", "veth", "macvlan", "ipvlan", "vxlan"].contains(&status.kind.as_str())
}

/// Levels of links on links. The kernel allows 8 (MAX_NEST_DEV, include/linux/netdevice.h), of masters and parents each;
/// a loop, which no kernel makes, ends here.
const MAX_DEPTH: usize = 16;

/// Parents before what stands on them, masters before members, members in their order.
fn in_order<'a>(desired: &'a Desired, look: &Look<'a>) -> Vec<&'a LinkSpec> {
    // What it is on while the wanted parent is not there.
    let meanwhile = |spec: &LinkSpec| {
        let parent = spec.kind.parent()?;
        if look.named(parent, desired).is_some() {
            return None;
        }
        Some(&look.links.get(&below(look.found(spec)?))?.name)
    };
    let mut depths: HashMap<&LinkName, usize> = HashMap::new();
    for depth in 1..=MAX_DEPTH {
        let mut deeper = Vec::new();
        for (name, spec) in &desired.links {
            let master = spec.master.as_ref().map(MasterSpec::name);
            let stands_on = [spec.kind.parent(), master, meanwhile(spec)]
                .into_iter()
                .flatten();
            // At depth n is what stands on something at depth n - 1.
            let reaches = |on: &LinkName| {
                desired.links.contains_key(on) && depths.get(on).copied().unwrap_or(0) + 1 == depth
            };
            if stands_on.into_iter().any(reaches) {
                deeper.push(name);
            }
        }
        if deeper.is_empty() {
            break;
        }
        depths.extend(deeper.into_iter().map(|name| (name, depth)));
    }
    let mut specs: Vec<&LinkSpec> = desired.links.values().collect();
    specs.sort_by_key(|spec| {
        let slave = match &spec.master {
            Some(MasterSpec::Bond(slave)) => slave.slave_index,
            Some(MasterSpec::Bridge(_) | MasterSpec::Vrf(_)) | None => 0,
        };
        (depths.get(&spec.name).copied().unwrap_or(0), slave)
    });
    specs
}
