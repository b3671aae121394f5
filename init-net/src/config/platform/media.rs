//! [`Medium`]: places of the machine itself that hold a configuration, and what reading them gives.
//!
//! Keys: what a medium says is among the answers under the name of the file in it (`user-data`,
//! `openstack/latest/meta_data.json`), or as written beside each kind. `--metadata-dir DIR` holds files of the same names.

use serde::{Deserialize, Serialize};

use super::Bodies;

/// A file system of a [`Volume`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSystem {
    /// ECMA-119, with Rock Ridge or Joliet names.
    Iso9660,
    /// FAT12, FAT16, FAT32.
    Vfat,
    /// ECMA-167.
    Udf,
}

/// A disk, partition or CD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Labels that make it the one, in any case: of the file system or of the GPT partition. Empty: it is the one when
    /// the first of `files` is on it.
    pub labels: &'static [&'static str],
    /// Which file systems it may have.
    pub file_systems: &'static [FileSystem],
    /// What to read, in any case; every file may be missing. The path is the key.
    pub files: &'static [&'static str],
}

/// A place of the machine itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Files of a file system.
    Volume(Volume),
    /// The serial number of the system, SMBIOS type 1 (DSP0134 §7.2). Key `smbios-serial`.
    SmbiosSerial,
    /// OEM strings, SMBIOS type 11 (DSP0134 §7.12), that begin so: `prefix` and then `name=text`. Key `oem/name`.
    OemStrings(&'static str),
    /// Files under this folder of QEMU's firmware configuration (`-fw_cfg name=opt/…`). Key `fw_cfg/` and the name.
    FirmwareConfig {
        /// With a `/` at its end.
        folder: &'static str,
        /// Names in it.
        files: &'static [&'static str],
    },
    /// Variables of VMware's guest info (`info-get guestinfo.…`), without `guestinfo.` in front. Key `guestinfo/` and
    /// the name.
    GuestInfo(&'static [&'static str]),
    /// Files of the root file system; the path without its first `/` is the key.
    Files(&'static [&'static str]),
    /// Variables of the environment of PID 1. Key `env/` and the name.
    Environment(&'static [&'static str]),
}

impl Medium {
    /// Key of [`Medium::SmbiosSerial`].
    pub const SMBIOS_SERIAL: &'static str = "smbios-serial";
}

/// What one medium says.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it was: `/dev/sr0 (iso9660, "cidata")`, `SMBIOS`.
    pub place: String,
    /// The label of a volume as it is written.
    pub label: Option<String>,
    /// The bodies by key.
    pub bodies: Bodies,
}

impl core::fmt::Debug for Found {
    /// Without the bodies: they hold secrets.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let keys: Vec<&String> = self.bodies.keys().collect();
        write!(f, "{} {keys:?}", self.place)
    }
}
