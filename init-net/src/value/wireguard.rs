//! WireGuard: keys and peers. Private and preshared keys never print.

use core::fmt;
use core::net::SocketAddr;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use zeroize::Zeroize as _;

use super::Prefix;

/// Length of every WireGuard key, bytes (WG_KEY_LEN).
const LEN: usize = 32;

/// Why a text is not a key. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError;

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a WireGuard key: 32 bytes in base64, 44 characters")
    }
}

fn decode(text: &str) -> Result<[u8; LEN], KeyError> {
    let mut bytes = STANDARD.decode(text).map_err(|_| KeyError)?;
    let key = bytes.as_slice().try_into().map_err(|_| KeyError);
    bytes.zeroize();
    key
}

/// Who a peer is. Not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; LEN]);

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        decode(text).map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A private or preshared key. Prints and serialises as `(hidden)`; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; LEN]);

impl SecretKey {
    /// From the kernel or a decoder; all zero is "no key" there.
    pub fn new(bytes: [u8; LEN]) -> Option<Self> {
        (bytes != [0; LEN]).then_some(Self(bytes))
    }

    /// The bytes, for the kernel alone.
    pub fn expose(&self) -> &[u8; LEN] {
        &self.0
    }

    /// As the kernel keeps it: with the fixed bits of X25519 set (RFC 7748 §5).
    #[must_use]
    pub fn clamped(&self) -> Self {
        let mut key = self.clone();
        key.0[0] &= 248;
        key.0[31] = (key.0[31] & 127) | 64;
        key
    }
}

impl FromStr for SecretKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::new(decode(text)?).ok_or(KeyError)
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SecretKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A WireGuard device: in a document and in what is desired `None` is "not said"; as observed everything is `Some` but
/// what the device has not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WireguardOptions {
    /// WGDEVICE_A_PRIVATE_KEY.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<SecretKey>,
    /// WGDEVICE_A_PUBLIC_KEY, which the kernel derives; observed only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// WGDEVICE_A_LISTEN_PORT; 0: the kernel picks one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_port: Option<u16>,
    /// WGDEVICE_A_FWMARK; 0 none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall_mark: Option<u32>,
    /// By public key, each once.
    pub peers: Vec<WireguardPeer>,
}

/// One peer of a WireGuard device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WireguardPeer {
    /// Who.
    pub public_key: PublicKey,
    /// WGPEER_A_PRESHARED_KEY.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preshared_key: Option<SecretKey>,
    /// WGPEER_A_ENDPOINT; `None`: wherever it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<SocketAddr>,
    /// WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, seconds; 0 off.
    pub persistent_keepalive_interval: u16,
    /// What may come from it and goes to it.
    #[serde(rename = "allowedIPs")]
    pub allowed_ips: Vec<Prefix>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_32_bytes_and_secrets_do_not_print() {
        let text = STANDARD.encode([7; 32]);
        let key: SecretKey = text.parse().unwrap();
        assert_eq!(format!("{key} {key:?}"), "(hidden) (hidden)");
        assert_eq!(serde_json::to_string(&key).unwrap(), "\"(hidden)\"");
        let public: PublicKey = text.parse().unwrap();
        assert_eq!(public.to_string(), text);
        assert_eq!("AAAA".parse::<PublicKey>(), Err(KeyError));
        assert_eq!("not base64!".parse::<SecretKey>(), Err(KeyError));
        assert_eq!(SecretKey::new([0; 32]), None);
        let none = STANDARD.encode([0; 32]);
        assert_eq!(none.parse::<SecretKey>(), Err(KeyError));
        // RFC 7748 §5: the three low bits and the top bit are cleared, the second highest is set.
        let clamped = SecretKey([255; 32]).clamped();
        assert_eq!((clamped.0[0], clamped.0[31]), (248, 127));
    }
}
