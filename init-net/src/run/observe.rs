//! One look at the machine: links, addresses, routes, rules, host name, files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::core::Doubt;
use super::rtnetlink::{Rtnetlink, RtnetlinkError};
use crate::state::{KindStatus, LinkStatus, OUR_GROUP, Observed};
use crate::sys;
use crate::value::Instant;
use crate::wire;

/// Largest file of ours that is read back, bytes: beyond it the file is not ours and differs anyway.
const MAX_FILE: usize = 1 << 20;

/// Dumps everything that `plan` compares. `files` are the paths whose contents are wanted.
pub fn observe_all(
    rtnetlink: &mut Rtnetlink,
    files: impl IntoIterator<Item = PathBuf>,
    at: Instant,
) -> Result<Observed, RtnetlinkError> {
    observe(rtnetlink, Doubt::EVERYTHING, None, files, at)
}

/// Dumps the parts in `doubt` and leaves the others empty. `known` are the links of the last look: the names of their
/// indexes, where links are not in doubt.
pub fn observe(
    rtnetlink: &mut Rtnetlink,
    doubt: Doubt,
    known: Option<&BTreeMap<u32, LinkStatus>>,
    files: impl IntoIterator<Item = PathBuf>,
    at: Instant,
) -> Result<Observed, RtnetlinkError> {
    let mut look = Observed {
        at,
        hostname: sys::hostname::read().ok().flatten(),
        ..Observed::default()
    };
    if doubt.has(Doubt::LINKS) {
        look.links = rtnetlink.links(at)?;
        for link in look.links.values_mut().filter(|link| link.is_physical()) {
            link.driver = sys::net_device::driver(&link.name);
        }
        if look.links.values().any(has_vlans) {
            look.bridge_vlans = rtnetlink.bridge_vlans(at)?;
        }
    }
    if doubt.has(Doubt::ADDRESSES) {
        look.addresses = rtnetlink.addresses(at)?;
    }
    if doubt.has(Doubt::ROUTES) {
        look.routes = rtnetlink.routes(at, None)?;
    }
    if doubt.has(Doubt::RULES) {
        look.rules = rtnetlink.rules(at)?;
    }
    let links = match known {
        Some(known) if !doubt.has(Doubt::LINKS) => known,
        _ => &look.links,
    };
    wire::name_links(links, &mut look.addresses, &mut look.routes);
    if doubt.has(Doubt::FILES) {
        let conf = |link: &LinkStatus| PathBuf::from(format!("/run/net-{}.conf", link.name));
        let files = files.into_iter().chain(FILES.iter().map(PathBuf::from));
        look.files = contents(files.chain(links.values().map(conf)).collect());
    }
    Ok(look)
}

/// Whether VLANs on its ports may be compared: it is a bridge of ours, or one that filters by them. The hundreds of ports
/// of a CNI's bridge cost nothing then.
fn has_vlans(link: &LinkStatus) -> bool {
    match &link.kind_data {
        Some(KindStatus::Bridge(options)) => {
            link.group == OUR_GROUP || options.vlan_filtering == Some(true)
        }
        _ => false,
    }
}

/// What `compile` may want to write, whatever the configuration: read before the first plan, so that a file that is
/// right already is not written again.
const FILES: [&str; 5] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/hostname",
    "/run/init-net/resolv.conf",
    "/run/init-net/hosts",
];

fn contents(paths: BTreeSet<PathBuf>) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: &Path| sys::file::read(path, MAX_FILE).ok();
    paths
        .into_iter()
        .filter_map(|path| read(&path).map(|bytes| (path, bytes)))
        .collect()
}
