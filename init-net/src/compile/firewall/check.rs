//! What the rules together have wrong.

use crate::config::{Diagnostic, Document, Severity};
use crate::state::FirewallSpec;

pub(super) fn check(
    spec: &FirewallSpec,
    documents: &[&Document],
    diagnostics: &mut Vec<Diagnostic>,
) {
    let pods = spec.pods_to_host.as_ref();
    if pods.is_some_and(|pods| pods.subnets.is_empty()) {
        let said = documents
            .iter()
            .find_map(|d| d.firewall.default_action.as_ref());
        let fault = Diagnostic::new(
            Severity::Warning,
            "allowPodsToHost: no network of pods is known",
        );
        let fault = match said {
            Some(said) => fault.with_place((&said.origin).into()),
            None => fault,
        };
        let fix = "say podSubnets in a KubeNetworkConfig";
        diagnostics.push(fault.with_fix(fix).with_effect("it lets nothing in"));
    }
}
