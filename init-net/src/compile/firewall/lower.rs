//! From the rules as they are said to the chains of nf_tables.
//!
//! `ingress` judges what is for this machine. `prerouting` judges the same rules before the port of a packet is rewritten:
//! what is sent to a port of this machine that leads to a pod never comes to `ingress`. A rule that counts or logs does it
//! once a packet: what `prerouting` has judged, `ingress` lets in without a look at limit and log.

use std::collections::HashSet;

use super::base;
use super::ranges::{self, Range};
use super::runs::{self, Group, Run};
use super::sets::{Sets, is, unique};
use crate::state::nft::{
    Base, Chain, Datum, Field, Hook, Limit, Log, Match, Policy, Reject, Rule, Table, Test, Verdict,
    ct,
};
use crate::state::{Family, FirewallRuleSpec, FirewallSpec, RuleVerdict};
use crate::value::{PortRange, Protocol};

/// Of `ingress` and `egress`: after the marks of others at -150, before their filters at 0 (the field's).
const PRIORITY: i32 = -140;

/// Of `prerouting`: before destinations are rewritten at -100, after conntrack at -200 (the field's).
const BEFORE_DNAT: i32 = -110;

/// The names of the chains.
const INGRESS: &str = "ingress";
const PREROUTING: &str = "prerouting";
const EGRESS: &str = "egress";

/// What rules are called that look elements up: the elements have the names.
const RUN: &str = "like rules";

/// What `spec` comes to; no chain: nothing is to be filtered.
pub(super) fn table(spec: &FirewallSpec) -> Table {
    let mut making = Making::new(spec);
    let (outgoing, incoming): (Vec<_>, Vec<_>) = spec.rules.iter().partition(|r| r.is_egress());
    let mut chains = Vec::new();
    if !(spec.accept_by_default && incoming.is_empty()) {
        chains.extend(making.incoming(&incoming));
    }
    let egress_accept = spec.egress_accept_by_default.unwrap_or(true);
    if !(egress_accept && outgoing.is_empty()) {
        chains.push(making.outgoing(&outgoing, egress_accept));
    }
    // Those that are jumped to come first.
    let mut all = making.limits;
    all.append(&mut chains);
    Table {
        sets: making.sets.sets,
        chains: all,
    }
}

/// What of a family a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Nothing,
    Everything,
    In(Vec<Range>),
    NotIn(Vec<Range>),
}

/// A table that is being made.
struct Making<'s> {
    spec: &'s FirewallSpec,
    sets: Sets,
    /// Chains with the limit of a rule.
    limits: Vec<Chain>,
    chain_names: HashSet<String>,
}

impl<'s> Making<'s> {
    fn new(spec: &'s FirewallSpec) -> Self {
        let chain_names = [INGRESS, PREROUTING, EGRESS].map(str::to_owned);
        Self {
            spec,
            sets: Sets::default(),
            limits: Vec::new(),
            chain_names: chain_names.into(),
        }
    }

    /// The chains `ingress` and, where there is something for it to do, `prerouting`.
    fn incoming(&mut self, rules: &[&FirewallRuleSpec]) -> Vec<Chain> {
        let spec = self.spec;
        let block = !spec.accept_by_default;
        let sets = &mut self.sets;
        let mut ingress = base::trusted(spec, Field::Iifname, sets);
        let mut prerouting = ingress.clone();
        prerouting.push(base::elsewhere());
        ingress.extend(base::neighbours(sets));
        ingress.extend([base::established(), base::invalid()]);
        // A rule about ICMP is asked before all ICMP is let in; one that is not costs a flood of it nothing.
        let about_icmp = |(protocol, _): &(Protocol, _)| !has_ports(*protocol);
        let late = rules
            .iter()
            .any(|rule| rule.selectors().iter().any(about_icmp));
        if block {
            let services = base::services(spec, sets);
            prerouting.extend(services.iter().cloned());
            ingress.extend(services);
            ingress.extend(base::vrrp(spec, sets));
            ingress.push(base::curious(sets));
            if !late {
                ingress.extend(base::messages());
            }
        }
        let before = prerouting.len();
        for group in runs::groups(rules, spec.accept_by_default) {
            match group {
                Group::One(rule) => self.incoming_rule(rule, &mut ingress, &mut prerouting),
                Group::Run(run) => {
                    for rule in self.run(&run, Field::Iifname) {
                        prerouting.push(if_new(rule.clone()));
                        ingress.push(rule);
                    }
                }
            }
        }
        if block && late {
            ingress.extend(base::messages());
        }
        let idle = prerouting.len() == before && !block;
        if block {
            prerouting.extend(base::unwanted());
        }
        let policy = if block { Policy::Drop } else { Policy::Accept };
        let mut chains = vec![chain(INGRESS, Hook::Input, PRIORITY, policy, ingress)];
        if !idle {
            let hook = Hook::Prerouting;
            let policy = Policy::Accept;
            chains.push(chain(PREROUTING, hook, BEFORE_DNAT, policy, prerouting));
        }
        chains
    }

