//! Ops and dumps against the kernel, with ip(8) as the oracle.

use std::collections::BTreeMap;

use init_net::run::rtnetlink::{Monitor, Rtnetlink, RtnetlinkError};
use init_net::state::{
    AddressStatus, Family, LinkAt, LinkStatus, OUR_PROTOCOL, Op, RouteKind, RouteOp, RouteStatus,
    Scope,
};
use init_net::value::{Instant, RouteTable};
use init_net::wire::event::Bell;
use init_net::wire::name_links;

use crate::namespace::{cable, in_namespace, ip, ip_json};

const AT: Instant = Instant::from_secs(1000);

fn open() -> Rtnetlink {
    Rtnetlink::open().unwrap()
}

fn at(name: &str, index: u32) -> LinkAt {
    LinkAt {
        index,
        name: name.parse().unwrap(),
    }
}

fn address(text: &str) -> Op {
    Op::AddressReplace {
        link: at("eth0", 10),
        address: text.parse().unwrap(),
        peer: None,
        broadcast: None,
        scope: Scope::Global,
        priority: None,
        valid_secs: None,
        present: false,
    }
}

fn route(dst: &str, via: &str) -> RouteOp {
    let gateway = (!via.is_empty()).then(|| via.parse().unwrap());
    RouteOp {
        family: if dst.contains(':') {
            Family::Inet6
        } else {
            Family::Inet4
        },
        dst: (!dst.starts_with("default")).then(|| dst.parse().unwrap()),
        gateway,
        link: Some(at("eth0", 10)),
        src: None,
        table: RouteTable::MAIN,
        priority: 1024,
        scope: Scope::Global,
        kind: RouteKind::Unicast,
        on_link: false,
        mtu: None,
    }
}

#[track_caller]
fn apply(kernel: &mut Rtnetlink, ops: &[Op]) {
    for (op, result) in ops.iter().zip(kernel.apply(ops)) {
        result.unwrap_or_else(|error| panic!("{op}: {error}"));
    }
}

#[track_caller]
fn refused(kernel: &mut Rtnetlink, op: Op, errno: i32, text: &str) {
    let error = kernel.apply(&[op]).pop().unwrap().unwrap_err();
    let RtnetlinkError::Refused(refusal) = error else {
        panic!("{error}")
    };
    assert_eq!((refusal.errno, refusal.text.as_str()), (errno, text));
}

fn links(kernel: &mut Rtnetlink) -> BTreeMap<u32, LinkStatus> {
    kernel.links(AT).unwrap()
}

fn addresses(kernel: &mut Rtnetlink) -> Vec<AddressStatus> {
    let links = links(kernel);
    let mut addresses = kernel.addresses(AT).unwrap();
    name_links(&links, &mut addresses, &mut []);
    addresses
}

fn our_routes(kernel: &mut Rtnetlink) -> Vec<RouteStatus> {
    let links = links(kernel);
    let mut routes = kernel.routes(AT, Some(OUR_PROTOCOL)).unwrap();
    name_links(&links, &mut [], &mut routes);
    routes
}

#[test]
fn links_are_set() {
    in_namespace(|| {
        ip("link add eth0 index 10 type veth peer name far0");
        let mut kernel = open();
        apply(
            &mut kernel,
            &[
                Op::LinkRename {
                    link: at("eth0", 10),
                    name: "wan".parse().unwrap(),
                },
                Op::LinkSetMtu {
                    link: at("wan", 10),
                    mtu: 1400.try_into().unwrap(),
                },
                Op::LinkSetMac {
                    link: at("wan", 10),
                    mac: "02:00:00:00:00:09".parse().unwrap(),
                },
                Op::LinkSetUp {
                    link: at("wan", 10),
                    up: true,
                },
            ],
        );
        let link = links(&mut kernel).remove(&10).unwrap();
        assert_eq!(
            (link.name.as_str(), link.mtu, link.is_up()),
            ("wan", 1400, true)
        );
        assert_eq!(link.hardware_addr.unwrap().to_string(), "02:00:00:00:00:09");
        assert_eq!(link.kind, "veth");
        assert!(!link.has_carrier(), "the other end is down");
        apply(
            &mut kernel,
            &[Op::LinkSetUp {
                link: at("wan", 10),
                up: false,
            }],
        );
        assert!(!links(&mut kernel)[&10].is_up());
        let missing = Op::LinkSetUp {
            link: at("gone", 99),
            up: true,
        };
        refused(&mut kernel, missing, 19, "");
    });
}

