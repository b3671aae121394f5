//! Kernel modules that a configuration presupposes. The kernel would ask modprobe for most of them, and there is none in
//! an initramfs.

use std::collections::BTreeSet;

use crate::state::nft::{Field, Match, Rule, Table, Verdict};
use crate::state::{Desired, KindSpec};
use crate::value::{Gather as _, SysctlKey};

/// A module, as depmod calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// What it is loaded with.
    pub parameters: &'static str,
}

/// All that `desired` presupposes; most kernels have some of it built in.
pub fn needs(desired: &Desired) -> BTreeSet<Module> {
    let links = desired
        .links
        .values()
        .filter_map(|link| of_kind(&link.kind));
    let sysctls = desired.sysctls.values();
    let sysctls = sysctls.filter_map(|spec| of_sysctl(&spec.key, &spec.value));
    let firewall = desired.firewall.iter();
    let firewall = firewall.flat_map(|spec| of_table(&spec.table));
    let firewall = firewall.map(|name| module(name, ""));
    links.chain(sysctls).chain(firewall).gather()
}

/// What the expressions of a table are in, beside nf_tables itself.
fn of_table(table: &Table) -> BTreeSet<&'static str> {
    let rules = table.chains.iter().flat_map(|chain| &chain.rules);
    let mut all: BTreeSet<&'static str> = rules.flat_map(of_rule).collect();
    if *table != Table::default() {
        all.insert("nf_tables");
    }
    all
}

fn of_rule(rule: &Rule) -> impl Iterator<Item = &'static str> {
    let has = |field: Field| {
        rule.matches.iter().any(|one| match one {
            Match::Is { field: found, .. } => *found == field,
            Match::In { fields, .. } => fields.contains(&field),
            Match::Foreign(_) => false,
        })
    };
    let tracked: &[_] = &["nf_conntrack", "nft_ct"];
    // nf_log_syslog is what `log` asks for when a rule with it is made, and what writes the line.
    let logged: &[_] = &["nf_log_syslog", "nft_log"];
    let parts = [
        (has(Field::CtState) || has(Field::CtStatus), tracked),
        (
            has(Field::DaddrType) || has(Field::DaddrTypeByIif),
            &["nft_fib_inet"],
        ),
        (rule.limit.is_some(), &["nft_limit"]),
        (rule.log.is_some(), logged),
        (
            matches!(rule.verdict, Verdict::Reject(_)),
            &["nft_reject_inet"],
        ),
    ];
    let used = parts.into_iter().filter(|(used, _)| *used);
    used.flat_map(|(_, names)| names.iter().copied())
}

fn module(name: &str, parameters: &'static str) -> Module {
    Module {
        name: name.to_owned(),
        parameters,
    }
}

fn of_kind(kind: &KindSpec) -> Option<Module> {
    // Two of them make a link of their own when they are loaded, which nobody asked for.
    Some(match kind {
        KindSpec::Found => return None,
        KindSpec::Vlan { .. } => module("8021q", ""),
        KindSpec::Bond { .. } => module("bonding", "max_bonds=0"),
        KindSpec::Dummy => module("dummy", "numdummies=0"),
        kind => module(kind.name(), ""),
    })
}

/// The module that makes the parameter, or that its value names.
fn of_sysctl(key: &SysctlKey, value: &str) -> Option<Module> {
    let segments: Vec<&str> = key.segments().collect();
    let name = match segments[..] {
        ["net", "bridge", ..] => "br_netfilter".to_owned(),
        ["net", "netfilter", name] if name.starts_with("nf_conntrack") => "nf_conntrack".to_owned(),
        ["net", "ipv4", "vs", ..] => "ip_vs".to_owned(),
        ["net", "ipv4", "tcp_congestion_control"] => format!("tcp_{}", value.trim()),
        ["net", "core", "default_qdisc"] => format!("sch_{}", value.trim()),
        _ => return None,
    };
    Some(module(&name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, value: &str, expect: Option<&str>) {
        let found = of_sysctl(&key.parse().unwrap(), value);
        assert_eq!(found.map(|module| module.name).as_deref(), expect);
    }

    #[test]
    fn parameters_come_with_modules() {
        check(
            "net.bridge.bridge-nf-call-iptables",
            "1",
            Some("br_netfilter"),
        );
        check("net.netfilter.nf_conntrack_max", "1", Some("nf_conntrack"));
        check("net.ipv4.tcp_congestion_control", "bbr", Some("tcp_bbr"));
        check("net.core.default_qdisc", "fq", Some("sch_fq"));
        check("net.ipv4.ip_forward", "1", None);
    }

    #[test]
    fn a_firewall_comes_with_what_its_rules_are_made_of() {
        use crate::state::nft::{Chain, Datum, Limit, Log, Reject, Test};
        let needs = |change: &dyn Fn(&mut Rule)| {
            let mut rule = Rule {
                matches: Vec::new(),
                limit: None,
                counter: true,
                log: None,
                verdict: Verdict::Accept,
                comment: None,
            };
            change(&mut rule);
            let table = Table {
                sets: Vec::new(),
                chains: vec![Chain {
                    name: "ingress".to_owned(),
                    base: None,
                    rules: vec![rule],
                }],
            };
            Vec::from_iter(of_table(&table))
        };
        let is = |field| Match::Is {
            field,
            test: Test::Eq(Datum::word(2)),
        };
        let limit = Limit {
            rate: 1,
            unit: 1,
            burst: 1,
        };
        assert!(of_table(&Table::default()).is_empty());
        assert_eq!(needs(&|_| {}), ["nf_tables"]);
        let matches = |rule: &mut Rule| rule.matches.push(is(Field::CtState));
        assert_eq!(needs(&matches), ["nf_conntrack", "nf_tables", "nft_ct"]);
        let matches = |rule: &mut Rule| rule.matches.push(is(Field::DaddrType));
        assert_eq!(needs(&matches), ["nf_tables", "nft_fib_inet"]);
        let limits = |rule: &mut Rule| rule.limit = Some(limit);
        assert_eq!(needs(&limits), ["nf_tables", "nft_limit"]);
        let prefix = String::new;
        let logs = |rule: &mut Rule| rule.log = Some(Log { prefix: prefix() });
        assert_eq!(needs(&logs), ["nf_log_syslog", "nf_tables", "nft_log"]);
        let rejects = |rule: &mut Rule| rule.verdict = Verdict::Reject(Reject::TcpReset);
        assert_eq!(needs(&rejects), ["nf_tables", "nft_reject_inet"]);
    }

    #[test]
    fn no_link_comes_by_itself() {
        assert_eq!(of_kind(&KindSpec::Found), None);
        let bond = KindSpec::Bond {
            options: Default::default(),
            primary: None,
        };
        assert_eq!(of_kind(&bond), Some(module("bonding", "max_bonds=0")));
        let dummy = of_kind(&KindSpec::Dummy);
        assert_eq!(dummy, Some(module("dummy", "numdummies=0")));
    }
}
