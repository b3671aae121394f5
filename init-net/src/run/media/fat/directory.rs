//! Entries of a directory: short names, and the long ones in front of them.

use super::{u16_at, u32_at};

/// Bytes of an entry (§6).
pub(super) const ENTRY: usize = 32;

/// Attributes: label, directory, and those that together mean a part of a long name (§6.2, §7).
const LABEL: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
const LONG_NAME: u8 = 0x0f;

/// Flag of the last part of a long name, which stands first.
const LAST: u8 = 0x40;

/// Most parts of a long name: 255 characters, 13 each.
const MAX_PARTS: u8 = 20;

/// One file, directory or label.
pub(super) struct Entry {
    /// `NAME.EXT`, or a label.
    pub(super) short: String,
    long: Option<String>,
    pub(super) is_label: bool,
    pub(super) is_directory: bool,
    pub(super) cluster: u32,
    /// Bytes of a file.
    pub(super) length: u32,
}

impl Entry {
    /// Whether it is the file or directory `name`, in any case.
    pub(super) fn is(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let long = self.long.as_ref().map(|long| long.to_lowercase());
        !self.is_label && (long.as_deref() == Some(&*name) || self.short.to_lowercase() == name)
    }
}

/// The entries of a directory, one by one.
pub(super) struct Entries<'a> {
    rest: core::slice::ChunksExact<'a, u8>,
    long: LongName,
}

impl<'a> Entries<'a> {
    pub(super) fn new(directory: &'a [u8]) -> Self {
        Self {
            rest: directory.chunks_exact(ENTRY),
            long: LongName::default(),
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let bytes = self.rest.next()?;
            match *bytes.first()? {
                // The end; an entry that was deleted.
                0 => return None,
                0xe5 => {
                    self.long = LongName::default();
                    continue;
                }
                _ => {}
            }
            let attributes = *bytes.get(11)?;
            if attributes & 0x3f == LONG_NAME {
                self.long.add(bytes);
                continue;
            }
            let long = core::mem::take(&mut self.long).finish(bytes.get(..11)?);
            let is_label = attributes & LABEL != 0;
            let cluster = u32::from(u16_at(bytes, 26)?) | (u32::from(u16_at(bytes, 20)?) << 16);
            return Some(Entry {
                short: short_name(bytes.get(..11)?, is_label),
                long,
                is_label,
                is_directory: attributes & DIRECTORY != 0,
                cluster,
                length: u32_at(bytes, 28)?,
            });
        }
    }
}

/// `NAME    EXT` is `NAME.EXT`; a label has no point. Characters beyond ASCII are of a code page nobody names.
fn short_name(bytes: &[u8], is_label: bool) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if is_label {
        return text(bytes);
    }
    let (stem, extension) = bytes.split_at_checked(8).unwrap_or((bytes, &[]));
    match (text(stem), text(extension)) {
        (stem, extension) if extension.is_empty() => stem,
        (stem, extension) => format!("{stem}.{extension}"),
    }
}

/// The parts of a long name so far, from its end to its beginning.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    /// Of the short name it belongs to.
    checksum: u8,
    /// The part that comes next.
    expected: u8,
}

impl LongName {
    fn add(&mut self, bytes: &[u8]) {
        let (Some(order), Some(checksum)) = (bytes.first(), bytes.get(13)) else {
            return;
        };
        let number = order & !LAST;
        if order & LAST != 0 && number <= MAX_PARTS {
            *self = Self {
                units: Vec::new(),
                checksum: *checksum,
                expected: number,
            };
        }
        if number == 0 || number != self.expected || *checksum != self.checksum {
            *self = Self::default();
            return;
        }
        self.expected = number - 1;
        let places = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
        let mut units: Vec<u16> = places.iter().filter_map(|at| u16_at(bytes, *at)).collect();
        units.append(&mut self.units);
        self.units = units;
    }

    /// The name, if it is whole and belongs to `short`.
    fn finish(self, short: &[u8]) -> Option<String> {
        let checksum = short
            .iter()
            .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        if self.units.is_empty() || self.expected != 0 || checksum != self.checksum {
            return None;
        }
        let units: Vec<u16> = self
            .units
            .into_iter()
            .take_while(|unit| *unit != 0)
            .collect();
        Some(String::from_utf16_lossy(&units))
    }
}
