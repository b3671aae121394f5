//! One file a kind.
//!
//! To add one:
//!
//! 1. declare its keys with `keys!` ([`super::keys`]); name the record as in `kind:`, comment every key: the
//!    comments are what an editor shows. Link kinds take in the common keys with `..link: link::LinkKeys,`;
//! 2. give words a [`Names`](super::scalar::Names) list, and a value with a rule of its own a
//!    [`Scalar`](super::scalar::Scalar): the rule is then checked where it is written, and is in the schema;
//! 3. implement [`Kind`] for it: checks across keys, then what it says goes to the [`Document`];
//! 4. put `applied::<ItsKeys>()` in [`KINDS`], and a full example in the tests of `schema.rs`.

mod address;
mod alias;
mod bgp;
mod bond;
mod bridge;
mod bridge_port;
pub(super) mod dhcp;
mod dummy;
mod ethernet;
mod firewall;
mod firewall_rule;
mod header;
mod hostname;
mod ipvlan;
pub(super) mod kube_network;
pub(super) mod kube_span;
pub(super) mod link;
mod link_settings;
mod macvlan;
mod port_selector;
mod probe;
pub(super) mod resolver;
mod route;
mod routing;
pub(super) mod static_host;
pub(super) mod sysctl;
pub(super) mod time_sync;
mod veth;
pub(super) mod vip;
pub(super) mod vip_options;
mod vlan;
mod vrf;
mod vxlan;
mod wireguard;

use serde_json::Value as Json;

pub use self::header::Header;

use super::record::{Record, read_quiet, read_top};
use super::schema::Schemas;
use super::source::Source;
use super::tree::Node;
use crate::config::Document;

/// What a kind is to the rest of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Makes or sets up a link: DHCP no longer runs by default.
    Link,
    /// Runs DHCP on a link: it no longer runs on the others by default.
    Dhcp,
    /// An address that moves between machines.
    Vip,
    /// What may come in.
    Firewall,
    /// Anything else.
    Other,
}

/// The keys of a kind that is applied.
pub trait Kind: Record {
    /// What it is.
    const ROLE: Role;

    /// Checks what was read across keys, and adds it to `out`.
    fn apply(self, source: &Source<'_>, out: &mut Document);
}

/// A kind of document.
#[derive(Debug)]
pub struct Known {
    /// As in `kind:`.
    pub name: &'static str,
    /// What it is.
    pub role: Role,
    /// Reads a document into another.
    pub read: fn(&Source<'_>, &Node, &mut Document),
    /// The schema of it.
    pub schema: fn(&mut Schemas) -> Json,
}

const fn applied<K: Kind>() -> Known {
    Known {
        name: K::WHAT,
        role: K::ROLE,
        read: |source, node, out| {
            if let Some((_, keys)) = read_top::<(Header, K)>(source, node) {
                keys.apply(source, out);
            }
        },
        schema: |schemas| schemas.document::<K>(),
    }
}

/// A kind that is checked and has no effect here.
const fn checked<K: Kind>() -> Known {
    Known {
        name: K::WHAT,
        role: K::ROLE,
        read: |source, node, out| {
            if let Some((_, keys)) = read_quiet::<(Header, K)>(source, node) {
                keys.apply(source, out);
            }
        },
        schema: |schemas| schemas.document::<K>(),
    }
}

/// Every kind about the network.
pub const KINDS: [Known; 34] = [
    applied::<link::LinkConfigKeys>(),
    applied::<dhcp::Dhcp4Keys>(),
    applied::<hostname::HostnameKeys>(),
    applied::<resolver::ResolverKeys>(),
    applied::<static_host::StaticHostKeys>(),
    applied::<time_sync::TimeSyncKeys>(),
    applied::<dhcp::Dhcp6Keys>(),
    applied::<vlan::VlanConfigKeys>(),
    applied::<bond::BondKeys>(),
    applied::<bridge::BridgeKeys>(),
    applied::<vrf::VrfKeys>(),
    applied::<dummy::DummyKeys>(),
    applied::<veth::VethKeys>(),
    applied::<wireguard::WireguardKeys>(),
    applied::<macvlan::MacvlanKeys>(),
    applied::<ipvlan::IpvlanKeys>(),
    applied::<vxlan::VxlanKeys>(),
    applied::<vip::Layer2VipKeys>(),
    applied::<vip::HCloudVipKeys>(),
    applied::<vip::DigitalOceanVipKeys>(),
    applied::<vip::HttpVipKeys>(),
    applied::<alias::AliasKeys>(),
    applied::<ethernet::EthernetKeys>(),
    applied::<firewall::DefaultActionKeys>(),
    applied::<firewall_rule::NetworkRuleKeys>(),
    applied::<routing::RoutingRuleKeys>(),
    applied::<routing::BlackholeKeys>(),
    applied::<probe::TcpProbeKeys>(),
    applied::<probe::HttpProbeKeys>(),
    checked::<kube_span::KubeSpanKeys>(),
    checked::<kube_span::EndpointKeys>(),
    checked::<bgp::BgpKeys>(),
    applied::<sysctl::SysctlKeys>(),
    applied::<kube_network::KubeNetworkKeys>(),
];

/// Kinds of an operating system's configuration that are not about its network: accepted and left alone.
pub const OTHERS: [&str; 32] = [
    "AdmissionControlConfig",
    "AuditPolicyConfig",
    "ContainerdConfig",
    "CustomResourceConfig",
    "DiscoveryServiceConfig",
    "EnvironmentConfig",
    "EventSinkConfig",
    "ExistingVolumeConfig",
    "ExtensionServiceConfig",
    "ExternalVolumeConfig",
    "ImageVerificationConfig",
    "KernelModuleConfig",
    "KmsgLogConfig",
    "KubeFlannelCNIConfig",
    "KubeNodeConfig",
    "LVMConfig",
    "OOMConfig",
    "PCIDriverRebindConfig",
    "RaidConfig",
    "RawVolumeConfig",
    "RegistryAuthConfig",
    "RegistryMirrorConfig",
    "RegistryTLSConfig",
    "SecurityProfileConfig",
    "SideroLinkConfig",
    "SwapVolumeConfig",
    "SysfsConfig",
    "TrustedRootsConfig",
    "UdevRulesConfig",
    "UserVolumeConfig",
    "VolumeConfig",
    "WatchdogTimerConfig",
];
