//! A read-only `/etc`: files are mounted over, and stay right through changes.

use std::fs;

use nix::mount::{MsFlags, mount};

use super::machine::on_machine;

fn remount_etc(flags: MsFlags) {
    let bind = MsFlags::MS_BIND;
    mount(
        Some("/etc"),
        "/etc",
        None::<&str>,
        bind | MsFlags::MS_REC,
        None::<&str>,
    )
    .unwrap();
    mount(
        None::<&str>,
        "/etc",
        None::<&str>,
        bind | MsFlags::MS_REMOUNT | flags,
        None::<&str>,
    )
    .unwrap();
}

#[test]
fn resolv_conf_is_right_after_every_change() {
    on_machine("read-only", |machine| {
        fs::write("/etc/resolv.conf", "nameserver 9.9.9.9\n").unwrap();
        fs::write("/etc/hosts", "").unwrap();
        fs::write("/etc/hostname", "").unwrap();
        remount_etc(MsFlags::MS_RDONLY);
        for server in ["10.77.0.1", "10.77.0.2", "10.77.0.3"] {
            let line = format!("ip=10.77.0.67::10.77.0.1:24::eth0:none nameserver={server}");
            machine.boot_alone(&line);
            let text = fs::read_to_string("/etc/resolv.conf").unwrap();
            assert!(text.ends_with(&format!("nameserver {server}\n")), "{text}");
        }
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let covered = mounts
            .lines()
            .filter(|line| line.contains(" /etc/resolv.conf "))
            .count();
        assert_eq!(
            covered, 1,
            "one mount covers the file, whatever came before"
        );
        // The root is writable again: the mount is in the way of a rename, and does not matter.
        mount(
            None::<&str>,
            "/etc",
            None::<&str>,
            MsFlags::MS_BIND | MsFlags::MS_REMOUNT,
            None::<&str>,
        )
        .unwrap();
        machine.boot_alone("ip=10.77.0.67::10.77.0.1:24::eth0:none nameserver=10.77.0.4");
        assert!(
            fs::read_to_string("/etc/resolv.conf")
                .unwrap()
                .ends_with("nameserver 10.77.0.4\n")
        );
    });
}
