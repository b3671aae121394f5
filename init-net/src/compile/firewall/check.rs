//! What the rules together have wrong: those that can never match, and what they shut or leave open by accident.

use super::lower::{Part, meaning, only_family};
use super::ranges::Range;
use crate::config::{Diagnostic, Document, Severity};
use crate::state::{Family, FirewallRuleSpec, FirewallSpec, RuleVerdict};
use crate::value::{LinkPattern, PortRange, Protocol};

/// Most rules of which each is compared with all before it: the work is the square.
const MAX_COMPARED: usize = 1000;

pub(super) fn check(spec: &FirewallSpec, documents: &[&Document], faults: &mut Vec<Diagnostic>) {
    let reaches: Vec<Reach<'_>> = spec
        .rules
        .iter()
        .map(|rule| Reach::of(rule, spec))
        .collect();
    for (at, reach) in reaches.iter().enumerate() {
        let name = &reach.rule.name;
        let mut warn = |message: String, fix: &str, effect: &str| {
            let fault = Diagnostic::new(Severity::Warning, message);
            let fault = fault.with_place((&reach.rule.origin).into());
            faults.push(fault.with_fix(fix).with_effect(effect));
        };
        if let Some((why, fix)) = reach.never() {
            warn(
                format!("rule {name} can never match: {why}"),
                fix,
                "it does nothing",
            );
            continue;
        }
        let earlier = reaches.iter().take(at).take(MAX_COMPARED);
        if at < MAX_COMPARED
            && let Some(earlier) = earlier.into_iter().find(|earlier| earlier.covers(reach))
        {
            let by = &earlier.rule.name;
            let message = format!("rule {name} can never match: {by} matches first");
            warn(
                message,
                "the narrower of two rules stands first",
                "it does nothing",
            );
            continue;
        }
        if let Some(family) = reach.unsaid(spec) {
            let message = format!("rule {name} has no subnet of {family}, and says nothing of it");
            let effect = format!("{family} packets to its ports are let in");
            warn(
                message,
                "give a subnet of each family, or action: drop",
                &effect,
            );
        }
    }
    let pods = documents
        .iter()
        .rev()
        .find_map(|d| d.firewall.pods_to_host.as_ref());
    if let Some(said) = pods
        && spec
            .pods_to_host
            .as_ref()
            .is_some_and(|pods| pods.subnets.is_empty())
    {
        let message = "allowPodsToHost: no network of pods is known";
        let fault = Diagnostic::new(Severity::Warning, message);
        let fault = fault.with_place((&said.origin).into());
        let fix = "say podSubnets in a KubeNetworkConfig";
        faults.push(fault.with_fix(fix).with_effect("it lets nothing in"));
    }
}

/// What a rule matches.
struct Reach<'s> {
    rule: &'s FirewallRuleSpec,
    action: RuleVerdict,
    selectors: Vec<(Protocol, Vec<PortRange>)>,
    parts: [(Family, Part); 2],
}

impl<'s> Reach<'s> {
    fn of(rule: &'s FirewallRuleSpec, spec: &FirewallSpec) -> Self {
        let accept = match rule.is_egress() {
            true => spec.egress_accept_by_default.unwrap_or(true),
            false => spec.accept_by_default,
        };
        let (action, parts) = meaning(rule, accept);
        Self {
            rule,
            action,
            selectors: rule.selectors(),
            parts,
        }
    }

    /// The families of a protocol, and what of them is matched.
    fn parts_of(&self, protocol: Protocol) -> impl Iterator<Item = &(Family, Part)> {
        let only = only_family(protocol);
        let parts = self.parts.iter();
        parts.filter(move |(family, _)| only.is_none_or(|only| only == *family))
    }

    /// Why nothing is matched, and what to do; `None`: something is.
    fn never(&self) -> Option<(&'static str, &'static str)> {
        let nothing = |(_, part): &(Family, Part)| *part == Part::Nothing;
        let mut selectors = self.selectors.iter();
        if !selectors.all(|(protocol, _)| self.parts_of(*protocol).all(nothing)) {
            return None;
        }
        Some(match self.rule.subnets() {
            [] => (
                "it has no ingress",
                "say from where; 0.0.0.0/0 and ::/0 are everywhere, or give an action",
            ),
            _ if self.parts.iter().all(nothing) => (
                "its exceptions leave nothing of its subnets, or nothing beside them",
                "look at subnet and except",
            ),
            _ => (
                "its protocol and its subnets are of different families",
                "icmp is IPv4, icmpv6 is IPv6",
            ),
        })
    }

    /// Whether all that `later` matches is matched here, and decided.
    fn covers(&self, later: &Self) -> bool {
        self.rule.limit.is_none()
            && self.rule.is_egress() == later.rule.is_egress()
            && links_cover(&self.rule.interfaces, &later.rule.interfaces)
            && later.selectors.iter().all(|(protocol, ports)| {
                let own = self.selectors.iter().find(|(own, _)| own == protocol);
                let mut parts = self.parts_of(*protocol).zip(later.parts_of(*protocol));
                own.is_some_and(|(_, own)| ports_cover(own, ports))
                    && parts.all(|((_, own), (_, other))| part_covers(own, other))
            })
    }

    /// The family of which a rule without action says nothing where that leaves its ports open.
    fn unsaid(&self, spec: &FirewallSpec) -> Option<&'static str> {
        let drops = self.rule.action.is_none() && self.action == RuleVerdict::Drop;
        let ports = |(protocol, _): &(Protocol, _)| only_family(*protocol).is_none();
        if !drops
            || self.rule.is_egress()
            || !spec.accept_by_default
            || !self.selectors.iter().any(ports)
        {
            return None;
        }
        let v4 = self.rule.subnets().iter().any(|from| from.subnet.is_ipv4());
        let v6 = self
            .rule
            .subnets()
            .iter()
            .any(|from| !from.subnet.is_ipv4());
        match (v4, v6) {
            (true, false) => Some("IPv6"),
            (false, true) => Some("IPv4"),
            (true, true) | (false, false) => None,
        }
    }
}

/// Both none: all.
fn links_cover(own: &[LinkPattern], other: &[LinkPattern]) -> bool {
    let covered = |link: &LinkPattern| {
        own.iter()
            .any(|own| *own == *link || own.is_open() && own.matches(link.start()))
    };
    own.is_empty() || !other.is_empty() && other.iter().all(covered)
}

/// Both merged; none: all.
fn ports_cover(own: &[PortRange], other: &[PortRange]) -> bool {
    let covered = |range: &PortRange| {
        let mut own = own.iter();
        own.any(|own| own.first() <= range.first() && range.last() <= own.last())
    };
    own.is_empty() || !other.is_empty() && other.iter().all(covered)
}

fn part_covers(own: &Part, other: &Part) -> bool {
    match (own, other) {
        (Part::Everything, _) | (_, Part::Nothing) => true,
        (Part::In(own), Part::In(other)) => ranges_cover(own, other),
        (Part::NotIn(own), Part::NotIn(other)) => ranges_cover(other, own),
        _ => false,
    }
}

/// Both merged.
fn ranges_cover(own: &[Range], other: &[Range]) -> bool {
    other.iter().all(|(first, end)| {
        let at = own.partition_point(|(_, last)| last < first);
        own.get(at)
            .is_some_and(|(start, last)| start <= first && end <= last)
    })
}
