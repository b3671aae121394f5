//! What the kernel does not take, what others have, and what they do to ours.

use super::*;

fn table(verdict: Verdict) -> Table {
    let looked_up = Match::In {
        fields: vec![Field::Saddr(Family::Inet4)],
        set: "nobody".to_owned(),
        not: false,
    };
    let rules = vec![
        rule("ssh", vec![ipv4()], Verdict::Accept),
        rule("web", vec![ipv4()], verdict),
        rule("no such set", vec![looked_up], Verdict::Accept),
    ];
    Table {
        sets: Vec::new(),
        chains: vec![ingress(Policy::Drop, rules)],
    }
}

/// What is right of it.
fn fine() -> Table {
    let mut fine = table(Verdict::Drop);
    fine.chains[0].rules.truncate(2);
    fine
}

#[track_caller]
fn refused(kernel: &mut Nftables, wanted: &FirewallOp, errno: i32, words: &str) {
    let before = kernel.table().unwrap();
    let error = kernel.apply(wanted).unwrap_err();
    assert_eq!(
        (error.errno(), error.to_string().as_str()),
        (Some(errno), words)
    );
    assert_eq!(
        kernel.table().unwrap(),
        before,
        "what was in force still is"
    );
}

#[test]
fn a_batch_with_a_fault_does_nothing_and_the_fault_is_named() {
    in_namespace(|| {
        let mut kernel = Nftables::default();
        kernel.apply(&op(fine())).unwrap();
        let mut first = table(Verdict::Drop);
        first.chains[0].rules.rotate_right(1);
        refused(
            &mut kernel,
            &op(first),
            libc::ENOENT,
            "rule \"no such set\" of chain ingress: No such file or directory (os error 2)",
        );
        refused(
            &mut kernel,
            &op(table(Verdict::Drop)),
            libc::ENOENT,
            "rule \"no such set\" of chain ingress: No such file or directory (os error 2)",
        );
        refused(
            &mut kernel,
            &op(table(Verdict::Jump("nowhere".to_owned()))),
            libc::ENOENT,
            "rule \"web\" of chain ingress: No such file or directory (os error 2)",
        );
        let mut overlapping = fine();
        let pair = |a, b| (address(a), address(b));
        overlapping.sets.push(Set {
            name: "over".to_owned(),
            key: vec![KeyType::Ipv4Addr],
            interval: true,
            counter: false,
            elements: elements([
                pair("10.0.0.0", "10.0.0.9"),
                pair("10.0.1.0", "10.0.1.9"),
                pair("10.0.1.5", "10.0.1.20"),
            ]),
        });
        overlapping.sets[0].elements[2].comment = Some("third".into());
        refused(
            &mut kernel,
            &op(overlapping),
            libc::EEXIST,
            "element \"third\" of set over: File exists (os error 17)",
        );
        let mut twice = fine();
        twice.chains.push(ingress(Policy::Accept, Vec::new()));
        twice.chains[1].base = twice.chains[0].base.map(|base| Base {
            hook: Hook::Output,
            ..base
        });
        refused(
            &mut kernel,
            &op(twice),
            libc::EOPNOTSUPP,
            "chain ingress: Operation not supported (os error 95)",
        );
        // More faults than answers fit.
        let mut many = fine();
        let fault = table(Verdict::Drop).chains[0].rules[2].clone();
        many.chains[0]
            .rules
            .extend(std::iter::repeat_n(fault, 20_000));
        refused(
            &mut kernel,
            &op(many),
            libc::ENOENT,
            "rule \"no such set\" of chain ingress: No such file or directory (os error 2)",
        );
    });
}

#[test]
fn rules_that_changed_since_the_look_are_not_replaced() {
    in_namespace(|| {
        let mut kernel = Nftables::default();
        let at = |generation| FirewallOp {
            generation,
            ..op(fine())
        };
        let (_, seen) = kernel.table().unwrap();
        nft("add table inet other").unwrap();
        refused(
            &mut kernel,
            &at(seen),
            libc::ERESTART,
            "the batch: the rules are no longer those that this was planned for",
        );
        let (_, seen) = kernel.table().unwrap();
        kernel.apply(&at(seen)).unwrap();
    });
}

#[test]
fn tables_of_others_stay_and_are_not_read() {
    in_namespace(|| {
        let mut kernel = Nftables::default();
        for command in [
            "add table ip init-net",
            "add chain ip init-net c",
            "add table inet other",
            "add chain inet other ingress { type filter hook input priority 0 ; }",
            "add rule inet other ingress tcp dport 22 counter accept",
            "add set inet other s { type ipv4_addr ; }",
        ] {
            nft(command).unwrap();
        }
        let others = || {
            let lists = ["list table ip init-net", "list table inet other"];
            lists.map(|list| nft(list).unwrap())
        };
        let before = others();
        assert_eq!(kernel.table().unwrap().0, None);
        kernel.apply(&op(fine())).unwrap();
        assert_eq!(seen(&mut kernel).table, fine());
        let gone = FirewallOp {
            table: None,
            ..op(fine())
        };
        kernel.apply(&gone).unwrap();
        assert_eq!(others(), before);
    });
}

/// `command` on our table is seen: it is not what it was.
#[track_caller]
fn differs(command: &str) {
    let mut kernel = Nftables::default();
    let mut table = fine();
    table.sets.push(Set {
        name: "known".to_owned(),
        key: vec![KeyType::Ipv4Addr],
        interval: false,
        counter: false,
        elements: elements([(address("10.0.0.1"), address("10.0.0.1"))]),
    });
    kernel.apply(&op(table.clone())).unwrap();
    let seen_before = seen(&mut kernel);
    assert!(seen_before.table == table && !seen_before.foreign);
    nft(command).unwrap();
    match kernel.table().unwrap().0 {
        None => assert!(command.starts_with("delete table"), "{command}"),
        Some(now) => assert!(now.table != table || now.foreign, "{command}"),
    }
}

#[test]
fn what_others_do_to_our_table_is_seen() {
    in_namespace(|| {
        for command in [
            "delete table inet init-net",
            "flush chain inet init-net ingress",
            "add chain inet init-net more",
            "add rule inet init-net ingress counter",
            "insert rule inet init-net ingress tcp dport 22 accept",
            "insert rule inet init-net ingress meta mark 1 accept",
            "insert rule inet init-net ingress ip saddr and 255.0.255.0 == 1.0.2.0 accept",
            "insert rule inet init-net ingress ip saddr { 1.2.3.4, 5.6.7.8 } accept",
            "insert rule inet init-net ingress ct mark 7 accept",
            "insert rule inet init-net ingress ct original ip saddr 1.2.3.4 accept",
            "insert rule inet init-net ingress ip dscp 8 accept",
            "insert rule inet init-net ingress limit rate over 1/second drop",
            "insert rule inet init-net ingress log group 3",
            "insert rule inet init-net ingress log prefix x level err",
            "insert rule inet init-net ingress fib saddr type local drop",
            "insert rule inet init-net ingress counter counter",
            "insert rule inet init-net ingress counter tcp dport 5 accept",
            "chain inet init-net ingress { policy accept ; }",
            "add element inet init-net known { 10.0.0.2 }",
            "flush set inet init-net known",
            "add set inet init-net s { type ipv4_addr ; timeout 5s ; }",
            "add map inet init-net m { type ipv4_addr : verdict ; }",
            "add counter inet init-net c",
            "add table inet init-net { flags dormant ; }",
        ] {
            differs(command);
        }
    });
}
