//! Every way of answering wrong, of every API, while an address changes hands.

use std::net::IpAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::peer::metadata::Fault;
use qemu::peer::vipapi::Trouble;

use super::super::stage::{Stage, V4};
use super::{
    API, FLOATING, Place, Provider, api, assert_no_secret, assert_nothing_lost, restart, until,
    until_reason,
};

/// Which requests go wrong.
#[derive(Clone, Copy, Debug)]
enum On {
    /// All, those to the metadata service too.
    Any,
    /// Those that read.
    Read,
    /// Those that give the address to a machine.
    Write,
    /// Those that ask what became of an action.
    Action,
}

impl On {
    /// What the lines of such requests begin with.
    fn line(self, provider: Provider) -> &'static str {
        match (self, provider) {
            (Self::Any, _) => "",
            (Self::Write, _) => "POST",
            (Self::Read, provider) => provider.reads(),
            (Self::Action, Provider::DigitalOcean) => "GET /v2/reserved_ips/198.51.100.100/actions",
            (Self::Action, _) => "GET /v1/actions",
        }
    }
}

/// What goes wrong, and words of the reason that `get vips` gives.
type Case = (On, Trouble, &'static [&'static str]);

/// Each way of answering wrong while the address changes hands: the old owner keeps it in the cloud or nobody has it, `get vips`
/// says why, and it is taken as soon as the API answers rightly.
#[track_caller]
fn faults(test: &'static str, provider: Provider, vip: IpAddr, table: &[Case]) {
    let stage = Stage::new(test);
    let station = stage.station(API);
    let api = api(&stage, &station);
    let (a, b) = (stage.ours(2), stage.ours(3));
    let config = |number| provider.config(number, &[vip], &Place::plain());
    a.boot_with(config(2));
    a.until_of(vip, "active");
    b.boot_with(config(3));
    b.until_of(vip, "backup");
    let (mut owner, mut next) = (&a, &b);
    for (on, trouble, words) in table {
        let what = format!("{on:?} {trouble:?}");
        api.trouble(on.line(provider), trouble.clone());
        owner.on(|machine| machine.signal(Signal::SIGTERM));
        if matches!(
            (on, trouble),
            (On::Write, Trouble::Done(_)) | (On::Action, _)
        ) {
            // It is done, which the next look tells: the reason does not stand for long. The log is of this life.
            until("line of the log", || {
                let log = next.on(|machine| machine.log());
                let found = words.iter().all(|word| log.contains(word));
                found.then_some(()).ok_or(log)
            });
        } else {
            until_reason(next, vip, words, &what);
            let (there, in_cloud) = (next.has(vip), api.owner(vip));
            let log = api.log().lines();
            assert!(!there, "{what}: {log:#?}");
            assert_ne!(in_cloud, Some(next.number().into()), "{what}: {log:#?}");
            assert_no_secret(next, vip);
        }
        api.heal();
        next.until_of(vip, "active");
        assert_eq!(api.owner(vip), Some(next.number().into()), "{what}");
        assert_eq!((owner.has(vip), next.has(vip)), (false, true));
        assert_eq!(next.status(vip)["reason"], serde_json::Value::Null);
        assert_nothing_lost(&api);
        restart(owner);
        owner.until_of(vip, "backup");
        core::mem::swap(&mut owner, &mut next);
    }
    if vip == V4 {
        let timeline = stage.timeline(vip);
        let overlap = timeline.longest_overlap(Duration::ZERO..Duration::MAX);
        assert!(overlap < Duration::from_millis(100), "{}", stage.story());
    }
}

/// What an API refuses, and in which words it is told.
fn refusals() -> Vec<Case> {
    let refuses = |status| Trouble::Refused(Fault::Status(status));
    vec![
        (
            On::Read,
            // An API that tells people what it got.
            Trouble::Error(401, "hunter2 is unknown"),
            &[
                "status 401",
                "give another one",
                "the mock says (hidden) is unknown",
            ],
        ),
        (
            On::Write,
            Trouble::Error(403, "forbidden"),
            &["status 403", "give one that may read and write"],
        ),
        (
            On::Write,
            Trouble::Error(409, "conflict"),
            &["status 409", "it is tried again", "conflict"],
        ),
        (
            On::Write,
            Trouble::Error(423, "locked"),
            &["status 423", "it is tried again", "locked"],
        ),
        (
            On::Any,
            Trouble::Refused(Fault::TooMany(2)),
            &["status 429", "it is tried again"],
        ),
        (On::Any, refuses(500), &["status 500", "out of order"]),
    ]
}

