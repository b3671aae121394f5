//! Which links a [`LinkRef`] means on this machine.

use std::collections::{BTreeMap, BTreeSet};

use super::selector::Selector;
use crate::config::{DeviceSelector, Diagnostic, Document, IfName, LinkRef, Severity};
use crate::state::LinkStatus;
use crate::value::{Gather as _, LinkName, Mac};

/// The links of the machine under the names they will have. Every look-up is one of a map: thousands of VLANs and routes
/// ask.
pub(super) struct Names<'a> {
    /// By index: the final name, and the link as observed.
    links: BTreeMap<u32, (LinkName, &'a LinkStatus)>,
    /// Indexes by final name.
    by_name: BTreeMap<LinkName, u32>,
    /// Indexes by any other name: that of the kernel before a rename, ours ([`Self::call`]), alternative ones.
    by_other_name: BTreeMap<LinkName, u32>,
    /// Indexes of physical links by hardware address.
    by_mac: BTreeMap<Mac, u32>,
    /// What documents create.
    made: BTreeSet<LinkName>,
    /// Members of bonds and bridges, known once the links are merged.
    enslaved: BTreeSet<LinkName>,
    /// Links that others stand on or that belong to others, known then, too.
    used: BTreeSet<LinkName>,
    /// Position for metrics that must differ.
    ranks: BTreeMap<LinkName, u32>,
    /// What `bootdev=` or `BOOTIF=` says.
    boot: Option<LinkRef>,
    /// Links without default treatment.
    ignored: BTreeSet<LinkName>,
    /// Names that selectors give to their links.
    given: BTreeMap<DeviceSelector, Vec<LinkName>>,
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
            .gather();
        let by_mac = by_mac(links);
        let given = given(documents);
        rename(documents, &by_mac, &given, &mut named, diagnostics);
        let by_name: BTreeMap<LinkName, u32> = named
            .iter()
            .map(|(index, (name, _))| (name.clone(), *index))
            .gather();
        let mut by_other_name = BTreeMap::new();
        for (index, link) in links {
            by_other_name.entry(link.name.clone()).or_insert(*index);
        }
        let made: BTreeSet<LinkName> = documents
            .iter()
            .flat_map(|d| &d.links)
            .filter(|link| link.kind.is_some())
            .filter_map(|link| match &link.link {
                LinkRef::Name(name) => Some(name.clone()),
                _ => None,
            })
            .gather();
        let said =
            |pick: fn(&Document) -> Option<LinkRef>| documents.iter().rev().find_map(|d| pick(d));
        let boot = said(|d| d.boot.bootdev.as_ref().map(|said| said.value.clone()))
            .or_else(|| said(|d| d.boot.bootif.as_ref().map(|said| LinkRef::Mac(said.value))));
        let ignored = documents
            .iter()
            .flat_map(|d| &d.ignored_links)
            .map(|said| said.value.clone())
            .gather();
        let cards = named
            .values()
            .filter(|(_, link)| link.is_physical())
            .map(|(name, _)| name);
        let mut ranks: BTreeMap<LinkName, u32> = BTreeMap::new();
        for name in cards.chain(&made) {
            let next = u32::try_from(ranks.len()).unwrap_or(u32::MAX);
            ranks.entry(name.clone()).or_insert(next);
        }
        let mut names = Self {
            links: named,
            by_name,
            by_other_name,
            by_mac,
            made,
            enslaved: BTreeSet::new(),
            used: BTreeSet::new(),
            ranks,
            boot,
            ignored,
            given,
        };
        let aliases = super::alias::find(documents, &names, diagnostics);
        names.call(aliases);
        names.name_vlans(documents);
        names
    }

    /// VLANs that documents make on links whose names they do not know.
    fn name_vlans(&mut self, documents: &[&Document]) {
        let links = documents.iter().flat_map(|d| &d.links);
        let vlans = links
            .filter(|config| config.kind.is_some() && matches!(config.link, LinkRef::Vlan { .. }));
        for name in vlans
            .flat_map(|config| self.resolve(&config.link))
            .gather::<Vec<_>>()
        {
            let next = u32::try_from(self.ranks.len()).unwrap_or(u32::MAX);
            self.ranks.entry(name.clone()).or_insert(next);
            self.made.insert(name);
        }
    }

    /// Names of our own come after those of the kernel and before the alternative ones.
    fn call(&mut self, aliases: Vec<(LinkName, u32)>) {
        for (alias, index) in aliases {
            self.by_other_name.entry(alias).or_insert(index);
        }
        for (index, (_, link)) in &self.links {
            let foreign = link.alias.iter().chain(&link.alt_names);
            for name in foreign.filter_map(|name| name.parse::<LinkName>().ok()) {
                self.by_other_name.entry(name).or_insert(*index);
            }
        }
    }

    /// What the links are for, known once they are merged: members of bonds and bridges are none of the links that are
    /// meant without a name, and of what others stand on or belong to, something is said.
    pub(super) fn use_up(
        &mut self,
        enslaved: impl Iterator<Item = LinkName>,
        used: BTreeSet<LinkName>,
    ) {
        self.enslaved = enslaved.gather();
        self.used = used;
    }

    /// Whether other links stand on it, or it belongs to another.
    pub(super) fn is_used(&self, name: &LinkName) -> bool {
        self.used.contains(name)
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
                let found = self.by_mac.get(mac).and_then(|index| self.links.get(index));
                found.map(|(name, _)| name.clone()).into_iter().collect()
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
            LinkRef::Selector(selector) => self.select(selector),
            LinkRef::Vlan { parent, id } => {
                let parents = self.resolve(parent).into_iter();
                parents
                    .map(|parent| LinkName::of_vlan(&parent, *id))
                    .collect()
            }
            LinkRef::EveryPhysical => self.physical().map(|(name, _)| name.clone()).collect(),
        }
    }

    /// A selector looks for links that are found, never for those that documents make: those have names.
    fn select(&self, selector: &DeviceSelector) -> Vec<LinkName> {
        let given = self.given.get(selector).into_iter().flatten();
        let selector = Selector::new(selector, given);
        let found = self.links.values().filter(|(name, link)| {
            !self.made.contains(name) && !self.ignored.contains(name) && selector.fits(link)
        });
        found.map(|(name, _)| name.clone()).collect()
    }

    /// Physical links in index order, without the ignored ones and those that belong to a bond or bridge.
    pub(super) fn physical(&self) -> impl Iterator<Item = (&LinkName, &'a LinkStatus)> {
        self.cards().filter(|(name, link)| {
            let master = self
                .links
                .get(&link.master_index)
                .map(|(_, master)| *master);
            let free = link.master_index == 0
                || link.slave_kind == "vrf"
                || master.is_some_and(|master| master.kind == "vrf");
            free && !self.ignored.contains(*name) && !self.enslaved.contains(*name)
        })
    }

    /// All physical links in index order.
    pub(super) fn cards(&self) -> impl Iterator<Item = (&LinkName, &'a LinkStatus)> {
        let all = self.links.values().map(|(name, link)| (name, *link));
        all.filter(|(_, link)| link.is_physical())
    }

    /// Position of a link among the physical ones and, after them, those that documents make, for metrics that must
    /// differ. It does not change when a link joins a bond.
    pub(super) fn rank(&self, name: &LinkName) -> u32 {
        let behind = || u32::try_from(self.ranks.len()).unwrap_or(u32::MAX);
        self.ranks.get(name).copied().unwrap_or_else(behind)
    }

    /// The link behind a final name.
    pub(super) fn link(&self, name: &LinkName) -> Option<&'a LinkStatus> {
        let index = self.by_name.get(name)?;
        self.links.get(index).map(|(_, link)| *link)
    }

    /// Whether a link of that final name is there or is made.
    pub(super) fn exists(&self, name: &LinkName) -> bool {
        self.by_name.contains_key(name) || self.made.contains(name)
    }

    /// What `name` (kernel name, new name, name of our own, alternative name) will be called.
    pub(super) fn final_name(&self, name: &LinkName) -> LinkName {
        if self.exists(name) {
            return name.clone();
        }
        self.by_other_name
            .get(name)
            .and_then(|index| self.links.get(index))
            .map_or_else(|| name.clone(), |(found, _)| found.clone())
    }

    /// `(final name, link)` of every link that is renamed.
    pub(super) fn renamed(&self) -> impl Iterator<Item = (&LinkName, &'a LinkStatus)> {
        let all = self.links.values().map(|(name, link)| (name, *link));
        all.filter(|(name, link)| **name != link.name)
    }
}

