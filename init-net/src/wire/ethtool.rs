//! Settings of network cards over generic netlink (include/uapi/linux/ethtool_netlink.h).

use std::collections::BTreeMap;

use super::attribute::{attributes, text_of, u8_of, u32_of};
use super::body::Body;
use super::genl;
use super::message::WireError;
use crate::state::EthernetOp;
use crate::value::{Channels, EthernetOptions, Rings, WakeOn};

/// ETHTOOL_MSG_*, of requests.
mod message {
    pub const WOL_GET: u8 = 9;
    pub const WOL_SET: u8 = 10;
    pub const FEATURES_GET: u8 = 11;
    pub const FEATURES_SET: u8 = 12;
    pub const RINGS_GET: u8 = 15;
    pub const RINGS_SET: u8 = 16;
    pub const CHANNELS_GET: u8 = 17;
    pub const CHANNELS_SET: u8 = 18;
}

/// ETHTOOL_A_HEADER_DEV_INDEX in ETHTOOL_A_*_HEADER, which is 1 in every message.
const HEADER: u16 = 1;
const DEV_INDEX: u16 = 1;

/// ETHTOOL_A_BITSET_* and what is in it.
mod bitset {
    pub const NOMASK: u16 = 1;
    pub const BITS: u16 = 3;
    pub const BIT: u16 = 1;
    pub const BIT_INDEX: u16 = 1;
    pub const BIT_NAME: u16 = 2;
    pub const BIT_VALUE: u16 = 3;
}

/// ETHTOOL_A_RINGS_*.
mod rings {
    pub const RX: u16 = 6;
    pub const RX_MINI: u16 = 7;
    pub const RX_JUMBO: u16 = 8;
    pub const TX: u16 = 9;
    pub const RX_BUF_LEN: u16 = 10;
    pub const TCP_DATA_SPLIT: u16 = 11;
    pub const CQE_SIZE: u16 = 12;
    pub const TX_PUSH: u16 = 13;
    pub const RX_PUSH: u16 = 14;
    pub const TX_PUSH_BUF_LEN: u16 = 15;
}

/// ETHTOOL_A_CHANNELS_*_COUNT.
mod channels {
    pub const RX: u16 = 6;
    pub const TX: u16 = 7;
    pub const OTHER: u16 = 8;
    pub const COMBINED: u16 = 9;
}

/// ETHTOOL_A_FEATURES_*.
mod features {
    pub const HW: u16 = 2;
    pub const WANTED: u16 = 3;
    pub const ACTIVE: u16 = 4;
}

/// ETHTOOL_A_WOL_MODES.
const WOL_MODES: u16 = 2;

/// ETHTOOL_TCP_DATA_SPLIT_*; 0: the driver does not know.
const SPLIT_DISABLED: u8 = 1;
const SPLIT_ENABLED: u8 = 2;

/// ETHTOOL_MCGRP_MONITOR_NAME: the group that hears of every change of a setting, whoever made it.
pub const MONITOR: &str = "monitor";

/// The links that a datagram of notifications is about.
pub fn noticed(datagram: &[u8]) -> impl Iterator<Item = u32> {
    let headers = genl::notices(datagram).flat_map(attributes);
    let headers = headers.filter(|(kind, _)| *kind == HEADER);
    let inner = headers.flat_map(|(_, header)| attributes(header));
    inner
        .filter(|(kind, _)| *kind == DEV_INDEX)
        .filter_map(|(_, index)| u32_of(index))
}

/// What can be asked of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Ring sizes.
    Rings,
    /// Features.
    Features,
    /// Queues.
    Channels,
    /// What wakes the machine.
    WakeOnLan,
}

/// What `part` of the link `index` is now.
pub fn get(id: u16, part: Part, index: u32, seq: u32) -> Result<Vec<u8>, WireError> {
    let body = start(
        match part {
            Part::Rings => message::RINGS_GET,
            Part::Features => message::FEATURES_GET,
            Part::Channels => message::CHANNELS_GET,
            Part::WakeOnLan => message::WOL_GET,
        },
        index,
    );
    genl::request(id, seq, &body)
}

/// The message that does `op`.
pub fn set(id: u16, op: &EthernetOp, seq: u32) -> Result<Vec<u8>, WireError> {
    let body = match op {
        EthernetOp::Rings(link, wanted) => {
            let mut body = start(message::RINGS_SET, link.index);
            put_rings(wanted, &mut body);
            body
        }
        EthernetOp::Features(link, wanted) => {
            let mut body = start(message::FEATURES_SET, link.index);
            body.nest(features::WANTED, |body| put_features(wanted, body));
            body
        }
        EthernetOp::Channels(link, wanted) => {
            let mut body = start(message::CHANNELS_SET, link.index);
            let all = [
                (channels::RX, wanted.rx),
                (channels::TX, wanted.tx),
                (channels::OTHER, wanted.other),
                (channels::COMBINED, wanted.combined),
            ];
            for (kind, value) in all {
                if let Some(value) = value {
                    body.put_u32(kind, value);
                }
            }
            body
        }
        EthernetOp::WakeOnLan(link, modes) => {
            let mut body = start(message::WOL_SET, link.index);
            body.nest(WOL_MODES, |body| put_modes(modes, body));
            body
        }
    };
    genl::request(id, seq, &body)
}

