//! What the next stage needs to know of shared addresses: it goes on with those that this one has.

use serde::{Deserialize, Serialize};

use super::health::Health;
use super::instance::Instance;
use crate::value::Instant;

/// A shared address that this machine has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedVip {
    /// Until when the others wait for it to say something: later somebody else may have the address.
    pub until: Instant,
    /// Whether its check has said that it is fit.
    #[serde(default)]
    pub fit: Option<bool>,
    /// The lease of etcd that it has it by.
    #[serde(default)]
    pub lease: Option<i64>,
}

impl Instance {
    /// What the next stage goes on from; `None`: this machine does not have the address.
    pub(super) fn saved(&self, now: Instant) -> Option<SavedVip> {
        let (patience, lease) = self
            .referee
            .as_ref()
            .filter(|_| self.is_held())?
            .patience(now);
        Some(SavedVip {
            until: now + patience,
            fit: self.health.as_ref().and_then(Health::fit),
            lease,
        })
    }
}
