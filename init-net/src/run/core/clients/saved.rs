//! [`SavedLeases`]: what all clients hold, on its way through the state file.

use serde::{Deserialize, Serialize};

use super::dhcp6::Held;
use super::pool::Saved;
use super::router::Routers;
use crate::compile::{lease, router};
use crate::config::Document;
use crate::proto::dhcp4::Lease;
use crate::state::{Desired, OperatorKind, OperatorSpec};

/// Most leases of one protocol that are believed.
const MAX_LEASES: usize = 1024;

/// By protocol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedLeases {
    /// DHCPv4.
    pub dhcp4: Vec<Saved<Lease>>,
    /// DHCPv6.
    pub dhcp6: Vec<Saved<Held>>,
    /// What routers said.
    pub routers: Vec<Saved<Routers>>,
}

impl SavedLeases {
    /// Checks what the types do not: the file is as foreign as the network.
    pub fn validate(&self) -> Result<(), &'static str> {
        let counts = [self.dhcp4.len(), self.dhcp6.len(), self.routers.len()];
        if counts.into_iter().any(|count| count > MAX_LEASES) {
            return Err("too many of them");
        }
        let dhcp4 = self.dhcp4.iter().map(|saved| saved.lease.validate());
        let dhcp6 = self.dhcp6.iter().map(|saved| saved.lease.validate());
        let routers = self.routers.iter().flat_map(|saved| &saved.lease.routers);
        let routers = routers.map(|router| router.validate());
        dhcp4.chain(dhcp6).chain(routers).collect()
    }

    /// Documents of layer operator, for those whose operators `desired` has.
    pub fn documents(&self, desired: &Desired) -> Vec<Document> {
        let mut documents = Vec::new();
        for saved in &self.dhcp4 {
            let spec = operator(desired, saved, OperatorKind::Dhcp4);
            documents.extend(spec.map(|spec| lease::document(&saved.lease, spec).0));
        }
        for saved in &self.routers {
            let spec = operator(desired, saved, OperatorKind::Router);
            documents.extend(spec.map(|spec| router::document(&saved.lease.routers, spec)));
        }
        for saved in &self.dhcp6 {
            let spec = operator(desired, saved, OperatorKind::Dhcp6);
            documents.extend(spec.map(|spec| saved.lease.document(spec).0));
        }
        documents
    }
}

fn operator<'a, H>(
    desired: &'a Desired,
    saved: &Saved<H>,
    kind: OperatorKind,
) -> Option<&'a OperatorSpec> {
    desired.operators.get(&(saved.link_name.clone(), kind))
}