#[test]
fn links_read_as_ip_shows_them() {
    in_namespace(|| {
        cable();
        ip("link add br0 type bridge");
        ip("link set far0 master br0");
        ip("link property add dev eth0 altname enp0s31f6 altname uplink");
        ip("link set eth0 alias the-cable");
        let links = links(&mut open());
        let shown = ip_json("-d link show");
        assert_eq!(links.len(), shown.len());
        for link in shown {
            let ours = &links[&(link["ifindex"].as_u64().unwrap() as u32)];
            assert_eq!(ours.name.as_str(), link["ifname"].as_str().unwrap());
            assert_eq!(ours.mtu, link["mtu"].as_u64().unwrap() as u32);
            assert_eq!(
                ours.operational_state.to_uppercase(),
                link["operstate"].as_str().unwrap()
            );
            let kind = link["linkinfo"]["info_kind"].as_str().unwrap_or("");
            assert_eq!(ours.kind, kind);
            let mac = ours.hardware_addr.unwrap().to_string();
            assert_eq!(mac, link["address"].as_str().unwrap());
            let flag = |name: &str| link["flags"].as_array().unwrap().iter().any(|f| f == name);
            assert_eq!(ours.is_up(), flag("UP"));
            assert_eq!(ours.has_carrier(), flag("LOWER_UP"));
        }
        let eth0 = &links[&10];
        assert_eq!(eth0.alias.as_deref(), Some("the-cable"));
        assert_eq!(eth0.alt_names, ["enp0s31f6", "uplink"]);
        let bridge = links.values().find(|l| l.kind == "bridge").unwrap();
        assert_eq!(links[&11].master_index, bridge.index);
        assert_eq!(eth0.link_index, 11);
        assert!(!eth0.is_physical());
    });
}

#[test]
fn addresses_come_renew_and_go() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        let lease = |secs| {
            let mut op = address("10.0.0.2/24");
            let Op::AddressReplace {
                broadcast,
                priority,
                valid_secs,
                ..
            } = &mut op
            else {
                unreachable!()
            };
            *broadcast = Some("10.0.0.255".parse().unwrap());
            *priority = Some(77);
            *valid_secs = secs;
            op
        };
        let find = |kernel: &mut Rtnetlink| {
            let mut all = addresses(kernel);
            all.retain(|a| a.address.to_string() == "10.0.0.2/24");
            assert_eq!(all.len(), 1);
            all.remove(0)
        };
        apply(&mut kernel, &[lease(Some(600))]);
        let found = find(&mut kernel);
        assert_eq!(found.protocol, OUR_PROTOCOL);
        assert_eq!(found.priority, 77);
        assert_eq!(found.broadcast, Some("10.0.0.255".parse().unwrap()));
        assert_eq!(found.link_name.as_str(), "eth0");
        // The kernel may already have counted the first second down.
        let left = found.valid_until.unwrap() - AT;
        assert!((599..=600).contains(&left.as_secs()), "{left:?}");
        // Renewed in place, then for ever: the connected route never goes away, the address is never doubled.
        apply(&mut kernel, &[lease(Some(7200))]);
        assert!(
            find(&mut kernel).valid_until.unwrap() - AT > core::time::Duration::from_secs(7000)
        );
        apply(&mut kernel, &[lease(None)]);
        assert_eq!(find(&mut kernel).valid_until, None);
        apply(
            &mut kernel,
            &[Op::AddressDel {
                link: at("eth0", 10),
                address: "10.0.0.2/24".parse().unwrap(),
            }],
        );
        assert!(
            addresses(&mut kernel)
                .iter()
                .all(|a| a.family == Family::Inet6)
        );
        let again = Op::AddressDel {
            link: at("eth0", 10),
            address: "10.0.0.2/24".parse().unwrap(),
        };
        // Linux 6.x: "ipv4: Address not found".
        let error = kernel.apply(&[again]).pop().unwrap().unwrap_err();
        assert_eq!(error.errno(), Some(99));
    });
}

