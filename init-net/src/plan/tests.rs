//! Plans against the forecast: after applying a plan, the next plan is empty.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{forecast, plan};
use crate::state::{
    AddressSpec, AddressStatus, Desired, Family, HostnameSpec, LinkSpec, LinkStatus, OUR_PROTOCOL,
    Observed, Op, RouteSpec, RouteStatus, Scope, iff,
};
use crate::value::{
    Duration, Instant, Layer, LinkName, Origin, Prefix, RouteKind, RouteMetrics, RouteTable,
};

const NOW: Instant = Instant::from_secs(100);

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

fn link(index: u32, text: &str, up: bool) -> LinkStatus {
    LinkStatus {
        flags: if up { iff::UP | iff::LOWER_UP } else { 0 },
        operational_state: "up".into(),
        hardware_addr: Some("52:54:00:00:00:01".parse().unwrap()),
        ..LinkStatus::new(index, name(text))
    }
}

fn link_spec(text: &str) -> LinkSpec {
    LinkSpec {
        up: Some(true),
        ..LinkSpec::new(name(text), Layer::Cmdline, Origin::builtin(""))
    }
}

fn address_spec(text: &str, prefix: &str, valid_until: Option<Instant>) -> AddressSpec {
    let address: Prefix = prefix.parse().unwrap();
    AddressSpec {
        address,
        link_name: name(text),
        family: Family::of(address.address()),
        scope: Scope::Global,
        peer: None,
        broadcast: address.broadcast(),
        priority: None,
        valid_until,
        preferred_until: None,
        no_prefix_route: false,
        no_dad: false,
        layer: Layer::Cmdline,
        origin: Origin::builtin(""),
        overrode: Vec::new(),
    }
}

fn route_spec(text: &str, dst: Option<&str>, gateway: Option<&str>, priority: u32) -> RouteSpec {
    RouteSpec {
        family: Family::Inet4,
        dst: dst.map(|dst| dst.parse().unwrap()),
        src: None,
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        out_link_name: Some(name(text)),
        next_hops: Vec::new(),
        table: RouteTable::MAIN,
        priority,
        scope: if gateway.is_some() {
            Scope::Global
        } else {
            Scope::Link
        },
        kind: RouteKind::Unicast,
        on_link: false,
        mtu: None,
        metrics: RouteMetrics::default(),
        layer: Layer::Cmdline,
        origin: Origin::builtin(""),
        overrode: Vec::new(),
    }
}

fn desired(links: &[LinkSpec], addresses: &[AddressSpec], routes: &[RouteSpec]) -> Desired {
    Desired {
        links: links.iter().map(|l| (l.name.clone(), l.clone())).collect(),
        addresses: addresses.iter().map(|a| (a.id(), a.clone())).collect(),
        routes: routes.iter().map(|r| (r.id(), r.clone())).collect(),
        ..Desired::default()
    }
}

fn observed(links: &[LinkStatus]) -> Observed {
    Observed {
        at: NOW,
        links: links.iter().map(|l| (l.index, l.clone())).collect(),
        ..Observed::default()
    }
}

/// What the kernel would say after `ops`. A route in whose place there is another one is refused, as everywhere.
fn after(mut state: Observed, ops: &[Op]) -> Observed {
    for op in ops {
        match forecast::change(&mut state, op) {
            Err(errno) if !matches!(op, Op::RouteAdd(_)) => panic!("{op}: error {errno}"),
            _ => {}
        }
    }
    state
}

#[track_caller]
fn check(want: &Desired, have: &Observed, expect: &str) {
    let ops = plan(want, have);
    let text: Vec<String> = ops.iter().map(ToString::to_string).collect();
    assert_eq!(text.join("\n"), expect.trim());
}

#[test]
fn a_bare_machine_gets_link_address_route_in_that_order() {
    let want = desired(
        &[link_spec("eth0")],
        &[address_spec("eth0", "10.0.0.2/24", None)],
        &[route_spec("eth0", None, Some("10.0.0.1"), 1024)],
    );
    check(
        &want,
        &observed(&[link(3, "eth0", false)]),
        "\
ip link set dev eth0 up
ip addr add 10.0.0.2/24 brd 10.0.0.255 dev eth0 proto 73
ip route add default via 10.0.0.1 dev eth0 proto 73 metric 1024",
    );
}

