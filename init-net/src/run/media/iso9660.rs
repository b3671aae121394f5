//! ISO 9660 (ECMA-119), to be read without the kernel: names of Rock Ridge, Joliet and the plain ones.
//!
//! A reader of our own because the crates are not made for discs of strangers: `cdfs` brings FUSE and a command line along and
//! panics on what it cannot parse, `iso9660` knows neither Joliet nor Rock Ridge, `hadris-iso` is a release candidate with eight
//! crates of its own. Nothing here follows a link or goes deeper than a path that was asked for, so a circle of directories
//! is never walked.

mod names;

use std::io;

use super::disk::{Disk, damaged, u16_at, u32_at};
use names::{Names, Susp};

/// Where volume descriptors begin, and how long each is, bytes (ECMA-119 §6.2.1, §8).
const DESCRIPTORS: u64 = 16 * 2048;
const DESCRIPTOR: usize = 2048;

/// Descriptors that are looked at; discs have three to five.
const MAX_DESCRIPTORS: u64 = 32;

/// Largest directory, bytes: some ten thousand names.
const MAX_DIRECTORY: u32 = 1 << 20;

/// Parts of one file that are followed; a part has up to 4 GiB.
const MAX_PARTS: usize = 64;

/// Flags of a directory record (ECMA-119 §9.1.6): a directory; more parts follow.
const DIRECTORY: u8 = 1 << 1;
const MULTI_EXTENT: u8 = 1 << 7;

/// One tree of names on the disc.
#[derive(Clone, Copy, Debug)]
struct Root {
    block: u32,
    length: u32,
    joliet: bool,
}

/// A disc.
pub struct Iso<'a> {
    disk: &'a Disk<'a>,
    /// Bytes of a block.
    block_size: u32,
    /// The primary one, then Joliet's.
    roots: Vec<Root>,
    /// How it is called in each of them.
    pub labels: Vec<String>,
}

/// Where a part of a file is.
#[derive(Clone, Copy, Debug)]
struct Extent {
    block: u32,
    length: u32,
}

/// A file or directory.
struct Entry {
    directory: bool,
    extents: Vec<Extent>,
}

impl<'a> Iso<'a> {
    /// The disc, if this is one.
    pub fn open(disk: &'a Disk<'a>) -> io::Result<Option<Self>> {
        let mut iso = Self {
            disk,
            block_size: 0,
            roots: Vec::new(),
            labels: Vec::new(),
        };
        for number in 0..MAX_DESCRIPTORS {
            let offset = DESCRIPTORS + number * 2048;
            let descriptor = match disk.read(offset, DESCRIPTOR) {
                Ok(descriptor) => descriptor,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            };
            let [kind, b'C', b'D', b'0', b'0', b'1', ..] = descriptor[..] else {
                break;
            };
            match kind {
                PRIMARY if iso.roots.is_empty() => iso.add(&descriptor, false)?,
                SUPPLEMENTARY if is_joliet(&descriptor) && !iso.roots.is_empty() => {
                    iso.add(&descriptor, true)?;
                }
                TERMINATOR => break,
                _ => {}
            }
        }
        Ok(Some(iso).filter(|iso| !iso.roots.is_empty()))
    }

    fn add(&mut self, descriptor: &[u8], joliet: bool) -> io::Result<()> {
        let missing = || damaged("a volume descriptor without a root");
        let block_size = u32::from(u16_at(descriptor, 128).ok_or_else(missing)?);
        if !matches!(block_size, 512 | 1024 | 2048) {
            return Err(damaged("blocks of a size that ISO 9660 does not have"));
        }
        let root = descriptor.get(156..190).ok_or_else(missing)?;
        let extent = extent_of(root).ok_or_else(missing)?;
        self.block_size = block_size;
        self.roots.push(Root {
            block: extent.block,
            length: extent.length,
            joliet,
        });
        let label = descriptor.get(40..72).unwrap_or_default();
        let label = if joliet {
            names::utf16(label)
        } else {
            String::from_utf8_lossy(label).into_owned()
        };
        let label = label.trim_end_matches([' ', '\0']);
        if !label.is_empty() && !self.labels.iter().any(|known| known == label) {
            self.labels.push(label.to_owned());
        }
        Ok(())
    }

