//! Can KVM run a guest here? Only a guest can tell: a /dev/kvm may exist and still kill every guest.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use crate::artefacts;
use crate::command::Accelerator;
use crate::command::PROGRAM;
use crate::process::Process;

/// How long the probe may take. A guest under KVM reaches the panic below in about a second.
const PROBE: Duration = Duration::from_secs(15);

/// KVM if a guest has run to its end with it on this machine, else TCG. The answer is kept in target/lab for as long as
/// the host's kernel and the guest's stay the same; `INIT_NET_ACCEL=tcg|kvm` overrides it.
pub fn accelerator(kernel: &Path) -> Accelerator {
    static ANSWER: OnceLock<Accelerator> = OnceLock::new();
    *ANSWER.get_or_init(|| match std::env::var("INIT_NET_ACCEL").as_deref() {
        Ok("kvm") => Accelerator::Kvm,
        Ok("tcg") => Accelerator::Tcg,
        _ => cached(kernel),
    })
}

fn cached(kernel: &Path) -> Accelerator {
    if !Path::new("/dev/kvm").exists() {
        return Accelerator::Tcg;
    }
    let host = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let key = format!("{} {} {}", host.trim(), boot.trim(), kernel.display());
    let path = artefacts::target_folder().join("lab/accelerator");
    let known = fs::read_to_string(&path).unwrap_or_default();
    let answer = match known.split_once('\n') {
        Some((known, answer)) if known == key => answer.trim() == "kvm",
        _ => {
            let proved = guest_runs(kernel);
            let name = if proved { "kvm" } else { "tcg" };
            // A probe that cannot be remembered is made again.
            let _ = fs::write(&path, format!("{key}\n{name}\n"));
            proved
        }
    };
    if answer {
        Accelerator::Kvm
    } else {
        Accelerator::Tcg
    }
}

/// Boots the kernel without an initramfs: it comes up, finds no root, panics, and `-no-reboot` ends QEMU.
fn guest_runs(kernel: &Path) -> bool {
    let mut command = Command::new(PROGRAM);
    command
        .args(["-machine", "pc,accel=kvm", "-cpu", "host", "-m", "256"])
        .args(["-nodefaults", "-display", "none", "-serial", "stdio"])
        .arg("-no-reboot")
        .arg("-kernel")
        .arg(kernel)
        .args(["-append", "console=ttyS0 panic=-1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let Ok(mut process) = Process::start(&mut command) else {
        return false;
    };
    let Some(serial) = process.output(None) else {
        return false;
    };
    serial.wait_for("Kernel panic", PROBE).is_ok()
        && process
            .wait_exit(PROBE)
            .is_ok_and(|status| status.success())
}
