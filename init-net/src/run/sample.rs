//! What nobody reconciles and somebody asks for: neighbours, traffic, firmware. Looked at for one answer, then forgotten.

use std::collections::BTreeMap;

use super::generic::WireguardTraffic;
use super::kernel::Kernel;
use crate::state::nft::TableStatus;
use crate::state::{LinkStatus, NeighborState, NeighborStatus};
use crate::sys::ethtool::{Card, Ethtool};
use crate::value::{EthernetOptions, Instant};

/// Most links whose drivers are asked for one answer: each takes three system calls, and some drivers milliseconds.
const MAX_CARDS: usize = 256;

/// Most neighbours of one answer: several times the kernel's own limit (`gc_thresh3`, 1,024 unless raised).
const MAX_NEIGHBORS: usize = 65_536;

/// The answer's part that was looked at for it.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Of `neighbors`.
    pub neighbors: Vec<NeighborStatus>,
    /// Of `links`: devices of WireGuard with the traffic of their peers.
    pub wireguard: BTreeMap<u32, WireguardTraffic>,
    /// Of `links` and `ethernet`: what drivers say.
    pub cards: BTreeMap<u32, Card>,
    /// Of `ethernet`: all settings of network cards.
    pub ethernet: BTreeMap<u32, EthernetOptions>,
    /// Of `firewall`: our table with its counters of this moment.
    pub firewall: Option<TableStatus>,
}

impl Sample {
    /// Whether an answer about `kind` needs one.
    pub fn is_for(kind: &str) -> bool {
        matches!(kind, "neighbors" | "links" | "ethernet" | "firewall")
    }

    /// Looks at what an answer about `kind` needs. What cannot be had is left out, with a word in the log.
    pub fn take(
        kernel: &mut Kernel,
        kind: &str,
        links: &BTreeMap<u32, LinkStatus>,
        now: Instant,
    ) -> Self {
        let mut sample = Self::default();
        if kind == "neighbors" {
            match kernel.route.neighbors(now) {
                Ok(all) => sample.neighbors = all,
                Err(error) => log::warn!("neighbours: {error}"),
            }
            // Groups and loopback are addresses that nobody has to be asked about: ip(8) leaves them out as well.
            sample
                .neighbors
                .retain(|neighbor| neighbor.state != NeighborState::Noarp);
            sample.neighbors.truncate(MAX_NEIGHBORS);
            for neighbor in &mut sample.neighbors {
                if let Some(link) = links.get(&neighbor.link_index) {
                    neighbor.link_name = link.name.clone();
                }
            }
            return sample;
        }
        if kind == "firewall" {
            match kernel.nft.table() {
                Ok((table, _)) => sample.firewall = table,
                Err(error) => log::warn!("nf_tables: {error}"),
            }
            return sample;
        }
        if !Self::is_for(kind) {
            return sample;
        }
        let cards = links.values().filter(|link| link.is_physical());
        if let Ok(ethtool) = Ethtool::open() {
            sample.cards = cards
                .clone()
                .take(MAX_CARDS)
                .map(|link| (link.index, ethtool.card(&link.name)))
                .collect();
        }
        for link in links.values().filter(|link| link.kind == "wireguard") {
            match kernel.generic.wireguard_traffic(link.index) {
                Ok(device) => drop(sample.wireguard.insert(link.index, device)),
                Err(error) => log::warn!("wireguard {}: {error}", link.name),
            }
        }
        if kind == "ethernet" {
            for link in cards.take(MAX_CARDS) {
                match kernel.generic.whole_card(link.index) {
                    Ok(card) => drop(sample.ethernet.insert(link.index, card)),
                    Err(error) => log::debug!("ethtool {}: {error}", link.name),
                }
            }
        }
        sample
    }
}