    fn incoming_rule(
        &mut self,
        spec: &FirewallRuleSpec,
        ingress: &mut Vec<Rule>,
        prerouting: &mut Vec<Rule>,
    ) {
        let (action, parts) = meaning(spec, self.spec.accept_by_default);
        let variants = self.variants(spec, &parts, Field::Iifname);
        let several = variants.len() > 1;
        for (protocol, matches) in variants {
            if !has_ports(protocol) {
                ingress.push(self.last(spec, action, protocol, matches, several));
                continue;
            }
            // One limit counts for both chains.
            let judging = self.last(spec, action, protocol, matches.clone(), true);
            let mut first = judging.clone();
            first.matches.push(is_new());
            prerouting.push(first);
            let counts = spec.limit.is_some() || spec.log.is_some();
            if counts && action == RuleVerdict::Accept {
                let mut judged = matches;
                judged.extend([is_new(), base::is_local(), base::is_as_sent()]);
                ingress.push(rule(judged, Verdict::Accept, &spec.name));
            }
            ingress.push(judging);
        }
    }

    fn outgoing(&mut self, rules: &[&FirewallRuleSpec], accept: bool) -> Chain {
        let sets = &mut self.sets;
        let mut egress = base::trusted(self.spec, Field::Oifname, sets);
        egress.extend(base::neighbours(sets));
        egress.push(base::established());
        if !accept {
            egress.extend(base::outgoing(self.spec, sets));
            egress.extend(base::vrrp_out(self.spec));
        }
        for group in runs::groups(rules, accept) {
            let rule = match group {
                Group::One(rule) => rule,
                Group::Run(run) => {
                    egress.extend(self.run(&run, Field::Oifname));
                    continue;
                }
            };
            let (action, parts) = meaning(rule, accept);
            let variants = self.variants(rule, &parts, Field::Oifname);
            let several = variants.len() > 1;
            for (protocol, matches) in variants {
                egress.push(self.last(rule, action, protocol, matches, several));
            }
        }
        let policy = if accept { Policy::Accept } else { Policy::Drop };
        chain(EGRESS, Hook::Output, PRIORITY, policy, egress)
    }

    /// The rule that does what `spec` says; where it is one of `several`, its limit is in a chain of its own.
    fn last(
        &mut self,
        spec: &FirewallRuleSpec,
        action: RuleVerdict,
        protocol: Protocol,
        matches: Vec<Match>,
        several: bool,
    ) -> Rule {
        let verdict = verdict(action, protocol);
        let limit = spec.limit.map(|limit| Limit {
            rate: limit.rate.count.into(),
            unit: limit.rate.unit.number(),
            burst: limit.burst,
        });
        let prefix = spec.log.clone();
        let mut last = Rule {
            limit,
            log: prefix.map(|prefix| Log { prefix }),
            ..rule(matches, verdict, &spec.name)
        };
        if limit.is_none() || !several {
            return last;
        }
        let matches = core::mem::take(&mut last.matches);
        if last.verdict == Verdict::Reject(Reject::TcpReset) {
            last.matches.push(protocol_is(Protocol::Tcp));
        }
        let same = |chain: &&Chain| chain.rules == [last.clone()];
        let name = match self.limits.iter().find(same) {
            Some(chain) => chain.name.clone(),
            None => {
                let name = unique(&mut self.chain_names, &format!("limit-{}", spec.name));
                self.limits.push(Chain {
                    name: name.clone(),
                    base: None,
                    rules: vec![last],
                });
                name
            }
        };
        rule(matches, Verdict::Jump(name), &spec.name)
    }

