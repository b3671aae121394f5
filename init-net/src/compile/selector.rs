//! `deviceSelector`: which links have all of what it says.

use crate::config::DeviceSelector;
use crate::state::LinkStatus;
use crate::value::{Glob, LinkName, Mac};

/// A [`DeviceSelector`] with its patterns read once.
pub(super) struct Selector {
    name: Pattern,
    /// Names that were given to what fits: a link does not stop being what was meant because it was renamed.
    given: Vec<LinkName>,
    mac: Option<Mac>,
    bus_path: Pattern,
    hardware_addr: Pattern,
    permanent_addr: Pattern,
    pci_id: Pattern,
    driver: Pattern,
    drivers: Vec<Pattern>,
    physical: Option<bool>,
    /// Nothing is said: it fits nothing.
    empty: bool,
}

/// `None`: not said. `Some(None)`: not a pattern, which its reader has reported; it fits nothing.
type Pattern = Option<Option<Glob>>;

impl Selector {
    /// `given`: names that the documents give to what it selects.
    pub(super) fn new<'a>(
        selector: &DeviceSelector,
        given: impl IntoIterator<Item = &'a LinkName>,
    ) -> Self {
        let pattern = |text: &Option<String>| text.as_deref().map(|text| text.parse().ok());
        let given = given.into_iter().cloned().collect();
        let drivers = selector.drivers.iter();
        Self {
            name: pattern(&selector.name),
            given,
            mac: selector.mac,
            drivers: drivers.map(|text| Some(text.parse().ok())).collect(),
            bus_path: pattern(&selector.bus_path),
            hardware_addr: pattern(&selector.hardware_addr),
            permanent_addr: pattern(&selector.permanent_addr),
            pci_id: pattern(&selector.pci_id),
            driver: pattern(&selector.driver),
            physical: selector.physical,
            empty: *selector == DeviceSelector::default(),
        }
    }

    /// Whether `link` has all of it.
    pub(super) fn fits(&self, link: &LinkStatus) -> bool {
        // A member of a bond has the bond's address: its own is what was meant, and what stays.
        let current = if link.master_index == 0 {
            link.hardware_addr
        } else {
            link.stable_mac()
        };
        let driver = link.driver.as_deref();
        !self.empty
            && self.is_called(link)
            && self.mac.is_none_or(|mac| link.stable_mac() == Some(mac))
            && (self.drivers.is_empty() || self.drivers.iter().any(|glob| text(glob, driver)))
            && text(&self.bus_path, link.card.bus_path.as_deref())
            && text(&self.driver, driver)
            && number(&self.hardware_addr, text_of(current).as_deref())
            && number(
                &self.permanent_addr,
                text_of(link.permanent_addr).as_deref(),
            )
            && number(&self.pci_id, link.card.pci_id.as_deref())
            && self.physical.is_none_or(|said| said == link.is_physical())
    }
}

impl Selector {
    fn is_called(&self, link: &LinkStatus) -> bool {
        self.given.contains(&link.name)
            || text(&self.name, Some(link.name.as_str()))
            || self.name.is_some()
                && link
                    .alt_names
                    .iter()
                    .any(|name| text(&self.name, Some(name)))
    }
}

fn text_of(mac: Option<Mac>) -> Option<String> {
    mac.map(|mac| mac.to_string())
}

fn text(pattern: &Pattern, value: Option<&str>) -> bool {
    fits(pattern, value, Glob::matches)
}

/// Numbers in hexadecimal have no case.
fn number(pattern: &Pattern, value: Option<&str>) -> bool {
    fits(pattern, value, Glob::matches_any_case)
}

fn fits(pattern: &Pattern, value: Option<&str>, matches: fn(&Glob, &str) -> bool) -> bool {
    match (pattern, value) {
        (None, _) => true,
        (Some(Some(glob)), Some(value)) => matches(glob, value),
        (Some(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_said_must_fit() {
        let mut link = LinkStatus::new(2, "eth0".parse().unwrap());
        link.driver = Some("virtio_net".into());
        link.card.bus_path = Some("0000:00:03.0".into());
        link.card.pci_id = Some("1AF4:1000".into());
        link.hardware_addr = Some("52:54:00:12:34:00".parse().unwrap());
        link.permanent_addr = link.hardware_addr;
        #[track_caller]
        fn check(link: &LinkStatus, change: impl FnOnce(&mut DeviceSelector), expect: bool) {
            let mut selector = DeviceSelector::default();
            change(&mut selector);
            assert_eq!(
                Selector::new(&selector, []).fits(link),
                expect,
                "{selector:?}"
            );
        }
        check(&link, |_| {}, false);
        check(&link, |s| s.driver = Some("virtio*".into()), true);
        check(&link, |s| s.driver = Some("VIRTIO*".into()), false);
        check(&link, |s| s.driver = Some("[".into()), false);
        check(&link, |s| s.name = Some("eth[0-3]".into()), true);
        check(&link, |s| s.name = Some("ens*".into()), false);
        let one_of = |drivers: [&str; 2]| drivers.map(String::from).to_vec();
        check(&link, |s| s.drivers = one_of(["e1000*", "virtio_*"]), true);
        check(&link, |s| s.drivers = one_of(["e1000*", "ena"]), false);
        check(&link, |s| s.mac = link.permanent_addr, true);
        check(&link, |s| s.mac = "52:54:00:12:34:01".parse().ok(), false);
        check(&link, |s| s.bus_path = Some("0000:00:*".into()), true);
        check(&link, |s| s.pci_id = Some("1af4:*".into()), true);
        check(&link, |s| s.physical = Some(true), true);
        check(&link, |s| s.physical = Some(false), false);
        let both = |s: &mut DeviceSelector| {
            s.physical = Some(true);
            s.permanent_addr = Some("52:54:00:ff:*".into());
        };
        check(&link, both, false);
        // In a bond it answers to its own address.
        link.master_index = 7;
        link.hardware_addr = Some("52:54:00:12:34:99".parse().unwrap());
        check(&link, |s| s.hardware_addr = Some("*:00".into()), true);
    }
}
