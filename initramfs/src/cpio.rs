//! The newc archive: entries → bytes. Pure.
//!
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel, "070701" headers.

use std::collections::BTreeMap;

/// What is at a path of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A directory with its permission bits.
    Directory {
        /// Permission bits, as 0o755.
        mode: u32,
    },
    /// A file with its permission bits and contents.
    File {
        /// Permission bits, as 0o644.
        mode: u32,
        /// The contents; newc holds at most 4 GiB - 1.
        contents: Vec<u8>,
    },
    /// A symbolic link to a path, which need not exist.
    Symlink {
        /// Where it points.
        target: String,
    },
    /// A character device.
    CharDevice {
        /// Permission bits, as 0o600.
        mode: u32,
        /// Major and minor number.
        device: (u32, u32),
    },
}

/// File type bits of the mode field (`S_IF*`, include/uapi/linux/stat.h).
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFCHR: u32 = 0o020_000;

/// Name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// Archives are padded to whole blocks of this many bytes, as cpio(1) does.
const BLOCK: usize = 512;

/// The archive of `entries`, keyed by path without a leading `/`.
///
/// A directory sorts before what it holds, so the kernel can unpack in order.
pub fn archive(entries: &BTreeMap<String, Entry>) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, (path, entry)) in (1..).zip(entries) {
        match entry {
            Entry::Directory { mode } => {
                header(&mut out, number, S_IFDIR | mode, 2, 0, (0, 0), path);
            }
            Entry::File { mode, contents } => {
                header(
                    &mut out,
                    number,
                    S_IFREG | mode,
                    1,
                    contents.len(),
                    (0, 0),
                    path,
                );
                body(&mut out, contents);
            }
            Entry::Symlink { target } => {
                header(
                    &mut out,
                    number,
                    S_IFLNK | 0o777,
                    1,
                    target.len(),
                    (0, 0),
                    path,
                );
                body(&mut out, target.as_bytes());
            }
            Entry::CharDevice { mode, device } => {
                header(&mut out, number, S_IFCHR | mode, 1, 0, *device, path);
            }
        }
    }
    header(&mut out, 0, 0, 1, 0, (0, 0), TRAILER);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}

/// One header: thirteen 8-digit hexadecimal fields after the magic, the name with its NUL, padding to 4.
fn header(
    out: &mut Vec<u8>,
    inode: u32,
    mode: u32,
    links: u32,
    size: usize,
    device: (u32, u32),
    name: &str,
) {
    let fields = [
        inode as usize,
        mode as usize,
        0, // uid
        0, // gid
        links as usize,
        0, // mtime: the same inputs give the same bytes
        size,
        0, // device the archive was made on, major
        0, // and minor
        device.0 as usize,
        device.1 as usize,
        name.len() + 1,
        0, // checksum, only in 070702
    ];
    out.extend_from_slice(b"070701");
    for field in fields {
        out.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    pad(out);
}

fn body(out: &mut Vec<u8>, contents: &[u8]) {
    out.extend_from_slice(contents);
    pad(out);
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Command;
    use std::process::Stdio;

    use super::*;

    fn sample() -> BTreeMap<String, Entry> {
        BTreeMap::from([
            ("dev".into(), Entry::Directory { mode: 0o755 }),
            (
                "dev/console".into(),
                Entry::CharDevice {
                    mode: 0o600,
                    device: (5, 1),
                },
            ),
            (
                "init".into(),
                Entry::File {
                    mode: 0o755,
                    contents: b"hello".to_vec(),
                },
            ),
            (
                "sbin".into(),
                Entry::Symlink {
                    target: "usr/sbin".into(),
                },
            ),
        ])
    }

    #[test]
    fn golden() {
        // Header by header, from the field list of buffer-format.rst.
        let golden: &[&[u8]] = &[
            b"070701",
            b"00000001000041ED00000000000000000000000200000000000000000000000000000000",
            b"00000000000000000000000400000000dev\0\0\0",
            b"070701",
            b"0000000200002180000000000000000000000001000000000000000000000000000000000",
            b"0000005000000010000000C00000000dev/console\0\0\0",
            b"070701",
            b"00000003000081ED00000000000000000000000100000000000000050000000000000000",
            b"00000000000000000000000500000000init\0\0hello\0\0\0",
            b"070701",
            b"000000040000A1FF00000000000000000000000100000000000000080000000000000000",
            b"00000000000000000000000500000000sbin\0\0usr/sbin",
            b"070701",
            b"000000000000000000000000000000000000000100000000000000000000000000000000",
            b"00000000000000000000000B00000000TRAILER!!!\0\0\0\0",
        ];
        let bytes = archive(&sample());
        let golden = golden.concat();
        assert_eq!(
            String::from_utf8_lossy(&bytes[..golden.len()]),
            String::from_utf8_lossy(&golden)
        );
        assert!(bytes[golden.len()..].iter().all(|byte| *byte == 0));
        assert_eq!(bytes.len() % BLOCK, 0);
    }

    #[test]
    fn cpio_lists_it() {
        let mut child = Command::new("cpio")
            .args(["--list", "--verbose", "--numeric-uid-gid", "--quiet"])
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cpio is installed (scripts/setup)");
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&archive(&sample())).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let listing: Vec<String> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            listing,
            [
                "drwxr-xr-x 2 0 0 0 Jan 1 1970 dev",
                "crw------- 1 0 0 5, 1 Jan 1 1970 dev/console",
                "-rwxr-xr-x 1 0 0 5 Jan 1 1970 init",
                "lrwxrwxrwx 1 0 0 8 Jan 1 1970 sbin -> usr/sbin",
            ]
        );
    }
}
