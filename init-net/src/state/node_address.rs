//! By what the addresses of the machine are told.

use serde::Serialize;

use crate::value::{NodeAddressSort, Prefix};

/// The order of the addresses of the machine, and which of them belong to its cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeAddressSpec {
    /// The order.
    pub sort_algorithm: NodeAddressSort,
    /// Networks of pods and services, sorted.
    pub cluster_subnets: Vec<Prefix>,
}

impl Default for NodeAddressSpec {
    fn default() -> Self {
        Self {
            sort_algorithm: NodeAddressSort::V1,
            cluster_subnets: Vec::new(),
        }
    }
}
