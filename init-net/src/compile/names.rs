//! Which links a [`LinkRef`] means on this machine.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Diagnostic, Document, LinkRef, Severity};
use crate::state::LinkStatus;
use crate::value::{LinkName, Mac};

/// The links of the machine under the names they will have.
pub(super) struct Names<'a> {
    /// By index: the final name, and the link as observed.
    links: BTreeMap<u32, (LinkName, &'a LinkStatus)>,
    /// What `bootdev=` or `BOOTIF=` says.
    boot: Option<LinkRef>,
    /// Links without default treatment.
    ignored: BTreeSet<LinkName>,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        documents: &[&Document],
        links: &'a BTreeMap<u32, LinkStatus>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut named: BTreeMap<u32, (LinkName, &LinkStatus)> = links
            .iter()
            .map(|(index, link)| (*index, (link.name.clone(), link)))
            .collect();
        for rename in documents.iter().flat_map(|document| &document.names) {
            let found = named
                .iter()
                .find(|(_, (_, link))| link.is_physical() && has_mac(link, rename.mac));
            let Some(index) = found.map(|(index, _)| *index) else {
                continue;
            };
            let taken = named
                .iter()
                .any(|(other, (name, _))| *other != index && *name == rename.name);
            if taken {
                diagnostics.push(
                    Diagnostic::new(
                        Severity::Error,
                        format!(
                            "ifname={}:{}: another link has that name",
                            rename.name, rename.mac
                        ),
                    )
                    .with_fix("choose a name that the kernel does not give, such as net0 or lan0")
                    .with_effect("the link keeps its name"),
                );
            } else if let Some((name, _)) = named.get_mut(&index) {
                *name = rename.name.clone();
            }
        }
        let said =
            |pick: fn(&Document) -> Option<LinkRef>| documents.iter().rev().find_map(|d| pick(d));
        let boot = said(|d| d.boot.bootdev.as_ref().map(|said| said.value.clone()))
            .or_else(|| said(|d| d.boot.bootif.as_ref().map(|said| LinkRef::Mac(said.value))));
        let ignored = documents
            .iter()
            .flat_map(|d| &d.ignored_links)
            .map(|said| said.value.clone())
            .collect();
        Self {
            links: named,
            boot,
            ignored,
        }
    }

    /// Whether anything is known of the machine's links at all.
    pub(super) fn known(&self) -> bool {
        !self.links.is_empty()
    }

    /// The links that `link` means, by their final names. A name that no link has yet stands for itself: links may
    /// come later. Ignored links are left out of what was not said by name.
    pub(super) fn resolve(&self, link: &LinkRef) -> Vec<LinkName> {
        match link {
            LinkRef::Name(name) => vec![self.final_name(name)],
            LinkRef::Mac(mac) => {
                let by_mac = |(name, link): &&(LinkName, &LinkStatus)| {
                    link.is_physical() && has_mac(link, *mac) && !name.as_str().is_empty()
                };
                self.links
                    .values()
                    .find(by_mac)
                    .map(|(name, _)| name.clone())
                    .into_iter()
                    .collect()
            }
            LinkRef::Primary => {
                match self.boot.as_ref().filter(|boot| **boot != LinkRef::Primary) {
                    Some(boot) => self.resolve(boot),
                    None => {
                        let carrier = self.physical().find(|(_, link)| link.has_carrier());
                        let first = carrier.or_else(|| self.physical().next());
                        first.map(|(name, _)| name.clone()).into_iter().collect()
                    }
                }
            }
            LinkRef::Selector(_) => Vec::new(),
            LinkRef::Vlan { parent, id } => {
                let parents = self.resolve(parent).into_iter();
                parents
                    .map(|parent| LinkName::of_vlan(&parent, *id))
                    .collect()
            }
            LinkRef::EveryPhysical => self.physical().map(|(name, _)| name.clone()).collect(),
        }
    }

    /// Physical links in index order, without the ignored ones.
    pub(super) fn physical(&self) -> impl Iterator<Item = (&LinkName, &'a LinkStatus)> {
        let all = self.links.values().map(|(name, link)| (name, *link));
        all.filter(|(name, link)| {
            link.is_physical() && link.master_index == 0 && !self.ignored.contains(*name)
        })
    }

    /// Position of a link among the physical ones, for metrics that must differ; the links after them follow.
    pub(super) fn rank(&self, name: &LinkName) -> u32 {
        let position = self.physical().position(|(other, _)| other == name);
        u32::try_from(position.unwrap_or_else(|| self.physical().count())).unwrap_or(u32::MAX)
    }

    /// The link behind a final name.
    pub(super) fn link(&self, name: &LinkName) -> Option<&'a LinkStatus> {
        self.links
            .values()
            .find(|(final_name, _)| final_name == name)
            .map(|(_, link)| *link)
    }

    /// What `name` (kernel name, alternative name, new name) will be called.
    fn final_name(&self, name: &LinkName) -> LinkName {
        let exact = self
            .links
            .values()
            .find(|(final_name, _)| final_name == name);
        let before = || self.links.values().find(|(_, link)| link.name == *name);
        let alternative = || {
            self.links
                .values()
                .find(|(_, link)| link.alt_names.iter().any(|alt| alt == name.as_str()))
        };
        exact
            .or_else(before)
            .or_else(alternative)
            .map_or_else(|| name.clone(), |(found, _)| found.clone())
    }

    /// `(final name, link)` of every link that is renamed.
    pub(super) fn renamed(&self) -> impl Iterator<Item = (&LinkName, &'a LinkStatus)> {
        let all = self.links.values().map(|(name, link)| (name, *link));
        all.filter(|(name, link)| **name != link.name)
    }
}

/// Permanent address first: the current one changes when a link joins a bond.
fn has_mac(link: &LinkStatus, mac: Mac) -> bool {
    link.permanent_addr == Some(mac)
        || (link.permanent_addr.is_none() && link.hardware_addr == Some(mac))
        || link.hardware_addr == Some(mac)
}
