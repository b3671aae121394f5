//! What drops packets on this machine: our firewall where it is not as declared or cuts off who listens, rules of others, and kernel parameters that turn things off.

use super::finding::Finding;
use super::reach;
use super::scene::{Scene, is_loopback};
use crate::state::nft::TABLE;
use crate::state::{Family, OUR_PROTOCOL, OperatorKind};
use crate::wire::nf_chains::BaseChain;

/// Family and name of our table, which lets through what the network needs (DESIGN §2.3).
const OURS: (&str, &str) = ("inet", TABLE);

/// Hooks that packets of this machine itself pass; `forward` is for those of others.
const IN_THE_WAY: [&str; 5] = ["input", "output", "prerouting", "postrouting", "ingress"];

pub fn fine(scene: &Scene) -> String {
    let others = match scene.chains.iter().filter(|chain| !is_ours(chain)).count() {
        0 => "no rules of others".into(),
        1 => "1 chain of others, which accepts what no rule takes".into(),
        count => format!("{count} chains of others, which accept what no rule takes"),
    };
    match scene.observed.firewall {
        Some(_) => format!("ours is in force; {others}"),
        None => others,
    }
}

pub fn judge(scene: &Scene) -> Vec<Finding> {
    let mut found: Vec<Finding> = in_force(scene).into_iter().collect();
    found.extend(reach::judge(scene));
    found.extend(scene.chains.iter().filter_map(chain));
    found.extend(parameters(scene));
    found
}

fn is_ours(chain: &BaseChain) -> bool {
    (chain.family, chain.table.as_str()) == OURS
}

/// Whether the table is the one that should be.
fn in_force(scene: &Scene) -> Option<Finding> {
    let op = scene.firewall_op.as_ref()?;
    let problem = match &scene.observed.firewall {
        None => "is desired, and not in force",
        Some(_) if op.starts_with("nft delete") => "is in force, and no source says so",
        Some(_) => "is in force, and not the one that is desired",
    };
    let why = scene.failure(&["nft "]);
    let why = why.map_or("somebody else changed it, or it was not applied", |why| why);
    Some(
        Finding::error(format!("inet {TABLE}"), problem)
            .why(why)
            .fix(format!(
                "init-net apply; `nft list table inet {TABLE}`, init-net plan"
            )),
    )
}

fn chain(chain: &BaseChain) -> Option<Finding> {
    if is_ours(chain) {
        return None;
    }
    let BaseChain {
        family,
        table,
        name,
        hook,
        drops,
    } = chain;
    if !drops || !IN_THE_WAY.contains(hook) {
        return None;
    }
    let needs = match (*family, *hook) {
        ("arp", _) => "ARP",
        ("ip6", _) => "established, ICMPv6 (neighbours, \"too big\"), UDP port 546",
        ("ip", _) => "established, ICMP \"fragmentation needed\", UDP port 68",
        _ => "established, ICMP and ICMPv6, UDP ports 68 and 546",
    };
    Some(
        Finding::warning(
            format!("{family} {table} {name}"),
            format!("drops at {hook} what no rule accepts, and is not ours"),
        )
        .why("without rules for what a network needs, leases, neighbours and replies are lost")
        .fix(format!(
            "let pass: {needs}; `nft list chain {family} {table} {name}`"
        )),
    )
}

fn parameters(scene: &Scene) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut links: Vec<&str> = Vec::new();
    for wanted in &scene.wanted.addresses {
        let link = wanted.link_name.as_str();
        if wanted.family == Family::Inet6 && !links.contains(&link) {
            links.push(link);
        }
    }
    for link in &links {
        let off = ["all", link].into_iter();
        let off = off
            .clone()
            .find(|name| scene.sysctl("ipv6", name, "disable_ipv6") == Some("1"));
        if let Some(name) = off {
            found.push(
                Finding::error(
                    format!("net.ipv6.conf.{name}.disable_ipv6"),
                    format!("is 1, and {link} has IPv6 addresses declared"),
                )
                .why("the kernel takes no IPv6 address there")
                .fix(format!(
                    "sysctl net.ipv6.conf.{name}.disable_ipv6=0; an MTU below 1280 does it too"
                )),
            );
        }
    }
    // Routes by advertisements are lost where the machine forwards and nobody says 2 (ip-sysctl of the kernel).
    let ours = scene.defaults(Family::Inet6);
    let ours = ours.iter().any(|route| route.protocol == OUR_PROTOCOL);
    for link in scene.live_links().filter(|link| !is_loopback(link)) {
        let name = link.name.as_str();
        let forwards = scene.sysctl("ipv6", name, "forwarding") == Some("1");
        let deaf = matches!(scene.sysctl("ipv6", name, "accept_ra"), Some("0" | "1"));
        let mut operators = scene.wanted.operators.iter();
        let asked = operators
            .any(|spec| spec.operator == OperatorKind::Router && spec.link_name == link.name);
        let card = link.is_physical() && link.master_index == 0;
        if forwards && deaf && !ours && (card || asked) {
            found.push(
                Finding::warning(name, "forwards, and so takes no router advertisements")
                    .why("it has no default route by IPv6 and no addresses by SLAAC")
                    .fix(format!(
                        "acceptRA: always of {name}; `sysctl net.ipv6.conf.{name}.accept_ra=2`"
                    )),
            );
        }
    }
    found
}
