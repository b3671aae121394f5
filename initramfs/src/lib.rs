//! Initramfs images that are the same bytes for the same inputs.
//!
//! ```text
//!  entries ──► Image (sorted, parents made) ──► cpio (newc bytes) ──► gzip
//!     ▲
//!     ├── elf        refuses a program that needs a loader the image does not have
//!     ├── libraries  a tool that is not static → its loader and libraries
//!     └── modules    names → .ko files with everything they need, and the indexes that find them
//! ```
//!
//! Reproducible means: entries sorted by path, owner 0:0, time 0, inode numbers counted from 1, no padding that
//! depends on the host. Two builds of the same inputs are compared byte by byte in the tests.
//!
//! ```no_run
//! # fn main() -> Result<(), initramfs::Error> {
//! let bytes = initramfs::Image::new()
//!     .binary("/init", "target/release/init-net")
//!     .modules("/lib/modules/6.1.0-56-cloud-amd64", &["virtio_net", "virtio_pci"])
//!     .file("/etc/motd", b"hello\n", 0o644)
//!     .symlink("/sbin/init", "/init")
//!     .build(initramfs::Compression::Gzip)?;
//! # let _ = bytes; Ok(())
//! # }
//! ```

pub mod cpio;
pub mod elf;
mod error;
mod image;
pub mod libraries;
pub mod modules;

pub use error::Error;
pub use image::{Compression, Image};
