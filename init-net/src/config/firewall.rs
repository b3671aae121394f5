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
    /// Something that is or may be about it could not be read.
    pub fault: Option<Said<FirewallFault>>,
    /// What holds while the whole is not known; said by the program itself, for the stage it is in.
    pub meanwhile: Option<Meanwhile>,
}

/// What an error leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FirewallFault {
    /// The end, the default action, or a rule that lets in: with what is dropped by default, the rest lets in no more than
    /// was meant.
    LetsInLess,
    /// A rule that may drop what one after it lets in.
    Unclear,
}

/// What holds while it is not known what the firewall should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meanwhile {
    /// A source of which nothing is known yet may say it.
    pub awaited: bool,
    /// What is not built in is dropped; `false`: what is in force stays.
    pub closed: bool,
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
