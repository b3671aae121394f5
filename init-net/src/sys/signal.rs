//! Signals as reads in the one loop: all blocked, taken from a signalfd(2).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask,
};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// All signals of this process.
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks every signal and opens the descriptor. The kernel throws away signals to PID 1 that have neither handler
    /// nor reader; blocked ones it keeps.
    pub fn open() -> io::Result<Self> {
        let mut all = SigSet::all();
        // Raised by our own faults: blocked, they would end the process without a word.
        for fault in [
            Signal::SIGSEGV,
            Signal::SIGBUS,
            Signal::SIGILL,
            Signal::SIGFPE,
            Signal::SIGABRT,
        ] {
            all.remove(fault);
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), None)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self(SignalFd::with_flags(&all, flags)?))
    }

    /// The next signal. Equal ones that came before it was read count once.
    pub fn next(&self) -> io::Result<Option<Signal>> {
        while let Some(info) = self.0.read_signal()? {
            // Real-time signals have no name and no meaning here.
            if let Ok(signal) = i32::try_from(info.ssi_signo).unwrap_or(0).try_into() {
                return Ok(Some(signal));
            }
        }
        Ok(None)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Default action for every signal and an empty mask, as a program expects to be started. Safe after fork(2).
pub fn reset() -> io::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        if signal != Signal::SIGKILL && signal != Signal::SIGSTOP {
            // SAFETY: SIG_DFL installs no handler, so no code of ours can run at an unexpected moment.
            unsafe { sigaction(signal, &default) }?;
        }
    }
    Ok(sigprocmask(
        SigmaskHow::SIG_SETMASK,
        Some(&SigSet::empty()),
        None,
    )?)
}

/// SIGPIPE ends the program again, as the shell expects of what prints into a pipe. Rust ignores it from the start.
pub fn end_on_closed_pipe() -> io::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: SIG_DFL installs no handler, so no code of ours can run at an unexpected moment.
    unsafe { sigaction(Signal::SIGPIPE, &default) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::raise;

    use super::*;

    #[test]
    fn signals_are_read_not_handled() {
        // The mask is of this thread, and so are raised signals.
        std::thread::spawn(|| {
            let signals = Signals::open().unwrap();
            assert_eq!(signals.next().unwrap(), None);
            raise(Signal::SIGTERM).unwrap();
            raise(Signal::SIGTERM).unwrap();
            assert_eq!(signals.next().unwrap(), Some(Signal::SIGTERM));
            assert_eq!(signals.next().unwrap(), None, "equal ones count once");
        })
        .join()
        .unwrap();
    }
}
