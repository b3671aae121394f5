//! [`Subjects`]: what a look at settings looked at. What is not desired is not looked at, so a change of what is desired
//! takes a new look before anything is planned.

use std::collections::{BTreeMap, BTreeSet};

use crate::state::{Desired, KindSpec, LinkStatus};
use crate::value::{Gather as _, LinkName, SysctlKey};

/// Parameters by key, and links by name with the index they had: another index is another link, with settings of its own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subjects {
    sysctls: BTreeSet<SysctlKey>,
    links: BTreeMap<String, Option<u32>>,
}

impl Subjects {
    pub(super) fn of(desired: &Desired, links: &BTreeMap<u32, LinkStatus>) -> Self {
        let wireguard = desired.links.values();
        let wireguard = wireguard.filter(|link| matches!(link.kind, KindSpec::Wireguard(_)));
        let names = wireguard
            .map(|link| link.name.as_str())
            .chain(desired.ethernet.keys().map(LinkName::as_str))
            .chain(desired.sysctls.keys().filter_map(link_of));
        let mut wanted: BTreeMap<String, Option<u32>> =
            names.map(|name| (name.to_owned(), None)).gather();
        if !wanted.is_empty() {
            for link in links.values() {
                for name in link
                    .alt_names
                    .iter()
                    .map(String::as_str)
                    .chain([link.name.as_str()])
                {
                    if let Some(index) = wanted.get_mut(name) {
                        *index = Some(link.index);
                    }
                }
            }
        }
        Self {
            sysctls: desired.sysctls.keys().cloned().gather(),
            links: wanted,
        }
    }
}

/// The link that a parameter belongs to.
fn link_of(key: &SysctlKey) -> Option<&str> {
    let mut segments = key.segments();
    match (segments.next()?, segments.nth(1)?, segments.next()?) {
        ("net", "conf" | "neigh", name) if !matches!(name, "all" | "default") => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_links() {
        #[track_caller]
        fn check(key: &str, expect: Option<&str>) {
            assert_eq!(link_of(&key.parse().unwrap()), expect);
        }
        check("net.ipv4.conf.eth0.rp_filter", Some("eth0"));
        check("net.ipv6.neigh.eth0/5.gc_stale_time", Some("eth0.5"));
        check("net.ipv4.conf.all.rp_filter", None);
        check("net.ipv4.ip_forward", None);
    }
}
