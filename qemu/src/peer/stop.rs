//! Threads of scripted peers: they wait for their socket or for the end of their owner, whichever comes first.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;

use crate::Result;
use crate::error::Context;

/// A peer's thread; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct PeerThread {
    /// Closing it is the signal.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

/// What a peer's thread waits on, besides its socket.
pub(crate) struct StopSignal(UnixStream);

/// What woke a peer's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Its socket has something.
    Readable,
    /// The time is up.
    Timeout,
    /// Its owner is gone.
    Stop,
}

impl PeerThread {
    pub(crate) fn start(body: impl FnOnce(StopSignal) + Send + 'static) -> Result<Self> {
        let (stop, signal) = UnixStream::pair().context("a peer's stop signal")?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread::spawn(move || body(StopSignal(signal)))),
        })
    }
}

impl Drop for PeerThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has printed itself; the test fails by what the peer did not answer.
            let _ = thread.join();
        }
    }
}

impl StopSignal {
    /// Waits for `socket`, at most `limit` (`None`: without end).
    pub(crate) fn wait(
        &self,
        socket: BorrowedFd<'_>,
        limit: Option<Duration>,
    ) -> io::Result<Woken> {
        self.wait_any(&[socket], limit)
    }

    /// Waits for any of `sockets`, at most `limit` (`None`: without end).
    pub(crate) fn wait_any(
        &self,
        sockets: &[BorrowedFd<'_>],
        limit: Option<Duration>,
    ) -> io::Result<Woken> {
        let timeout = match limit {
            None => PollTimeout::NONE,
            // Rounded up, or a wait below a millisecond would spin.
            Some(limit) => PollTimeout::try_from(limit + Duration::from_micros(999))
                .unwrap_or(PollTimeout::MAX),
        };
        let own = [self.0.as_fd()];
        let mut descriptors: Vec<PollFd<'_>> = own
            .iter()
            .chain(sockets)
            .map(|descriptor| PollFd::new(*descriptor, PollFlags::POLLIN))
            .collect();
        poll(&mut descriptors, timeout)?;
        let mut ready = descriptors
            .iter()
            .map(|descriptor| descriptor.any().unwrap_or(true));
        Ok(match (ready.next(), ready.any(|ready| ready)) {
            (Some(true) | None, _) => Woken::Stop,
            (Some(false), true) => Woken::Readable,
            (Some(false), false) => Woken::Timeout,
        })
    }
}
