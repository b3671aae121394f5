//! Tables go in and read back as they were asked for.

use super::*;

#[test]
fn random_tables_load_and_read_back_equal() {
    in_namespace(|| {
        let mut kernel = Nftables::default();
        let (none, generation) = kernel.table();
        assert_eq!(none, None);
        assert!(generation.is_some());
        for seed in 0..300 {
            let table = random::table(&mut Rng::new(seed));
            let wanted = op(table);
            if let Err(error) = kernel.apply(&wanted) {
                panic!("{seed}: {error}\n{:#?}", wanted.table);
            }
            let seen = seen(&mut kernel);
            assert_eq!(Some(&seen.table), wanted.table.as_deref(), "{seed}");
            assert!(!seen.foreign, "{seed}");
            // nft(8) understands all of it.
            if seed % 10 == 0 {
                nft("list table inet init-net").unwrap();
            }
        }
        let gone = FirewallOp {
            table: None,
            counters: Vec::new(),
            generation: None,
        };
        // Also where there is none.
        for _ in 0..2 {
            kernel.apply(&gone).unwrap();
            assert_eq!(kernel.table().0, None);
        }
    });
}

#[test]
fn large_tables_load_and_read_back_equal() {
    in_namespace(|| {
        let mut kernel = Nftables::default();
        let net = |i: u32| {
            let first = Ipv4Addr::from_bits(0x0a00_0000 + i * 16);
            let last = Ipv4Addr::from_bits(0x0a00_0000 + i * 16 + 7);
            (Datum::address(first.into()), Datum::address(last.into()))
        };
        let rules = |count: u16| {
            let port = |i| is(Field::Dport, Test::Eq(Datum::port(i)));
            let tcp = is(Field::L4Proto, Test::Eq(Datum::byte(6)));
            (0..count)
                .map(|i| rule("a rule", vec![tcp.clone(), port(i)], Verdict::Accept))
                .collect()
        };
        let table = Table {
            sets: vec![Set {
                name: "many".to_owned(),
                key: vec![KeyType::Ipv4Addr],
                interval: true,
                counter: true,
                elements: elements((0..20_000).map(net)),
            }],
            chains: vec![ingress(Policy::Accept, rules(10_000))],
        };
        let wanted = op(table);
        kernel.apply(&wanted).unwrap();
        assert_eq!(Some(&seen(&mut kernel).table), wanted.table.as_deref());
    });
}

#[test]
fn counters_go_on() {
    in_namespace(|| {
        let mut kernel = Nftables::default();
        let counter = |packets, bytes| Counter { packets, bytes };
        let uncounted = Rule {
            counter: false,
            ..rule("b", vec![], Verdict::Continue)
        };
        let rules = vec![
            rule("a", vec![], Verdict::Continue),
            uncounted,
            rule("c", vec![], Verdict::Accept),
        ];
        let wanted = FirewallOp {
            counters: vec![vec![
                counter(7, 700),
                counter(0, 0),
                counter(1 << 40, 1 << 50),
            ]],
            ..op(Table {
                sets: Vec::new(),
                chains: vec![ingress(Policy::Accept, rules)],
            })
        };
        kernel.apply(&wanted).unwrap();
        assert_eq!(seen(&mut kernel).counters, wanted.counters);
        // Fewer than there are rules.
        let fewer = FirewallOp {
            counters: vec![vec![counter(3, 4)]],
            ..wanted
        };
        kernel.apply(&fewer).unwrap();
        let zero = counter(0, 0);
        assert_eq!(seen(&mut kernel).counters, [[counter(3, 4), zero, zero]]);
    });
}
