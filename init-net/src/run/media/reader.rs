//! [`Reader`]: the parent's side of the child that reads.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::News;
use crate::config::platform::Medium;

/// The child that reads, until this is dropped.
pub struct Reader {
    socket: UnixStream,
}

impl Reader {
    /// Starts a child that reads `media`, now and whenever a device comes.
    pub fn start(_media: Vec<Medium>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Readable when [`Reader::take`] has something to give.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What the child said since the last time. Never blocks.
    pub fn take(&mut self) -> Vec<News> {
        vec![News::Ended]
    }

    /// Asks the child to look again: drivers are loaded now. [`News::Scanned`] follows.
    pub fn rescan(&mut self) {}
}
