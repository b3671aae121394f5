//! Documents to the text of the table, and to what is said of them.

use std::collections::BTreeMap;

use crate::compile::compile;
use crate::config::{Document, Meanwhile, machine};
use crate::state::FirewallSpec;
use crate::state::nft::Table;
use crate::value::{Layer, LinkPattern};

/// The firewall that documents without their heads lead to, and what is said of them.
fn firewall(documents: &[&str]) -> (Option<FirewallSpec>, Vec<String>) {
    let documents = documents
        .iter()
        .map(|text| format!("apiVersion: v1alpha1\n{text}\n"));
    let text = documents.collect::<Vec<_>>().join("---\n");
    let (document, mut faults) = machine::parse(&text, "c");
    let (desired, more) = compile(&[document], &BTreeMap::new());
    faults.extend(more);
    let said = faults
        .iter()
        .map(|f| format!("{:?}: {}", f.severity, f.message));
    (desired.firewall, said.collect())
}

const BLOCK: &str = "kind: NetworkDefaultActionConfig\ningress: block";

fn rule(name: &str, rest: &str) -> String {
    format!("kind: NetworkRuleConfig\nname: {name}\n{rest}")
}

fn table(documents: &[&str]) -> Table {
    let (spec, faults) = firewall(documents);
    assert!(faults.is_empty(), "{faults:#?}");
    Table::clone(&spec.unwrap().table)
}

/// The rules called `comment` of a chain.
fn lines(table: &Table, chain: &str, comment: &str) -> Vec<String> {
    let chain = table.chains.iter().find(|own| own.name == chain).unwrap();
    let own = chain
        .rules
        .iter()
        .filter(|rule| rule.comment.as_deref() == Some(comment));
    let end = format!(" counter accept comment \"{comment}\"");
    own.map(|rule| rule.to_string().replace(&end, "")).collect()
}

#[track_caller]
fn says(documents: &[&str], expect: &[&str]) {
    assert_eq!(firewall(documents).1, expect);
}

/// What a boot has in force while it awaits a source.
fn base_set() -> FirewallSpec {
    let mut document = Document::empty(Layer::Default, "test");
    document.firewall.meanwhile = Some(Meanwhile {
        awaited: true,
        closed: true,
    });
    compile(&[document], &BTreeMap::new()).0.firewall.unwrap()
}

#[test]
fn the_base_set() {
    let expect = include_str!("base_set.nft");
    assert_eq!(format!("{}\n", base_set().table), expect);
}

#[test]
fn nothing_to_filter_is_no_table() {
    assert_eq!(firewall(&[]).0, None);
    let accept = firewall(&["kind: NetworkDefaultActionConfig\ningress: accept"])
        .0
        .unwrap();
    assert_eq!(accept.wanted(), None);
    assert!(firewall(&[BLOCK]).0.unwrap().wanted().is_some());
    assert!(base_set().wanted().is_some());
}

#[test]
fn one_value_is_inline_and_a_list_is_a_set() {
    let ssh = rule(
        "ssh",
        "portSelector: {ports: [22], protocol: tcp}\ningress: [{subnet: 10.0.0.0/8}, {subnet: '2001:db8::/32', except: '2001:db8:1::/48'}]",
    );
    let table = table(&[BLOCK, &ssh]);
    let ingress = [
        "tcp dport 22 ip saddr 10.0.0.0/8",
        "tcp dport 22 ip6 saddr @ssh-v6",
    ];
    assert_eq!(lines(&table, "ingress", "ssh"), ingress);
    let early = ingress.map(|line| format!("{line} ct state new"));
    assert_eq!(lines(&table, "prerouting", "ssh"), early);
}

