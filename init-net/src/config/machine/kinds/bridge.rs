//! `BridgeConfig`.

use serde_json::Value as Json;

use super::bridge_port::{self, PortVlanKeys};
use super::link::{self, LinkKeys};
use super::{Kind, Role};
use crate::config::machine::record::{At, Placed as _, Record, plain};
use crate::config::machine::scalar::{Scalar, StationMac, Within, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{Document, KindConfig};
use crate::value::{BridgeOptions, BridgeVlan, Duration, LinkName, VlanProtocol};

keys! {
    /// A switch between links.
    pub struct BridgeKeys("BridgeConfig") {
        /// The bridge.
        required "name" name: LinkName,
        /// Its hardware address; that of a port unless said otherwise.
        "hardwareAddr" hardware_addr: StationMac,
        /// Its ports.
        "links" links: Vec<At<LinkName>>,
        /// The spanning tree.
        "stp" stp: SpanningTreeKeys,
        /// VLANs on the bridge.
        "vlan" vlan: SwitchVlanKeys,
        /// Whether packets to a group go only where somebody joined it.
        "multicastSnooping" multicast_snooping: bool,
        /// Whether the bridge asks who is in a group.
        "multicastQuerier" multicast_querier: bool,
        /// How long an address is known that sends nothing.
        "ageingTime" ageing_time: Hundredths<0, 1_000_000>,
        /// The link-local groups 01:80:C2:00:00:0X that are forwarded, one bit each; not 0, 1 and 2.
        "groupForwardMask" group_forward_mask: GroupMask,
        ..link: LinkKeys,
    }
}

keys! {
    /// The spanning tree, IEEE 802.1D.
    pub struct SpanningTreeKeys("stp") {
        /// Whether it is made.
        "enabled" enabled: bool,
        /// The bridge with the lowest one is the root.
        "priority" priority: u16,
        /// How long a port listens, and then learns, before it forwards.
        "forwardDelay" forward_delay: Hundredths<2, 30>,
        /// How often the root speaks.
        "helloTime" hello_time: Hundredths<1, 10>,
        /// How long what was heard is believed.
        "maxAge" max_age: Hundredths<6, 40>,
    }
}

keys! {
    /// VLANs on a bridge.
    pub struct SwitchVlanKeys("vlan") {
        /// Whether ports have VLANs.
        "filtering" filtering: bool,
        /// Which tag.
        "protocol" protocol: VlanProtocol,
        /// The VLAN that ports get without being told; 0: none.
        "defaultPVID" default_pvid: Within<u16, 0, 4094>,
        /// The VLANs of the bridge's own end.
        "vlans" vlans: Vec<PortVlanKeys>,
    }
}

/// A duration that the kernel counts in hundredths of a second (USER_HZ), from `LEAST` to `MOST` seconds: the ranges of
/// net/bridge/br_private_stp.h.
#[derive(Clone, Copy, Debug)]
pub struct Hundredths<const LEAST: u32, const MOST: u32>(u32);

impl<const LEAST: u32, const MOST: u32> Scalar for Hundredths<LEAST, MOST> {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        let time = Duration::read(node, text)?;
        let range = Duration::from_secs(LEAST.into())..=Duration::from_secs(MOST.into());
        let hundredths = u32::try_from(time.as_millis() / 10).ok();
        match hundredths.filter(|_| range.contains(&time)) {
            Some(hundredths) => Ok(Self(hundredths)),
            None => Err(format!("expected a duration from {LEAST}s to {MOST}s").into()),
        }
    }

    fn schema() -> Json {
        Duration::schema()
    }
}

/// Which groups are forwarded. The first three are never: spanning tree, pause frames and LACP end at a bridge
/// (BR_GROUPFWD_RESTRICTED, net/bridge/br_private.h).
#[derive(Clone, Copy, Debug)]
pub struct GroupMask(u16);

/// BR_GROUPFWD_RESTRICTED.
const NEVER_FORWARDED: u16 = 0b111;

impl Scalar for GroupMask {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        match u16::read(node, text)? {
            mask if mask & NEVER_FORWARDED != 0 => Err(
                "bits 0, 1 and 2 are never forwarded: spanning tree, pause frames and LACP".into(),
            ),
            mask => Ok(Self(mask)),
        }
    }

    fn schema() -> Json {
        u16::schema()
    }
}

impl Kind for BridgeKeys {
    const ROLE: Role = Role::Link;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let members = link::members(&self, &self.name, self.links.clone(), source);
        let mut options = BridgeOptions {
            multicast_snooping: plain(self.multicast_snooping),
            multicast_querier: plain(self.multicast_querier),
            ageing_time: self.ageing_time.map(|time| time.0),
            group_forward_mask: self.group_forward_mask.map(|mask| mask.0),
            ..BridgeOptions::default()
        };
        if let Some(stp) = self.stp {
            stp.value.apply(&mut options, source);
        }
        let vlans = self
            .vlan
            .and_then(|vlan| vlan.value.apply(&mut options, source));
        let kind = KindConfig::Bridge {
            members,
            options,
            vlans,
        };
        let mac = self.hardware_addr.map(|mac| mac.0);
        self.link
            .apply(self.name.value, Some(kind), mac, source, out);
    }
}

impl SpanningTreeKeys {
    fn apply(self, options: &mut BridgeOptions, source: &Source<'_>) {
        /// The kernel's times where none is said, hundredths of a second (br_dev_setup, net/bridge/br_device.c).
        const FORWARD_DELAY: u32 = 15_00;
        const HELLO_TIME: u32 = 2_00;
        const MAX_AGE: u32 = 20_00;
        let forward = self.forward_delay.map(|time| time.0);
        let hello = self.hello_time.map(|time| time.0);
        let age = self.max_age.map(|time| time.0);
        let said = self.max_age.place();
        let said = said
            .or(self.forward_delay.place())
            .or(self.hello_time.place());
        if let Some(place) = said {
            let forward = forward.unwrap_or(FORWARD_DELAY);
            let age = age.unwrap_or(MAX_AGE);
            // IEEE 802.1D §17.14, in hundredths.
            if 2 * (forward - 1_00) < age {
                let rule = "maxAge is at most 2 × (forwardDelay − 1s), or packets may circle";
                self.warn(source, &place, rule, None);
            } else if age < 2 * (hello.unwrap_or(HELLO_TIME) + 1_00) {
                let rule = "maxAge is at least 2 × (helloTime + 1s), or the tree is made anew";
                self.warn(source, &place, rule, None);
            }
        }
        options.stp = plain(self.enabled);
        options.priority = plain(self.priority);
        options.forward_delay = forward;
        options.hello_time = hello;
        options.max_age = age;
    }
}

impl SwitchVlanKeys {
    /// The VLANs of the bridge's own end; the rest goes to `options`.
    fn apply(self, options: &mut BridgeOptions, source: &Source<'_>) -> Option<Vec<BridgeVlan>> {
        options.vlan_filtering = plain(self.filtering);
        options.vlan_protocol = plain(self.protocol);
        options.default_pvid = self.default_pvid.map(|id| id.0);
        if self.vlans.is_some() && plain(self.filtering) != Some(true) {
            let rule = "vlans have no effect without filtering: true";
            self.warn(source, &self.vlans, rule, None);
        }
        bridge_port::vlans(self.vlans, source)
    }
}
