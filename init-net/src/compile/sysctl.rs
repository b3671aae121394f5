//! Kernel parameters: the baseline, the settings of links, and what the config says by key.
//!
//! What a document says wins over the baseline and is kept. The baseline is set once and never again: a CNI, an operator
//! or the next init may want another value, and two programs that write one parameter in turns help nobody. For the
//! same reason it is short. What is not in it stays as the kernel makes it, `rp_filter`, `arp_ignore`, `route_localnet`
//! and the limits of conntrack among them: systems of containers set those for themselves, each its own way.

use core::net::IpAddr;
use std::collections::BTreeSet;

use super::names::Names;
use crate::config::{AutoMethod, Diagnostic, Document, LinkSettings, OperatorConfig, Severity};
use crate::state::{Desired, OperatorKind, SysctlSpec, VipSpec};
use crate::value::{Gather as _, Layer, LinkName, Origin, SysctlKey};

/// One parameter of the baseline: key, value, reason.
type Row = (&'static str, &'static str, &'static str);

/// On every machine.
const EVERYWHERE: [Row; 2] = [
    // A host that forwards would tell its neighbours of shorter ways around it, and around what it filters.
    ("net/ipv4/conf/all/send_redirects", "0", "no ICMP redirects"),
    (
        "net/ipv4/conf/default/send_redirects",
        "0",
        "no ICMP redirects",
    ),
];

/// On a machine whose config names networks of a cluster: it forwards between pods, whoever makes them.
const CLUSTER: [Row; 5] = [
    ("net/ipv4/ip_forward", "1", "pods are routed"),
    ("net/ipv6/conf/all/forwarding", "1", "pods are routed"),
    ("net/ipv6/conf/default/forwarding", "1", "pods are routed"),
    // There only with br_netfilter; where it is missing they are left out of the plan.
    (
        "net/bridge/bridge-nf-call-iptables",
        "1",
        "services of pods on one bridge",
    ),
    (
        "net/bridge/bridge-nf-call-ip6tables",
        "1",
        "services of pods on one bridge",
    ),
];

/// On every network card that we configure and that is not a member of anything.
const CARD: [(&str, &str, &str); 2] = [
    (
        "net/ipv4/conf/{}/arp_notify",
        "1",
        "neighbours learn of it when it comes up",
    ),
    (
        "net/ipv6/conf/{}/ndisc_notify",
        "1",
        "neighbours learn of it when it comes up",
    ),
];

/// On every such card of a machine that forwards, and on every other link where routers count: with `accept_ra` 1 the kernel drops the routes of router
/// advertisements as soon as forwarding is on, so that this one is to be written before the latter.
const FORWARDING: Row = (
    "net/ipv6/conf/{}/accept_ra",
    "2",
    "router advertisements count although it forwards",
);

/// Where a shared address has a hardware address of its own: nobody else may answer for it, and what comes in by that link may
/// be answered by the one below. Of IPv4 what keepalived sets for `use_vmac`, and that the link below asks for neighbours in its own
/// name: in that of the shared address it would teach them its own hardware address. Of IPv6 the link is to have no address that all
/// machines would make alike of the same hardware address, and is not to answer for addresses of IPv4.
const VIRTUAL_MAC4: [(&str, &str); 7] = [
    ("net/ipv4/conf/{below}/arp_announce", "2"),
    ("net/ipv4/conf/{below}/arp_ignore", "1"),
    ("net/ipv4/conf/{below}/arp_filter", "1"),
    ("net/ipv4/conf/{}/arp_ignore", "1"),
    ("net/ipv4/conf/{}/accept_local", "1"),
    ("net/ipv4/conf/{}/rp_filter", "0"),
    ("net/ipv6/conf/{}/disable_ipv6", "1"),
];
const VIRTUAL_MAC6: [(&str, &str); 4] = [
    ("net/ipv4/conf/{}/arp_ignore", "1"),
    ("net/ipv6/conf/{}/addr_gen_mode", "1"),
    ("net/ipv6/conf/{}/accept_ra", "0"),
    ("net/ipv6/conf/{}/accept_dad", "0"),
];

pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for document in documents {
        for config in &document.links {
            for link in names.resolve(&config.link) {
                for (key, value) in settings(&config.settings, &link) {
                    say(desired, key, value, document.layer, &config.origin);
                }
            }
        }
        // No more than the link-local address, which the kernel makes by itself.
        let link_local = |config: &&OperatorConfig| config.method == AutoMethod::LinkLocal6;
        for config in document.operators.iter().filter(link_local) {
            let deaf = LinkSettings {
                accept_ra: Some(0),
                ..LinkSettings::default()
            };
            for link in names.resolve(&config.link) {
                for (key, value) in settings(&deaf, &link) {
                    say(desired, key, value, document.layer, &config.origin);
                }
            }
        }
    }
    default_routers(desired);
    for document in documents {
        for config in &document.sysctls {
            if config.key.segments().next() != Some("net") {
                diagnostics.push(
                    Diagnostic::new(
                        Severity::Note,
                        format!("{} is no parameter of the network", config.key),
                    )
                    .with_place((&config.origin).into())
                    .with_effect("it is left to the OS"),
                );
                continue;
            }
            let value = config.value.clone();
            say(
                desired,
                config.key.clone(),
                value,
                document.layer,
                &config.origin,
            );
        }
    }
    virtual_macs(desired);
    baseline(documents, names, desired);
}

