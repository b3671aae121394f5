//! `WireguardConfig`.

use core::net::SocketAddr;

use serde_json::Value as Json;

use super::link::LinkKeys;
use super::{Kind, Role};
use crate::config::machine::record::{At, Items as _, Record, plain};
use crate::config::machine::scalar::{Scalar, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{Document, KindConfig};
use crate::value::{
    Duration, LinkName, Prefix, PublicKey, SecretKey, WireguardOptions, WireguardPeer,
};

keys! {
    /// An encrypted tunnel.
    pub struct WireguardKeys("WireguardConfig") {
        /// The link.
        required "name" name: LinkName,
        /// The secret of this machine.
        required "privateKey" private_key: SecretKey,
        /// The UDP port; 0: any.
        "listenPort" listen_port: u16,
        /// The firewall mark of the packets outside; 0: none.
        "firewallMark" firewall_mark: u32,
        /// The other machines.
        "peers" peers: Vec<TunnelPeerKeys>,
        ..link: LinkKeys,
    }
}

keys! {
    /// Another machine of the tunnel.
    pub struct TunnelPeerKeys("peer") whole {
        /// Who it is.
        required "publicKey" public_key: PublicKey,
        /// A secret between the two.
        "presharedKey" preshared_key: SecretKey,
        /// Where it is: an address and a port, no name.
        "endpoint" endpoint: SocketAddr,
        /// How often something is sent that nobody reads; 0: never.
        "persistentKeepaliveInterval" keepalive: Keepalive,
        /// What comes from it and goes to it.
        "allowedIPs" allowed_ips: Vec<At<Prefix>>,
    }
}

/// A time in whole seconds that 16 bits hold.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive(u16);

impl Scalar for Keepalive {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        let time = Duration::read(node, text)?;
        let whole = u16::try_from(time.as_secs())
            .ok()
            .filter(|_| time.subsec_nanos() == 0);
        let rule = "expected whole seconds from 0s to 65535s";
        whole.map(Self).ok_or_else(|| rule.into())
    }

    fn schema() -> Json {
        Duration::schema()
    }
}

impl Kind for WireguardKeys {
    const ROLE: Role = Role::Link;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let mut peers: Vec<WireguardPeer> = Vec::new();
        for keys in self.peers.items() {
            if peers
                .iter()
                .any(|peer| peer.public_key == keys.public_key.value)
            {
                let rule = "a second peer with the same publicKey";
                keys.refuse(
                    source,
                    &keys.public_key,
                    rule,
                    Some("write both into one peer"),
                );
                continue;
            }
            peers.push(keys.peer(&peers, source));
        }
        let kind = KindConfig::Wireguard(WireguardOptions {
            private_key: Some(self.private_key.value),
            public_key: None,
            listen_port: plain(self.listen_port),
            firewall_mark: plain(self.firewall_mark),
            peers,
        });
        self.link
            .apply(self.name.value, Some(kind), None, source, out);
    }
}

impl TunnelPeerKeys {
    /// The peer beside the `others` of its device.
    fn peer(self, others: &[WireguardPeer], source: &Source<'_>) -> WireguardPeer {
        let mut allowed_ips: Vec<Prefix> = Vec::new();
        for prefix in self.allowed_ips.iter().flat_map(|list| &list.value) {
            let network = prefix.network();
            if others
                .iter()
                .any(|peer| peer.allowed_ips.contains(&network))
            {
                let rule = "allowedIPs: another peer has this network";
                self.refuse_value(source, prefix, rule, None);
            } else if !allowed_ips.contains(&network) {
                allowed_ips.push(network);
            }
        }
        WireguardPeer {
            public_key: self.public_key.value,
            preshared_key: plain(self.preshared_key),
            endpoint: plain(self.endpoint),
            persistent_keepalive_interval: self.keepalive.map_or(0, |time| time.0),
            allowed_ips,
        }
    }
}
