//! Real time: the lab watches real programs. Nothing else of the workspace reads this clock.

use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

/// A point in time after which waiting is given up.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// This long from now.
    pub fn after(duration: Duration) -> Self {
        Self(now() + duration)
    }

    /// What is left, `None` when it has passed.
    pub fn remaining(&self) -> Option<Duration> {
        self.0
            .checked_duration_since(now())
            .filter(|left| !left.is_zero())
    }
}

/// The lab's only look at the clock that does not jump.
#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time of day, by which the kernel stamps what arrives.
#[allow(clippy::disallowed_methods)]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
