//! Any text as OpenStack's network data: no panic, neither in reading it, nor in compiling what it says for a machine with
//! two cards, and never more of it than is allowed.

#![no_main]

use std::collections::BTreeMap;

use init_net::compile;
use init_net::config::Document;
use init_net::config::netdata::openstack;
use init_net::state::{LinkStatus, arphrd, iff};
use init_net::value::Layer;
use libfuzzer_sys::fuzz_target;

/// Most links, and most addresses and routes, that a text may lead to.
const MAX_LINKS: usize = 256;
const MAX_ITEMS: usize = 4096;

/// Two cards with carrier.
fn links() -> BTreeMap<u32, LinkStatus> {
    let links = [(2, "eth0"), (3, "eth1")].into_iter();
    let links = links.filter_map(|(index, name)| {
        let mac = format!("fa:16:3e:00:00:0{index}").parse().ok();
        let link = LinkStatus {
            hw_type: arphrd::ETHER,
            flags: iff::LOWER_UP,
            hardware_addr: mac,
            permanent_addr: mac,
            ..LinkStatus::new(index, name.parse().ok()?)
        };
        Some((index, link))
    });
    links.collect()
}

fuzz_target!(|text: &str| {
    let mut document = Document::empty(Layer::Platform, "network_data");
    let mut diagnostics = openstack::parse(text, "network_data", &mut document);
    assert!(document.links.len() <= MAX_LINKS);
    assert!(document.addresses.len() <= MAX_ITEMS && document.routes.len() <= MAX_ITEMS);
    let (_, compiled) = compile::compile(&[document], &links());
    diagnostics.extend(compiled);
    for diagnostic in diagnostics.iter().take(100) {
        let _ = diagnostic.to_string();
    }
});
