//! A program in an initramfs has no loader and no libraries: refuses an ELF file that asks for one.

use std::fmt;

/// Why a program cannot run alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// No ELF magic.
    NotElf,
    /// The header points outside the file, or is of a kind this reader does not know.
    Malformed,
    /// It asks for a loader (PT_INTERP).
    NeedsLoader(String),
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => f.write_str("not an ELF program"),
            Self::Malformed => f.write_str("the ELF header is damaged"),
            Self::NeedsLoader(loader) => write!(
                f,
                "needs the loader {loader}, which the image does not have; link it statically"
            ),
        }
    }
}

impl std::error::Error for ElfError {}

/// Program header type of the loader's path (elf(5)).
const PT_INTERP: u64 = 3;

/// Checks that `program` is a little-endian ELF file without a loader; both word sizes.
pub fn check_static(program: &[u8]) -> Result<(), ElfError> {
    if !program.starts_with(b"\x7fELF") {
        return Err(ElfError::NotElf);
    }
    let wide = match program.get(4..6) {
        Some([1, 1]) => false,
        Some([2, 1]) => true,
        _ => return Err(ElfError::Malformed),
    };
    // Offsets of e_phoff, e_phentsize, e_phnum in Elf32_Ehdr and Elf64_Ehdr; p_offset and p_filesz likewise.
    let word = if wide { 8 } else { 4 };
    let (table, entry_size, count) = if wide { (32, 54, 56) } else { (28, 42, 44) };
    let (segment_offset, segment_size) = if wide { (8, 32) } else { (4, 16) };

    let table = number(program, table, word)?;
    let entry_size = number(program, entry_size, 2)?;
    let count = number(program, count, 2)?;
    for index in 0..count {
        let entry = entry_size
            .checked_mul(index)
            .and_then(|at| at.checked_add(table))
            .and_then(|at| program.get(at..))
            .ok_or(ElfError::Malformed)?;
        if number(entry, 0, 4)? as u64 != PT_INTERP {
            continue;
        }
        let start = number(entry, segment_offset, word)?;
        let size = number(entry, segment_size, word)?;
        let path = start
            .checked_add(size)
            .and_then(|end| program.get(start..end))
            .ok_or(ElfError::Malformed)?;
        let path = String::from_utf8_lossy(path);
        return Err(ElfError::NeedsLoader(path.trim_end_matches('\0').into()));
    }
    Ok(())
}

/// The little-endian number of `width` bytes at `at`.
fn number(bytes: &[u8], at: usize, width: usize) -> Result<usize, ElfError> {
    let field = bytes.get(at..at + width).ok_or(ElfError::Malformed)?;
    let value = field
        .iter()
        .rev()
        .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    usize::try_from(value).map_err(|_| ElfError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64-byte ELF64 header with one program header of the given type, and the loader's path after it.
    fn elf64(segment_type: u32) -> Vec<u8> {
        let loader = b"/lib64/ld-linux-x86-64.so.2\0";
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[32..40].copy_from_slice(&64u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&1u16.to_le_bytes());
        bytes[64..68].copy_from_slice(&segment_type.to_le_bytes());
        bytes[72..80].copy_from_slice(&120u64.to_le_bytes());
        bytes[96..104].copy_from_slice(&(loader.len() as u64).to_le_bytes());
        bytes.extend_from_slice(loader);
        bytes
    }

    #[track_caller]
    fn check(program: &[u8], expect: Result<(), ElfError>) {
        assert_eq!(check_static(program), expect);
    }

    #[test]
    fn programs() {
        let loader = || ElfError::NeedsLoader("/lib64/ld-linux-x86-64.so.2".into());
        check(&elf64(1), Ok(()));
        check(&elf64(3), Err(loader()));
        check(b"#!/bin/sh\n", Err(ElfError::NotElf));
        check(b"", Err(ElfError::NotElf));
        check(b"\x7fELF\x02\x01", Err(ElfError::Malformed));
        check(b"\x7fELF\x02\x02", Err(ElfError::Malformed));
        check(&elf64(3)[..130], Err(ElfError::Malformed));
        check(&elf64(3)[..80], Err(ElfError::Malformed));
    }

    #[test]
    fn this_test_is_static_and_the_shell_is_not() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(
            check_static(&own).is_ok(),
            cfg!(target_feature = "crt-static")
        );
        let shell = std::fs::read("/bin/sh").unwrap();
        assert!(matches!(
            check_static(&shell),
            Err(ElfError::NeedsLoader(_))
        ));
    }
}
