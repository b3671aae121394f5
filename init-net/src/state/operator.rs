//! Operators: dynamic sources on a link, as resources.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::value::{Hostname, Layer, LinkName, Origin, Prefix, RouteTable};

/// What kind of dynamic source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatorKind {
    /// DHCPv4 client.
    Dhcp4,
    /// DHCPv6 client.
    Dhcp6,
    /// Router discovery.
    #[serde(rename = "ra")]
    Router,
}

impl fmt::Display for OperatorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dhcp4 => "dhcp4",
            Self::Dhcp6 => "dhcp6",
            Self::Router => "ra",
        })
    }
}

/// When the DHCPv6 client of a link runs; who runs more often comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dhcp6Start {
    /// Whatever routers say.
    #[default]
    Always,
    /// As `Advertised`, and for a lease when no router answers or none lets hosts give themselves addresses (`either6`).
    Fallback,
    /// When a router says so: for a lease with its flag M, for facts with O (RFC 4861 §4.2).
    Advertised,
}

/// Whether a boot waits for what an operator brings; who is waited for longer comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum OperatorNeed {
    /// It does.
    #[default]
    Required,
    /// It does until one of those of its link that say so is content (`ip=on`: either address family will do).
    OneOfThem,
    /// It does not.
    Optional,
}

/// Orders for DHCPv6 alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dhcp6Spec {
    /// When it runs.
    #[serde(skip_serializing_if = "is_default")]
    pub start: Dhcp6Start,
    /// The prefix to ask for (`::/56`: any of that length); `None`: none is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Prefix>,
    /// Which links get a part of a delegated prefix.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delegate: Vec<DelegateSpec>,
}

/// One part of a delegated prefix: a /64 for a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DelegateSpec {
    /// Which link.
    pub link_name: LinkName,
    /// Which /64 of the prefix, from 0.
    pub subnet: u32,
}

/// A dynamic source that should run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorSpec {
    /// What to run.
    pub operator: OperatorKind,
    /// On which link.
    pub link_name: LinkName,
    /// Metric of its routes.
    pub route_metric: u32,
    /// DHCPv4 option 61 with its type byte, or the DUID of DHCPv6; hexadecimal in output; empty: none is sent.
    #[serde(serialize_with = "hex")]
    pub client_identifier: Vec<u8>,
    /// Option 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor_class: Option<String>,
    /// Take no host name from it.
    pub ignore_hostname: bool,
    /// Take no routes from it.
    pub ignore_routes: bool,
    /// Its routes within these networks may cover what the configuration speaks of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_routes: Vec<Prefix>,
    /// The table of its routes; `None`: main, or that of the VRF of its link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_table: Option<RouteTable>,
    /// Take no name servers from it (`rd.peerdns=0`).
    pub ignore_dns: bool,
    /// Take no search domains from it.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub ignore_domains: bool,
    /// Neither ask for nor take an MTU.
    #[serde(rename = "ignoreMTU", skip_serializing_if = "core::ops::Not::not")]
    pub ignore_mtu: bool,
    /// Take no time servers from it.
    #[serde(rename = "ignoreNTP", skip_serializing_if = "core::ops::Not::not")]
    pub ignore_ntp: bool,
    /// The host name that the server is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,
    /// `single-dhcp`: stops when another link of the same argument got a lease first.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub first_lease_wins: bool,
    /// Whether a boot waits for it.
    #[serde(skip_serializing_if = "is_default")]
    pub need: OperatorNeed,
    /// Orders for DHCPv6.
    #[serde(skip_serializing_if = "is_default")]
    pub dhcp6: Dhcp6Spec,
    /// Its rank.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
    /// Which values lost against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrode: Vec<Origin>,
}

fn hex<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(
        &bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
    )
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
