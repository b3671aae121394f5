//! The firewall as it is wanted.

use std::sync::Arc;

use serde::Serialize;

use super::nft::Table;
use crate::value::{Layer, LinkPattern, Origin, PortRange, Prefix, Protocol, Rate, Service, named};

/// What may come in, and go out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirewallSpec {
    /// What happens to what no rule matches: let in, or dropped.
    pub accept_by_default: bool,
    /// The same of what goes out; `None`: nothing of it is looked at unless a rule is about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress_accept_by_default: Option<bool>,
    /// Links of which everything is let in, beside those of the field; the links of shared addresses that stand on them as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_links: Vec<LinkPattern>,
    /// In order.
    pub rules: Vec<FirewallRuleSpec>,
    /// Networks of pods and services, between which everything passes.
    pub cluster_subnets: Vec<Prefix>,
    /// What pods may reach on this machine beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods_to_host: Option<PodsToHostSpec>,
    /// Who may send VRRP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vrrp: Option<VrrpSpec>,
    /// Ports by which the machine is managed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub management: Vec<ManagementSpec>,
    /// What it comes to in nf_tables.
    #[serde(skip)]
    pub table: Arc<Table>,
    /// The same without rules: what is in force where the kernel refuses `table` and nothing better is there. No chain: where
    /// everything is let in by default, nothing is.
    #[serde(skip)]
    pub fallback: Arc<Table>,
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

impl FirewallSpec {
    /// Everything is dropped, and no table made of it yet.
    pub fn closed(origin: Origin) -> Self {
        Self {
            accept_by_default: false,
            egress_accept_by_default: None,
            trusted_links: Vec::new(),
            rules: Vec::new(),
            cluster_subnets: Vec::new(),
            pods_to_host: None,
            vrrp: None,
            management: Vec::new(),
            table: Arc::default(),
            fallback: Arc::default(),
            layer: Layer::Default,
            origin,
        }
    }

    /// The table that should be there; `None`: nothing is filtered, and there is none.
    pub fn wanted(&self) -> Option<&Arc<Table>> {
        Some(&self.table).filter(|table| !table.chains.is_empty())
    }
}

/// What pods may reach on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodsToHostSpec {
    /// Their networks.
    pub subnets: Vec<Prefix>,
    /// These ports; `None`: everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<PortSpec>>,
}

/// Ports of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PortSpec {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Which.
    pub ports: PortRange,
}

/// Who may send VRRP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VrrpSpec {
    /// These, also to an address of this machine; none: anybody, to the group.
    pub peers: Vec<Prefix>,
}

/// Ports by which the machine is managed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ManagementSpec {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Which.
    pub ports: PortRange,
    /// Where it was said.
    pub origin: Origin,
}

named! {
    /// What a rule does with what it matches.
    pub enum RuleVerdict: u8 {
        /// It is dropped.
        Drop = 0 "drop",
        /// It is let through.
        Accept = 1 "accept",
        /// It is dropped, and the sender is told.
        Reject = 2 "reject",
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirewallRuleSpec {
    /// Its name.
    pub name: String,
    /// What is done; `None`: by the default action, what comes from its sources is let in, or what does not is dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<RuleVerdict>,
    /// In (or out) through which links, and the links of shared addresses that stand on them; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<LinkPattern>,
    /// Of which protocol; `None`: those of the services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// To which ports, sorted.
    pub ports: Vec<PortRange>,
    /// And to these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// Of which ICMP types, sorted; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub icmp_types: Vec<u8>,
    /// From where.
    pub ingress: Vec<IngressSpec>,
    /// To where; not empty: a rule about what goes out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<IngressSpec>,
    /// No more than so much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitSpec>,
    /// Each packet is logged, with this before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Where it was said.
    pub origin: Origin,
}

impl FirewallRuleSpec {
    /// Whether it is about what goes out.
    pub fn is_egress(&self) -> bool {
        !self.egress.is_empty()
    }

    /// Its subnets: sources, or destinations.
    pub fn subnets(&self) -> &[IngressSpec] {
        match self.is_egress() {
            true => &self.egress,
            false => &self.ingress,
        }
    }

    /// What it is about: each protocol once, with its ports (or types of ICMP), sorted and apart from each other. No
    /// ports: all of the protocol.
    pub fn selectors(&self) -> Vec<(Protocol, Vec<PortRange>)> {
        let mut selectors: Vec<(Protocol, Vec<PortRange>)> = Vec::new();
        if let Some(protocol) = self.protocol {
            let ports = match protocol {
                Protocol::Icmp | Protocol::Icmpv6 => {
                    let types = self.icmp_types.iter();
                    types
                        .map(|number| PortRange::one((*number).into()))
                        .collect()
                }
                Protocol::Tcp | Protocol::Udp => self.ports.clone(),
            };
            let nothing = ports.is_empty() && matches!(protocol, Protocol::Tcp | Protocol::Udp);
            // Without ports of its own it is about its services alone.
            if !nothing || self.services.is_empty() {
                selectors.push((protocol, ports));
            }
        }
        for (protocol, range) in self.services.iter().flat_map(|service| service.ports()) {
            match selectors.iter_mut().find(|(found, _)| found == protocol) {
                Some((_, ports)) => ports.push(*range),
                None => selectors.push((*protocol, vec![*range])),
            }
        }
        for (_, ports) in &mut selectors {
            *ports = merged_ports(core::mem::take(ports));
        }
        selectors
    }
}

/// Sorted; what overlaps or is adjacent is one; everything is nothing.
pub fn merged_ports(mut ports: Vec<PortRange>) -> Vec<PortRange> {
    ports.sort_unstable();
    let mut whole: Vec<PortRange> = Vec::with_capacity(ports.len());
    for range in ports {
        match whole.last_mut() {
            Some(last) if u32::from(range.first()) <= u32::from(last.last()) + 1 => {
                let end = last.last().max(range.last());
                *last = PortRange::new(last.first(), end).unwrap_or(*last);
            }
            Some(_) | None => whole.push(range),
        }
    }
    match whole.as_slice() {
        [all] if *all == PortRange::ALL => Vec::new(),
        _ => whole,
    }
}

/// How often a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LimitSpec {
    /// For long.
    pub rate: Rate,
    /// At once, packets.
    pub burst: u32,
}

/// A source of a rule, or a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IngressSpec {
    /// From here,
    pub subnet: Prefix,
    /// but not from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub except: Option<Prefix>,
}
