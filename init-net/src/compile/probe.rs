//! Probes: same name, the highest layer wins.

use super::defaults;
use crate::config::{Diagnostic, Document, ProbeConfig, ProbeTarget, Severity};
use crate::state::{Desired, ProbeSpec};
use crate::value::Layer;

pub(super) fn merge(
    documents: &[&Document],
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut first = None;
    for document in documents {
        for config in &document.probes {
            first.get_or_insert(&config.origin);
            let spec = spec(config, document.layer);
            desired.probes.insert(config.name.clone(), spec);
        }
    }
    if let Some(origin) = first {
        diagnostics.push(
            Diagnostic::new(Severity::Note, "probes are not run yet")
                .with_place(origin.into())
                .with_effect("a default route counts as being online"),
        );
    }
}

fn spec(config: &ProbeConfig, layer: Layer) -> ProbeSpec {
    let target = match &config.target {
        // An IPv6 address has colons of its own.
        ProbeTarget::Tcp { host, port } if host.contains(':') => format!("tcp:[{host}]:{port}"),
        ProbeTarget::Tcp { host, port } => format!("tcp:{host}:{port}"),
        ProbeTarget::Http { url } => format!("http:{url}"),
    };
    ProbeSpec {
        name: config.name.clone(),
        target,
        interval: config.interval.unwrap_or(defaults::PROBE_INTERVAL),
        timeout: config.timeout.unwrap_or(defaults::PROBE_TIMEOUT),
        failure_threshold: config.failure_threshold.unwrap_or(0),
        layer,
        origin: config.origin.clone(),
    }
}
