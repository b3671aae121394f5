//! `links`: cards, bonds, VLANs.

use core::str::FromStr;

use super::{MAX_LINKS, Reader, list, place, text};
use crate::config::machine::tree::Node;
use crate::config::{DeviceSelector, KindConfig, LinkConfig, LinkRef};
use crate::value::{BondMode, BondOptions, LacpActive, LacpRate, LinkName, Mac, Numbered, VlanId};

/// How long a card must have had carrier, or none, until it counts, milliseconds: switches take that long to forward. Only
/// where it is a multiple of the time between two looks.
const DELAY: u32 = 200;

const MAC: &str = "ethernet_mac_address";

/// What a link is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Card,
    Infiniband,
    Bond,
    Vlan,
}

/// There are many words for a card, and there will be others.
fn type_of(node: &Node) -> Type {
    match text(node, "type") {
        Some("bond") => Type::Bond,
        Some("vlan") => Type::Vlan,
        Some("infiniband") => Type::Infiniband,
        Some(_) | None => Type::Card,
    }
}

impl Reader<'_> {
    /// Cards first, then what stands on them, whatever the order in the list.
    pub(super) fn links(&mut self, root: &Node) {
        let all = list(root, "links");
        if all.len() > MAX_LINKS {
            self.warn("links", "has more entries than are read");
        }
        let entries: Vec<(String, &Node)> = all
            .iter()
            .take(MAX_LINKS)
            .enumerate()
            .map(|(position, node)| (place("links", position, node), node))
            .collect();
        let of = |wanted: Type| {
            let entries = entries.iter();
            entries.filter(move |(_, node)| type_of(node) == wanted)
        };
        let members: Vec<&str> = of(Type::Bond)
            .flat_map(|(_, node)| list(node, "bond_links"))
            .filter_map(Node::text)
            .collect();
        for (place, node) in of(Type::Card).chain(of(Type::Infiniband)) {
            let free = !text(node, "id").is_some_and(|id| members.contains(&id));
            self.card(node, free, place);
        }
        for (number, (place, node)) in of(Type::Bond).enumerate() {
            self.bond(node, number, place);
        }
        // A VLAN may stand on one that comes later in the list.
        let mut waiting: Vec<&(String, &Node)> = of(Type::Vlan).collect();
        loop {
            let before = waiting.len();
            waiting.retain(|(place, node)| !self.vlan(node, place));
            if waiting.is_empty() || waiting.len() == before {
                break;
            }
        }
        for (place, _) in waiting {
            self.warn(place, "has a vlan_link that is no usable link");
        }
    }

    /// A card; one that is a member of a bond comes up with it.
    fn card(&mut self, node: &Node, free: bool, place: &str) {
        let Some(mac) = self.read::<Mac>(node, MAC, place) else {
            if text(node, MAC).is_none() {
                self.warn(place, &format!("has no {MAC}"));
            }
            return;
        };
        let link = match type_of(node) {
            Type::Infiniband => infiniband(&mac),
            _ => LinkRef::Mac(mac),
        };
        let mut config = LinkConfig::new(link, self.origin(place));
        config.up = free.then_some(true);
        self.add(node, config, place);
    }

    fn bond(&mut self, node: &Node, number: usize, place: &str) {
        let members: Vec<Option<LinkRef>> = list(node, "bond_links")
            .iter()
            .take(MAX_LINKS)
            .map(|id| self.links.get(id.text()?.trim()).cloned())
            .collect();
        if members.contains(&None) {
            self.warn(place, "has bond_links that are no usable links");
        }
        let members: Vec<LinkRef> = members.into_iter().flatten().collect();
        let own = text(node, "name").and_then(|name| name.parse().ok());
        let usual = || format!("bond{number}").parse::<LinkName>().ok();
        let Some(name) = own.or_else(usual).filter(|_| !members.is_empty()) else {
            return self.warn(place, "has no members");
        };
        let mut config = LinkConfig::new(LinkRef::Name(name), self.origin(place));
        config.up = Some(true);
        config.mac = self.read(node, MAC, place);
        config.kind = Some(KindConfig::Bond {
            members,
            options: self.bond_options(node, place),
            primary: None,
        });
        self.add(node, config, place);
    }

    fn bond_options(&mut self, node: &Node, place: &str) -> BondOptions {
        let mode = self.choice::<BondMode>(node, "bond_mode", place);
        let lacp = mode == Some(BondMode::Lacp);
        let miimon: Option<u32> = self.read(node, "bond_miimon", place);
        let delay = miimon
            .filter(|miimon| *miimon > 0 && DELAY.is_multiple_of(*miimon))
            .map(|_| DELAY);
        BondOptions {
            mode,
            miimon,
            updelay: delay,
            downdelay: delay,
            xmit_hash_policy: self.choice(node, "bond_xmit_hash_policy", place),
            lacp_rate: lacp.then_some(LacpRate::Fast),
            lacp_active: lacp.then_some(LacpActive::On),
            ..BondOptions::default()
        }
    }

    /// One of the kernel's choices, by name or number.
    fn choice<T: Numbered + FromStr>(&mut self, node: &Node, key: &str, place: &str) -> Option<T> {
        let number = text(node, key).and_then(|text| text.parse().ok());
        match number {
            Some(number) if T::numbered(number).is_some() => T::numbered(number),
            Some(_) | None => self.read(node, key, place),
        }
    }

    /// Whether the VLAN is done with: `false` while the link below it is not known.
    fn vlan(&mut self, node: &Node, place: &str) -> bool {
        let parent = text(node, "vlan_link").and_then(|id| self.links.get(id).cloned());
        let Some(parent) = parent else {
            return false;
        };
        let Some(id) = self.read::<VlanId>(node, "vlan_id", place) else {
            if text(node, "vlan_id").is_none() {
                self.warn(place, "has no vlan_id");
            }
            return true;
        };
        let link = match &parent {
            LinkRef::Name(name) => LinkRef::Name(LinkName::of_vlan(name, id)),
            _ => LinkRef::Vlan {
                parent: Box::new(parent.clone()),
                id,
            },
        };
        let mut config = LinkConfig::new(link, self.origin(place));
        config.up = Some(true);
        // Most repeat the address of the link below, which the VLAN has anyway.
        let mac: Option<Mac> = self.read(node, "vlan_mac_address", place);
        config.mac = mac.filter(|mac| LinkRef::Mac(*mac) != parent);
        config.kind = Some(KindConfig::Vlan {
            parent,
            id,
            protocol: None,
        });
        self.add(node, config, place);
        true
    }

    /// With what every link may have.
    fn add(&mut self, node: &Node, mut config: LinkConfig, place: &str) {
        config.mtu = self.read(node, "mtu", place);
        if let Some(id) = text(node, "id") {
            let link = config.link.clone();
            if self.links.insert(id.to_owned(), link).is_some() {
                self.warn(place, "has the id of another link, whose place it takes");
            }
        }
        self.out.links.push(config);
    }
}

/// An InfiniBand port has 20 bytes, of which OpenStack tells six: bytes 13 to 15 and 18 to 20, as an Ethernet address that
/// is stretched to 64 bits has them (RFC 4291, appendix A).
pub(in crate::config::netdata) fn infiniband(mac: &Mac) -> LinkRef {
    let hardware_addr = match mac.as_ethernet() {
        Some([a, b, c, d, e, f]) => {
            format!("*:{a:02x}:{b:02x}:{c:02x}:??:??:{d:02x}:{e:02x}:{f:02x}")
        }
        None => return LinkRef::Mac(*mac),
    };
    LinkRef::Selector(DeviceSelector {
        hardware_addr: Some(hardware_addr),
        ..DeviceSelector::default()
    })
}
