//! The firewall as a source says it.

use super::Said;
use crate::value::{LinkPattern, Origin, PortRange, Prefix, Protocol, Rate, Service};

/// What may come in, and go out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirewallConfig {
    /// What happens to what no rule matches; `None`: it is let in.
    pub default_action: Option<Said<DefaultAction>>,
    /// The same of what goes out.
    pub egress_action: Option<Said<DefaultAction>>,
    /// Links of which everything is let in.
    pub trusted_links: Vec<LinkPattern>,
    /// What pods may reach on this machine beside what rules let in.
    pub pods_to_host: Option<Said<PodsToHost>>,
    /// Who may send VRRP; none: anybody of the links who has the hop limit for it.
    pub vrrp_peers: Vec<Prefix>,
    /// Ports by which the machine is managed: a change that closes them is asked about.
    pub management: Vec<Said<PortConfig>>,
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
    /// A whole machine config could not be used: as long as nothing else says anything, it is not known.
    Unread,
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

/// What pods may reach on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodsToHost {
    /// Everything.
    All,
    /// These.
    Ports(Vec<PortConfig>),
}

/// Ports of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Which.
    pub ports: PortRange,
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleVerdict {
    /// It is let through.
    Accept,
    /// It is dropped.
    Drop,
    /// It is dropped, and the sender is told.
    Reject,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallRuleConfig {
    /// Its name.
    pub name: String,
    /// What is done; `None`: the field's meaning, by the default action.
    pub action: Option<RuleVerdict>,
    /// Through which links; none: all.
    pub interfaces: Vec<LinkPattern>,
    /// Of which protocol; `None`: those of the services.
    pub protocol: Option<Protocol>,
    /// To which ports, sorted, apart from each other.
    pub ports: Vec<PortRange>,
    /// And to these.
    pub services: Vec<Service>,
    /// Of which ICMP types; none: all.
    pub icmp_types: Vec<u8>,
    /// From where.
    pub ingress: Vec<IngressConfig>,
    /// To where; not empty: a rule about what goes out.
    pub egress: Vec<IngressConfig>,
    /// No more than so much.
    pub limit: Option<LimitConfig>,
    /// Each packet is logged, with this before it.
    pub log: Option<String>,
    /// Where it was said.
    pub origin: Origin,
}

/// How often a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitConfig {
    /// For long.
    pub rate: Rate,
    /// At once, packets.
    pub burst: u32,
}

/// A source of a rule, or a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngressConfig {
    /// From here,
    pub subnet: Prefix,
    /// but not from there.
    pub except: Option<Prefix>,
}
