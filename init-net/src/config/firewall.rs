//! The firewall as a source says it.

use super::Said;
use crate::value::{Origin, PortRange, Prefix, Protocol};

/// What may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirewallConfig {
    /// What happens to what no rule matches; `None`: it is let in.
    pub default_action: Option<Said<DefaultAction>>,
    /// In order.
    pub rules: Vec<FirewallRuleConfig>,
}

/// What happens to what no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// It is let in.
    Accept,
    /// It is dropped.
    Block,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallRuleConfig {
    /// Its name.
    pub name: String,
    /// Of which protocol.
    pub protocol: Protocol,
    /// To which ports, sorted, apart from each other.
    pub ports: Vec<PortRange>,
    /// From where.
    pub ingress: Vec<IngressConfig>,
    /// Where it was said.
    pub origin: Origin,
}

/// A source of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngressConfig {
    /// From here,
    pub subnet: Prefix,
    /// but not from there.
    pub except: Option<Prefix>,
}
