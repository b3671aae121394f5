//! What a machine says of itself, so that its platform can be told.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::variable;
use crate::sys::file;

/// Longest of these texts, bytes: a page of sysfs.
const MAX_TEXT: usize = 4096;

/// Longest environment, bytes: what a process can be started with is far below.
const MAX_ENVIRONMENT: usize = 4 << 20;

/// What is read of `/sys/class/dmi/id`.
const DMI: [&str; 10] = [
    "bios_vendor",
    "board_asset_tag",
    "board_vendor",
    "chassis_asset_tag",
    "product_family",
    "product_name",
    "product_serial",
    "product_uuid",
    "product_version",
    "sys_vendor",
];

/// What is read of `/sys/firmware/devicetree/base`.
const DEVICE_TREE: [&str; 3] = ["model", "compatible", "hypervisor/compatible"];

/// Files that container engines leave.
const CONTAINER_MARKS: [&str; 2] = ["run/.containerenv", ".dockerenv"];

/// What a machine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// SMBIOS by the names of `/sys/class/dmi/id`; what is empty is left out.
    pub dmi: BTreeMap<&'static str, String>,
    /// The number that Xen gave it.
    pub hypervisor_uuid: Option<String>,
    /// Model and compatible names of its device tree, the hypervisor's included.
    pub device_tree: Vec<String>,
    /// Whether it is a container.
    pub container: bool,
    /// Whether QEMU's firmware configuration has something for us (`opt/init-net/`).
    pub firmware_config: bool,
}

/// Reads the machine that is at `root` (`/`).
pub fn read(root: &Path) -> Machine {
    let sys = root.join("sys");
    let text = |path: &Path| {
        let content = file::read(path, MAX_TEXT).ok()?;
        let text = String::from_utf8_lossy(&content).trim().to_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    let dmi = DMI.into_iter();
    let tree = sys.join("firmware/devicetree/base");
    let tree = DEVICE_TREE.iter().filter_map(|name| text(&tree.join(name)));
    // Lists of texts that end with NUL each (Devicetree Specification 0.4 §2.2.4).
    let tree = tree.flat_map(|texts| {
        let texts = texts.split('\0').map(str::trim).filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect::<Vec<_>>()
    });
    Machine {
        dmi: dmi
            .filter_map(|name| Some((name, text(&sys.join("class/dmi/id").join(name))?)))
            .collect(),
        hypervisor_uuid: text(&sys.join("hypervisor/uuid")),
        device_tree: tree.collect(),
        container: is_container(root),
        firmware_config: sys
            .join("firmware/qemu_fw_cfg/by_name/opt/init-net")
            .is_dir(),
    }
}

/// Engines mark the root, or start PID 1 with `container=` (systemd.io/CONTAINER_INTERFACE).
fn is_container(root: &Path) -> bool {
    CONTAINER_MARKS.iter().any(|mark| root.join(mark).exists()) || {
        let environment = file::read(&root.join("proc/1/environ"), MAX_ENVIRONMENT);
        variable(&environment.unwrap_or_default(), "container").is_some()
    }
}

/// Whether the machine is one of VMware's.
pub fn is_vmware(sys: &Path) -> bool {
    let product = file::read(&sys.join("class/dmi/id/product_name"), MAX_TEXT);
    String::from_utf8_lossy(&product.unwrap_or_default()).contains("VMware")
}