#[test]
fn an_address_swap_adds_before_it_deletes() {
    let have = after(
        observed(&[link(3, "eth0", true)]),
        &plan(
            &desired(
                &[link_spec("eth0")],
                &[address_spec("eth0", "10.0.0.2/24", None)],
                &[],
            ),
            &observed(&[link(3, "eth0", true)]),
        ),
    );
    let want = desired(
        &[link_spec("eth0")],
        &[address_spec("eth0", "10.0.1.2/24", None)],
        &[],
    );
    check(
        &want,
        &have,
        "\
ip addr add 10.0.1.2/24 brd 10.0.1.255 dev eth0 proto 73
ip addr del 10.0.0.2/24 dev eth0",
    );
}

#[test]
fn a_renewed_lease_changes_lifetimes_in_place() {
    let have = after(
        observed(&[link(3, "eth0", true)]),
        &plan(
            &desired(
                &[],
                &[address_spec(
                    "eth0",
                    "10.0.0.2/24",
                    Some(NOW + core::time::Duration::from_secs(60)),
                )],
                &[],
            ),
            &observed(&[link(3, "eth0", true)]),
        ),
    );
    let later = Some(NOW + core::time::Duration::from_secs(3600));
    check(
        &desired(&[], &[address_spec("eth0", "10.0.0.2/24", later)], &[]),
        &have,
        "ip addr change 10.0.0.2/24 brd 10.0.0.255 dev eth0 proto 73 valid_lft 3600 preferred_lft 3600",
    );
    // A second more or less is the kernel's rounding, not a difference.
    let rounding = Some(NOW + core::time::Duration::from_secs(61));
    check(
        &desired(&[], &[address_spec("eth0", "10.0.0.2/24", rounding)], &[]),
        &have,
        "",
    );
    // An expired lease is not wanted any more.
    check(
        &desired(&[], &[address_spec("eth0", "10.0.0.2/24", Some(NOW))], &[]),
        &have,
        "ip addr del 10.0.0.2/24 dev eth0",
    );
}

#[test]
fn objects_of_others_are_left_alone() {
    let mut have = after(
        observed(&[link(3, "eth0", true)]),
        &plan(
            &desired(
                &[],
                &[address_spec("eth0", "10.0.0.2/24", None)],
                &[route_spec("eth0", None, Some("10.0.0.1"), 1024)],
            ),
            &observed(&[link(3, "eth0", true)]),
        ),
    );
    have.addresses[0].protocol = 0;
    have.routes[0].protocol = 3;
    check(&Desired::default(), &have, "");
    // A route of others in our slot is not replaced: the kernel refuses ours, and that is reported.
    let want = desired(
        &[],
        &[],
        &[route_spec("eth0", None, Some("10.0.0.9"), 1024)],
    );
    check(
        &want,
        &have,
        "ip route add default via 10.0.0.9 dev eth0 proto 73 metric 1024",
    );
    assert_eq!(after(have.clone(), &plan(&want, &have)), have);
}

#[test]
fn renaming_a_link_that_is_up_takes_it_down_and_up_again() {
    let mut spec = link_spec("net0");
    spec.renamed_from = Some(name("eth0"));
    let want = desired(&[spec], &[address_spec("net0", "10.0.0.2/24", None)], &[]);
    check(
        &want,
        &observed(&[link(3, "eth0", true)]),
        "\
ip link set dev eth0 down
ip link set dev eth0 name net0
ip link set dev net0 up
ip addr add 10.0.0.2/24 brd 10.0.0.255 dev net0 proto 73",
    );
}

#[test]
fn hostname_and_files_come_last_and_once() {
    let mut want = desired(&[link_spec("eth0")], &[], &[]);
    want.hostname = Some(HostnameSpec::new(
        &"web1.example".parse().unwrap(),
        Layer::Cmdline,
        Origin::builtin(""),
    ));
    want.files.insert(
        "/etc/hostname".into(),
        crate::state::FileSpec {
            mode: 0o644,
            content: b"web1\n".to_vec(),
        },
    );
    let have = observed(&[link(3, "eth0", false)]);
    check(
        &want,
        &have,
        "\
ip link set dev eth0 up
hostname web1
install -m 0644 /dev/stdin /etc/hostname  # web1",
    );
    let have = after(have.clone(), &plan(&want, &have));
    check(&want, &have, "");
}