/// A shared address with a hardware address of its own comes in by a link of its own.
#[test]
fn a_link_that_is_named_brings_those_that_stand_on_it() {
    let vip = |ip: &str, link: &str, vrid: u8, own: bool| {
        format!(
            "kind: Layer2VIPConfig\nname: '{ip}'\nlink: {link}\nvrid: {vrid}\nvirtualMAC: {own}"
        )
    };
    let vips = [
        vip("192.0.2.1", "eth0", 7, true),
        vip("192.0.2.2", "eth1", 8, true),
        vip("192.0.2.3", "eth0", 9, false),
        vip("2001:db8::1", "eth0", 7, true),
    ];
    let action = BLOCK.to_owned() + "\ntrustedLinks: [eth1]";
    let with = |links: &str| {
        let ssh = format!(
            "portSelector: {{ports: [22], protocol: tcp}}\naction: accept\ninterfaces: {links}"
        );
        let ssh = rule("ssh", &ssh);
        let documents = [&action, &ssh].into_iter().chain(&vips);
        let documents: Vec<&str> = documents.map(String::as_str).collect();
        let (spec, faults) = firewall(&documents);
        assert_eq!(faults, Vec::<String>::new());
        let spec = spec.unwrap();
        let words = |links: &[LinkPattern]| {
            let words: Vec<String> = links.iter().map(ToString::to_string).collect();
            words.join(" ")
        };
        let trusted = words(&spec.trusted_links);
        assert_eq!(trusted, "eth1 vrrp4.8");
        words(&spec.rules[0].interfaces)
    };
    assert_eq!(with("[eth0]"), "eth0 vrrp4.7 vrrp6.7");
    assert_eq!(with("['eth*']"), "eth* vrrp4.7 vrrp6.7 vrrp4.8");
    assert_eq!(with("['eth0', 'vrrp4.*']"), "eth0 vrrp4.* vrrp6.7");
    assert_eq!(with("[eth2, vrrp4.8]"), "eth2 vrrp4.8");
}

#[test]
fn equal_lists_are_one_set_and_names_do_not_meet() {
    let nets = "ingress: [{subnet: 10.0.0.0/8}, {subnet: 192.0.2.0/24}]";
    let first = rule(
        "a b",
        &format!("portSelector: {{ports: [22], protocol: tcp}}\n{nets}"),
    );
    let same = rule(
        "c",
        &format!("portSelector: {{ports: [23], protocol: tcp}}\n{nets}"),
    );
    let other = rule(
        "a-b",
        "portSelector: {ports: [24], protocol: tcp}\ningress: [{subnet: 10.0.0.0/8}, {subnet: 192.0.3.0/24}]",
    );
    let table = table(&[BLOCK, &first, &same, &other]);
    assert_eq!(
        lines(&table, "ingress", "c"),
        ["tcp dport 23 ip saddr @a-b-v4"]
    );
    assert_eq!(
        lines(&table, "ingress", "a-b"),
        ["tcp dport 24 ip saddr @a-b-v4-2"]
    );
    let number = rule(
        "443",
        "portSelector: {ports: [1, 443], protocol: tcp}\naction: accept",
    );
    let table = super::tests::table(&[BLOCK, &number]);
    assert_eq!(lines(&table, "ingress", "443"), ["tcp dport @r-443-ports"]);
}

#[test]
fn a_limit_counts_once_for_both_chains() {
    let limited = rule(
        "few",
        "portSelector: {ports: [22], protocol: tcp}\naction: accept\nlimit: 3/minute\nlog: {}",
    );
    let table = table(&[BLOCK, &limited]);
    let jump = "counter jump limit-few comment \"few\"";
    assert_eq!(
        lines(&table, "ingress", "few"),
        [
            "tcp dport 22 ct state new fib daddr type local ct status ! dnat".to_owned(),
            format!("tcp dport 22 {jump}")
        ]
    );
    assert_eq!(
        lines(&table, "prerouting", "few"),
        [format!("tcp dport 22 ct state new {jump}")]
    );
    let limit = &table.chains[0].rules[0];
    assert_eq!(
        limit.to_string(),
        "limit rate 3/minute burst 5 packets counter log prefix \"few: \" level info accept comment \"few\""
    );
}

