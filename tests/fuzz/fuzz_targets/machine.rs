//! Any text as a machine configuration: no panic, neither in reading it nor in printing what is wrong with it.

#![no_main]

use init_net::config::machine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (_, diagnostics) = machine::parse(text, "config.yaml");
    for diagnostic in diagnostics.iter().take(100) {
        let _ = diagnostic.to_string();
    }
});
