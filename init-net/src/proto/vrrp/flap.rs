//! [`Flap`]: an address that changes hands all the time helps nobody, and every change costs connections.

use core::ops::RangeInclusive;

use heapless::Deque;

use crate::value::{Duration, Instant};

/// Promotions within [`WINDOW`] that are taken.
const MOST: usize = 3;
/// In which they are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// How long a machine that changes too often leaves the address to others: doubled each time.
const HOLD: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(300);
/// After that long without a promotion everything is forgotten.
const STABLE: Duration = Duration::from_secs(600);

/// Promotions of late.
#[derive(Clone, Debug, Default)]
pub(super) struct Flap {
    promotions: Deque<Instant, MOST>,
    /// The last hold, while it is remembered.
    hold: Option<Duration>,
}

impl Flap {
    /// Asks to be promoted at `now`. `Err`: not for so long.
    pub(super) fn promote(&mut self, now: Instant) -> Result<(), Duration> {
        let last = self.promotions.back().copied();
        if last.is_some_and(|last| last + STABLE <= now) {
            *self = Self::default();
        }
        if let Some(first) = self.promotions.front()
            && self.promotions.is_full()
            && now.saturating_since(*first) < WINDOW
        {
            let hold = self
                .hold
                .map_or(*HOLD.start(), |hold| hold * 2)
                .min(*HOLD.end());
            self.hold = Some(hold);
            self.promotions.clear();
            return Err(hold);
        }
        if self.promotions.is_full() {
            self.promotions.pop_front();
        }
        let _room_was_made = self.promotions.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_promotion_in_a_minute_waits_longer_each_time() {
        let mut flap = Flap::default();
        let mut now = Instant::from_secs(1000);
        let mut step = |secs| {
            now = now + Duration::from_secs(secs);
            flap.promote(now).map_err(|hold| hold.as_secs())
        };
        let mut held = Vec::new();
        for _ in 0..7 {
            assert_eq!([step(1), step(1), step(1)], [Ok(()); 3]);
            held.push(step(1).unwrap_err());
        }
        assert_eq!(held, [10, 20, 40, 80, 160, 300, 300]);
        // Three in more than a minute are none too many.
        assert_eq!([step(1), step(40), step(40), step(40)], [Ok(()); 4]);
        // What was long ago is forgotten.
        assert_eq!([step(700), step(1), step(1)], [Ok(()); 3]);
        assert_eq!(step(1), Err(10));
    }
}
