//! WireGuard between two machines, and that its secrets stay where they are.

use crate::bench::Bench;
use crate::bench::MAC;
use crate::bench::MAC2;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

/// One end of a tunnel: keys made for this test.
struct End {
    private: &'static str,
    public: &'static str,
    /// The last byte of its addresses.
    last: u8,
}

const ONE: End = End {
    private: "gLUix7ta5ddjXi2ahX/oPQk3rSx602XGRYCFWFK9R1E=",
    public: "1aXZ5PWbY2SQjBxqCpOgcK3OG/ONsRkUDjC18Fgo3V0=",
    last: 1,
};
const TWO: End = End {
    private: "8DMRFMs3Qb3E293QigNFsTwS/F/G8fLgKqeTnzQRPmo=",
    public: "yyUepg9T6N1M91/r0QrtvV39bt0wcj56dysDfE2iHxM=",
    last: 2,
};

/// A peer that never answers.
const THIRD: &str = "tGP4Eh4FiW15El3rcSFxQncvIaPhM2TFdBFnr6fHg1k=";

const PRESHARED: &str = "4NqpA/eerZFaSuS6gDO8qpyJc8hcMayVg+1yQ+eaAMM=";

/// The machine at `end`; the tunnel carries both families.
fn config(end: &End, other: &End) -> String {
    let (private, public) = (end.private, other.public);
    let (last, theirs) = (end.last, other.last);
    format!(
        "\
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
addresses:
  - address: 10.77.0.{last}0/24
---
apiVersion: v1alpha1
kind: WireguardConfig
name: wg0
privateKey: {private}
listenPort: 5182{last}
peers:
  - publicKey: {public}
    presharedKey: {PRESHARED}
    endpoint: 10.77.0.{theirs}0:5182{theirs}
    persistentKeepaliveInterval: 25s
    allowedIPs: [10.60.0.{theirs}/32, 'fd00:60::{theirs}/128']
addresses:
  - address: 10.60.0.{last}/24
  - address: fd00:60::{last}/64
    noDAD: true
"
    )
}

on_both_kernels!(two_machines_talk_through_wireguard);
fn two_machines_talk_through_wireguard(bench: Bench) {
    bench.second_port();
    let start = |name: &str, port, mac, config: &str| {
        let vm = bench.machine(config).cmdline("initnet.wait=links");
        vm.name(name).nic(port, mac).start(&bench.lab).unwrap()
    };
    let ours = config(&ONE, &TWO);
    let one = start("one", "port0", MAC, &ours);
    let two = start("two", "port1", MAC2, &config(&TWO, &ONE));
    let (mut one, mut two) = (Guest::of(one), Guest::of(two));

    one.settles();
    two.settles();
    one.ping("10.60.0.2");
    two.ping("10.60.0.1");
    one.run("ping -6 -c 1 -W 10 fd00:60::2");
    two.run("ping -6 -c 1 -W 10 fd00:60::1");
    let public = ONE.public;
    one.wireguard().one(&format!(
        "interface=wg0 public_key={public} listen_port=51821"
    ));
    let peer = one.wireguard();
    let peer = peer.one(&format!("peer={}", TWO.public));
    peer.is("/endpoint", "10.77.0.20:51822");
    peer.is("/keepalive", "25");
    let nothing = serde_json::json!("0");
    assert_ne!(peer.get("/latest_handshake"), Some(&nothing), "{peer}");
    assert_ne!(peer.get("/rx"), Some(&nothing), "{peer}");

    a_peer_comes_and_goes_beside_the_other(&mut one, &ours);
    secrets_do_not_show(&mut one);
    without_the_document_the_tunnel_is_gone(&mut one, &ours);
}

/// The session with the first peer survives: its handshake is not forgotten.
fn a_peer_comes_and_goes_beside_the_other(guest: &mut Guest, config: &str) {
    let index = guest.indexes()["wg0"];
    let handshake = |guest: &mut Guest| {
        let peer = guest.wireguard().one(&format!("peer={}", TWO.public));
        peer.at("/latest_handshake").to_string()
    };
    let before = handshake(guest);
    let more = format!("peers:\n  - publicKey: {THIRD}\n    allowedIPs: [10.60.0.3/32]\n");
    guest.becomes(&config.replace("peers:\n", &more));
    guest
        .wireguard()
        .one(&format!("peer={THIRD} allowed_ips=10.60.0.3/32"));
    guest.ping("10.60.0.2");
    guest.becomes(config);
    guest.wireguard().none(&format!("peer={THIRD}"));
    assert_eq!(handshake(guest), before);
    assert_eq!(guest.indexes()["wg0"], index);
}

/// Whatever a person can make init-net print.
fn secrets_do_not_show(guest: &mut Guest) {
    let output = guest.run(
        "init-net get links -o yaml; init-net get linkspecs -o json; init-net compile; init-net compile -o json\n\
         init-net explain wg0 || true; init-net plan --observed none || true\n\
         cat /run/init-net/report.json",
    );
    assert!(
        output.contains(TWO.public),
        "a public key is no secret:\n{output}"
    );
    for secret in [ONE.private, PRESHARED] {
        assert!(!output.contains(secret), "{secret} is in:\n{output}");
        let lines = guest.vm.serial().lines();
        let log = lines.iter().find(|line| line.contains(secret));
        assert_eq!(log, None, "in the log");
    }
    let mode = guest.run("stat -c %a /run/init-net/state.json");
    assert_eq!(mode.trim(), "600");
}

fn without_the_document_the_tunnel_is_gone(guest: &mut Guest, config: &str) {
    let (card, _) = config.split_once("---\n").unwrap();
    guest.becomes(card);
    assert!(!guest.indexes().contains_key("wg0"));
    guest.ping("10.77.0.20");
}