prop_compose! {
    fn any_desired()(
        links in proptest::collection::btree_set(0..3u32, 0..3),
        up in any::<[bool; 3]>(),
        mtu in proptest::option::of(600u32..9000),
        addresses in proptest::collection::vec((0..3u32, 1..5u8, 20..28u8, proptest::option::of(101..4000u64)), 0..6),
        routes in proptest::collection::vec((0..3u32, proptest::option::of(1..4u8), proptest::option::of(1..4u8), 1..4u32), 0..6),
    ) -> Desired {
        let text = |index: u32| format!("eth{index}");
        let links: Vec<LinkSpec> = links.iter().map(|index| {
            let mut spec = link_spec(&text(*index));
            spec.up = Some(up[*index as usize]);
            spec.mtu = mtu.map(|mtu| mtu.try_into().unwrap());
            spec
        }).collect();
        let addresses: Vec<AddressSpec> = addresses.into_iter().map(|(index, host, len, until)| {
            address_spec(&text(index), &format!("10.0.{host}.{host}/{len}"), until.map(Instant::from_secs))
        }).collect();
        // One route a slot: two in one slot cannot both be there.
        let mut slots: BTreeMap<(Option<u8>, u32), RouteSpec> = BTreeMap::new();
        for (index, dst, gateway, metric) in routes {
            let dst_text = dst.map(|dst| format!("192.168.{dst}.0/24"));
            let gateway_text = gateway.map(|gateway| format!("10.0.{gateway}.254"));
            slots.insert((dst, metric), route_spec(&text(index), dst_text.as_deref(), gateway_text.as_deref(), metric));
        }
        desired(&links, &addresses, &slots.into_values().collect::<Vec<_>>())
    }
}

/// A `Layer2VIPConfig` as it compiles, on `on`; with a hardware address of its own on the link `vrrp4.7`.
fn shared(ip: &str, on: &str, own: bool) -> Desired {
    let text = format!(
        "apiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: {ip}\nlink: {on}\nvrid: 7\nvirtualMAC: {own}\n"
    );
    let (document, faults) = crate::config::machine::parse(&text, "vip.yaml");
    assert_eq!(faults, []);
    let links = [link(1, "eth0", true), link(2, "eth1", true)];
    let links = links.map(|link| (link.index, link)).into();
    let (compiled, _) = crate::compile::compile(&[document], &links);
    Desired {
        vips: compiled.vips,
        ..Desired::default()
    }
}

/// As the owner of a shared address adds it.
fn held(index: u32, on: &str, prefix: &str, protocol: u8) -> AddressStatus {
    let address: Prefix = prefix.parse().unwrap();
    AddressStatus {
        address,
        peer: None,
        broadcast: None,
        link_index: index,
        link_name: name(on),
        family: Family::of(address.address()),
        scope: Scope::Global,
        flags: AddressStatus::NOPREFIXROUTE,
        priority: 0,
        protocol,
        valid_until: Some(NOW + Duration::from_secs(3)),
        preferred_until: Some(NOW),
    }
}

/// An election decides over it, and refreshes it: a plan that removed it would take it from its owner.
#[test]
fn a_shared_address_is_left_alone_where_it_belongs() {
    for (ip, prefix) in [
        ("192.0.2.100", "192.0.2.100/32"),
        ("2001:db8::100", "2001:db8::100/128"),
    ] {
        let want = shared(ip, "eth0", false);
        let mut have = observed(&[link(1, "eth0", true), link(2, "eth1", true)]);
        check(&want, &have, "");
        have.addresses = vec![held(1, "eth0", prefix, OUR_PROTOCOL)];
        check(&want, &have, "");
        // On another link it is a leftover, and of another address as well.
        have.addresses = vec![held(2, "eth1", prefix, OUR_PROTOCOL)];
        check(&want, &have, &format!("ip addr del {prefix} dev eth1"));
        have.addresses = vec![held(2, "eth1", prefix, 0)];
        check(&want, &have, "");
        have.addresses = vec![held(1, "eth0", "192.0.2.101/32", OUR_PROTOCOL)];
        check(&want, &have, "ip addr del 192.0.2.101/32 dev eth0");
        // Nobody shares it any more.
        have.addresses = vec![held(1, "eth0", prefix, OUR_PROTOCOL)];
        let text = format!("ip addr del {prefix} dev eth0");
        check(&Desired::default(), &have, &text);
    }
}

