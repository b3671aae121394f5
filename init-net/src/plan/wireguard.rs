//! WireGuard: keys, port, mark, and each peer by itself. All peers of a device that is ours to configure are ours.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use super::look::Look;
use crate::state::{Desired, KindSpec, LinkAt, Op, WireguardOp, WireguardPeerOp};
use crate::value::{Gather as _, Prefix, PublicKey, WireguardOptions, WireguardPeer};

pub(super) fn plan(desired: &Desired, observed: &Look<'_>, ops: &mut Vec<Op>) {
    for spec in desired.links.values() {
        let KindSpec::Wireguard(want) = &spec.kind else {
            continue;
        };
        let Some((link, _)) = super::at(&spec.name, desired, observed) else {
            continue;
        };
        // Not seen: made just now, or a link of another kind under this name.
        let Some(have) = observed.wireguard.get(&link.index) else {
            continue;
        };
        let op = device(link, want, have);
        let private_key = op.private_key.is_some();
        if private_key
            || op.listen_port.is_some()
            || op.firewall_mark.is_some()
            || !op.peers.is_empty()
        {
            ops.push(Op::Wireguard(Box::new(op)));
        }
    }
}

fn device(link: LinkAt, want: &WireguardOptions, have: &WireguardOptions) -> WireguardOp {
    let key = want.private_key.as_ref().filter(|want| {
        let have = have.private_key.as_ref().map(|have| have.clamped());
        have.as_ref() != Some(&want.clamped())
    });
    // 0 lets the kernel choose: whatever it chose is right.
    let port = want.listen_port.filter(|port| *port != 0);
    WireguardOp {
        link,
        private_key: key.cloned(),
        listen_port: port.filter(|port| have.listen_port != Some(*port)),
        firewall_mark: want
            .firewall_mark
            .filter(|mark| have.firewall_mark.unwrap_or(0) != *mark),
        peers: peers(want, have),
    }
}

/// Peers that come or change, then those that go: a network that moves from one to the other is never without a peer, for
/// the kernel takes it from its old one at once (`wg_allowedips_insert_v4`, drivers/net/wireguard/allowedips.c).
fn peers(want: &WireguardOptions, have: &WireguardOptions) -> Vec<WireguardPeerOp> {
    let owners = owners(&want.peers);
    let mut there: BTreeMap<PublicKey, &WireguardPeer> = BTreeMap::new();
    there.extend(have.peers.iter().map(|peer| (peer.public_key, peer)));
    let mut ops = Vec::new();
    for peer in &want.peers {
        let networks = owners.get(&peer.public_key).cloned().unwrap_or_default();
        let op = match there.remove(&peer.public_key) {
            None => Some(WireguardPeerOp {
                public_key: peer.public_key,
                remove: false,
                preshared_key: peer.preshared_key.clone().map(Some),
                endpoint: peer.endpoint,
                persistent_keepalive_interval: Some(peer.persistent_keepalive_interval)
                    .filter(|seconds| *seconds != 0),
                allowed_ips: Some(networks.into_iter().collect()),
            }),
            Some(have) => change(peer, networks, have),
        };
        ops.extend(op);
    }
    ops.extend(there.into_keys().map(|public_key| WireguardPeerOp {
        public_key,
        remove: true,
        preshared_key: None,
        endpoint: None,
        persistent_keepalive_interval: None,
        allowed_ips: None,
    }));
    ops
}

/// The networks of each peer, as the kernel keeps them: without host bits, each at one peer, the last that names it.
fn owners(peers: &[WireguardPeer]) -> BTreeMap<PublicKey, BTreeSet<Prefix>> {
    let mut owner: BTreeMap<Prefix, PublicKey> = BTreeMap::new();
    for peer in peers {
        let networks = peer.allowed_ips.iter().map(Prefix::network);
        owner.extend(networks.map(|network| (network, peer.public_key)));
    }
    let mut networks: BTreeMap<PublicKey, BTreeSet<Prefix>> = BTreeMap::new();
    for (network, key) in owner {
        networks.entry(key).or_default().insert(network);
    }
    networks
}

fn change(
    want: &WireguardPeer,
    networks: BTreeSet<Prefix>,
    have: &WireguardPeer,
) -> Option<WireguardPeerOp> {
    let there: BTreeSet<Prefix> = have.allowed_ips.iter().copied().gather();
    let seconds = want.persistent_keepalive_interval;
    let op = WireguardPeerOp {
        public_key: want.public_key,
        remove: false,
        preshared_key: (want.preshared_key != have.preshared_key)
            .then(|| want.preshared_key.clone()),
        endpoint: want
            .endpoint
            .filter(|want| !have.endpoint.is_some_and(|have| same_endpoint(*want, have))),
        persistent_keepalive_interval: (seconds != have.persistent_keepalive_interval)
            .then_some(seconds),
        allowed_ips: (networks != there).then(|| networks.into_iter().collect()),
    };
    let changes = op.preshared_key.is_some()
        || op.endpoint.is_some()
        || op.persistent_keepalive_interval.is_some()
        || op.allowed_ips.is_some();
    changes.then_some(op)
}

