//! Kernel modules that a configuration presupposes. The kernel would ask modprobe for most of them, and there is none in
//! an initramfs.

use std::collections::BTreeSet;

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
    links.chain(sysctls).gather()
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
