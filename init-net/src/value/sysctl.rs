//! [`SysctlKey`]: a kernel parameter by its path below /proc/sys.

use core::fmt;
use core::str::FromStr;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// Longest key, bytes. The longest of the kernel's own are below 80; a link name is at most 15.
const MAX_LEN: usize = 128;

/// `net/ipv4/conf/eth0.5/rp_filter`: segments joined by `/`, so that a dot in a link name stays one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SysctlKey(String);

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SysctlKeyError;

impl fmt::Display for SysctlKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a kernel parameter such as net.ipv4.ip_forward or net/ipv4/conf/eth0.5/rp_filter")
    }
}

impl SysctlKey {
    /// The file that holds it.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/proc/sys").join(&self.0)
    }

    /// Its segments.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl FromStr for SysctlKey {
    type Err = SysctlKeyError;

    /// As sysctl.d(5) reads one: whichever of `.` and `/` comes first is the separator, the other one stands for
    /// itself, so `net.ipv4.conf.eth0/5.rp_filter` and `net/ipv4/conf/eth0.5/rp_filter` are the same.
    fn from_str(text: &str) -> Result<Self, SysctlKeyError> {
        let dotted = text
            .find(['.', '/'])
            .is_some_and(|at| text[at..].starts_with('.'));
        let swap = |c| match c {
            '.' => '/',
            '/' => '.',
            c => c,
        };
        let path: String = if dotted {
            text.chars().map(swap).collect()
        } else {
            text.to_owned()
        };
        let sound = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        };
        if path.len() <= MAX_LEN && path.contains('/') && path.split('/').all(sound) {
            Ok(Self(path))
        } else {
            Err(SysctlKeyError)
        }
    }
}

impl fmt::Display for SysctlKey {
    /// As sysctl(8) prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dotted = self.0.chars().map(|c| match c {
            '/' => '.',
            '.' => '/',
            c => c,
        });
        f.write_str(&dotted.collect::<String>())
    }
}

impl Serialize for SysctlKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_separators() {
        #[track_caller]
        fn check(text: &str, path: &str, printed: &str) {
            let key: SysctlKey = text.parse().unwrap();
            assert_eq!(key.path().to_str().unwrap(), path);
            assert_eq!(key.to_string(), printed);
        }
        check(
            "net.ipv4.ip_forward",
            "/proc/sys/net/ipv4/ip_forward",
            "net.ipv4.ip_forward",
        );
        let (path, printed) = (
            "/proc/sys/net/ipv4/conf/eth0.5/rp_filter",
            "net.ipv4.conf.eth0/5.rp_filter",
        );
        check("net.ipv4.conf.eth0/5.rp_filter", path, printed);
        check("net/ipv4/conf/eth0.5/rp_filter", path, printed);
    }

    #[test]
    fn paths_do_not_leave_the_folder() {
        for bad in [
            "",
            "net",
            "net..ipv4",
            "net/../kernel",
            "../net/x",
            "/net/x",
            "net/ipv4/",
            "net.a b",
        ] {
            assert_eq!(bad.parse::<SysctlKey>(), Err(SysctlKeyError), "{bad}");
        }
    }
}
