//! One supervisor at a time: a locked file that says who has it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

/// Longest content that is read back, bytes: a process id.
const MAX_OWNER: u64 = 32;

/// Held as long as it lives; closed on exec, unless it is left open on purpose. The kernel releases it with the process.
#[derive(Debug)]
pub struct Lock(Flock<File>);

impl Lock {
    /// The lock that the program before this one in this process held and left open: it was never free.
    pub fn adopt(file: OwnedFd) -> io::Result<Self> {
        match Flock::lock(File::from(file), FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Self(file)),
            Err((_, error)) => Err(error.into()),
        }
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Takes the lock at `path`, writing our process id into it. `Err(Some(pid))`: that process has it.
pub fn take(path: &Path) -> io::Result<Result<Lock, Option<u32>>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut file) => {
            file.set_len(0)?;
            file.write_all(std::process::id().to_string().as_bytes())?;
            Ok(Ok(Lock(file)))
        }
        Err((file, nix::Error::EWOULDBLOCK)) => {
            let mut owner = String::new();
            let _unreadable = file.take(MAX_OWNER).read_to_string(&mut owner);
            Ok(Err(owner.trim().parse().ok()))
        }
        Err((_, error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_is_first() {
        let path = std::env::temp_dir().join(format!("init-net-lock-{}", std::process::id()));
        let first = take(&path).unwrap().unwrap();
        let same = Lock::adopt(first.as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(take(&path).unwrap().unwrap_err(), Some(std::process::id()));
        drop((first, same));
        take(&path).unwrap().unwrap();
        std::fs::remove_file(path).unwrap();
    }
}
