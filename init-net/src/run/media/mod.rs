//! Places of the machine itself that hold a configuration, read by a child process: a CD drive that hangs, a file system
//! made to do harm, a hypervisor that is none cost that child and nothing else.
//!
//! [`Reader`] is the parent's side: it starts the child, hears its [`News`] and ends it.

mod files;
mod reader;
mod stage;

pub use files::folder;
pub use reader::Reader;
pub use stage::Media;

use crate::config::platform::Found;

/// What the child says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A medium was found and read.
    Found {
        /// Its number in the list that [`Reader::start`] got.
        medium: usize,
        /// What it says.
        found: Found,
    },
    /// All that was there when the child was asked last (by [`Reader::start`] or [`Reader::rescan`]) has been read. Devices
    /// that come later are read when they come, and this is said again.
    Scanned,
    /// The child is gone, and nothing more will come.
    Ended,
}

/// What the firmware and the hypervisor say of this machine.
pub fn machine() -> crate::config::platform::detect::Machine {
    Default::default()
}
