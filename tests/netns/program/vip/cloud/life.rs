//! The life of an address that an API moves: it is taken, handed over, lost and found again.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::peer::VipApi;
use qemu::peer::vipapi::Trouble;

use super::super::ours::Ours;
use super::super::stage::{Stage, V4};
use super::{
    API, FLOATING, Place, Provider, alias, api, assert_no_secret, assert_nothing_lost, restart,
    until, until_reason,
};

/// One machine takes it, leaves it to the other by a stop, which loses it by a crash.
fn changes_hands(stage: &Stage, api: &VipApi, provider: Provider, vip: IpAddr) {
    let (a, b) = (stage.ours(2), stage.ours(3));
    let config = |number| provider.config(number, &[vip], &Place::plain());
    a.boot_with(config(2));
    a.until_of(vip, "active");
    assert_eq!(api.owner(vip), Some(2));
    assert!(a.has(vip));
    // It keeps what it has when it cannot look whether that is so.
    api.trouble(provider.reads(), Trouble::Error(401, "unauthorized"));
    until_reason(&a, vip, &["status 401", "give another one"], "a look");
    assert_eq!(a.status(vip)["state"], "active");
    assert!(a.has(vip));
    api.heal();
    b.boot_with(config(3));
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
    assert_nothing_lost(api);
    assert_no_secret(&a, vip);
}

/// [`changes_hands`] of an address that is nobody's neighbour.
fn floating_changes_hands(test: &'static str, provider: Provider) -> Vec<String> {
    let stage = Stage::new(test);
    let station = stage.station(API);
    let api = api(&stage, &station);
    changes_hands(&stage, &api, provider, FLOATING);
    api.log().lines()
}

#[test]
fn an_alias_of_hetzner_cloud_changes_hands() {
    let stage = Stage::new("vip-hcloud-alias");
    let station = stage.station(API);
    let api = api(&stage, &station);
    // Somebody else's actions while a server is read: by its machine for its network, and before its list is written with the
    // address; by the other one, before it is written without.
    let others = [(2, 2, 20), (2, 2, 21), (3, 2, 22), (3, 3, 30), (3, 3, 31)];
    for (reader, server, number) in others {
        api.adds_meanwhile(reader, server, alias(number));
    }
    changes_hands(&stage, &api, Provider::HCloud, V4);
    for (_, server, number) in others {
        let all = api.aliases(server);
        let log = api.log().lines();
        assert!(all.contains(&alias(number)), "{server}: {all:?}\n{log:#?}");
    }
    let overlap = stage
        .timeline(V4)
        .longest_overlap(Duration::ZERO..Duration::MAX);
    // The kernel of the one that was killed keeps the address for its lifetime.
    assert!(overlap < Duration::from_secs(4), "{}", stage.story());
}

#[test]
fn a_floating_address_of_hetzner_cloud_changes_hands() {
    floating_changes_hands("vip-hcloud-floating", Provider::HCloud);
}

#[test]
fn an_address_of_equinix_metal_changes_hands() {
    floating_changes_hands("vip-equinix", Provider::Equinix);
}

#[test]
fn a_reserved_address_of_digital_ocean_changes_hands() {
    floating_changes_hands("vip-digital-ocean", Provider::DigitalOcean);
}

#[test]
fn an_address_of_a_hook_changes_hands() {
    let log = floating_changes_hands("vip-hook", Provider::Hook);
    // Who stops says so; who is killed cannot.
    let left = "DELETE /hook/198.51.100.100?host=ours-2";
    assert!(log.iter().any(|line| line.contains(left)), "{log:#?}");
    let acquired = r#"POST /hook/198.51.100.100 {"host": "ours-3", "mac": "52:54:00:56:00:03"}"#;
    assert!(log.iter().any(|line| line.contains(acquired)), "{log:#?}");
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
    let config = |number| Provider::HCloud.config(number, &vips, &Place::plain());
    a.boot_with(config(2));
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
    b.boot_with(config(3));
    for vip in vips {
        b.until_of(vip, "backup");
    }
    a.on(|machine| machine.signal(Signal::SIGTERM));
    both_of(&b);
    assert_nothing_lost(&api);
}

/// Somebody takes the address away from who has it, and it is noticed.
#[test]
fn an_alias_that_nobody_has_any_more_comes_back() {
    let stage = Stage::new("vip-hcloud-audit");
    let station = stage.station(API);
    let api = api(&stage, &station);
    let a = stage.ours(2);
    a.boot_with(Provider::HCloud.config(2, &[V4], &Place::plain()));
    a.until_of(V4, "active");
    api.set_aliases(2, &[alias(2)]);
    until("owner", || match api.owner(V4) {
        Some(2) => Ok(()),
        other => Err(format!("{other:?}\n{:#?}", api.log().lines())),
    });
    assert_nothing_lost(&api);
}
