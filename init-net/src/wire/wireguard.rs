//! WireGuard devices over generic netlink: WG_CMD_SET_DEVICE, cut to messages that fit, and the dump of
//! WG_CMD_GET_DEVICE, joined from as many as it takes (include/uapi/linux/wireguard.h).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use zeroize::Zeroizing;

use super::attribute::{address_of, attributes, u8_of, u32_of};
use super::body::Body;
use super::genl;
use super::message::{MAX_MESSAGE, WireError};
use crate::state::{WireguardOp, WireguardPeerOp};
use crate::value::{Prefix, PublicKey, SecretKey, WireguardOptions, WireguardPeer};

/// WG_CMD_*.
const GET_DEVICE: u8 = 0;
const SET_DEVICE: u8 = 1;

/// WGDEVICE_A_*.
pub(super) mod device {
    pub const IFINDEX: u16 = 1;
    pub const PRIVATE_KEY: u16 = 3;
    pub const PUBLIC_KEY: u16 = 4;
    pub const LISTEN_PORT: u16 = 6;
    pub const FWMARK: u16 = 7;
    pub const PEERS: u16 = 8;
}

/// WGPEER_A_*.
pub(super) mod peer {
    pub const PUBLIC_KEY: u16 = 1;
    pub const PRESHARED_KEY: u16 = 2;
    pub const FLAGS: u16 = 3;
    pub const ENDPOINT: u16 = 4;
    pub const PERSISTENT_KEEPALIVE_INTERVAL: u16 = 5;
    pub const LAST_HANDSHAKE_TIME: u16 = 6;
    pub const RX_BYTES: u16 = 7;
    pub const TX_BYTES: u16 = 8;
    pub const ALLOWEDIPS: u16 = 9;
}

/// WGALLOWEDIP_A_*.
mod allowed_ip {
    pub const FAMILY: u16 = 1;
    pub const IPADDR: u16 = 2;
    pub const CIDR_MASK: u16 = 3;
}

/// WGPEER_F_REMOVE_ME.
const REMOVE_ME: u32 = 1;
/// WGPEER_F_REPLACE_ALLOWEDIPS.
const REPLACE_ALLOWEDIPS: u32 = 2;

/// AF_INET and AF_INET6, include/linux/socket.h.
const INET: u16 = 2;
const INET6: u16 = 10;

/// Where a message is cut, bytes: room for the netlink header and one more peer with one network.
const FULL: usize = MAX_MESSAGE - 512;

/// Everything of one device.
pub fn get(id: u16, index: u32, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut body = genl::command(GET_DEVICE);
    body.put_u32(device::IFINDEX, index);
    genl::dump(id, seq, &body)
}

/// The messages that do `op`, to be sent in their order, with sequence numbers from `seq` on. They hold keys and are
/// wiped when dropped.
pub fn set(id: u16, op: &WireguardOp, seq: u32) -> Result<Vec<Zeroizing<Vec<u8>>>, WireError> {
    let mut messages = Messages {
        id,
        index: op.link.index,
        seq,
        done: Vec::new(),
    };
    let mut body = messages.start();
    if let Some(key) = &op.private_key {
        body.put(device::PRIVATE_KEY, key.expose());
    }
    if let Some(port) = op.listen_port {
        body.put(device::LISTEN_PORT, &port.to_ne_bytes());
    }
    if let Some(mark) = op.firewall_mark {
        body.put_u32(device::FWMARK, mark);
    }
    let mut peers = op.peers.iter().map(Rest::new);
    let mut rest = peers.next();
    while rest.is_some() {
        body.nest(device::PEERS, |body| {
            while let Some(peer) = &mut rest
                && body.len() < FULL
            {
                peer.put(body);
                if peer.is_done() {
                    rest = peers.next();
                }
            }
        });
        if rest.is_some() {
            let full = core::mem::replace(&mut body, messages.start());
            messages.finish(&full)?;
        }
    }
    messages.finish(&body)?;
    Ok(messages.done)
}