#[test]
fn all_ways_to_match_a_rule_have_one_limit() {
    let limited = rule(
        "few",
        "portSelector: {services: [dns]}\nlimit: 3/minute\ningress: [{subnet: 10.0.0.0/8}, {subnet: 'fc00::/7'}]",
    );
    let table = table(&[BLOCK, &limited]);
    let limits = table.chains.iter().filter(|chain| chain.base.is_none());
    assert_eq!(limits.count(), 1);
}

#[test]
fn ten_thousand_subnets_are_one_set() {
    let subnets: Vec<String> = (0..10_000)
        .map(|n| format!("{{subnet: 10.{}.{}.0/25}}", n / 250, n % 250))
        .collect();
    let many = rule(
        "many",
        &format!(
            "portSelector: {{ports: [443], protocol: tcp}}\ningress: [{}]",
            subnets.join(", ")
        ),
    );
    let table = table(&[BLOCK, &many]);
    assert_eq!(
        lines(&table, "ingress", "many"),
        ["tcp dport 443 ip saddr @many-v4"]
    );
    let set = table.sets.iter().find(|set| set.name == "many-v4").unwrap();
    assert_eq!(set.elements.len(), 10_000);
}

/// So many are a set.
const FEW: u16 = super::runs::MIN_RULES as u16;

/// A rule of one port and one subnet.
fn like(name: &str, port: u16, subnet: &str) -> String {
    let from = match subnet {
        "" => String::new(),
        subnet => format!("ingress: [{{subnet: '{subnet}'}}]\n"),
    };
    rule(
        name,
        &format!("portSelector: {{ports: [{port}], protocol: tcp}}\naction: accept\n{from}"),
    )
}

/// Many of them, with ports from `first` on.
fn many(first: u16, count: u16, subnet: &str) -> Vec<String> {
    let rules = (first..first + count).map(|port| like(&format!("p{port}"), port, subnet));
    rules.collect()
}

/// The table of rules in their order, under default deny.
fn in_order(rules: &[Vec<String>]) -> Table {
    let mut documents = vec![BLOCK.to_owned()];
    documents.extend(rules.iter().flatten().cloned());
    let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
    Table::clone(&firewall(&documents).0.unwrap().table)
}

/// The sets of runs: name and how many elements.
fn runs(table: &Table) -> Vec<(&str, usize)> {
    let sets = table.sets.iter().filter(|set| set.counter);
    sets.map(|set| (set.name.as_str(), set.elements.len()))
        .collect()
}

#[test]
fn a_run_of_like_rules_is_a_set() {
    let table = in_order(&[many(1000, FEW, "10.0.0.0/8")]);
    assert_eq!(runs(&table), [("rules-v4", 32)]);
    let lookup = "th dport . meta l4proto . ip saddr @rules-v4";
    assert_eq!(lines(&table, "ingress", "like rules"), [lookup]);
    let early = format!("meta nfproto ipv4 ct state new {lookup}");
    assert_eq!(lines(&table, "prerouting", "like rules"), [early]);
    let text = table.to_string();
    let element = "1031 . tcp . 10.0.0.0/8 counter comment \"p1031\" }";
    assert!(text.contains(element), "{text}");
    // One less is what it was.
    let table = in_order(&[many(1000, FEW - 1, "10.0.0.0/8")]);
    assert_eq!(runs(&table), []);
    assert_eq!(
        lines(&table, "ingress", "p1030"),
        ["tcp dport 1030 ip saddr 10.0.0.0/8"]
    );
}

