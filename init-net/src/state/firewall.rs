//! The firewall as it is wanted. A later stage makes nftables of it.

use std::sync::Arc;

use serde::Serialize;

use super::nft::Table;
use crate::value::{Layer, Origin, PortRange, Prefix, Protocol};

/// What may come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirewallSpec {
    /// What happens to what no rule matches: let in, or dropped.
    pub accept_by_default: bool,
    /// In order.
    pub rules: Vec<FirewallRuleSpec>,
    /// Networks of pods and services, between which everything passes.
    pub cluster_subnets: Vec<Prefix>,
    /// What it comes to in nf_tables.
    #[serde(skip)]
    pub table: Arc<Table>,
    /// Rank of the highest source.
    pub layer: Layer,
    /// Where the default action, or the first rule, was said.
    pub origin: Origin,
}

/// What becomes of a table of ours where [`super::Desired::firewall`] is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Unsaid {
    /// It goes: what is known says nothing of a firewall.
    #[default]
    Remove,
    /// It stays as it is: what should be is not known yet.
    Leave,
    /// It stays as it was when the question came up: what somebody changes of it is undone.
    Keep(Arc<Table>),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirewallRuleSpec {
    /// Its name.
    pub name: String,
    /// Of which protocol.
    pub protocol: Protocol,
    /// To which ports, sorted.
    pub ports: Vec<PortRange>,
    /// From where.
    pub ingress: Vec<IngressSpec>,
    /// Where it was said.
    pub origin: Origin,
}

/// A source of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IngressSpec {
    /// From here,
    pub subnet: Prefix,
    /// but not from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub except: Option<Prefix>,
}
