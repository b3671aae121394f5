//! Probes: same name, the highest layer wins.

use super::defaults;
use crate::config::{Document, ProbeConfig};
use crate::state::{Desired, ProbeSpec};
use crate::value::Layer;

pub(super) fn merge(documents: &[&Document], desired: &mut Desired) {
    for document in documents {
        for config in &document.probes {
            let spec = spec(config, document.layer);
            desired.probes.insert(config.name.clone(), spec);
        }
    }
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
