//! Routes with several next hops, metrics and types.

use init_net::state::{Desired, Family, NextHopSpec, RouteSpec, Scope};
use init_net::value::{RouteKind, RouteMetrics, RoutePreference, RouteTable};
use serde_json::Value;

use super::{origin, settle, text};
use crate::namespace::{cable, in_namespace, ip, ip_json};

fn route(dst: &str) -> RouteSpec {
    let (layer, origin) = origin();
    let six = dst.contains(':');
    RouteSpec {
        family: if six { Family::Inet6 } else { Family::Inet4 },
        dst: Some(dst.parse().unwrap()),
        src: None,
        gateway: None,
        out_link_name: None,
        next_hops: Vec::new(),
        table: RouteTable::MAIN,
        priority: 1024,
        scope: Scope::Global,
        kind: RouteKind::Unicast,
        on_link: false,
        mtu: None,
        metrics: RouteMetrics::default(),
        layer,
        origin,
        overrode: Vec::new(),
    }
}

fn via(dst: &str, gateway: &str) -> RouteSpec {
    RouteSpec {
        gateway: Some(gateway.parse().unwrap()),
        out_link_name: Some("eth0".parse().unwrap()),
        ..route(dst)
    }
}

fn several(dst: &str, hops: &[(&str, &str, u16)]) -> RouteSpec {
    let hop = |(gateway, link, weight): &(&str, &str, u16)| NextHopSpec {
        gateway: Some(gateway.parse().unwrap()),
        out_link_name: link.parse().unwrap(),
        weight: *weight,
    };
    RouteSpec {
        next_hops: hops.iter().map(hop).collect(),
        ..route(dst)
    }
}

fn desired(routes: &[RouteSpec]) -> Desired {
    Desired {
        routes: routes.iter().map(|r| (r.id(), r.clone())).collect(),
        ..Desired::default()
    }
}

fn two_networks() {
    cable();
    for (link, number) in [("eth0", 1), ("far0", 2)] {
        ip(&format!("addr add 10.0.{number}.2/24 dev {link}"));
        ip(&format!(
            "addr add 2001:db8:{number}::2/64 dev {link} nodad"
        ));
    }
}

#[track_caller]
fn shown(dst: &str) -> Value {
    let family = if dst.contains(':') { "-6" } else { "-4" };
    let all = ip_json(&format!("{family} -d route show table all {dst} proto 73"));
    assert_eq!(all.len(), 1, "{dst}: {all:?}");
    all[0].clone()
}

/// Gateway, link and weight of each hop, as ip(8) shows them.
fn hops(route: &Value) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let hops = route["nexthops"].as_array().unwrap();
    let mut hops: Vec<_> = hops
        .iter()
        .map(|hop| {
            let weight = hop["weight"].as_u64().unwrap();
            (text(&hop["gateway"]), text(&hop["dev"]), weight)
        })
        .collect();
    hops.sort();
    hops
}

#[test]
fn several_next_hops_with_weights() {
    in_namespace(|| {
        two_networks();
        let four = several(
            "10.50.0.0/16",
            &[("10.0.2.1", "far0", 256), ("10.0.1.1", "eth0", 3)],
        );
        let six = several(
            "2001:db8:50::/48",
            &[("2001:db8:1::1", "eth0", 2), ("2001:db8:2::1", "far0", 1)],
        );
        settle(&desired(&[four.clone(), six.clone()]));
        let expect =
            |gateway: &str, link: &str, weight| (gateway.to_owned(), link.to_owned(), weight);
        assert_eq!(
            hops(&shown("10.50.0.0/16")),
            [
                expect("10.0.1.1", "eth0", 3),
                expect("10.0.2.1", "far0", 256)
            ]
        );
        assert_eq!(
            hops(&shown("2001:db8:50::/48")),
            [
                expect("2001:db8:1::1", "eth0", 2),
                expect("2001:db8:2::1", "far0", 1)
            ]
        );
        // Other weights, then one hop only, then several again: each in one replacement.
        let changed = [
            several(
                "10.50.0.0/16",
                &[("10.0.1.1", "eth0", 1), ("10.0.2.1", "far0", 1)],
            ),
            several(
                "2001:db8:50::/48",
                &[("2001:db8:1::1", "eth0", 1), ("2001:db8:2::1", "far0", 5)],
            ),
        ];
        let single = [
            via("10.50.0.0/16", "10.0.1.1"),
            via("2001:db8:50::/48", "2001:db8:1::1"),
        ];
        for want in [&changed, &single, &changed] {
            let done = settle(&desired(want));
            assert_eq!(done.len(), 2, "{done:#?}");
            assert!(
                done.iter().all(|op| op.contains("route replace")),
                "{done:#?}"
            );
        }
        // With a link down the rest stays as it is, and nothing is planned.
        ip("link set eth0 down");
        assert_eq!(text(&desired(&changed)), Vec::<String>::new());
        ip("link set eth0 up");
        ip("addr add 2001:db8:1::2/64 dev eth0 nodad");
        settle(&desired(&changed));
        settle(&Desired::default());
        assert_eq!(ip_json("-4 route show proto 73").len(), 0);
        assert_eq!(ip_json("-6 route show proto 73").len(), 0);
    });
}

