//! What an error leaves open of the firewall: it must neither open what was closed nor cut what was open, so whoever compiles
//! has to know that something is missing.

use super::kinds::{KINDS, OTHERS, Role};
use super::source::Source;
use super::tree::{Mark, Node, Value};
use crate::config::nearest::nearest;
use crate::config::{Document, FirewallFault, Said};

/// Keys of a rule that lets in. One that is none of them may be a misspelt `action: drop`.
const PLAIN: [&str; 8] = [
    "apiVersion",
    "kind",
    "name",
    "portSelector",
    "ingress",
    "interfaces",
    "limit",
    "log",
];

/// Takes in that the text breaks off.
pub(super) fn of_text(source: &Source<'_>, broken: bool, out: &mut Document) {
    if broken {
        add(source, Mark::default(), FirewallFault::LetsInLess, out);
    }
}

/// Takes in that `node` has errors.
pub(super) fn of_document(source: &Source<'_>, node: &Node, out: &mut Document) {
    let Value::Map(entries) = &node.value else {
        // No machine config at all: the page of a captive portal.
        add(source, node.mark, FirewallFault::LetsInLess, out);
        return;
    };
    let is_rule = match node.at("kind").and_then(Node::text) {
        Some(kind) if OTHERS.contains(&kind) => return,
        Some(kind) => {
            let names = KINDS.iter().map(|known| known.name);
            let meant = nearest(kind, names.chain(OTHERS)).unwrap_or(kind);
            let meant = KINDS.iter().find(|known| known.name == meant);
            let Some(meant) = meant.filter(|known| known.role == Role::Firewall) else {
                return;
            };
            meant.name.contains("Rule")
        }
        None if node.at("portSelector").is_some() => true,
        None => return,
    };
    let lets_in = match node.at("action") {
        Some(action) => action.text() == Some("accept"),
        None => entries
            .iter()
            .all(|(key, _)| PLAIN.contains(&key.text.as_str())),
    };
    let fault = match is_rule && !lets_in {
        true => FirewallFault::Unclear,
        false => FirewallFault::LetsInLess,
    };
    add(source, node.mark, fault, out);
}

/// The worse one counts.
fn add(source: &Source<'_>, mark: Mark, fault: FirewallFault, out: &mut Document) {
    let known = out.firewall.fault.as_ref().map(|said| said.value);
    if known.is_none_or(|known| known < fault) {
        out.firewall.fault = Some(Said::new(fault, source.origin(mark)));
    }
}
