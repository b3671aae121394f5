//! timerfd(2) on CLOCK_BOOTTIME: a deadline that passes while the machine sleeps is due when it wakes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::value::{Duration, Instant};

/// One deadline as a file descriptor, readable when it is due.
pub struct Timer(TimerFd);

impl Timer {
    /// Without a deadline.
    pub fn open() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Self(TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?))
    }

    /// Replaces the deadline, and forgets that the old one was due.
    pub fn set(&self, deadline: Option<Instant>) -> io::Result<()> {
        let Some(deadline) = deadline else {
            return Ok(self.0.unset()?);
        };
        // Zero would switch the timer off.
        let time = Duration::from_nanos(deadline.as_nanos().clamp(1, i64::MAX as u64));
        let expiration = Expiration::OneShot(TimeSpec::from_duration(time));
        Ok(self
            .0
            .set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?)
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock;
    use super::super::poll::{Interest, poll};
    use super::*;

    fn is_due(timer: &Timer, wait: Option<Duration>) -> bool {
        poll(&[Interest::read(timer.as_fd())], wait).unwrap()[0].readable
    }

    #[test]
    fn due_when_passed_and_not_before() {
        let timer = Timer::open().unwrap();
        assert!(!is_due(&timer, Some(Duration::ZERO)), "no deadline");
        timer
            .set(Some(clock::now() + Duration::from_secs(3600)))
            .unwrap();
        assert!(!is_due(&timer, Some(Duration::ZERO)), "an hour away");
        timer.set(Some(Instant::BOOT)).unwrap();
        assert!(is_due(&timer, None), "long past");
        timer.set(None).unwrap();
        assert!(!is_due(&timer, Some(Duration::ZERO)), "taken back");
    }
}
