//! Rules about members of a bond, bridge or VRF: their packets come in by the link that they are members of.

use std::collections::BTreeMap;

use crate::config::{Diagnostic, Severity};
use crate::state::{Desired, FirewallSpec, LinkStatus};
use crate::value::{LinkName, LinkPattern, Origin};

/// Kinds of links that take over the packets of others (bond_main.c, br_input.c, vrf.c, team_core.c of the kernel).
const MASTERS: [&str; 4] = ["bond", "bridge", "vrf", "team"];

/// Warns of every name among the links of a rule, and the trusted ones, that no packet has when rules are asked. `links`: by
/// index, as the machine has them.
pub(in crate::compile) fn check(
    desired: &Desired,
    links: &BTreeMap<u32, LinkStatus>,
    faults: &mut Vec<Diagnostic>,
) {
    let Some(spec) = &desired.firewall else {
        return;
    };
    let masters = masters(desired, links);
    for (what, list, origin) in named(spec) {
        for pattern in list.iter().filter(|link| !comes_with(link, list, desired)) {
            let mut fitting = masters
                .iter()
                .filter(|(name, _)| pattern.matches(name.as_str()));
            let Some((member, Some(master))) = fitting.next() else {
                continue;
            };
            // A start of names that has others, too, matches those.
            if !fitting.all(|(_, master)| master.is_some()) {
                continue;
            }
            let message = format!(
                "{what}: {member} is a member of {master}, and its packets come in by that"
            );
            let fault = Diagnostic::new(Severity::Warning, message).with_place(origin.into());
            let fault = fault.with_fix(format!("name {master}"));
            faults.push(fault.with_effect(format!("{pattern} matches nothing")));
        }
    }
}

/// All lists of links that rules have.
fn named(spec: &FirewallSpec) -> impl Iterator<Item = (String, &[LinkPattern], &Origin)> {
    let of_rules = spec.rules.iter().map(|rule| {
        let what = format!("rule {}", rule.name);
        (what, rule.interfaces.as_slice(), &rule.origin)
    });
    let trusted = (
        "trustedLinks".to_owned(),
        spec.trusted_links.as_slice(),
        &spec.origin,
    );
    of_rules.chain([trusted])
}

/// Whether a link is in a list because the one below it is, of which the same is said.
fn comes_with(link: &LinkPattern, list: &[LinkPattern], desired: &Desired) -> bool {
    desired.vips.values().any(|vip| {
        let own = vip.own_link().cloned().map(LinkPattern::from);
        own.as_ref() == Some(link) && list.iter().any(|it| it.matches(vip.link_name.as_str()))
    })
}

/// What each link is a member of, as it is declared, or else as it is.
fn masters<'d>(
    desired: &'d Desired,
    links: &'d BTreeMap<u32, LinkStatus>,
) -> BTreeMap<&'d LinkName, Option<&'d LinkName>> {
    let mut masters = BTreeMap::new();
    for link in links.values() {
        let master = links.get(&link.master_index);
        let master = master.filter(|master| MASTERS.contains(&master.kind.as_str()));
        masters.insert(&link.name, master.map(|master| &master.name));
    }
    for (name, link) in &desired.links {
        let declared = link.master.as_ref().map(|master| master.name());
        let master = masters.entry(name).or_insert(None);
        *master = declared.or(*master);
    }
    masters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::machine;

    #[track_caller]
    fn says(config: &str, observed: &[LinkStatus], expect: &[&str]) {
        let config = config.replace("kind:", "apiVersion: v1alpha1\nkind:");
        let document = machine::parse(&config, "c").0;
        let links = observed
            .iter()
            .map(|link| (link.index, link.clone()))
            .collect();
        let (_, faults) = crate::compile::compile(&[document], &links);
        let said = faults
            .iter()
            .filter(|fault| fault.message.contains("is a member of"));
        let said: Vec<String> = said
            .map(|f| format!("{}; {:?}", f.message, f.fix))
            .collect();
        assert_eq!(said, expect);
    }

    fn rule(interfaces: &str) -> String {
        format!(
            "kind: NetworkRuleConfig\nname: r\nportSelector: {{ports: [22], protocol: tcp}}\n\
             action: accept\ninterfaces: {interfaces}\n"
        )
    }

    const BOND: &str =
        "---\nkind: BondConfig\nname: bond0\nlinks: [eth0, eth1]\nbondMode: active-backup\n";

    #[test]
    fn a_declared_member_never_matches() {
        let found = "rule r: eth0 is a member of bond0, and its packets come in by that; Some(\"name bond0\")";
        says(&format!("{}{BOND}", rule("[eth0]")), &[], &[found]);
        says(&format!("{}{BOND}", rule("['eth*', bond0]")), &[], &[found]);
        says(&format!("{}{BOND}", rule("[bond0, eth2]")), &[], &[]);
    }

    /// The link of a virtual hardware address is in the VRF of the one below.
    #[test]
    fn what_stands_on_a_member_is_not_told_again() {
        let vrf = "---\nkind: VRFConfig\nname: vrf1\ntable: 100\nlinks: [eth0]\n";
        let vip =
            "---\nkind: Layer2VIPConfig\nname: 192.0.2.1\nlink: eth0\nvrid: 51\nvirtualMAC: true\n";
        let found = |link: &str| {
            format!(
                "rule r: {link} is a member of vrf1, and its packets come in by that; Some(\"name vrf1\")"
            )
        };
        for (named, about) in [("[eth0]", "eth0"), ("[vrrp4.51]", "vrrp4.51")] {
            let config = format!("{}{vrf}{vip}", rule(named));
            says(&config, &[], &[&found(about)]);
        }
    }

    #[test]
    fn so_does_an_observed_one() {
        let link = |index, name: &str| LinkStatus::new(index, name.parse().unwrap());
        let all = |kind: &str| {
            let bridge = LinkStatus {
                kind: kind.into(),
                ..link(3, "br0")
            };
            [
                LinkStatus {
                    master_index: 3,
                    ..link(2, "eth0")
                },
                bridge,
                link(4, "eth4"),
            ]
        };
        let trusted = "kind: NetworkDefaultActionConfig\ningress: block\ntrustedLinks: [eth0]\n";
        let found = "trustedLinks: eth0 is a member of br0, and its packets come in by that; Some(\"name br0\")";
        says(trusted, &all("bridge"), &[found]);
        says(trusted, &all("openvswitch"), &[]);
        says(&rule("['eth*']"), &all("bridge"), &[]);
    }
}
