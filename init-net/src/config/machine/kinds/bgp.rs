//! `BGPInstanceConfig`: a speaker that is checked and not run.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::BTreeSet;

use super::probe::Label;
use super::{Kind, Role};
use crate::config::Document;
use crate::config::machine::record::{At, Items as _, Record as _};
use crate::config::machine::source::Source;
use crate::value::{Duration, LinkName, Prefix};

/// Why a speaker does nothing here.
const WHY: &str = "no routes are exchanged with neighbours";

keys! {
    /// A speaker of BGP.
    pub struct BgpKeys("BGPInstanceConfig") {
        /// The name of the instance.
        required "name" name: Label,
        /// The VRF whose routes it exchanges; the default ones unless said otherwise.
        "vrf" vrf: LinkName,
        /// Its autonomous system.
        required "localASN" local_asn: u32,
        /// What it calls itself.
        later "routerID": Ipv4Addr,
        /// The preferred source of the routes it makes.
        later "routeSource": IpAddr,
        /// Links whose addresses it tells.
        later "advertise": Vec<LinkName>,
        /// Whether a destination has several next hops.
        later "multipath": bool,
        /// How many.
        later "maxPaths": u8,
        /// Whether routes go to the kernel; true unless said otherwise.
        later "installRoutes": bool,
        /// Routes of other instances.
        "importRoutes" import_routes: Vec<ImportKeys>,
        /// Whom it speaks with.
        "neighbors" neighbors: Vec<NeighborKeys>,
    }
}

keys! {
    /// Routes of another instance.
    pub struct ImportKeys("importRoutes") whole {
        /// Of which instance.
        required "bgpInstance" instance: Label,
        /// Which of them.
        required "prefixes" prefixes: Vec<At<Prefix>>,
    }
}

keys! {
    /// A neighbour: by address, or by the link on whose other end it is.
    pub struct NeighborKeys("neighbor") whole {
        /// Its address.
        "address" address: IpAddr,
        /// The link that leads to it.
        "link" link: LinkName,
        /// Its autonomous system; 0 for any.
        later "peerASN": u32,
        /// The autonomous system that is told to it.
        later "localASN": u32,
        /// Whether it speaks first.
        later "passive": bool,
        /// How long silence may last.
        later "holdTime": Duration,
        /// Faster notice of a broken path (RFC 5880).
        "bfd" bfd: BfdKeys,
    }
}

keys! {
    /// Notice of a broken path.
    pub struct BfdKeys("bfd") {
        /// How often it is said that the path works.
        later "transmitInterval": Duration,
        /// How often the neighbour may say so.
        later "receiveInterval": Duration,
        /// How many of these are missed until the path is broken.
        later "detectMultiplier": u8,
    }
}

impl Kind for BgpKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, _out: &mut Document) {
        if self.local_asn.value == 0 {
            self.refuse_value(source, &self.local_asn, "localASN is not 0", None);
        }
        self.check_imports(source);
        self.check_neighbors(source);
        self.idle(source, &self.mark(), "this speaker", WHY);
    }
}

impl BgpKeys {
    fn check_imports(&self, source: &Source<'_>) {
        let mut seen = BTreeSet::new();
        for import in self.import_routes.clone().items() {
            let name = &import.instance;
            if name.0 == self.name.0 {
                let rule = "an instance does not import its own routes";
                import.refuse(source, name, rule, None);
            } else if !seen.insert(name.0.clone()) {
                let rule = "bgpInstance stands in another import already";
                import.refuse(source, name, rule, Some("write both into one"));
            }
            import.check(source);
        }
    }

    fn check_neighbors(&self, source: &Source<'_>) {
        if self.neighbors.as_ref().is_none_or(|list| list.is_empty()) && !self.is_partial() {
            self.warn(source, &self.neighbors, "there are no neighbors", None);
        }
        let (mut addresses, mut links) = (BTreeSet::new(), BTreeSet::new());
        for neighbor in self.neighbors.clone().items() {
            let twice = match (&neighbor.address, &neighbor.link) {
                (Some(address), None) => !addresses.insert(address.value),
                (None, Some(link)) => !links.insert(link.value.clone()),
                (Some(_), Some(_)) => {
                    let rule = "address and link exclude each other";
                    neighbor.refuse(source, &neighbor.link, rule, Some("keep one of them"));
                    continue;
                }
                (None, None) => {
                    let rule = "address or link must be given";
                    neighbor.refuse(source, &neighbor.address, rule, None);
                    continue;
                }
            };
            if twice {
                neighbor.refuse(
                    source,
                    &neighbor.mark(),
                    "this neighbor stands here already",
                    None,
                );
            }
            if neighbor.bfd.is_some() && self.vrf.is_some() {
                let rule = "there is no bfd in a VRF";
                neighbor.refuse_value(source, &neighbor.bfd, rule, None);
            }
        }
    }
}

impl ImportKeys {
    fn check(&self, source: &Source<'_>) {
        if self.prefixes.is_empty() {
            let rule = "at least one prefix must be given";
            return self.refuse(source, &self.prefixes, rule, None);
        }
        let mut sorted: Vec<&At<Prefix>> = self.prefixes.iter().collect();
        for prefix in &sorted {
            let network = prefix.network();
            if network != prefix.value {
                let rule = "a prefix has no bits behind its length";
                self.refuse(source, *prefix, rule, Some(&format!("write {network}")));
            }
        }
        // A network stands right before what is inside of it.
        sorted.sort_by_key(|prefix| (prefix.network().address(), prefix.len()));
        for (one, next) in sorted.iter().zip(sorted.iter().skip(1)) {
            if one.contains(next.address()) {
                let rule = format!("{} and {} overlap", one.value, next.value);
                self.refuse(source, *next, &rule, None);
            }
        }
    }
}