    /// The file at `path`, in any case, at most `limit` bytes of it (more is `FileTooLarge`); `None`: there is none.
    pub fn file(&self, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        // A name that is right in any tree comes before one that a plain disc has shortened: several become the same.
        for shortened in [false, true] {
            for root in &self.roots {
                if let Some(entry) = self.find(*root, path, shortened)?
                    && !entry.directory
                {
                    return self.content(&entry, limit).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn find(&self, root: Root, path: &str, shortened: bool) -> io::Result<Option<Entry>> {
        let extent = Extent {
            block: root.block,
            length: root.length,
        };
        let mut at = Entry {
            directory: true,
            extents: vec![extent],
        };
        let susp = if root.joliet {
            None
        } else {
            self.susp(extent)?
        };
        for name in path.split('/') {
            let (true, [extent]) = (at.directory, &at.extents[..]) else {
                return Ok(None);
            };
            let records = self.directory(*extent)?;
            let found = self.entries(&records, root.joliet, susp.as_ref())?;
            let found = found
                .into_iter()
                .find(|(names, _)| names.are(name, shortened));
            match found {
                Some((_, entry)) => at = entry,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// Whether the tree has names of Rock Ridge: the first record of its root says so.
    fn susp(&self, root: Extent) -> io::Result<Option<Susp>> {
        let records = self.directory(Extent {
            length: root.length.min(self.block_size),
            ..root
        })?;
        Ok(Records(&records).next().and_then(Susp::of))
    }

    fn directory(&self, extent: Extent) -> io::Result<Vec<u8>> {
        if extent.length > MAX_DIRECTORY {
            return Err(damaged("a directory of more than 1 MiB"));
        }
        self.read(extent, u32::MAX)
    }

    /// What is in a directory.
    fn entries(
        &self,
        records: &[u8],
        joliet: bool,
        susp: Option<&Susp>,
    ) -> io::Result<Vec<(Names, Entry)>> {
        let mut entries = Vec::new();
        let mut parts: Vec<Extent> = Vec::new();
        for record in Records(records) {
            parts.extend(extent_of(record));
            if parts.len() > MAX_PARTS {
                return Err(damaged("a file of more than 64 parts"));
            }
            let flags = record.get(25).copied().unwrap_or_default();
            if flags & MULTI_EXTENT != 0 {
                continue;
            }
            let names = Names::of(record, joliet, susp, self)?;
            let entry = Entry {
                directory: flags & DIRECTORY != 0,
                extents: core::mem::take(&mut parts),
            };
            if !names.is_link {
                entries.push((names, entry));
            }
        }
        Ok(entries)
    }

    fn content(&self, entry: &Entry, limit: usize) -> io::Result<Vec<u8>> {
        let length: u64 = entry
            .extents
            .iter()
            .map(|part| u64::from(part.length))
            .sum();
        if usize::try_from(length).map_or(true, |length| length > limit) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut content = Vec::new();
        for extent in &entry.extents {
            content.extend(self.read(*extent, u32::MAX)?);
        }
        Ok(content)
    }

    /// The first bytes of an extent, at most `most`.
    fn read(&self, extent: Extent, most: u32) -> io::Result<Vec<u8>> {
        let offset = u64::from(extent.block) * u64::from(self.block_size);
        let length = usize::try_from(extent.length.min(most)).map_err(io::Error::other)?;
        self.disk.read(offset, length)
    }
}

/// Types of volume descriptors (ECMA-119 §8.1.1).
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;

/// The escape sequences of UCS-2, levels 1 to 3 (Joliet §3.2).
fn is_joliet(descriptor: &[u8]) -> bool {
    matches!(descriptor.get(88..91), Some(b"%/@" | b"%/C" | b"%/E"))
}

/// Where the content of a directory record is (ECMA-119 §9.1.2 to §9.1.4): behind an attribute record, if it has one.
fn extent_of(record: &[u8]) -> Option<Extent> {
    let attributes = u32::from(*record.get(1)?);
    Some(Extent {
        block: u32_at(record, 2)?.checked_add(attributes)?,
        length: u32_at(record, 10)?,
    })
}

/// Directory records one by one.
struct Records<'a>(&'a [u8]);

/// No record reaches from one sector into the next (ECMA-119 §6.8.1.1).
const SECTOR: usize = 2048;

/// Shortest record, bytes: a name of one.
const MIN_RECORD: usize = 34;

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let length = usize::from(*self.0.first()?);
            if length >= MIN_RECORD {
                let (record, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                return Some(record);
            }
            // The rest of this sector is empty. Directories are whole sectors, so the end tells how much is left of it.
            let left = self.0.len() % SECTOR;
            self.0 = self.0.get(if left == 0 { SECTOR } else { left }..)?;
        }
    }
}
