//! The image of a guest: init-net as `/init`, busybox for its scripts, the modules of a virtual machine; for those that are
//! asked while they run, a session and real tools as well.

use std::path::PathBuf;

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

/// Every kind of link that a config can make, and the port that a [`crate::Session`] talks through. They only lie there:
/// nothing loads them by itself.
pub const LINK_MODULES: [&str; 11] = [
    "8021q",
    "bonding",
    "bridge",
    "dummy",
    "ipvlan",
    "macvlan",
    "veth",
    "virtio_console",
    "vrf",
    "vxlan",
    "wireguard",
];

/// What a firewall of ours is made of, whatever its rules: they lie in every image, and init-net loads what it needs of them.
pub const FIREWALL_MODULES: [&str; 8] = [
    "nf_conntrack",
    "nf_log_syslog",
    "nf_tables",
    "nft_ct",
    "nft_fib_inet",
    "nft_limit",
    "nft_log",
    "nft_reject_inet",
];

/// What a guest of [`image_of_media`] reads its configuration with.
fn media(kernel: &Kernel) -> Result<Vec<&'static str>> {
    Ok(initramfs::modules::media(&kernel.modules)?)
}

/// What a kernel is asked with, besides busybox: `ip -d -j`, `bridge -j`, `wg show all dump`.
pub const TOOLS: [&str; 4] = ["bridge", "ethtool", "ip", "wg"];

/// The guest's part of a [`crate::Session`], as a payload: init-net has handed off when it runs.
///
/// The port has its file a moment before it can be opened; `command` keeps a failed exec from ending the shell.
///
/// The shell reads a port byte by byte, so the body is left to head(1), which may read more than it needs: nothing comes
/// before the answer is out. busybox's shell takes its own ip(8) whatever the path says; a function comes before that, and a
/// script sees it in a subshell. A script does not get the port, so one that leaves a child behind does not keep it.
pub const SESSION: &str = r#"#!/bin/sh
export PATH=/usr/sbin:/bin
ip() { /usr/sbin/ip "$@"; }
port=none
until [ -c "$port" ] && command exec 3<> "$port"; do
    usleep 10000
    for port in /dev/vport*p1; do :; done
done
while read -r length <&3; do
    head -c "$length" <&3 > /tmp/script
    (. /tmp/script) > /tmp/output 2> /tmp/errors < /dev/null 3<&-
    status=$?
    {
        echo "$status $(stat -c %s /tmp/output) $(stat -c %s /tmp/errors)"
        cat /tmp/output /tmp/errors
    } >&3
done
poweroff -f
"#;

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
    with_payload(kernel, &[], script)
}

/// An image whose `/init` is init-net and whose payload is a [`SESSION`], with [`TOOLS`] and [`LINK_MODULES`]; the machine
/// needs [`crate::vm::Builder::session`]. `modprobe` is there for scripts, where the kernel's own requests do not find it.
///
/// # Errors
/// As [`image`], or the tools are missing.
pub fn image_of_session(kernel: &Kernel) -> Result<Image> {
    with_session(kernel, &LINK_MODULES)
}

fn with_session(kernel: &Kernel, modules: &[&str]) -> Result<Image> {
    let tools = artefacts::tools()?;
    let roots = [tools.clone(), PathBuf::from("/")];
    let mut image = with_payload(kernel, modules, SESSION)?;
    for tool in TOOLS {
        let program = artefacts::program(&tools, tool)?;
        image = image.program(&format!("/usr/sbin/{tool}"), program, &roots);
    }
    Ok(image.symlink("/bin/modprobe", "busybox"))
}

/// As [`image`], with the drivers of CDs, disks and QEMU's firmware configuration. Others are without: looking for disks takes a
/// second of each boot.
///
/// # Errors
/// As [`image`].
pub fn image_of_media(kernel: &Kernel, script: &str) -> Result<Image> {
    with_payload(kernel, &media(kernel)?, script)
}

/// As [`image_of_session`], with the drivers of [`image_of_media`].
///
/// # Errors
/// As [`image_of_session`].
pub fn image_of_session_and_media(kernel: &Kernel) -> Result<Image> {
    with_session(kernel, &[&LINK_MODULES, &media(kernel)?[..]].concat())
}

/// An image whose `/init` is `script` (for busybox sh), with init-net as a program beside it.
///
/// # Errors
/// As [`image`].
pub fn image_of_script(kernel: &Kernel, script: &str) -> Result<Image> {
    let image = basis(kernel, &FIREWALL_MODULES)?
        .binary("/bin/init-net", artefacts::init_net()?)
        .file("/init", script, 0o755);
    Ok(image)
}

fn with_payload(kernel: &Kernel, modules: &[&str], payload: &str) -> Result<Image> {
    let image = basis(kernel, &[modules, &FIREWALL_MODULES].concat())?
        .binary("/init", artefacts::init_net()?)
        .symlink("/bin/init-net", "/init")
        .file(PAYLOAD, payload, 0o755);
    Ok(image)
}

/// busybox with its programs, and the modules: [`MODULES`] and more.
fn basis(kernel: &Kernel, modules: &[&str]) -> Result<Image> {
    let mut image = Image::new()
        .binary("/bin/busybox", artefacts::busybox()?)
        .modules(&kernel.modules, &[&MODULES, modules].concat());
    for applet in APPLETS {
        image = image.symlink(&format!("/bin/{applet}"), "busybox");
    }
    Ok(image)
}
