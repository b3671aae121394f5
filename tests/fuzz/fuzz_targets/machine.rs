//! Any text as a machine configuration: no panic, neither in reading it, nor in printing what is wrong with it, nor in
//! compiling and planning what it says for a machine with two links.

#![no_main]

use std::collections::BTreeMap;

use init_net::config::machine;
use init_net::state::{LinkStatus, Observed, arphrd, iff};
use init_net::{compile, plan};
use libfuzzer_sys::fuzz_target;

/// A card with carrier and one without.
fn links() -> BTreeMap<u32, LinkStatus> {
    let cards = [(2, "eth0", iff::LOWER_UP), (3, "eth1", 0)];
    let links = cards.into_iter().filter_map(|(index, name, flags)| {
        let mac = format!("52:54:00:12:34:0{index}").parse().ok();
        let link = LinkStatus {
            hw_type: arphrd::ETHER,
            flags,
            hardware_addr: mac,
            permanent_addr: mac,
            ..LinkStatus::new(index, name.parse().ok()?)
        };
        Some((index, link))
    });
    links.collect()
}

fuzz_target!(|text: &str| {
    let (document, mut diagnostics) = machine::parse(text, "config.yaml");
    let (desired, compiled) = compile::compile(&[document], &links());
    diagnostics.extend(compiled);
    for diagnostic in diagnostics.iter().take(100) {
        let _ = diagnostic.to_string();
    }
    let observed = Observed {
        links: links(),
        ..Observed::default()
    };
    for op in plan::plan(&desired, &observed) {
        let _ = op.to_string();
    }
});