#[test]
fn of_two_equal_addresses_the_right_length_goes() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        apply(
            &mut kernel,
            &[address("10.0.0.2/16"), address("10.0.0.2/24")],
        );
        apply(
            &mut kernel,
            &[Op::AddressDel {
                link: at("eth0", 10),
                address: "10.0.0.2/24".parse().unwrap(),
            }],
        );
        let left: Vec<_> = addresses(&mut kernel)
            .into_iter()
            .filter(|a| a.family == Family::Inet4)
            .map(|a| a.address.to_string())
            .collect();
        assert_eq!(left, ["10.0.0.2/16"]);
    });
}

#[test]
fn addresses_of_both_families_and_with_peers() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        let with = |text: &str, to: Option<&str>, secs: Option<u32>| {
            let mut op = address(text);
            if let Op::AddressReplace {
                peer, valid_secs, ..
            } = &mut op
            {
                *peer = to.map(|to| to.parse().unwrap());
                *valid_secs = secs;
            }
            op
        };
        let find = |kernel: &mut Rtnetlink, text: &str| {
            addresses(kernel)
                .into_iter()
                .find(|a| a.address.to_string() == text)
        };
        for (text, peer) in [
            ("10.1.0.1/32", Some("10.1.0.2")),
            ("2001:db8::1/128", Some("2001:db8::2")),
            ("2001:db8:1::1/64", None),
        ] {
            apply(&mut kernel, &[with(text, peer, Some(600))]);
            let found = find(&mut kernel, text).unwrap();
            assert_eq!(found.peer, peer.map(|peer| peer.parse().unwrap()), "{text}");
            assert_eq!(found.protocol, OUR_PROTOCOL, "{text}");
            assert!(found.valid_until.is_some(), "{text}");
            apply(&mut kernel, &[with(text, peer, None)]);
            assert_eq!(find(&mut kernel, text).unwrap().valid_until, None, "{text}");
            let delete = Op::AddressDel {
                link: at("eth0", 10),
                address: text.parse().unwrap(),
            };
            apply(&mut kernel, &[delete]);
            assert_eq!(find(&mut kernel, text), None);
        }
    });
}

#[test]
fn addresses_read_as_ip_shows_them() {
    in_namespace(|| {
        cable();
        ip("link set lo up");
        ip("addr add 10.1.0.1 peer 10.1.0.2/32 dev eth0");
        ip("addr add 192.0.2.1/24 dev eth0 scope link");
        ip("addr add 2001:db8::5/64 dev far0 nodad");
        ip("addr add 2001:db8::6 peer 2001:db8::7/128 dev far0");
        let ours: Vec<_> = addresses(&mut open());
        let mut expect = Vec::new();
        for link in ip_json("addr show") {
            for a in link["addr_info"].as_array().unwrap() {
                expect.push((
                    link["ifname"].as_str().unwrap().to_owned(),
                    format!("{}/{}", a["local"].as_str().unwrap(), a["prefixlen"]),
                    a["address"].as_str().map(str::to_owned),
                    a["tentative"].as_bool().unwrap_or(false),
                    match a["scope"].as_str().unwrap() {
                        "global" => 0,
                        "link" => 253,
                        "host" => 254,
                        other => panic!("scope {other}"),
                    },
                ));
            }
        }
        let mut ours: Vec<_> = ours
            .into_iter()
            .map(|a| {
                (
                    a.link_name.to_string(),
                    a.address.to_string(),
                    a.peer.map(|p| p.to_string()),
                    a.flags & AddressStatus::TENTATIVE != 0,
                    a.scope.number(),
                )
            })
            .collect();
        ours.sort();
        expect.sort();
        assert_eq!(ours, expect);
    });
}

