//! Following the root: a process that outlives a switch_root done by others sees the old, emptied root until it asks for
//! the new one.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{chroot, fchdir};

use super::poll::Interest;

/// The root of PID 1, reached through descriptors that stay valid while mounts move.
pub struct Root {
    proc: File,
    /// Rings when a mount of this namespace comes, goes or moves.
    mounts: File,
}

impl Root {
    /// Opens `/proc`; `None` where it is not there.
    pub fn open() -> Option<Self> {
        let proc = File::open("/proc").ok()?;
        let mounts = File::open("/proc/self/mountinfo").ok()?;
        Some(Self { proc, mounts })
    }

    /// To be watched.
    pub fn interest(&self) -> Interest<'_> {
        Interest::urgent(self.mounts.as_fd())
    }

    /// Makes the root of PID 1 ours, when it is another one. Answers whether it was.
    pub fn follow(&self) -> io::Result<bool> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = openat(&self.proc, Path::new("1/root"), flags, Mode::empty())?;
        let theirs = fstat(&root)?;
        let ours = std::fs::metadata("/")?;
        if (theirs.st_dev, theirs.st_ino) == (ours.dev(), ours.ino()) {
            return Ok(false);
        }
        fchdir(&root)?;
        chroot(".")?;
        Ok(true)
    }
}
