//! What holds of every text that describes a network.

use std::collections::BTreeMap;

use init_net::config::{Diagnostic, Document};
use init_net::state::{LinkStatus, Observed, arphrd, iff};
use init_net::value::Layer;
use init_net::{compile, plan};

/// Most links, and most addresses, routes and operators, of one text: the limits of `config/netdata`.
const MOST: [usize; 2] = [256, 4096];

/// Most faults of one text, with those of its syntax.
const MOST_FAULTS: usize = 100;

/// A card with carrier and one without.
fn links() -> BTreeMap<u32, LinkStatus> {
    let cards = [(2, "eth0", iff::LOWER_UP), (3, "eth1", 0)];
    let links = cards.into_iter().filter_map(|(index, name, flags)| {
        let mac = format!("0a:00:00:00:00:0{index}").parse().ok();
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

/// Reads `text` by `parse`, compiles and plans it.
pub fn check(text: &str, parse: fn(&str, &str, &mut Document) -> Vec<Diagnostic>) {
    let mut document = Document::empty(Layer::Platform, "fuzz");
    let mut faults = parse(text, "x", &mut document);
    assert!(faults.len() <= MOST_FAULTS);
    let [links_, items] = MOST;
    assert!(document.links.len() <= links_);
    let lists = [document.addresses.len(), document.routes.len(), document.operators.len()];
    assert!(lists.into_iter().all(|len| len <= items));
    for fault in &faults {
        assert!(fault.effect.is_some());
        for line in fault.to_string().lines() {
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
    let (desired, compiled) = compile::compile(&[document], &links());
    faults.extend(compiled);
    for fault in faults.iter().take(100) {
        let _ = fault.to_string();
    }
    let observed = Observed {
        links: links(),
        ..Observed::default()
    };
    for op in plan::plan(&desired, &observed) {
        let _ = op.to_string();
    }
}