/// What breaks off.
fn breaks() -> Vec<Case> {
    let slow = Fault::Slow(Duration::from_secs(4));
    vec![
        (
            On::Write,
            Trouble::Done(Fault::Truncated),
            &["ended inside"],
        ),
        (On::Read, Trouble::Refused(Fault::Broken), &["ended inside"]),
        (On::Read, Trouble::Done(Fault::Truncated), &["ended inside"]),
        (On::Any, Trouble::Done(slow), &["deadline"]),
    ]
}

/// What is no answer, of an API whose answers say something.
fn nonsense(words: &'static [&'static str]) -> Case {
    let half = b"{\"servers\": [".to_vec();
    (On::Read, Trouble::Refused(Fault::Body(half)), words)
}

/// What becomes of actions, where there are some.
fn actions() -> Vec<Case> {
    vec![
        (
            On::Write,
            Trouble::ActionFails,
            &["an action of the API failed"],
        ),
        (On::Write, Trouble::ActionHangs, &["does not end"]),
        (
            On::Action,
            Trouble::Error(503, "unavailable"),
            &["status 503", "out of order"],
        ),
    ]
}

#[test]
fn hetzner_cloud_refuses() {
    faults("vip-hcloud-refuses", Provider::HCloud, V4, &refusals());
}

#[test]
fn hetzner_cloud_breaks_off() {
    let mut table = breaks();
    table.push(nonsense(&["an answer without networks"]));
    faults("vip-hcloud-breaks", Provider::HCloud, V4, &table);
}

#[test]
fn an_action_of_hetzner_cloud_fails_or_never_ends() {
    let mut table = actions();
    let told: Case = (On::Write, Trouble::ActionFails, &["the mock lets it fail"]);
    table.push(told);
    faults("vip-hcloud-actions", Provider::HCloud, V4, &table);
}

#[test]
fn equinix_metal_refuses() {
    faults(
        "vip-equinix-refuses",
        Provider::Equinix,
        FLOATING,
        &refusals(),
    );
}

#[test]
fn equinix_metal_breaks_off() {
    let mut table = breaks();
    table.push(nonsense(&["this device has no project"]));
    faults("vip-equinix-breaks", Provider::Equinix, FLOATING, &table);
}

#[test]
fn digital_ocean_refuses() {
    let (test, provider) = ("vip-digital-ocean-refuses", Provider::DigitalOcean);
    faults(test, provider, FLOATING, &refusals());
}

#[test]
fn digital_ocean_breaks_off() {
    let mut table = breaks();
    table.push(nonsense(&["an answer without a reserved address"]));
    let (test, provider) = ("vip-digital-ocean-breaks", Provider::DigitalOcean);
    faults(test, provider, FLOATING, &table);
}

#[test]
fn an_action_of_digital_ocean_fails_or_never_ends() {
    let (test, provider) = ("vip-digital-ocean-actions", Provider::DigitalOcean);
    faults(test, provider, FLOATING, &actions());
}

#[test]
fn a_hook_refuses() {
    faults("vip-hook-refuses", Provider::Hook, FLOATING, &refusals());
}

#[test]
fn a_hook_breaks_off() {
    faults("vip-hook-breaks", Provider::Hook, FLOATING, &breaks());
}

/// A rate limit that ends later than one acquisition may take: the API is left alone until then, whatever the clock of this
/// machine says.
#[test]
fn a_rate_limit_is_waited_for() {
    let stage = Stage::new("vip-digital-ocean-limit");
    let station = stage.station(API);
    let api = api(&stage, &station);
    let limited = Trouble::Refused(Fault::Limited(40));
    api.trouble(On::Read.line(Provider::DigitalOcean), limited);
    let ours = stage.ours(2);
    ours.boot_with(Provider::DigitalOcean.config(2, &[FLOATING], &Place::plain()));
    until_reason(&ours, FLOATING, &["status 429", "it is tried again"], "");
    api.heal();
    std::thread::sleep(Duration::from_secs(25));
    assert_eq!(api.log().count("GET /v2"), 1, "{:#?}", api.log().lines());
    until("owner", || match api.owner(FLOATING) {
        Some(2) => Ok(()),
        other => Err(format!("{other:?}\n{:#?}", api.log().lines())),
    });
}
