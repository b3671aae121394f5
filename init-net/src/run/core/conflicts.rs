//! Conflict detection for every IPv4 address of ours, leased or static: RFC 5227, fast profile. The address is in use
//! while it is probed, so nothing waits.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::{BTreeMap, BTreeSet};

use super::Effect;
use crate::proto::Machine;
use crate::proto::acd::{self, Acd, Arp};
use crate::state::{Desired, LinkAt, Observed};
use crate::value::{Gather as _, Instant, LinkName, Mac, Rng, earliest};

/// Index of the link, and the address.
type Key = (u32, Ipv4Addr);

/// The watches, by link and address.
#[derive(Default)]
pub(super) struct Conflicts {
    watches: BTreeMap<Key, Watch>,
    /// Addresses that were found free by this stage or the one before, as `link/address`: they are not probed again, only
    /// watched.
    verified: BTreeSet<String>,
    /// Ethernet addresses of this machine. By default Linux answers for every address of its own on every link: of two cards
    /// on one network, each hears the other.
    own: BTreeSet<[u8; 6]>,
}

struct Watch {
    link: LinkAt,
    acd: Option<Acd>,
    rival: Option<Mac>,
}

/// Somebody else has the address.
pub(super) struct Conflict {
    /// On which link.
    pub(super) index: u32,
    /// Which address.
    pub(super) address: Ipv4Addr,
    /// Whether it was found while the address was new.
    pub(super) during_probe: bool,
}

impl Conflicts {
    /// With what the stage before found free.
    pub(super) fn new(verified: Vec<String>) -> Self {
        Self {
            watches: BTreeMap::new(),
            verified: verified.into_iter().gather(),
            own: BTreeSet::new(),
        }
    }

    /// What was found free, for the state file.
    pub(super) fn verified(&self) -> Vec<String> {
        self.verified.iter().cloned().collect()
    }

    /// Starts a watch for every address of ours that is there, ends those that are gone. Answers whether one was forgotten
    /// that was found free.
    pub(super) fn follow(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let macs = observed.links.values().filter_map(|l| l.hardware_addr);
        self.own = macs.filter_map(|mac| mac.as_ethernet()).gather();
        let mut wanted: BTreeMap<Key, (LinkAt, Mac)> = BTreeMap::new();
        for spec in desired.addresses.values() {
            let (IpAddr::V4(address), Some(link)) =
                (spec.address.address(), observed.link(&spec.link_name))
            else {
                continue;
            };
            let there = observed
                .addresses
                .iter()
                .any(|a| a.link_index == link.index && a.address == spec.address);
            let sends = link.is_up() && link.has_carrier() && !address.is_loopback();
            if let (true, Some(mac)) = (there && sends, link.hardware_addr) {
                let at = LinkAt {
                    index: link.index,
                    name: link.name.clone(),
                };
                wanted.insert((link.index, address), (at, mac));
            }
        }
        let mut forgot = false;
        self.watches.retain(|(index, address), watch| {
            let keep = wanted.contains_key(&(*index, *address));
            if !keep {
                forgot |= self.verified.remove(&name(&watch.link.name, *address));
                effects.push(Effect::CloseArp {
                    index: *index,
                    address: *address,
                });
            }
            keep
        });
        for (key, (link, mac)) in wanted {
            if self.watches.contains_key(&key) {
                continue;
            }
            let (_, address) = key;
            let acd = if self.verified.contains(&name(&link.name, address)) {
                let link = link.clone();
                effects.push(Effect::ListenArp { link, address });
                Acd::resume(mac, address)
            } else {
                Acd::new(mac, address, now)
            };
            let watch = Watch {
                link,
                acd,
                rival: None,
            };
            self.watches.insert(key, watch);
        }
        forgot
    }

    /// What another host says about an address.
    pub(super) fn receive(&mut self, index: u32, address: Ipv4Addr, message: &[u8], now: Instant) {
        if Arp::parse(message).is_some_and(|arp| self.own.contains(&arp.sender_mac)) {
            return;
        }
        if let Some(acd) = self
            .watches
            .get_mut(&(index, address))
            .and_then(|watch| watch.acd.as_mut())
        {
            acd.receive(message, now);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        earliest(
            self.watches
                .values()
                .map(|watch| watch.acd.as_ref().and_then(Acd::deadline)),
        )
    }

    /// Lets every watch act. Answers with the conflicts found, and whether an address was found free.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        effects: &mut Vec<Effect>,
    ) -> (Vec<Conflict>, bool) {
        let mut conflicts = Vec::new();
        let mut freed = false;
        for ((index, address), watch) in &mut self.watches {
            let Some(acd) = &mut watch.acd else { continue };
            acd.expire(now);
            let link = &watch.link;
            acd.transmit_all(now, rng, |message| {
                let (link, message) = (link.clone(), message.into());
                effects.push(Effect::BroadcastArp {
                    link,
                    address: *address,
                    message,
                });
            });
            while let Some(event) = acd.event() {
                match event {
                    acd::Event::Free => {
                        self.verified.insert(name(&link.name, *address));
                        freed = true;
                    }
                    acd::Event::Conflict { mac, during_probe } => {
                        let text = format!("{address} on {} is also used by {mac}", link.name);
                        effects.push(Effect::Log(log::Level::Error, text));
                        watch.rival = Some(mac);
                        conflicts.push(Conflict {
                            index: *index,
                            address: *address,
                            during_probe,
                        });
                    }
                }
            }
        }
        (conflicts, freed)
    }

    /// A static address stays although another host has it: a node without its address is worse.
    pub(super) fn claim(&mut self, index: u32, address: Ipv4Addr, now: Instant) {
        if let Some(acd) = self
            .watches
            .get_mut(&(index, address))
            .and_then(|watch| watch.acd.as_mut())
        {
            acd.claim(now);
        }
    }

    /// Addresses that other hosts have as well, for the report.
    pub(super) fn rivals(&self) -> Vec<String> {
        let rival = |((_, address), watch): (&Key, &Watch)| {
            watch
                .rival
                .map(|mac| format!("{address} on {} is also used by {mac}", watch.link.name))
        };
        self.watches.iter().filter_map(rival).collect()
    }
}

fn name(link: &LinkName, address: Ipv4Addr) -> String {
    format!("{link}/{address}")
}
