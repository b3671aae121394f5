//! Links as a source says them: state, kind, membership, aliases, selectors.

use super::LinkRef;
use super::expression::Expression;
use crate::value::{
    BondOptions, BridgeOptions, BridgePortOptions, BridgeVlan, IpvlanMode, LinkName, Mac,
    MacvlanMode, Mtu, Origin, Prefix, RouteTable, VlanId, VlanProtocol, VxlanOptions,
    WireguardOptions,
};

/// What is said of one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// Which link.
    pub link: LinkRef,
    /// Administrative state.
    pub up: Option<bool>,
    /// Largest packet.
    pub mtu: Option<Mtu>,
    /// IFF_MULTICAST.
    pub multicast: Option<bool>,
    /// Hardware address to set.
    pub mac: Option<Mac>,
    /// What to create, for a virtual link.
    pub kind: Option<KindConfig>,
    /// The bridge that it is a port of (`bridgePort` of the older form, or one of our own keys). Members that a bond,
    /// bridge or VRF lists stand there.
    pub bridge: Option<LinkRef>,
    /// Options of it as a port of a bridge.
    pub port: BridgePortOptions,
    /// VLANs of it as a port of a bridge; `None`: not said, the bridge's default stays.
    pub port_vlans: Option<Vec<BridgeVlan>>,
    /// Kernel parameters of the link.
    pub settings: LinkSettings,
    /// Where it was said.
    pub origin: Origin,
}

impl LinkConfig {
    /// A link of which nothing but its existence is said.
    pub fn new(link: LinkRef, origin: Origin) -> Self {
        Self {
            link,
            up: None,
            mtu: None,
            multicast: None,
            mac: None,
            kind: None,
            bridge: None,
            port: BridgePortOptions::default(),
            port_vlans: None,
            settings: LinkSettings::default(),
            origin,
        }
    }

    /// Whether nothing is said but whose routes are trusted: the link runs what it runs without that.
    pub fn only_allows_routes(&self) -> bool {
        let mut bare = Self::new(self.link.clone(), self.origin.clone());
        let allowed = &self.settings.allow_routes;
        bare.settings.allow_routes.clone_from(allowed);
        !allowed.is_empty() && *self == bare
    }
}

/// Kernel parameters of one link: `net.ipv4.conf.<link>.…`, `net.ipv6.conf.<link>.…` (Documentation/networking/
/// ip-sysctl.rst).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkSettings {
    /// `accept_ra`: 0, 1, or 2 (also where the link forwards).
    pub accept_ra: Option<u8>,
    /// `rp_filter`: 0, 1 strict, 2 loose.
    pub rp_filter: Option<u8>,
    /// `forwarding` of both families.
    pub forwarding: Option<bool>,
    /// `arp_ignore`, 0 to 8.
    pub arp_ignore: Option<u8>,
    /// `arp_announce`, 0 to 2.
    pub arp_announce: Option<u8>,
    /// `proxy_arp`.
    pub proxy_arp: Option<bool>,
    /// `disable_ipv6`, turned round.
    pub ipv6: Option<bool>,
    /// `addr_gen_mode`: 0 EUI-64, 1 none, 2 stable privacy, 3 random.
    pub addr_gen_mode: Option<u8>,
    /// `use_tempaddr`: 0 none, 1 made, 2 made and preferred (RFC 8981).
    pub temporary_addresses: Option<u8>,
    /// Networks that routes of its routers may cover, whatever else is said of them. No parameter of the kernel.
    pub allow_routes: Vec<Prefix>,
}

/// A virtual link to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KindConfig {
    /// A tag on a parent.
    Vlan {
        /// The link below.
        parent: LinkRef,
        /// The tag.
        id: VlanId,
        /// Its EtherType; `None`: 802.1Q.
        protocol: Option<VlanProtocol>,
    },
    /// Members in one aggregate.
    Bond {
        /// In slave order.
        members: Vec<LinkRef>,
        /// Options.
        options: BondOptions,
        /// The preferred member.
        primary: Option<LinkRef>,
    },
    /// Ports of a switch.
    Bridge {
        /// In order.
        members: Vec<LinkRef>,
        /// Options.
        options: BridgeOptions,
        /// VLANs of the bridge itself; `None`: not said.
        vlans: Option<Vec<BridgeVlan>>,
    },
    /// The team driver: `team=` of dracut.
    Team {
        /// In order.
        members: Vec<LinkRef>,
        /// `activebackup`, `loadbalance`…
        runner: String,
    },
    /// A routing domain.
    Vrf {
        /// Its links.
        members: Vec<LinkRef>,
        /// Its table.
        table: RouteTable,
    },
    /// A link that leads nowhere.
    Dummy,
    /// One end of a pair. The other end is a [`LinkConfig`] of its own that names this one.
    Veth {
        /// The other end.
        peer: LinkName,
    },
    /// An encrypted tunnel.
    Wireguard(WireguardOptions),
    /// A link with its own hardware address on a parent.
    Macvlan {
        /// The link below.
        parent: LinkRef,
        /// `None`: the kernel's default (vepa).
        mode: Option<MacvlanMode>,
    },
    /// A link with the parent's hardware address.
    Ipvlan {
        /// The link below.
        parent: LinkRef,
        /// `None`: the kernel's default (l3).
        mode: Option<IpvlanMode>,
    },
    /// Ethernet over UDP, RFC 7348.
    Vxlan {
        /// The link that carries it; `None`: routing decides.
        parent: Option<LinkRef>,
        /// Options.
        options: VxlanOptions,
    },
}

/// A name of our own for physical links (`LinkAliasConfig`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasConfig {
    /// The name, or what stands before the number.
    pub name: String,
    /// Whether a number follows: `net%d`.
    pub numbered: bool,
    /// Which links.
    pub matches: Expression,
    /// Where it was said.
    pub origin: Origin,
}

/// `deviceSelector`: globs, all of which must fit; `None` fits anything. One without any fits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceSelector {
    /// Name that the kernel gave, or an alternative one.
    pub name: Option<String>,
    /// Hardware address: the permanent one, or the current one where there is none.
    pub mac: Option<Mac>,
    /// Bus address.
    pub bus_path: Option<String>,
    /// Current hardware address.
    pub hardware_addr: Option<String>,
    /// Burnt-in hardware address.
    pub permanent_addr: Option<String>,
    /// `VVVV:DDDD`.
    pub pci_id: Option<String>,
    /// Kernel driver.
    pub driver: Option<String>,
    /// Kernel drivers, one of which must fit; none: any.
    pub drivers: Vec<String>,
    /// A network card, or not.
    pub physical: Option<bool>,
}
