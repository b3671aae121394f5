//! When the program was built, and what is left out of the shipped one.

use std::process::Command;

/// Where neither the environment nor a repository knows better: 2026-01-01, since 1970.
const BUILT_AT_LEAST: u64 = 1_767_225_600;

const DAY: u64 = 86_400;

fn main() {
    leave_out_unwind_tables();
    tell_when();
}

/// Leaves out of the shipped binary what only unwinding reads.
///
/// A panic aborts there, and the symbols that would make a trace readable are stripped: the tables that the compiler
/// and the C library write for every function are an eighth of the file, and nothing reads them. Debug builds keep
/// theirs: tests catch panics.
fn leave_out_unwind_tables() {
    println!("cargo::rerun-if-changed=no-unwind-tables.ld");
    let shipped = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if shipped && linux {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/no-unwind-tables.ld");
    }
}

/// `INIT_NET_BUILT`, seconds since 1970: the least that a wall clock can say. Never the clock of the machine that builds, so
/// that the same source is the same binary: SOURCE_DATE_EPOCH (reproducible-builds.org), else the day of the last commit.
/// Whole days, so that a commit does not build everything anew.
fn tell_when() {
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let told = std::env::var("SOURCE_DATE_EPOCH").ok();
    let told = told.and_then(|text| text.trim().parse().ok());
    let built: u64 = told.or_else(last_commit).unwrap_or(BUILT_AT_LEAST);
    let built = built - built % DAY;
    println!("cargo::rustc-env=INIT_NET_BUILT={built}");
}

fn last_commit() -> Option<u64> {
    // Every commit, checkout and merge is a line there.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["log", "-1", "--format=%ct"])?.parse().ok()
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
