//! PID 1 of a RAM-only system as a process: what it gives up, and what becomes of it when its program changes.

use crate::bench::Bench;
use crate::bench::MAC;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

/// `eth0.7` needs a module that only the supervisor loads, later.
const CARD: &str =
    "apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\naddresses:\n  - address: 10.77.0.2/24\n";
const VLAN: &str = "---\napiVersion: v1alpha1\nkind: VLANConfig\nname: eth0.7\nvlanID: 7\nparent: eth0\n\
                    addresses:\n  - address: 10.78.0.2/24\n";

/// CAP_KILL, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_MODULE, CAP_SYS_BOOT.
const KEPT: u64 = 1 << 5 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 16 | 1 << 22;

/// A field of /proc/PID/status.
fn status(guest: &mut Guest, pid: &str, field: &str) -> String {
    let text = guest.run(&format!("grep '^{field}:' /proc/{pid}/status"));
    text.split_once(':').expect("a field").1.trim().to_owned()
}

fn set(guest: &mut Guest, pid: &str, field: &str) -> u64 {
    u64::from_str_radix(&status(guest, pid, field), 16).expect("a set of capabilities")
}

on_both_kernels!(the_first_process_keeps_little_and_its_payload_everything);
fn the_first_process_keeps_little_and_its_payload_everything(bench: Bench) {
    let vm = bench.machine(CARD).nic("port0", MAC);
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    guest.ready("local");
    for field in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(set(&mut guest, "1", field), KEPT, "{field}");
    }
    assert_eq!(status(&mut guest, "1", "NoNewPrivs"), "1");
    assert_eq!(status(&mut guest, "1", "Seccomp"), "2");
    // The script's shell is a child of the payload.
    assert_eq!(set(&mut guest, "self", "CapEff") & KEPT, KEPT);
    assert_ne!(set(&mut guest, "self", "CapEff"), KEPT);
    assert_eq!(status(&mut guest, "self", "NoNewPrivs"), "0");
    assert_eq!(status(&mut guest, "self", "Seccomp"), "0");
    // Modules are still loaded, also by a program that took over.
    guest.run("init-net upgrade --binary /init");
    assert_eq!(status(&mut guest, "1", "Seccomp"), "2");
    assert_eq!(set(&mut guest, "1", "CapEff"), KEPT);
    guest.becomes(&format!("{CARD}{VLAN}"));
    guest
        .addresses("eth0.7")
        .one("local=10.78.0.2 prefixlen=24");
}
