//! [`Health`]: whether this machine is fit to have a shared address, as its check says.

use crate::proto::tls::Trust;
use crate::run::core::attempt::Attempt;
use crate::run::core::fetches::Wires;
use crate::run::core::{Effect, HttpEvent};
use crate::state::VipCheck;
use crate::value::{Duration, Instant, Rng};

/// Shortest time between two tries: an interval of 0 must not keep a processor busy.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// The tries of one check, and what they have shown.
pub(super) struct Health {
    check: VipCheck,
    trust: Option<Trust>,
    attempt: Option<Attempt>,
    /// When the next try begins, while there is none.
    next: Instant,
    /// The last result, and how often in a row.
    streak: (bool, u32),
    fit: Option<bool>,
    /// What the last failure met.
    last_error: String,
}

impl Health {
    /// Begins at once. `fit`: what the stage before knew.
    pub(super) fn new(check: VipCheck, fit: Option<bool>, now: Instant) -> Result<Self, String> {
        Ok(Self {
            trust: trust(&check)?,
            check,
            attempt: None,
            next: now,
            streak: (false, 0),
            fit,
            last_error: String::new(),
        })
    }

    /// `None`: not known yet.
    pub(super) fn fit(&self) -> Option<bool> {
        self.fit
    }

    /// What the last failure met; empty before the first one.
    pub(super) fn last_error(&self) -> &str {
        &self.last_error
    }

    /// Takes an event, if it is about the connection of the try.
    pub(super) fn receive(&mut self, event: &HttpEvent, now: Instant) {
        if let Some(attempt) = &mut self.attempt {
            attempt.receive(event, now);
        }
    }

    /// Goes on; answers whether the verdict is another one now.
    pub(super) fn turn(&mut self, now: Instant, rng: &mut Rng, wires: &mut Wires<'_>) -> bool {
        let check = &self.check;
        if self.attempt.is_none() && self.next <= now {
            let attempt = Attempt::new(&check.target, check.timeout, now);
            self.attempt = Some(attempt.believing(self.trust.clone()));
        }
        let Some(attempt) = &mut self.attempt else {
            return false;
        };
        let Some(result) = attempt.turn(now, rng, wires) else {
            return false;
        };
        self.next = now.max(attempt.began + check.interval.max(MIN_INTERVAL));
        self.attempt = None;
        let good = result.is_ok();
        if let Err(error) = result {
            self.last_error = error;
        }
        let (last, count) = self.streak;
        self.streak = (
            good,
            if last == good {
                count.saturating_add(1)
            } else {
                1
            },
        );
        let needed = if good { check.rise } else { check.fall };
        if self.fit == Some(good) || self.streak.1 < needed {
            return false;
        }
        self.fit = Some(good);
        true
    }

    /// Gives up what is open.
    pub(super) fn close(&mut self, effects: &mut Vec<Effect>) {
        if let Some(mut attempt) = self.attempt.take() {
            attempt.close(effects);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.attempt {
            Some(attempt) => attempt.deadline(),
            None => Some(self.next),
        }
    }
}

/// Whom the check believes, when that is not whom the machine believes anyway.
fn trust(check: &VipCheck) -> Result<Option<Trust>, String> {
    let text = |error: crate::proto::tls::Error| format!("check: {error}");
    match &check.ca {
        _ if check.insecure => Trust::unverified().map(Some).map_err(text),
        Some(ca) => Trust::only(ca).map(Some).map_err(text),
        None => Ok(None),
    }
}
