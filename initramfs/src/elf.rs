//! What an ELF file wants from whoever starts it: a loader, and libraries. An initramfs has neither by itself.

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

/// Program header types and dynamic tags (elf(5)).
const PT_LOAD: usize = 1;
const PT_DYNAMIC: usize = 2;
const PT_INTERP: usize = 3;
const DT_NULL: usize = 0;
const DT_NEEDED: usize = 1;
const DT_STRTAB: usize = 5;

/// What a program or a library wants from whoever starts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The loader's path (PT_INTERP); libraries have none.
    pub loader: Option<String>,
    /// Names of libraries (DT_NEEDED), in file order.
    pub libraries: Vec<String>,
}

/// Checks that `program` is a little-endian ELF file without a loader; both word sizes.
pub fn check_static(program: &[u8]) -> Result<(), ElfError> {
    match File::read(program)?.loader()? {
        Some(loader) => Err(ElfError::NeedsLoader(loader)),
        None => Ok(()),
    }
}

/// Reads what `program`, or a library, wants.
pub fn wants(program: &[u8]) -> Result<Wants, ElfError> {
    let file = File::read(program)?;
    Ok(Wants {
        loader: file.loader()?,
        libraries: file.libraries()?,
    })
}

/// Whether both are of one word size and for one processor: other libraries of that name may lie beside.
pub fn same_kind(one: &[u8], other: &[u8]) -> bool {
    // EI_CLASS and EI_DATA, then e_machine.
    [4..6, 18..20]
        .into_iter()
        .all(|field| one.get(field.clone()) == other.get(field))
}

/// An ELF file's segments.
struct File<'a> {
    bytes: &'a [u8],
    /// Bytes of an address: 4 or 8.
    word: usize,
    segments: Vec<Segment>,
}

struct Segment {
    kind: usize,
    offset: usize,
    address: usize,
    size: usize,
}

impl<'a> File<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ElfError> {
        if !bytes.starts_with(b"\x7fELF") {
            return Err(ElfError::NotElf);
        }
        let word = match bytes.get(4..6) {
            Some([1, 1]) => 4,
            Some([2, 1]) => 8,
            _ => return Err(ElfError::Malformed),
        };
        let wide = word == 8;
        // Offsets of e_phoff, e_phentsize, e_phnum in Elf32_Ehdr and Elf64_Ehdr; p_offset, p_vaddr and p_filesz likewise.
        let (table, entry_size, count) = if wide { (32, 54, 56) } else { (28, 42, 44) };
        let (offset, address, size) = if wide { (8, 16, 32) } else { (4, 8, 16) };

        let table = number(bytes, table, word)?;
        let entry_size = number(bytes, entry_size, 2)?;
        let count = number(bytes, count, 2)?;
        let segments = (0..count).map(|index| {
            let entry = entry_size
                .checked_mul(index)
                .and_then(|at| at.checked_add(table))
                .and_then(|at| bytes.get(at..))
                .ok_or(ElfError::Malformed)?;
            Ok(Segment {
                kind: number(entry, 0, 4)?,
                offset: number(entry, offset, word)?,
                address: number(entry, address, word)?,
                size: number(entry, size, word)?,
            })
        });
        Ok(Self {
            bytes,
            word,
            segments: segments.collect::<Result<_, _>>()?,
        })
    }

    fn segment(&self, kind: usize) -> Result<Option<&'a [u8]>, ElfError> {
        let Some(found) = self.segments.iter().find(|segment| segment.kind == kind) else {
            return Ok(None);
        };
        let content = found
            .offset
            .checked_add(found.size)
            .and_then(|end| self.bytes.get(found.offset..end));
        content.map(Some).ok_or(ElfError::Malformed)
    }

    fn loader(&self) -> Result<Option<String>, ElfError> {
        let path = self.segment(PT_INTERP)?;
        Ok(path.map(|path| {
            let path = String::from_utf8_lossy(path);
            path.trim_end_matches('\0').to_owned()
        }))
    }

    fn libraries(&self) -> Result<Vec<String>, ElfError> {
        let mut names = Vec::new();
        let mut strings = None;
        let table = self.segment(PT_DYNAMIC)?.unwrap_or_default();
        for entry in table.chunks_exact(2 * self.word) {
            let value = number(entry, self.word, self.word)?;
            match number(entry, 0, self.word)? {
                DT_NULL => break,
                DT_NEEDED => names.push(value),
                DT_STRTAB => strings = Some(value),
                _ => {}
            }
        }
        names
            .iter()
            .map(|name| self.string(strings, *name))
            .collect()
    }

    /// The string at `index` of the table that is at the address `strings` once it is loaded.
    fn string(&self, strings: Option<usize>, index: usize) -> Result<String, ElfError> {
        let text = strings.and_then(|address| {
            let mut loaded = self.segments.iter().filter(|part| part.kind == PT_LOAD);
            let part = loaded.find(|part| {
                let inside = address.checked_sub(part.address);
                inside.is_some_and(|inside| inside < part.size)
            })?;
            let at = (address - part.address)
                .checked_add(part.offset)?
                .checked_add(index)?;
            let text = self.bytes.get(at..)?;
            text.split(|byte| *byte == 0).next()
        });
        let text = text.ok_or(ElfError::Malformed)?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }
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
    fn what_the_shell_wants() {
        let shell = std::fs::read("/bin/sh").unwrap();
        let wants = wants(&shell).unwrap();
        let loader = wants.loader.unwrap();
        assert!(loader.starts_with("/lib"), "{loader}");
        let libc = |name: &String| name.starts_with("libc.");
        assert!(wants.libraries.iter().any(libc), "{:?}", wants.libraries);
        assert!(same_kind(&shell, &std::fs::read(loader).unwrap()));
        assert!(!same_kind(&shell, &elf64(1)));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_no_panic() {
        let shell = std::fs::read("/bin/sh").unwrap();
        // The header and the program headers, a byte wrong each.
        for at in 0..0x400 {
            let mut damaged = shell.clone();
            damaged[at] = !damaged[at];
            let _ = wants(&damaged);
        }
        assert_eq!(wants(&shell[..0x400]), Err(ElfError::Malformed));
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
