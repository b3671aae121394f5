//! Disks, partitions and CDs: which there are, what is on them, and whether it is what a medium asks for.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::child::Places;
use super::disk::Disk;
use super::fat::Fat;
use super::iso9660::Iso;
use super::mounted::{self, Mounted};
use super::{MAX_FILE, MAX_MEDIUM};
use crate::config::platform::{Bodies, FileSystem, Found, Volume};
use crate::sys::{cdrom, file};

/// Disks and partitions that are looked at: a large storage server has some hundreds.
const MAX_DEVICES: usize = 1024;

/// Longest file of sysfs, bytes.
const MAX_ATTRIBUTE: usize = 4096;

/// A disk, partition or drive.
pub struct Device {
    /// In `/sys/class/block`.
    pub name: String,
    /// In `/dev`.
    pub path: PathBuf,
    /// What sysfs has of it.
    attributes: PathBuf,
}

/// What there is, CD drives first: they are what configurations are put into mostly.
pub fn devices(places: &Places) -> Vec<Device> {
    let class = places.sys.join("class/block");
    let Ok(entries) = std::fs::read_dir(&class) else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .take(MAX_DEVICES)
        .filter(|name| is_medium(name))
        .collect();
    names.sort_by_key(|name| (!is_drive(name), name.len(), name.clone()));
    let device = |name: String| Device {
        // Slashes in names of devices are written so (drivers/base/core.c).
        path: places.dev.join(name.replace('!', "/")),
        attributes: class.join(&name),
        name,
    };
    names.into_iter().map(device).collect()
}

