//! One file a kind. To add one: write `pub fn read(reader, out)`, name it in [`KINDS`].

mod dhcp;
mod hostname;
pub(super) mod link;
mod resolver;
pub(super) mod static_host;
pub(super) mod time_sync;

use super::reader::Reader;
use crate::config::Document;

/// What a kind is to the rest of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Makes or sets up a link: DHCP no longer runs by default.
    Link,
    /// Runs DHCP on a link: it no longer runs on the others by default.
    Dhcp,
    /// Anything else.
    Other,
}

/// A kind of document.
#[derive(Debug)]
pub struct Kind {
    /// As in `kind:`.
    pub name: &'static str,
    /// What it is.
    pub role: Role,
    /// Who reads it; `None`: known, and not applied yet.
    pub read: Option<fn(Reader<'_>, &mut Document)>,
}

const fn read(name: &'static str, role: Role, read: fn(Reader<'_>, &mut Document)) -> Kind {
    Kind {
        name,
        role,
        read: Some(read),
    }
}

const fn later(name: &'static str, role: Role) -> Kind {
    Kind {
        name,
        role,
        read: None,
    }
}

/// Every kind about the network.
pub const KINDS: [Kind; 29] = [
    read("LinkConfig", Role::Link, link::read),
    read("DHCPv4Config", Role::Dhcp, dhcp::read_v4),
    read("HostnameConfig", Role::Other, hostname::read),
    read("ResolverConfig", Role::Other, resolver::read),
    read("StaticHostConfig", Role::Other, static_host::read),
    read("TimeSyncConfig", Role::Other, time_sync::read),
    later("DHCPv6Config", Role::Dhcp),
    later("VLANConfig", Role::Link),
    later("BondConfig", Role::Link),
    later("BridgeConfig", Role::Link),
    later("VRFConfig", Role::Link),
    later("DummyLinkConfig", Role::Link),
    later("VethConfig", Role::Link),
    later("WireguardConfig", Role::Link),
    later("Layer2VIPConfig", Role::Other),
    later("HCloudVIPConfig", Role::Other),
    later("LinkAliasConfig", Role::Other),
    later("EthernetConfig", Role::Other),
    later("NetworkDefaultActionConfig", Role::Other),
    later("NetworkRuleConfig", Role::Other),
    later("RoutingRuleConfig", Role::Other),
    later("BlackholeRouteConfig", Role::Other),
    later("TCPProbeConfig", Role::Other),
    later("HTTPProbeConfig", Role::Other),
    later("KubeSpanConfig", Role::Other),
    later("KubeSpanEndpointsConfig", Role::Other),
    later("BGPInstanceConfig", Role::Other),
    later("SysctlConfig", Role::Other),
    later("SysfsConfig", Role::Other),
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
    "KubeNetworkConfig",
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
    "TrustedRootsConfig",
    "UdevRulesConfig",
    "UserVolumeConfig",
    "VolumeConfig",
    "WatchdogTimerConfig",
];
