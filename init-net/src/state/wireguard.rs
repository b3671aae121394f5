//! What a WireGuard device counts. It changes with every packet: looked at when somebody asks, never compared.

use serde::Serialize;

/// The traffic of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerTraffic {
    /// WGPEER_A_LAST_HANDSHAKE_TIME, seconds since 1970; `None`: there was none.
    #[serde(rename = "lastHandshakeTime")]
    pub last_handshake: Option<u64>,
    /// WGPEER_A_RX_BYTES.
    #[serde(rename = "receiveBytes")]
    pub received_bytes: u64,
    /// WGPEER_A_TX_BYTES.
    #[serde(rename = "transmitBytes")]
    pub sent_bytes: u64,
}
