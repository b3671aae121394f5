//! What sysfs knows about a network card and the machine it is in.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::file;
use crate::value::LinkName;

/// Longest attribute of a link, a device or the firmware, bytes: the kernel's buffers are a page.
const MAX_ATTRIBUTE: usize = 4096;

/// One folder a link.
const LINKS: &str = "/sys/class/net";

/// What sysfs tells of a network card. `None`: it does not, as for links that are software only. What the port is made for
/// and the version of the firmware are known to ethtool alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// `ice`, `virtio_net`.
    pub driver: Option<String>,
    /// Of a driver that counts its own.
    pub driver_version: Option<String>,
    /// Where it is plugged in: `0000:3b:00.0` (PCI), `1-1.4:1.0` (USB).
    pub bus_path: Option<String>,
    /// Vendor and device, upper case as in the kernel's uevents: `8086:15AB`. Other tools print lower case: compare
    /// without regard to it.
    pub pci_id: Option<String>,
    /// `0x8086`.
    pub vendor_id: Option<String>,
    /// `0x15ab`.
    pub product_id: Option<String>,
    /// What a USB device calls its maker. Names of PCI ids are in a table that an initramfs does not have.
    pub vendor: Option<String>,
    /// What a USB device calls itself.
    pub product: Option<String>,
    /// Carrier; a link that is down does not tell.
    pub carrier: Option<bool>,
    /// Mbit/s.
    pub speed_mbit: Option<u32>,
    /// Sends and receives at once.
    pub full_duplex: Option<bool>,
}

/// The kernel driver of a card, `None` for links that are software only.
pub fn driver(link: &LinkName) -> Option<String> {
    driver_of(&Path::new(LINKS).join(link.as_str()))
}

/// All that sysfs tells of `link`. Some drivers ask the card for its speed: a read can take milliseconds.
pub fn card(link: &LinkName) -> Card {
    card_in(&Path::new(LINKS).join(link.as_str()))
}

fn card_in(link: &Path) -> Card {
    let mut card = Card {
        driver: driver_of(link),
        driver_version: attribute(link, "device/driver/module/version"),
        carrier: attribute(link, "carrier").map(|text| text == "1"),
        // -1 (SPEED_UNKNOWN) is not a speed, and as an unsigned number it would be the highest of all.
        speed_mbit: attribute(link, "speed").and_then(|text| text.parse().ok()),
        full_duplex: attribute(link, "duplex").and_then(|text| match text.as_str() {
            "full" => Some(true),
            "half" => Some(false),
            _ => None,
        }),
        ..Card::default()
    };
    let Some(mut device) = std::fs::canonicalize(link.join("device")).ok() else {
        return card;
    };
    // A virtio device is a number that depends on the order of probing; the card is the PCI function it sits on, and
    // that is what ethtool prints. Without PCI (virtio-mmio) there is a platform device in its place.
    if device.file_name().is_some_and(is_virtio) {
        device.pop();
    }
    card.bus_path = file_name(device.clone());
    let uevent = attribute(&device, "uevent").unwrap_or_default();
    card.pci_id = uevent
        .lines()
        .find_map(|line| line.strip_prefix("PCI_ID="))
        .map(str::to_owned);
    if card.pci_id.is_some() {
        card.vendor_id = attribute(&device, "vendor");
        card.product_id = attribute(&device, "device");
    } else if let Some(usb) = device.parent() {
        // The link belongs to an interface of the USB device; ids and names are the device's.
        let prefixed = |name| attribute(usb, name).map(|id| format!("0x{id}"));
        card.vendor_id = prefixed("idVendor");
        card.product_id = prefixed("idProduct");
        if card.vendor_id.is_some() {
            card.vendor = attribute(usb, "manufacturer");
            card.product = attribute(usb, "product");
        }
    }
    card
}

