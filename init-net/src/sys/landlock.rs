//! landlock(7): where in the file system this process, and what it starts, may still write and execute.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

// include/uapi/linux/landlock.h: rights, in the order in which versions of the interface brought them.
const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SOCK: u64 = 1 << 9;
const MAKE_FIFO: u64 = 1 << 10;
const MAKE_BLOCK: u64 = 1 << 11;
const MAKE_SYM: u64 = 1 << 12;
const TRUNCATE: u64 = 1 << 14;

/// Version 1 (5.13).
const FIRST: u64 = EXECUTE
    | WRITE_FILE
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_CHAR
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SOCK
    | MAKE_FIFO
    | MAKE_BLOCK
    | MAKE_SYM;

/// The version that brought [`TRUNCATE`] (6.2).
const WITH_TRUNCATE: u32 = 3;

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: libc::c_int = 1;

/// What remains allowed below a path. Reading always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Files that are there are written.
    Write,
    /// Files, folders and sockets are made, replaced and removed.
    Make,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// The version of the interface; `None`: the kernel has none, or it is turned off.
pub fn version() -> Option<u32> {
    // SAFETY: asking for the version takes no pointer.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            core::ptr::null::<u8>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(version).ok().filter(|version| *version > 0)
}

/// Allows only what `rules` say, for this thread and what it starts, for good: nothing else is written, made, removed, and
/// no file is executed but those that have no path (memfd_create(2)). Mounts can no longer change. A path that is not there
/// is left out. no_new_privs must be set.
///
/// Rules hold for the file that a path names now. The descriptors that come back keep the files of /proc, which are made
/// anew once nobody holds them; they stay open when the process becomes another program, which is confined as well.
pub fn restrict(version: u32, rules: &[(PathBuf, Access)]) -> io::Result<Vec<OwnedFd>> {
    let handled = if version < WITH_TRUNCATE {
        FIRST
    } else {
        FIRST | TRUNCATE
    };
    let ruleset = create(handled)?;
    let mut kept = Vec::new();
    for (path, access) in rules {
        let file = match open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let rights = match access {
            Access::Write => WRITE_FILE | TRUNCATE,
            Access::Make => {
                WRITE_FILE | TRUNCATE | MAKE_REG | MAKE_DIR | MAKE_SOCK | REMOVE_FILE | REMOVE_DIR
            }
        };
        add(&ruleset, &file, rights & handled)?;
        if path.starts_with("/proc") {
            super::inherit::leave_open(&file)?;
            kept.push(file.into());
        }
    }
    // SAFETY: takes a descriptor that is open, and no pointer.
    match unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) } {
        0 => Ok(kept),
        _ => Err(io::Error::last_os_error()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_CLOEXEC)
        .open(path)
}

fn create(handled: u64) -> io::Result<OwnedFd> {
    // SAFETY: the first version of the attributes is one word, which outlives the call; later kernels take it as well.
    let ruleset = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const handled,
            size_of::<u64>(),
            0,
        )
    };
    match i32::try_from(ruleset) {
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn add(ruleset: &OwnedFd, below: &File, allowed: u64) -> io::Result<()> {
    let rule = PathBeneath {
        allowed,
        parent: below.as_raw_fd(),
    };
    // SAFETY: `rule` has the packed form that the kernel reads, outlives the call, and names an open descriptor.
    match unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const rule,
            0,
        )
    } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
