//! What the next stage needs to know of shared addresses: it goes on with those that this one has, or waits for in a queue.

use serde::{Deserialize, Serialize};

use super::health::Health;
use super::instance::Instance;
use crate::value::Instant;

/// A shared address that this machine has, or waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedVip {
    /// Until when the others wait for it to say something: later somebody else may have the address. Over: this machine waits.
    pub until: Instant,
    /// Whether its check has said that it is fit.
    #[serde(default)]
    pub fit: Option<bool>,
    /// The lease of etcd that it has it by, or waits with.
    #[serde(default)]
    pub lease: Option<i64>,
}

impl Instance {
    /// What the next stage goes on from; `None`: this machine does not have the address, and has no place in a queue.
    pub(super) fn saved(&self, now: Instant) -> Option<SavedVip> {
        let (patience, lease) = self.referee.as_ref()?.patience(now);
        let held = self.is_held();
        (held || lease.is_some()).then(|| SavedVip {
            until: if held { now + patience } else { now },
            fit: self.health.as_ref().and_then(Health::fit),
            lease,
        })
    }
}
