//! What nft(8) shows of our tables.

use super::*;

/// One of each part, beside what nft(8) shows of it.
fn cases() -> Vec<(Rule, &'static str)> {
    let v4 = Family::Inet4;
    let v6 = Family::Inet6;
    let byte = |field, byte| is(field, Test::Eq(Datum::byte(byte)));
    let ipv6 = || byte(Field::NfProto, 10);
    let tcp = || byte(Field::L4Proto, 6);
    let port = |low, high| Test::Between(Datum::port(low), Datum::port(high));
    let saddr = |test| is(Field::Saddr(v4), test);
    let named =
        |name, test: fn(Datum) -> Test| is(Field::Iifname, test(Datum::link(name).unwrap()));
    let icmpv6 = || byte(Field::L4Proto, 58);
    let looked_up = |fields: &[Field], set: &str, not| Match::In {
        fields: fields.to_vec(),
        set: set.to_owned(),
        not,
    };
    let plain = |matches| Rule {
        counter: false,
        comment: None,
        ..rule("", matches, Verdict::Accept)
    };
    let with = |change: &dyn Fn(&mut Rule)| {
        let mut rule = plain(vec![]);
        change(&mut rule);
        rule
    };
    let reject = |reject| Rule {
        verdict: Verdict::Reject(reject),
        ..plain(vec![ipv4(), tcp()])
    };
    let limit = |rate, unit, burst| Some(Limit { rate, unit, burst });
    vec![
        (plain(vec![named("lo", Test::Eq)]), "iifname \"lo\" accept"),
        (
            plain(vec![named("lo", Test::Ne)]),
            "iifname != \"lo\" accept",
        ),
        (
            plain(vec![is(
                Field::Iifname,
                Test::Eq(Datum::new(b"eth").unwrap()),
            )]),
            "iifname \"eth*\" accept",
        ),
        (
            plain(vec![is(
                Field::CtState,
                Test::AnyOf(ct::ESTABLISHED | ct::RELATED),
            )]),
            "ct state established,related accept",
        ),
        (
            plain(vec![ipv4(), saddr(Test::Inside(prefix("10.0.0.0/8")))]),
            "ip saddr 10.0.0.0/8 accept",
        ),
        (
            plain(vec![ipv4(), saddr(Test::NotInside(prefix("10.16.0.0/12")))]),
            "ip saddr != 10.16.0.0/12 accept",
        ),
        (
            plain(vec![ipv4(), saddr(Test::Eq(address("10.0.0.1")))]),
            "ip saddr 10.0.0.1 accept",
        ),
        (
            plain(vec![
                ipv6(),
                is(Field::Daddr(v6), Test::Inside(prefix("fe80::/10"))),
            ]),
            "ip6 daddr fe80::/10 accept",
        ),
        (
            plain(vec![
                ipv6(),
                is(Field::Saddr(v6), Test::Inside(prefix("2001:db8::/32"))),
            ]),
            "ip6 saddr 2001:db8::/32 accept",
        ),
        (
            plain(vec![tcp(), is(Field::Dport, port(80, 90))]),
            "tcp dport 80-90 accept",
        ),
        (
            plain(vec![
                tcp(),
                is(
                    Field::Sport,
                    Test::Outside(Datum::port(80), Datum::port(90)),
                ),
            ]),
            "tcp sport != 80-90 accept",
        ),
        (
            plain(vec![
                ipv6(),
                byte(Field::HopLimit(v6), 255),
                icmpv6(),
                byte(Field::IcmpType(v6), 135),
            ]),
            "ip6 hoplimit 255 icmpv6 type nd-neighbor-solicit accept",
        ),
        (
            plain(vec![is(Field::DaddrType, Test::Ne(Datum::word(2)))]),
            "fib daddr type != local accept",
        ),
        (
            plain(vec![is(Field::DaddrTypeByIif, Test::Ne(Datum::word(2)))]),
            "fib daddr . iif type != local accept",
        ),
        (
            plain(vec![is(Field::CtStatus, Test::NoneOf(ct::DNAT))]),
            "ct status ! dnat accept",
        ),
        (
            plain(vec![is(Field::CtStatus, Test::AnyOf(ct::DNAT))]),
            "ct status dnat accept",
        ),
        (
            plain(vec![ipv4(), looked_up(&[Field::Saddr(v4)], "nets", true)]),
            "ip saddr != @nets accept",
        ),
        (
            plain(vec![
                ipv4(),
                tcp(),
                looked_up(&[Field::Saddr(v4), Field::Dport], "pairs", false),
            ]),
            "ip saddr . tcp dport @pairs accept",
        ),
        (
            with(&|rule| {
                rule.limit = limit(10, 1, 20);
                rule.counter = true;
                rule.log = Some(Log {
                    prefix: "dropped: ".to_owned(),
                });
                rule.verdict = Verdict::Drop;
                rule.comment = Some("the \u{fc} rule".to_owned());
            }),
            "limit rate 10/second burst 20 packets counter packets 0 bytes 0 \
             log prefix \"dropped: \" level info drop comment \"the \u{fc} rule\"",
        ),
        (
            with(&|rule| {
                rule.limit = limit(1, 3600, 5);
                rule.verdict = Verdict::Jump("deeper".to_owned());
            }),
            "limit rate 1/hour jump deeper",
        ),
        (with(&|rule| rule.verdict = Verdict::Return), "return"),
        // nft(8) leaves out what it takes for granted.
        (
            reject(Reject::TcpReset),
            "meta l4proto tcp reject with tcp reset",
        ),
        (
            reject(Reject::AdminProhibited),
            "meta nfproto ipv4 meta l4proto tcp reject with icmpx admin-prohibited",
        ),
    ]
}

