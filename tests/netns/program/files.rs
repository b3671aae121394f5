//! Files that somebody changes, removes or covers are right again, and nobody had to ask.

use std::fs;
use std::os::unix::fs::symlink;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::machine::{Machine, on_machine};

const LINE: &str = "ip=10.77.0.67::10.77.0.1:24:web1:eth0:none nameserver=10.77.0.1";

/// Every file that is kept, with what it holds.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let paths = [
        "/etc/resolv.conf",
        "/etc/hosts",
        "/etc/hostname",
        "/run/net-eth0.conf",
        "/run/init-net/resolv.conf",
        "/run/init-net/hosts",
    ];
    paths.map(|path| (path, fs::read(path).unwrap())).into()
}

#[track_caller]
fn whole(machine: &Machine, right: &[(&str, Vec<u8>)], what: &str) {
    for (path, content) in right {
        machine.until(&format!("{path} after {what}"), || {
            let is_file = !fs::symlink_metadata(path).ok()?.is_symlink();
            (is_file && fs::read(path).ok()? == *content).then_some(())
        });
    }
}

#[test]
fn a_file_comes_back_whatever_is_done_to_it() {
    on_machine("files", |machine| {
        machine.boot(LINE);
        machine.answers();
        let right = files();
        for (path, _) in &right {
            fs::write(path, "nameserver 192.0.2.53\n").unwrap();
            whole(machine, &right, "a write");
            fs::remove_file(path).unwrap();
            whole(machine, &right, "its end");
            let other = format!("{path}.other");
            fs::write(&other, "nameserver 192.0.2.53\n").unwrap();
            fs::rename(&other, path).unwrap();
            whole(machine, &right, "a rename onto it");
            symlink("/nowhere/at/all", &other).unwrap();
            fs::rename(&other, path).unwrap();
            whole(machine, &right, "a link to nowhere");
            fs::write("/run/elsewhere", "nameserver 192.0.2.53\n").unwrap();
            symlink("/run/elsewhere", &other).unwrap();
            fs::rename(&other, path).unwrap();
            whole(machine, &right, "a link to another");
        }
        // The folder goes, with the control socket in it.
        fs::rename("/run/init-net", "/run/gone").unwrap();
        whole(machine, &right, "another folder");
    });
}

#[test]
fn a_link_that_leads_to_the_right_text_is_kept_and_guarded() {
    on_machine("file-link", |machine| {
        machine.boot(LINE);
        machine.answers();
        let right = fs::read("/etc/resolv.conf").unwrap();
        let is_right = |path: &str| {
            let text = fs::read(path).unwrap_or_default();
            (text == right).then_some(())
        };
        fs::remove_file("/etc/resolv.conf").unwrap();
        machine.until("the file", || is_right("/etc/resolv.conf"));
        symlink("/run/init-net/resolv.conf", "/etc/new").unwrap();
        fs::rename("/etc/new", "/etc/resolv.conf").unwrap();
        machine.reconcile();
        assert!(
            fs::symlink_metadata("/etc/resolv.conf")
                .unwrap()
                .is_symlink()
        );
        fs::write("/run/init-net/resolv.conf", "nameserver 192.0.2.53\n").unwrap();
        machine.until("the text behind it", || is_right("/etc/resolv.conf"));
        machine.until("its own place", || is_right("/run/init-net/resolv.conf"));
    });
}

#[test]
fn a_mount_over_a_file_is_guarded_and_replaced_when_it_goes() {
    on_machine("file-mount", |machine| {
        for path in ["/etc/resolv.conf", "/etc/hosts", "/etc/hostname"] {
            fs::write(path, "old\n").unwrap();
        }
        let none: Option<&str> = None;
        mount(
            Some("/etc"),
            "/etc",
            none,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            none,
        )
        .unwrap();
        let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(none, "/etc", none, read_only, none).unwrap();
        machine.boot(LINE);
        machine.answers();
        let right = fs::read("/run/init-net/resolv.conf").unwrap();
        let is_right = || (fs::read("/etc/resolv.conf").ok()? == right).then_some(());
        machine.until("the file", is_right);
        fs::write("/etc/resolv.conf", "nameserver 192.0.2.53\n").unwrap();
        machine.until("the file after a write", is_right);
        umount2("/etc/resolv.conf", MntFlags::MNT_DETACH).unwrap();
        machine.until("the file after its mount went", is_right);
    });
}
