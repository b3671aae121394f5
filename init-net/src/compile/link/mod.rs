//! Links: field by field, a higher layer replaces what it says and leaves the rest; what stands on what is looked at as a
//! whole before anything is touched.
//!
//! Two steps, because addresses and operators lie between them: [`Links::merge`] says which links are made and who belongs
//! to whom, [`Links::finish`] brings up what carries something and writes [`Desired::links`].

mod check;
mod draft;
mod graph;
mod kind;
mod members;
mod topology;
mod virtual_mac;

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use draft::{Draft, Statement};

use super::names::Names;
use super::operator;
use crate::config::{Diagnostic, Document, KindConfig, LinkConfig, LinkRef, Severity};
use crate::state::{Desired, KindSpec, MasterSpec};
use crate::value::{Gather as _, Layer, LinkName, Mac, Origin, RouteTable};

/// The name of the loopback link, which every network namespace has.
const LOOPBACK: &str = "lo";

/// The links in the making.
pub(super) struct Links {
    drafts: BTreeMap<LinkName, Draft>,
    /// Links that documents want made and that are not, for a fault that was reported.
    refused: BTreeSet<LinkName>,
}

impl Links {
    /// What documents say of links.
    pub(super) fn merge(
        documents: &[&Document],
        names: &Names<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut links = Self {
            drafts: BTreeMap::new(),
            refused: BTreeSet::new(),
        };
        let mut lists: BTreeMap<LinkName, Vec<LinkName>> = BTreeMap::new();
        let statements = documents
            .iter()
            .flat_map(|d| d.links.iter().map(|config| (d.layer, config)));
        for (order, (layer, config)) in statements.enumerate() {
            let by = Statement {
                layer,
                order,
                origin: &config.origin,
            };
            match (&config.kind, &config.link) {
                (Some(kind), LinkRef::Name(name)) => {
                    links.make((config, kind), name, &by, names, &mut lists, diagnostics);
                }
                (Some(KindConfig::Vlan { id, protocol, .. }), LinkRef::Vlan { parent, .. }) => {
                    for parent in names.resolve(parent) {
                        let name = LinkName::of_vlan(&parent, *id);
                        let kind = KindConfig::Vlan {
                            parent: LinkRef::Name(parent),
                            id: *id,
                            protocol: *protocol,
                        };
                        links.make((config, &kind), &name, &by, names, &mut lists, diagnostics);
                    }
                }
                _ => {
                    let found = names.resolve(&config.link);
                    if found.is_empty() && matches!(config.link, LinkRef::Selector(_)) {
                        diagnostics.push(nothing_fits(config, names));
                    }
                    for name in found {
                        links.say(config, name, &by, names, diagnostics);
                    }
                }
            }
        }
        links.drafts.retain(|name, _| !links.refused.contains(name));
        members::settle(&mut links.drafts, &lists, diagnostics);
        topology::judge(&mut links, diagnostics);
        links
    }

    /// A link that a document wants made.
    fn make(
        &mut self,
        (config, made_as): (&LinkConfig, &KindConfig),
        name: &LinkName,
        by: &Statement<'_>,
        names: &Names<'_>,
        lists: &mut BTreeMap<LinkName, Vec<LinkName>>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let card = names.link(name).is_some_and(|link| link.is_physical());
        if card || name.as_str() == LOOPBACK {
            diagnostics.push(is_a_card(config, name));
            self.refused.insert(name.clone());
            return;
        }
        let Some(made) = kind::kind(config, made_as, name, names, diagnostics) else {
            self.refused.insert(name.clone());
            return;
        };
        self.refused.remove(name);
        self.say(config, name.clone(), by, names, diagnostics);
        if let Some(draft) = self.drafts.get_mut(name) {
            draft.kind.say(Some(made.kind), by);
        }
        lists.insert(name.clone(), made.members);
    }

    /// What is said of a link, whoever makes it.
    fn say(
        &mut self,
        config: &LinkConfig,
        name: LinkName,
        by: &Statement<'_>,
        names: &Names<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let bridge = config.bridge.as_ref().map(|bridge| names.resolve(bridge));
        if bridge.as_ref().is_some_and(|found| found.len() != 1) {
            let message = format!("{name}: its bridge is not one link of this machine");
            diagnostics
                .push(fault(Severity::Error, message, by.origin).with_fix("name the bridge"));
        }
        let draft = self
            .drafts
            .entry(name)
            .or_insert_with(|| Draft::new(by.layer, by.origin));
        draft.heard(by);
        draft.up.say(config.up, by);
        draft.multicast.say(config.multicast, by);
        draft.mtu.say(config.mtu, by);
        draft.mac.say(config.mac, by);
        draft.port_vlans.say(config.port_vlans.clone(), by);
        if let Some([bridge]) = bridge.as_deref() {
            draft.bridge.say(Some(bridge.clone()), by);
        }
        if !config.port.is_empty() {
            let old = draft.port.value().cloned().unwrap_or_default();
            let (new, kept) = (config.port.over(&old), old.over(&config.port));
            draft.port.refine(new.clone(), new != kept, by);
        }
    }

