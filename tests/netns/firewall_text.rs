//! The text of a table: nft(8) reads it, and lists what it says.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use init_net::run::nftables::Nftables;
use init_net::state::nft::{
    Base, Chain, Datum, Field, Hook, KeyType, Limit, Log, Match, Policy, Reject, Rule, Set, Table,
    Test, Verdict, ct,
};
use init_net::state::{Family, FirewallOp};
use init_net::value::Rng;
use tests::ruleset;

use super::namespace::in_namespace;

/// nft(8) with `text` as its input; panics where it complains.
fn nft(arguments: &[&str], text: &str) -> String {
    let mut nft = Command::new("nft")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nft(8)");
    nft.stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = nft.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}\n{text}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `nft -f` is given: the text of the op between its markers.
fn batch(table: &Table) -> String {
    let op = FirewallOp {
        table: Some(table.clone().into()),
        counters: Vec::new(),
        elements: Vec::new(),
        generation: None,
    };
    let text = format!("{op:#}");
    let lines: Vec<&str> = text.lines().collect();
    lines[1..lines.len() - 1].join("\n") + "\n"
}

/// How many tables.
const TABLES: u64 = 150;

#[test]
fn nft_reads_every_table() {
    in_namespace(|| {
        for seed in 0..TABLES {
            let config = ruleset::config(&mut Rng::new(seed));
            let table = ruleset::table(&[config.text()]);
            nft(&["-c", "-f", "-"], &batch(&table));
        }
    });
}

/// One rule in the way of each thing that a table can hold.
fn everything() -> Table {
    let is = |field, test| Match::Is { field, test };
    let rule = |matches: Vec<Match>, verdict| Rule {
        matches,
        limit: None,
        counter: true,
        log: None,
        verdict,
        comment: Some("a \"name\" with $signs and \\".to_owned()),
    };
    let byte = |n| Test::Eq(Datum::byte(n));
    let v4 = is(Field::NfProto, byte(2));
    let tcp = is(Field::L4Proto, byte(6));
    let link = |name: &str| Test::Eq(Datum::link(name).unwrap());
    let start = Test::Eq(Datum::new(b"cali").unwrap());
    let address = |text: &str| Datum::address(text.parse().unwrap());
    let key = |ip: &str, port| Datum::concat(&[address(ip), Datum::byte(6), Datum::port(port)]);
    let saddr = Field::Saddr(Family::Inet4);
    let looked_up = Match::In {
        fields: vec![saddr, Field::L4Proto, Field::Dport],
        set: "many".to_owned(),
        not: true,
    };
    let logged = Rule {
        limit: Some(Limit {
            rate: 7,
            unit: 3600,
            burst: 9,
        }),
        log: Some(Log {
            prefix: "odd [\"x\"] 100% $PATH; } \\".to_owned(),
        }),
        ..rule(Vec::new(), Verdict::Continue)
    };
    let rules = vec![
        rule(vec![is(Field::Iifname, link("eth*"))], Verdict::Drop),
        rule(
            vec![
                is(Field::Iifname, start),
                is(Field::Oifname, Test::Ne(Datum::link("a b").unwrap())),
            ],
            Verdict::Accept,
        ),
        rule(vec![v4.clone(), looked_up], Verdict::Return),
        rule(
            vec![
                v4.clone(),
                is(
                    saddr,
                    Test::Outside(address("10.0.0.1"), address("10.0.0.9")),
                ),
            ],
            Verdict::Drop,
        ),
        rule(
            vec![
                v4.clone(),
                is(saddr, Test::NotInside("10.0.0.0/8".parse().unwrap())),
            ],
            Verdict::Drop,
        ),
        rule(
            vec![
                v4.clone(),
                is(Field::HopLimit(Family::Inet4), Test::Ne(Datum::byte(1))),
            ],
            Verdict::Drop,
        ),
        rule(vec![v4], Verdict::Jump("other".to_owned())),
        rule(
            vec![
                tcp.clone(),
                is(Field::Sport, Test::Between(Datum::port(1), Datum::port(9))),
            ],
            Verdict::Reject(Reject::TcpReset),
        ),
        rule(
            vec![
                is(Field::L4Proto, byte(132)),
                is(Field::Dport, Test::Eq(Datum::port(9))),
            ],
            Verdict::Reject(Reject::AdminProhibited),
        ),
        rule(vec![tcp], Verdict::Reject(Reject::PortUnreachable)),
        rule(
            vec![
                is(Field::CtState, Test::AnyOf(ct::NEW | ct::UNTRACKED)),
                is(Field::DaddrType, Test::Ne(Datum::word(2))),
            ],
            Verdict::Drop,
        ),
        logged,
    ];
    let element = |first, last, comment: Option<&str>| init_net::state::nft::Element {
        first,
        last,
        comment: comment.map(Into::into),
    };
    let many = Set {
        name: "many".to_owned(),
        key: vec![KeyType::Ipv4Addr, KeyType::InetProto, KeyType::InetService],
        interval: true,
        counter: true,
        elements: vec![
            element(
                key("10.0.0.0", 22).unwrap(),
                key("10.0.0.255", 25).unwrap(),
                Some("a rule"),
            ),
            element(
                key("10.0.1.1", 1).unwrap(),
                key("10.0.1.6", 1).unwrap(),
                None,
            ),
        ],
    };
    let base = |hook, priority| {
        Some(Base {
            hook,
            priority,
            policy: Policy::Accept,
        })
    };
    let chain = |name: &str, base, rules| Chain {
        name: name.to_owned(),
        base,
        rules,
    };
    Table {
        sets: vec![many],
        chains: vec![
            chain("other", None, Vec::new()),
            chain("ingress", base(Hook::Input, -140), rules),
            chain("early", base(Hook::Prerouting, -110), Vec::new()),
            chain("late", base(Hook::Postrouting, 300), Vec::new()),
        ],
    }
}