/// Memory is none, and a floppy drive takes seconds to say that it is empty.
fn is_medium(name: &str) -> bool {
    let is = |kind: &str| {
        let number = name.strip_prefix(kind);
        number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    !["ram", "zram", "fd"].into_iter().any(is)
}

fn is_drive(name: &str) -> bool {
    let number = name.strip_prefix("sr");
    number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

impl Device {
    /// The kernel's number of the medium in it (Linux 5.15): another medium has another.
    pub fn sequence(&self) -> Option<u64> {
        let of_partition = || self.attribute("../diskseq");
        let number = self.attribute("diskseq").or_else(of_partition)?;
        number.parse().ok()
    }

    fn attribute(&self, name: &str) -> Option<String> {
        let content = file::read(&self.attributes.join(name), MAX_ATTRIBUTE).ok()?;
        Some(String::from_utf8_lossy(&content).trim().to_owned())
    }

    /// The label of a partition in a GPT.
    fn partition_label(&self) -> Option<String> {
        let uevent = self.attribute("uevent")?;
        let mut fields = uevent.lines();
        fields
            .find_map(|field| field.strip_prefix("PARTNAME="))
            .map(str::to_owned)
    }

    /// `None`: nothing is in it.
    fn open(&self) -> io::Result<Option<File>> {
        if is_drive(&self.name) {
            return cdrom::open(&self.path);
        }
        // A loop device without a file, a network disk without a server.
        if self.attribute("size").is_none_or(|sectors| sectors == "0") {
            return Ok(None);
        }
        File::open(&self.path).map(Some)
    }
}

/// What is on `device` for each of `volumes`, which have numbers; `left` more volumes may be read. `None`: nothing is in it.
pub fn read(
    device: &Device,
    volumes: &[(usize, &Volume)],
    left: &mut usize,
) -> io::Result<Option<Vec<(usize, Found)>>> {
    let Some(file) = device.open()? else {
        return Ok(None);
    };
    let disk = Disk::new(&file);
    let contents = Contents::of(&disk, &device.path, device.partition_label());
    let mut all = Vec::new();
    for (number, volume) in volumes {
        if let Some(found) = contents.read(volume, left) {
            all.push((*number, found));
        }
    }
    Ok(Some(all))
}

/// What is on a disk.
pub struct Contents<'a> {
    path: &'a Path,
    partition_label: Option<String>,
    iso: Option<Iso<'a>>,
    fat: Option<Fat<'a>>,
    udf: bool,
}

impl<'a> Contents<'a> {
    /// Looks at the beginning of `disk`; a file system that is damaged is none.
    pub fn of(disk: &'a Disk<'a>, path: &'a Path, partition_label: Option<String>) -> Self {
        let damaged = |error: io::Error| log::warn!("media: {}: {error}", path.display());
        Self {
            path,
            partition_label,
            iso: Iso::open(disk).unwrap_or_else(|error| {
                damaged(error);
                None
            }),
            fat: Fat::open(disk).unwrap_or_else(|error| {
                damaged(error);
                None
            }),
            udf: mounted::is_udf(disk).unwrap_or_default(),
        }
    }

    /// The files of `volume`, if this is the one.
    pub fn read(&self, volume: &Volume, left: &mut usize) -> Option<Found> {
        let systems = volume.file_systems.iter();
        systems
            .copied()
            .find_map(|system| self.read_as(volume, system, left))
    }

    fn read_as(&self, volume: &Volume, system: FileSystem, left: &mut usize) -> Option<Found> {
        let (name, labels) = match system {
            FileSystem::Iso9660 => ("iso9660", &self.iso.as_ref()?.labels[..]),
            FileSystem::Vfat => ("vfat", &self.fat.as_ref()?.labels[..]),
            FileSystem::Udf => ("udf", self.udf.then_some(&[][..])?),
        };
        let all = || labels.iter().chain(&self.partition_label);
        let named = |label: &&String| {
            let wanted = volume.labels.iter();
            wanted
                .map(|wanted| wanted.to_lowercase())
                .any(|wanted| wanted == label.to_lowercase())
        };
        let label = if volume.labels.is_empty() {
            all().next()
        } else {
            Some(all().find(named)?)
        };
        let place = match label {
            Some(label) => format!("{} ({name}, {label:?})", self.path.display()),
            None => format!("{} ({name})", self.path.display()),
        };
        let Some(fewer) = left.checked_sub(1) else {
            log::warn!("media: {place} is left out: too many volumes");
            return None;
        };
        let tree = match self.tree(system) {
            Ok(tree) => tree?,
            Err(error) => {
                log::warn!("media: {place}: {error}");
                return None;
            }
        };
        let bodies = tree.bodies(volume, &place)?;
        *left = fewer;
        Some(Found {
            place,
            label: label.cloned(),
            bodies,
        })
    }

    fn tree(&self, system: FileSystem) -> io::Result<Option<Tree<'_>>> {
        Ok(match system {
            FileSystem::Iso9660 => self.iso.as_ref().map(Tree::Iso),
            FileSystem::Vfat => self.fat.as_ref().map(Tree::Fat),
            FileSystem::Udf => Some(Tree::Mounted(Mounted::open(self.path, "udf")?)),
        })
    }
}

/// Files by path.
enum Tree<'a> {
    Iso(&'a Iso<'a>),
    Fat(&'a Fat<'a>),
    Mounted(Mounted),
}

impl Tree<'_> {
    fn file(&self, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Iso(iso) => iso.file(path, limit),
            Self::Fat(fat) => fat.file(path, limit),
            Self::Mounted(mounted) => mounted.file(path, limit),
        }
    }

    /// The files of `volume` that are there; `None` when the first is not and no label said that this is the one. A file
    /// that cannot be read counts as missing.
    fn bodies(&self, volume: &Volume, place: &str) -> Option<Bodies> {
        let mut bodies = Bodies::new();
        let mut left = MAX_MEDIUM;
        for (number, path) in volume.files.iter().enumerate() {
            let body = self.file(path, MAX_FILE.min(left)).unwrap_or_else(|error| {
                log::warn!("media: {place}: {path}: {error}");
                None
            });
            match body {
                Some(body) => {
                    left -= body.len();
                    bodies.insert((*path).to_owned(), body);
                }
                None if number == 0 && volume.labels.is_empty() => return None,
                None => {}
            }
        }
        Some(bodies)
    }
}