#[test]
fn metrics_arrive_and_change_in_place() {
    in_namespace(|| {
        two_networks();
        let metrics = RouteMetrics {
            advmss: Some(1300),
            hop_limit: Some(77),
            init_cwnd: Some(20),
            init_rwnd: Some(30),
            rto_min: Some(250),
            quick_ack: Some(true),
            preference: Some(RoutePreference::High),
        };
        let with = |route: RouteSpec, metrics: &RouteMetrics| RouteSpec {
            mtu: Some(1400.try_into().unwrap()),
            metrics: metrics.clone(),
            ..route
        };
        let four = via("10.50.0.0/16", "10.0.1.1");
        let six = via("2001:db8:50::/48", "2001:db8:1::1");
        let routes = |metrics| [with(four.clone(), metrics), with(six.clone(), metrics)];
        settle(&desired(&routes(&metrics)));
        for dst in ["10.50.0.0/16", "2001:db8:50::/48"] {
            let shown = shown(dst);
            let metrics = &shown["metrics"][0];
            assert_eq!(metrics["mtu"], 1400, "{shown}");
            assert_eq!(metrics["advmss"], 1300, "{shown}");
            assert_eq!(metrics["hoplimit"], 77, "{shown}");
            assert_eq!(metrics["initcwnd"], 20, "{shown}");
            assert_eq!(metrics["initrwnd"], 30, "{shown}");
            assert_eq!(metrics["rto_min"], 250, "{shown}");
            assert_eq!(metrics["quickack"], 1, "{shown}");
        }
        assert_eq!(shown("2001:db8:50::/48")["pref"], "high");
        // What the kernel does not show is 0, what it cuts is equal.
        let other = RouteMetrics {
            hop_limit: Some(300),
            quick_ack: Some(false),
            preference: Some(RoutePreference::Medium),
            ..metrics
        };
        let done = settle(&desired(&routes(&other)));
        assert_eq!(done.len(), 2, "{done:#?}");
    });
}

#[test]
fn every_type_of_route() {
    in_namespace(|| {
        two_networks();
        let nowhere = [
            RouteKind::Blackhole,
            RouteKind::Unreachable,
            RouteKind::Prohibit,
            RouteKind::Throw,
        ];
        let mut routes: Vec<RouteSpec> = Vec::new();
        for (number, kind) in nowhere.into_iter().enumerate() {
            for dst in [
                format!("10.6{number}.0.0/16"),
                format!("2001:db8:6{number}::/48"),
            ] {
                routes.push(RouteSpec {
                    kind,
                    ..route(&dst)
                });
            }
        }
        let out_of = |dst: &str, kind, link: &str, scope| RouteSpec {
            kind,
            scope,
            out_link_name: Some(link.parse().unwrap()),
            ..route(dst)
        };
        ip("link set lo up");
        routes.push(out_of("10.70.0.0/16", RouteKind::Local, "lo", Scope::Host));
        routes.push(RouteSpec {
            table: RouteTable::LOCAL,
            ..out_of("10.71.0.0/16", RouteKind::Local, "lo", Scope::Host)
        });
        routes.push(out_of(
            "239.0.0.0/8",
            RouteKind::Multicast,
            "eth0",
            Scope::Link,
        ));
        routes.push(out_of(
            "10.72.0.255/32",
            RouteKind::Broadcast,
            "eth0",
            Scope::Link,
        ));
        routes.push(RouteSpec {
            on_link: true,
            ..several(
                "10.80.0.0/16",
                &[("172.16.0.1", "eth0", 1), ("172.16.0.2", "far0", 1)],
            )
        });
        let done = settle(&desired(&routes));
        assert_eq!(done.len(), routes.len(), "{done:#?}");
        assert_eq!(shown("10.60.0.0/16")["type"], "blackhole");
        assert_eq!(shown("2001:db8:61::/48")["type"], "unreachable");
        assert_eq!(shown("10.71.0.0/16")["type"], "local");
        // A type changes in its place, whatever stood there.
        for (route, kind) in routes
            .iter_mut()
            .take(8)
            .zip(nowhere.iter().cycle().skip(1))
        {
            route.kind = *kind;
        }
        settle(&desired(&routes));
        settle(&Desired::default());
        assert_eq!(ip_json("-4 route show table all proto 73").len(), 0);
        assert_eq!(ip_json("-6 route show table all proto 73").len(), 0);
    });
}
