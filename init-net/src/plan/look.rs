//! [`Look`]: what was observed, with an index by name, and without what this plan takes away.

use core::ops::Deref;
use std::collections::{HashMap, HashSet};

use crate::state::{Desired, LinkAt, LinkSpec, LinkStatus, Observed};
use crate::value::LinkName;

/// [`Observed`], made for being asked about links thousands of times.
pub(super) struct Look<'a> {
    observed: &'a Observed,
    names: HashMap<&'a str, &'a LinkStatus>,
    /// Links that this plan deletes, and what the kernel deletes with them.
    pub gone: HashSet<u32>,
}

impl<'a> Look<'a> {
    pub(super) fn new(observed: &'a Observed) -> Self {
        let links = observed.links.values();
        let alternative = links
            .clone()
            .flat_map(|link| link.alt_names.iter().map(move |alt| (alt.as_str(), link)));
        // A name beats an alternative name: it comes later and stays.
        let names = alternative.chain(links.map(|link| (link.name.as_str(), link)));
        Self {
            observed,
            names: names.collect(),
            gone: HashSet::new(),
        }
    }

    /// What was observed, for as long as that lives.
    pub(super) fn observed(&self) -> &'a Observed {
        self.observed
    }

    /// The link of that name or alternative name.
    pub(super) fn link(&self, name: &LinkName) -> Option<&'a LinkStatus> {
        self.names.get(name.as_str()).copied()
    }

    /// The link that `spec` is about, under the name it has now.
    pub(super) fn found(&self, spec: &LinkSpec) -> Option<&'a LinkStatus> {
        let before = || self.link(spec.renamed_from.as_ref()?);
        self.link(&spec.name).or_else(before)
    }

    /// The link called `name` in `desired`.
    pub(super) fn named(&self, name: &LinkName, desired: &Desired) -> Option<&'a LinkStatus> {
        match desired.links.get(name) {
            Some(spec) => self.found(spec),
            None => self.link(name),
        }
    }

    /// The link called `name` in `desired`, with the name that ops print, and whether it is to be up. `None` for one that
    /// is not there, or not for long.
    pub(super) fn at(&self, name: &LinkName, desired: &Desired) -> Option<(LinkAt, bool)> {
        let status = self.named(name, desired)?;
        if self.gone.contains(&status.index) {
            return None;
        }
        let spec = desired.links.get(name);
        let up = spec
            .and_then(|spec| spec.up)
            .unwrap_or_else(|| status.is_up());
        let name = spec.map_or(&status.name, |spec| &spec.name).clone();
        let index = status.index;
        Some((LinkAt { index, name }, up))
    }
}

impl Deref for Look<'_> {
    type Target = Observed;

    fn deref(&self) -> &Observed {
        self.observed
    }
}
