//! The three hand-offs, and that the lease goes over: no DISCOVER after it, renewal by the same client.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use qemu::artefacts;
use qemu::guest;
use qemu::peer::DhcpServer;
use qemu::peer::dhcp::Reply;
use qemu::peer::dhcp::message_type;
use qemu::process;

use crate::bench::ADDRESS;
use crate::bench::BOOT;
use crate::bench::Bench;
use crate::bench::Facts;
use crate::bench::MAC;
use crate::bench::ROUTER;
use crate::bench::script;

/// Facts that hold whoever has become PID 1, and that the supervisor is there and alone.
const AFTER: &str = r#"
echo "@ started $(cat /proc/1/comm)"
ready
n=0
until [ -s /etc/resolv.conf ] || [ $n = 100 ]; do usleep 100000; n=$((n+1)); done
reach 10.77.0.1
awk '$2 == "/" { print $1, $3 }' /proc/mounts | say root
tables
poweroff -f
"#;

/// An ext4 image of a small OS whose `/sbin/init` is `init`, a script, with one more program in `/bin` if need be.
pub fn real_root(bench: &Bench, init: &str, more: Option<(&str, &Path)>) -> PathBuf {
    let tree = bench.lab.folder().join("root");
    for folder in ["bin", "dev", "etc", "proc", "run", "sbin", "sys", "tmp"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    let programs = [
        ("bin/busybox", artefacts::busybox().unwrap()),
        ("bin/init-net", artefacts::init_net().unwrap()),
    ];
    for (path, program) in programs {
        fs::copy(program, tree.join(path)).unwrap();
    }
    if let Some((name, program)) = more {
        fs::copy(program, tree.join("bin").join(name)).unwrap();
    }
    for applet in guest::APPLETS {
        symlink("busybox", tree.join("bin").join(applet)).unwrap();
    }
    let path = tree.join("sbin/init");
    fs::write(&path, script(init)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(tree.join("etc/os-release"), "ID=lab\n").unwrap();

    let image = bench.lab.folder().join("root.ext4");
    let mut mke2fs = Command::new("mke2fs");
    mke2fs.args(["-q", "-t", "ext4", "-d"]).arg(&tree);
    // Room for a debug build of the binary.
    process::run(mke2fs.arg(&image).arg("256M")).unwrap();
    fs::remove_dir_all(&tree).unwrap();
    image
}

#[test]
fn form_a_switches_to_a_real_root() {
    let bench = Bench::new("handoff-real-root");
    let dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let root = real_root(&bench, AFTER, None);
    let vm = bench
        .guest("echo '@ end payload in place of the real root'\npoweroff -f\n")
        .cmdline("root=/dev/vda rootfstype=ext4 rw")
        .nic("port0", MAC)
        .disk(root)
        .start(&bench.lab)
        .unwrap();
    let first = vm.wait_for_line("@ started", BOOT).unwrap();
    assert_eq!(first, "@ started init", "PID 1 is the real root's init");
    let discovers = dnsmasq.count("DHCPDISCOVER");

    let facts = Facts::of(vm);
    facts.has("wait", "0");
    facts.has("root", "/dev/vda ext4");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    facts.has("route", "default via 10.77.0.1 dev eth0");
    facts.has("resolv", "nameserver 10.77.0.1");
    facts.has("reach", &format!("{ROUTER} 0"));
    let supervisors = facts.kind("process");
    let supervisors = supervisors.iter().filter(|line| line.contains("supervise"));
    assert_eq!(supervisors.count(), 1, "{:?}", facts.kind("process"));
    assert_eq!(dnsmasq.count("DHCPDISCOVER"), discovers);
    assert_eq!(dnsmasq.count("DHCPACK"), 1);
}

#[test]
fn form_b_stays_as_pid_1_of_a_ram_only_system() {
    let bench = Bench::new("handoff-ram-only");
    let dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    // An orphan that ends: PID 1 must reap it before the tables are printed.
    let script = format!("( ( usleep 10000 ) & )\n{AFTER}");
    let vm = bench
        .guest(&script)
        .nic("port0", MAC)
        .start(&bench.lab)
        .unwrap();
    vm.wait_for_line("@ started", BOOT).unwrap();
    let discovers = dnsmasq.count("DHCPDISCOVER");

    let facts = Facts::of(vm);
    facts.has("wait", "0");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    facts.has("reach", &format!("{ROUTER} 0"));
    let processes = facts.kind("process");
    let first = processes.iter().find(|line| line.starts_with("1 "));
    assert!(
        first.is_some_and(|line| line.contains("init-net") || line.contains("supervise")),
        "PID 1 is the supervisor: {processes:?}"
    );
    facts.lacks("process", "Z");
    assert_eq!(dnsmasq.count("DHCPDISCOVER"), discovers);
    assert_eq!(dnsmasq.count("DHCPACK"), 1);
}

#[test]
fn form_c_returns_to_a_foreign_init() {
    let bench = Bench::new("handoff-hook");
    let dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let init = format!(
        "mount -t proc proc /proc\nmount -t sysfs sys /sys\nmount -t devtmpfs dev /dev\nmount -t tmpfs run /run\n\
         init-net boot --hook\necho \"@ hook $?\"\n{AFTER}"
    );
    let vm = bench
        .guest_of_script(&init)
        .nic("port0", MAC)
        .start(&bench.lab)
        .unwrap();
    vm.wait_for_line("@ started", BOOT).unwrap();
    let discovers = dnsmasq.count("DHCPDISCOVER");

    let facts = Facts::of(vm);
    facts.has("hook", "0");
    facts.has("wait", "0");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    facts.has("route", "default via 10.77.0.1 dev eth0");
    facts.has("reach", &format!("{ROUTER} 0"));
    let processes = facts.kind("process");
    let first = processes.iter().find(|line| line.starts_with("1 "));
    assert!(
        first.is_some_and(|line| line.contains("/init")),
        "PID 1 is the script: {processes:?}"
    );
    let supervisors = processes.iter().filter(|line| line.contains("supervise"));
    assert_eq!(supervisors.count(), 1, "{processes:?}");
    assert_eq!(dnsmasq.count("DHCPDISCOVER"), discovers);
    assert_eq!(dnsmasq.count("DHCPACK"), 1);
}

/// A foreign initramfs: its init calls the hook, and switches the root itself, under the feet of the supervisor.
#[test]
fn form_c_survives_a_switch_root_done_by_others() {
    let bench = Bench::new("handoff-hook-switch");
    let dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let root = real_root(&bench, AFTER, None);
    let init = "mount -t proc proc /proc\nmount -t sysfs sys /sys\nmount -t devtmpfs dev /dev\nmount -t tmpfs run /run\n\
         init-net boot --hook\necho \"@ hook $?\"\nmkdir -p /newroot\n\
         busybox mount -t ext4 /dev/vda /newroot\n\
         for d in proc sys dev run; do busybox mount -o move /$d /newroot/$d; done\n\
         exec busybox switch_root -c /dev/console /newroot /sbin/init\n";
    let vm = bench
        .guest_of_script(init)
        .nic("port0", MAC)
        .disk(root)
        .start(&bench.lab)
        .unwrap();
    vm.wait_for_line("@ started", BOOT).unwrap();
    let discovers = dnsmasq.count("DHCPDISCOVER");

    let facts = Facts::of(vm);
    facts.has("wait", "0");
    facts.has("root", "/dev/vda ext4");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    facts.has("resolv", "nameserver 10.77.0.1");
    facts.has("reach", &format!("{ROUTER} 0"));
    let processes = facts.kind("process");
    let supervisors = processes.iter().filter(|line| line.contains("supervise"));
    assert_eq!(supervisors.count(), 1, "{processes:?}");
    assert_eq!(dnsmasq.count("DHCPDISCOVER"), discovers);
    assert_eq!(dnsmasq.count("DHCPACK"), 1);
}

#[test]
fn the_lease_is_renewed_by_the_same_client_after_the_hand_off() {
    let bench = Bench::new("handoff-renewal");
    let server = [10, 77, 0, 1];
    let address = Ipv4Addr::new(10, 77, 0, 60);
    // T1 is half of it: the renewal comes while the payload waits for the power switch.
    let dhcp = DhcpServer::start(&bench.lab, "lan", move |message| {
        let reply = match message.kind {
            message_type::DISCOVER => Reply::offer(address, server.into()),
            message_type::REQUEST => Reply::ack(address, server.into()),
            _ => return Vec::new(),
        };
        vec![reply.option(3, &server).lease_time(20)]
    })
    .unwrap();
    let vm = bench
        .guest("echo '@ started'\nsleep 1000\n")
        .nic("port0", MAC)
        .start(&bench.lab)
        .unwrap();
    vm.wait_for_line("@ started", BOOT).unwrap();
    let before = dhcp.messages();
    let identity = before.first().unwrap().option(61).map(<[u8]>::to_vec);
    let renewals = dhcp.log().count("ciaddr 10.77.0.60");

    dhcp.log()
        .wait_for_nth("ciaddr 10.77.0.60", renewals + 1, BOOT)
        .unwrap();
    let messages = dhcp.messages();
    let after = messages.get(before.len()..).unwrap();
    for message in after {
        assert_eq!(message.kind, message_type::REQUEST, "{message:?}");
        assert_eq!(message.option(61).map(<[u8]>::to_vec), identity);
        // RFC 2131 §4.3.2: a renewal names no server and no requested address.
        assert_eq!(message.option(54), None);
        assert_eq!(message.option(50), None);
    }
    drop(vm);
}
