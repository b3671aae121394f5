//! Kernel parameters: files below /proc/sys.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use crate::value::{SysctlKey, same_sysctl_value};

/// Longest value, bytes. Most are a number; the kernel's own limit for a write is a page, lists of ports read longer.
const MAX_VALUE: u64 = 64 << 10;

/// Room for almost every value, bytes.
const FIRST_READ: usize = 64;

/// Its value without the line end. `NotFound`: this kernel has none of that name at present.
pub fn read(key: &SysctlKey) -> io::Result<String> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(key.path())?;
    // The kernel gives a whole value to a read that has room for it: where room is left over there is no more.
    let mut bytes = vec![0; FIRST_READ];
    let length = file.read(&mut bytes)?;
    bytes.truncate(length);
    if length == FIRST_READ {
        file.take(MAX_VALUE).read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// Keeps its inode, for as long as the file lives: the kernel makes another one for who comes after it was forgotten, and a
/// watch on the old one would hear nothing. inotify tells of writes by others through the same mount of /proc.
pub fn pin(key: &SysctlKey) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(key.path())
}

/// Writes it, and sees that it stays: the kernel clamps some values and ignores others without an error.
pub fn write(key: &SysctlKey, value: &str) -> io::Result<()> {
    // One write(2): the kernel takes each for a whole value (sysctl_writes_strict).
    OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(key.path())?
        .write_all(format!("{value}\n").as_bytes())?;
    match read(key) {
        Ok(now) if !same_sysctl_value(&now, value) => {
            let now = now.escape_debug();
            Err(io::Error::other(format!("the kernel made it '{now}'")))
        }
        // What cannot be read back was written.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_read_to_its_end() {
        let key: SysctlKey = "net.core.netdev_rss_key".parse().unwrap();
        let whole = std::fs::read_to_string("/proc/sys/net/core/netdev_rss_key").unwrap();
        assert!(whole.len() > FIRST_READ);
        assert_eq!(read(&key).unwrap(), whole.trim_end());
    }

    #[test]
    fn what_is_there_is_read_and_what_is_not_is_not_found() {
        let key: SysctlKey = "net.ipv4.ip_forward".parse().unwrap();
        assert!(["0", "1"].contains(&read(&key).unwrap().as_str()));
        let none: SysctlKey = "net.ipv4.conf.no-such-link.forwarding".parse().unwrap();
        assert_eq!(read(&none).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(
            write(&none, "1").unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
