//! mount(2): the file systems of the kernel, and questions about mount points.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};

/// A file system that every boot needs.
struct Early {
    kind: &'static str,
    target: &'static str,
    flags: MsFlags,
    options: &'static str,
}

/// In this order: each is mounted once, before anything else. `/run` as systemd's INITRD_INTERFACE wants it, so that it can
/// be handed over.
const EARLY: [Early; 4] = [
    Early {
        kind: "proc",
        target: "/proc",
        flags: MsFlags::MS_NOSUID
            .union(MsFlags::MS_NODEV)
            .union(MsFlags::MS_NOEXEC),
        options: "",
    },
    Early {
        kind: "sysfs",
        target: "/sys",
        flags: MsFlags::MS_NOSUID
            .union(MsFlags::MS_NODEV)
            .union(MsFlags::MS_NOEXEC),
        options: "",
    },
    Early {
        kind: "devtmpfs",
        target: "/dev",
        flags: MsFlags::MS_NOSUID,
        options: "mode=0755",
    },
    Early {
        kind: "tmpfs",
        target: "/run",
        flags: MsFlags::MS_NOSUID
            .union(MsFlags::MS_NODEV)
            .union(MsFlags::MS_STRICTATIME),
        options: "mode=0755",
    },
];

/// Mounts /proc, /sys, /dev and /run where they are not. Says which failed; the others are there.
pub fn early() -> Vec<(&'static str, io::Error)> {
    let failed = |early: &Early| mount_early(early).err().map(|error| (early.target, error));
    EARLY.iter().filter_map(failed).collect()
}

fn mount_early(early: &Early) -> io::Result<()> {
    let target = Path::new(early.target);
    std::fs::create_dir_all(target)?;
    if is_mount_point(target)? {
        return Ok(());
    }
    self::mount_at(early.kind, early.kind, target, early.flags, early.options)
}

/// Mounts `source` of type `kind` at `target`, which must exist.
pub fn mount_at(
    source: &str,
    kind: &str,
    target: &Path,
    flags: MsFlags,
    options: &str,
) -> io::Result<()> {
    Ok(mount(
        Some(source),
        target,
        Some(kind),
        flags,
        Some(options),
    )?)
}

/// Moves a whole mount.
pub fn move_to(source: &Path, target: &Path) -> io::Result<()> {
    Ok(mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_MOVE,
        None::<&str>,
    )?)
}

/// Makes all mounts private: MS_MOVE refuses below a shared one.
pub fn make_private() -> io::Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    Ok(mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)?)
}

/// Gives this process a mount table of its own: what it mounts from now on is seen by nobody else.
pub fn own_namespace() -> io::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    make_private()
}

/// MS_NOSYMFOLLOW, Linux 5.10; older kernels pass it by.
const NO_SYMFOLLOW: MsFlags = MsFlags::from_bits_retain(256);

/// Mounts the file system `kind` of the device `source` at `target`, to be read with suspicion: nothing of it is written,
/// run, a device, or leads elsewhere.
pub fn mount_foreign(source: &Path, kind: &str, target: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV
        | MsFlags::MS_NOEXEC
        | NO_SYMFOLLOW;
    Ok(mount(
        Some(source),
        target,
        Some(kind),
        flags,
        None::<&str>,
    )?)
}

/// Unmounts as soon as nobody uses it.
pub fn detach(target: &Path) -> io::Result<()> {
    Ok(umount2(target, MntFlags::MNT_DETACH)?)
}

/// Whether the file system of `path` refuses to be written.
pub fn is_read_only(path: &Path) -> io::Result<bool> {
    Ok(statvfs(path)?.flags().contains(FsFlags::ST_RDONLY))
}

/// STATX_ATTR_MOUNT_ROOT, Linux 5.8.
const MOUNT_ROOT: u64 = 0x2000;

/// Whether something is mounted at `path`, bind mounts included. It does not need /proc.
pub fn is_mount_point(path: &Path) -> io::Result<bool> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: plain integers, for which all zeros is a value.
    let mut found: libc::statx = unsafe { core::mem::zeroed() };
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    // SAFETY: `name` ends with NUL and `found` is a whole `statx`; both live through the call.
    let result = unsafe {
        libc::statx(
            libc::AT_FDCWD,
            name.as_ptr(),
            flags,
            libc::STATX_INO,
            &raw mut found,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if found.stx_attributes_mask & MOUNT_ROOT != 0 {
        return Ok(found.stx_attributes & MOUNT_ROOT != 0);
    }
    // Before 5.8: another device than the parent, or the root itself. Misses bind mounts.
    let here = nix::sys::stat::lstat(path)?;
    let above = nix::sys::stat::lstat(&path.join(".."))?;
    Ok(here.st_dev != above.st_dev || here.st_ino == above.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points() {
        assert!(is_mount_point(Path::new("/proc")).unwrap());
        assert!(is_mount_point(Path::new("/")).unwrap());
        assert!(!is_mount_point(Path::new("/proc/self")).unwrap());
        let error = is_mount_point(Path::new("/does/not/exist")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!is_read_only(&std::env::temp_dir()).unwrap());
    }
}
