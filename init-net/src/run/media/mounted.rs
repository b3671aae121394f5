//! File systems that only the kernel reads (UDF): mounted where nobody else sees it, and not trusted.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use crate::sys::{coldplug, mount};

/// Where it is mounted, in a mount table of the child's own: a folder that every boot has, and that the child needs for
/// nothing else.
const MOUNT_POINT: &str = "/run";

/// Names of a directory that are looked at.
const MAX_NAMES: usize = 10_000;

/// Where UDF announces itself: sectors of 2,048 bytes behind the first 16 (ECMA-167 §2/8.3).
const VOLUME_RECOGNITION: u64 = 16 * 2048;

/// Sectors in which it does.
const MAX_STRUCTURES: u64 = 16;

/// Whether this is a disk with UDF: among the structures is one for ECMA-167 (§3/9.1), NSR02 or NSR03.
pub fn is_udf(disk: &Disk<'_>) -> io::Result<bool> {
    for number in 0..MAX_STRUCTURES {
        let structure = match disk.read(VOLUME_RECOGNITION + number * 2048, 6) {
            Ok(structure) => structure,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        };
        match structure.get(1..6) {
            Some(b"NSR02" | b"NSR03") => return Ok(true),
            // Those of a disc that has ISO 9660 as well, and the beginning.
            Some(b"CD001" | b"BEA01" | b"BOOT2" | b"CDW02") => {}
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// A mounted device, until this is dropped.
pub struct Mounted {
    root: PathBuf,
}

impl Mounted {
    /// Mounts `device` with the file system `kind`, whose module is loaded if it is there.
    pub fn open(device: &Path, kind: &str) -> io::Result<Self> {
        let known = std::fs::read_to_string("/proc/filesystems")?;
        if !known.split_whitespace().any(|word| word == kind) {
            coldplug::load_here(kind)?;
        }
        mount::own_namespace()?;
        let root = PathBuf::from(MOUNT_POINT);
        mount::mount_foreign(device, kind, &root)?;
        Ok(Self { root })
    }

    /// The file at `path`, in any case, at most `limit` bytes of it (more is `FileTooLarge`); `None`: there is none.
    pub fn file(&self, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let mut at = open(&self.root)?;
        for name in path.split('/') {
            let folder = PathBuf::from(format!("/proc/self/fd/{}", at.as_raw_fd()));
            let Some(name) = in_any_case(&folder, name)? else {
                return Ok(None);
            };
            // One name at a time, and none of them a link: no path leads out of the volume.
            at = open(&folder.join(name))?;
        }
        if !at.metadata()?.is_file() {
            return Ok(None);
        }
        let mut content = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX);
        at.take(most.saturating_add(1)).read_to_end(&mut content)?;
        if content.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Some(content))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = mount::detach(&self.root) {
            log::warn!("media: {}: {error}", self.root.display());
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
}

fn in_any_case(folder: &Path, name: &str) -> io::Result<Option<OsString>> {
    let wanted = name.to_lowercase();
    for entry in std::fs::read_dir(folder)?.take(MAX_NAMES) {
        let found = entry?.file_name();
        if found.to_string_lossy().to_lowercase() == wanted {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