struct Messages {
    id: u16,
    index: u32,
    seq: u32,
    done: Vec<Zeroizing<Vec<u8>>>,
}

impl Messages {
    fn start(&self) -> Body {
        let mut body = genl::command(SET_DEVICE);
        body.put_u32(device::IFINDEX, self.index);
        body
    }

    fn finish(&mut self, body: &Body) -> Result<(), WireError> {
        let message = genl::request(self.id, self.seq, body)?;
        self.done.push(Zeroizing::new(message));
        self.seq = self.seq.wrapping_add(1);
        Ok(())
    }
}

/// What is still to be said of a peer.
struct Rest<'a> {
    peer: &'a WireguardPeerOp,
    begun: bool,
    allowed_ips: &'a [Prefix],
}

impl<'a> Rest<'a> {
    fn new(peer: &'a WireguardPeerOp) -> Self {
        Self {
            peer,
            begun: false,
            allowed_ips: peer.allowed_ips.as_deref().unwrap_or_default(),
        }
    }

    fn is_done(&self) -> bool {
        self.begun && self.allowed_ips.is_empty()
    }

    /// As much of the peer as the message takes. Its settings, and the flag that empties its list, go first and once.
    fn put(&mut self, body: &mut Body) {
        // The type of an element of a list is not looked at.
        body.nest(0, |body| {
            body.put(peer::PUBLIC_KEY, &self.peer.public_key.0);
            if !self.begun {
                self.begun = true;
                settings(self.peer, body);
            }
            if self.allowed_ips.is_empty() {
                return;
            }
            body.nest(peer::ALLOWEDIPS, |body| {
                while let [first, rest @ ..] = self.allowed_ips
                    && body.len() < FULL
                {
                    put_allowed_ip(first, body);
                    self.allowed_ips = rest;
                }
            });
        });
    }
}

fn settings(op: &WireguardPeerOp, body: &mut Body) {
    let flags = [
        (op.remove, REMOVE_ME),
        (op.allowed_ips.is_some(), REPLACE_ALLOWEDIPS),
    ];
    let flags = flags.iter().filter(|(on, _)| *on);
    let flags = flags.fold(0, |all, (_, flag)| all | flag);
    if flags != 0 {
        body.put_u32(peer::FLAGS, flags);
    }
    match &op.preshared_key {
        Some(Some(key)) => body.put(peer::PRESHARED_KEY, key.expose()),
        // All zero: none.
        Some(None) => body.put(peer::PRESHARED_KEY, &[0; 32]),
        None => {}
    }
    match op.endpoint {
        Some(SocketAddr::V4(endpoint)) => body.put(peer::ENDPOINT, &sockaddr_in(endpoint)),
        Some(SocketAddr::V6(endpoint)) => body.put(peer::ENDPOINT, &sockaddr_in6(endpoint)),
        None => {}
    }
    if let Some(seconds) = op.persistent_keepalive_interval {
        let seconds = seconds.to_ne_bytes();
        body.put(peer::PERSISTENT_KEEPALIVE_INTERVAL, &seconds);
    }
}

fn put_allowed_ip(network: &Prefix, body: &mut Body) {
    body.nest(0, |body| {
        match network.address() {
            IpAddr::V4(address) => {
                body.put(allowed_ip::FAMILY, &INET.to_ne_bytes());
                body.put(allowed_ip::IPADDR, &address.octets());
            }
            IpAddr::V6(address) => {
                body.put(allowed_ip::FAMILY, &INET6.to_ne_bytes());
                body.put(allowed_ip::IPADDR, &address.octets());
            }
        }
        body.put(allowed_ip::CIDR_MASK, &[network.len()]);
    });
}

/// `struct sockaddr_in`: family, port, address, eight bytes of nothing.
fn sockaddr_in(endpoint: SocketAddrV4) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&INET.to_ne_bytes());
    bytes[2..4].copy_from_slice(&endpoint.port().to_be_bytes());
    bytes[4..8].copy_from_slice(&endpoint.ip().octets());
    bytes
}

