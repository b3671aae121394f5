//! The sources that need the network: a machine config by URL, and a platform's metadata.

mod config_url;
mod platform;

use std::collections::BTreeMap;

use super::boot::boot_config;
use super::core::{Fetched, Source};
use crate::config::{self, ConfigSource, Diagnostic, Document};
use crate::sys;
use config_url::ConfigUrl;
pub use platform::Metadata;

/// What this boot fetches.
pub fn sources(documents: &[Document]) -> Vec<Box<dyn Source>> {
    let boot = boot_config(documents);
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    if let Some(ConfigSource::Url(url)) = boot.config.as_ref().map(|said| &said.value) {
        let pin = boot.config_sha256.as_ref().map(|said| said.value);
        sources.push(Box::new(ConfigUrl::new(
            url,
            pin,
            sys::net_device::product_uuid(),
            sys::net_device::product_serial(),
        )));
    }
    if let Some(said) = &boot.platform
        && let Some(provider) = config::platform::select(said)
            .0
            .and_then(|platform| platform.provider)
    {
        let none = boot
            .config
            .as_ref()
            .is_some_and(|said| said.value == ConfigSource::None);
        let with_user_data = !none;
        sources.push(Box::new(Metadata::new(
            provider,
            with_user_data,
            boot.config_sha256.as_ref().map(|said| said.value),
        )));
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
