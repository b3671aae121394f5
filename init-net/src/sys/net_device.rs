//! What sysfs knows about a network card and the machine it is in.

use std::path::{Path, PathBuf};

use super::file;
use crate::value::LinkName;

/// Longest DMI string, bytes: SMBIOS has no limit, the kernel's buffers are a page.
const MAX_DMI: usize = 4096;

/// The kernel driver of a card, `None` for links that are software only.
pub fn driver(link: &LinkName) -> Option<String> {
    let device = Path::new("/sys/class/net")
        .join(link.as_str())
        .join("device/driver");
    file_name(std::fs::read_link(device).ok()?)
}

/// The machine's UUID (`dmidecode -s system-uuid`), lower case.
pub fn product_uuid() -> Option<String> {
    dmi("product_uuid").map(|uuid| uuid.to_ascii_lowercase())
}

/// The machine's serial number.
pub fn product_serial() -> Option<String> {
    dmi("product_serial")
}

/// A field of `/sys/class/dmi/id`: what the firmware says, which clouds use to show themselves.
pub fn dmi(field: &str) -> Option<String> {
    let content = file::read(&Path::new("/sys/class/dmi/id").join(field), MAX_DMI).ok()?;
    let text = String::from_utf8_lossy(&content).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn file_name(path: PathBuf) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}
