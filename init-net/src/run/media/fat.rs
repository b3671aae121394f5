//! FAT12, FAT16 and FAT32, to be read without the kernel. Source: Microsoft, "FAT32 File System Specification" 1.03.
//!
//! A reader of our own because the crates are not made for disks of strangers: `fatfs` follows a circle of clusters for ever
//! and needs a second version of bitflags, `hadris-fat` is a release candidate with eight crates of its own.

mod directory;

use std::io;

use super::disk::{Disk, damaged, u16_at, u32_at};
use directory::{ENTRY, Entries};

/// Largest directory, bytes: the specification's 65,536 entries.
const MAX_DIRECTORY: usize = 65_536 * ENTRY;

/// Below so many clusters a volume without FAT32's fields has entries of 12 bits (§3.5).
const FAT12_CLUSTERS: u32 = 4_085;

/// How wide an entry of the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Bits12,
    Bits16,
    Bits32,
}

/// Where a directory is.
#[derive(Clone, Copy, Debug)]
enum Directory {
    /// The root of FAT12 and FAT16 has a place of its own.
    Fixed { offset: u64, length: usize },
    /// First cluster.
    Chain(u32),
}

/// A volume.
pub struct Fat<'a> {
    disk: &'a Disk<'a>,
    width: Width,
    /// Bytes of a cluster, and how many there are.
    cluster_size: usize,
    clusters: u32,
    /// Where the table is, and cluster 2, bytes.
    table: u64,
    data: u64,
    root: Directory,
    /// How it is called in the boot sector and in its root directory.
    pub labels: Vec<String>,
}

