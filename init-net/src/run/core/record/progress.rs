//! Since when: of each level of readiness, of each thing that is missing, of the state of each link.

use std::collections::BTreeMap;

use super::ring::{EventKind, Ring};
use crate::config::WaitLevel;
use crate::run::core::Readiness;
use crate::state::{AddressStatus, Observed, Scope};
use crate::value::{Gather as _, Moment};

/// The levels, low to high, with their names.
pub const LEVELS: [(WaitLevel, &str); 4] = [
    (WaitLevel::Links, "links"),
    (WaitLevel::Local, "local"),
    (WaitLevel::Routable, "routable"),
    (WaitLevel::Online, "online"),
];

/// Missing things whose beginning is kept: with more of them missing nobody reads the list to its end.
const MAX_MISSING: usize = 256;

/// Links whose state is followed: as many as a machine with thousands of VLANs has.
const MAX_LINKS: usize = 8192;

/// What is kept.
#[derive(Debug, Default)]
pub struct Progress {
    levels: [Option<(bool, Moment)>; LEVELS.len()],
    missing: BTreeMap<String, Moment>,
    links: BTreeMap<u32, (LinkState, Moment)>,
}

/// How far a link is, in the words of networkctl(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    /// Down.
    Off,
    /// Up, and nothing at the other end.
    NoCarrier,
    /// The other end is there and something below is not done yet (IEEE 802.1X, LACP).
    Dormant,
    /// A member of a bond, bridge or VRF: addresses are the master's.
    Enslaved,
    /// Without an address that can be used.
    Carrier,
    /// With addresses for its link alone.
    Degraded,
    /// With an address that others can reach.
    Routable,
}

impl Progress {
    /// Takes what is reached and missing now; a change of a level is an event.
    pub fn follow(&mut self, readiness: &Readiness, now: Moment, ring: &mut Ring) {
        for (slot, (level, name)) in self.levels.iter_mut().zip(LEVELS) {
            let reached = readiness.reached(level);
            let before = slot.map(|(before, _)| before);
            if before == Some(reached) {
                continue;
            }
            *slot = Some((reached, now));
            let resource = || format!("status/{name}");
            if reached {
                ring.push(now, EventKind::LevelReached, resource(), name);
            } else if before.is_some() {
                let missing = readiness.missing.join(", ");
                let text = format!("{name} lost: {missing}");
                ring.push(now, EventKind::LevelLost, resource(), &text);
            }
        }
        if self.missing.is_empty() && readiness.missing.is_empty() {
            return;
        }
        let mut old = core::mem::take(&mut self.missing);
        self.missing = readiness
            .missing
            .iter()
            .take(MAX_MISSING)
            .map(|what| (what.clone(), old.remove(what).unwrap_or(now)))
            .gather();
    }

    /// Takes the state of every link.
    pub fn looked(&mut self, observed: &Observed, now: Moment) {
        let states = link_states(observed);
        let mut old = core::mem::take(&mut self.links);
        self.links = states
            .into_iter()
            .take(MAX_LINKS)
            .map(|(index, state)| {
                let same = old.remove(&index).filter(|(before, _)| *before == state);
                (index, same.unwrap_or((state, now)))
            })
            .gather();
    }