/// Permanent addresses first: the current one changes when a link joins a bond. A virtual function below a synthetic card
/// (accelerated networking, failover) has the address of that card, which is the one that is meant.
fn by_mac(links: &BTreeMap<u32, LinkStatus>) -> BTreeMap<Mac, u32> {
    let is_below = |link: &LinkStatus| {
        let master = links.get(&link.master_index);
        master.is_some_and(LinkStatus::is_physical)
    };
    let cards = links.iter().filter(|(_, link)| link.is_physical());
    let (below, cards): (Vec<_>, Vec<_>) = cards.partition(|(_, link)| is_below(link));
    let physical = || cards.iter().chain(&below).copied();
    let permanent = physical().map(|(index, link)| (link.permanent_addr, *index));
    let current = physical().map(|(index, link)| (link.hardware_addr, *index));
    let mut found = BTreeMap::new();
    for (mac, index) in permanent.chain(current) {
        if let Some(mac) = mac {
            found.entry(mac).or_insert(index);
        }
    }
    found
}

/// The names that selectors give.
fn given(documents: &[&Document]) -> BTreeMap<DeviceSelector, Vec<LinkName>> {
    let mut given: BTreeMap<DeviceSelector, Vec<LinkName>> = BTreeMap::new();
    for rename in documents.iter().flat_map(|document| &document.names) {
        if let LinkRef::Selector(selector) = &rename.link {
            let names = given.entry(selector.clone()).or_default();
            names.push(rename.name.clone());
        }
    }
    given
}

