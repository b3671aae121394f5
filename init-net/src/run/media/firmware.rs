//! What the firmware hands over: SMBIOS, and QEMU's firmware configuration.

use std::io;
use std::path::Path;

use super::{MAX_FILE, MAX_MEDIUM, smbios};
use crate::config::platform::{Bodies, Medium};
use crate::sys::file;

/// Largest SMBIOS table, bytes: its length has 16 bits before version 3.0 (DSP0134 §5.2.1), and no more is seen since.
const MAX_TABLE: usize = 1 << 20;

/// Longest size in words, bytes.
const MAX_SIZE: usize = 32;

fn table(sys: &Path) -> Vec<u8> {
    file::read(&sys.join("firmware/dmi/tables/DMI"), MAX_TABLE).unwrap_or_default()
}

/// [`Medium::SmbiosSerial`].
pub fn serial(sys: &Path) -> Bodies {
    let shown = file::read(&sys.join("class/dmi/id/product_serial"), MAX_TABLE);
    let shown = shown.map(|serial| String::from_utf8_lossy(&serial).trim().to_owned());
    let serial = match shown {
        Ok(serial) if !serial.is_empty() => Some(serial),
        // A module of some kernels (dmi-sysfs has nothing to do with it): the table is there without.
        _ => smbios::serial(&table(sys)),
    };
    let serial = serial.map(|serial| (Medium::SMBIOS_SERIAL.to_owned(), serial.into_bytes()));
    serial.into_iter().collect()
}

/// [`Medium::OemStrings`].
pub fn oem_strings(sys: &Path, prefix: &str) -> Bodies {
    let strings = smbios::oem_strings(&table(sys));
    let ours = strings.iter().filter_map(|text| {
        let (name, value) = text.strip_prefix(prefix)?.split_once('=')?;
        Some((format!("oem/{name}"), value.as_bytes().to_owned()))
    });
    ours.collect()
}

/// [`Medium::FirmwareConfig`].
pub fn configuration(sys: &Path, folder: &str, files: &[&str]) -> Bodies {
    let mut bodies = Bodies::new();
    let mut left = MAX_MEDIUM;
    for name in files {
        let place = sys.join(format!("firmware/qemu_fw_cfg/by_name/{folder}{name}"));
        match blob(&place, MAX_FILE.min(left)) {
            Ok(content) => {
                left -= content.len();
                bodies.insert(format!("fw_cfg/{name}"), content);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => log::warn!("media: fw_cfg {folder}{name}: {error}"),
        }
    }
    bodies
}

/// The device is read byte by byte on some machines: what is too long is not begun.
fn blob(place: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let size = file::read(&place.join("size"), MAX_SIZE)?;
    let size: usize = String::from_utf8_lossy(&size)
        .trim()
        .parse()
        .map_err(io::Error::other)?;
    if size > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    file::read(&place.join("raw"), size)
}
