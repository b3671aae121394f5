//! Any bytes as VMware's guest info, metadata (YAML, JSON) and OVF environment (XML): no panic, neither in reading them, nor in
//! compiling what they say, nor in printing what is wrong with them.

#![no_main]

use std::collections::BTreeMap;

use init_net::compile;
use init_net::config::platform::{Bodies, detect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let provider = detect::named("vmware").and_then(|platform| platform.provider);
    let provider = provider.expect("it is registered");
    let keys = ["guestinfo/metadata", "guestinfo/ovfenv"];
    let bodies: Bodies = keys
        .iter()
        .map(|key| ((*key).to_owned(), bytes.to_vec()))
        .collect();
    let parsed = provider.parse(&bodies);
    let (_, faults) = compile::compile(&[parsed.document], &BTreeMap::new());
    for diagnostic in parsed.diagnostics.iter().chain(&faults).take(100) {
        let _ = diagnostic.to_string();
    }
});
