//! [`Instant`]: a point on CLOCK_BOOTTIME, made only in `sys/clock.rs` and in tests.

use core::fmt;
use core::ops::{Add, Sub};
pub use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds since boot, suspend included (CLOCK_BOOTTIME): leases must run on while the machine sleeps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Instant(u64);

impl Instant {
    /// The moment of boot.
    pub const BOOT: Instant = Instant(0);

    /// `nanos` nanoseconds after boot.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// `millis` milliseconds after boot.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// `secs` seconds after boot.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since boot.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since boot.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// `duration` earlier; the moment of boot at the earliest.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }

    /// Time from `earlier` to `self`, zero when `earlier` is later.
    pub const fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates: "infinite" lifetimes stay infinite.
    fn add(self, duration: Duration) -> Instant {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:03}s",
            self.0 / 1_000_000_000,
            self.as_millis() % 1000
        )
    }
}

/// The earliest of several deadlines. The only combinator for deadlines: `Option::min` lets `None` win.
pub fn earliest(deadlines: impl IntoIterator<Item = Option<Instant>>) -> Option<Instant> {
    deadlines.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_deadline_does_not_erase_the_others() {
        assert_eq!(
            earliest([None, Some(Instant::from_secs(5)), None]),
            Some(Instant::from_secs(5))
        );
        assert_eq!(earliest([None, None]), None);
    }

    #[test]
    fn nothing_is_before_the_boot() {
        let at = Instant::from_secs(5);
        assert_eq!(at.before(Duration::from_secs(2)), Instant::from_secs(3));
        assert_eq!(at.before(Duration::MAX), Instant::BOOT);
    }

    #[test]
    fn infinity_stays_infinity() {
        let far = Instant::from_secs(1) + Duration::MAX;
        assert_eq!(far + Duration::from_secs(1), far);
    }
}