    /// Each level: its name, whether it is reached, and since when that is so.
    pub fn levels(&self) -> impl Iterator<Item = (&'static str, bool, Moment)> + '_ {
        let known = self.levels.iter().zip(LEVELS);
        known.filter_map(|(slot, (_, name))| slot.map(|(reached, at)| (name, reached, at)))
    }

    /// Since when `what` is missing.
    pub fn missing_since(&self, what: &str) -> Option<Moment> {
        self.missing.get(what).copied()
    }

    /// The state of the link `index`, and since when.
    pub fn link(&self, index: u32) -> Option<(LinkState, Moment)> {
        self.links.get(&index).copied()
    }
}

/// How far each link is.
fn link_states(observed: &Observed) -> BTreeMap<u32, LinkState> {
    let mut best: BTreeMap<u32, LinkState> = BTreeMap::new();
    for address in observed.addresses.iter().filter(|a| a.is_usable()) {
        let state = of_address(address);
        let slot = best.entry(address.link_index).or_insert(state);
        if state == LinkState::Routable {
            *slot = state;
        }
    }
    let state = |(index, link): (&u32, &crate::state::LinkStatus)| {
        let state = if !link.is_up() {
            LinkState::Off
        } else if !link.has_carrier() {
            LinkState::NoCarrier
        } else if link.operational_state == "dormant" {
            LinkState::Dormant
        } else if link.master_index != 0 {
            LinkState::Enslaved
        } else {
            best.get(index).copied().unwrap_or(LinkState::Carrier)
        };
        (*index, state)
    };
    observed.links.iter().map(state).gather()
}

/// What an address makes of its link.
fn of_address(address: &AddressStatus) -> LinkState {
    match address.scope {
        Scope::Global | Scope::Site => LinkState::Routable,
        Scope::Link => LinkState::Degraded,
        Scope::Host | Scope::Nowhere => LinkState::Carrier,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Family, LinkStatus, iff};
    use crate::value::{Duration, Instant};

    fn at(secs: u64) -> Moment {
        Moment {
            boot: Instant::from_secs(secs),
            wall: Duration::from_secs(secs),
        }
    }

    fn readiness(links: bool, missing: &[&str]) -> Readiness {
        Readiness {
            links,
            missing: missing.iter().map(ToString::to_string).collect(),
            ..Readiness::default()
        }
    }

    #[test]
    fn since_when_survives_until_it_changes() {
        let (mut progress, mut ring) = (Progress::default(), Ring::default());
        progress.follow(&readiness(false, &["a", "b"]), at(1), &mut ring);
        progress.follow(&readiness(true, &["b", "c"]), at(2), &mut ring);
        progress.follow(&readiness(true, &["c", "a"]), at(3), &mut ring);
        assert_eq!(progress.missing_since("a"), Some(at(3)), "it was gone");
        assert_eq!(progress.missing_since("b"), None);
        assert_eq!(progress.missing_since("c"), Some(at(2)));
        let levels: Vec<_> = progress.levels().take(2).collect();
        assert_eq!(levels, [("links", true, at(2)), ("local", false, at(1))]);
        progress.follow(&readiness(false, &["cable"]), at(4), &mut ring);
        let told: Vec<_> = ring
            .events()
            .map(|event| (event.kind, event.text.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (EventKind::LevelReached, "links"),
                (EventKind::LevelLost, "links lost: cable")
            ],
            "a level that was never reached is not lost"
        );
    }

    #[test]
    fn states_of_links() {
        let mut observed = Observed::default();
        let mut link = |index: u32, change: fn(&mut LinkStatus)| {
            let mut link = LinkStatus::new(index, format!("eth{index}").parse().unwrap());
            link.flags = iff::UP | iff::LOWER_UP;
            change(&mut link);
            observed.links.insert(index, link);
        };
        link(1, |link| link.flags = 0);
        link(2, |link| link.flags = iff::UP);
        link(3, |link| link.operational_state = "dormant".into());
        link(4, |link| link.master_index = 9);
        link(5, |_| {});
        link(6, |_| {});
        link(7, |_| {});
        link(8, |_| {});
        let mut address = |index: u32, text: &str, scope, flags| {
            observed.addresses.push(AddressStatus {
                address: text.parse().unwrap(),
                peer: None,
                broadcast: None,
                link_index: index,
                link_name: format!("eth{index}").parse().unwrap(),
                family: Family::Inet6,
                scope,
                flags,
                priority: 0,
                protocol: 0,
                valid_until: None,
                preferred_until: None,
            });
        };
        address(6, "fe80::1/64", Scope::Link, 0);
        address(7, "2001:db8::1/64", Scope::Global, 0);
        address(7, "fe80::1/64", Scope::Link, 0);
        address(8, "2001:db8::2/64", Scope::Global, AddressStatus::TENTATIVE);
        let mut progress = Progress::default();
        progress.looked(&observed, at(1));
        progress.looked(&observed, at(2));
        let found: Vec<_> = (1..=8).map(|index| progress.link(index).unwrap()).collect();
        use LinkState::*;
        let expect = [
            Off, NoCarrier, Dormant, Enslaved, Carrier, Degraded, Routable, Carrier,
        ];
        assert_eq!(found, expect.map(|state| (state, at(1))));
        observed.links.get_mut(&5).unwrap().flags = 0;
        progress.looked(&observed, at(3));
        assert_eq!(progress.link(5), Some((Off, at(3))));
        assert_eq!(progress.link(9), None);
    }
}
