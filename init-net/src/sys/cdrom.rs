//! CD drives: opened without waiting for a disc.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

// CDROM_DRIVE_STATUS, include/uapi/linux/cdrom.h.
nix::ioctl_write_int_bad!(
    /// What is in the drive.
    drive_status,
    0x5326
);

/// The slot that is in use now (CDSL_CURRENT).
const CURRENT_SLOT: i32 = i32::MAX;

/// Answers of the ioctl: nothing known, and a disc to read (CDS_NO_INFO, CDS_DISC_OK).
const NO_INFO: i32 = 0;
const DISC_OK: i32 = 4;

/// The disc in the drive `path`, to be read; `None`: there is none. A plain open would wait for a drive that is busy, and may
/// close its tray.
pub fn open(path: &Path) -> io::Result<Option<File>> {
    let drive = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    // SAFETY: the argument is a number, and the descriptor is open through the call.
    let status = unsafe { drive_status(drive.as_raw_fd(), CURRENT_SLOT) }?;
    if matches!(status, NO_INFO | DISC_OK) {
        // Opened again: only an open without O_NONBLOCK asks the disc for its size.
        File::open(path).map(Some)
    } else {
        Ok(None)
    }
}
