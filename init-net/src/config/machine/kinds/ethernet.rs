//! `EthernetConfig`.

use super::{Kind, Role};
use crate::config::machine::record::{At, Record, Table};
use crate::config::machine::source::Source;
use crate::config::{Document, EthernetConfig, LinkRef};
use crate::value::{Channels, EthernetOptions, LinkName, Rings, WakeOn};

keys! {
    /// Settings of a network card, as ethtool(8) makes them.
    pub struct EthernetKeys("EthernetConfig") {
        /// The link.
        required "name" name: LinkName,
        /// Features by the kernel's names, such as `tx-checksum-ipv4`, on or off.
        "features" features: Table<bool>,
        /// The rings of packets.
        "rings" rings: RingKeys,
        /// The queues.
        "channels" channels: ChannelKeys,
        /// What wakes the machine; nothing where the list is empty.
        "wakeOnLan" wake_on_lan: Vec<WakeOn>,
    }
}

keys! {
    /// The rings of packets.
    pub struct RingKeys("rings") {
        /// Descriptors of the receive ring.
        "rx" rx: u32,
        /// Descriptors of the transmit ring.
        "tx" tx: u32,
        /// Descriptors of the ring for small packets.
        "rx-mini" rx_mini: u32,
        /// Descriptors of the ring for jumbo packets.
        "rx-jumbo" rx_jumbo: u32,
        /// Bytes of one receive buffer.
        "rx-buf-len" rx_buf_len: u32,
        /// Bytes of one completion entry.
        "cqe-size" cqe_size: u32,
        /// Whether descriptors are pushed to the card for sending.
        "tx-push" tx_push: bool,
        /// Whether descriptors are pushed to the card for receiving.
        "rx-push" rx_push: bool,
        /// Bytes of the push buffer.
        "tx-push-buf-len" tx_push_buf_len: u32,
        /// Whether headers and data are kept apart.
        "tcp-data-split" tcp_data_split: bool,
    }
}

keys! {
    /// The queues.
    pub struct ChannelKeys("channels") {
        /// Queues that only receive.
        "rx" rx: u32,
        /// Queues that only send.
        "tx" tx: u32,
        /// Queues for anything else.
        "other" other: u32,
        /// Queues that do both.
        "combined" combined: u32,
    }
}

/// Longest name of a feature, bytes: ETH_GSTRING_LEN of include/uapi/linux/ethtool.h less its NUL.
const MAX_FEATURE: usize = 31;

impl Kind for EthernetKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let origin = self.origin(source);
        let mut options = EthernetOptions {
            rings: self
                .rings
                .as_ref()
                .map(|keys| keys.options())
                .unwrap_or_default(),
            channels: self
                .channels
                .as_ref()
                .map(|keys| keys.options(source))
                .unwrap_or_default(),
            ..EthernetOptions::default()
        };
        for (name, on) in self.features.iter().flat_map(|table| &table.0) {
            let sound = name.bytes().all(|b| b.is_ascii_graphic());
            if sound && (1..=MAX_FEATURE).contains(&name.len()) {
                options.features.insert(name.value.clone(), on.value);
            } else {
                let rule = "a feature is named as by ethtool -k, such as tx-checksum-ipv4";
                self.refuse_value(source, name, rule, None);
            }
        }
        if let Some(wake) = &self.wake_on_lan
            // What is left of a list that was not right says nothing about "nothing".
            && !(wake.is_empty() && self.is_partial())
        {
            let mut wake = wake.value.clone();
            wake.sort_unstable();
            wake.dedup();
            options.wake_on_lan = Some(wake);
        }
        out.ethernet.push(EthernetConfig {
            link: LinkRef::Name(self.name.value),
            options,
            origin,
        });
    }
}

/// What was said, without its place.
fn said<T: Copy>(at: &Option<At<T>>) -> Option<T> {
    at.map(|at| at.value)
}

impl RingKeys {
    fn options(&self) -> Rings {
        Rings {
            rx: said(&self.rx),
            tx: said(&self.tx),
            rx_mini: said(&self.rx_mini),
            rx_jumbo: said(&self.rx_jumbo),
            rx_buf_len: said(&self.rx_buf_len),
            cqe_size: said(&self.cqe_size),
            tx_push: said(&self.tx_push),
            rx_push: said(&self.rx_push),
            tx_push_buf_len: said(&self.tx_push_buf_len),
            tcp_data_split: said(&self.tcp_data_split),
        }
    }
}

impl ChannelKeys {
    fn options(&self, source: &Source<'_>) -> Channels {
        // The kernel refuses a card without a queue in one direction (net/ethtool/channels.c).
        let none = |at: &Option<At<u32>>| said(at) == Some(0);
        if none(&self.combined) && (none(&self.rx) || none(&self.tx)) {
            let rule = "a card has at least one queue to receive and one to send";
            self.refuse(source, &self.combined, rule, None);
            return Channels::default();
        }
        Channels {
            rx: said(&self.rx),
            tx: said(&self.tx),
            other: said(&self.other),
            combined: said(&self.combined),
        }
    }
}