    /// Members of bonds and bridges, which carry nothing themselves, with their masters.
    pub(super) fn enslaved(&self) -> impl Iterator<Item = (&LinkName, &LinkName)> {
        self.drafts.iter().filter_map(|(name, draft)| {
            match draft.master.value()? {
                MasterSpec::Bond(_) | MasterSpec::Bridge(_) => {}
                MasterSpec::Vrf(_) => return None,
            }
            Some((name, draft.master.value()?.name()))
        })
    }

    /// Links that others stand on or that belong to others: something is said of them.
    pub(super) fn used(&self) -> BTreeSet<LinkName> {
        let parents = self
            .drafts
            .values()
            .filter_map(|draft| draft.kind.value()?.parent());
        let members = self
            .drafts
            .iter()
            .filter(|(_, draft)| draft.master.won.is_some());
        parents
            .chain(members.map(|(name, _)| name))
            .cloned()
            .gather()
    }

    /// Whether a link carries addresses; if not, why what `origin` says of it in `layer` has no effect.
    pub(super) fn carries(
        &self,
        name: &LinkName,
        (layer, origin): (Layer, &Origin),
    ) -> Result<(), Box<Diagnostic>> {
        let won = self
            .drafts
            .get(name)
            .and_then(|draft| draft.master.won.as_ref());
        let Some(won) = won.filter(|won| !matches!(won.value, MasterSpec::Vrf(_))) else {
            return Ok(());
        };
        let master = won.value.name();
        // A lower layer used the card as long as there was nothing else: the higher one has taken it over.
        let severity = if won.layer > layer {
            Severity::Note
        } else {
            Severity::Error
        };
        let message = format!("{name} is a member of {master} and carries no addresses itself");
        let fault = fault(severity, message, origin)
            .with_fix(format!("configure {master}"))
            .with_effect(format!("left out for {}", won.origin));
        Err(fault.into())
    }

    /// The hardware address that a link will have, whether it is there or not: a VLAN has that of its parent, a bond that
    /// of its first member, a bridge the lowest of its ports. A client that identified itself by the random address that a
    /// new bond has until its first member joins would be somebody else at every boot.
    pub(super) fn stable_mac(&self, name: &LinkName, names: &Names<'_>) -> Option<Mac> {
        let mut name = name;
        // Each step goes one link down, and circles were left out.
        loop {
            let draft = self.drafts.get(name);
            if let Some(mac) = draft.and_then(|draft| draft.mac.value()) {
                return Some(*mac);
            }
            let members = || {
                let of = |draft: &&Draft| draft.master.value().is_some_and(|m| m.name() == name);
                self.drafts.iter().filter(move |(_, draft)| of(draft))
            };
            let index = |draft: &Draft| match draft.master.value() {
                Some(MasterSpec::Bond(slave)) => slave.slave_index,
                _ => 0,
            };
            let below = match draft.and_then(|draft| draft.kind.value()) {
                Some(KindSpec::Vlan { parent, .. }) => Some(parent),
                Some(KindSpec::Bond { .. }) => members()
                    .min_by_key(|(_, draft)| index(draft))
                    .map(|(name, _)| name),
                Some(KindSpec::Bridge { .. }) => {
                    let macs = members().filter_map(|(name, _)| names.link(name)?.stable_mac());
                    let lowest = macs.min();
                    if lowest.is_some() {
                        return lowest;
                    }
                    None
                }
                _ => None,
            };
            match below {
                Some(below) => name = below,
                None => return names.link(name)?.stable_mac(),
            }
        }
    }

    /// The table of the VRF that a link is, or is in.
    pub(super) fn vrf_table(&self, name: &LinkName) -> Option<RouteTable> {
        let draft = self.drafts.get(name)?;
        let vrf = match draft.master.value() {
            Some(MasterSpec::Vrf(slave)) => self.drafts.get(&slave.master_name)?,
            _ => draft,
        };
        match vrf.kind.value()? {
            KindSpec::Vrf { table } => Some(*table),
            _ => None,
        }
    }

    /// Whether a link is a WireGuard tunnel that documents make.
    pub(super) fn is_wireguard(&self, name: &LinkName) -> bool {
        let kind = self.drafts.get(name).and_then(|draft| draft.kind.value());
        matches!(kind, Some(KindSpec::Wireguard(_)))
    }

