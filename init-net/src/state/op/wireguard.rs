//! Changes of WireGuard devices. Keys that are secret print as `(hidden)`.

use core::fmt;
use core::net::SocketAddr;

use super::LinkAt;
use crate::value::{Prefix, PublicKey, SecretKey};

/// The device of [`super::Op::Wireguard`]: `None` is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireguardOp {
    /// Which.
    pub link: LinkAt,
    /// The new private key.
    pub private_key: Option<SecretKey>,
    /// The new UDP port; 0: the kernel picks one.
    pub listen_port: Option<u16>,
    /// The new mark; 0 none.
    pub firewall_mark: Option<u32>,
    /// Peers that come, change or go.
    pub peers: Vec<WireguardPeerOp>,
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireguardPeerOp {
    /// Who.
    pub public_key: PublicKey,
    /// WGPEER_F_REMOVE_ME.
    pub remove: bool,
    /// The new preshared key; `Some(None)`: taken away.
    pub preshared_key: Option<Option<SecretKey>>,
    /// The new endpoint.
    pub endpoint: Option<SocketAddr>,
    /// The new interval, seconds; 0 off.
    pub persistent_keepalive_interval: Option<u16>,
    /// All of its networks, in place of those it has.
    pub allowed_ips: Option<Vec<Prefix>>,
}

impl fmt::Display for WireguardOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wg set {}", self.link.name)?;
        super::option(f, "private-key", self.private_key.as_ref())?;
        super::option(f, "listen-port", self.listen_port)?;
        super::option(
            f,
            "fwmark",
            self.firewall_mark.map(|mark| format!("{mark:#x}")),
        )?;
        self.peers.iter().try_for_each(|peer| write!(f, " {peer}"))
    }
}

impl fmt::Display for WireguardPeerOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}", self.public_key)?;
        if self.remove {
            return f.write_str(" remove");
        }
        match &self.preshared_key {
            Some(Some(key)) => write!(f, " preshared-key {key}")?,
            Some(None) => f.write_str(" preshared-key /dev/null")?,
            None => {}
        }
        super::option(f, "endpoint", self.endpoint)?;
        super::option(
            f,
            "persistent-keepalive",
            self.persistent_keepalive_interval,
        )?;
        let list = |ips: &Vec<Prefix>| {
            ips.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(",")
        };
        super::option(f, "allowed-ips", self.allowed_ips.as_ref().map(list))
    }
}
