//! Topology → the argument vector of QEMU. Pure.

use std::path::PathBuf;

/// What runs the guest's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// Translation: everywhere, slower.
    #[default]
    Tcg,
    /// The host's processor; only after [`crate::probe::accelerator`] has proved it.
    Kvm,
}

/// A virtio network card on a tap of the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// The tap's name in the lab's namespace.
    pub tap: String,
    /// The card's hardware address.
    pub mac: [u8; 6],
    /// Whether the guest sees carrier from the start; [`crate::Vm::set_carrier`] changes it.
    pub carrier: bool,
}

/// A virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// What runs its instructions.
    pub accelerator: Accelerator,
    /// Memory, MiB.
    pub memory: u32,
    /// The kernel image.
    pub kernel: PathBuf,
    /// The initramfs, if it has one.
    pub initrd: Option<PathBuf>,
    /// The kernel command line, whole.
    pub cmdline: String,
    /// Network cards; the first is the guest's eth0.
    pub nics: Vec<Nic>,
    /// Raw disk images; the first is the guest's /dev/vda.
    pub disks: Vec<PathBuf>,
    /// CDs, four at most; `None` is a drive without one.
    pub cds: Vec<Option<PathBuf>>,
    /// Structures of SMBIOS: properties of `-smbios`, values as they are.
    pub smbios: Vec<[(&'static str, String); 2]>,
    /// QEMU's firmware configuration: names and files.
    pub firmware: Vec<(String, PathBuf)>,
    /// Number of the inherited descriptor that is a connected socket for the monitor.
    pub monitor: i32,
    /// Likewise for the guest's end of a [`crate::Session`], if it has one.
    pub session: Option<i32>,
}

/// The program that [`Machine::arguments`] are for.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// Command line pieces every guest gets: the serial console, no chatter, a panic that ends the machine at once, and no test of
/// the timer, which on a busy host fails in an emulated machine ("IO-APIC + timer doesn't work").
pub const CMDLINE: &str = "console=ttyS0 quiet panic=-1 no_timer_check";

impl Machine {
    /// The arguments of [`PROGRAM`]. The serial port is its standard output; it waits for `cont` on the monitor, so that
    /// carrier can be taken away before the guest sees it.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut option = |name: &str, value: String| {
            arguments.push(format!("-{name}"));
            arguments.push(value);
        };
        let (accelerator, processor) = match self.accelerator {
            Accelerator::Tcg => ("tcg", "max"),
            Accelerator::Kvm => ("kvm", "host"),
        };
        option("machine", format!("pc,accel={accelerator}"));
        option("cpu", processor.into());
        option("smp", "1".into());
        option("m", self.memory.to_string());
        option("display", "none".into());
        option("serial", "stdio".into());
        option("chardev", format!("socket,id=monitor,fd={}", self.monitor));
        option("mon", "chardev=monitor,mode=control".into());
        option("kernel", self.kernel.display().to_string());
        if let Some(initrd) = &self.initrd {
            option("initrd", initrd.display().to_string());
        }
        option("append", self.cmdline.clone());
        for (index, nic) in self.nics.iter().enumerate() {
            option("netdev", list("type", &backend(index, nic)));
            option("device", list("driver", &card(index, nic)));
        }
        for (index, disk) in self.disks.iter().enumerate() {
            let file = disk.display();
            option(
                "drive",
                format!("file={file},id=disk{index},format=raw,if=none"),
            );
            option("device", format!("virtio-blk-pci,drive=disk{index}"));
        }
        for (index, cd) in self.cds.iter().enumerate() {
            // Two controllers, two drives each.
            let place = format!("ide-cd,bus=ide.{},unit={}", index % 2, index / 2);
            let Some(file) = cd else {
                option("device", place);
                continue;
            };
            let file = comma(&file.display());
            option(
                "drive",
                format!("file={file},id=cd{index},format=raw,if=none,media=cdrom,readonly=on"),
            );
            option("device", format!("{place},drive=cd{index}"));
        }
        for properties in &self.smbios {
            let properties = properties.iter();
            let words: Vec<String> = properties
                .map(|(name, value)| format!("{name}={}", comma(value)))
                .collect();
            option("smbios", words.join(","));
        }
        for (name, file) in &self.firmware {
            let file = comma(&file.display());
            option("fw_cfg", format!("name={},file={file}", comma(name)));
        }
        if let Some(session) = self.session {
            option("device", "virtio-serial-pci".into());
            option("chardev", format!("socket,id=session,fd={session}"));
            option("device", "virtserialport,chardev=session".into());
        }
        // Guests need no time of day, and random numbers at once.
        option("device", "virtio-rng-pci".into());
        for flag in ["-nodefaults", "-no-user-config", "-no-reboot", "-S"] {
            arguments.push(flag.into());
        }
        arguments
    }
}

