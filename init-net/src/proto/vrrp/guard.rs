//! [`Guard`]: before the address of a machine that has fallen silent is taken, somebody asks whether it is really gone.
//!
//! A machine whose daemon died, or whose advertisements are filtered on the way, still has the address in its kernel, which
//! answers. Taking it then makes two owners. The question costs no time: it is asked within the last third of the wait.

use crate::value::{Duration, Instant, Mac};

/// Questions of one round: one may be lost.
const QUESTIONS: u32 = 2;
/// Rounds in a row without an answer, once there was one: a machine that is busy answers late.
const SILENT_ROUNDS: u32 = 2;
/// Length of a round after the first one.
const ROUND: core::ops::RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_millis(500);

/// The questions before one promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guard {
    /// When the next question is due.
    ask_at: Instant,
    /// Questions of this round that are asked.
    asked: u32,
    /// Between two of them.
    pause: Duration,
    /// Who answered in this round.
    answered: Option<Mac>,
    /// When the address was first kept from us by an answer.
    kept_since: Option<Instant>,
    /// Rounds since the last answer.
    silent: u32,
}

/// What a round has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody answered.
    Free,
    /// Nobody did, which is not enough to go by; the next round ends then.
    Unsure(Instant),
    /// Somebody did, and keeps the address; the next round ends then.
    Kept(Mac, Instant),
    /// Somebody did, for too long.
    Overridden(Mac),
}

impl Guard {
    /// For a wait that ends at `down_at`, of an Active with that interval.
    pub(super) fn new(down_at: Instant, interval: Duration, now: Instant) -> Self {
        let left = down_at.saturating_since(now).min(interval);
        Self {
            ask_at: down_at.before(left),
            asked: 0,
            pause: left / 2,
            answered: None,
            kept_since: None,
            silent: 0,
        }
    }

    /// Somebody says that it has the address.
    pub(super) fn answer(&mut self, mac: Mac) {
        if self.asked > 0 {
            self.answered = Some(mac);
        }
    }

    /// Whether to ask now; the question counts as asked then.
    pub(super) fn asks(&mut self, now: Instant) -> bool {
        let due = self.ask_due().is_some_and(|at| at <= now);
        if due {
            self.asked += 1;
            self.ask_at = now + self.pause;
        }
        due
    }

    /// When the next question is due.
    pub(super) fn ask_due(&self) -> Option<Instant> {
        (self.asked < QUESTIONS).then_some(self.ask_at)
    }

    /// The wait has ended: what the round has shown. Another one begins when the address is kept.
    pub(super) fn judge(&mut self, limit: Duration, interval: Duration, now: Instant) -> Verdict {
        let complete = self.asked >= QUESTIONS;
        let Some(mac) = self.answered.take() else {
            let needed = if self.kept_since.is_some() {
                SILENT_ROUNDS
            } else {
                1
            };
            self.silent += u32::from(complete);
            return match self.silent >= needed {
                true => Verdict::Free,
                false => Verdict::Unsure(self.next_round(interval, now)),
            };
        };
        self.silent = 0;
        let since = *self.kept_since.get_or_insert(now);
        if now.saturating_since(since) >= limit {
            return Verdict::Overridden(mac);
        }
        Verdict::Kept(mac, self.next_round(interval, now))
    }

    /// Begins another round; answers when it ends.
    fn next_round(&mut self, interval: Duration, now: Instant) -> Instant {
        let round = (interval / 2).clamp(*ROUND.start(), *ROUND.end());
        self.asked = 0;
        self.ask_at = now;
        self.pause = round / 2;
        now + round
    }
}
