//! Plain data of every resource: what is wanted ([`Desired`]), what is there ([`Observed`]), what to do ([`Op`]).
//!
//! Field names and enumerations print as the field knows them (camelCase, `inet4`, `unicast`…): these types are what
//! `compile`, `get` and the state file show.

mod address;
mod ethernet;
mod firewall;
mod hosts;
mod kind;
mod link;
mod neighbor;
pub mod nft;
mod node_address;
mod op;
mod operator;
mod probe;
mod resolver;
mod route;
mod rule;
mod sysctl;
mod vip;
mod wireguard;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use core::net::IpAddr;

use serde::Serialize;

pub use address::{AddressId, AddressSpec, AddressStatus, Family, Scope};
pub use ethernet::{AliasSpec, EthernetSpec};
pub use firewall::{
    FirewallRuleSpec, FirewallSpec, IngressSpec, LimitSpec, ManagementSpec, PodsToHostSpec,
    PortSpec, RuleVerdict, Unsaid, VrrpSpec, merged_ports,
};
pub use hosts::{HostSpec, render_hosts};
pub use kind::{KindSpec, KindStatus};
pub use link::{
    BondSlave, CardStatus, FieldOrigin, LinkSpec, LinkStatus, MasterSpec, OUR_GROUP, Slave, arphrd,
    iff,
};
pub use neighbor::{NeighborState, NeighborStatus};
pub use node_address::NodeAddressSpec;
pub use op::{
    AddressOp, EthernetOp, FileOp, FirewallOp, LinkAdd, LinkAt, NextHopAt, Op, RouteOp, RuleOp,
    WireguardOp, WireguardPeerOp,
};
pub use operator::{DelegateSpec, Dhcp6Spec, Dhcp6Start, OperatorKind, OperatorNeed, OperatorSpec};
pub use probe::{ProbeSpec, ProbeStatus};
pub use resolver::{MAX_NAMESERVERS, ResolverSpec, TimeServerSpec, render_resolv_conf};
pub use route::{NextHopSpec, NextHopStatus, RouteId, RouteSpec, RouteStatus};
pub use rule::{RuleId, RuleSpec, RuleStatus};
pub use sysctl::SysctlSpec;
pub use vip::{EtcdElection, VipCheck, VipElection, VipSpec, VipState, VipStatus, VrrpElection};
pub use wireguard::PeerTraffic;

use crate::value::{
    BridgeVlan, EthernetOptions, Hostname, Instant, Layer, LinkName, Origin, SysctlKey,
    WireguardOptions,
};

/// RTA_PROTOCOL, FRA_PROTOCOL and IFA_PROTO of everything that is ours (DESIGN §2.3). Unused by any known daemon.
pub const OUR_PROTOCOL: u8 = 73;

/// What the machine should look like, merged from every source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Desired {
    /// Links by name.
    #[serde(serialize_with = "values")]
    pub links: BTreeMap<LinkName, LinkSpec>,
    /// Addresses by link and prefix.
    #[serde(serialize_with = "values")]
    pub addresses: BTreeMap<AddressId, AddressSpec>,
    /// Routes by table, destination, gateway, metric.
    #[serde(serialize_with = "values")]
    pub routes: BTreeMap<RouteId, RouteSpec>,
    /// Routing rules by family and priority.
    #[serde(serialize_with = "values")]
    pub rules: BTreeMap<RuleId, RuleSpec>,
    /// The host name that won, if any source gave one.
    #[serde(rename = "hostnames", serialize_with = "one")]
    pub hostname: Option<HostnameSpec>,
    /// Name servers and search domains.
    #[serde(rename = "resolvers", serialize_with = "one")]
    pub resolver: Option<ResolverSpec>,
    /// NTP servers.
    #[serde(rename = "timeServers", serialize_with = "one")]
    pub time_servers: Option<TimeServerSpec>,
    /// Extra rows of `/etc/hosts`.
    pub hosts: Vec<HostSpec>,
    /// DHCP and other dynamic sources.
    #[serde(serialize_with = "values")]
    pub operators: BTreeMap<(LinkName, OperatorKind), OperatorSpec>,
    /// What may come in; `None`: no source says anything of it.
    #[serde(serialize_with = "one")]
    pub firewall: Option<FirewallSpec>,
    /// What that comes to where it is `None`.
    #[serde(skip)]
    pub unsaid_firewall: Unsaid,
    /// What is in force in place of a table that the kernel refuses.
    #[serde(skip)]
    pub firewall_stand_in: Option<Arc<nft::Table>>,
    /// Shared addresses by link and address.
    #[serde(serialize_with = "values")]
    pub vips: BTreeMap<(LinkName, IpAddr), VipSpec>,
    /// What tells that the network works, by name.
    #[serde(serialize_with = "values")]
    pub probes: BTreeMap<String, ProbeSpec>,
    /// Settings of network cards by link.
    #[serde(serialize_with = "values")]
    pub ethernet: BTreeMap<LinkName, EthernetSpec>,
    /// Names of our own, by link.
    #[serde(serialize_with = "values")]
    pub aliases: BTreeMap<LinkName, AliasSpec>,
    /// Kernel parameters.
    #[serde(serialize_with = "values")]
    pub sysctls: BTreeMap<SysctlKey, SysctlSpec>,
    /// Addresses under which the outside sees this machine.
    #[serde(rename = "externalIPs")]
    pub external_ips: Vec<IpAddr>,
    /// Instance facts of the platform.
    pub metadata: BTreeMap<String, String>,
    /// By what the addresses of the machine are told.
    #[serde(skip)]
    pub node_addresses: NodeAddressSpec,
    /// Files to keep as they are here, by path.
    #[serde(skip)]
    pub files: BTreeMap<PathBuf, FileSpec>,
}