/// `ifname=`, `set-name`.
fn rename(
    documents: &[&Document],
    by_mac: &BTreeMap<Mac, u32>,
    given: &BTreeMap<DeviceSelector, Vec<LinkName>>,
    named: &mut BTreeMap<u32, (LinkName, &LinkStatus)>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for rename in documents.iter().flat_map(|document| &document.names) {
        let meant: Vec<u32> = match &rename.link {
            LinkRef::Mac(mac) => by_mac.get(mac).copied().into_iter().collect(),
            LinkRef::Name(name) => {
                let has = |link: &LinkStatus| link.name == *name || link.name == rename.name;
                let found = named.iter().filter(|(_, (_, link))| has(link));
                found.map(|(index, _)| *index).take(1).collect()
            }
            LinkRef::Selector(selector) => {
                let given = given.get(selector).into_iter().flatten();
                let selector = Selector::new(selector, given);
                let found = named.iter().filter(|(_, (_, link))| selector.fits(link));
                found.map(|(index, _)| *index).collect()
            }
            LinkRef::Primary | LinkRef::EveryPhysical | LinkRef::Vlan { .. } => Vec::new(),
        };
        let index = match meant.as_slice() {
            [] => continue,
            [index] => index,
            _ => {
                diagnostics.push(several(rename));
                continue;
            }
        };
        let taken = named
            .iter()
            .any(|(other, (name, _))| other != index && *name == rename.name);
        if taken {
            diagnostics.push(taken_name(rename));
        } else if let Some((name, _)) = named.get_mut(index) {
            *name = rename.name.clone();
        }
    }
}

fn taken_name(rename: &IfName) -> Diagnostic {
    let message = match &rename.link {
        LinkRef::Mac(mac) => format!("ifname={}:{mac}: another link has that name", rename.name),
        _ => format!("{}: another link has that name", rename.name),
    };
    Diagnostic::new(Severity::Error, message)
        .with_fix("choose a name that the kernel does not give, such as net0 or lan0")
        .with_effect("the link keeps its name")
}

fn several(rename: &IfName) -> Diagnostic {
    let message = format!("several links are to be called {}", rename.name);
    Diagnostic::new(Severity::Error, message)
        .with_place((&rename.origin).into())
        .with_fix("match one of them, by its hardware address")
        .with_effect("they keep their names")
}
