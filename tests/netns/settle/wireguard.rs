//! WireGuard, with wg(8) as the oracle. A kernel without it has its own test (`card::a_missing_family_is_named`).

use std::process::Command;

use init_net::state::{Desired, KindSpec, LinkSpec};
use init_net::value::{Prefix, PublicKey, SecretKey, WireguardOptions, WireguardPeer};

use super::{origin, settle, text};
use crate::namespace::{in_namespace, ip};

fn wg(arguments: &str) -> String {
    let output = Command::new("wg")
        .args(arguments.split_whitespace())
        .output()
        .expect("wg(8)");
    assert!(output.status.success(), "wg {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn secret(number: u8) -> SecretKey {
    SecretKey::new([number; 32]).unwrap()
}

fn network(first: u8, number: u32) -> Prefix {
    let address = core::net::Ipv4Addr::from((u32::from(first) << 24) + (number << 8));
    Prefix::new(address.into(), 24).unwrap()
}

fn peer(number: u8) -> WireguardPeer {
    WireguardPeer {
        public_key: PublicKey([number; 32]),
        preshared_key: Some(secret(number)),
        endpoint: Some("192.0.2.1:51820".parse().unwrap()),
        persistent_keepalive_interval: 25,
        allowed_ips: vec![network(10, u32::from(number))],
    }
}

fn desired(options: &WireguardOptions) -> Desired {
    let (layer, origin) = origin();
    let mut link = LinkSpec::new("wg0".parse().unwrap(), layer, origin);
    link.kind = KindSpec::Wireguard(options.clone());
    link.up = Some(true);
    Desired {
        links: [(link.name.clone(), link)].into(),
        ..Desired::default()
    }
}

/// Lines of `wg show wg0 dump` behind the first, as words, by public key.
fn peers() -> Vec<Vec<String>> {
    let dump = wg("show wg0 dump");
    let words = |line: &str| line.split('\t').map(str::to_owned).collect();
    let mut peers: Vec<Vec<String>> = dump.lines().skip(1).map(words).collect();
    peers.sort();
    peers
}

#[test]
fn a_device_and_its_peers() {
    let made = Command::new("ip")
        .args("link add probe type wireguard".split(' '))
        .output();
    if !made.expect("ip(8)").status.success() {
        return;
    }
    ip("link del probe");
    in_namespace(|| {
        let mut options = WireguardOptions {
            private_key: Some(secret(0xff)),
            public_key: None,
            listen_port: Some(51821),
            firewall_mark: Some(0x40),
            peers: vec![peer(1), peer(2)],
        };
        options.peers[1].endpoint = Some("[2001:db8::1]:7".parse().unwrap());
        options.peers[1].allowed_ips = (0..3000).map(|i| network(20, i)).collect();
        let done = settle(&desired(&options));
        assert!(
            !done
                .iter()
                .any(|op| op.contains(&wg("show wg0 private-key"))),
            "{done:?}"
        );
        assert_eq!(wg("show wg0 listen-port").trim(), "51821");
        assert_eq!(wg("show wg0 fwmark").trim(), "0x40");
        let shown = peers();
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0][1], peer_secret_text(1));
        assert_eq!(shown[0][2], "192.0.2.1:51820");
        assert_eq!(shown[0][3], "10.0.1.0/24");
        assert_eq!(shown[0][7], "25");
        assert_eq!(shown[1][2], "[2001:db8::1]:7");
        assert_eq!(shown[1][3].split(',').count(), 3000);

        // Networks move between peers, one goes, one comes; the others are left alone.
        options.peers[0].allowed_ips.push(network(20, 7));
        options.peers[1]
            .allowed_ips
            .retain(|it| *it != network(20, 7));
        let done = settle(&desired(&options));
        assert_eq!(done.len(), 1);
        let shown = peers();
        assert!(shown[0][3].contains("20.0.7.0/24"));
        assert_eq!(shown[1][3].split(',').count(), 2999);
        options.peers[1] = WireguardPeer {
            allowed_ips: options.peers[1].allowed_ips.clone(),
            ..peer(3)
        };
        settle(&desired(&options));
        assert_eq!(peers()[1][3].split(',').count(), 2999);
        assert_eq!(peers()[1][0], PublicKey([3; 32]).to_string());

        // Any port and any endpoint is right where none is said; a key that is taken away goes.
        options.listen_port = Some(0);
        options.peers[0].endpoint = None;
        assert_eq!(text(&desired(&options)), Vec::<String>::new());
        options.peers[0].preshared_key = None;
        settle(&desired(&options));
        assert_eq!(peers()[0][1], "(none)");

        // Thousands of peers.
        options.peers = (0..3000_u32)
            .map(|number| {
                let mut peer = peer(9);
                peer.public_key.0[..4].copy_from_slice(&number.to_ne_bytes());
                peer.allowed_ips = vec![network(30, number)];
                peer
            })
            .collect();
        settle(&desired(&options));
        assert_eq!(peers().len(), 3000);
        // What somebody else takes away comes back.
        wg(&format!(
            "set wg0 peer {} remove",
            options.peers[5].public_key
        ));
        assert_eq!(settle(&desired(&options)).len(), 1);
        assert_eq!(peers().len(), 3000);
    });
}

fn peer_secret_text(number: u8) -> String {
    PublicKey([number; 32]).to_string()
}