    /// Where the peers of WireGuard tunnels are, with the tunnel.
    pub(super) fn wireguard_endpoints(&self) -> impl Iterator<Item = (&LinkName, SocketAddr)> {
        self.drafts.iter().flat_map(|(name, draft)| {
            let peers = match draft.kind.value() {
                Some(KindSpec::Wireguard(options)) => options.peers.as_slice(),
                _ => &[],
            };
            let endpoints = peers.iter().filter_map(|peer| peer.endpoint);
            endpoints.map(move |endpoint| (name, endpoint))
        })
    }

    /// [`Desired::links`].
    pub(super) fn finish(
        mut self,
        documents: &[&Document],
        names: &Names<'_>,
        desired: &mut Desired,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        self.rename(documents, names);
        self.bring_up(documents, names, desired);
        check::check(&mut self, names, desired, diagnostics);
        desired.links = self
            .drafts
            .into_iter()
            .map(|(name, draft)| (name.clone(), draft.spec(name)))
            .gather();
    }

    fn rename(&mut self, documents: &[&Document], names: &Names<'_>) {
        for (name, before) in names.renamed() {
            let said = documents
                .iter()
                .flat_map(|d| &d.names)
                .find(|rename| rename.name == *name);
            let origin = said.map_or_else(|| Origin::builtin(""), |said| said.origin.clone());
            let draft = self
                .drafts
                .entry(name.clone())
                .or_insert_with(|| Draft::new(Layer::Cmdline, &origin));
            draft.named = true;
            draft.renamed_from = Some(before.name.clone());
        }
    }

    /// A link is up when it carries an address or runs DHCP, when a document speaks of it, when another link stands on it,
    /// and when nothing is said of any link. A document that says `up: false` of it outranks all of these.
    fn bring_up(&mut self, documents: &[&Document], names: &Names<'_>, desired: &Desired) {
        let mut up: Vec<(LinkName, Layer, Origin)> = Vec::new();
        let loopback: LinkName = LOOPBACK.parse().expect("lo is a link name");
        up.push((loopback, Layer::Default, Origin::builtin("(loopback up)")));
        for (name, draft) in &self.drafts {
            let made = draft.kind.won.as_ref();
            let parent =
                made.and_then(|made| Some((made.value.parent()?, made.layer, &made.origin)));
            up.extend(
                parent.map(|(parent, layer, origin)| (parent.clone(), layer, origin.clone())),
            );
            let member = draft.master.won.as_ref();
            up.extend(member.map(|won| (name.clone(), won.layer, won.origin.clone())));
            // A lease that brings an MTU does not bring the link up: the client did.
            if draft.named && draft.layer() != Layer::Operator {
                up.push((name.clone(), draft.layer(), draft.origin().clone()));
            }
        }
        let origin = Origin::builtin("(a link of which nothing is said is up)");
        let default = operator::default_links(documents, names).into_iter();
        up.extend(default.map(|name| (name, Layer::Default, origin.clone())));
        for operator in desired.operators.values() {
            let parts = operator.dhcp6.delegate.iter().map(|part| &part.link_name);
            let links = parts.chain([&operator.link_name]).cloned();
            up.extend(links.map(|name| (name, operator.layer, operator.origin.clone())));
        }
        let addresses = desired.addresses.values();
        up.extend(addresses.map(|a| (a.link_name.clone(), a.layer, a.origin.clone())));
        let shared = desired.vips.values();
        up.extend(shared.map(|vip| (vip.link_name.clone(), vip.layer, vip.origin.clone())));
        for (layer, config) in documents
            .iter()
            .flat_map(|d| d.operators.iter().map(|o| (d.layer, o)))
        {
            let links = names.resolve(&config.link).into_iter();
            up.extend(links.map(|name| (name, layer, config.origin.clone())));
        }
        // The highest reason is the one that is shown.
        up.retain(|(name, layer, _)| *layer != Layer::Operator && !self.refused.contains(name));
        up.sort_by_key(|(_, layer, _)| core::cmp::Reverse(*layer));
        for (name, layer, origin) in up {
            let draft = self
                .drafts
                .entry(name)
                .or_insert_with(|| Draft::new(layer, &origin));
            draft.assume_up(layer, &origin);
        }
    }
}

fn fault(severity: Severity, message: String, origin: &Origin) -> Diagnostic {
    Diagnostic::new(severity, message).with_place(origin.into())
}

fn nothing_fits(config: &LinkConfig, names: &Names<'_>) -> Diagnostic {
    let message = if names.known() {
        "no link of this machine fits the selector"
    } else {
        "the links are not known"
    };
    fault(Severity::Warning, message.to_owned(), &config.origin)
        .with_effect("what is said of it waits until one appears")
}

fn is_a_card(config: &LinkConfig, name: &LinkName) -> Diagnostic {
    let message = format!("{name} is there and cannot be made");
    fault(Severity::Error, message, &config.origin)
        .with_fix("choose a name that no network card has")
        .with_effect(format!("{name} stays what it is"))
}
