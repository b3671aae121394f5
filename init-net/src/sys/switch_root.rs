//! From the initramfs to the real root: refusals first, then no way back.

use core::fmt;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{Mode, SFlag, fstat, fstatat};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use nix::unistd::{UnlinkatFlags, chdir, chroot, unlinkat};

use super::{executable, mount};

/// Moved to the new root where they are mounted.
const MOVED: [&str; 4] = ["/dev", "/proc", "/sys", "/run"];

/// include/uapi/linux/magic.h: the first root file system where tmpfs is not built in.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

/// Folders below each other that are deleted. Deeper than any image; bounds the stack and the open descriptors.
const MAX_DEPTH: usize = 64;

/// Why the root stays as it is. Nothing has been changed.
#[derive(Debug)]
pub enum Refusal {
    /// Only PID 1 may: everybody else would take the root from under the others.
    NotInit,
    /// The new root is not a mount point, or on the device of the old one.
    NotMounted,
    /// The new root has no such init, or not what is needed to run it.
    NoInit(PathBuf, io::Error),
    /// `/` is not a ramfs or tmpfs: what would be deleted is somebody's disk.
    NotInitramfs,
    /// The new root is read-only and lacks this folder for a mount to move to.
    NoTarget(PathBuf),
    /// A question could not be answered.
    Io(&'static str, io::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInit => f.write_str("only PID 1 can switch the root"),
            Self::NotMounted => f.write_str("the new root is not a mount of its own"),
            Self::NoInit(path, error) => {
                write!(f, "the new root cannot run {}: {error}", path.display())
            }
            Self::NotInitramfs => f.write_str("the old root is not an initramfs"),
            Self::NoTarget(path) => {
                write!(f, "the new root is read-only and has no {}", path.display())
            }
            Self::Io(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Whether `/` is an initramfs: nothing but memory.
pub fn in_initramfs() -> bool {
    statfs("/").is_ok_and(|found| is_memory(found.filesystem_type()))
}

fn is_memory(kind: FsType) -> bool {
    kind == RAMFS_MAGIC || kind == TMPFS_MAGIC
}

/// A switch that nothing speaks against.
#[derive(Debug)]
pub struct Checked {
    root: PathBuf,
    moved: Vec<(PathBuf, PathBuf)>,
}

/// Looks for everything that could go wrong, and creates the folders that the moved mounts need. `init` is the path of the
/// program as the new root sees it.
pub fn check(root: &Path, init: &Path) -> Result<Checked, Refusal> {
    if std::process::id() != 1 {
        return Err(Refusal::NotInit);
    }
    check_old_root()?;
    let device = |path: &Path| std::fs::metadata(path).map(|m| m.dev());
    let own = |error| Refusal::Io("new root", error);
    if !mount::is_mount_point(root).map_err(own)?
        || device(root).map_err(own)? == device(Path::new("/")).map_err(own)?
    {
        return Err(Refusal::NotMounted);
    }
    executable::check(root, init).map_err(|error| Refusal::NoInit(init.to_owned(), error))?;
    let mut moved = Vec::new();
    for source in MOVED.map(Path::new) {
        if mount::is_mount_point(source).unwrap_or(false) {
            let target = root.join(source.strip_prefix("/").unwrap_or(source));
            if std::fs::create_dir_all(&target).is_err() {
                return Err(Refusal::NoTarget(target));
            }
            moved.push((source.to_owned(), target));
        }
    }
    Ok(Checked {
        root: root.to_owned(),
        moved,
    })
}

fn check_old_root() -> Result<(), Refusal> {
    let kind = statfs("/")
        .map_err(|error| Refusal::Io("statfs /", error.into()))?
        .filesystem_type();
    if is_memory(kind) {
        Ok(())
    } else {
        Err(Refusal::NotInitramfs)
    }
}

impl Checked {
    /// Moves /dev, /proc, /sys and /run, makes the new root `/`, and deletes the old one to give its memory back. An error
    /// means a root half switched: the caller can only go on to a rescue.
    pub fn switch(self) -> io::Result<Deleted> {
        mount::make_private()?;
        for (source, target) in &self.moved {
            mount::move_to(source, target)?;
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let old = open("/", flags, Mode::empty())?;
        chdir(&self.root)?;
        // pivot_root(2) refuses the first root file system; moving over it works, and leaves no shadow of it.
        mount::move_to(Path::new("."), Path::new("/"))?;
        chroot(".")?;
        chdir("/")?;
        Ok(delete_below(old))
    }
}

/// What became of the old root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Files and folders that are gone.
    pub deleted: usize,
    /// Those that could not be deleted. Their memory is lost, nothing else.
    pub failed: usize,
}

/// Deletes everything below `folder` that is on its file system. Symbolic links are deleted, not followed.
pub fn delete_below(folder: OwnedFd) -> Deleted {
    let mut count = Deleted::default();
    if let Ok(found) = fstat(folder.as_fd()) {
        delete(folder, found.st_dev, 0, &mut count);
    }
    count
}

fn delete(folder: OwnedFd, device: u64, depth: usize, count: &mut Deleted) {
    let Ok(names) = names(&folder) else {
        count.failed += 1;
        return;
    };
    for name in names {
        let entry = fstatat(
            folder.as_fd(),
            name.as_c_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        );
        let Ok(entry) = entry else { continue };
        // A mount below: not ours to delete.
        if entry.st_dev != device {
            continue;
        }
        let is_folder = SFlag::from_bits_truncate(entry.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR;
        if is_folder
            && depth < MAX_DEPTH
            && let Ok(below) = open_below(&folder, &name)
        {
            delete(below, device, depth + 1, count);
        }
        let flag = if is_folder {
            UnlinkatFlags::RemoveDir
        } else {
            UnlinkatFlags::NoRemoveDir
        };
        match unlinkat(folder.as_fd(), name.as_c_str(), flag) {
            Ok(()) => count.deleted += 1,
            Err(_) => count.failed += 1,
        }
    }
}

fn open_below(folder: &OwnedFd, name: &CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(folder.as_fd(), name, flags, Mode::empty())
}

/// All names first: a folder that shrinks while it is read may skip some.
fn names(folder: &OwnedFd) -> nix::Result<Vec<CString>> {
    let mut directory = Dir::from_fd(open_below(folder, c".")?)?;
    let names = directory
        .iter()
        .flatten()
        .map(|entry| entry.file_name().to_owned());
    Ok(names
        .filter(|name| !matches!(name.as_bytes(), b"." | b".."))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_pid_1_switches() {
        let refusal = check(Path::new("/proc"), Path::new("/sbin/init")).unwrap_err();
        assert!(matches!(refusal, Refusal::NotInit));
    }

    #[test]
    fn deleting_follows_no_link() {
        let base = std::env::temp_dir().join(format!("init-net-switch-{}", std::process::id()));
        let (old, kept) = (base.join("old"), base.join("kept"));
        std::fs::create_dir_all(old.join("a/b/c")).unwrap();
        std::fs::create_dir_all(&kept).unwrap();
        std::fs::write(old.join("a/b/file"), "x").unwrap();
        std::fs::write(kept.join("precious"), "x").unwrap();
        std::os::unix::fs::symlink(&kept, old.join("a/link")).unwrap();
        let deleted = delete_below(std::fs::File::open(&old).unwrap().into());
        assert_eq!(
            deleted,
            Deleted {
                deleted: 5,
                failed: 0
            }
        );
        assert_eq!(std::fs::read_dir(&old).unwrap().count(), 0);
        assert!(kept.join("precious").exists());
        std::fs::remove_dir_all(base).unwrap();
    }
}