fn is_virtio(name: &OsStr) -> bool {
    name.as_encoded_bytes()
        .strip_prefix(b"virtio")
        .is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

fn driver_of(link: &Path) -> Option<String> {
    file_name(std::fs::read_link(link.join("device/driver")).ok()?)
}

/// An attribute without white space around it; `None` when empty, missing, or refused (EINVAL of a link that is down).
fn attribute(folder: &Path, name: &str) -> Option<String> {
    let content = file::read(&folder.join(name), MAX_ATTRIBUTE).ok()?;
    let text = String::from_utf8_lossy(&content).trim().to_owned();
    (!text.is_empty()).then_some(text)
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
    attribute(Path::new("/sys/class/dmi/id"), field)
}

fn file_name(path: PathBuf) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder like /sys, gone with the value.
    struct Sys(PathBuf);

    impl Sys {
        fn new(name: &str) -> Self {
            let name = format!("init-net-card-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }

        fn write(&self, path: &str, content: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn link(&self, path: &str, to: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::create_dir_all(self.0.join(to)).unwrap();
            symlink(self.0.join(to), path).unwrap();
        }

        fn card(&self) -> Card {
            card_in(&self.0.join("net"))
        }
    }

    impl Drop for Sys {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_card_on_pci() {
        let sys = Sys::new("pci");
        sys.link("net/device", "pci0000:3a/0000:3b:00.0");
        sys.link("net/device/driver", "drivers/ice");
        sys.link("drivers/ice/module", "module/ice");
        sys.write("module/ice/version", "1.2\n");
        sys.write(
            "net/device/uevent",
            "DRIVER=ice\nPCI_CLASS=20000\nPCI_ID=8086:15AB\nPCI_SUBSYS_ID=8086:0001\n",
        );
        sys.write("net/device/vendor", "0x8086\n");
        sys.write("net/device/device", "0x15ab\n");
        sys.write("net/speed", "25000\n");
        sys.write("net/duplex", "full\n");
        sys.write("net/carrier", "1\n");
        let some = |text: &str| Some(text.to_owned());
        let expect = Card {
            driver: some("ice"),
            driver_version: some("1.2"),
            bus_path: some("0000:3b:00.0"),
            pci_id: some("8086:15AB"),
            vendor_id: some("0x8086"),
            product_id: some("0x15ab"),
            carrier: Some(true),
            speed_mbit: Some(25_000),
            full_duplex: Some(true),
            ..Card::default()
        };
        assert_eq!(sys.card(), expect);
    }

    #[test]
    fn virtio_is_where_its_pci_function_is() {
        let sys = Sys::new("virtio");
        sys.link("net/device", "pci0000:00/0000:00:03.0/virtio2");
        sys.write("pci0000:00/0000:00:03.0/uevent", "PCI_ID=1AF4:1041\n");
        sys.write("net/device/vendor", "0x1af4\n");
        sys.write("net/speed", "-1\n");
        sys.write("net/duplex", "unknown\n");
        let expect = Card {
            bus_path: Some("0000:00:03.0".into()),
            pci_id: Some("1AF4:1041".into()),
            ..Card::default()
        };
        assert_eq!(sys.card(), expect);
    }

    #[test]
    fn usb_names_itself() {
        let sys = Sys::new("usb");
        sys.link("net/device", "0000:00:14.0/usb1/1-1/1-1.4/1-1.4:1.0");
        let device = "0000:00:14.0/usb1/1-1/1-1.4";
        sys.write(&format!("{device}/idVendor"), "0b95\n");
        sys.write(&format!("{device}/idProduct"), "1790\n");
        sys.write(&format!("{device}/manufacturer"), "Maker\n");
        sys.write(&format!("{device}/product"), "Adapter \n");
        let expect = Card {
            bus_path: Some("1-1.4:1.0".into()),
            vendor_id: Some("0x0b95".into()),
            product_id: Some("0x1790".into()),
            vendor: Some("Maker".into()),
            product: Some("Adapter".into()),
            ..Card::default()
        };
        assert_eq!(sys.card(), expect);
    }

    #[test]
    fn a_link_of_software_has_no_card() {
        let sys = Sys::new("none");
        sys.write("net/carrier", "0\n");
        let expect = Card {
            carrier: Some(false),
            ..Card::default()
        };
        assert_eq!(sys.card(), expect);
    }
}
