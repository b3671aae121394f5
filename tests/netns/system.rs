//! Mounts and the switch of the root, each in namespaces of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use init_net::sys::switch_root::{self, Deleted, Refusal};
use init_net::sys::{mount, process};
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};

/// Runs `test` in a thread with mounts and a root folder of its own: a fresh tmpfs.
fn in_empty_root(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS)
            .expect("a mount namespace (needs root)");
        enter_empty_root();
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn enter_empty_root() {
    mount::make_private().unwrap();
    mount::mount_at("tmpfs", "tmpfs", Path::new("/mnt"), MsFlags::empty(), "").unwrap();
    nix::unistd::chroot("/mnt").unwrap();
    nix::unistd::chdir("/").unwrap();
}

#[test]
fn early_mounts_are_made_once() {
    in_empty_root(|| {
        for _ in 0..2 {
            assert_eq!(mount::early().len(), 0);
        }
        let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap();
        let targets: Vec<_> = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .collect();
        assert_eq!(targets, ["/", "/proc", "/sys", "/dev", "/run"]);
        assert!(Path::new("/dev/null").exists());
        let run = mounts.lines().find(|line| line.contains(" /run ")).unwrap();
        for option in ["nosuid", "nodev", "mode=755"] {
            assert!(run.contains(option), "{run}");
        }
        assert!(!run.contains("relatime"), "strictatime");
    });
}

/// Says to the copy of this test in a new process namespace that it is PID 1 there.
const ROLE: &str = "INIT_NET_TEST_IS_PID_1";

#[test]
fn the_root_is_switched() {
    if std::env::var_os(ROLE).is_some() {
        return switch();
    }
    let output = Command::new("unshare")
        .args(["--pid", "--fork", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "system::the_root_is_switched",
            "--test-threads=1",
            "--nocapture",
        ])
        .env(ROLE, "1")
        .output()
        .expect("unshare(1)");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(
        output.status.success() && text.contains("switched and clean"),
        "{text}"
    );
}

fn switch() {
    assert_eq!(std::process::id(), 1);
    enter_empty_root();
    assert_eq!(mount::early().len(), 0);
    let root = Path::new("/sysroot");
    let init = Path::new("/sbin/init");
    fs::create_dir_all(root.join("sbin")).unwrap();
    fs::create_dir_all("/lib/modules/deep/er").unwrap();
    fs::write("/lib/modules/deep/er/file", "x").unwrap();
    let refusal = || switch_root::check(root, init).unwrap_err();
    assert!(matches!(refusal(), Refusal::NotMounted));
    mount::mount_at("tmpfs", "tmpfs", root, MsFlags::empty(), "").unwrap();
    assert!(matches!(refusal(), Refusal::NoInit(..)));
    fs::create_dir_all(root.join("sbin")).unwrap();
    fs::write(root.join("sbin/init"), "").unwrap();
    assert!(matches!(refusal(), Refusal::NoInit(..)), "not executable");
    fs::set_permissions(
        root.join("sbin/init"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    fs::write(root.join("precious"), "x").unwrap();
    fs::write("/run/state.json", "{}").unwrap();
    let deleted = switch_root::check(root, init).unwrap().switch().unwrap();
    // lib modules deep er file, the folders that the five mounts lay on, and the sbin below one of them.
    assert_eq!(
        deleted,
        Deleted {
            deleted: 11,
            failed: 0
        }
    );
    assert!(Path::new("/precious").exists(), "the new root is whole");
    assert_eq!(
        fs::read("/run/state.json").unwrap(),
        b"{}",
        "/run came along"
    );
    assert!(Path::new("/dev/null").exists() && Path::new("/proc/self").exists());
    assert!(!Path::new("/lib").exists());
    assert!(process::reap().unwrap().is_none());
    println!("switched and clean");
}