/// What a document says of these parameters wins: who says it wants it so.
fn virtual_macs(desired: &mut Desired) {
    let Desired { vips, sysctls, .. } = desired;
    let on_its_own = |vip: &&VipSpec| vip.own_link().is_some();
    for vip in vips.values().filter(on_its_own) {
        let rows: &[(&str, &str)] = match vip.ip {
            IpAddr::V4(_) => &VIRTUAL_MAC4,
            IpAddr::V6(_) => &VIRTUAL_MAC6,
        };
        for (key, value) in rows {
            let key = key.replace("{below}", vip.link_name.as_str());
            let Ok(key) = key.replace("{}", vip.holder.as_str()).parse::<SysctlKey>() else {
                continue;
            };
            let said = sysctls.entry(key.clone());
            said.or_insert_with(|| SysctlSpec {
                key,
                value: (*value).to_owned(),
                kept: true,
                layer: vip.layer,
                origin: vip.origin.clone(),
                overrode: Vec::new(),
            });
        }
    }
}

/// Where the routes of a link's routers are not taken, or stand in a table of their own, the kernel is to make no default
/// route of them in the main one.
fn default_routers(desired: &mut Desired) {
    let routers = desired.operators.values();
    let ours = routers
        .filter(|spec| spec.operator == OperatorKind::Router)
        .filter(|spec| spec.ignore_routes || spec.route_table.is_some());
    let deaf: Vec<(LinkName, Layer, Origin)> = ours
        .map(|spec| (spec.link_name.clone(), spec.layer, spec.origin.clone()))
        .collect();
    for (link, layer, origin) in deaf {
        let key = format!("net/ipv6/conf/{link}/accept_ra_defrtr");
        if let Ok(key) = key.parse::<SysctlKey>() {
            say(desired, key, "0".to_owned(), layer, &origin);
        }
    }
}

/// Documents come lowest layer first; of the same layer the later one wins, and a key said by its name after the
/// settings of a link.
fn say(desired: &mut Desired, key: SysctlKey, value: String, layer: Layer, origin: &Origin) {
    let mut overrode = Vec::new();
    if let Some(old) = desired.sysctls.remove(&key) {
        if old.layer > layer {
            desired.sysctls.insert(key, old);
            return;
        }
        overrode = old.overrode;
        if old.value != value {
            overrode.push(old.origin);
        }
    }
    let spec = SysctlSpec {
        key: key.clone(),
        value,
        kept: true,
        layer,
        origin: origin.clone(),
        overrode,
    };
    desired.sysctls.insert(key, spec);
}

/// The parameters of one link.
fn settings(said: &LinkSettings, link: &LinkName) -> Vec<(SysctlKey, String)> {
    let number = |said: Option<u8>| said.map(|number| number.to_string());
    let switch = |said: Option<bool>| said.map(|on| u8::from(on).to_string());
    let rows = [
        ("ipv6", "accept_ra", number(said.accept_ra)),
        ("ipv4", "rp_filter", number(said.rp_filter)),
        ("ipv4", "forwarding", switch(said.forwarding)),
        ("ipv6", "forwarding", switch(said.forwarding)),
        ("ipv4", "arp_ignore", number(said.arp_ignore)),
        ("ipv4", "arp_announce", number(said.arp_announce)),
        ("ipv4", "proxy_arp", switch(said.proxy_arp)),
        ("ipv6", "disable_ipv6", switch(said.ipv6.map(|on| !on))),
        ("ipv6", "addr_gen_mode", number(said.addr_gen_mode)),
        ("ipv6", "use_tempaddr", number(said.temporary_addresses)),
    ];
    let key = |family: &str, name: &str| format!("net/{family}/conf/{link}/{name}").parse().ok();
    rows.into_iter()
        .filter_map(|(family, name, value)| Some((key(family, name)?, value?)))
        .collect()
}

fn baseline(documents: &[&Document], names: &Names<'_>, desired: &mut Desired) {
    let forwards_all = desired.sysctls.values().any(|spec| {
        spec.value == "1"
            && spec
                .key
                .segments()
                .eq(["net", "ipv6", "conf", "all", "forwarding"])
    });
    let forwarding: BTreeSet<LinkName> = documents
        .iter()
        .flat_map(|d| &d.links)
        .filter(|config| config.settings.forwarding == Some(true))
        .flat_map(|config| names.resolve(&config.link))
        .gather();
    let managed: BTreeSet<LinkName> = desired.links.keys().cloned().gather();
    let mut set = |key: &str, value: &str, why: &str| {
        let Ok(key) = key.parse::<SysctlKey>() else {
            return;
        };
        desired
            .sysctls
            .entry(key.clone())
            .or_insert_with(|| SysctlSpec {
                key,
                value: value.to_owned(),
                kept: false,
                layer: Layer::Default,
                origin: Origin::builtin(&format!("({why})")),
                overrode: Vec::new(),
            });
    };
    let in_cluster = documents
        .iter()
        .any(|d| !d.cluster.pod_subnets.is_empty() || !d.cluster.service_subnets.is_empty());
    let rows = EVERYWHERE
        .iter()
        .chain(CLUSTER.iter().filter(|_| in_cluster));
    for (key, value, why) in rows {
        set(key, value, why);
    }
    for (link, _) in names.physical() {
        if !managed.contains(link) {
            continue;
        }
        for (key, value, why) in CARD {
            set(&key.replace("{}", link.as_str()), value, why);
        }
    }
    let cards = names.physical().map(|(link, _)| link);
    let cards = cards.filter(|link| managed.contains(*link));
    let routers = desired.operators.values();
    let routers = routers.filter(|spec| spec.operator == OperatorKind::Router);
    let hearing = cards.chain(routers.map(|spec| &spec.link_name));
    for link in hearing.filter(|link| forwards_all || in_cluster || forwarding.contains(*link)) {
        let (key, value, why) = FORWARDING;
        set(&key.replace("{}", link.as_str()), value, why);
    }
}
