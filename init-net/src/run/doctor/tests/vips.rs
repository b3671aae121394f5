//! Shared addresses: what keeps this machine out, who has them, and how many.

use std::collections::BTreeMap;

use super::*;
use crate::config::machine;
use crate::proto::vrrp::COLLISION;
use crate::run::core::Record;
use crate::run::facts::Facts;
use crate::run::sample::Sample;
use crate::state::{VipState, VipStatus};
use crate::value::Moment;

const VIP: &str = "kind: Layer2VIPConfig\nname: 192.0.2.100\nlink: eth0\n";
const ID: &str = "eth0/192.0.2.100";

/// How it fares on this machine since 100 s.
fn status(state: VipState) -> VipStatus {
    VipStatus {
        state,
        since: Instant::from_secs(900),
        owner: Some("192.0.2.8".into()),
        healthy: None,
        priority: Some(100),
        reason: String::new(),
        promotions: 0,
    }
}

fn with_reason(state: VipState, reason: &str) -> VipStatus {
    VipStatus {
        reason: reason.into(),
        ..status(state)
    }
}

/// What `get vips` says of the addresses of `config`, which all fare alike.
fn share(scene: &mut Scene, config: &str, status: Option<&VipStatus>) {
    let config = config.replace("kind:", "apiVersion: v1alpha1\nkind:");
    let (document, faults) = machine::parse(&config, "test");
    assert!(faults.is_empty(), "{faults:?}");
    let observed = &scene.observed;
    let (desired, _) = crate::compile::compile(&[document], &observed.links);
    let keys = desired.vips.keys();
    let vips = keys.filter_map(|key| Some((key.clone(), status?.clone())));
    let facts = Facts {
        desired: &desired,
        observed,
        leases: &[],
        readiness: &Readiness::default(),
        probes: &BTreeMap::new(),
        vips: &vips.collect(),
        standing: &Value::Null,
        record: &Record::of_one_look(&desired, observed, Moment::default()),
        sample: &Sample::default(),
        now: observed.at,
    };
    let vips = facts.get("vips").into_iter();
    scene.wanted.vips = vips
        .map(|vip| serde_json::from_value(vip).unwrap())
        .collect();
    assert!(!scene.wanted.vips.is_empty());
}

/// The kernel has the address, put there by `protocol`.
fn holds(scene: &mut Scene, protocol: u8) {
    let there = AddressStatus {
        protocol,
        flags: AddressStatus::NOPREFIXROUTE,
        ..address(2, "eth0", "192.0.2.100/32")
    };
    scene.observed.addresses.push(there);
}

/// The supervisor told trouble of [`ID`].
fn told(scene: &mut Scene, at: f64, text: &str) {
    let event = json!({ "seq": 1, "bootTime": at, "time": "", "type": "vipTrouble",
        "resource": format!("vips/{ID}"), "text": format!("192.0.2.100 on eth0: {text}") });
    let event = serde_json::from_value(event).unwrap();
    scene.wanted.events.push(event);
}

/// The address of [`VIP`] fares so, and `expect` is what is found: severity, and part of the problem.
#[track_caller]
fn fares(status: &VipStatus, expect: Option<(Severity, &str)>) {
    let expect = expect.map(|(severity, part)| (severity, "vips", ID, part));
    check(|scene| share(scene, VIP, Some(status)), expect.as_slice());
}

#[test]
fn where_all_is_well() {
    let mut scene = healthy();
    share(&mut scene, VIP, Some(&status(VipState::Backup)));
    let line = |scene: &Scene| judge(scene).findings[7].problem.clone();
    assert_eq!(line(&scene), "1 shared address, not here");
    holds(&mut scene, OUR_PROTOCOL);
    let two = format!("{VIP}---\n{}", VIP.replace(".100", ".101"));
    share(&mut scene, VIP, Some(&status(VipState::Active)));
    assert_eq!(line(&scene), "1 shared address, here");
    share(&mut scene, &two, Some(&status(VipState::Backup)));
    assert_eq!(line(&scene), "2 shared addresses, 1 of them here");
}

#[test]
fn nobody_speaks_for_this_machine() {
    let part = "this machine never takes it: no supervisor runs";
    check(
        |scene| {
            scene.supervisor = Supervisor::None;
            share(scene, VIP, None);
        },
        &[(Warning, "vips", ID, part)],
    );
}

#[test]
fn what_keeps_this_machine_out() {
    let fault = |reason| with_reason(VipState::Fault, reason);
    let takes_no_part = |reason: &str| format!("this machine takes no part: {reason}");
    let own = format!("{VIP}vrid: 7\nvirtualMAC: true\n");
    let v6 = VIP.replace("192.0.2.100", "'2001:db8::100'");
    let etcd = format!("{VIP}election: etcd\netcd: {{endpoints: ['https://192.0.2.8:2379']}}\n");
    let missing = "link vrrp4.7 is not there";
    let silent = "the link has no address to speak from";
    let no_member = "no member answers";
    let waiting = with_reason(VipState::Waiting, missing);
    let table = [
        (own.as_str(), waiting, ID, missing, "modprobe macvlan"),
        (VIP, fault(COLLISION), ID, COLLISION, "say another vrid"),
        (
            v6.as_str(),
            fault(silent),
            "eth0/2001:db8::100",
            silent,
            "sysctl net.ipv6.conf.eth0.disable_ipv6=0",
        ),
        (
            etcd.as_str(),
            fault(no_member),
            ID,
            no_member,
            "most of the members",
        ),
        (
            VIP,
            fault("check: no certificate"),
            ID,
            "check: no certificate",
            "init-net explain vips/eth0/192.0.2.100",
        ),
    ];
    for (config, status, id, reason, fix) in table {
        let part = takes_no_part(reason);
        let breaks = |scene: &mut Scene| share(scene, config, Some(&status));
        check(breaks, &[(Error, "vips", id, &part)]);
        let mut scene = healthy();
        breaks(&mut scene);
        let text = judge(&scene).to_string();
        assert!(text.contains(fix), "{fix} in\n{text}");
    }
    let no_carrier = "the link has no carrier";
    let part = takes_no_part(no_carrier);
    check(
        |scene| {
            scene.observed.links.get_mut(&2).unwrap().flags = iff::UP;
            share(scene, VIP, Some(&fault(no_carrier)));
        },
        &[
            (Error, "links", "eth0", "no carrier"),
            (Error, "links", "links", "no link is up"),
            (Error, "vips", ID, &part),
        ],
    );
}

