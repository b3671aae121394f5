//! /dev/console as descriptors 0 to 2.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

/// Whether a write may wait for a console that does not take it (a stopped serial line).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Never: what does not fit is lost. For PID 1 itself.
    NeverBlock,
    /// As programs expect it: for the init that takes over.
    Blocking,
}

/// Makes /dev/console, or /dev/null where there is none, descriptors 0, 1 and 2. They must never be left closed: the
/// next file to be opened would get the number, and messages would be written into it.
pub fn attach(mode: Mode) -> io::Result<()> {
    open(Path::new("/dev/console"), mode).or_else(|_| open(Path::new("/dev/null"), mode))
}

fn open(path: &Path, mode: Mode) -> io::Result<()> {
    let wait = if mode == Mode::NeverBlock {
        libc::O_NONBLOCK
    } else {
        0
    };
    let flags = libc::O_NOCTTY | libc::O_CLOEXEC;
    // Opened without blocking in both modes: opening a serial line can wait for carrier.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags | libc::O_NONBLOCK)
        .open(path)?;
    if wait == 0 {
        let flags = nix::fcntl::OFlag::O_RDWR;
        nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFL(flags))?;
    }
    // std opened /dev/null for those of the three that were closed, so `file` is none of them.
    dup2_stdin(&file)?;
    dup2_stdout(&file)?;
    dup2_stderr(&file)?;
    Ok(())
}
