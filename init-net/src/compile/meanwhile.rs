//! What the firewall is while it is not known what it should be: a source is awaited that may say it, or what says it has
//! errors. An error neither opens what was closed nor cuts what was open: in a boot the base set stands in, later what is in
//! force stays.

use super::firewall;
use crate::config::{
    DefaultAction, Diagnostic, Document, FirewallConfig, FirewallFault, Meanwhile, Said,
};
use crate::state::{Desired, Unsaid};
use crate::value::{Layer, Origin};

/// What the base set is explained with.
const BASE_SET: &str = "the base set, until the configuration is known";

/// Merges what `documents` say of the firewall, or what stands in for it.
pub(super) fn merge(
    documents: &[&Document],
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let meanwhile = documents.iter().find_map(|d| d.firewall.meanwhile);
    let fault = documents.iter().filter_map(|d| d.firewall.fault.as_ref());
    let fault = fault.map(|said| said.value).max();
    let unread = fault == Some(FirewallFault::Unread);
    let unknown = meanwhile.filter(|meanwhile| {
        let awaited = meanwhile.awaited || unread;
        fault.is_some() && !unread || awaited && !documents.iter().any(|d| speaks(d))
    });
    match unknown {
        None => firewall::merge(documents, desired, diagnostics),
        Some(Meanwhile { closed: false, .. }) => desired.unsaid_firewall = Unsaid::Leave,
        Some(Meanwhile { closed: true, .. }) => {
            let rest = fault == Some(FirewallFault::LetsInLess);
            let mut closed: Vec<Document> = documents.iter().map(|&d| d.clone()).collect();
            for document in &mut closed {
                document.boot.firewall = None;
                document.firewall.default_action = None;
                if !rest {
                    document.firewall = FirewallConfig::default();
                }
            }
            closed.insert(0, base_set());
            firewall::merge(&closed.iter().collect::<Vec<_>>(), desired, diagnostics);
        }
    }
}

/// Whether a document says anything of what may come in, or something of it that cannot be read.
pub fn speaks_of_firewall(document: &Document) -> bool {
    speaks(document) || document.firewall.fault.is_some()
}

fn speaks(document: &Document) -> bool {
    document.boot.firewall.is_some()
        || document.firewall.default_action.is_some()
        || document.firewall.egress_action.is_some()
        || !document.firewall.rules.is_empty()
}

fn base_set() -> Document {
    let mut document = Document::empty(Layer::Default, "built-in default");
    let origin = Origin::builtin(BASE_SET);
    document.firewall.default_action = Some(Said::new(DefaultAction::Block, origin));
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{cmdline, machine};

    const RULE: &str = "apiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: ssh\n\
         portSelector:\n  ports: [22]\n  protocol: tcp\ningress:\n  - subnet: 10.0.0.0/8\n";

    /// What `text` as machine config comes to: `deny` or `accept` with the names of the rules, `leave`, `none`.
    fn compiled(text: &str, line: &str, meanwhile: Option<Meanwhile>) -> String {
        compiled_with(text, line, meanwhile, None)
    }

    fn compiled_with(
        text: &str,
        line: &str,
        meanwhile: Option<Meanwhile>,
        fault: Option<FirewallFault>,
    ) -> String {
        let mut documents = vec![
            machine::parse(text, "test").0,
            cmdline::parse(line, "line").0,
        ];
        let mut own = Document::empty(Layer::Default, "test");
        own.firewall.meanwhile = meanwhile;
        own.firewall.fault = fault.map(|fault| Said::new(fault, Origin::builtin("test")));
        documents.push(own);
        let (desired, _) = crate::compile::compile(&documents, &Default::default());
        match (&desired.firewall, &desired.unsaid_firewall) {
            (Some(spec), _) => {
                let action = match spec.accept_by_default {
                    true => "accept",
                    false => "deny",
                };
                let rules = spec.rules.iter().map(|rule| rule.name.as_str());
                let words: Vec<&str> = std::iter::once(action).chain(rules).collect();
                words.join(" ")
            }
            (None, Unsaid::Leave) => "leave".into(),
            (None, _) => "none".into(),
        }
    }

    #[track_caller]
    fn check(text: &str, line: &str, awaited: bool, boot: &str, later: &str) {
        for (closed, expect) in [(true, boot), (false, later)] {
            let meanwhile = Some(Meanwhile { awaited, closed });
            assert_eq!(compiled(text, line, meanwhile), expect, "closed: {closed}");
        }
    }

    #[test]
    fn the_base_set_holds_until_something_is_known() {
        check("", "", true, "deny", "leave");
        check("", "", false, "none", "none");
        check("", "initnet.firewall=accept", true, "accept", "accept");
        check("", "initnet.firewall=deny", true, "deny", "deny");
        check(RULE, "", true, "accept ssh", "accept ssh");
        assert_eq!(compiled("", "", None), "none");
    }

    #[test]
    fn an_error_neither_opens_nor_cuts() {
        let with = |more: &str| format!("{RULE}---\n{more}");
        // The text ends where it cannot be read.
        check(&with("kind: [\n"), "", false, "deny ssh", "leave");
        check(
            "kind: [\n",
            "initnet.firewall=accept",
            false,
            "deny",
            "leave",
        );
        // The default action.
        let wrong = "apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: open\n";
        check(&with(wrong), "", false, "deny ssh", "leave");
        // A rule.
        let wrong = RULE.replace("ssh", "web").replace("22", "70000");
        check(&with(&wrong), "", false, "deny ssh", "leave");
        // A whole config: until another one says something.
        let unread = |text: &str, line: &str, closed| {
            let meanwhile = Some(Meanwhile {
                awaited: false,
                closed,
            });
            compiled_with(text, line, meanwhile, Some(FirewallFault::Unread))
        };
        assert_eq!(unread("", "", true), "deny");
        assert_eq!(unread("", "", false), "leave");
        assert_eq!(unread(RULE, "", true), "accept ssh");
        assert_eq!(unread("", "initnet.firewall=accept", true), "accept");
        // Something else.
        let wrong = "apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\nmtu: much\n";
        check(&with(wrong), "", false, "accept ssh", "accept ssh");
        // Asked without a stage: what is right counts.
        assert_eq!(compiled(&with("kind: [\n"), "", None), "accept ssh");
    }
}