#[test]
fn a_run_has_both_families_and_the_ways_of_its_links() {
    let with = |rules: Vec<String>, more: &str| -> Vec<String> {
        rules.into_iter().map(|rule| rule + more).collect()
    };
    let everywhere = with(many(1, 40, ""), "interfaces: [eth0, 'cali*']\n");
    let reject: Vec<String> = many(101, 40, "fc00::/7")
        .into_iter()
        .map(|rule| rule.replace("accept", "reject"))
        .collect();
    let table = in_order(&[everywhere, reject]);
    assert_eq!(
        runs(&table),
        [("rules-v4", 40), ("rules-v6", 40), ("rules-v6-2", 40)]
    );
    let chain = table.chains.iter().find(|chain| chain.name == "ingress");
    let rules = chain.unwrap().rules.iter();
    let own = rules.filter(|rule| rule.comment.as_deref() == Some("like rules"));
    let own: Vec<String> = own.map(|rule| rule.to_string()).collect();
    let end = "counter accept comment \"like rules\"";
    let v4 = "th dport . meta l4proto . ip saddr @rules-v4";
    let v6 = "th dport . meta l4proto . ip6 saddr @rules-v6";
    assert_eq!(
        own,
        [
            format!("iifname \"eth0\" {v4} {end}"),
            format!("iifname \"cali*\" {v4} {end}"),
            format!("iifname \"eth0\" {v6} {end}"),
            format!("iifname \"cali*\" {v6} {end}"),
            "meta nfproto ipv6 tcp dport . meta l4proto . ip6 saddr @rules-v6-2 counter reject with tcp reset comment \"like rules\"".to_owned(),
        ]
    );
}

#[test]
fn what_is_not_alike_or_overlaps_ends_a_run() {
    let ten = "10.0.0.0/8";
    let check = |rules: &[Vec<String>], expect: &[usize]| {
        let table = in_order(rules);
        let sizes: Vec<usize> = runs(&table).iter().map(|(_, size)| *size).collect();
        assert_eq!(sizes, expect, "{table}");
    };
    let one = |rule: String| vec![rule];
    let log = like("x", 9, ten) + "log: {}\n";
    check(
        &[many(100, FEW, ten), one(log), many(200, FEW, ten)],
        &[32, 32],
    );
    let drop = like("x", 9, ten).replace("accept", "drop");
    check(
        &[many(100, FEW, ten), one(drop), many(200, FEW - 1, ten)],
        &[32],
    );
    let linked = like("x", 9, ten) + "interfaces: [eth1]\n";
    check(
        &[many(100, FEW, ten), one(linked), many(200, FEW - 1, ten)],
        &[32],
    );
    // Wider, narrower, and equal.
    for subnet in ["0.0.0.0/0", "10.1.0.0/16", ten] {
        let over = one(like("x", 105, subnet));
        check(&[many(100, FEW, ten), over, many(200, FEW, ten)], &[32, 33]);
    }
    let apart = one(like("x", 105, "11.0.0.0/8"));
    check(&[many(100, FEW, ten), apart, many(200, FEW, ten)], &[65]);
    let range = like("x", 9, ten).replace("[9]", "['115-300']");
    check(&[many(100, FEW, ten), one(range)], &[32]);
    let udp = like("x", 105, ten).replace("tcp", "udp");
    check(&[many(100, FEW, ten), one(udp)], &[33]);
    // More of one network and one port than the kernel goes through quickly.
    let networks = (0..300).map(|n| {
        like(
            &format!("n{n}"),
            1,
            &format!("11.{}.{}.0/24", n >> 8, n & 255),
        )
    });
    let networks: Vec<String> = networks.collect();
    check(&[many(1000, 600, ten), networks], &[856, 44]);
}

#[test]
fn a_rule_has_an_element_for_each_of_its_ways_and_not_too_many() {
    let with = |ports: &str, more: &str| {
        let from = format!("ingress: [{{subnet: 10.0.0.0/8, except: 10.0.0.0/9}}, {more}]");
        let more =
            format!("portSelector: {{ports: [{ports}], protocol: tcp}}\naction: accept\n{from}");
        vec![rule("more", &more)]
    };
    let few = with("7, 9-11", "{subnet: 192.0.2.0/24}, {subnet: 'fc00::/7'}");
    let table = in_order(&[many(100, FEW, "10.0.0.0/8"), few]);
    assert_eq!(runs(&table), [("rules-v4", 36), ("rules-v6", 2)]);
    let text = table.to_string();
    let element = "9-11 . tcp . 10.128.0.0/9 counter comment \"more\"";
    assert!(text.contains(element), "{text}");
    let subnets = |count: u8| {
        let subnets = (0..count).map(|n| format!("{{subnet: 12.{}.0.0/16}}", 2 * n));
        with("7, 9-11", &subnets.collect::<Vec<_>>().join(", "))
    };
    let most = in_order(&[many(100, FEW, "10.0.0.0/8"), subnets(31)]);
    assert_eq!(runs(&most), [("rules-v4", 32 + 64)]);
    let alone = in_order(&[many(100, FEW, "10.0.0.0/8"), subnets(32)]);
    assert_eq!(runs(&alone), [("rules-v4", 32)]);
    assert_eq!(
        lines(&alone, "ingress", "more"),
        ["tcp dport @more-ports ip saddr @more-v4"]
    );
}

