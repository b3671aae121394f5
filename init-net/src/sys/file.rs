//! Files: read with a limit, replaced in one step.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

/// Left-over temporary files that are tried before giving up.
const MAX_TEMPORARY: u32 = 16;

/// First read of a file of unknown length, bytes: more than what is in /proc, /sys and /etc for us.
const FIRST_READ: usize = 4096;

/// The content of `path`, at most `limit` bytes: a longer file is an error (`FileTooLarge`), not cut.
pub fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    // One read for most files, and one that finds the end.
    let mut content = Vec::with_capacity(FIRST_READ.min(limit.saturating_add(1)));
    let limit64 = u64::try_from(limit).unwrap_or(u64::MAX);
    File::open(path)?
        .take(limit64.saturating_add(1))
        .read_to_end(&mut content)?;
    if content.len() > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    content.shrink_to_fit();
    Ok(content)
}

/// Replaces `path` by a new file in one step: readers see the old content or the new. `mode` holds from the first moment
/// on. A symbolic link at `path` is replaced, not followed. Not synced: the places are tmpfs, or rebuilt at boot.
///
/// `ReadOnlyFilesystem`: see [`bind`].
pub fn replace(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    replace_when(path, mode, content, |_| Ok(()))
}

/// As [`replace`], on a disk: after a loss of power the file is the old one or the new one, and once this has returned it is
/// the new one.
pub fn replace_for_good(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    replace_when(path, mode, content, File::sync_all)?;
    // The name is of the folder.
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    File::open(folder)?.sync_all()
}

/// Replaces `path` once `ready` is content with what was written.
fn replace_when(
    path: &Path,
    mode: u32,
    content: &[u8],
    ready: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let (temporary, mut file) = create_beside(path, mode)?;
    let written = file.write_all(content).and_then(|()| {
        // The mode of the creation is cut by the umask.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        ready(&file)?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        let _best_effort = fs::remove_file(&temporary);
    }
    written
}

fn create_beside(path: &Path, mode: u32) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut attempt = 0;
    loop {
        let temporary = path.with_file_name(temporary_name(name, attempt));
        // O_EXCL also refuses a symbolic link that somebody laid there.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&temporary);
        match file {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                attempt += 1;
                if attempt == MAX_TEMPORARY {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// `.resolv.conf.init-net`, hidden from globs; where that is taken, `.resolv.conf.init-net.<pid>.<attempt>`.
fn temporary_name(name: &OsStr, attempt: u32) -> OsString {
    let mut temporary = OsString::from(".");
    temporary.push(OsStr::from_bytes(name.as_bytes()));
    temporary.push(".init-net");
    if attempt > 0 {
        temporary.push(format!(".{}.{attempt}", std::process::id()));
    }
    temporary
}

/// Shows the file `source` at `target`, where a read-only folder keeps it from being replaced. `target` must exist.
pub fn bind(source: &Path, target: &Path) -> io::Result<()> {
    Ok(mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("init-net-{name}-{}", std::process::id()));
        let _left_over = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_file_is_replaced_with_its_mode() {
        let folder = folder("replace");
        let path = folder.join("resolv.conf");
        replace(&path, 0o644, b"old").unwrap();
        replace(&path, 0o600, b"new").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "no temporary file is left"
        );
        assert_eq!(
            read(&path, 2).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn links_are_replaced_and_never_followed() {
        let folder = folder("links");
        let (path, victim) = (folder.join("hosts"), folder.join("victim"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        let laid = folder.join(temporary_name(OsStr::new("hosts"), 0));
        std::os::unix::fs::symlink(&victim, &laid).unwrap();
        replace(&path, 0o644, b"new").unwrap();
        assert_eq!(read(&victim, 100).unwrap(), b"precious");
        assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(read(&path, 100).unwrap(), b"new");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_failed_replacement_leaves_nothing_behind() {
        let folder = folder("failed");
        let path = folder.join("is-a-folder");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, 0o644, b"x").is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
