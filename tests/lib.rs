//! What the integration tests share.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod golden;
pub mod link;
pub mod namespace;
pub mod program;
pub mod ruleset;
pub mod settle;
pub mod traffic;

use std::collections::BTreeMap;

use init_net::state::{LinkStatus, arphrd, iff};

/// lo, eth0 with carrier, eth1 without, eth2 with; all down but lo, as at boot.
pub fn links() -> BTreeMap<u32, LinkStatus> {
    let link = |index: u32, name: &str, hw_type: u16, mac: Option<&str>, flags: u32| LinkStatus {
        hw_type,
        flags,
        hardware_addr: mac.map(|mac| mac.parse().unwrap()),
        permanent_addr: mac.map(|mac| mac.parse().unwrap()),
        ..LinkStatus::new(index, name.parse().unwrap())
    };
    let ether = arphrd::ETHER;
    [
        link(
            1,
            "lo",
            arphrd::LOOPBACK,
            None,
            iff::UP | iff::LOOPBACK | iff::LOWER_UP,
        ),
        link(2, "eth0", ether, Some("52:54:00:12:34:00"), iff::LOWER_UP),
        link(3, "eth1", ether, Some("52:54:00:12:34:01"), 0),
        link(4, "eth2", ether, Some("52:54:00:12:34:02"), iff::LOWER_UP),
    ]
    .into_iter()
    .map(|link| (link.index, link))
    .collect()
}
