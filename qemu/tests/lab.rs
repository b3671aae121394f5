//! The lab itself, with busybox as the guest: when this fails, the lab is broken and not init-net.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use initramfs::Compression;
use initramfs::Image;
use qemu::Lab;
use qemu::Vm;
use qemu::artefacts;
use qemu::artefacts::Kernel;
use qemu::peer::Dnsmasq;

/// A boot under TCG takes three to six seconds on one core; this is for a machine that is busy with other things.
const BOOT: Duration = Duration::from_secs(120);

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x77, 0, 1];

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
modprobe virtio_pci
modprobe virtio_net
until [ -e /sys/class/net/eth0 ]; do usleep 10000; done
ip link set eth0 up
echo "@ carrier $(cat /sys/class/net/eth0/carrier)"
until [ "$(cat /sys/class/net/eth0/carrier)" = 1 ]; do usleep 10000; done
udhcpc -i eth0 -q -n -s /script
echo "@ lookup $(nslookup www.lab.test | grep Address | tail -n 1)"
poweroff -f
"#;

const SCRIPT: &str = r#"#!/bin/busybox sh
[ "$1" = bound ] && ip address add "$ip/$mask" dev "$interface" && echo "@ bound $ip/$mask router $router"
echo "nameserver $dns" > /etc/resolv.conf
"#;

fn image(kernel: &Kernel) -> Vec<u8> {
    Image::new()
        .binary("/bin/busybox", artefacts::busybox().unwrap())
        .file("/init", INIT, 0o755)
        .file("/script", SCRIPT, 0o755)
        .modules(&kernel.modules, &["virtio_pci", "virtio_net"])
        .build(Compression::Gzip)
        .unwrap()
}

#[test]
fn a_guest_boots_plugs_in_leases_and_powers_off() {
    let kernel = Kernel::find().unwrap();
    let lab = Lab::new("lab-itself").unwrap();
    lab.namespace().bridge("lan", &["10.77.0.1/24"]).unwrap();
    lab.namespace().tap("port0", "lan").unwrap();
    let dnsmasq = Dnsmasq::builder("lan")
        .range("10.77.0.50", "10.77.0.59", "1h")
        .host(MAC, "10.77.0.55")
        .name("www.lab.test", "10.77.0.80")
        .start(&lab)
        .unwrap();

    let mut vm = Vm::builder(&kernel)
        .initrd(image(&kernel))
        .nic_unplugged("port0", MAC)
        .start(&lab)
        .unwrap();
    vm.wait_for_line("@ carrier 0", BOOT).unwrap();
    assert_eq!(dnsmasq.count("DHCPDISCOVER"), 0);

    vm.set_carrier(0, true).unwrap();
    let bound = vm.wait_for_line("@ bound", BOOT).unwrap();
    assert_eq!(bound, "@ bound 10.77.0.55/24 router 10.77.0.1");
    vm.wait_exit(BOOT).unwrap();
    let lookup = vm.wait_for_line("@ lookup", BOOT).unwrap();
    assert!(lookup.contains("10.77.0.80"), "{lookup}");
    assert!(dnsmasq.count("DHCPDISCOVER") >= 1);
    assert_eq!(dnsmasq.count("DHCPACK"), 1);
}