/// `struct sockaddr_in6`: family, port, flow, address, scope.
fn sockaddr_in6(endpoint: SocketAddrV6) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[..2].copy_from_slice(&INET6.to_ne_bytes());
    bytes[2..4].copy_from_slice(&endpoint.port().to_be_bytes());
    bytes[4..8].copy_from_slice(&endpoint.flowinfo().to_be_bytes());
    bytes[8..24].copy_from_slice(&endpoint.ip().octets());
    bytes[24..].copy_from_slice(&endpoint.scope_id().to_ne_bytes());
    bytes
}

/// Adds what one message of the dump says to `device`. A peer whose list did not fit in the one before goes on in the
/// next, with its key again.
pub fn read(payload: &[u8], device: &mut WireguardOptions) {
    for (kind, value) in attributes(payload) {
        match kind {
            device::PRIVATE_KEY => device.private_key = secret_of(value),
            device::PUBLIC_KEY => device.public_key = value.try_into().ok().map(PublicKey),
            device::LISTEN_PORT => device.listen_port = u16_of(value),
            device::FWMARK => device.firewall_mark = u32_of(value),
            device::PEERS => {
                for (_, value) in attributes(value) {
                    read_peer(value, &mut device.peers);
                }
            }
            _ => {}
        }
    }
}

fn read_peer(value: &[u8], peers: &mut Vec<WireguardPeer>) {
    let key = attributes(value).find(|(kind, _)| *kind == peer::PUBLIC_KEY);
    let Some(key) = key.and_then(|(_, key)| key.try_into().ok()).map(PublicKey) else {
        return;
    };
    if peers.last().is_none_or(|last| last.public_key != key) {
        peers.push(WireguardPeer {
            public_key: key,
            preshared_key: None,
            endpoint: None,
            persistent_keepalive_interval: 0,
            allowed_ips: Vec::new(),
        });
    }
    let Some(status) = peers.last_mut() else {
        return;
    };
    for (kind, value) in attributes(value) {
        match kind {
            peer::PRESHARED_KEY => status.preshared_key = secret_of(value),
            peer::ENDPOINT => status.endpoint = endpoint_of(value),
            peer::PERSISTENT_KEEPALIVE_INTERVAL => {
                status.persistent_keepalive_interval = u16_of(value).unwrap_or(0);
            }
            peer::ALLOWEDIPS => {
                let networks = attributes(value).filter_map(|(_, value)| network_of(value));
                status.allowed_ips.extend(networks);
            }
            _ => {}
        }
    }
}

fn secret_of(value: &[u8]) -> Option<SecretKey> {
    SecretKey::new(value.try_into().ok()?)
}

fn u16_of(value: &[u8]) -> Option<u16> {
    value.try_into().ok().map(u16::from_ne_bytes)
}

fn network_of(value: &[u8]) -> Option<Prefix> {
    let (mut address, mut len) = (None, None);
    for (kind, value) in attributes(value) {
        match kind {
            allowed_ip::IPADDR => address = address_of(value),
            allowed_ip::CIDR_MASK => len = u8_of(value),
            _ => {}
        }
    }
    Prefix::new(address?, len?).ok()
}

