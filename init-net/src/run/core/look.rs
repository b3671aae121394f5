//! When the machine is looked at next, and at which parts of it.

use super::Doubt;
use crate::value::{Duration, Instant, earliest};

/// Quiet time between a kernel notice and the dump it causes, when there was a dump just before: swallows the handful
/// of messages of one link coming up, and is far below the 5 ms in which drift is to be undone.
const SETTLE: Duration = Duration::from_millis(1);

/// After a look that took long (thousands of links), the next one for a mere notice waits this many times as long: at most a
/// fifth of a processor goes into looking while links come up one by one. A look of a small machine takes less than
/// [`SETTLE`] either way.
const REST: u32 = 4;

/// Longest such wait.
const MAX_REST: Duration = Duration::from_secs(1);

/// Wait after a dump that failed (memory, an interrupted socket), doubled each time in a row.
const DUMP_RETRY: Duration = Duration::from_millis(100);

/// Longest such wait: what drifts stays for that long where the kernel has no memory for an answer.
const MAX_DUMP_RETRY: Duration = Duration::from_secs(5);

/// The next look and the last one.
pub(super) struct Looks {
    /// When to look next, if something made the last look doubtful.
    at: Option<Instant>,
    /// At what, then.
    doubt: Doubt,
    last: Option<Instant>,
    /// None before this moment: somebody undoes our work, or dumps fail.
    not_before: Instant,
    /// When to look at the firewall alone, in a pause because of something else.
    firewall_at: Option<Instant>,
    /// The last look was such a one.
    in_pause: bool,
    under_way: bool,
    /// Looks in a row that did not come.
    failures: u32,
    /// When the last look was asked for, and how long it took.
    began: Instant,
    took: Duration,
}

impl Looks {
    /// The first look is due at once, at everything.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            at: Some(now),
            doubt: Doubt::EVERYTHING,
            last: None,
            not_before: Instant::BOOT,
            firewall_at: None,
            in_pause: false,
            under_way: false,
            failures: 0,
            began: now,
            took: Duration::ZERO,
        }
    }

    /// The kernel may have changed: look again, at once or a while after the last time.
    pub(super) fn notice(&mut self, doubt: Doubt, now: Instant) {
        self.doubt |= doubt;
        let rest = (self.took * REST).clamp(SETTLE, MAX_REST);
        let after_last = self.last.map_or(now, |last| last + rest).max(now);
        self.look_at_firewall(doubt, after_last, now);
        let at = after_last.max(self.not_before);
        self.at = Some(self.at.map_or(at, |already| already.min(at)));
    }

    /// A machine whose firewall was flushed is open: nobody else's fight keeps it so. A pause because no look can be had
    /// holds for this one, too.
    fn look_at_firewall(&mut self, doubt: Doubt, at: Instant, now: Instant) {
        if doubt.has(Doubt::FIREWALL) && self.not_before > now && self.failures == 0 {
            self.firewall_at = Some(self.firewall_at.map_or(at, |already| already.min(at)));
        }
    }

    /// Something is needed, or was just done: look without a rest.
    pub(super) fn need(&mut self, doubt: Doubt, now: Instant) {
        self.doubt |= doubt;
        self.look_at_firewall(doubt, now, now);
        self.at = Some(now.max(self.not_before));
    }

    /// Somebody asks for it: look now, in a pause as well.
    pub(super) fn at_once(&mut self, doubt: Doubt, now: Instant) {
        self.doubt |= doubt;
        self.at = Some(now);
    }

    /// No look before `until`, and then at everything.
    pub(super) fn pause(&mut self, until: Instant) {
        self.not_before = until;
        self.doubt = Doubt::EVERYTHING;
        self.at = Some(until);
    }

    /// The look did not come. Answers whether it is the first in a row.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.under_way = false;
        let wait = DUMP_RETRY.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.firewall_at = None;
        self.pause(now + wait.min(MAX_DUMP_RETRY));
        self.failures == 1
    }

    /// The look came. Answers whether the one before did not.
    pub(super) fn came(&mut self, now: Instant) -> bool {
        self.under_way = false;
        self.last = Some(now);
        self.took = now.saturating_since(self.began);
        core::mem::take(&mut self.failures) > 0
    }

    /// What to look at now, when that is due: the look is under way then. One at a time: what is desired changes by a look,
    /// and one that was had before would pass for a look at what is desired since.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Doubt> {
        if self.under_way {
            return None;
        }
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let whole = due(self.at);
        if !whole && !due(self.firewall_at) {
            return None;
        }
        self.firewall_at = None;
        self.in_pause = !whole;
        self.under_way = true;
        self.began = now;
        if self.in_pause {
            return Some(Doubt::FIREWALL);
        }
        self.at = None;
        Some(core::mem::take(&mut self.doubt))
    }

    /// The firewall, too, rests in the pause, until then.
    pub(super) fn rest_firewall(&mut self, until: Instant) {
        self.firewall_at = Some(until);
    }

    /// Whether the last look was one at the firewall alone, in a pause: the rest of what was seen is of before it.
    pub(super) fn is_in_pause(&self) -> bool {
        self.in_pause
    }

    /// Whether no look is due or under way: what was seen is of before the last ops otherwise.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        let mut due = self.at.iter().chain(&self.firewall_at);
        !self.under_way && due.all(|at| *at > now)
    }

    /// Whether none is due, now or later, or under way.
    pub(super) fn is_idle(&self) -> bool {
        !self.under_way && self.at.is_none()
    }

    /// How long the last look took.
    pub(super) fn took(&self) -> Duration {
        self.took
    }

    /// Whether there is no pause.
    pub(super) fn may(&self, now: Instant) -> bool {
        self.not_before <= now
    }

    /// When the next look is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        earliest([self.at, self.firewall_at])
    }

    /// The end of the pause.
    pub(super) fn not_before(&self) -> Instant {
        self.not_before
    }
}