fn start(command: u8, index: u32) -> Body {
    let mut body = genl::command(command);
    body.nest(HEADER, |body| body.put_u32(DEV_INDEX, index));
    body
}

fn put_rings(wanted: &Rings, body: &mut Body) {
    let numbers = [
        (rings::RX, wanted.rx),
        (rings::RX_MINI, wanted.rx_mini),
        (rings::RX_JUMBO, wanted.rx_jumbo),
        (rings::TX, wanted.tx),
        (rings::RX_BUF_LEN, wanted.rx_buf_len),
        (rings::CQE_SIZE, wanted.cqe_size),
        (rings::TX_PUSH_BUF_LEN, wanted.tx_push_buf_len),
    ];
    for (kind, value) in numbers {
        if let Some(value) = value {
            body.put_u32(kind, value);
        }
    }
    let split = wanted.tcp_data_split.map(|on| match on {
        true => SPLIT_ENABLED,
        false => SPLIT_DISABLED,
    });
    let bytes = [
        (rings::TCP_DATA_SPLIT, split),
        (rings::TX_PUSH, wanted.tx_push.map(u8::from)),
        (rings::RX_PUSH, wanted.rx_push.map(u8::from)),
    ];
    for (kind, value) in bytes {
        if let Some(value) = value {
            body.put(kind, &[value]);
        }
    }
}

/// With a mask: the bits that are listed change, the others stay.
fn put_features(wanted: &BTreeMap<String, bool>, body: &mut Body) {
    body.nest(bitset::BITS, |body| {
        for (name, on) in wanted {
            body.nest(bitset::BIT, |body| {
                body.put_text(bitset::BIT_NAME, name);
                if *on {
                    body.put(bitset::BIT_VALUE, &[]);
                }
            });
        }
    });
}

/// Without a mask: the bits that are listed are on, all others off.
fn put_modes(modes: &[WakeOn], body: &mut Body) {
    body.put(bitset::NOMASK, &[]);
    body.nest(bitset::BITS, |body| {
        for mode in modes {
            body.nest(bitset::BIT, |body| {
                body.put_u32(bitset::BIT_INDEX, mode.number().into());
                body.put(bitset::BIT_VALUE, &[]);
            });
        }
    });
}

/// Adds what the answer to [`get`] says of `part` to `card`.
pub fn read(part: Part, payload: &[u8], card: &mut EthernetOptions) {
    match part {
        Part::Rings => card.rings = read_rings(payload),
        Part::Features => card.features = read_features(payload),
        Part::Channels => card.channels = read_channels(payload),
        Part::WakeOnLan => {
            let modes = attributes(payload).find(|(kind, _)| *kind == WOL_MODES);
            card.wake_on_lan = modes.map(|(_, modes)| {
                let on = bits(modes).filter(|bit| bit.on);
                on.filter_map(|bit| WakeOn::from_number(u8::try_from(bit.index).ok()?))
                    .collect()
            });
        }
    }
}

/// The features that a card did not take, from its answer to [`set`]: it says yes all the same.
pub fn refused(payload: &[u8]) -> Vec<String> {
    let wanted = attributes(payload).filter(|(kind, _)| *kind == features::WANTED);
    wanted
        .flat_map(|(_, wanted)| bits(wanted))
        .map(|bit| bit.name)
        .collect()
}

fn read_rings(payload: &[u8]) -> Rings {
    let mut found = Rings::default();
    let switch = |value: &[u8]| u8_of(value).map(|on| on != 0);
    for (kind, value) in attributes(payload) {
        match kind {
            rings::RX => found.rx = u32_of(value),
            rings::RX_MINI => found.rx_mini = u32_of(value),
            rings::RX_JUMBO => found.rx_jumbo = u32_of(value),
            rings::TX => found.tx = u32_of(value),
            rings::RX_BUF_LEN => found.rx_buf_len = u32_of(value),
            rings::TCP_DATA_SPLIT => {
                found.tcp_data_split = match u8_of(value) {
                    Some(SPLIT_ENABLED) => Some(true),
                    Some(SPLIT_DISABLED) => Some(false),
                    _ => None,
                };
            }
            rings::CQE_SIZE => found.cqe_size = u32_of(value),
            rings::TX_PUSH => found.tx_push = switch(value),
            rings::RX_PUSH => found.rx_push = switch(value),
            rings::TX_PUSH_BUF_LEN => found.tx_push_buf_len = u32_of(value),
            _ => {}
        }
    }
    found
}

