//! Places of the machine itself that hold a configuration, read by a child process: a CD drive that hangs, a file system
//! made to do harm, a hypervisor that is none cost that child and nothing else.
//!
//! [`Reader`] is the parent's side: it starts the child, hears its [`News`] and ends it. `child` is what the child does: a
//! `scan` of all media, again whenever a device comes. `volume` finds disks and reads them by `iso9660`, `fat` and
//! `mounted`; `machine` reads what the firmware says of the machine, `guestinfo` what VMware's host says.

mod child;
mod disk;
mod fat;
mod files;
mod firmware;
mod guestinfo;
mod iso9660;
mod line;
mod machine;
mod mounted;
mod reader;
mod scan;
mod smbios;
mod stage;
#[cfg(test)]
mod tests;
mod volume;

pub use files::folder;
pub use machine::machine;
pub use reader::Reader;
pub use stage::Media;

use crate::config::platform::Found;

/// Longest file, bytes: the largest user-data that a platform takes is far below (VMware's 4 MiB are the most).
pub const MAX_FILE: usize = 4 << 20;

/// Most that is read of one medium, bytes.
pub const MAX_MEDIUM: usize = 16 << 20;

/// Most that a child says altogether, bytes: the memory of a small machine.
pub const MAX_TOTAL: usize = 64 << 20;

/// What the child says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A medium was found and read.
    Found {
        /// Its number in the list that [`Reader::start`] got.
        medium: usize,
        /// What it says. A volume that has the label but none of the files says nothing.
        found: Found,
    },
    /// All that was there when the child was asked last (by [`Reader::start`] or [`Reader::rescan`]) has been read: once for
    /// each time. Devices that come later are read when they come, and nothing but [`News::Found`] is said of them.
    Scanned,
    /// The child is gone, and nothing more will come: drop the [`Reader`].
    Ended,
}
