//! Network cards, with ethtool(8) as the oracle; and what is said where a family is missing.

use std::process::Command;

use init_net::plan::plan;
use init_net::run::apply::apply;
use init_net::run::kernel::Kernel;
use init_net::state::{Desired, EthernetSpec, LinkAt, Op, WireguardOp};
use init_net::value::{Channels, EthernetOptions, Rings, WakeOn};

use super::{look, origin, settle};
use crate::namespace::{in_namespace, ip};

fn desired(options: EthernetOptions) -> Desired {
    let (layer, origin) = origin();
    let spec = EthernetSpec {
        link_name: "eth0".parse().unwrap(),
        options,
        layer,
        origin,
    };
    Desired {
        ethernet: [(spec.link_name.clone(), spec)].into(),
        ..Desired::default()
    }
}

fn ethtool(arguments: &str) -> String {
    let output = Command::new("ethtool")
        .args(arguments.split_whitespace())
        .output()
        .expect("ethtool(8)");
    String::from_utf8(output.stdout).unwrap()
}

fn queues() {
    ip("link add eth0 numrxqueues 4 numtxqueues 4 type veth peer name far0");
    ip("link set eth0 up");
    ip("link set far0 up");
}

#[test]
fn features_and_channels_of_a_veth() {
    in_namespace(|| {
        queues();
        let options = EthernetOptions {
            features: [
                ("rx-gro".to_owned(), true),
                ("tx-generic-segmentation".to_owned(), false),
                ("tx-tcp-segmentation".to_owned(), false),
            ]
            .into(),
            channels: Channels {
                rx: Some(2),
                tx: Some(3),
                ..Channels::default()
            },
            ..EthernetOptions::default()
        };
        let done = settle(&desired(options.clone()));
        assert_eq!(
            done,
            [
                "ethtool -K eth0 rx-gro on",
                "ethtool -K eth0 tx-generic-segmentation off",
                "ethtool -K eth0 tx-tcp-segmentation off",
                "ethtool -L eth0 rx 2 tx 3",
            ]
            .map(str::to_owned)
            .to_vec()
        );
        let features = ethtool("-k eth0");
        assert!(
            features.contains("generic-receive-offload: on"),
            "{features}"
        );
        assert!(
            features.contains("generic-segmentation-offload: off"),
            "{features}"
        );
        assert!(features.contains("tx-tcp-segmentation: off"), "{features}");
        let channels = ethtool("-l eth0");
        let now = channels.split("Current hardware settings:").nth(1).unwrap();
        let words: Vec<&str> = now.split_whitespace().collect();
        assert_eq!(words[..4], ["RX:", "2", "TX:", "3"]);
        // Changed behind our back, and repaired.
        ethtool("-L eth0 rx 1 tx 1");
        assert_eq!(settle(&desired(options)), ["ethtool -L eth0 rx 2 tx 3"]);
    });
}

#[test]
fn what_a_card_cannot_do_is_refused_with_a_reason() {
    in_namespace(|| {
        queues();
        let want = desired(EthernetOptions {
            features: [
                ("no-such-feature".to_owned(), true),
                ("rx-gro".to_owned(), true),
                // Fixed by the driver.
                ("tx-lockless".to_owned(), true),
                ("netns-local".to_owned(), true),
            ]
            .into(),
            rings: Rings {
                rx: Some(512),
                ..Rings::default()
            },
            wake_on_lan: Some(vec![WakeOn::Magic]),
            ..EthernetOptions::default()
        });
        let mut kernel = Kernel::open().unwrap();
        let outcomes = apply(&mut kernel, plan(&want, &look(&want)));
        let failed: Vec<String> = outcomes
            .iter()
            .filter_map(|outcome| {
                Some(format!(
                    "{}: {}",
                    outcome.op,
                    outcome.result.as_ref().err()?.1
                ))
            })
            .collect();
        let failed_with = |text: &str| failed.iter().filter(|line| line.contains(text)).count();
        assert_eq!(failed_with("ethtool -G eth0 rx 512"), 1, "{failed:#?}");
        assert_eq!(failed_with("no-such-feature on: "), 1, "{failed:#?}");
        assert_eq!(failed_with("wol g"), 1, "{failed:#?}");
        let features = ethtool("-k eth0");
        assert!(
            features.contains("generic-receive-offload: on"),
            "{features}"
        );
        // Once more: only what cannot be is left.
        let again = plan(&want, &look(&want));
        assert!(!again.iter().any(|op| op.to_string().contains("rx-gro")));
    });
}

#[test]
fn a_missing_family_is_named() {
    // This host may have WireGuard: then there is nothing to see here.
    if std::path::Path::new("/sys/module/wireguard").exists() {
        return;
    }
    in_namespace(|| {
        let op = Op::Wireguard(Box::new(WireguardOp {
            link: LinkAt {
                index: 1,
                name: "wg0".parse().unwrap(),
            },
            private_key: None,
            listen_port: Some(1),
            firewall_mark: None,
            peers: Vec::new(),
        }));
        let outcomes = apply(&mut Kernel::open().unwrap(), vec![op]);
        let (errno, text) = outcomes[0].result.clone().unwrap_err();
        assert_eq!(errno, 95);
        assert!(
            text.starts_with("this kernel has no generic netlink family wireguard"),
            "{text}"
        );
    });
}
