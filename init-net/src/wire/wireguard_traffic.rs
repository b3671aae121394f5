//! What a WireGuard device counts of its peers: in the same dump as keys and networks, and only for who asks.

use std::collections::BTreeMap;

use super::attribute::attributes;
use super::wireguard::{device, peer};
use crate::state::PeerTraffic;
use crate::value::PublicKey;

/// Adds what one message of the dump says. A peer that goes on in the next message is counted in its first.
pub fn read(payload: &[u8], peers: &mut BTreeMap<PublicKey, PeerTraffic>) {
    let lists = attributes(payload).filter(|(kind, _)| *kind == device::PEERS);
    for (_, value) in lists.flat_map(|(_, list)| attributes(list)) {
        let key = attributes(value).find(|(kind, _)| *kind == peer::PUBLIC_KEY);
        let Some(key) = key.and_then(|(_, key)| key.try_into().ok()).map(PublicKey) else {
            continue;
        };
        let traffic = peers.entry(key).or_default();
        for (kind, value) in attributes(value) {
            match kind {
                peer::LAST_HANDSHAKE_TIME => traffic.last_handshake = seconds_of(value),
                peer::RX_BYTES => traffic.received_bytes = u64_of(value).unwrap_or(0),
                peer::TX_BYTES => traffic.sent_bytes = u64_of(value).unwrap_or(0),
                _ => {}
            }
        }
    }
}

fn u64_of(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_ne_bytes)
}

/// The seconds of a `struct __kernel_timespec`; 0 is never.
fn seconds_of(value: &[u8]) -> Option<u64> {
    value.get(..8).and_then(u64_of).filter(|secs| *secs != 0)
}

#[cfg(test)]
mod tests {
    use super::super::body::Body;
    use super::*;
    use netlink_packet_core::Emitable as _;

    fn bytes(body: &Body) -> Vec<u8> {
        let mut bytes = vec![0; body.buffer_len()];
        body.emit(&mut bytes);
        bytes
    }

    #[test]
    fn counters_are_of_their_peer_and_survive_a_cut_list() {
        let mut message = Body::new(&[]);
        message.nest(8, |peers| {
            for (number, handshake) in [(1_u8, 1_700_000_000_u64), (2, 0)] {
                peers.nest(0, |peer| {
                    peer.put(1, &[number; 32]);
                    let time = [handshake.to_ne_bytes(), 5_u64.to_ne_bytes()].concat();
                    peer.put(6, &time);
                    peer.put(7, &(u64::from(number) * 1000).to_ne_bytes());
                    peer.put(8, &7_u64.to_ne_bytes());
                });
            }
        });
        let mut more = Body::new(&[]);
        more.nest(8, |peers| {
            peers.nest(0, |peer| peer.put(1, &[2; 32]));
            peers.nest(0, |peer| peer.put(1, &[3; 5]));
        });
        let mut all = BTreeMap::new();
        read(&bytes(&message), &mut all);
        read(&bytes(&more), &mut all);
        let found: Vec<_> = all
            .values()
            .map(|peer| (peer.last_handshake, peer.received_bytes, peer.sent_bytes))
            .collect();
        assert_eq!(found, [(Some(1_700_000_000), 1000, 7), (None, 2000, 7)]);
    }
}
