//! inotify(7): a bell for files, and for kernel parameters that somebody writes.
//!
//! A watch is on an inode, not on a path. What is at a path is watched itself, so that nothing else in its folder rings; a
//! path at which nothing is, is watched for by the nearest folder above it. Whoever was rung reads the paths again and calls
//! [`Inotify::set`], which finds what is there by then.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{self, AddWatchFlags, InitFlags, WatchDescriptor};

use super::poll::Interest;

/// Reads of one [`Inotify::drain`], of 4 KiB each: all that the kernel queues (16,384 events, `max_queued_events`), and a
/// flood that goes on does not keep the loop from its timers.
const MAX_READS: usize = 128;

/// Most paths that are watched: what a machine with a thousand leased links has. The rest is found at the next look.
const MAX_PATHS: usize = 1024;

/// Written to, replaced by rename(2), unlinked, moved away. IN_ATTRIB is what an unlinked inode says while somebody still
/// holds it, and what the inode of a symbolic link says when another is put in its place.
const OBJECT: AddWatchFlags = AddWatchFlags::IN_MODIFY
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// The folder goes, and takes the path along.
const FOLDER: AddWatchFlags = AddWatchFlags::IN_DELETE_SELF
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// Something appears in the folder.
const ARRIVALS: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(FOLDER);

/// One bell for a set of paths.
pub struct Inotify {
    inotify: inotify::Inotify,
    watches: BTreeSet<WatchDescriptor>,
}

