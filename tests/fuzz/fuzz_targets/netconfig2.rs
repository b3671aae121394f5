//! Any text as what stands below version 2 of a network-config: no panic, neither in reading it, nor in printing what is
//! wrong with it, nor in compiling and planning what it says; and never more of it than the named limits.

#![no_main]

use init_net::config::netdata;
use libfuzzer_sys::fuzz_target;

#[path = "../netdata.rs"]
mod shared;

fuzz_target!(|text: &str| {
    shared::check(&format!("version: 2\n{text}"), netdata::parse);
});
