//! Probes: same name, the highest layer wins.

use super::defaults;
use crate::config::{Diagnostic, Document, ProbeConfig, Severity};
use crate::state::{Desired, ProbeSpec};
use crate::value::{Layer, ProbeTarget};

pub(super) fn merge(
    documents: &[&Document],
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for document in documents {
        for config in &document.probes {
            let spec = spec(config, document.layer);
            if let ProbeTarget::Http { url } = &spec.target
                && is_https(url)
            {
                diagnostics.push(
                    Diagnostic::new(
                        Severity::Warning,
                        format!("probe {}: https is not built in", spec.name),
                    )
                    .with_place((&config.origin).into())
                    .with_fix("ask over http, or connect to the port with a TCPProbeConfig")
                    .with_effect("it counts as failing: the level online is not reached"),
                );
            }
            desired.probes.insert(config.name.clone(), spec);
        }
    }
}

fn is_https(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

fn spec(config: &ProbeConfig, layer: Layer) -> ProbeSpec {
    ProbeSpec {
        name: config.name.clone(),
        target: config.target.clone(),
        interval: config.interval.unwrap_or(defaults::PROBE_INTERVAL),
        timeout: config.timeout.unwrap_or(defaults::PROBE_TIMEOUT),
        failure_threshold: config.failure_threshold.unwrap_or(0),
        layer,
        origin: config.origin.clone(),
    }
}
