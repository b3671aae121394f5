//! What the next stage needs to know of shared addresses, and how it goes on with those that this one has, or waits for in a
//! queue. The next configuration of the same address goes on in the same way.

use serde::{Deserialize, Serialize};

use super::health::Health;
use super::instance::{Duty, Instance};
use super::place::{self, Place};
use super::referee::same_election;
use crate::state::{Observed, VipElection, VipSpec};
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
    /// The same address with another configuration, which goes on with what this one has; `None`: it has nothing, or it cannot
    /// be gone on with.
    pub(super) fn succeed(&self, spec: &VipSpec, now: Instant) -> Option<Self> {
        let saved = self.saved(now).filter(|_| {
            self.spec.holder == spec.holder
                && self.spec.provider == spec.provider
                && same_election(&self.spec.election, &spec.election)
        })?;
        let mut next = Self::new(spec.clone(), Some(saved), now);
        next.promotions = self.promotions;
        Some(next)
    }

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

    /// Whether it goes on where the stage before stopped.
    pub(super) fn resumes(&self, place: &Place, observed: &Observed, now: Instant) -> bool {
        let saved = self.inherited.as_ref();
        let Some(saved) = saved.filter(|saved| now < saved.until) else {
            return false;
        };
        let here = place::there(&self.spec, observed)
            .any(|there| there.link.index == place.holder.index && there.status.is_shared_by_us());
        // What was had by another kind of election is nothing to go on from.
        let same = saved.lease.is_some() == matches!(self.spec.election, VipElection::Etcd(_));
        same && here && place.local.is_ok()
    }

    /// Goes on with the address, without a word.
    pub(super) fn resume(&mut self, now: Instant) {
        if let Some(provider) = &mut self.provider {
            provider.dialogue.resume(now);
        }
        self.duty = Duty::Held {
            refresh_at: now,
            announcer: None,
        };
        self.since = now;
    }
}
