//! [`Namesake`]: another candidate of our own name.

use super::gateway::{Ask, Candidate};
use crate::value::{Duration, Instant};

/// A candidate of our own name: a former run of this machine, whose key stands in its way until its lease ends — or another machine
/// that is called the same, which renews its lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct Namesake {
    lease: i64,
    created: i64,
    since: Instant,
    next: Next,
}

/// What is to be done about a namesake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Its lease is looked at.
    Age { at: Instant },
    /// Its key is deleted.
    Evict { at: Instant },
    /// Nothing before the next look; `told`: nothing at all, it is another machine.
    Wait { told: bool },
}

impl Namesake {
    /// What is to be asked about it, and when.
    pub(super) fn next(&self) -> Option<(Ask, Instant)> {
        let (lease, created) = (self.lease, self.created);
        match self.next {
            Next::Age { at } => Some((Ask::Age(lease), at)),
            Next::Evict { at } => Some((Ask::Evict { lease, created }, at)),
            Next::Wait { .. } => None,
        }
    }

    /// `other` was seen at `now`; `known` was seen before.
    pub(super) fn seen(known: Option<Self>, other: &Candidate, now: Instant) -> Self {
        let (lease, created) = (other.lease, other.created);
        match known {
            Some(known) if (known.lease, known.created) == (lease, created) => Self {
                next: match known.next {
                    Next::Wait { told: false } => Next::Age { at: now },
                    next => next,
                },
                ..known
            },
            _ => Self {
                lease,
                created,
                since: now,
                next: Next::Age { at: now },
            },
        }
    }

    /// Its lease still is `left` of `granted`. Each candidate renews after a third of it: one that has not is gone. Seconds are
    /// whole ones. `true`: it is another machine, which is to be told.
    pub(super) fn judge(&mut self, left: Duration, granted: Duration, now: Instant) -> bool {
        let second = Duration::from_secs(1);
        if left + second < granted - granted / 3 {
            self.next = Next::Evict { at: now };
            return false;
        }
        let told = now.saturating_since(self.since) > granted / 2 + second;
        self.next = Next::Wait { told };
        told
    }
}
