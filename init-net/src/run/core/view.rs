//! What others may read of the core: the shell, the state file, the report.

use std::collections::BTreeMap;

use super::{Core, Fetched, SavedLeases, Source, Timeline};
use crate::compile::Settings;
use crate::config::Diagnostic;
use crate::state::{Desired, Observed};
use crate::value::LinkName;

impl Core {
    /// The leases held, for the state file.
    pub fn leases(&self) -> SavedLeases {
        self.clients.saved()
    }

    /// Names that links had, with their indexes, for the state file.
    pub fn names(&self) -> &BTreeMap<LinkName, u32> {
        &self.names
    }

    /// Addresses that were added by us, for the state file.
    pub fn owned(&self) -> Vec<String> {
        self.owned.iter().cloned().collect()
    }

    /// Addresses that nobody else has, for the state file.
    pub fn verified(&self) -> Vec<String> {
        self.conflicts.verified()
    }

    /// Addresses that other hosts have as well.
    pub fn rivals(&self) -> Vec<String> {
        self.conflicts.rivals()
    }

    /// What was fetched, for the state file.
    pub fn fetched(&self) -> &BTreeMap<String, Fetched> {
        self.fetches.fetched()
    }

    /// Whether the bodies of that source are still to be fetched.
    pub fn wants(&self, source: &dyn Source) -> bool {
        self.fetches.wants(source)
    }

    /// The stages of this boot so far.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// What the sources together want.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What the last dump found.
    pub fn last_observed(&self) -> Option<&Observed> {
        self.observed.as_ref()
    }

    /// What the sources have wrong, as far as it shows only when they are together or fetched.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().chain(self.fetches.faults())
    }

    /// The clients with their leases, and what routers say, as resources.
    pub fn lease_facts(&self) -> Vec<serde_json::Value> {
        self.clients.facts()
    }

    /// How to boot.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Ops that fail and are retried, with the last error.
    pub fn failures(&self) -> Vec<(String, String)> {
        self.backoff.failures()
    }
}
