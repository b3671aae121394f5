//! argv to a command, exit code back.
fn main() {}