#[test]
fn routes_come_and_go() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        apply(
            &mut kernel,
            &[address("10.0.0.2/24"), address("2001:db8::2/64")],
        );
        let default = route("default", "10.0.0.1");
        let mtu = RouteOp {
            mtu: Some(1400.try_into().unwrap()),
            ..route("10.5.0.0/16", "10.0.0.1")
        };
        let src = RouteOp {
            src: Some("10.0.0.2".parse().unwrap()),
            ..route("10.6.0.0/16", "10.0.0.1")
        };
        let table = RouteOp {
            table: RouteTable::new(1000).unwrap(),
            ..route("10.7.0.0/16", "10.0.0.1")
        };
        let small = RouteOp {
            table: RouteTable::new(100).unwrap(),
            ..route("10.7.0.0/16", "10.0.0.1")
        };
        let on_link = RouteOp {
            on_link: true,
            ..route("10.8.0.0/16", "172.16.0.1")
        };
        let direct = RouteOp {
            scope: Scope::Link,
            ..route("169.254.169.254/32", "")
        };
        let hole = RouteOp {
            kind: RouteKind::Blackhole,
            link: None,
            ..route("10.9.0.0/16", "")
        };
        let via6 = route("10.10.0.0/16", "2001:db8::1");
        let six = RouteOp {
            family: Family::Inet6,
            ..route("default", "2001:db8::1")
        };
        let six_net = route("2001:db8:5::/48", "2001:db8::1");
        let all = [
            default, mtu, src, table, small, on_link, direct, hole, via6, six, six_net,
        ];
        let add: Vec<Op> = all.iter().cloned().map(Op::RouteAdd).collect();
        apply(&mut kernel, &add);
        let found = our_routes(&mut kernel);
        for route in &all {
            let same: Vec<_> = found
                .iter()
                .filter(|r| {
                    r.dst == route.dst && r.family == route.family && r.table == route.table
                })
                .collect();
            assert_eq!(same.len(), 1, "{route}");
            let same = same[0];
            assert_eq!(same.gateway, route.gateway, "{route}");
            assert_eq!(same.src, route.src, "{route}");
            assert_eq!(same.priority, route.priority, "{route}");
            assert_eq!(same.kind, route.kind, "{route}");
            assert_eq!(same.mtu, route.mtu.map(|m| m.bytes()), "{route}");
            assert_eq!(same.flags & 4 != 0, route.on_link, "{route}");
            assert_eq!(
                same.out_link_index,
                route.link.as_ref().map_or(0, |l| l.index),
                "{route}"
            );
            assert_eq!(
                same.out_link_name,
                route.link.as_ref().map(|l| l.name.clone()),
                "{route}"
            );
            if route.family == Family::Inet4 {
                assert_eq!(same.scope, route.scope, "{route}");
            }
        }
        assert_eq!(found.len(), all.len());
        // A second time: all refused, nothing doubled.
        for (op, result) in add.iter().zip(kernel.apply(&add)) {
            assert_eq!(result.unwrap_err().errno(), Some(17), "{op}");
        }
        // Replaced in place.
        let slower = RouteOp {
            mtu: Some(1300.try_into().unwrap()),
            ..all[1].clone()
        };
        apply(&mut kernel, &[Op::RouteReplace(slower)]);
        assert!(
            our_routes(&mut kernel)
                .iter()
                .any(|r| r.dst == all[1].dst && r.mtu == Some(1300))
        );
        // Deleted with what identifies it, whatever its MTU is now.
        let delete: Vec<Op> = all.iter().cloned().map(Op::RouteDel).collect();
        apply(&mut kernel, &delete);
        assert_eq!(our_routes(&mut kernel), []);
        for (op, result) in delete.iter().zip(kernel.apply(&delete)) {
            assert_eq!(result.unwrap_err().errno(), Some(3), "{op}");
        }
    });
}

