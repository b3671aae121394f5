//! `wireguard` of an interface.

use core::net::SocketAddr;
use std::collections::BTreeSet;

use crate::config::KindConfig;
use crate::config::machine::record::{At, Items as _, Record};
use crate::config::machine::source::Source;
use crate::value::{Duration, Prefix, PublicKey, SecretKey, WireguardOptions, WireguardPeer};

keys! {
    /// Makes a WireGuard link.
    pub struct WireguardKeys("wireguard") {
        /// The machine's own key.
        "privateKey" private_key: SecretKey,
        /// The UDP port; 0 lets the kernel pick one.
        "listenPort" listen_port: u16,
        /// The firewall mark of its packets; 0 for none.
        "firewallMark" firewall_mark: u32,
        /// The other machines.
        "peers" peers: Vec<PeerKeys>,
    }
}

keys! {
    /// Another machine.
    pub struct PeerKeys("peer") whole {
        /// Its key.
        required "publicKey" public_key: PublicKey,
        /// Where it is.
        "endpoint" endpoint: SocketAddr,
        /// How often it is spoken to so that it is not forgotten on the way; 0 for never.
        "persistentKeepaliveInterval" keepalive: Duration,
        /// The networks behind it.
        "allowedIPs" allowed_ips: Vec<At<Prefix>>,
    }
}

impl WireguardKeys {
    /// The link that is to be made.
    pub fn kind(&self, source: &Source<'_>) -> KindConfig {
        if self.private_key.is_none() && !self.is_partial() {
            let rule = "privateKey must be given";
            self.refuse_value(source, &self.private_key, rule, None);
        }
        let mut seen = BTreeSet::new();
        let mut peers = Vec::new();
        for peer in self.peers.clone().items() {
            if seen.insert(peer.public_key.value) {
                peers.extend(peer.peer(source));
            } else {
                peer.refuse(
                    source,
                    &peer.public_key,
                    "a second peer with this key",
                    None,
                );
            }
        }
        KindConfig::Wireguard(WireguardOptions {
            private_key: self.private_key.as_ref().map(|key| key.value.clone()),
            public_key: None,
            listen_port: self.listen_port.map(|port| port.value),
            firewall_mark: self.firewall_mark.map(|mark| mark.value),
            peers,
        })
    }
}

impl PeerKeys {
    fn peer(self, source: &Source<'_>) -> Option<WireguardPeer> {
        let seconds = self.keepalive.map_or(0, |said| said.as_secs());
        let Ok(keepalive) = u16::try_from(seconds) else {
            let rule = "persistentKeepaliveInterval is at most 65535s";
            self.refuse(source, &self.keepalive, rule, None);
            return None;
        };
        Some(WireguardPeer {
            public_key: self.public_key.value,
            preshared_key: None,
            endpoint: self.endpoint.map(|endpoint| endpoint.value),
            persistent_keepalive_interval: keepalive,
            allowed_ips: self
                .allowed_ips
                .items()
                .map(|at| at.value.network())
                .collect(),
        })
    }
}
