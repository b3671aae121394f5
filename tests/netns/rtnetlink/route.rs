//! Routes and rules: come, go, are refused with a reason, and read as ip(8) shows them.

use super::*;

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
fn each_op_of_a_batch_has_its_own_result() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        apply(&mut kernel, &[address("10.0.0.2/24")]);
        let bad = |dst: &str| Op::RouteAdd(route(dst, "172.16.0.1"));
        let check = |kernel: &mut Rtnetlink, ops: &[Op], expect: &[Option<i32>]| {
            let errors: Vec<_> = kernel
                .apply(ops)
                .into_iter()
                .map(|result| result.err().map(|error| error.errno().unwrap()))
                .collect();
            assert_eq!(errors, expect);
        };
        let good = many(3, Op::RouteAdd);
        let [one, two, three] = good.as_slice() else {
            panic!("three were asked for")
        };
        let ops = [one.clone(), bad("99.0.0.0/8"), two.clone()];
        check(&mut kernel, &ops, &[None, Some(101), None]);
        let ops = [two.clone(), three.clone(), bad("98.0.0.0/8")];
        check(&mut kernel, &ops, &[Some(17), None, Some(101)]);
        assert_eq!(our_routes(&mut kernel).len(), 3);
        // More refusals than a default receive buffer holds.
        let again = many(3000, Op::RouteAdd);
        let expect: Vec<_> = (0..3000).map(|i| (i < 3).then_some(17)).collect();
        check(&mut kernel, &again, &expect);
        check(&mut kernel, &again, &[Some(17); 3000]);
        assert_eq!(our_routes(&mut kernel).len(), 3000);
    });
}