#[test]
fn routes_of_others_stay() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        apply(&mut kernel, &[address("10.0.0.2/24")]);
        ip("route add 10.5.0.0/16 via 10.0.0.1 metric 1024 proto bird");
        let ours = route("10.5.0.0/16", "10.0.0.1");
        refused(&mut kernel, Op::RouteAdd(ours.clone()), 17, "");
        refused(&mut kernel, Op::RouteDel(ours), 3, "");
        assert_eq!(ip_json("route show proto bird").len(), 1);
    });
}

#[test]
fn refusals_say_why() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        let unreachable = route("default", "10.0.0.1");
        refused(
            &mut kernel,
            Op::RouteAdd(unreachable),
            101,
            "Nexthop has invalid gateway",
        );
        let mtu = Op::LinkSetMtu {
            link: at("eth0", 10),
            mtu: 65536.try_into().unwrap(),
        };
        refused(&mut kernel, mtu, 22, "mtu greater than device maximum");
    });
}

#[test]
fn routes_read_as_ip_shows_them() {
    in_namespace(|| {
        cable();
        ip("addr add 10.0.0.2/24 dev eth0");
        ip("addr add 10.9.0.2/24 dev far0");
        ip("route add default via 10.0.0.1");
        ip("route add 10.5.0.0/16 nexthop via 10.0.0.1 weight 2 nexthop via 10.9.0.1");
        ip("route add unreachable 10.6.0.0/16 metric 5");
        ip("route add 10.7.0.0/16 via 10.0.0.1 table 1000 mtu 1300");
        ip("-6 route add 2001:db8::/32 dev eth0 metric 7");
        ip("-6 route add unreachable 2001:db9::/32");
        ip("-6 route add default from 2001:db8:1::/48 dev eth0");
        let mut kernel = open();
        let routes = kernel.routes(AT, None).unwrap();
        let count = |family| routes.iter().filter(|r| r.family == family).count();
        let shown = |family| {
            let all = ip_json(&format!("{family} route show table all"));
            all.iter()
                .filter(|r| r["table"] != "local" && r.get("from").is_none())
                .count()
        };
        assert_eq!(
            (count(Family::Inet4), count(Family::Inet6)),
            (shown("-4"), shown("-6"))
        );
        let find = |text: &str| {
            let found = routes
                .iter()
                .find(|r| r.dst.is_some_and(|d| d.to_string() == text));
            found.unwrap_or_else(|| panic!("{text}"))
        };
        let multipath = find("10.5.0.0/16");
        assert_eq!(multipath.gateway, Some("10.0.0.1".parse().unwrap()));
        assert_eq!(multipath.out_link_index, 10);
        assert_eq!(find("10.6.0.0/16").kind, RouteKind::Unreachable);
        assert_eq!(find("10.7.0.0/16").table.id(), 1000);
        assert_eq!(find("10.7.0.0/16").mtu, Some(1300));
        assert_eq!(find("2001:db8::/32").priority, 7);
        assert_eq!(
            find("2001:db9::/32").out_link_index,
            0,
            "not the loopback link"
        );
        assert!(!routes.iter().any(|r| r.table == RouteTable::LOCAL));
        assert!(
            !routes
                .iter()
                .any(|r| r.family == Family::Inet6 && r.dst.is_none())
        );
    });
}