/// A value with commas in it: QEMU takes two for one.
fn comma(value: &impl ToString) -> String {
    value.to_string().replace(',', ",,")
}

/// Properties of the host's side of a card, as `-netdev` and `netdev_add` take them.
pub(crate) fn backend(index: usize, nic: &Nic) -> Vec<(&'static str, String)> {
    vec![
        ("type", "tap".into()),
        ("id", format!("net{index}")),
        ("ifname", nic.tap.clone()),
        ("script", "no".into()),
        ("downscript", "no".into()),
    ]
}

/// Properties of the guest's side of a card, as `-device` and `device_add` take them.
pub(crate) fn card(index: usize, nic: &Nic) -> Vec<(&'static str, String)> {
    vec![
        ("driver", "virtio-net-pci".into()),
        ("id", card_id(index)),
        ("netdev", format!("net{index}")),
        ("mac", mac_text(nic.mac)),
        // No boot ROM: the file comes with another package, and nothing boots from the card.
        ("romfile", String::new()),
        // Without a speed and full duplex a bond sends no LACP frames from the card.
        ("speed", "1000".into()),
        ("duplex", "full".into()),
    ]
}

/// The monitor's name of a card.
pub(crate) fn card_id(index: usize) -> String {
    format!("nic{index}")
}

/// `tap,id=net0`: the property `first` goes without its name.
fn list(first: &str, properties: &[(&str, String)]) -> String {
    let words = properties.iter().map(|(name, value)| {
        if *name == first {
            value.clone()
        } else {
            format!("{name}={value}")
        }
    });
    words.collect::<Vec<_>>().join(",")
}

/// `52:54:00:00:00:01`.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(machine: &Machine, expect: &str) {
        let lines = machine.arguments().join(" ").replace(" -", "\n-");
        assert_eq!(lines, expect.trim());
    }

    #[test]
    fn golden() {
        let bare = Machine {
            accelerator: Accelerator::Kvm,
            memory: 256,
            kernel: "/k".into(),
            initrd: None,
            cmdline: "quiet".into(),
            nics: vec![],
            disks: vec![],
            cds: vec![],
            smbios: vec![],
            firmware: vec![],
            monitor: 7,
            session: None,
        };
        check(
            &bare,
            "
-machine pc,accel=kvm
-cpu host
-smp 1
-m 256
-display none
-serial stdio
-chardev socket,id=monitor,fd=7
-mon chardev=monitor,mode=control
-kernel /k
-append quiet
-device virtio-rng-pci
-nodefaults
-no-user-config
-no-reboot
-S",
        );
        let full = Machine {
            accelerator: Accelerator::Tcg,
            initrd: Some("/i".into()),
            nics: vec![
                Nic {
                    tap: "port0".into(),
                    mac: [0x52, 0x54, 0, 0, 0, 1],
                    carrier: true,
                },
                Nic {
                    tap: "port1".into(),
                    mac: [0x52, 0x54, 0, 0, 0, 0xfe],
                    carrier: false,
                },
            ],
            disks: vec!["/d".into()],
            cds: vec![None, Some("/c".into())],
            smbios: vec![[("type", "1".into()), ("serial", "a,b".into())]],
            firmware: vec![("opt/a".into(), "/f".into())],
            session: Some(8),
            ..bare
        };
        check(
            &full,
            "
-machine pc,accel=tcg
-cpu max
-smp 1
-m 256
-display none
-serial stdio
-chardev socket,id=monitor,fd=7
-mon chardev=monitor,mode=control
-kernel /k
-initrd /i
-append quiet
-netdev tap,id=net0,ifname=port0,script=no,downscript=no
-device virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:00:00:01,romfile=,speed=1000,duplex=full
-netdev tap,id=net1,ifname=port1,script=no,downscript=no
-device virtio-net-pci,id=nic1,netdev=net1,mac=52:54:00:00:00:fe,romfile=,speed=1000,duplex=full
-drive file=/d,id=disk0,format=raw,if=none
-device virtio-blk-pci,drive=disk0
-device ide-cd,bus=ide.0,unit=0
-drive file=/c,id=cd1,format=raw,if=none,media=cdrom,readonly=on
-device ide-cd,bus=ide.1,unit=0,drive=cd1
-smbios type=1,serial=a,,b
-fw_cfg name=opt/a,file=/f
-device virtio-serial-pci
-chardev socket,id=session,fd=8
-device virtserialport,chardev=session
-device virtio-rng-pci
-nodefaults
-no-user-config
-no-reboot
-S",
        );
    }
}
