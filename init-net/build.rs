//! Leaves out of the shipped binary what only unwinding reads.
//!
//! A panic aborts there, and the symbols that would make a trace readable are stripped: the tables that the compiler
//! and the C library write for every function are an eighth of the file, and nothing reads them. Debug builds keep
//! theirs: tests catch panics.

fn main() {
    println!("cargo::rerun-if-changed=no-unwind-tables.ld");
    let shipped = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if shipped && linux {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/no-unwind-tables.ld");
    }
}
