//! How to boot, with every default filled in.

use super::defaults;
use crate::config::{BootConfig, Document, Said, WaitLevel};
use crate::value::Duration;

/// What the boot and the supervisor go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What to wait for before hand-off.
    pub wait: WaitLevel,
    /// How long; `None`: for ever.
    pub timeout: Option<Duration>,
    /// How long to wait for the first carrier.
    pub carrier_timeout: Duration,
    /// Verbosity of the log.
    pub log: log::LevelFilter,
}

/// Merges the boot keys of all documents; a higher layer wins key by key.
pub fn settings(documents: &[Document]) -> Settings {
    let mut documents: Vec<&Document> = documents.iter().collect();
    documents.sort_by_key(|document| core::cmp::Reverse(document.layer));
    fn pick<T: Clone>(
        documents: &[&Document],
        key: impl Fn(&BootConfig) -> Option<&Said<T>>,
    ) -> Option<T> {
        documents
            .iter()
            .find_map(|document| key(&document.boot))
            .map(|said| said.value.clone())
    }
    Settings {
        wait: pick(&documents, |boot| boot.wait.as_ref()).unwrap_or(defaults::WAIT),
        timeout: pick(&documents, |boot| boot.timeout.as_ref()).unwrap_or(Some(defaults::TIMEOUT)),
        carrier_timeout: pick(&documents, |boot| boot.timeouts.carrier.as_ref())
            .unwrap_or(defaults::CARRIER_TIMEOUT),
        log: pick(&documents, |boot| boot.log.as_ref()).unwrap_or(log::LevelFilter::Info),
    }
}
