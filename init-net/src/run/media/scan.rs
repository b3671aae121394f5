//! One look at all media, which remembers what has been read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::child::Places;
use super::volume::{self, Device};
use super::{MAX_TOTAL, files, firmware, guestinfo, machine};
use crate::config::platform::{Bodies, Found, Medium, Volume};

/// Most volumes of which files are read: a machine has one or two that are meant.
const MAX_VOLUMES: usize = 64;

/// Gets what a medium says.
pub type Tell<'a> = dyn FnMut(usize, Found) -> io::Result<()> + 'a;

/// What has been read so far.
pub struct Scanner<'a> {
    media: &'a [Medium],
    places: &'a Places,
    /// Media that are no volumes and need no second look.
    done: BTreeSet<usize>,
    /// Disks by name, with the number of the medium that was in them.
    seen: BTreeMap<String, u64>,
    /// How often the medium of a disk was exchanged, for kernels that do not count.
    exchanged: BTreeMap<String, u64>,
    /// Volumes that may still be read, and bytes that may still be told.
    volumes_left: usize,
    bytes_left: usize,
}

impl<'a> Scanner<'a> {
    /// Nothing read yet.
    pub fn new(media: &'a [Medium], places: &'a Places) -> Self {
        Self {
            media,
            places,
            done: BTreeSet::new(),
            seen: BTreeMap::new(),
            exchanged: BTreeMap::new(),
            volumes_left: MAX_VOLUMES,
            bytes_left: MAX_TOTAL,
        }
    }

    /// Another medium is in the disk `name` now.
    pub fn forget(&mut self, name: &str) {
        *self.exchanged.entry(name.to_owned()).or_default() += 1;
    }

    /// Reads what is there and has not been read. Errors are those of `tell`.
    pub fn scan(&mut self, tell: &mut Tell<'_>) -> io::Result<()> {
        let media = self.media;
        for (number, medium) in media.iter().enumerate() {
            self.scan_plain(number, medium, tell)?;
        }
        self.scan_disks(tell)?;
        // Last: on a machine that only claims to be VMware's it is the end of this process.
        for (number, medium) in media.iter().enumerate() {
            if let Medium::GuestInfo(names) = medium
                && self.done.insert(number)
                && machine::is_vmware(&self.places.sys)
            {
                self.say(number, "VMware", guestinfo::read(names), tell)?;
            }
        }
        Ok(())
    }

    fn scan_plain(
        &mut self,
        number: usize,
        medium: &Medium,
        tell: &mut Tell<'_>,
    ) -> io::Result<()> {
        if self.done.contains(&number) {
            return Ok(());
        }
        let places = self.places;
        let (place, bodies) = match medium {
            Medium::Volume(_) | Medium::GuestInfo(_) => return Ok(()),
            Medium::SmbiosSerial => ("SMBIOS", firmware::serial(&places.sys)),
            Medium::OemStrings(prefix) => ("SMBIOS", firmware::oem_strings(&places.sys, prefix)),
            Medium::FirmwareConfig { folder, files } => {
                let bodies = firmware::configuration(&places.sys, folder, files);
                ("firmware configuration", bodies)
            }
            Medium::Files(paths) => ("files", files::read(&places.root, paths)),
            Medium::Environment(names) => ("environment", files::environment(places, names)),
        };
        // What is not there may come with a driver.
        if !bodies.is_empty() {
            self.done.insert(number);
        }
        self.say(number, place, bodies, tell)
    }

    fn say(
        &mut self,
        number: usize,
        place: &str,
        bodies: Bodies,
        tell: &mut Tell<'_>,
    ) -> io::Result<()> {
        if bodies.is_empty() {
            return Ok(());
        }
        let found = Found {
            place: place.to_owned(),
            label: None,
            bodies,
        };
        self.tell(number, found, tell)
    }

    fn tell(&mut self, number: usize, found: Found, tell: &mut Tell<'_>) -> io::Result<()> {
        let bytes = found.bodies.values().map(Vec::len).sum();
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                tell(number, found)
            }
            None => {
                log::warn!(
                    "media: {} is left out: more than {MAX_TOTAL} bytes in all",
                    found.place
                );
                Ok(())
            }
        }
    }

    fn scan_disks(&mut self, tell: &mut Tell<'_>) -> io::Result<()> {
        let volumes: Vec<(usize, &Volume)> = self
            .media
            .iter()
            .enumerate()
            .filter_map(volume_of)
            .collect();
        if volumes.is_empty() {
            return Ok(());
        }
        for device in volume::devices(self.places) {
            let medium = self.medium_in(&device);
            if self.seen.get(&device.name) == Some(&medium) {
                continue;
            }
            let found = match volume::read(&device, &volumes, &mut self.volumes_left) {
                Ok(Some(found)) => found,
                // Nothing in it yet.
                Ok(None) => continue,
                Err(error) => {
                    log::warn!("media: {}: {error}", device.path.display());
                    Vec::new()
                }
            };
            // Opening a drive is when the kernel notices that something was put into it.
            let medium = self.medium_in(&device);
            self.seen.insert(device.name.clone(), medium);
            for (number, found) in found {
                self.tell(number, found, tell)?;
            }
        }
        Ok(())
    }

    /// The number of the medium that is in the disk now.
    fn medium_in(&self, device: &Device) -> u64 {
        let exchanged = || self.exchanged.get(&device.name).copied();
        device.sequence().or_else(exchanged).unwrap_or_default()
    }
}

fn volume_of((number, medium): (usize, &Medium)) -> Option<(usize, &Volume)> {
    match medium {
        Medium::Volume(volume) => Some((number, volume)),
        _ => None,
    }
}
