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

/// Whether the kernel means the same by two texts of one parameter: space between words, other bases of numbers
/// (`proc_get_long`, kernel/sysctl.c), and ranges of a list, which it joins when it prints them.
pub fn same_sysctl_value(one: &str, other: &str) -> bool {
    if let (Some(one), Some(other)) = (ranges(one), ranges(other)) {
        return one == other;
    }
    let words = |text: &str| -> Vec<String> { text.split_whitespace().map(word).collect() };
    words(one) == words(other)
}

/// A number as the kernel prints it, or the word.
fn word(text: &str) -> String {
    number(text).map_or_else(|| text.to_owned(), |number| number.to_string())
}

/// As strtoul(3) without a base reads it, with a sign.
fn number(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, digits.get(2..)?),
        [b'0', _, ..] => (8, digits),
        _ => (10, digits),
    };
    let sound = digits.bytes().all(|digit| digit.is_ascii_alphanumeric());
    let value = u64::from_str_radix(digits, base).ok().filter(|_| sound)?;
    Some(sign * i128::from(value))
}

/// `50000,50001` and `50000-50001` (`proc_do_large_bitmap`) as ranges, in order and joined. `None`: not such a list.
fn ranges(text: &str) -> Option<Vec<(i128, i128)>> {
    if !text.contains([',', '-']) {
        return None;
    }
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((number(first)?, number(last)?))
    };
    let mut all: Vec<(i128, i128)> = text.trim().split(',').map(range).collect::<Option<_>>()?;
    all.sort_unstable();
    let mut joined: Vec<(i128, i128)> = Vec::new();
    for (first, last) in all {
        match joined.last_mut() {
            Some((_, end)) if first <= *end + 1 => *end = (*end).max(last),
            _ => joined.push((first, last)),
        }
    }
    Some(joined)
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

    #[test]
    fn values_are_compared_as_the_kernel_means_them() {
        #[track_caller]
        fn check(one: &str, other: &str, expect: bool) {
            assert_eq!(same_sysctl_value(one, other), expect, "{one:?} {other:?}");
            assert_eq!(same_sysctl_value(other, one), expect, "{other:?} {one:?}");
        }
        check("1", " 1\n", true);
        check("1", "2", false);
        check("32768 60999", "32768\t60999\n", true);
        check("50000,50001", "50000-50001", true);
        check("50001,50000,30000-32767", "30000-32767,50000-50001", true);
        check("50000", "50000-50001", false);
        check("50000,50002", "50000-50002", false);
        check("0x10", "16", true);
        check("010", "8", true);
        check("-1", "-1", true);
        check("-1", "1", false);
        check("fq_codel", "fq", false);
        check("bbr", "bbr", true);
        check("", "", true);
        check("", "50000", false);
        check("a,b", "a,b", true);
        check("1,", "1", false);
    }
}