#[test]
fn the_part_that_tells_more_is_in_front() {
    let networks = (0..40).map(|n| like(&format!("n{n}"), 1, &format!("11.0.{n}.0/24")));
    let table = in_order(&[networks.collect()]);
    assert_eq!(
        lines(&table, "ingress", "like rules"),
        ["ip saddr . meta l4proto . th dport @rules-v4"]
    );
}

#[test]
fn a_rule_that_is_inverted_stays_alone() {
    let mut documents = vec!["kind: NetworkDefaultActionConfig\ningress: accept".to_owned()];
    let rules = many(1, 40, "10.0.0.0/8").into_iter();
    documents.extend(rules.map(|rule| rule.replace("action: accept\n", "")));
    let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
    let table = firewall(&documents).0.unwrap().table;
    assert_eq!(runs(&table), []);
}

#[test]
fn what_can_never_match_is_said() {
    let icmp = rule(
        "a",
        "portSelector: {protocol: icmp}\ningress: [{subnet: '2001:db8::/32'}]",
    );
    says(
        &[BLOCK, &icmp],
        &[
            "Warning: rule a can never match: its protocol and its subnets are of different families",
        ],
    );
    let empty = rule("b", "portSelector: {ports: [22], protocol: tcp}");
    says(
        &[BLOCK, &empty],
        &["Warning: rule b can never match: it has no ingress"],
    );
    let all = rule(
        "c",
        "portSelector: {ports: [22], protocol: tcp}\ningress: [{subnet: 10.0.0.0/8, except: 10.0.0.0/8}]",
    );
    says(
        &[BLOCK, &all],
        &[
            "Warning: rule c can never match: its exceptions leave nothing of its subnets, or nothing beside them",
        ],
    );
}

#[test]
fn what_an_earlier_rule_decides_is_said() {
    let wide = rule(
        "wide",
        "portSelector: {ports: [20-30], protocol: tcp}\naction: drop",
    );
    let narrow = rule(
        "narrow",
        "portSelector: {ports: [22], protocol: tcp}\ninterfaces: [eth0]\ningress: [{subnet: 10.0.0.0/8}]",
    );
    says(
        &[BLOCK, &wide, &narrow],
        &["Warning: rule narrow can never match: wide matches first"],
    );
    says(&[BLOCK, &narrow, &wide], &[]);
    let limited = wide.clone() + "\nlimit: 1/second";
    says(&[BLOCK, &limited, &narrow], &[]);
    let linked = wide + "\ninterfaces: [eth1]";
    says(&[BLOCK, &linked, &narrow], &[]);
}

#[test]
fn a_family_that_is_left_open_is_said() {
    let half = rule(
        "half",
        "portSelector: {ports: [22], protocol: tcp}\ningress: [{subnet: 10.0.0.0/8}]",
    );
    says(
        &[&half],
        &["Warning: rule half has no subnet of IPv6, and says nothing of it"],
    );
    says(&[BLOCK, &half], &[]);
}

#[test]
fn pods_need_a_network() {
    let block = "kind: NetworkDefaultActionConfig\ningress: block\nallowPodsToHost: all";
    says(
        &[block],
        &["Warning: allowPodsToHost: no network of pods is known"],
    );
}