impl<'a> Fat<'a> {
    /// The volume, if this is one.
    pub fn open(disk: &'a Disk<'a>) -> io::Result<Option<Self>> {
        let sector = match disk.read(0, 512) {
            Ok(sector) => sector,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(mut fat) = Self::geometry(disk, &sector) else {
            return Ok(None);
        };
        fat.labels.extend(boot_label(&sector, fat.width));
        if let Some(label) = fat.root_label()?
            && !fat.labels.contains(&label)
        {
            fat.labels.push(label);
        }
        Ok(Some(fat))
    }

    /// The BIOS parameter block (§3.1); `None` where it is none: the first sector of a disk with partitions, of NTFS, of exFAT.
    fn geometry(disk: &'a Disk<'a>, sector: &[u8]) -> Option<Self> {
        let byte = |offset: usize| sector.get(offset).copied();
        let word = |offset| u16_at(sector, offset).map(u32::from);
        if sector.get(510..512)? != [0x55, 0xaa]
            || !matches!(byte(0)?, 0xeb | 0xe9)
            || byte(21)? < 0xf0
        {
            return None;
        }
        let sector_size = word(11)?;
        let per_cluster = u32::from(byte(13)?);
        let [reserved, tables, entries] = [word(14)?, u32::from(byte(16)?), word(17)?];
        let either = |short: u32, long: u32| if short == 0 { long } else { short };
        let total = either(word(19)?, u32_at(sector, 32)?);
        let wide = word(22)? == 0;
        let table_length = either(word(22)?, u32_at(sector, 36)?);
        if !matches!(sector_size, 512 | 1024 | 2048 | 4096)
            || !per_cluster.is_power_of_two()
            || [reserved, tables, table_length].contains(&0)
        {
            return None;
        }
        let root_length = usize::try_from(entries).ok()?.checked_mul(ENTRY)?;
        let root_sectors = u32::try_from(root_length).ok()?.div_ceil(sector_size);
        let root = reserved.checked_add(tables.checked_mul(table_length)?)?;
        let data = root.checked_add(root_sectors)?;
        let clusters = total.checked_sub(data)? / per_cluster;
        let width = match clusters {
            _ if wide => Width::Bits32,
            ..FAT12_CLUSTERS => Width::Bits12,
            _ => Width::Bits16,
        };
        let bytes = |sectors: u32| u64::from(sectors) * u64::from(sector_size);
        Some(Self {
            disk,
            width,
            cluster_size: usize::try_from(per_cluster.checked_mul(sector_size)?).ok()?,
            clusters,
            table: bytes(reserved),
            data: bytes(data),
            root: if wide {
                Directory::Chain(u32_at(sector, 44)?)
            } else {
                Directory::Fixed {
                    offset: bytes(root),
                    length: root_length,
                }
            },
            labels: Vec::new(),
        })
    }

    fn root_label(&self) -> io::Result<Option<String>> {
        let root = self.directory(self.root)?;
        Ok(Entries::new(&root)
            .find(|entry| entry.is_label)
            .map(|entry| entry.short))
    }

    /// The file at `path`, in any case, at most `limit` bytes of it (more is `FileTooLarge`); `None`: there is none.
    pub fn file(&self, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let mut at = Some(self.root);
        let mut names = path.split('/').peekable();
        while let (Some(name), Some(directory)) = (names.next(), at) {
            let content = self.directory(directory)?;
            let Some(entry) = Entries::new(&content).find(|entry| entry.is(name)) else {
                return Ok(None);
            };
            if names.peek().is_none() && !entry.is_directory {
                let length = usize::try_from(entry.length).map_err(io::Error::other)?;
                if length > limit {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                return self.chain(entry.cluster, Some(length)).map(Some);
            }
            at = entry
                .is_directory
                .then_some(Directory::Chain(entry.cluster));
        }
        Ok(None)
    }

    fn directory(&self, directory: Directory) -> io::Result<Vec<u8>> {
        match directory {
            Directory::Fixed { offset, length } => self.disk.read(offset, length),
            Directory::Chain(cluster) => self.chain(cluster, None),
        }
    }

    /// The content of the clusters from `cluster` on: `length` bytes, or to the end of a directory.
    fn chain(&self, mut cluster: u32, length: Option<usize>) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let most = length.unwrap_or(MAX_DIRECTORY);
        // Every turn adds a cluster, so a circle ends at the limit.
        while content.len() < most {
            let Some(number) = cluster
                .checked_sub(2)
                .filter(|number| *number < self.clusters)
            else {
                if length.is_some() {
                    return Err(damaged("a file that is shorter than it says"));
                }
                break;
            };
            let size = u64::try_from(self.cluster_size).map_err(io::Error::other)?;
            let part = self.cluster_size.min(most - content.len());
            let offset = self.data + u64::from(number) * size;
            content.extend(self.disk.read(offset, part)?);
            cluster = self.next(cluster)?;
        }
        Ok(content)
    }

    /// The entry of the table: the next cluster, or a number that none has.
    fn next(&self, cluster: u32) -> io::Result<u32> {
        let at = u64::from(cluster);
        let (offset, length) = match self.width {
            Width::Bits12 => (at + at / 2, 2),
            Width::Bits16 => (at * 2, 2),
            Width::Bits32 => (at * 4, 4),
        };
        let entry = self.disk.read(self.table + offset, length)?;
        let value = match self.width {
            Width::Bits32 => u32_at(&entry, 0).map(|entry| entry & 0x0fff_ffff),
            _ => u16_at(&entry, 0).map(u32::from),
        };
        let value = value.ok_or_else(|| damaged("a table that ends early"))?;
        Ok(match self.width {
            Width::Bits12 if cluster % 2 == 1 => value >> 4,
            Width::Bits12 => value & 0xfff,
            _ => value,
        })
    }
}

/// The label in the boot sector, where its signature says that there is one (§3.1: BS_BootSig, BS_VolLab).
fn boot_label(sector: &[u8], width: Width) -> Option<String> {
    let at = if width == Width::Bits32 { 66 } else { 38 };
    let signature = sector.get(at)?;
    let label = String::from_utf8_lossy(sector.get(at + 5..at + 16)?).into_owned();
    let label = label.trim_end();
    (*signature == 0x29 && !label.is_empty() && label != "NO NAME").then(|| label.to_owned())
}
