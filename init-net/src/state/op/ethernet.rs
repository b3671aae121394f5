//! Changes of network cards.

use core::fmt;
use std::collections::BTreeMap;

use super::LinkAt;
use crate::value::{Channels, Rings, WakeOn};

/// The change of [`super::Op::Ethernet`]: only what is `Some` is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EthernetOp {
    /// ETHTOOL_MSG_RINGS_SET.
    Rings(LinkAt, Rings),
    /// ETHTOOL_MSG_FEATURES_SET.
    Features(LinkAt, BTreeMap<String, bool>),
    /// ETHTOOL_MSG_CHANNELS_SET.
    Channels(LinkAt, Channels),
    /// ETHTOOL_MSG_WOL_SET: all modes, in place of those that are on.
    WakeOnLan(LinkAt, Vec<WakeOn>),
}

impl fmt::Display for EthernetOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rings(link, rings) => {
                write!(f, "ethtool -G {}", link.name)?;
                super::option(f, "rx", rings.rx)?;
                super::option(f, "rx-mini", rings.rx_mini)?;
                super::option(f, "rx-jumbo", rings.rx_jumbo)?;
                super::option(f, "tx", rings.tx)?;
                super::option(f, "rx-buf-len", rings.rx_buf_len)?;
                super::switch(f, "tcp-data-split", rings.tcp_data_split)?;
                super::option(f, "cqe-size", rings.cqe_size)?;
                super::switch(f, "tx-push", rings.tx_push)?;
                super::switch(f, "rx-push", rings.rx_push)?;
                super::option(f, "tx-push-buf-len", rings.tx_push_buf_len)
            }
            Self::Features(link, features) => {
                write!(f, "ethtool -K {}", link.name)?;
                let mut features = features.iter();
                features.try_for_each(|(name, on)| super::switch(f, name, Some(*on)))
            }
            Self::Channels(link, channels) => {
                write!(f, "ethtool -L {}", link.name)?;
                super::option(f, "rx", channels.rx)?;
                super::option(f, "tx", channels.tx)?;
                super::option(f, "other", channels.other)?;
                super::option(f, "combined", channels.combined)
            }
            Self::WakeOnLan(link, modes) => {
                let letters: String = modes.iter().map(|mode| letter(*mode)).collect();
                let letters = if letters.is_empty() { "d" } else { &letters };
                write!(f, "ethtool -s {} wol {letters}", link.name)
            }
        }
    }
}

/// The letter of ethtool(8).
const fn letter(mode: WakeOn) -> char {
    match mode {
        WakeOn::Phy => 'p',
        WakeOn::Unicast => 'u',
        WakeOn::Multicast => 'm',
        WakeOn::Broadcast => 'b',
        WakeOn::Arp => 'a',
        WakeOn::Magic => 'g',
        WakeOn::MagicSecure => 's',
        WakeOn::Filter => 'f',
    }
}
