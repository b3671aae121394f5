//! Ports by which the machine is managed, and that the firewall as it is declared lets nobody reach.

use super::reachable::{ANYWHERE, Lenient, any_link, edges};
use crate::config::{Diagnostic, Severity};
use crate::state::Desired;
use crate::value::{LinkName, LinkPattern};

/// Links that are tried beside one of which no rule speaks.
const MAX_LINKS: usize = 64;

/// A warning for each declared port, or range, of which a part is shut whoever asks, by whatever link a rule speaks of.
pub fn warnings(desired: &Desired) -> Vec<Diagnostic> {
    let Some(spec) = &desired.firewall else {
        return Vec::new();
    };
    let Some(table) = spec.wanted().filter(|_| !spec.management.is_empty()) else {
        return Vec::new();
    };
    let of_rules = spec.rules.iter().flat_map(|rule| &rule.interfaces);
    let spoken_of = spec.trusted_links.iter().chain(of_rules);
    let mut links: Vec<LinkName> = any_link().into_iter().collect();
    links.extend(spoken_of.take(MAX_LINKS).filter_map(fitting));
    let gate = Lenient::new(table);
    let mut found = Vec::new();
    for port in &spec.management {
        let mut edges = edges([&**table], port.ports).into_iter();
        let shut = edges.find_map(|number| {
            let why = gate.blocked(port.protocol, number, &ANYWHERE, &links)?;
            Some((number, why))
        });
        let Some((number, why)) = shut else {
            continue;
        };
        let (protocol, ports) = (port.protocol, port.ports);
        let which = match ports.first() == ports.last() {
            true => format!("{protocol} port {ports}"),
            false => format!("{protocol} port {number} of {ports}"),
        };
        let message = format!("{which} is for management, and blocked for everybody: {why}");
        let fault = Diagnostic::new(Severity::Warning, message).with_place((&port.origin).into());
        let fault = fault.with_fix("let it in by a NetworkRuleConfig before that");
        found.push(fault.with_effect("nobody reaches it"));
    }
    found
}

/// A name that fits.
fn fitting(pattern: &LinkPattern) -> Option<LinkName> {
    pattern.start().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(action: &str, rules: &[(&str, &str)], expect: &[&str]) {
        let mut text =
            format!("apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\n{action}\n");
        for (at, (ports, rest)) in rules.iter().enumerate() {
            text += &format!(
                "---\napiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: r{at}\n\
                 portSelector: {{ports: [{ports}], protocol: tcp}}\n{rest}\n"
            );
        }
        let (document, faults) = crate::config::machine::parse(&text, "c");
        assert!(faults.is_empty(), "{faults:?}");
        let desired = crate::compile::compile(&[document], &Default::default()).0;
        let said = warnings(&desired);
        let said: Vec<&str> = said.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(said, expect);
    }

    const BLOCK: &str = "ingress: block\nmanagement: [5000-5010]";

    #[test]
    fn what_nobody_reaches() {
        let shut = "tcp port 5000 of 5000-5010 is for management, and blocked for everybody: \
                    default action of chain prerouting";
        says(BLOCK, &[], &[shut]);
        says("ingress: accept\nmanagement: [apid]", &[], &[]);
        let one = "tcp port 50000 is for management, and blocked for everybody: rule r0";
        let drop = ("50000", "action: drop");
        says("ingress: accept\nmanagement: [apid]", &[drop], &[one]);
        // What is dropped before is not let in afterwards.
        says(
            "ingress: block\nmanagement: [apid]",
            &[drop, ("50000", "action: accept")],
            &[one],
        );
        says(
            "ingress: block\nmanagement: [apid]",
            &[("50000", "action: accept"), drop],
            &[],
        );
        let some = ("50000", "action: drop\ningress: [{subnet: 10.0.0.0/8}]");
        says("ingress: accept\nmanagement: [apid]", &[some], &[]);
    }

    #[test]
    fn several_rules_and_links_count() {
        let open = |ports| (ports, "action: accept");
        says(BLOCK, &[open("5000-5004"), open("5005-5010")], &[]);
        let hole = "tcp port 5005 of 5000-5010 is for management, and blocked for everybody: \
                    default action of chain prerouting";
        says(BLOCK, &[open("5000-5004"), open("5006-5010")], &[hole]);
        says(&format!("{BLOCK}\ntrustedLinks: ['wg*']"), &[], &[]);
        says(
            BLOCK,
            &[("5000-5010", "action: accept\ninterfaces: [mgmt0]")],
            &[],
        );
    }
}
