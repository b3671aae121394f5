//! Settings of a network card that ethtool(8) makes: rings, channels, features, wake-on-LAN.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::named::named;

named! {
    /// What wakes a machine, bit numbers of WAKE_* (include/uapi/linux/ethtool.h).
    pub enum WakeOn: u8 {
        /// A change of the PHY.
        Phy = 0 "phy",
        /// A unicast packet.
        Unicast = 1 "unicast",
        /// A multicast packet.
        Multicast = 2 "multicast",
        /// A broadcast packet.
        Broadcast = 3 "broadcast",
        /// An ARP request.
        Arp = 4 "arp",
        /// A magic packet.
        Magic = 5 "magic",
        /// A magic packet with the password.
        MagicSecure = 6 "magicsecure",
        /// What a filter of the card takes.
        Filter = 7 "filter",
    }
}

/// Ring sizes, ETHTOOL_A_RINGS_*. `None`: not said, or not known by the driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Rings {
    /// Descriptors of the receive ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx: Option<u32>,
    /// Descriptors of the transmit ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx: Option<u32>,
    /// Descriptors of the ring for small packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_mini: Option<u32>,
    /// Descriptors of the ring for jumbo packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_jumbo: Option<u32>,
    /// Bytes of one receive buffer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_buf_len: Option<u32>,
    /// Bytes of one completion entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cqe_size: Option<u32>,
    /// Descriptors pushed with the doorbell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_push: Option<bool>,
    /// The same for receive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_push: Option<bool>,
    /// Bytes of the push buffer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_push_buf_len: Option<u32>,
    /// Headers and data apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_data_split: Option<bool>,
}

/// Queues, ETHTOOL_A_CHANNELS_*. `None`: not said, or not known by the driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Channels {
    /// Receive only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx: Option<u32>,
    /// Transmit only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx: Option<u32>,
    /// Neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<u32>,
    /// Both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub combined: Option<u32>,
}

/// All of it, as said or as found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EthernetOptions {
    /// Ring sizes.
    pub rings: Rings,
    /// Queues.
    pub channels: Channels,
    /// Feature names of the kernel (`tx-checksum-ipv4`, net/ethtool/common.c) and whether they are on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, bool>,
    /// `None`: not said; empty: nothing wakes the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_on_lan: Option<Vec<WakeOn>>,
}

impl EthernetOptions {
    /// These settings, and those of `below` that are not said here.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        let (rings, old) = (&self.rings, &below.rings);
        let (channels, few) = (&self.channels, &below.channels);
        let mut features = below.features.clone();
        features.extend(self.features.iter().map(|(name, on)| (name.clone(), *on)));
        Self {
            rings: Rings {
                rx: rings.rx.or(old.rx),
                tx: rings.tx.or(old.tx),
                rx_mini: rings.rx_mini.or(old.rx_mini),
                rx_jumbo: rings.rx_jumbo.or(old.rx_jumbo),
                rx_buf_len: rings.rx_buf_len.or(old.rx_buf_len),
                cqe_size: rings.cqe_size.or(old.cqe_size),
                tx_push: rings.tx_push.or(old.tx_push),
                rx_push: rings.rx_push.or(old.rx_push),
                tx_push_buf_len: rings.tx_push_buf_len.or(old.tx_push_buf_len),
                tcp_data_split: rings.tcp_data_split.or(old.tcp_data_split),
            },
            channels: Channels {
                rx: channels.rx.or(few.rx),
                tx: channels.tx.or(few.tx),
                other: channels.other.or(few.other),
                combined: channels.combined.or(few.combined),
            },
            features,
            wake_on_lan: self
                .wake_on_lan
                .clone()
                .or_else(|| below.wake_on_lan.clone()),
        }
    }
}
