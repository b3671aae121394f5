//! A link as a port of a bridge, and the VLANs of ports and bridges.

use core::ops::RangeInclusive;

use serde_json::{Value as Json, json};

use crate::config::machine::record::{At, Items as _, Record, plain};
use crate::config::machine::scalar::{Scalar, Within, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{LinkConfig, LinkRef};
use crate::value::{BridgePortOptions, BridgeVlan, LinkName, VlanId};

keys! {
    /// A link as a port of a bridge.
    pub struct BridgePortKeys("bridgePort") {
        /// The bridge; not needed where the bridge lists the link.
        "bridge" bridge: LinkName,
        /// What the way through the port costs in the spanning tree.
        "cost" cost: Within<u32, 1, 65535>,
        /// The lower one wins in the spanning tree.
        "priority" priority: Within<u16, 0, 63>,
        /// Whether a packet may leave by the port it came in by.
        "hairpin" hairpin: bool,
        /// Whether the port is shut when a bridge speaks behind it.
        "guard" guard: bool,
        /// Whether the root of the spanning tree is never behind the port.
        "rootBlock" root_block: bool,
        /// Whether a group is left at once.
        "fastLeave" fast_leave: bool,
        /// Whether the port sees only ports that are not isolated.
        "isolated" isolated: bool,
        /// Whether hardware addresses behind the port are learned.
        "learning" learning: bool,
        /// Whether packets to unknown addresses leave by the port.
        "flood" flood: bool,
        /// Whether packets to groups of which nothing is known leave by the port.
        "multicastFlood" multicast_flood: bool,
        /// Whether packets to all leave by the port.
        "broadcastFlood" broadcast_flood: bool,
        /// Whether the bridge answers ARP for what is behind other ports.
        "proxyARP" proxy_arp: bool,
        /// The VLANs of the port; without it those that the bridge gives to every port.
        "vlans" vlans: Vec<PortVlanKeys>,
    }
}

keys! {
    /// One VLAN of a port, or several in a row.
    pub struct PortVlanKeys("vlan") whole {
        /// The VLAN; or `range`.
        "id" id: VlanId,
        /// The first and the last one, as in 100-199.
        "range" range: VlanRange,
        /// Whether what comes in without a tag belongs to it.
        "pvid" pvid: bool,
        /// Whether it goes out without a tag.
        "untagged" untagged: bool,
    }
}

/// `100-199`.
#[derive(Clone, Copy, Debug)]
pub struct VlanRange(VlanId, VlanId);

impl Scalar for VlanRange {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        let ends = text.split_once('-');
        let ends = ends.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        match ends {
            Some((first, last)) if first <= last => Ok(Self(first, last)),
            _ => Err("expected two VLAN ids from 1 to 4094, the lower one first: 100-199".into()),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[0-9]{1,4}-[0-9]{1,4}$"})
    }
}

impl BridgePortKeys {
    /// Says it of the link called `name`, in `config`.
    pub fn apply(self, name: &LinkName, config: &mut LinkConfig, source: &Source<'_>) {
        if let Some(bridge) = &self.bridge {
            if bridge.value == *name {
                let rule = "bridge: a link is no port of itself";
                self.refuse_value(source, bridge, rule, None);
            } else {
                config.bridge = Some(LinkRef::Name(bridge.value.clone()));
            }
        }
        config.port = BridgePortOptions {
            cost: self.cost.map(|said| said.0),
            priority: self.priority.map(|said| said.0),
            hairpin: plain(self.hairpin),
            guard: plain(self.guard),
            root_block: plain(self.root_block),
            fast_leave: plain(self.fast_leave),
            learning: plain(self.learning),
            flood: plain(self.flood),
            multicast_flood: plain(self.multicast_flood),
            broadcast_flood: plain(self.broadcast_flood),
            proxy_arp: plain(self.proxy_arp),
            isolated: plain(self.isolated),
        };
        config.port_vlans = vlans(self.vlans, source);
    }
}

/// The VLANs that a list says, in order, each once; `None`: there is no list.
pub fn vlans(list: Option<At<Vec<PortVlanKeys>>>, source: &Source<'_>) -> Option<Vec<BridgeVlan>> {
    list.as_ref()?;
    let mut vlans: Vec<BridgeVlan> = Vec::new();
    for keys in list.items() {
        let Some(ids) = keys.ids(source) else {
            continue;
        };
        let pvid = plain(keys.pvid).unwrap_or(false);
        if pvid && ids.start() != ids.end() {
            keys.refuse(
                source,
                &keys.pvid,
                "pvid is for one VLAN, not for a range",
                None,
            );
            continue;
        }
        if pvid && vlans.iter().any(|vlan| vlan.pvid) {
            keys.refuse(source, &keys.pvid, "one VLAN of a port has pvid", None);
            continue;
        }
        let known = |vlan: &BridgeVlan| ids.contains(&u16::from(vlan.id));
        if vlans.iter().any(known) {
            keys.refuse(source, &keys.id, "a VLAN stands in the list once", None);
            continue;
        }
        let untagged = plain(keys.untagged).unwrap_or(false);
        let ids = ids.filter_map(|id| VlanId::try_from(id).ok());
        vlans.extend(ids.map(|id| BridgeVlan { id, pvid, untagged }));
    }
    vlans.sort_unstable();
    Some(vlans)
}

impl PortVlanKeys {
    fn ids(&self, source: &Source<'_>) -> Option<RangeInclusive<u16>> {
        let (first, last) = match (&self.id, &self.range) {
            (Some(id), None) => (id.value, id.value),
            (None, Some(range)) => (range.0, range.1),
            (None, None) => {
                self.refuse(source, &self.id, "id or range must be given", None);
                return None;
            }
            (Some(_), Some(range)) => {
                let rule = "id and range exclude each other";
                self.refuse(source, range, rule, Some("keep one of them"));
                return None;
            }
        };
        Some(first.into()..=last.into())
    }
}
