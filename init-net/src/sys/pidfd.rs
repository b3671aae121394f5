//! pidfd_open(2): a child by descriptor, so that a signal never hits a process that got its number later.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

use nix::sys::wait::{Id, WaitPidFlag, waitid};

/// A child, whoever reaps it.
pub struct Child(OwnedFd);

impl Child {
    /// The child `pid`, which has not been reaped. Linux 5.3.
    pub fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: the arguments are numbers.
        let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let descriptor = RawFd::try_from(descriptor).map_err(io::Error::other)?;
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made it, close-on-exec, for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Sends SIGKILL; an error when it has ended and been reaped.
    pub fn kill(&self) -> io::Result<()> {
        let no_information = core::ptr::null::<libc::siginfo_t>();
        // SAFETY: without information about the signal no memory is read.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                libc::SIGKILL,
                no_information,
                0,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Reaps it if it has ended by now; an error when somebody else has done so.
    pub fn reap(&self) -> io::Result<()> {
        waitid(
            Id::PIDFd(self.0.as_fd()),
            WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG,
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, Exit};

    #[test]
    fn a_child_is_killed_once() {
        let pid = process::spawn(std::path::Path::new("/bin/sleep"), &["60"], &[]).unwrap();
        let child = Child::open(pid).unwrap();
        child.kill().unwrap();
        assert_eq!(process::wait(pid).unwrap(), Exit { pid, code: 137 });
        assert!(child.kill().is_err());
        assert!(child.reap().is_err());
    }
}