/// What the kernel and the file system say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// When the dump was taken: remaining lifetimes count from here.
    pub at: Instant,
    /// Links by index.
    pub links: BTreeMap<u32, LinkStatus>,
    /// All addresses.
    pub addresses: Vec<AddressStatus>,
    /// All routes of every table but `local`.
    pub routes: Vec<RouteStatus>,
    /// All routing rules.
    pub rules: Vec<RuleStatus>,
    /// VLANs of bridges and of their ports, by link.
    pub bridge_vlans: BTreeMap<u32, Vec<BridgeVlan>>,
    /// Keys and peers of the WireGuard links that [`Desired::links`] names.
    pub wireguard: BTreeMap<u32, WireguardOptions>,
    /// Settings of the network cards that [`Desired::ethernet`] names.
    pub ethernet: BTreeMap<u32, EthernetOptions>,
    /// Kernel parameters that [`Desired::sysctls`] names, those that exist.
    pub sysctls: BTreeMap<SysctlKey, String>,
    /// Parameters of the baseline that were set, or found right, earlier in this boot: remembered, not looked at.
    pub decided: BTreeSet<SysctlKey>,
    /// The table of ours in nf_tables; `None`: there is none, or no nf_tables.
    pub firewall: Option<nft::TableStatus>,
    /// Generation of the rules of this network namespace (NFT_MSG_GETGEN), when `firewall` was read.
    pub generation: Option<u32>,
    /// `gethostname(2)`; `None` when empty or `(none)`.
    pub hostname: Option<String>,
    /// Contents of the files that [`Desired::files`] names, where they exist.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Desired {
    /// The table of ours that is to be in force; `None`: none, or whatever is there ([`Unsaid::Leave`]).
    pub fn table(&self) -> Option<&Arc<nft::Table>> {
        let wanted = self.wanted_table()?;
        Some(self.firewall_stand_in.as_ref().unwrap_or(wanted))
    }

    /// The same, whatever the kernel says of it.
    pub fn wanted_table(&self) -> Option<&Arc<nft::Table>> {
        match (&self.firewall, &self.unsaid_firewall) {
            (Some(spec), _) => spec.wanted(),
            (None, Unsaid::Keep(table)) => Some(table),
            (None, Unsaid::Remove | Unsaid::Leave) => None,
        }
    }

    /// Whether it is a shared address where it belongs: an election decides whether it is there.
    pub fn shares(&self, status: &AddressStatus) -> bool {
        let mut vips = self.vips.values();
        vips.any(|vip| vip.ip == status.address.address() && vip.holder == status.link_name)
    }
}

impl Observed {
    /// The link of that name or alternative name.
    pub fn link(&self, name: &LinkName) -> Option<&LinkStatus> {
        let by_name = self.links.values().find(|link| link.name == *name);
        by_name.or_else(|| {
            self.links
                .values()
                .find(|link| link.alt_names.iter().any(|alt| alt == name.as_str()))
        })
    }
}

/// The host name, as a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostnameSpec {
    /// First label.
    pub hostname: String,
    /// The rest, empty if none.
    pub domainname: String,
    /// Its rank.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
    /// Which values lost against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrode: Vec<Origin>,
}

impl HostnameSpec {
    /// From a name.
    pub fn new(name: &Hostname, layer: Layer, origin: Origin) -> Self {
        Self {
            hostname: name.name().to_owned(),
            domainname: name.domain().unwrap_or_default().to_owned(),
            layer,
            origin,
            overrode: Vec::new(),
        }
    }

    /// Name and domain in one.
    pub fn fqdn(&self) -> String {
        if self.domainname.is_empty() {
            self.hostname.clone()
        } else {
            format!("{}.{}", self.hostname, self.domainname)
        }
    }
}

/// A file we keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// Permission bits.
    pub mode: u32,
    /// The bytes.
    pub content: Vec<u8>,
}

/// A map prints as the list of its values: every value holds its own id.
fn values<K, V: Serialize, S: serde::Serializer>(
    map: &BTreeMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map.values())
}

/// A single slot prints as a list of at most one, as the field has it.
fn one<V: Serialize, S: serde::Serializer>(
    slot: &Option<V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(slot)
}