    /// The rules that look a packet up among the elements of a run. Both chains do: an element counts what comes in twice, once
    /// in each, where a rule counts it in each chain by itself.
    fn run(&mut self, run: &Run<'_>, link: Field) -> Vec<Rule> {
        let mut rules = Vec::new();
        let Some(first) = run.first() else {
            return rules;
        };
        let links = self.links(first, link);
        // How the sender is told goes by the protocol.
        let protocols: Vec<Protocol> = match run.action {
            RuleVerdict::Reject => [Protocol::Tcp, Protocol::Udp]
                .into_iter()
                .filter(|protocol| run.has(*protocol))
                .collect(),
            RuleVerdict::Accept | RuleVerdict::Drop => Vec::new(),
        };
        for family in [Family::Inet4, Family::Inet6] {
            let address = match first.is_egress() {
                true => Field::Daddr(family),
                false => Field::Saddr(family),
            };
            let Some((set, fields)) = run.set(family, address) else {
                continue;
            };
            let set = self.sets.add(set, family);
            let looked_up = Match::In {
                fields,
                set,
                not: false,
            };
            for link in &links {
                let mut matches = link.clone();
                matches.push(family_is(family));
                let mut add = |protocol: Option<Protocol>| {
                    let mut matches = matches.clone();
                    matches.extend(protocol.map(protocol_is));
                    matches.push(looked_up.clone());
                    let verdict = verdict(run.action, protocol.unwrap_or(Protocol::Tcp));
                    rules.push(rule(matches, verdict, RUN));
                };
                match protocols.is_empty() {
                    true => add(None),
                    false => protocols.iter().for_each(|protocol| add(Some(*protocol))),
                }
            }
        }
        rules
    }

    /// The ways in which a packet may be by one of the links of a rule.
    fn links(&mut self, spec: &FirewallRuleSpec, link: Field) -> Vec<Vec<Match>> {
        let links = self.sets.links(link, &spec.interfaces, &spec.name);
        match links.is_empty() {
            true => vec![Vec::new()],
            false => links.into_iter().map(|link| vec![link]).collect(),
        }
    }

    /// All that has to be so of a packet, in the ways in which it may be so; each with its protocol.
    fn variants(
        &mut self,
        spec: &FirewallRuleSpec,
        parts: &[(Family, Part); 2],
        link: Field,
    ) -> Vec<(Protocol, Vec<Match>)> {
        let links = self.links(spec, link);
        let mut variants = Vec::new();
        for (protocol, ports) in spec.selectors() {
            for link in &links {
                for rest in self.addressed(spec, protocol, &ports, parts) {
                    let mut matches = link.clone();
                    matches.extend(rest);
                    variants.push((protocol, matches));
                }
            }
        }
        variants
    }

    /// Of one protocol: what has to be so of ports and addresses.
    fn addressed(
        &mut self,
        spec: &FirewallRuleSpec,
        protocol: Protocol,
        ports: &[PortRange],
        parts: &[(Family, Part); 2],
    ) -> Vec<Vec<Match>> {
        let name = &spec.name;
        let mut start = match only_family(protocol) {
            Some(family) => vec![family_is(family)],
            None => Vec::new(),
        };
        start.push(protocol_is(protocol));
        match only_family(protocol) {
            _ if ports.is_empty() => {}
            Some(family) => {
                // Types are ports of at most 255 here.
                let types = ports.iter().map(|p| (p.first() as u8, p.last() as u8));
                let types: Vec<(u8, u8)> = types.collect();
                start.push(self.sets.icmp_types(family, &types, name));
            }
            None => start.push(self.sets.ports(ports, name)),
        }
        let everything = |(_, part): &(Family, Part)| *part == Part::Everything;
        if only_family(protocol).is_none() && parts.iter().all(everything) {
            return vec![start];
        }
        let own = parts
            .iter()
            .filter(|(family, _)| only_family(protocol).is_none_or(|only| only == *family));
        let mut ways = Vec::new();
        for (family, part) in own {
            let field = match spec.is_egress() {
                true => Field::Daddr(*family),
                false => Field::Saddr(*family),
            };
            let address = match part {
                Part::Nothing => continue,
                Part::Everything => None,
                Part::In(ranges) => Some(self.sets.addresses(field, *family, ranges, false, name)),
                Part::NotIn(ranges) => {
                    Some(self.sets.addresses(field, *family, ranges, true, name))
                }
            };
            let mut matches = start.clone();
            if only_family(protocol).is_none() {
                matches.push(family_is(*family));
            }
            matches.extend(address);
            ways.push(matches);
        }
        ways
    }
}

