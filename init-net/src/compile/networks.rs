//! Which link leads to an address, asked by ten thousand routes: a look-up for each length that networks have, not a walk
//! over all of them.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use crate::state::{AddressSpec, Family, RouteSpec};
use crate::value::{LinkName, Prefix, RouteTable};

/// The networks that addresses and on-link routes open.
#[derive(Default)]
pub(super) struct Networks {
    /// The first link by name that has an address in this network.
    of_addresses: BTreeMap<Prefix, LinkName>,
    /// Networks of addresses, and peers, of each link.
    on_links: BTreeSet<(LinkName, Prefix)>,
    /// Destinations of routes without gateway, of each table and link.
    routed: BTreeSet<(RouteTable, LinkName, Prefix)>,
    /// Families that a link has static addresses of.
    families: BTreeSet<(LinkName, Family)>,
    /// Lengths that occur, longest first when asked.
    lengths: BTreeSet<u8>,
}

impl Networks {
    pub(super) fn new<'a>(addresses: impl Iterator<Item = &'a AddressSpec>) -> Self {
        let mut networks = Self::default();
        for spec in addresses {
            let link = &spec.link_name;
            networks.families.insert((link.clone(), spec.family));
            let network = spec.address.network();
            let alone = Prefix::host(spec.address.address());
            let opened = spec.peer.map(Prefix::host);
            // A host address opens no network; what it contains is itself.
            let opens = (network.len() < alone.len()).then_some(network);
            for network in opened.into_iter().chain(opens) {
                networks.on_links.insert((link.clone(), network));
            }
            for network in opened.into_iter().chain([network]) {
                networks.lengths.insert(network.len());
                networks
                    .of_addresses
                    .entry(network)
                    .or_insert_with(|| link.clone());
            }
        }
        networks
    }

    /// A route without gateway opens its destination on its link.
    pub(super) fn add(&mut self, route: &RouteSpec) {
        if let (None, Some(dst), Some(link)) = (route.gateway, route.dst, &route.out_link_name) {
            self.lengths.insert(dst.len());
            self.routed.insert((route.table, link.clone(), dst));
        }
    }

    /// The link whose network holds `address`, the narrowest first.
    pub(super) fn link_to(&self, address: IpAddr) -> Option<&LinkName> {
        self.around(address)
            .find_map(|network| self.of_addresses.get(&network))
    }

    /// Whether the addresses of `link` reach `address` directly.
    pub(super) fn reaches(&self, link: &LinkName, address: IpAddr) -> bool {
        self.around(address)
            .any(|network| self.on_links.contains(&(link.clone(), network)))
    }

    /// Whether a route of `table` does.
    pub(super) fn routes(&self, table: RouteTable, link: &LinkName, address: IpAddr) -> bool {
        self.around(address)
            .any(|network| self.routed.contains(&(table, link.clone(), network)))
    }

    /// Whether `link` has a static address of that family.
    pub(super) fn knows(&self, link: &LinkName, family: Family) -> bool {
        self.families.contains(&(link.clone(), family))
    }

    fn around(&self, address: IpAddr) -> impl Iterator<Item = Prefix> {
        let lengths = self.lengths.iter().rev();
        lengths.filter_map(move |len| Some(Prefix::new(address, *len).ok()?.network()))
    }
}
