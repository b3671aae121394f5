//! What is rendered, read by a reader of the format's own grammar (OpenMetrics 1.0, "Text format").

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::cmdline;
use crate::run::core::{Event, Outcome};
use crate::state::{LinkAt, LinkStatus, Observed, Op, iff};
use crate::value::Rng;

/// A family: its type, and its samples as name, labels and value.
#[derive(Default)]
struct Family {
    kind: String,
    help: bool,
    samples: Vec<(String, String, f64)>,
}

/// Reads an exposition, and panics where it breaks the grammar.
#[track_caller]
fn parse(text: &str) -> BTreeMap<String, Family> {
    let body = text.strip_suffix("# EOF\n").expect("ends with EOF");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut now = String::new();
    let mut seen = BTreeSet::new();
    for line in body.lines() {
        if let Some(meta) = line.strip_prefix("# ") {
            let (what, rest) = meta.split_once(' ').expect("a word");
            let (name, value) = rest.split_once(' ').expect("a name");
            assert!(is_name(name), "{line}");
            if name != now {
                // Families do not interleave.
                assert!(!families.contains_key(name), "{line}");
                now = name.to_owned();
            }
            let family = families.entry(now.clone()).or_default();
            assert!(
                family.samples.is_empty(),
                "metadata stands in front: {line}"
            );
            match what {
                "TYPE" => family.kind = value.to_owned(),
                "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                "HELP" => family.help = true,
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().expect("a number");
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}').expect("a brace")),
            None => (series, ""),
        };
        check_labels(labels);
        assert!(seen.insert(series.to_owned()), "twice: {series}");
        let family = families.get_mut(&now).expect("a family");
        let suffix = name.strip_prefix(now.as_str()).expect("of its family");
        let allowed: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "summary" => &["_count", "_sum"],
            kind => panic!("type {kind}"),
        };
        assert!(allowed.contains(&suffix), "{line}");
        assert!(family.kind != "counter" || value >= 0.0);
        let sample = (suffix.to_owned(), labels.to_owned(), value);
        family.samples.push(sample);
    }
    for (name, family) in &families {
        assert!(family.help && !family.kind.is_empty(), "{name}");
    }
    families
}

fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.chars().next().is_some_and(letter) && text.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// `name="value",…` with backslash, quote and line end escaped.
#[track_caller]
fn check_labels(mut labels: &str) {
    while !labels.is_empty() {
        let (name, rest) = labels.split_once("=\"").expect("a label");
        assert!(is_name(name), "{name}");
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().expect("a closing quote") {
                (at, '"') => break at,
                (_, '\\') => assert!(matches!(chars.next(), Some((_, '\\' | '"' | 'n')))),
                (_, c) => assert_ne!(c, '\n'),
            }
        };
        labels = &rest[end + 1..];
        labels = labels.strip_prefix(',').unwrap_or(labels);
    }
}

const START: Instant = Instant::from_secs(5);

/// A core that has looked at a machine with one card that is up.
fn core() -> Core {
    let (document, _) = cmdline::parse("ip=192.0.2.2:::24::eth0:none", "test");
    let mut core = Core::new(vec![document], Default::default(), Rng::new(1), START);
    core.step(Event::Tick, START);
    look(&mut core);
    core
}

/// What it sees of that machine.
fn look(core: &mut Core) {
    let mut link = LinkStatus::new(2, "eth0".parse().unwrap());
    link.flags = iff::UP | iff::LOWER_UP;
    let observed = Observed {
        links: [(2, link)].into(),
        ..Observed::default()
    };
    let of = crate::run::core::Doubt::EVERYTHING;
    core.step(Event::Observed(Box::new(observed), of), START);
}

#[track_caller]
fn check(families: &BTreeMap<String, Family>, family: &str, labels: &str, expect: f64) {
    let samples = &families[family].samples;
    let found = samples.iter().find(|(_, known, _)| known == labels);
    assert_eq!(found.map(|(_, _, value)| *value), Some(expect), "{family}");
}

#[test]
fn everything_is_in_the_grammar() {
    let mut core = core();
    let link = LinkAt {
        index: 2,
        name: "eth0".parse().unwrap(),
    };
    let op = Op::LinkSetUp { link, up: true };
    let outcomes = vec![
        Outcome {
            op: op.clone(),
            result: Ok(()),
        },
        Outcome {
            op,
            result: Err((1, "no \"way\"\n".into())),
        },
    ];
    core.step(Event::DumpFailed(String::new()), START);
    core.step(Event::Applied(outcomes), START);
    let families = parse(&render(&core, None, START));
    check(&families, "initnet_links_up", "", 1.0);
    check(&families, "initnet_ready", "level=\"links\"", 1.0);
    check(&families, "initnet_ready", "level=\"online\"", 0.0);
    let ops = "initnet_ops";
    check(&families, ops, "op=\"link_set_up\",result=\"done\"", 1.0);
    check(&families, ops, "op=\"link_set_up\",result=\"failed\"", 1.0);
    check(&families, "initnet_looks_failed", "", 1.0);
    check(&families, "initnet_look_seconds", "", 1.0);
    check(&families, "initnet_ops_failing", "", 1.0);
    assert_eq!(families["initnet_lease_remaining_seconds"].samples.len(), 0);
}

