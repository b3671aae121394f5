//! The image of a guest: init-net as `/init`, busybox for its scripts, the modules of a virtual machine.

use initramfs::Image;

use crate::Result;
use crate::artefacts;
use crate::artefacts::Kernel;

/// What a guest's devices and an ext4 root need; what the kernel has built in is skipped.
pub const MODULES: [&str; 5] = [
    "virtio_pci",
    "virtio_net",
    "virtio_blk",
    "virtio_rng",
    "ext4",
];

/// Programs of busybox that scripts of guests use, by name.
pub const APPLETS: [&str; 24] = [
    "awk", "cat", "echo", "env", "grep", "head", "hostname", "ip", "kill", "ls", "mkdir", "mount",
    "nslookup", "ping", "poweroff", "ps", "readlink", "sed", "sh", "sleep", "stat", "tail", "tr",
    "usleep",
];

/// Where a guest's script is; the kernel command line names it as `initnet.init=`.
pub const PAYLOAD: &str = "/payload";

/// An image whose `/init` is init-net and whose payload is `script` (for busybox sh).
///
/// # Errors
/// The binary under test or busybox is missing.
pub fn image(kernel: &Kernel, script: &str) -> Result<Image> {
    let image = tools(kernel)?
        .binary("/init", artefacts::init_net()?)
        .symlink("/bin/init-net", "/init")
        .file(PAYLOAD, script, 0o755);
    Ok(image)
}

/// An image whose `/init` is `script` (for busybox sh), with init-net as a program beside it.
///
/// # Errors
/// As [`image`].
pub fn image_of_script(kernel: &Kernel, script: &str) -> Result<Image> {
    let image = tools(kernel)?
        .binary("/bin/init-net", artefacts::init_net()?)
        .file("/init", script, 0o755);
    Ok(image)
}

/// busybox with its programs, and the modules.
fn tools(kernel: &Kernel) -> Result<Image> {
    let mut image = Image::new()
        .binary("/bin/busybox", artefacts::busybox()?)
        .modules(&kernel.modules, &MODULES);
    for applet in APPLETS {
        image = image.symlink(&format!("/bin/{applet}"), "busybox");
    }
    Ok(image)
}