#[test]
fn words_of_others_mean_the_same() {
    let block = table(&[BLOCK]);
    for word in ["deny", "drop", "BLOCK"] {
        assert_eq!(table(&[&BLOCK.replace("block", word)]), block);
    }
    let drops = |word: &str| {
        let action = format!("portSelector: {{ports: [22], protocol: tcp}}\naction: {word}");
        table(&[&rule("x", &action)])
    };
    assert_eq!(drops("block"), drops("drop"));
    assert_eq!(drops("deny"), drops("drop"));
}

#[test]
fn networks_peers_and_links_have_their_own_words() {
    let bad = |said: &str, more: &str| {
        let (document, faults) = machine::parse(
            &format!("apiVersion: v1alpha1\nkind: {said}\n{more}\n"),
            "c",
        );
        let first = faults.first().unwrap();
        let nothing = document.firewall.rules.is_empty();
        assert!(nothing, "{first}");
        (first.message.clone(), first.fix.clone().unwrap_or_default())
    };
    let rule = "NetworkRuleConfig\nname: x\nportSelector: {ports: [1], protocol: tcp}";
    let (message, fix) = bad(rule, "ingress: [{subnet: 10.0.0.1}]");
    assert!(
        message.ends_with("expected a network: an address and a prefix length"),
        "{message}"
    );
    assert_eq!(fix, "10.0.0.1/32 for this address alone");
    let (message, fix) = bad(rule, "ingress: [{subnet: '::/0'}]\ninterfaces: []");
    assert!(
        message.ends_with("interfaces has at least one link"),
        "{message}"
    );
    assert_eq!(fix, "leave interfaces out for all links");
    let default = "NetworkDefaultActionConfig\ningress: block";
    let (message, _) = bad(default, "vrrpPeers: [nobody]");
    assert!(
        message.ends_with("expected an address, or a network: 192.0.2.7, 192.0.2.0/24"),
        "{message}"
    );
    let (message, _) = bad(default, "trustedLinks: ['*']");
    assert!(
        message.ends_with("and ingress: accept trusts all"),
        "{message}"
    );
}

#[test]
fn what_a_rule_may_not_say() {
    let bad = |rest: &str| {
        let (_, faults) = firewall(&[BLOCK, &rule("x", rest)]);
        faults.into_iter().next().unwrap()
    };
    assert_eq!(
        bad("portSelector: {services: [kubernets-api]}")
            .split(',')
            .next(),
        Some("Error: portSelector: services: expected ssh")
    );
    assert_eq!(
        bad(
            "portSelector: {ports: [22], protocol: tcp}\negress: [{subnet: '::/0'}]\ningress: [{subnet: '::/0'}]"
        ),
        "Error: NetworkRuleConfig: a rule is about what comes in or about what goes out"
    );
    assert_eq!(
        bad("portSelector: {ports: [22], protocol: tcp}\nlimit: fast"),
        "Error: NetworkRuleConfig: limit: expected 1 to 1000000 packets in a second, minute, hour or day: 10/second"
    );
    assert_eq!(
        bad("portSelector: {ports: [22], protocol: tcp, icmpTypes: [8]}"),
        "Error: portSelector: icmpTypes need protocol: icmp or icmpv6"
    );
    assert_eq!(
        bad("portSelector: {protocol: tcp}"),
        "Error: portSelector: ports must be given"
    );
    assert_eq!(
        bad("portSelector: {ports: [1]}"),
        "Error: portSelector: protocol must be given"
    );
    assert_eq!(
        bad("portSelector: {ports: [1], protocol: tcp}\nlog: {prefix: 'a$b'}"),
        "Error: log: prefix: expected 1 to 127 printable ASCII characters without \", $ and \\"
    );
    assert_eq!(
        bad("portSelector: {ports: [1], protocol: tcp}\ninterfaces: ['e*0']"),
        "Error: NetworkRuleConfig: interfaces: expected a name, or the start of one and \"*\" at the end: cali*"
    );
}