fn read_channels(payload: &[u8]) -> Channels {
    let mut found = Channels::default();
    for (kind, value) in attributes(payload) {
        match kind {
            channels::RX => found.rx = u32_of(value),
            channels::TX => found.tx = u32_of(value),
            channels::OTHER => found.other = u32_of(value),
            channels::COMBINED => found.combined = u32_of(value),
            _ => {}
        }
    }
    found
}

/// Every feature that the kernel knows (ETHTOOL_A_FEATURES_HW lists all), on where it is in force.
fn read_features(payload: &[u8]) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for (kind, value) in attributes(payload) {
        match kind {
            features::HW => {
                for bit in bits(value) {
                    found.entry(bit.name).or_insert(false);
                }
            }
            features::ACTIVE => found.extend(bits(value).map(|bit| (bit.name, bit.on))),
            _ => {}
        }
    }
    found
}

struct Bit {
    index: u32,
    name: String,
    on: bool,
}

/// The bits that a set lists; those of one without a mask are all on.
fn bits(set: &[u8]) -> impl Iterator<Item = Bit> {
    let all_on = attributes(set).any(|(kind, _)| kind == bitset::NOMASK);
    let bits = attributes(set).filter(|(kind, _)| *kind == bitset::BITS);
    bits.flat_map(|(_, bits)| attributes(bits))
        .map(move |(_, value)| {
            let mut bit = Bit {
                index: 0,
                name: String::new(),
                on: all_on,
            };
            for (kind, value) in attributes(value) {
                match kind {
                    bitset::BIT_INDEX => bit.index = u32_of(value).unwrap_or(0),
                    bitset::BIT_NAME => bit.name = text_of(value),
                    bitset::BIT_VALUE => bit.on = true,
                    _ => {}
                }
            }
            bit
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::LinkAt;

    fn link() -> LinkAt {
        LinkAt {
            index: 3,
            name: "eth0".parse().unwrap(),
        }
    }

    /// Requests and answers name their attributes alike: what is set reads back.
    #[track_caller]
    fn round_trip(op: &EthernetOp, part: Part) -> EthernetOptions {
        let message = set(20, op, 1).unwrap();
        let mut card = EthernetOptions::default();
        read(part, &message[20..], &mut card);
        card
    }

    #[test]
    fn what_is_set_reads_back() {
        let rings = Rings {
            rx: Some(512),
            tx: Some(1024),
            rx_mini: Some(1),
            rx_jumbo: Some(2),
            rx_buf_len: Some(4096),
            cqe_size: Some(64),
            tx_push: Some(true),
            rx_push: Some(false),
            tx_push_buf_len: Some(96),
            tcp_data_split: Some(true),
        };
        let op = EthernetOp::Rings(link(), rings.clone());
        assert_eq!(round_trip(&op, Part::Rings).rings, rings);
        let channels = Channels {
            rx: Some(1),
            combined: Some(4),
            ..Channels::default()
        };
        let op = EthernetOp::Channels(link(), channels.clone());
        assert_eq!(round_trip(&op, Part::Channels).channels, channels);
        let modes = vec![WakeOn::Unicast, WakeOn::Magic];
        let op = EthernetOp::WakeOnLan(link(), modes.clone());
        assert_eq!(round_trip(&op, Part::WakeOnLan).wake_on_lan, Some(modes));
    }

    #[test]
    fn features_are_on_where_they_are_in_force() {
        let mut body = Body::new(&[]);
        let bit = |body: &mut Body, name: &str, on: bool| {
            body.nest(bitset::BIT, |body| {
                body.put_text(bitset::BIT_NAME, name);
                if on {
                    body.put(bitset::BIT_VALUE, &[]);
                }
            });
        };
        body.nest(features::HW, |body| {
            body.nest(bitset::BITS, |body| {
                bit(body, "rx-gro", true);
                bit(body, "tx-vlan", false);
                bit(body, "rx-lro", true);
            });
        });
        body.nest(features::ACTIVE, |body| {
            body.put(bitset::NOMASK, &[]);
            body.nest(bitset::BITS, |body| bit(body, "rx-gro", false));
        });
        let message = genl::request(20, 1, &body).unwrap();
        let found = read_features(&message[16..]);
        let found: Vec<_> = found
            .iter()
            .map(|(name, on)| (name.as_str(), *on))
            .collect();
        assert_eq!(
            found,
            [("rx-gro", true), ("rx-lro", false), ("tx-vlan", false)]
        );
    }
}