/// What becomes of what matches, and what of each family does. A rule without action lets in what comes from its subnets,
/// or drops what does not; about a family of which it has no subnet it says nothing.
pub(super) fn meaning(rule: &FirewallRuleSpec, accept: bool) -> (RuleVerdict, [(Family, Part); 2]) {
    let action = match (rule.action, accept) {
        (Some(action), _) => action,
        (None, false) => RuleVerdict::Accept,
        (None, true) => RuleVerdict::Drop,
    };
    let inverted = rule.action.is_none() && accept;
    let anywhere = rule.subnets().is_empty();
    let part = |family| {
        let Some(ranges) = ranges::of(rule.subnets(), family) else {
            return match anywhere && (rule.action.is_some() || inverted) {
                true => Part::Everything,
                false => Part::Nothing,
            };
        };
        match (
            inverted,
            ranges.is_empty(),
            ranges::is_everything(&ranges, family),
        ) {
            (false, true, _) | (true, _, true) => Part::Nothing,
            (true, true, _) | (false, _, true) => Part::Everything,
            (false, false, false) => Part::In(ranges),
            (true, false, false) => Part::NotIn(ranges),
        }
    };
    let families = [Family::Inet4, Family::Inet6];
    (action, families.map(|family| (family, part(family))))
}

/// What nf_tables does with it; a sender is told in the way of `protocol`.
const fn verdict(action: RuleVerdict, protocol: Protocol) -> Verdict {
    match (action, protocol) {
        (RuleVerdict::Accept, _) => Verdict::Accept,
        (RuleVerdict::Drop, _) => Verdict::Drop,
        (RuleVerdict::Reject, Protocol::Tcp) => Verdict::Reject(Reject::TcpReset),
        (RuleVerdict::Reject, _) => Verdict::Reject(Reject::PortUnreachable),
    }
}

/// Of a rule that looks elements up: only for what begins a connection. The rest is spared the look.
fn if_new(mut rule: Rule) -> Rule {
    let last = rule.matches.len().saturating_sub(1);
    rule.matches.insert(last, is_new());
    rule
}

/// Whether `prerouting` judges it.
pub(super) const fn has_ports(protocol: Protocol) -> bool {
    match protocol {
        Protocol::Tcp | Protocol::Udp => true,
        Protocol::Icmp | Protocol::Icmpv6 => false,
    }
}

/// The one family in which there is this protocol.
pub(super) const fn only_family(protocol: Protocol) -> Option<Family> {
    match protocol {
        Protocol::Tcp | Protocol::Udp => None,
        Protocol::Icmp => Some(Family::Inet4),
        Protocol::Icmpv6 => Some(Family::Inet6),
    }
}

/// That a packet is of this family: NFPROTO_IPV4, NFPROTO_IPV6.
pub(super) const fn family_is(family: Family) -> Match {
    let number = match family {
        Family::Inet4 => 2,
        Family::Inet6 => 10,
    };
    is(Field::NfProto, Test::Eq(Datum::byte(number)))
}

/// That a packet is of this protocol.
pub(super) const fn protocol_is(protocol: Protocol) -> Match {
    is(Field::L4Proto, Test::Eq(Datum::byte(protocol.number())))
}

/// That a packet begins a connection.
pub(super) const fn is_new() -> Match {
    is(Field::CtState, Test::AnyOf(ct::NEW))
}

/// A rule that counts, and is called `comment`.
pub(super) fn rule(matches: Vec<Match>, verdict: Verdict, comment: &str) -> Rule {
    Rule {
        matches,
        limit: None,
        counter: true,
        log: None,
        verdict,
        comment: Some(comment.to_owned()),
    }
}

fn chain(name: &str, hook: Hook, priority: i32, policy: Policy, rules: Vec<Rule>) -> Chain {
    Chain {
        name: name.to_owned(),
        base: Some(Base {
            hook,
            priority,
            policy,
        }),
        rules,
    }
}
