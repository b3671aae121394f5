//! The program `checks` in a guest that has every kind of link: on both kernels each of its checks says ok.

use std::process::Command;
use std::time::Duration;

use qemu::guest;
use qemu::session::Answer;

use crate::bench::Bench;
use crate::bench::MAC;
use crate::bench::MAC2;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

/// The program as it was built with this test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_checks");

/// For one check: thousands of links or peers take minutes under TCG on a machine on which other things run.
const CHECK: Duration = Duration::from_secs(600);

/// Memory of the guest, MiB: 4,000 VLANs have 16,000 folders of parameters.
const MEMORY: u32 = 1024;

/// The names of all checks, from the program itself, so that none can be forgotten here.
fn names() -> Vec<String> {
    let output = Command::new(PROGRAM).arg("--list").output().unwrap();
    assert!(output.status.success(), "{PROGRAM} --list: {output:?}");
    let names = String::from_utf8(output.stdout).unwrap();
    names.lines().map(str::to_owned).collect()
}

on_both_kernels!(alone every_check_says_ok);
fn every_check_says_ok(bench: Bench) {
    bench.second_port();
    let image = guest::image_of_session(&bench.kernel).unwrap();
    let vm = bench
        .session(image.binary("/usr/sbin/checks", PROGRAM))
        .cmdline("initnet.ignore=eth0 initnet.ignore=eth1")
        .memory(MEMORY)
        .nic("port0", MAC)
        .nic("port1", MAC2);
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    // Without a bond that nobody asked for.
    guest.run("modprobe bonding max_bonds=0");
    guest.run(&format!("modprobe -a {}", guest::LINK_MODULES.join(" ")));

    let names = names();
    assert!(!names.is_empty());
    let mut failed = String::new();
    for name in &names {
        let answer = guest.vm.run(&format!("checks {name}"), CHECK);
        let Answer {
            status,
            output,
            errors,
        } = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
        if status != 0 || output.trim() != format!("ok {name}") {
            failed += &format!("{name}, exit status {status}:\n{output}{errors}\n");
        }
    }
    assert!(failed.is_empty(), "{failed}");
}
