//! What the core remembers of the kernel where the kernel itself does not: former names of links, and whose addresses are.

use std::collections::BTreeSet;

use super::{Core, Outcome};
use crate::state::{AddressOp, OUR_PROTOCOL, Observed, Op};
use crate::value::{Gather as _, LinkName, Prefix};

impl Core {
    /// A link that somebody renamed (udev of the real root does) answers to its former name as well, or everything that is
    /// configured by name would be taken off it.
    pub(super) fn keep_names(&mut self, observed: &mut Observed) {
        let present: BTreeSet<LinkName> = observed
            .links
            .values()
            .map(|link| link.name.clone())
            .gather();
        for (name, index) in &self.names {
            if let Some(link) = observed
                .links
                .get_mut(index)
                .filter(|_| !present.contains(name))
            {
                link.alt_names.push(name.to_string());
            }
        }
        for link in observed.links.values() {
            let ours = link.is_physical() || self.desired.links.contains_key(&link.name);
            if ours && self.names.get(&link.name) != Some(&link.index) {
                self.names.insert(link.name.clone(), link.index);
                self.revision += 1;
            }
        }
        self.names
            .retain(|_, index| observed.links.contains_key(index));
        // An address went with its link, and indexes are not given out again.
        self.owned
            .retain(|key| link_of(key).is_some_and(|index| observed.links.contains_key(&index)));
    }

    /// Linux 5.18 and later say who made an address (the kernel marks those of loopback itself); before, we remember.
    pub(super) fn mark_owned(&self, observed: &mut Observed) {
        if observed
            .addresses
            .iter()
            .any(|address| address.protocol != 0)
        {
            return;
        }
        for address in &mut observed.addresses {
            if self
                .owned
                .contains(&owned_key(address.link_index, &address.address))
            {
                address.protocol = OUR_PROTOCOL;
            }
        }
    }

    pub(super) fn remember(&mut self, outcome: &Outcome) {
        let changed = match (&outcome.op, &outcome.result) {
            (Op::AddressReplace(AddressOp { link, address, .. }), Ok(())) => {
                self.owned.insert(owned_key(link.index, address))
            }
            (Op::AddressDel { link, address, .. }, Ok(())) => {
                self.owned.remove(&owned_key(link.index, address))
            }
            _ => false,
        };
        self.revision += u64::from(changed);
    }

    /// Whether the state file should be written again.
    pub fn needs_saving(&self) -> bool {
        self.revision != self.saved_revision
    }

    /// The state file holds what there is now.
    pub fn saved(&mut self) {
        self.saved_revision = self.revision;
    }
}

/// `<index of the link>/<address>/<length>`: stays right when the link is renamed.
pub(super) fn owned_key(link_index: u32, address: &Prefix) -> String {
    format!("{link_index}/{address}")
}

/// The index in an [`owned_key`].
fn link_of(key: &str) -> Option<u32> {
    key.split_once('/')?.0.parse().ok()
}
