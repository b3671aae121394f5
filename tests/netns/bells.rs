//! What tells of changes beside rtnetlink, and what does not wake anybody.

use std::process::Command;

use init_net::compile;
use init_net::run::bells::{Bells, Ring};
use init_net::run::core::Doubt;
use init_net::run::kernel::Kernel;
use init_net::state::{Desired, Observed};
use init_net::sys::poll::{Interest, poll};
use nix::sched::{CloneFlags, unshare};
use tests::settle::look;

use crate::namespace::{cable, in_namespace};

/// What `config` wants where eth0 and far0 are.
fn desired(config: &str) -> (Desired, Observed) {
    let observed = look(&Desired::default());
    let (document, diagnostics) = init_net::config::machine::parse(config, "test");
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let (desired, diagnostics) = compile::compile(&[document], &observed.links);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    (desired, observed)
}

/// Everything that rings now.
fn rings(bells: &mut Bells) -> Vec<(Ring, Doubt)> {
    let (interests, rings): (Vec<Interest<'_>>, Vec<Ring>) = bells.interests().unzip();
    let ready = poll(&interests, Some(core::time::Duration::ZERO)).unwrap();
    let ready = rings.into_iter().zip(ready).filter(|(_, it)| it.readable);
    let ready: Vec<Ring> = ready.map(|(ring, _)| ring).collect();
    let doubt = |ring| Some((ring, bells.take(ring, None).unwrap()?));
    ready.into_iter().filter_map(doubt).collect()
}

/// Listens to what `config` wants, then `change`, a command, rings exactly `expect`.
fn check(bells: &mut Bells, config: &str, change: &str, expect: &[(Ring, Doubt)]) {
    let (desired, observed) = desired(config);
    let mut generic = Kernel::open().unwrap().generic;
    bells.follow(&desired, None).unwrap();
    bells.listen_to_files().unwrap();
    bells.listen_to_parameters(&desired).unwrap();
    bells
        .listen_to_cards(&desired, Some(&observed), &mut generic)
        .unwrap();
    let mut words = change.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{change}: {output:?}");
    assert_eq!(rings(bells), expect, "{change}");
    assert_eq!(rings(bells), [], "{change}: once");
}

const PARAMETER: &str = "
apiVersion: v1alpha1
kind: SysctlConfig
params: {net.ipv4.tcp_keepalive_time: 1234}
";

const CARD: &str = "
apiVersion: v1alpha1
kind: EthernetConfig
name: eth0
features: {tx-generic-segmentation: false}
";

const HOSTNAME: &str = "
apiVersion: v1alpha1
kind: HostnameConfig
hostname: edge-17
";

#[test]
fn what_is_wanted_rings_and_nothing_else() {
    in_namespace(|| {
        unshare(CloneFlags::CLONE_NEWUTS).unwrap();
        cable();
        let bells = &mut Bells::default();
        let keepalive = "sysctl -w net.ipv4.tcp_keepalive_time=7";
        let settings = Doubt::SETTINGS;
        check(bells, PARAMETER, keepalive, &[(Ring::Parameters, settings)]);
        check(
            bells,
            PARAMETER,
            "sysctl -w net.ipv4.tcp_keepalive_probes=7",
            &[],
        );
        check(bells, PARAMETER, "sysctl net.ipv4.tcp_keepalive_time", &[]);
        check(bells, HOSTNAME, keepalive, &[]);
        let name = [(Ring::Hostname, Doubt::default())];
        check(bells, HOSTNAME, "hostname elsewhere", &name);
        check(bells, PARAMETER, "hostname nowhere", &[]);
        let cards = [(Ring::Cards, settings)];
        check(bells, CARD, "ethtool -K eth0 gso off", &cards);
        check(bells, CARD, "ethtool -K far0 gso off", &[]);
        check(bells, PARAMETER, "ethtool -K eth0 gso on", &[]);
    });
}
