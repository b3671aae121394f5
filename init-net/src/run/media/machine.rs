//! What a machine says of itself, so that its platform can be told.

use std::path::Path;

use super::files::variable;
use crate::config::platform::detect::Machine;
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

/// What an engine puts into every container while it runs. `/.dockerenv` is no such thing: images of machines that were made
/// from an exported container have it as well.
const CONTAINER_MARK: &str = "run/.containerenv";

/// What the firmware and the hypervisor say of this machine.
pub fn machine() -> Machine {
    read(Path::new("/"))
}

/// The same of the machine whose root is `root`.
fn read(root: &Path) -> Machine {
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
        let texts = texts
            .split('\0')
            .map(str::trim)
            .filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect::<Vec<_>>()
    });
    Machine {
        dmi: dmi
            .filter_map(|name| Some((name, text(&sys.join("class/dmi/id").join(name))?)))
            .collect(),
        hypervisor_uuid: text(&sys.join("hypervisor/uuid")),
        device_tree: tree.collect(),
        container: is_container(root),
    }
}

/// Engines mark the root, or start PID 1 with `container=` (systemd.io/CONTAINER_INTERFACE).
fn is_container(root: &Path) -> bool {
    root.join(CONTAINER_MARK).exists() || {
        let environment = file::read(&root.join("proc/1/environ"), MAX_ENVIRONMENT);
        variable(&environment.unwrap_or_default(), "container").is_some()
    }
}

/// Whether the machine is one of VMware's.
pub fn is_vmware(sys: &Path) -> bool {
    let product = file::read(&sys.join("class/dmi/id/product_name"), MAX_TEXT);
    String::from_utf8_lossy(&product.unwrap_or_default()).contains("VMware")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_tree_like_that_of_the_kernel() {
        let root = std::env::temp_dir().join(format!("init-net-machine-{}", std::process::id()));
        let write = |path: &str, content: &[u8]| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write(".dockerenv", b"");
        assert_eq!(read(&root), Machine::default());
        write("sys/class/dmi/id/sys_vendor", b"Example, Inc.\n");
        write("sys/class/dmi/id/product_name", b"VMware20,1\n");
        write("sys/class/dmi/id/board_asset_tag", b" \n");
        write("sys/class/dmi/id/modalias", b"dmi:\n");
        write(
            "sys/hypervisor/uuid",
            b"ec2f0000-0000-4000-8000-000000000001\n",
        );
        write("sys/firmware/devicetree/base/model", b"virt\0");
        write(
            "sys/firmware/devicetree/base/hypervisor/compatible",
            b"linux,kvm\0kvm\0",
        );
        write("proc/1/environ", b"PATH=/\0container=lxc\0");
        let machine = read(&root);
        assert!(is_vmware(&root.join("sys")));
        fs::remove_dir_all(&root).unwrap();
        let dmi = [
            ("product_name", "VMware20,1"),
            ("sys_vendor", "Example, Inc."),
        ];
        let expect = Machine {
            dmi: dmi.map(|(name, text)| (name, text.to_owned())).into(),
            hypervisor_uuid: Some("ec2f0000-0000-4000-8000-000000000001".into()),
            device_tree: ["virt", "linux,kvm", "kvm"].map(str::to_owned).into(),
            container: true,
        };
        assert_eq!(machine, expect);
    }
}
