//! [`Granted`]: how long a lease may be relied on.

use crate::value::{Duration, Instant, lease_margin, lease_use};

/// A lease of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granted {
    /// Its number.
    pub(super) id: i64,
    /// For how long it was granted.
    pub(super) ttl: Duration,
    /// Its last moment as etcd counts it, at the earliest.
    pub(super) ends: Instant,
    /// When to ask that it goes on.
    pub(super) renew_at: Instant,
}

impl Granted {
    /// `asked`: when that was asked for. etcd counts from when it got that, which is later.
    pub(super) fn new(id: i64, ttl: Duration, asked: Instant) -> Self {
        Self {
            id,
            ttl,
            ends: asked + ttl,
            renew_at: asked + lease_use(ttl) / 3,
        }
    }

    /// When the key has to be let go if etcd says nothing more.
    pub(super) fn gives_up(&self) -> Instant {
        self.ends.before(lease_margin(self.ttl))
    }
}