impl Inotify {
    /// Without a path. `EMFILE`: this user has too many (`fs.inotify.max_user_instances`).
    pub fn open() -> io::Result<Self> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        Ok(Self {
            inotify: inotify::Inotify::init(flags)?,
            watches: BTreeSet::new(),
        })
    }

    /// Watches what is at these paths now, and nothing else; then forgets what has rung so far. Read the paths after it.
    /// `ENOSPC`: this user watches too much (`fs.inotify.max_user_watches`); what fits is watched.
    pub fn set<'a>(&mut self, paths: impl Iterator<Item = &'a Path>) -> io::Result<()> {
        let old = core::mem::take(&mut self.watches);
        let mut outcome = Ok(());
        let mut folders = BTreeMap::new();
        for path in paths.take(MAX_PATHS) {
            if let Err(error) = self.watch(path, &mut folders) {
                outcome = Err(error);
            }
        }
        // A second mask replaces the first of an inode: the wider one comes last, where a folder has two names.
        for wide in [false, true] {
            for (folder, mask) in &folders {
                if mask.contains(ARRIVALS) == wide
                    && let Err(error) = self.add(folder, *mask)
                {
                    outcome = Err(error);
                }
            }
        }
        for gone in old.difference(&self.watches) {
            // The kernel has taken it away already where the inode is gone.
            let _gone_with_its_inode = self.inotify.rm_watch(*gone);
        }
        outcome.and(self.drain().map(drop))
    }

    /// Watches what is at `path`, and adds the folder that is to be watched for it.
    fn watch<'a>(
        &mut self,
        path: &'a Path,
        folders: &mut BTreeMap<&'a Path, AddWatchFlags>,
    ) -> io::Result<()> {
        // What is there, and where that is a symbolic link, what it leads to.
        let there = self.add(path, OBJECT | AddWatchFlags::IN_DONT_FOLLOW)?;
        let leads = there && self.add(path, OBJECT)?;
        let mask = if leads { FOLDER } else { ARRIVALS };
        let nearest = path.ancestors().skip(1).find(|folder| folder.is_dir());
        if let Some(folder) = nearest {
            *folders.entry(folder).or_insert(mask) |= mask;
        }
        Ok(())
    }

    /// `false`: nothing is there.
    fn add(&mut self, path: &Path, mask: AddWatchFlags) -> io::Result<bool> {
        match self.inotify.add_watch(path, mask) {
            Ok(watch) => {
                self.watches.insert(watch);
                Ok(true)
            }
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether something has rung since the last time.
    pub fn drain(&self) -> io::Result<bool> {
        let mut rang = false;
        for _ in 0..MAX_READS {
            match self.inotify.read_events() {
                Ok(_) => rang = true,
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(rang)
    }

    /// To be watched.
    pub fn interest(&self) -> Interest<'_> {
        Interest::read(self.as_fd())
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _best_effort = fs::remove_dir_all(&self.0);
        }
    }

    /// A folder `etc` with a file `hosts`, and a link `resolv.conf` to a file of a folder `run`.
    fn place(name: &str) -> Place {
        let folder = std::env::temp_dir().join(format!("inotify-{name}-{}", std::process::id()));
        for inner in ["etc", "run"] {
            fs::create_dir_all(folder.join(inner)).unwrap();
        }
        fs::write(folder.join("etc/hosts"), "right").unwrap();
        fs::write(folder.join("run/resolv.conf"), "right").unwrap();
        symlink("../run/resolv.conf", folder.join("etc/resolv.conf")).unwrap();
        Place(folder)
    }

    /// What `change` does in a place rings, or does not; and after it rang, a new file at each path rings again.
    #[track_caller]
    fn check(name: &str, rings: bool, change: impl FnOnce(&Path)) {
        let place = place(name);
        let at = |path: &str| place.0.join(path);
        let paths = [
            at("etc/hosts"),
            at("etc/resolv.conf"),
            at("run/net/eth0.conf"),
        ];
        let mut bell = Inotify::open().unwrap();
        bell.set(paths.iter().map(PathBuf::as_path)).unwrap();
        assert!(!bell.drain().unwrap(), "{name}: quiet at first");
        change(&place.0);
        assert_eq!(bell.drain().unwrap(), rings, "{name}");
        for path in &paths {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(at("new"), "again").unwrap();
            bell.set(paths.iter().map(PathBuf::as_path)).unwrap();
            fs::rename(at("new"), path).unwrap();
            assert!(bell.drain().unwrap(), "{name}: {}", path.display());
        }
    }

    #[test]
    fn whatever_happens_to_a_file_rings() {
        let write = |path: PathBuf| fs::write(path, "wrong").unwrap();
        check("write", true, |at| write(at.join("etc/hosts")));
        check("append", true, |at| {
            use std::io::Write as _;
            let mut open = fs::OpenOptions::new();
            let mut file = open.append(true).open(at.join("etc/hosts")).unwrap();
            file.write_all(b"!").unwrap();
        });
        check("behind", true, |at| write(at.join("run/resolv.conf")));
        check("delete", true, |at| {
            fs::remove_file(at.join("etc/hosts")).unwrap();
        });
        check("held", true, |at| {
            let _held = fs::File::open(at.join("etc/hosts")).unwrap();
            fs::remove_file(at.join("etc/hosts")).unwrap();
        });
        check("rename-over", true, |at| {
            write(at.join("etc/other"));
            fs::rename(at.join("etc/other"), at.join("etc/hosts")).unwrap();
        });
        check("move-away", true, |at| {
            fs::rename(at.join("etc/hosts"), at.join("etc/other")).unwrap();
        });
        check("swap-link", true, |at| {
            symlink("../run/other", at.join("etc/new")).unwrap();
            fs::rename(at.join("etc/new"), at.join("etc/resolv.conf")).unwrap();
        });
        check("folder", true, |at| {
            fs::rename(at.join("etc"), at.join("old")).unwrap();
        });
        check("folder-gone", true, |at| {
            fs::remove_dir_all(at.join("etc")).unwrap();
        });
        check("folder-comes", true, |at| {
            fs::create_dir(at.join("run/net")).unwrap();
        });
    }

    #[test]
    fn what_happens_beside_it_does_not_ring() {
        check("beside", false, |at| {
            fs::write(at.join("etc/other"), "x").unwrap();
            fs::write(at.join("etc/other"), "y").unwrap();
            fs::remove_file(at.join("etc/other")).unwrap();
        });
        check("read", false, |at| {
            fs::read(at.join("etc/hosts")).unwrap();
        });
        check("elsewhere", false, |at| {
            fs::write(at.join("x"), "x").unwrap()
        });
    }
}