/// With a hardware address of its own it belongs on that link, and not on the one below.
#[test]
fn a_shared_address_belongs_on_the_link_that_holds_it() {
    let want = shared("192.0.2.100", "eth0", true);
    let mut have = observed(&[link(1, "eth0", true), link(9, "vrrp4.7", true)]);
    have.addresses = vec![held(9, "vrrp4.7", "192.0.2.100/32", OUR_PROTOCOL)];
    check(&want, &have, "");
    have.addresses = vec![held(1, "eth0", "192.0.2.100/32", OUR_PROTOCOL)];
    check(&want, &have, "ip addr del 192.0.2.100/32 dev eth0");
}

proptest! {
    /// Whatever else is planned for, an address that this machine shares and has stays as it is.
    #[test]
    fn no_plan_touches_a_shared_address(first in any_desired(), second in any_desired()) {
        let here = held(1, "eth0", "198.51.100.7/32", OUR_PROTOCOL);
        let mut have = observed(&[link(1, "eth0", true), link(2, "eth1", true), link(3, "eth2", true)]);
        have.addresses.push(here.clone());
        let vips = shared("198.51.100.7", "eth0", false).vips;
        for mut want in [first, second] {
            want.vips = vips.clone();
            for _ in 0..3 {
                let ops = plan(&want, &have);
                prop_assert!(!ops.iter().any(|op| op.to_string().contains("198.51.100.7")), "{ops:?}");
                have = after(have.clone(), &ops);
            }
            let rest = plan(&want, &have);
            prop_assert!(rest.is_empty(), "{rest:?}");
        }
    }

    /// DESIGN invariant 2: whatever was there, a bounded number of rounds ends with an empty plan.
    #[test]
    fn the_second_plan_is_empty(first in any_desired(), second in any_desired(), up in any::<[bool; 3]>()) {
        let mut have = observed(&[link(1, "eth0", up[0]), link(2, "eth1", up[1]), link(3, "eth2", up[2])]);
        for want in [&first, &second] {
            for _ in 0..3 {
                have = after(have.clone(), &plan(want, &have));
            }
            let rest = plan(want, &have);
            prop_assert!(rest.is_empty(), "{rest:?}");
        }
    }

    /// Invariant 3: with nothing desired, nothing foreign changes and nothing of ours stays.
    #[test]
    fn withdrawing_everything_removes_exactly_what_is_ours(want in any_desired()) {
        let mut have = observed(&[link(1, "eth0", true), link(2, "eth1", true), link(3, "eth2", true)]);
        have.routes.push(RouteStatus {
            family: Family::Inet4, dst: None, src: None, gateway: Some("10.9.9.9".parse().unwrap()), out_link_index: 1,
            out_link_name: Some(name("eth0")), table: RouteTable::MAIN, priority: 7, scope: Scope::Global,
            kind: RouteKind::Unicast, protocol: 4, flags: 0, mtu: None,
            metrics: RouteMetrics::default(), next_hops: Vec::new(),
        });
        let links = have.links.clone();
        for _ in 0..3 {
            have = after(have.clone(), &plan(&want, &have));
        }
        have = after(have.clone(), &plan(&Desired::default(), &have));
        prop_assert!(have.addresses.is_empty());
        prop_assert_eq!(have.routes.iter().filter(|r| r.protocol == OUR_PROTOCOL).count(), 0);
        let survived = have.routes.iter().any(|r| r.priority == 7) || !have.links[&1].is_up();
        prop_assert!(survived, "a foreign route was removed; links were {:?}", links);
    }
}
