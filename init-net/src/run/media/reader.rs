//! [`Reader`]: the parent's side of the child that reads.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::line::{Line, MAX_LINE};
use super::{News, child};
use crate::config::platform::Medium;
use crate::sys::{pidfd, process};

/// What is read of the socket at once, bytes.
const CHUNK: usize = 64 << 10;

/// The child that reads, until this is dropped. It also ends by itself when this process ends or becomes another program.
pub struct Reader {
    child: Option<pidfd::Child>,
    lines: Lines,
}

impl Reader {
    /// Starts a child that reads `media`, now and whenever a device comes. Refused in a process with several threads.
    pub fn start(media: Vec<Medium>) -> io::Result<Self> {
        let first_process = std::process::id() == 1;
        let (ours, theirs) = UnixStream::pair()?;
        let pid = process::fork(&[theirs.as_fd()], || {
            match child::serve(&media, &theirs, &child::Places::of_machine(first_process)) {
                Ok(()) => 0,
                Err(error) => {
                    log::warn!("media: {error}");
                    1
                }
            }
        })?;
        // Nobody has reaped it yet: that is done by the loop which called this.
        let child = pidfd::Child::open(pid).inspect_err(|_| {
            let _it_ends_with_the_socket = process::kill(pid, nix::sys::signal::Signal::SIGKILL);
        })?;
        Ok(Self {
            child: Some(child),
            lines: Lines::new(ours)?,
        })
    }

    /// Readable when [`Reader::take`] has something to give.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.lines.socket.as_fd()
    }

    /// What the child said since the last time. Never blocks.
    pub fn take(&mut self) -> Vec<News> {
        self.lines.take()
    }

    /// Asks the child to look again: drivers are loaded now. [`News::Scanned`] follows.
    pub fn rescan(&mut self) {
        self.lines.ask();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // One that hangs in a driver ends when the driver lets it: it is not waited for. Whoever reaps orphans here
            // reaps it then.
            let _ended_already = child.kill();
            let _reaped_already = child.reap();
        }
    }
}

/// The parent's end of the socket.
pub(super) struct Lines {
    socket: UnixStream,
    /// What is read of a line that has not ended.
    rest: Vec<u8>,
    /// Bytes of `rest` that hold no end of a line.
    searched: usize,
    /// Questions so far.
    asked: u64,
    ended: bool,
}

impl Lines {
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            rest: Vec::new(),
            searched: 0,
            asked: 0,
            ended: false,
        })
    }

    pub(super) fn ask(&mut self) {
        // A socket full of questions has enough of them.
        if self.socket.write(b"?").is_ok() {
            self.asked += 1;
        }
    }

    pub(super) fn take(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        while !self.ended {
            let before = self.rest.len();
            self.rest.resize(before + CHUNK, 0);
            let room = self.rest.get_mut(before..).unwrap_or_default();
            let read = self.socket.read(room);
            self.rest
                .truncate(before + read.as_ref().copied().unwrap_or_default());
            match read {
                Ok(0) => self.ended = true,
                Ok(_) => self.split(&mut news),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return news,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.ended = true,
            }
            if self.ended {
                self.rest = Vec::new();
                news.push(News::Ended);
            }
        }
        news
    }

    fn split(&mut self, news: &mut Vec<News>) {
        while let Some(length) = self.end_of_line() {
            let line: Vec<u8> = self.rest.drain(..=length).collect();
            self.searched = 0;
            match Line::parse(line.trim_ascii_end()) {
                Some(Line::Found(medium, found)) => news.push(News::Found { medium, found }),
                // Of a scan that was under way when the last question was put.
                Some(Line::Scanned(questions)) if questions < self.asked => {}
                Some(Line::Scanned(_)) => news.push(News::Scanned),
                None => self.ended = true,
            }
        }
        self.searched = self.rest.len();
        self.ended |= self.rest.len() > MAX_LINE;
    }

    fn end_of_line(&self) -> Option<usize> {
        let new = self.rest.get(self.searched..)?;
        let at = new.iter().position(|byte| *byte == b'\n')?;
        Some(self.searched + at)
    }
}
