//! Tables go in and read back as they were asked for.

use core::ops::Range;

use tests::ruleset;

use super::*;

#[test]
fn random_tables_load_and_read_back_equal() {
    in_namespace(|| {
        let mut kernel = Nftables::default();
        let (none, generation) = kernel.table().unwrap();
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
            elements: Vec::new(),
            generation: None,
        };
        // Also where there is none.
        for _ in 0..2 {
            kernel.apply(&gone).unwrap();
            assert_eq!(kernel.table().unwrap().0, None);
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
        let set = Set {
            name: "many".to_owned(),
            key: vec![KeyType::Ipv4Addr, KeyType::InetService],
            interval: true,
            counter: true,
            elements: elements((0..3).map(|i: u8| {
                let key = |port| Datum::concat(&[Datum::address([10, 0, 0, i].into()), port]);
                (key(Datum::port(1)).unwrap(), key(Datum::port(9)).unwrap())
            })),
        };
        let with_set = FirewallOp {
            elements: vec![vec![counter(5, 500), counter(0, 0), counter(9, 1 << 50)]],
            ..op(Table {
                sets: vec![set],
                chains: vec![ingress(Policy::Accept, Vec::new())],
            })
        };
        kernel.apply(&with_set).unwrap();
        assert_eq!(seen(&mut kernel).elements, with_set.elements);
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

/// Rules with these numbers that are alike, of one subnet and one port each.
fn alike(numbers: Range<u16>, subnet: fn(u16) -> String, port: fn(u16) -> u16) -> String {
    let rule = |number| {
        let (subnet, port) = (subnet(number), port(number));
        format!(
            "---\napiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: rule {number}\naction: accept\n\
             portSelector: {{ports: [{port}], protocol: tcp}}\ningress: [{{subnet: {subnet}}}]\n"
        )
    };
    numbers.map(rule).collect()
}

/// The same for all.
fn one(_: u16) -> String {
    "10.0.0.0/8".to_owned()
}

/// A network of its own, with a gap after it.
fn apart(number: u16) -> String {
    format!("10.{}.{}.0/24", number >> 7, (2 * number) & 0xff)
}

#[test]
fn ten_thousand_like_rules_load_and_read_back_equal() {
    type Case = (fn(u16) -> String, fn(u16) -> u16);
    let cases: [Case; 3] = [
        (one, |number| 1000 + number),
        (apart, |_| 443),
        (apart, |number| 1000 + number),
    ];
    in_namespace(move || {
        let mut kernel = Nftables::default();
        for (subnet, port) in cases {
            // Values of one text are limited to 100,000.
            let starts = (0..10_000).step_by(2500);
            let texts: Vec<String> = starts
                .map(|start| alike(start..start + 2500, subnet, port))
                .collect();
            let table = ruleset::table(&texts);
            let counting = table.sets.iter().filter(|set| set.counter);
            let elements: usize = counting.map(|set| set.elements.len()).sum();
            assert_eq!(elements, 10_000);
            let wanted = op(table);
            kernel.apply(&wanted).unwrap();
            let seen = seen(&mut kernel);
            assert_eq!(Some(&seen.table), wanted.table.as_deref());
            assert!(!seen.foreign);
        }
    });
}

#[test]
fn random_configurations_load_and_read_back_equal() {
    in_namespace(|| {
        let mut kernel = Nftables::default();
        let mut elements = 0;
        for seed in 0..200 {
            let config = ruleset::config(&mut Rng::new(seed));
            let table = ruleset::table(&[config.text()]);
            if table.chains.is_empty() {
                continue;
            }
            let counting = table.sets.iter().filter(|set| set.counter);
            elements += counting.map(|set| set.elements.len()).sum::<usize>();
            let wanted = op(table);
            if let Err(error) = kernel.apply(&wanted) {
                panic!("{seed}: {error}\n{}", config.text());
            }
            let seen = seen(&mut kernel);
            assert_eq!(Some(&seen.table), wanted.table.as_deref(), "{seed}");
            assert!(!seen.foreign, "{seed}");
        }
        assert!(elements > 500, "{elements}");
    });
}
