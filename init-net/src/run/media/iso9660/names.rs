//! Names of a directory record: Rock Ridge (IEEE P1282) in its system use fields (SUSP, P1281), else Joliet or plain.

use std::io;

use super::super::disk::{damaged, u32_at};
use super::{Extent, Iso};

/// Areas of system use that continue each other; a name of 255 bytes needs two.
const MAX_AREAS: usize = 8;

/// Largest continued area, bytes: one sector.
const MAX_AREA: u32 = 2048;

/// Longest name, bytes.
const MAX_NAME: usize = 1024;

/// Signatures of fields: the name, a symbolic link, where the area goes on, its end.
const NAME: [u8; 2] = *b"NM";
const LINK: [u8; 2] = *b"SL";
const CONTINUED: [u8; 2] = *b"CE";
const END: [u8; 2] = *b"ST";

/// A tree with system use fields.
pub(super) struct Susp {
    /// Bytes that something else has in front of them.
    skip: usize,
}

impl Susp {
    /// What the first record of a root says (SUSP §5.3).
    pub(super) fn of(record: &[u8]) -> Option<Self> {
        let area = system_use(record)?;
        match *area {
            [b'S', b'P', 7, 1, 0xbe, 0xef, skip, ..] => Some(Self {
                skip: usize::from(skip),
            }),
            _ => None,
        }
    }
}

/// What a directory record is called.
pub(super) struct Names {
    name: String,
    /// Whether the name is one of the 37 characters and the length that ISO 9660 has.
    is_plain: bool,
    /// Whether it is a symbolic link.
    pub(super) is_link: bool,
}

impl Names {
    pub(super) fn of(
        record: &[u8],
        joliet: bool,
        susp: Option<&Susp>,
        iso: &Iso<'_>,
    ) -> io::Result<Self> {
        let length = record.get(32).copied().map_or(0, usize::from);
        let name = record.get(33..33 + length).unwrap_or_default();
        let mut names = Self {
            name: if joliet {
                utf16(name)
            } else {
                String::from_utf8_lossy(name).into_owned()
            },
            is_plain: !joliet,
            is_link: false,
        };
        let area = susp.and_then(|susp| system_use(record)?.get(susp.skip..));
        if let Some(area) = area {
            names.read_rock_ridge(area, iso)?;
        }
        if names.is_plain || joliet {
            // A version behind the name, and a point that ends a name without extension.
            let name = names
                .name
                .split_once(';')
                .map_or(&*names.name, |(name, _)| name);
            names.name = name.trim_end_matches('.').to_owned();
        }
        Ok(names)
    }

    fn read_rock_ridge(&mut self, area: &[u8], iso: &Iso<'_>) -> io::Result<()> {
        let mut name = Vec::new();
        let mut area = area.to_owned();
        for _ in 0..MAX_AREAS {
            let next = self.read_area(&area, &mut name);
            if name.len() > MAX_NAME {
                return Err(damaged("a name of more than 1 KiB"));
            }
            match next {
                Some((extent, offset)) => {
                    let block = iso.read(extent, MAX_AREA)?;
                    area = block.get(offset..).unwrap_or_default().to_owned();
                }
                None => break,
            }
        }
        if !name.is_empty() {
            self.is_plain = false;
            self.name = String::from_utf8_lossy(&name).into_owned();
        }
        Ok(())
    }

    /// Takes the fields of one area; where it goes on.
    fn read_area(&mut self, mut area: &[u8], name: &mut Vec<u8>) -> Option<(Extent, usize)> {
        let mut next = None;
        // Signature, length, version, content (SUSP §4.1).
        while let [first, second, length, _, ..] = *area {
            let (field, rest) = area.split_at_checked(usize::from(length.max(4)))?;
            area = rest;
            match [first, second] {
                // Flags: 2 and 4 are `.` and `..` (RRIP §4.1.4).
                NAME if field.get(4).is_some_and(|flags| flags & 6 == 0) => {
                    name.extend(field.get(5..).unwrap_or_default());
                }
                LINK => self.is_link = true,
                CONTINUED => next = continued(field),
                END => break,
                _ => {}
            }
        }
        next
    }
}

/// Where a continued area is: block, offset in it, length (SUSP §5.1).
fn continued(field: &[u8]) -> Option<(Extent, usize)> {
    let offset = u32_at(field, 12)?;
    let extent = Extent {
        block: u32_at(field, 4)?,
        length: offset.checked_add(u32_at(field, 20)?)?,
    };
    Some((extent, usize::try_from(offset).ok()?))
}

/// What follows the name of a record; a byte makes the name's length odd (ECMA-119 §9.1.12).
fn system_use(record: &[u8]) -> Option<&[u8]> {
    let length = usize::from(*record.get(32)?);
    record.get(33 + length + (1 - length % 2)..)
}

impl Names {
    /// Whether they are `name`, in any case; or, if that is asked for, what a plain disc has of it.
    pub(super) fn are(&self, name: &str, shortened: bool) -> bool {
        let is = |name: &str| self.name.to_lowercase() == name.to_lowercase();
        if shortened {
            self.is_plain && is(&mangled(name))
        } else {
            is(name)
        }
    }
}

/// UCS-2, big-endian (Joliet §3.2).
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).filter_map(|pair| match *pair {
        [high, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    });
    let units: Vec<u16> = units.collect();
    String::from_utf16_lossy(&units)
}

/// `name` as mkisofs writes it on a disc without other names: eight characters, a point, three.
fn mangled(name: &str) -> String {
    let part = |text: &str, length: usize| -> String {
        let characters = text.chars().take(length);
        characters
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_uppercase()
                } else {
                    '_'
                }
            })
            .collect()
    };
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{}.{}", part(stem, 8), part(extension, 3)),
        None => part(name, 8),
    }
}