/// Who uses the number as well is what one has to know.
#[test]
fn a_collision_names_the_other_group() {
    let mut scene = healthy();
    share(
        &mut scene,
        VIP,
        Some(&with_reason(VipState::Fault, COLLISION)),
    );
    told(
        &mut scene,
        990.0,
        "192.0.2.9 uses the same vrid for 192.0.2.77",
    );
    let examination = judge(&scene);
    let [finding] = faults(&examination)[..] else {
        panic!("{examination}");
    };
    assert_eq!(finding.why, "192.0.2.9 uses the same vrid for 192.0.2.77");
}

#[test]
fn nobody_has_it() {
    let mut nobody = status(VipState::Backup);
    nobody.owner = None;
    fares(&nobody, Some((Error, "nobody is known to have it")));
    let now = VipStatus {
        since: Instant::from_secs(990),
        ..nobody.clone()
    };
    fares(&now, None);
    let failing = VipStatus {
        state: VipState::Acquiring,
        ..nobody
    };
    fares(&failing, Some((Error, "won it and cannot move it here")));
    let now = VipStatus {
        since: Instant::from_secs(990),
        ..failing
    };
    fares(&now, None);
    fares(
        &status(VipState::Active),
        Some((Error, "this machine has it, and its kernel does not")),
    );
}

#[test]
fn a_check_that_fails() {
    let unfit = |state| VipStatus {
        healthy: Some(false),
        ..with_reason(state, "the check fails: connection refused")
    };
    let part = "this machine does not take it: its check fails";
    fares(&unfit(VipState::Backup), Some((Warning, part)));
    let config = format!("{VIP}check: {{tcp: '127.0.0.1:6443'}}\n");
    check(
        |scene| {
            holds(scene, OUR_PROTOCOL);
            share(scene, &config, Some(&unfit(VipState::Active)));
            let text = judge(scene).to_string();
            assert!(text.contains("is tcp:127.0.0.1:6443 what"), "{text}");
        },
        &[(
            Error,
            "vips",
            ID,
            "this machine has it, and its check fails",
        )],
    );
}

#[test]
fn more_than_one_has_it() {
    check(
        |scene| {
            holds(scene, 0);
            share(scene, VIP, Some(&status(VipState::Backup)));
        },
        &[(
            Error,
            "vips",
            ID,
            "somebody else gave it to eth0 of this machine",
        )],
    );
    check(
        |scene| {
            holds(scene, OUR_PROTOCOL);
            share(scene, VIP, Some(&status(VipState::Active)));
            scene.answers.owned.push(Owned {
                link: eth0(),
                address: [192, 0, 2, 100].into(),
                rival: "02:00:00:00:00:99".parse().ok(),
            });
        },
        &[(Error, "vips", ID, "02:00:00:00:00:99 answers for it, too")],
    );
}

#[test]
fn machines_that_cannot_hear_each_other() {
    let cloud = |more: &str| {
        format!("kind: HCloudVIPConfig\nname: 192.0.2.100\nlink: eth0\napiToken: t\n{more}")
    };
    let part = "each machine takes it from the others";
    let fares = |config: String, expect: &[_]| {
        let backup = status(VipState::Backup);
        check(|scene| share(scene, &config, Some(&backup)), expect);
    };
    fares(cloud(""), &[(Warning, "vips", ID, part)]);
    fares(cloud("peers: [192.0.2.8]\n"), &[]);
}

#[test]
fn trouble_counts_for_a_while_or_as_long_as_it_goes_on() {
    let refused = "the API refuses the token";
    let found = |at: f64, reason: &str, expect: &[&str]| {
        let expect: Vec<_> = expect
            .iter()
            .map(|part| (Warning, "vips", ID, *part))
            .collect();
        check(
            |scene| {
                share(scene, VIP, Some(&with_reason(VipState::Backup, reason)));
                told(scene, 10.0, "something of long ago");
                told(scene, at, refused);
                told(scene, at, refused);
                scene.wanted.events.push(
                    serde_json::from_value(json!({ "bootTime": 999.0, "type": "vipTrouble",
                        "resource": "vips/eth0/192.0.2.10", "text": "of another address" }))
                    .unwrap(),
                );
            },
            &expect,
        );
    };
    found(990.0, "", &[refused]);
    found(401.0, "", &[refused]);
    found(399.0, "", &[]);
    found(399.0, refused, &[refused]);
}