fn sets() -> (Vec<Set>, &'static str) {
    let set = |name: &str, key: &[KeyType], interval, counter, elements| Set {
        name: name.to_owned(),
        key: key.to_vec(),
        interval,
        counter,
        elements,
    };
    let pair = |a, b| (address(a), address(b));
    let one = |datum| (datum, datum);
    let ports = |a, b| (Datum::port(a), Datum::port(b));
    let both = |address: &str, port| {
        let parts = [self::address(address), Datum::port(port)];
        Datum::concat(&parts).unwrap()
    };
    let mut nets = elements([
        pair("0.0.0.0", "0.255.255.255"),
        pair("10.0.0.0", "10.255.255.255"),
        pair("192.0.2.1", "192.0.2.1"),
        pair("192.0.2.2", "192.0.2.5"),
        pair("255.255.255.0", "255.255.255.255"),
    ]);
    nets[1].comment = Some("ten".into());
    let text = "\
\tset nets {
\t\ttype ipv4_addr
\t\tflags interval
\t\telements = { 0.0.0.0/8, 10.0.0.0/8 comment \"ten\",
\t\t\t     192.0.2.1, 192.0.2.2-192.0.2.5,
\t\t\t     255.255.255.0/24 }
\t}

\tset pairs {
\t\ttype ipv4_addr . inet_service
\t\tflags interval
\t\telements = { 10.0.0.0/8 . 80-90,
\t\t\t     192.0.2.1 . 443 }
\t}

\tset ports {
\t\ttype inet_service
\t\tflags interval
\t\telements = { 22, 80-90, 65000-65535 }
\t}

\tset links {
\t\ttype ifname
\t\tcounter
\t\telements = { \"eth0\" counter packets 0 bytes 0 }
\t}

\tset protocols {
\t\ttype inet_proto
\t\telements = { tcp }
\t}

\tset kinds {
\t\ttype icmpv6_type
\t\telements = { nd-neighbor-solicit }
\t}
";
    let sets = vec![
        set("nets", &[KeyType::Ipv4Addr], true, false, nets),
        set(
            "pairs",
            &[KeyType::Ipv4Addr, KeyType::InetService],
            true,
            false,
            elements([
                (both("10.0.0.0", 80), both("10.255.255.255", 90)),
                one(both("192.0.2.1", 443)),
            ]),
        ),
        set(
            "ports",
            &[KeyType::InetService],
            true,
            false,
            elements([ports(22, 22), ports(80, 90), ports(65_000, 65_535)]),
        ),
        set(
            "links",
            &[KeyType::Ifname],
            false,
            true,
            elements([one(Datum::link("eth0").unwrap())]),
        ),
        set(
            "protocols",
            &[KeyType::InetProto],
            false,
            false,
            elements([one(Datum::byte(6))]),
        ),
        set(
            "kinds",
            &[KeyType::Icmpv6Type],
            false,
            false,
            elements([one(Datum::byte(135))]),
        ),
    ];
    (sets, text)
}

#[test]
fn nft_shows_what_was_asked_for() {
    in_namespace(|| {
        let (rules, lines): (Vec<Rule>, Vec<&str>) = cases().into_iter().unzip();
        let (sets, set_text) = sets();
        let deeper = Chain {
            name: "deeper".to_owned(),
            base: None,
            rules: Vec::new(),
        };
        let table = Table {
            sets,
            chains: vec![deeper, ingress(Policy::Drop, rules)],
        };
        let mut kernel = Nftables::default();
        kernel.apply(&op(table.clone())).unwrap();
        let lines: String = lines.iter().map(|line| format!("\t\t{line}\n")).collect();
        let expected = format!(
            "table inet init-net {{\n{set_text}\n\tchain deeper {{\n\t}}\n\n\tchain ingress {{\n\
             \t\ttype filter hook input priority mangle + 10; policy drop;\n{lines}\t}}\n}}\n"
        );
        assert_eq!(nft("list table inet init-net").unwrap(), expected);
        assert_eq!(seen(&mut kernel).table, table);
    });
}
