//! Shared addresses that the API of a cloud moves: two machines that elect among themselves, and a mock of Hetzner Cloud's API over
//! HTTP, with every way of answering wrong.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::peer::VipApi;
use qemu::peer::metadata::Fault;
use qemu::peer::vipapi::{TOKEN, Trouble};
use qemu::vip::Station;

use super::super::machine::PATIENCE;
use super::ours::{LINK, Ours};
use super::stage::{Stage, V4};

/// A floating address: of no network that is here.
const FLOATING: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 100));

/// An alias of a server that has nothing to do with ours.
const fn alias(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 56, 7, number))
}

/// How long an action of the API takes.
const ACTION: Duration = Duration::from_millis(300);

/// The number of the station with the API.
const API: u8 = 9;

/// The API with two servers, of which each has an alias, and a third which has nothing to do with them.
fn api(stage: &Stage, station: &Station) -> VipApi {
    let address = format!("{}:80", station.v4());
    let api = VipApi::start(&stage.lab, &station.namespace, &address, ACTION).unwrap();
    for number in [2, 3, 4] {
        api.server(
            number.into(),
            Ipv4Addr::new(10, 56, 0, number),
            &[alias(number)],
        );
    }
    api.floating(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)));
    api.floating(FLOATING);
    api
}

/// What machine 2 or 3 is told.
fn config(number: u8, vips: &[IpAddr]) -> String {
    let peer = 5 - number;
    let mut text = format!(
        "apiVersion: v1alpha1\nkind: LinkConfig\nname: {LINK}\naddresses: [{{address: 10.56.0.{number}/24}}]\n"
    );
    for (index, vip) in vips.iter().enumerate() {
        text.push_str(&format!(
            "---\napiVersion: v1alpha1\nkind: HCloudVIPConfig\nname: {vip}\nlink: {LINK}\napiToken: {TOKEN}\n\
             endpoint: http://10.56.0.{API}/v1\nmetadataEndpoint: http://10.56.0.{API}/hetzner/v1/metadata\n\
             peers: [10.56.0.{peer}]\nvrid: {}\nadvertInterval: 1s\ntakeoverGuard: 0s\n",
            60 + index
        ));
    }
    text
}

