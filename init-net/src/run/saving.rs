//! When the state file is written: with every change, and again after a while where that failed.

use crate::value::{Duration, Instant};

/// How long after a failure it is tried again: `/run` may be full for long, and each try writes all of the file.
const RETRY: Duration = Duration::from_secs(5);

/// The tries.
#[derive(Debug, Default)]
pub struct Saving {
    /// The last one failed: when the next one is due.
    again: Option<Instant>,
    /// What was said about a failure, so that it is said once.
    failed: Option<String>,
}

impl Saving {
    /// Whether to try at `now`.
    pub fn is_due(&self, now: Instant) -> bool {
        self.again.is_none_or(|at| at <= now)
    }

    /// When the loop must turn for another try.
    pub fn deadline(&self) -> Option<Instant> {
        self.again
    }

    /// It was tried. Answers whether it is saved; what went wrong is logged.
    pub fn tried(&mut self, result: Result<(), String>, now: Instant) -> bool {
        let error = result.err();
        self.again = error.as_ref().map(|_| now + RETRY);
        if let Some(error) = &error
            && self.failed.as_ref() != Some(error)
        {
            log::error!("{error}; tried again every {RETRY:?}");
        }
        self.failed = error;
        self.failed.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_tried_again_after_a_while_and_success_is_not() {
        let (mut saving, start) = (Saving::default(), Instant::BOOT);
        assert!(saving.is_due(start));
        assert!(!saving.tried(Err("full".into()), start));
        let retry = start + RETRY;
        assert_eq!(saving.deadline(), Some(retry));
        assert!(
            !saving.is_due(start + Duration::from_secs(1)),
            "no busy loop"
        );
        assert!(saving.is_due(retry));
        assert!(saving.tried(Ok(()), retry));
        assert_eq!(saving.deadline(), None);
        assert!(saving.is_due(retry));
    }
}
