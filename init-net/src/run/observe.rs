//! One look at the machine: links, addresses, routes, rules, firewall, host name, files, settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::core::Doubt;
use super::kernel::Kernel;
use super::rtnetlink::RtnetlinkError;
use crate::plan::Slots;
use crate::state::{
    CardStatus, Desired, KindSpec, KindStatus, LinkStatus, OUR_GROUP, OUR_PROTOCOL, Observed,
};
use crate::sys;
use crate::value::{Gather as _, Instant, SysctlKey};
use crate::wire::{self, RouteHead};

/// Largest file of ours that is read back, bytes: beyond it the file is not ours and differs anyway.
const MAX_FILE: usize = 1 << 20;

/// Dumps everything that `plan` compares, and the routes that it does not. Of files, parameters, cards and keys only those
/// that `desired` names are read.
pub fn observe_all(
    kernel: &mut Kernel,
    desired: &Desired,
    at: Instant,
) -> Result<Observed, RtnetlinkError> {
    let all = Doubt::EVERYTHING | Doubt::ALL_ROUTES;
    observe(kernel, all, None, desired, at)
}

/// Dumps the parts in `doubt` and leaves the others empty. `known` are the links of the last look: the names of their
/// indexes, where links are not in doubt.
pub fn observe(
    kernel: &mut Kernel,
    doubt: Doubt,
    known: Option<&BTreeMap<u32, LinkStatus>>,
    desired: &Desired,
    at: Instant,
) -> Result<Observed, RtnetlinkError> {
    let rtnetlink = &mut kernel.route;
    let mut look = Observed {
        at,
        hostname: sys::hostname::read().ok().flatten(),
        ..Observed::default()
    };
    if doubt.has(Doubt::LINKS) {
        look.links = rtnetlink.links(at)?;
        look_at_cards(&mut look.links, known);
        if look.links.values().any(has_vlans) {
            look.bridge_vlans = rtnetlink.bridge_vlans(at)?;
        }
    }
    if doubt.has(Doubt::ADDRESSES) {
        look.addresses = rtnetlink.addresses(at)?;
    }
    if doubt.has(Doubt::ALL_ROUTES) {
        look.routes = rtnetlink.routes(at, None)?;
    } else if doubt.has(Doubt::FOREIGN_ROUTES) {
        let slots = Slots::of(desired);
        let wanted = |head: &RouteHead| {
            head.protocol == OUR_PROTOCOL || slots.may_hold(head.family, head.dst_len)
        };
        look.routes = rtnetlink.routes_where(at, None, &wanted)?;
        look.routes.retain(|route| slots.concern(route));
    } else if doubt.has(Doubt::ROUTES) {
        look.routes = rtnetlink.routes(at, Some(OUR_PROTOCOL))?;
    }
    if doubt.has(Doubt::RULES) {
        look.rules = rtnetlink.rules(at)?;
    }
    if doubt.has(Doubt::FIREWALL) {
        (look.firewall, look.generation) = kernel.nft.table()?;
    }
    let links = match known {
        Some(known) if !doubt.has(Doubt::LINKS) => known,
        _ => &look.links,
    };
    wire::name_links(links, &mut look.addresses, &mut look.routes);
    if doubt.has(Doubt::FILES) {
        let conf = |link: &LinkStatus| PathBuf::from(format!("/run/net-{}.conf", link.name));
        let files = desired.files.keys().cloned();
        let files = files.chain(FILES.iter().map(PathBuf::from));
        look.files = contents(files.chain(links.values().map(conf)).gather());
    }
    if doubt.has(Doubt::SETTINGS) {
        let by_name = by_name(links);
        settings(kernel, desired, &by_name, &mut look);
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

/// Links by each of their names.
fn by_name(links: &BTreeMap<u32, LinkStatus>) -> BTreeMap<String, (u32, bool)> {
    let is_wireguard = |link: &LinkStatus| link.kind == "wireguard";
    let alternative = links.values().flat_map(|link| {
        let names = link.alt_names.iter().cloned();
        names.map(|name| (name, (link.index, is_wireguard(link))))
    });
    let own = links
        .values()
        .map(|link| (link.name.to_string(), (link.index, is_wireguard(link))));
    alternative.chain(own).gather()
}

/// Keys, cards and parameters. One that cannot be read is left out: the plan says what is to be done about it, and the
/// kernel why it cannot.
fn settings(
    kernel: &mut Kernel,
    desired: &Desired,
    links: &BTreeMap<String, (u32, bool)>,
    look: &mut Observed,
) {
    for link in desired.links.values() {
        if let KindSpec::Wireguard(_) = link.kind
            && let Some((index, true)) = links.get(link.name.as_str())
        {
            match kernel.generic.wireguard(*index) {
                Ok(device) => drop(look.wireguard.insert(*index, device)),
                Err(error) => log::warn!("wireguard {}: {error}", link.name),
            }
        }
    }
    for (name, spec) in &desired.ethernet {
        if let Some((index, _)) = links.get(name.as_str()) {
            match kernel.generic.ethernet(*index, &spec.options) {
                Ok(card) => drop(look.ethernet.insert(*index, card)),
                Err(error) => log::debug!("ethtool {name}: {error}"),
            }
        }
    }
    let read = |key: &SysctlKey| Some((key.clone(), sys::sysctl::read(key).ok()?));
    look.sysctls = desired.sysctls.keys().filter_map(read).gather();
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
        *link.card = CardStatus {
            driver_version: card.driver_version,
            bus_path: card.bus_path,
            pci_id: card.pci_id,
            vendor_id: card.vendor_id,
            product_id: card.product_id,
            vendor: card.vendor,
            product: card.product,
            speed_mbit: card.speed_mbit,
            full_duplex: card.full_duplex,
        };
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
        .gather()
}