/// Flow labels are not part of it, and the scope only where it is said: the kernel fills both in.
fn same_endpoint(want: SocketAddr, have: SocketAddr) -> bool {
    let scope = match (want, have) {
        (SocketAddr::V6(want), SocketAddr::V6(have)) => {
            want.scope_id() == 0 || want.scope_id() == have.scope_id()
        }
        _ => true,
    };
    want.ip() == have.ip() && want.port() == have.port() && scope
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;
    use crate::state::{LinkSpec, LinkStatus, Observed};
    use crate::value::{Layer, Origin, SecretKey};

    fn peer(number: u8, networks: &[&str]) -> WireguardPeer {
        WireguardPeer {
            public_key: PublicKey([number; 32]),
            preshared_key: SecretKey::new([200 + number; 32]),
            endpoint: None,
            persistent_keepalive_interval: 0,
            allowed_ips: networks.iter().map(|it| it.parse().unwrap()).collect(),
        }
    }

    fn options(peers: &[WireguardPeer]) -> WireguardOptions {
        WireguardOptions {
            private_key: SecretKey::new([0xff; 32]),
            public_key: None,
            listen_port: Some(0),
            firewall_mark: None,
            peers: peers.to_vec(),
        }
    }

    fn both(want: &WireguardOptions, have: &WireguardOptions) -> (Desired, Observed) {
        let name: crate::value::LinkName = "wg0".parse().unwrap();
        let mut spec = LinkSpec::new(name.clone(), Layer::Configuration, Origin::builtin(""));
        spec.kind = KindSpec::Wireguard(want.clone());
        let link = LinkStatus {
            kind: "wireguard".into(),
            ..LinkStatus::new(5, name.clone())
        };
        let desired = Desired {
            links: [(name, spec)].into(),
            ..Desired::default()
        };
        let observed = Observed {
            links: [(5, link)].into(),
            wireguard: [(5, have.clone())].into(),
            ..Observed::default()
        };
        (desired, observed)
    }

    #[track_caller]
    fn check(want: &WireguardOptions, have: &WireguardOptions, expect: &str) {
        let (desired, observed) = both(want, have);
        let mut ops = Vec::new();
        super::plan(&desired, &Look::new(&observed), &mut ops);
        let text: Vec<String> = ops.iter().map(ToString::to_string).collect();
        let mut text = text.join("\n");
        for number in 1..4 {
            text = text.replace(
                &PublicKey([number; 32]).to_string(),
                &format!("KEY{number}"),
            );
        }
        assert_eq!(text, expect);
    }

    #[test]
    fn only_what_differs_is_sent_and_what_goes_goes_last() {
        let have = WireguardOptions {
            private_key: SecretKey::new([0xff; 32]).map(|key| key.clamped()),
            listen_port: Some(40_000),
            ..options(&[peer(1, &["10.0.0.0/24", "10.1.0.0/24"]), peer(2, &[])])
        };
        check(&have, &have, "");
        let want = options(&[peer(2, &[]), peer(1, &["10.1.0.9/24", "10.0.0.0/24"])]);
        check(&want, &have, "");
        // A network moves to another peer, which the kernel does by itself when it is named there.
        let want = options(&[peer(2, &["10.1.0.0/24"]), peer(1, &["10.0.0.0/24"])]);
        check(
            &want,
            &have,
            "wg set wg0 peer KEY2 allowed-ips 10.1.0.0/24 peer KEY1 allowed-ips 10.0.0.0/24",
        );
        let want = options(&[peer(3, &["10.0.0.0/24"]), peer(2, &[])]);
        check(
            &want,
            &have,
            "wg set wg0 peer KEY3 preshared-key (hidden) allowed-ips 10.0.0.0/24 peer KEY1 remove",
        );
        // Named at two peers: the last one has it, and keeps it.
        let want = options(&[
            peer(2, &["10.0.0.0/24"]),
            peer(1, &["10.0.0.0/24", "10.1.0.0/24"]),
        ]);
        check(&want, &have, "");
    }

    #[test]
    fn no_secret_is_in_any_text() {
        let mut changed = options(&[peer(1, &["10.0.0.0/24"])]);
        changed.private_key = SecretKey::new([0xaa; 32]);
        let (desired, observed) = both(&changed, &options(&[]));
        let mut ops = Vec::new();
        super::plan(&desired, &Look::new(&observed), &mut ops);
        let printed: Vec<String> = ops.iter().map(ToString::to_string).collect();
        let texts = [
            format!("{desired:?} {observed:?} {ops:?} {printed:?}"),
            serde_json::to_string(&desired).unwrap(),
            serde_json::to_string(&observed.wireguard).unwrap(),
        ];
        let base64 = |key: [u8; 32]| base64::engine::general_purpose::STANDARD.encode(key);
        for text in texts {
            for key in [[0xff; 32], [0xaa; 32], [201; 32]] {
                assert!(!text.contains(&base64(key)));
                assert!(!text.contains(&format!("{0}, {0}, {0}", key[0])), "{text}");
            }
        }
    }
}