#[test]
fn rules_read_as_ip_shows_them() {
    in_namespace(|| {
        ip("rule add from 10.0.0.0/8 table 1000 pref 50 protocol bird");
        let rules = open().rules(AT).unwrap();
        let shown = ip_json("-4 rule show").len() + ip_json("-6 rule show").len();
        assert_eq!(rules.len(), shown);
        let ours = rules.iter().find(|rule| rule.priority == 50).unwrap();
        assert_eq!((ours.table, ours.protocol), (1000, 12));
        assert_eq!(ours.src.unwrap().to_string(), "10.0.0.0/8");
    });
}

fn many(count: u32, op: fn(RouteOp) -> Op) -> Vec<Op> {
    let network = |i: u32| core::net::Ipv4Addr::from((20 << 24) + (i << 8)).to_string() + "/24";
    (0..count)
        .map(|i| op(route(&network(i), "10.0.0.1")))
        .collect()
}

#[test]
fn ten_thousand_routes_in_batches() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        apply(&mut kernel, &[address("10.0.0.2/24")]);
        let mut ops = many(10_000, Op::RouteAdd);
        apply(&mut kernel, &ops);
        assert_eq!(our_routes(&mut kernel).len(), 10_000);
        // One bad op costs only itself, and its answer is its own.
        ops = many(1000, Op::RouteDel);
        ops.insert(500, Op::SetHostname { name: "x".into() });
        ops.insert(501, Op::RouteDel(route("99.0.0.0/8", "10.0.0.1")));
        let failed: Vec<_> = kernel
            .apply(&ops)
            .into_iter()
            .enumerate()
            .filter_map(|(i, r)| Some((i, r.err()?.errno())))
            .collect();
        assert_eq!(failed, [(500, None), (501, Some(3))]);
        assert_eq!(our_routes(&mut kernel).len(), 9000);
    });
}

#[test]
fn the_bell_rings_for_what_is_ours() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        apply(&mut kernel, &[address("10.0.0.2/24")]);
        let mut monitor = Monitor::open().unwrap();
        let mut heard = || {
            let mut bell = Bell::default();
            while monitor.drain(&mut bell).unwrap() {}
            bell
        };
        heard();
        // Links and their IPv6 addresses settle on their own time: only routes and rules are counted as quiet.
        let quiet = (false, false, false);
        let mut routes_rules = || {
            let bell = heard();
            (bell.routes, bell.rules, bell.overrun)
        };
        ip("route add 10.5.0.0/16 via 10.0.0.1 proto bird");
        ip("route del 10.5.0.0/16 via 10.0.0.1 proto bird");
        assert_eq!(routes_rules(), quiet, "a route of others");
        apply(
            &mut kernel,
            &[Op::RouteAdd(route("10.6.0.0/16", "10.0.0.1"))],
        );
        assert_eq!(routes_rules(), (true, false, false));
        ip("route replace 10.6.0.0/16 via 10.0.0.1 metric 1024 proto bird");
        assert_eq!(routes_rules(), (true, false, false), "ours was replaced");
        ip("route add default via 10.0.0.1 proto bird");
        assert_eq!(routes_rules(), (true, false, false), "a default route");
        ip("rule add from 10.0.0.0/8 table 1000");
        assert_eq!(routes_rules(), (false, true, false));
        ip("addr add 10.0.0.3/24 dev eth0");
        assert!(heard().addresses);
        ip("link set eth0 mtu 1400");
        assert!(heard().links);
    });
}

#[test]
fn a_flood_is_reported_as_an_overrun() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        apply(&mut kernel, &[address("10.0.0.2/24")]);
        let mut monitor = Monitor::open().unwrap();
        apply(&mut kernel, &many(20_000, Op::RouteAdd));
        let mut bell = Bell::default();
        let mut turns = 1;
        while monitor.drain(&mut bell).unwrap() {
            turns += 1;
        }
        assert!(bell.overrun && bell.routes);
        assert!(turns > 1, "a turn is bounded");
        // Nothing is lost for good: the dump has them all.
        assert_eq!(our_routes(&mut kernel).len(), 20_000);
    });
}