/// Begins again with what it was told when it booted.
fn restart(ours: &Ours) {
    ours.on(|machine| {
        let ran = machine.run(&["boot", "--hook", "--cmdline", "initnet.wait=local"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        machine.answers();
    });
}

/// Waits for something of the API, or of a machine.
#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = qemu::Deadline::after(PATIENCE);
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) => assert!(deadline.remaining().is_some(), "no {what}: {last}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Nobody's other alias was lost.
#[track_caller]
fn assert_aliases(api: &VipApi) {
    for number in [2, 3, 4] {
        let all = api.aliases(number.into());
        assert!(
            all.contains(&alias(number)),
            "{number}: {all:?}\n{:#?}",
            api.log().lines()
        );
    }
}

/// The life of an address that the API moves: `vip` is an alias or a floating address.
fn changes_hands(stage: &Stage, api: &VipApi, vip: IpAddr) {
    let (a, b) = (stage.ours(2), stage.ours(3));
    a.boot_with(config(2, &[vip]));
    a.until_of(vip, "active");
    assert_eq!(api.owner(vip), Some(2));
    assert!(a.has(vip));
    b.boot_with(config(3, &[vip]));
    b.until_of(vip, "backup");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!((api.owner(vip), b.has(vip)), (Some(2), false));

    a.on(|machine| machine.signal(Signal::SIGTERM));
    b.until_of(vip, "active");
    assert_eq!(api.owner(vip), Some(3));
    assert_eq!((a.has(vip), b.has(vip)), (false, true));
    restart(&a);
    a.until_of(vip, "backup");

    b.on(|machine| machine.signal(Signal::SIGKILL));
    a.until_of(vip, "active");
    assert_eq!(api.owner(vip), Some(2));
    assert_aliases(api);
}

#[test]
fn an_alias_of_hetzner_cloud_changes_hands() {
    let stage = Stage::new("vip-hcloud-alias");
    let station = stage.station(API);
    let api = api(&stage, &station);
    changes_hands(&stage, &api, V4);
    let overlap = stage
        .timeline(V4)
        .longest_overlap(Duration::ZERO..Duration::MAX);
    // The kernel of the one that was killed keeps the address for its lifetime.
    assert!(overlap < Duration::from_secs(4), "{}", stage.story());
}

#[test]
fn a_floating_address_of_hetzner_cloud_changes_hands() {
    let stage = Stage::new("vip-hcloud-floating");
    let station = stage.station(API);
    let api = api(&stage, &station);
    changes_hands(&stage, &api, FLOATING);
}

/// Two aliases that one machine gets at once: neither is lost by the other's list.
#[test]
fn two_aliases_at_once() {
    let stage = Stage::new("vip-hcloud-two");
    let station = stage.station(API);
    let api = api(&stage, &station);
    let other = IpAddr::V4(Ipv4Addr::new(10, 56, 0, 101));
    let vips = [V4, other];
    let (a, b) = (stage.ours(2), stage.ours(3));
    a.boot_with(config(2, &vips));
    let both_of = |ours: &Ours| {
        let number = u64::from(ours.number());
        for vip in vips {
            ours.until_of(vip, "active");
        }
        until("machine with both", || {
            let has = vips.map(|vip| (api.owner(vip), ours.has(vip)));
            match has {
                [(Some(x), true), (Some(y), true)] if x == number && y == number => Ok(()),
                has => Err(format!("{has:?}\n{:#?}", api.log().lines())),
            }
        });
    };
    both_of(&a);
    b.boot_with(config(3, &vips));
    for vip in vips {
        b.until_of(vip, "backup");
    }
    a.on(|machine| machine.signal(Signal::SIGTERM));
    both_of(&b);
    assert_aliases(&api);
}

/// Somebody takes the address away from who has it, and it is noticed.
#[test]
fn an_alias_that_nobody_has_any_more_comes_back() {
    let stage = Stage::new("vip-hcloud-audit");
    let station = stage.station(API);
    let api = api(&stage, &station);
    let a = stage.ours(2);
    a.boot_with(config(2, &[V4]));
    a.until_of(V4, "active");
    api.set_aliases(2, &[alias(2)]);
    until("owner", || match api.owner(V4) {
        Some(2) => Ok(()),
        other => Err(format!("{other:?}\n{:#?}", api.log().lines())),
    });
    assert_aliases(&api);
}

/// Each way of answering wrong while the address changes hands: the old owner keeps it in the cloud or nobody has it, `get vips`
/// says why, and it is taken as soon as the API answers rightly.
#[track_caller]
fn faults(test: &'static str, table: &[(&str, Trouble, &str)]) {
    let stage = Stage::new(test);
    let station = stage.station(API);
    let api = api(&stage, &station);
    let (a, b) = (stage.ours(2), stage.ours(3));
    a.boot_with(config(2, &[V4]));
    a.until_of(V4, "active");
    b.boot_with(config(3, &[V4]));
    b.until_of(V4, "backup");
    let (mut owner, mut next) = (&a, &b);
    for (line, trouble, expect) in table {
        api.trouble(line, trouble.clone());
        owner.on(|machine| machine.signal(Signal::SIGTERM));
        until("reason", || {
            let status = next.status(V4);
            let reason = status["reason"].as_str().unwrap_or_default();
            match reason.contains(expect) {
                true => Ok(()),
                false => Err(format!("{line} {trouble:?}: {expect:?} is not in {status}")),
            }
        });
        let there = next.has(V4);
        let in_cloud = api.owner(V4);
        assert!(!there, "{trouble:?}: {:#?}", api.log().lines());
        if !matches!(trouble, Trouble::Done(_)) {
            assert_ne!(in_cloud, Some(next.number().into()), "{trouble:?}");
        }
        api.heal();
        next.until_of(V4, "active");
        assert_eq!(api.owner(V4), Some(next.number().into()), "{trouble:?}");
        assert_eq!((owner.has(V4), next.has(V4)), (false, true));
        assert_eq!(next.status(V4)["reason"], serde_json::Value::Null);
        assert_aliases(&api);
        restart(owner);
        owner.until_of(V4, "backup");
        core::mem::swap(&mut owner, &mut next);
    }
    let overlap = stage
        .timeline(V4)
        .longest_overlap(Duration::ZERO..Duration::MAX);
    assert!(overlap < Duration::from_millis(100), "{}", stage.story());
}

const ANY: &str = "";
const WRITE: &str = "POST";
const ACTIONS: &str = "GET /v1/actions";

#[test]
fn an_api_that_refuses() {
    let refuses = |status| Trouble::Refused(Fault::Status(status));
    faults(
        "vip-hcloud-refuses",
        &[
            ("GET /v1", Trouble::Error(401, "unauthorized"), "token"),
            (WRITE, Trouble::Error(403, "token_readonly"), "token"),
            (WRITE, Trouble::Error(409, "conflict"), "conflict"),
            (WRITE, Trouble::Error(423, "locked"), "lock"),
            (ANY, Trouble::Refused(Fault::TooMany(2)), "wait"),
            (ANY, refuses(500), "500"),
        ],
    );
}

#[test]
fn an_api_that_breaks_off() {
    let slow = Fault::Slow(Duration::from_secs(4));
    faults(
        "vip-hcloud-breaks",
        &[
            (WRITE, Trouble::Done(Fault::Truncated), "ended inside"),
            ("GET /v1", Trouble::Refused(Fault::Broken), ""),
            ("GET /v1", Trouble::Done(Fault::Truncated), "ended inside"),
            (
                "GET /v1",
                Trouble::Refused(Fault::Body(b"{\"servers\": [".to_vec())),
                "",
            ),
            (ANY, Trouble::Done(slow), "deadline"),
        ],
    );
}

#[test]
fn an_action_that_fails_or_never_ends() {
    faults(
        "vip-hcloud-actions",
        &[
            (WRITE, Trouble::ActionFails, "the mock lets it fail"),
            (WRITE, Trouble::ActionHangs, "does not end"),
            (ACTIONS, Trouble::Error(503, "unavailable"), "503"),
        ],
    );
}
