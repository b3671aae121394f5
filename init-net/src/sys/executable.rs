//! Whether a program can be executed in another root, found out before that root is `/`.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

/// Bytes from the start of a program that are looked at. Linkers put the program headers and the interpreter's name into
/// the first page; the kernel reads as much of a script (BINPRM_BUF_SIZE is 256).
const HEAD: usize = 4096;

/// Interpreters of interpreters that are followed: a script, its ELF interpreter, and the loader of that. The kernel
/// follows five.
const MAX_INTERPRETERS: usize = 5;

/// Checks that `program`, as a process in `root` names it, is there with its interpreters, and executable. Symbolic links
/// are followed inside `root`, the way they will be (Linux 5.6; before, absolute ones are not followed rightly).
pub fn check(root: &Path, program: &Path) -> io::Result<()> {
    let mut program = program.to_owned();
    for _ in 0..MAX_INTERPRETERS {
        let file = open_in(root, &program)?;
        if file.metadata()?.mode() & 0o111 == 0 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut head = Vec::with_capacity(HEAD);
        file.take(HEAD as u64).read_to_end(&mut head)?;
        match interpreter(&head) {
            Some(next) => program = next,
            None => return Ok(()),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

fn open_in(root: &Path, path: &Path) -> io::Result<File> {
    let folder = File::open(root)?;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT);
    match openat2(folder.as_fd(), path, how) {
        Ok(file) => Ok(File::from(file)),
        Err(nix::Error::ENOSYS) => File::open(root.join(path.strip_prefix("/").unwrap_or(path))),
        Err(error) => Err(error.into()),
    }
}

/// What the kernel would start in place of a file that begins with `head`: the word after `#!`, or PT_INTERP.
fn interpreter(head: &[u8]) -> Option<PathBuf> {
    if let Some(script) = head.strip_prefix(b"#!") {
        let line = script.split(|b| *b == b'\n').next()?.trim_ascii_start();
        let word = line.split(u8::is_ascii_whitespace).next()?;
        return Some(path(word));
    }
    elf_interpreter(head)
}

/// ELF-64 of this machine's byte order; anything else has none that we know of.
fn elf_interpreter(head: &[u8]) -> Option<PathBuf> {
    if head.get(..5)? != b"\x7fELF\x02" {
        return None;
    }
    let u16_at = |at: usize| {
        Some(usize::from(u16::from_ne_bytes(
            head.get(at..at + 2)?.try_into().ok()?,
        )))
    };
    let u64_at = |at: usize| {
        usize::try_from(u64::from_ne_bytes(
            head.get(at..at.checked_add(8)?)?.try_into().ok()?,
        ))
        .ok()
    };
    // e_phoff, e_phentsize, e_phnum; then p_type, p_offset, p_filesz (elf(5)).
    let (table, size, count) = (u64_at(32)?, u16_at(54)?, u16_at(56)?);
    for entry in (0..count).map_while(|n| table.checked_add(n.checked_mul(size)?)) {
        if head.get(entry..entry.checked_add(4)?)? == PT_INTERP.to_ne_bytes() {
            let start = u64_at(entry + 8)?;
            let name = head.get(start..start.checked_add(u64_at(entry + 32)?)?)?;
            return Some(path(name.split(|b| *b == 0).next()?));
        }
    }
    None
}

const PT_INTERP: u32 = 3;

fn path(bytes: &[u8]) -> PathBuf {
    std::ffi::OsStr::from_bytes(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[track_caller]
    fn finds(head: &[u8], expect: Option<&str>) {
        assert_eq!(interpreter(head), expect.map(PathBuf::from));
    }

    /// A 64-bit ELF header, one program header of type `kind`, and the name.
    fn elf(kind: u32, offset: u64) -> Vec<u8> {
        let mut head = vec![0; 64 + 56];
        head[..5].copy_from_slice(b"\x7fELF\x02");
        head[32..40].copy_from_slice(&64u64.to_ne_bytes());
        head[54..56].copy_from_slice(&56u16.to_ne_bytes());
        head[56..58].copy_from_slice(&1u16.to_ne_bytes());
        head[64..68].copy_from_slice(&kind.to_ne_bytes());
        head[72..80].copy_from_slice(&offset.to_ne_bytes());
        head[96..104].copy_from_slice(&8u64.to_ne_bytes());
        head.extend(b"/lib/ld\0");
        head
    }

    #[test]
    fn interpreters() {
        finds(b"#!/bin/sh -e\nx", Some("/bin/sh"));
        finds(b"#! /bin/sh", Some("/bin/sh"));
        finds(&elf(PT_INTERP, 120), Some("/lib/ld"));
        finds(&elf(1, 120), None);
        finds(&elf(PT_INTERP, u64::MAX), None);
        finds(&elf(PT_INTERP, 120)[..100], None);
        finds(b"", None);
    }

    #[test]
    fn links_stay_in_the_root() {
        let root = std::env::temp_dir().join(format!("init-net-executable-{}", std::process::id()));
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::create_dir_all(root.join("sbin")).unwrap();
        // Outside of `root` there is a /bin/sh; inside, the link leads to what is not there yet.
        symlink("/usr/bin/own-init", root.join("sbin/init")).unwrap();
        let check = || check(&root, Path::new("/sbin/init")).map_err(|error| error.kind());
        assert_eq!(check(), Err(io::ErrorKind::NotFound));
        let init = root.join("usr/bin/own-init");
        fs::write(&init, "#!/usr/bin/own-shell\n").unwrap();
        assert_eq!(check(), Err(io::ErrorKind::PermissionDenied));
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(check(), Err(io::ErrorKind::NotFound), "no interpreter");
        symlink("own-init", root.join("usr/bin/own-shell")).unwrap();
        assert!(check().is_err(), "interprets itself");
        fs::remove_file(root.join("usr/bin/own-shell")).unwrap();
        fs::write(root.join("usr/bin/own-shell"), elf(1, 0)).unwrap();
        fs::set_permissions(
            root.join("usr/bin/own-shell"),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        assert_eq!(check(), Ok(()));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn this_machine_can_run_its_own_shell() {
        super::check(Path::new("/"), Path::new("/bin/sh")).unwrap();
    }
}
