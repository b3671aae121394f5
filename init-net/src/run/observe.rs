//! One look at the machine: links, addresses, routes, rules, host name, files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::core::Doubt;
use super::rtnetlink::{Rtnetlink, RtnetlinkError};
use crate::state::{CardStatus, LinkStatus, Observed};
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
        look_at_cards(&mut look.links, known);
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

/// Adds what sysfs tells of network cards. A card does not change: what is `known` of it is taken from there, but for its
/// speed, which comes and goes with the carrier.
pub fn look_at_cards(
    links: &mut BTreeMap<u32, LinkStatus>,
    known: Option<&BTreeMap<u32, LinkStatus>>,
) {
    for link in links.values_mut().filter(|link| link.is_physical()) {
        let same = |old: &&LinkStatus| {
            old.name == link.name
                && old.permanent_addr == link.permanent_addr
                && old.has_carrier() == link.has_carrier()
        };
        if let Some(old) = known.and_then(|known| known.get(&link.index)).filter(same) {
            link.driver = old.driver.clone();
            link.card = old.card.clone();
            continue;
        }
        let card = sys::net_device::card(&link.name);
        link.driver = card.driver;
        link.card = Box::new(CardStatus {
            driver_version: card.driver_version,
            bus_path: card.bus_path,
            pci_id: card.pci_id,
            vendor_id: card.vendor_id,
            product_id: card.product_id,
            vendor: card.vendor,
            product: card.product,
            speed_mbit: card.speed_mbit,
            full_duplex: card.full_duplex,
        });
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
