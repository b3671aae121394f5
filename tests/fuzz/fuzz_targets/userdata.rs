//! Any bytes as user-data: no panic, neither in undoing their layers, nor in looking through their parts, nor in saying what is
//! wrong with them; and what comes out is never above the limit.

#![no_main]

use init_net::config::userdata::{Base64, MAX_DECODED, UserData, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for base64 in [Base64::Never, Base64::Maybe, Base64::Always] {
        match decode(bytes, base64) {
            Ok(UserData::Config(text)) => assert!(text.len() <= MAX_DECODED),
            Ok(UserData::Absent | UserData::Include(_) | UserData::CloudConfig(_)) => {}
            Err(error) => {
                let _ = error.to_string();
            }
        }
    }
});
