//! The sources that need the network or a disk: a machine config by URL, and a platform's metadata.

mod config_url;
mod config_volume;
mod platform;

use std::collections::BTreeMap;

use super::boot::boot_config;
use super::core::{Fetched, Source};
use crate::config::platform::AUTO;
use crate::config::{self, ConfigSource, Diagnostic, Document};
use crate::sys;
use config_url::ConfigUrl;
use config_volume::ConfigVolume;
pub use platform::Metadata;

/// What this boot fetches.
pub fn sources(documents: &[Document]) -> Vec<Box<dyn Source>> {
    let boot = boot_config(documents);
    let pin = boot.config_sha256.as_ref().map(|said| said.value);
    let config = boot.config.as_ref().map(|said| &said.value);
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    match config {
        Some(ConfigSource::Url(url)) => sources.push(Box::new(ConfigUrl::new(
            url,
            pin,
            sys::net_device::product_uuid(),
            sys::net_device::product_serial(),
        ))),
        Some(ConfigSource::Volume) => sources.push(Box::new(ConfigVolume::new(pin))),
        Some(ConfigSource::Path(_) | ConfigSource::None) | None => {}
    }
    let Some(said) = &boot.platform else {
        return sources;
    };
    let with_user_data = config != Some(&ConfigSource::None);
    let seed = boot.seed.as_ref().map(|said| said.value.as_str());
    let metadata = |provider| Metadata::new(provider, with_user_data, pin, seed);
    let provider = config::platform::select(said)
        .0
        .and_then(|platform| platform.provider);
    match provider {
        Some(provider) => sources.push(Box::new(metadata(Some(provider)))),
        None if said.value == AUTO => sources.push(Box::new(metadata(None))),
        None => {}
    }
    sources
}

/// What `initnet.platform=` has wrong.
pub fn platform_faults(documents: &[Document]) -> Vec<Diagnostic> {
    let boot = boot_config(documents);
    boot.platform
        .map(|said| config::platform::select(&said).1)
        .unwrap_or_default()
}

/// The documents of what an earlier stage fetched.
pub fn documents(
    sources: &[Box<dyn Source>],
    fetched: &BTreeMap<String, Fetched>,
) -> (Vec<Document>, Vec<Diagnostic>) {
    let mut documents = Vec::new();
    let mut diagnostics = Vec::new();
    for source in sources {
        if let Some(bodies) = fetched.get(&source.name()) {
            let (made, faults) = source.documents(bodies);
            documents.extend(made);
            diagnostics.extend(faults);
        }
    }
    (documents, diagnostics)
}