#[test]
fn shared_addresses() {
    let config = "apiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: 192.0.2.100\nlink: eth0\n\
                  check: {tcp: '127.0.0.1:6443'}\n";
    let mut core = core();
    let documents = vec![crate::config::machine::parse(config, "vip.yaml").0];
    core.step(Event::Documents(documents, Vec::new()), START);
    look(&mut core);
    let families = parse(&render(&core, None, START));
    let vip = "vip=\"eth0/192.0.2.100\"";
    check(&families, "initnet_vip_active", vip, 0.0);
    check(&families, "initnet_vip_promotions", vip, 0.0);
    assert_eq!(
        families["initnet_vip_healthy"].samples.len(),
        0,
        "it has not said"
    );
}

#[test]
fn packets_by_chain_and_verdict() {
    let config = "apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: block\n---\n\
                  apiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: a\nportSelector:\n  \
                  ports: [22]\n  protocol: tcp\naction: reject\ningress: [{subnet: 10.0.0.0/8}]\n";
    let documents = [crate::config::machine::parse(config, "test").0];
    let (desired, _) = crate::compile::compile(&documents, &Default::default());
    let table = crate::state::nft::Table::clone(desired.table().unwrap());
    let rules = table.chains.iter().map(|chain| chain.rules.len());
    let one = Counter {
        packets: 1,
        bytes: 100,
    };
    let status = TableStatus {
        counters: rules.map(|count| vec![one; count]).collect(),
        elements: Vec::new(),
        table,
        foreign: false,
    };
    let families = parse(&render(&core(), Some(&status), START));
    let count = |chain: &str, verdict: &Verdict| {
        let chain = status.table.chains.iter().find(|c| c.name == chain);
        let rules = chain.unwrap().rules.iter();
        let same = |rule: &&crate::state::nft::Rule| {
            core::mem::discriminant(&rule.verdict) == core::mem::discriminant(verdict)
        };
        rules.filter(same).count() as f64
    };
    let (packets, bytes) = ("initnet_firewall_packets", "initnet_firewall_bytes");
    let dropped = count("prerouting", &Verdict::Drop);
    let labels = "chain=\"prerouting\",verdict=\"dropped\"";
    check(&families, packets, labels, dropped);
    check(&families, bytes, labels, dropped * 100.0);
    let labels = "chain=\"ingress\",verdict=\"rejected\"";
    check(&families, packets, labels, 1.0);
    let accepted = count("ingress", &Verdict::Accept);
    let labels = "chain=\"ingress\",verdict=\"accepted\"";
    check(&families, packets, labels, accepted);
    check(&families, "initnet_firewall_in_force", "", 0.0);
    // Nobody looked.
    let families = parse(&render(&core(), None, START));
    assert!(!families.contains_key(packets));
}

#[test]
fn labels_are_escaped() {
    let mut text = Text(String::new());
    text.family("a", "gauge", "", "It.");
    text.sample("a", &[("b", "q\" \\ \n"), ("c", "")], 1.5);
    text.0.push_str("# EOF\n");
    let families = parse(&text.0);
    check(&families, "a", "b=\"q\\\" \\\\ \\n\",c=\"\"", 1.5);
}

#[test]
#[should_panic(expected = "of its family")]
fn the_reader_refuses_what_is_wrong() {
    parse("# TYPE a gauge\n# HELP a It.\nb 1\n# EOF\n");
}

#[test]
fn the_file_is_written_when_something_changed_and_not_too_often() {
    let folder = std::env::temp_dir().join(format!("init-net-metrics-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("init-net.prom");
    let mut file = MetricsFile::new(Some(path.clone()));
    let mut core = core();
    file.update(&core, START);
    let first = std::fs::read_to_string(&path).unwrap();
    parse(&first);
    let gone = |path: &Path| std::fs::remove_file(path).is_ok();
    assert!(gone(&path));
    file.update(&core, START + PERIOD * 2);
    assert!(!path.exists(), "nothing changed");
    core.step(Event::DumpFailed(String::new()), START);
    file.update(&core, START + PERIOD * 2);
    assert!(gone(&path));
    core.step(Event::DumpFailed(String::new()), START);
    file.update(&core, START + PERIOD * 3 / 2 + PERIOD);
    assert!(!path.exists(), "too early");
    assert_eq!(file.deadline(), Some(START + PERIOD * 3));
    file.update(&core, START + PERIOD * 3);
    assert!(gone(&path));
    assert_eq!(file.deadline(), None, "nothing wakes for what is written");
    MetricsFile::default().update(&core, START + PERIOD * 9);
    // Where nothing can be written the supervisor goes on.
    let mut nowhere = MetricsFile::new(Some(folder.join("none/x.prom")));
    nowhere.update(&core, START);
    assert!(nowhere.failed.is_some());
    assert_eq!(nowhere.deadline(), Some(START + PERIOD));
    std::fs::create_dir(folder.join("none")).unwrap();
    nowhere.update(&core, START + PERIOD);
    assert!(gone(&folder.join("none/x.prom")), "what was not written is");
    assert_eq!(nowhere.deadline(), None);
    std::fs::remove_dir_all(&folder).unwrap();
}
