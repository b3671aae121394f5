//! Descriptors that go from one program to the next, by number.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Takes over descriptor `number`, which whoever started this program left open for it and told it about. Closed on exec
/// from now on. An error where it is not open, or is one of the three that every program has.
pub fn take(number: RawFd) -> io::Result<OwnedFd> {
    if number <= libc::STDERR_FILENO {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: fcntl(2) of a number that is not open is an error (EBADF) and nothing else.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and it is ours: it was left open by who started us, before anything here opened a descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Leaves `file` open for the program that this process becomes; answers with its number.
pub fn leave_open(file: &impl AsFd) -> io::Result<RawFd> {
    fcntl(file.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(file.as_fd().as_raw_fd())
}

/// Takes [`leave_open`] back.
pub fn close_on_exec(file: &impl AsFd) -> io::Result<()> {
    fcntl(file.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::IntoRawFd as _;

    use super::*;

    #[test]
    fn what_was_left_open_is_taken_and_closed_on_exec() {
        let file = File::open("/dev/null").unwrap();
        let number = leave_open(&file).unwrap();
        let flags = |file: &OwnedFd| fcntl(file, FcntlArg::F_GETFD).unwrap();
        let file = OwnedFd::from(file);
        assert_eq!(flags(&file), 0);
        assert_eq!(file.into_raw_fd(), number);
        let file = take(number).unwrap();
        assert_eq!(flags(&file), libc::FD_CLOEXEC);
        assert!(take(0).is_err());
        assert!(take(1 << 20).is_err());
    }
}
