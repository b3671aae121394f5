//! What sysfs knows of the members of bonds and bridges, and rtnetlink does not tell in one place.

use std::path::{Path, PathBuf};

use super::file;
use crate::value::LinkName;

/// Longest attribute, bytes: a page.
const MAX_ATTRIBUTE: usize = 4096;

/// State of a port of a bridge, BR_STATE_* of include/uapi/linux/if_bridge.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// Out of service.
    Disabled,
    /// Spanning tree listens first.
    Listening,
    /// Spanning tree learns addresses.
    Learning,
    /// In service.
    Forwarding,
    /// Closed by spanning tree: another way leads to the same place.
    Blocking,
}

/// The state of `link` as a port of a bridge; `None`: it is none.
pub fn bridge_port(link: &LinkName) -> Option<PortState> {
    Some(match attribute(link, "brport/state")?.as_str() {
        "0" => PortState::Disabled,
        "1" => PortState::Listening,
        "2" => PortState::Learning,
        "3" => PortState::Forwarding,
        _ => PortState::Blocking,
    })
}

/// The LACP partner of the bond `link` (`00:00:00:00:00:00`: nobody answers); `None`: it speaks no LACP.
pub fn lacp_partner(link: &LinkName) -> Option<String> {
    attribute(link, "bonding/ad_partner_mac")
}

fn attribute(link: &LinkName, name: &str) -> Option<String> {
    let path: PathBuf = Path::new("/sys/class/net").join(link.as_str()).join(name);
    let content = file::read(&path, MAX_ATTRIBUTE).ok()?;
    let text = String::from_utf8_lossy(&content).trim().to_owned();
    (!text.is_empty()).then_some(text)
}