#[test]
fn nft_reads_whatever_a_table_holds() {
    let text = batch(&everything());
    for line in [
        "iifname \"eth\\*\" counter drop",
        "iifname \"cali*\" oifname != \"a b\" counter accept",
        "ip saddr . meta l4proto . th dport != @many counter return",
        "ip saddr != 10.0.0.1-10.0.0.9 counter drop",
        "ip saddr != 10.0.0.0/8 counter drop",
        "ip ttl != 1 counter drop",
        "meta nfproto ipv4 counter jump other",
        "tcp sport 1-9 counter reject with tcp reset",
        "meta l4proto 132 th dport 9 counter reject with icmpx type admin-prohibited",
        "ct state new,untracked fib daddr type != local counter drop",
        "limit rate 7/hour burst 9 packets counter log prefix \"odd ['x'] 100% ?PATH; } ?\" level info",
        "10.0.0.0/24 . tcp . 22-25 counter comment \"a rule\"",
        "10.0.1.1-10.0.1.6 . tcp . 1 counter }",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    in_namespace(move || drop(nft(&["-c", "-f", "-"], &text)));
}

/// What differs is how nft(8) breaks lists into lines, and what it finds out about ICMP, numbers of protocols, and bursts
/// that are its default.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut text = words.join(" ");
    for (ours, theirs) in [
        ("meta nfproto ipv4 icmp", "icmp"),
        ("meta nfproto ipv6 icmpv6", "icmpv6"),
        ("meta nfproto ipv4 meta l4proto icmp ", "meta l4proto icmp "),
        (
            "meta nfproto ipv6 meta l4proto icmpv6",
            "meta l4proto icmpv6",
        ),
        ("meta l4proto icmpv6", "meta l4proto ipv6-icmp"),
        ("meta l4proto 112", "meta l4proto vrrp"),
        (" burst 5 packets", ""),
        ("reject with icmpx type port-unreachable", "reject"),
    ] {
        text = text.replace(ours, theirs);
    }
    // What a field behind it says as well.
    for (asked, field) in [
        ("meta nfproto ipv4 ", " ip "),
        ("meta nfproto ipv6 ", " ip6 "),
        ("meta l4proto tcp ", " tcp "),
        ("meta l4proto udp ", " udp "),
    ] {
        if let Some((before, behind)) = text.split_once(asked)
            && format!(" {behind}").contains(field)
        {
            text = format!("{before}{behind}");
        }
    }
    text
}

#[test]
fn nft_lists_what_was_written() {
    in_namespace(|| {
        for seed in 0..40 {
            let mut config = ruleset::config(&mut Rng::new(seed));
            // Lists of links and of types are listed in the order of their hashes.
            config.trusted.clear();
            config
                .rules
                .iter_mut()
                .for_each(|rule| rule.links.truncate(1));
            config
                .rules
                .iter_mut()
                .for_each(|rule| rule.types.truncate(1));
            let table = ruleset::table(&[config.text()]);
            if table.chains.is_empty() {
                continue;
            }
            nft(&["-f", "-"], &batch(&table));
            let listed = nft(&["-s", "list", "table", "inet", "init-net"], "");
            let rules = |text: &str| -> Vec<String> {
                let lines = text.lines().filter(|line| line.contains("counter"));
                lines.map(plain).collect()
            };
            let (listed, written) = (rules(&listed), rules(&table.to_string()));
            assert_eq!(listed.len(), written.len());
            for (listed, written) in listed.iter().zip(&written) {
                assert_eq!(listed, written);
            }
        }
    });
}

/// nft(8) writes as one what stands side by side in a header, and leaves out what other rules imply. `plan | sh` is
/// followed by an empty plan nevertheless.
#[test]
fn what_nft_loads_of_our_text_is_what_we_would_have_loaded() {
    in_namespace(|| {
        let mut kernel = Nftables::default();
        let mut different = BTreeSet::new();
        for seed in 0..TABLES {
            let config = ruleset::config(&mut Rng::new(seed));
            let table = ruleset::table(&[config.text()]);
            if table.chains.is_empty() {
                continue;
            }
            let text = batch(&table);
            nft(&["-f", "-"], &text);
            let seen = kernel.table().unwrap().0.unwrap();
            for (seen, wanted) in seen.table.chains.iter().zip(&table.chains) {
                for (seen, wanted) in seen.rules.iter().zip(&wanted.rules) {
                    if seen != wanted {
                        different.insert(format!("{wanted}\n{wanted:?}\n{seen:?}\n"));
                    }
                }
            }
            if seen.table.sets != table.sets {
                different.insert(format!("{:?}\n{:?}\n", table.sets, seen.table.sets));
            }
            let same = seen.table == table && !seen.foreign;
            assert!(same || !different.is_empty(), "{seed}\n{text}");
        }
        let some: Vec<&str> = different.iter().map(String::as_str).take(6).collect();
        assert!(some.is_empty(), "{}: {}", different.len(), some.join("\n"));
    });
}
