//! Operators: dynamic sources on a link, as resources.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::value::{Layer, LinkName, Origin, Prefix};

/// What kind of dynamic source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatorKind {
    /// DHCPv4 client.
    Dhcp4,
    /// DHCPv6 client. A later stage of the supervisor runs it.
    Dhcp6,
}

impl fmt::Display for OperatorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp4 => f.write_str("dhcp4"),
            Self::Dhcp6 => f.write_str("dhcp6"),
        }
    }
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
    /// Take no name servers from it (`rd.peerdns=0`).
    pub ignore_dns: bool,
    /// `single-dhcp`: stops when another link of the same argument got a lease first.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub first_lease_wins: bool,
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
