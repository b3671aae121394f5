//! Any bytes as what OpenStack says of an instance: no panic in asking for more, in reading it and in compiling it.

#![no_main]

use std::collections::BTreeMap;

use init_net::compile;
use init_net::config::platform::{Answer, Answers, Bodies, PLATFORMS};
use libfuzzer_sys::fuzz_target;

/// What the bytes are split into, at NUL bytes.
const KEYS: [&str; 4] = [
    "openstack/latest/meta_data.json",
    "openstack/latest/vendor_data.json",
    "openstack/latest/user_data",
    "ec2/latest/meta-data.json",
];

fuzz_target!(|bytes: &[u8]| {
    let Some(provider) = PLATFORMS
        .iter()
        .find(|platform| platform.name == "openstack")
        .and_then(|platform| platform.provider)
    else {
        return;
    };
    let parts = bytes.splitn(KEYS.len(), |byte| *byte == 0);
    let bodies: Bodies = KEYS
        .iter()
        .zip(parts)
        .map(|(key, part)| ((*key).to_owned(), part.to_vec()))
        .collect();
    let answers: Answers = bodies
        .iter()
        .map(|(key, body)| (key.clone(), Answer::Body(body.clone())))
        .collect();
    let _ = provider.wanted(&answers);
    let parsed = provider.parse(&bodies);
    for diagnostic in parsed.diagnostics.iter().take(100) {
        let _ = diagnostic.to_string();
    }
    compile::compile(&[parsed.document], &BTreeMap::new());
});
