//! What the child does: it scans, and scans again when a device comes or the parent asks.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::line::Line;
use super::scan::Scanner;
use crate::config::platform::Medium;
use crate::sys::poll::{Interest, poll};
use crate::sys::uevent::Uevents;

/// Questions that are taken at once.
const QUESTIONS: usize = 64;

/// Where the machine shows itself.
pub struct Places {
    /// `/`.
    pub root: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
    /// `/proc`.
    pub proc: PathBuf,
    /// Whether the environment of PID 1 is our own.
    pub first_process: bool,
}

impl Places {
    /// Those of the machine that this runs on.
    pub fn of_machine(first_process: bool) -> Self {
        Self {
            root: "/".into(),
            sys: "/sys".into(),
            dev: "/dev".into(),
            proc: "/proc".into(),
            first_process,
        }
    }
}

/// Reads `media` and writes what they say to `socket`, until its other end is closed.
pub fn serve(media: &[Medium], socket: &UnixStream, places: &Places) -> io::Result<()> {
    // Before the first look, so that nothing falls between the two.
    let uevents = Uevents::open();
    if let Err(error) = &uevents {
        log::warn!("media: devices that come late are not seen: {error}");
    }
    let mut scanner = Scanner::new(media, places);
    let mut questions = 0;
    let mut answered = None;
    loop {
        scanner.scan(&mut |medium, found| Line::Found(medium, found).write(socket))?;
        // Of a look because of a device nobody knows what else was there: the next device may be on its way.
        if answered != Some(questions) {
            Line::Scanned(questions).write(socket)?;
            answered = Some(questions);
        }
        let mut again = false;
        while !again {
            let mut interests = vec![Interest::read(socket.as_fd())];
            interests.extend(
                uevents
                    .iter()
                    .map(|uevents| Interest::read(uevents.as_fd())),
            );
            let ready = poll(&interests, None)?;
            if ready.first().is_some_and(|socket| socket.readable) {
                let mut taken = socket;
                match taken.read(&mut [0; QUESTIONS])? {
                    0 => return Ok(()),
                    more => questions += u64::try_from(more).unwrap_or_default(),
                }
                again = true;
            }
            if let (Ok(uevents), Some(true)) = (&uevents, ready.get(1).map(|ready| ready.readable))
            {
                again |= heard(uevents, &mut scanner)?;
            }
        }
    }
}

/// Takes the events that are there; whether one of them is worth a scan.
fn heard(uevents: &Uevents, scanner: &mut Scanner<'_>) -> io::Result<bool> {
    let mut again = false;
    loop {
        match uevents.next_block() {
            Ok(event) => {
                if event.exchanged {
                    scanner.forget(&event.name);
                }
                again = true;
            }
            // Which were lost is not known. What was read stays read: its number tells of another medium.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => again = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(again),
            Err(error) => return Err(error),
        }
    }
}
