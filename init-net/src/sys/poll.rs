//! poll(2).

use std::io;
use std::os::fd::BorrowedFd;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::memory::Program;
use crate::value::Duration;

/// What to wait for on one file descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Interest<'a> {
    fd: BorrowedFd<'a>,
    flags: PollFlags,
}

impl<'a> Interest<'a> {
    /// For something to read.
    pub fn read(fd: BorrowedFd<'a>) -> Self {
        Self {
            fd,
            flags: PollFlags::POLLIN,
        }
    }

    /// For room to write, or a connection made or refused.
    pub fn write(fd: BorrowedFd<'a>) -> Self {
        Self {
            fd,
            flags: PollFlags::POLLOUT,
        }
    }

    /// For the other end to be closed, and nothing else.
    pub fn hang_up(fd: BorrowedFd<'a>) -> Self {
        Self {
            fd,
            flags: PollFlags::empty(),
        }
    }

    /// For an exceptional condition: a changed mount table (proc_pid_mounts(5)).
    pub fn urgent(fd: BorrowedFd<'a>) -> Self {
        Self {
            fd,
            flags: PollFlags::POLLPRI,
        }
    }
}

/// What a file descriptor is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Reading gives something: data, end of file or an error.
    pub readable: bool,
    /// Writing takes something, or tells an error.
    pub writable: bool,
}

/// Waits until one is ready, at most `timeout` (`None`: without end). One answer for each of `interests`; none is ready
/// after the timeout, and when a signal came first.
pub fn poll(interests: &[Interest<'_>], timeout: Option<Duration>) -> io::Result<Vec<Ready>> {
    let mut fds = descriptors(interests);
    let limit = timeout.map(TimeSpec::from_duration);
    answers(
        interests,
        ppoll(&mut fds, limit, None)
            .map(drop)
            .map_err(io::Error::from),
        &fds,
    )
}

/// The same without a limit, for a long wait: `program` holds no more memory meanwhile than it needs for that.
pub fn poll_at_rest(interests: &[Interest<'_>], program: &Program) -> io::Result<Vec<Ready>> {
    let mut fds = descriptors(interests);
    let result = program.release_and_poll(&mut fds);
    answers(interests, result, &fds)
}

fn descriptors<'a>(interests: &[Interest<'a>]) -> Vec<PollFd<'a>> {
    let polled = interests.iter();
    polled
        .map(|interest| PollFd::new(interest.fd, interest.flags))
        .collect()
}

fn answers(
    interests: &[Interest<'_>],
    result: io::Result<()>,
    fds: &[PollFd<'_>],
) -> io::Result<Vec<Ready>> {
    match result {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            return Ok(vec![Ready::default(); interests.len()]);
        }
        Err(error) => return Err(error),
    }
    Ok(interests
        .iter()
        .zip(fds)
        .map(|(interest, fd)| ready(interest.flags, fd))
        .collect())
}

fn ready(asked: PollFlags, fd: &PollFd<'_>) -> Ready {
    let said = fd.revents().unwrap_or(PollFlags::empty());
    // Trouble is told to whoever asked, so that the read or write that follows finds out which.
    let trouble = said.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL);
    Ready {
        readable: (asked.contains(PollFlags::POLLIN)
            && (trouble || said.contains(PollFlags::POLLIN)))
            || said.contains(PollFlags::POLLPRI)
            || (asked.is_empty() && trouble),
        writable: asked.contains(PollFlags::POLLOUT)
            && (trouble || said.contains(PollFlags::POLLOUT)),
    }
}