fn endpoint_of(value: &[u8]) -> Option<SocketAddr> {
    let port = |value: &[u8]| Some(u16::from_be_bytes(value.get(2..4)?.try_into().ok()?));
    match u16_of(value.get(..2)?)? {
        INET => {
            let octets: [u8; 4] = value.get(4..8)?.try_into().ok()?;
            Some(SocketAddrV4::new(Ipv4Addr::from(octets), port(value)?).into())
        }
        INET6 => {
            let octets: [u8; 16] = value.get(8..24)?.try_into().ok()?;
            let scope = value.get(24..28).and_then(u32_of).unwrap_or(0);
            Some(SocketAddrV6::new(Ipv6Addr::from(octets), port(value)?, 0, scope).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::LinkAt;

    fn peer_op(number: u8, networks: u32) -> WireguardPeerOp {
        let base = u32::from(number) << 24;
        let network = |i: u32| Prefix::new(Ipv4Addr::from(base + (i << 8)).into(), 24).unwrap();
        WireguardPeerOp {
            public_key: PublicKey([number; 32]),
            remove: false,
            preshared_key: Some(SecretKey::new([number; 32])),
            endpoint: Some("[fe80::1%3]:51820".parse().unwrap()),
            persistent_keepalive_interval: Some(25),
            allowed_ips: Some((0..networks).map(network).collect()),
        }
    }

    /// What the kernel would have after `op`, read from our own messages: requests and answers have one form.
    fn round_trip(peers: Vec<WireguardPeerOp>) -> (usize, WireguardOptions) {
        let op = WireguardOp {
            link: LinkAt {
                index: 5,
                name: "wg0".parse().unwrap(),
            },
            private_key: SecretKey::new([1; 32]),
            listen_port: Some(51820),
            firewall_mark: Some(0x40),
            peers,
        };
        let messages = set(31, &op, 1).unwrap();
        let mut device = WireguardOptions::default();
        for message in &messages {
            assert!(message.len() <= MAX_MESSAGE);
            read(&message[20..], &mut device);
        }
        (messages.len(), device)
    }

    #[test]
    fn a_small_device_is_one_message() {
        let (messages, device) = round_trip(vec![peer_op(9, 2), peer_op(10, 0)]);
        assert_eq!(messages, 1);
        assert_eq!(device.private_key, SecretKey::new([1; 32]));
        assert_eq!(
            (device.listen_port, device.firewall_mark),
            (Some(51820), Some(0x40))
        );
        let [first, second] = device.peers.as_slice() else {
            panic!("two peers")
        };
        assert_eq!(first.preshared_key, SecretKey::new([9; 32]));
        assert_eq!(first.endpoint, Some("[fe80::1%3]:51820".parse().unwrap()));
        assert_eq!(first.allowed_ips.len(), 2);
        assert_eq!(second.allowed_ips.len(), 0);
    }

    #[test]
    fn thousands_of_networks_and_peers_are_cut_and_whole_again() {
        let (messages, device) = round_trip(vec![peer_op(9, 3000), peer_op(10, 3000)]);
        assert!(messages > 2);
        let counts: Vec<usize> = device.peers.iter().map(|p| p.allowed_ips.len()).collect();
        assert_eq!(counts, [3000, 3000]);
        let many = (0..2000_u16).map(|i| {
            let mut peer = peer_op(9, 1);
            peer.public_key.0[..2].copy_from_slice(&i.to_ne_bytes());
            peer
        });
        let (messages, device) = round_trip(many.collect());
        assert!(messages > 5);
        assert_eq!(device.peers.len(), 2000);
    }

    #[test]
    fn only_the_first_message_of_a_peer_empties_its_list() {
        let op = WireguardOp {
            link: LinkAt {
                index: 5,
                name: "wg0".parse().unwrap(),
            },
            private_key: None,
            listen_port: None,
            firewall_mark: None,
            peers: vec![peer_op(9, 3000)],
        };
        let flags = |message: &[u8]| -> Vec<u32> {
            let peers = attributes(&message[20..]).filter(|(kind, _)| *kind == device::PEERS);
            peers
                .flat_map(|(_, value)| attributes(value))
                .flat_map(|(_, value)| attributes(value))
                .filter(|(kind, _)| *kind == peer::FLAGS)
                .filter_map(|(_, value)| u32_of(value))
                .collect()
        };
        let messages = set(31, &op, 1).unwrap();
        assert_eq!(flags(&messages[0]), [REPLACE_ALLOWEDIPS]);
        assert!(
            messages[1..]
                .iter()
                .all(|message| flags(message).is_empty())
        );
    }
}
