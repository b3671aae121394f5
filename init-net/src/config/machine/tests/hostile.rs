//! Texts that are made to break a reader, or that an editor broke: each ends, soon, with a clear fault.

use super::check;
use crate::config::machine::parse;
use crate::config::machine::tree::MAX_BYTES;

/// The messages about `text`, which may be large.
#[track_caller]
fn faults(text: &str) -> Vec<String> {
    let (_, diagnostics) = parse(text, "c");
    assert!(diagnostics.len() <= 101, "{}", diagnostics.len());
    diagnostics.into_iter().map(|fault| fault.message).collect()
}

fn link(line: &str) -> String {
    format!("apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\n{line}")
}

#[test]
fn a_text_that_is_too_large_is_not_read() {
    let comment = "# a comment\n".repeat(MAX_BYTES / 12 + 1);
    assert_eq!(faults(&comment), ["the text is above 4 MiB"]);
}

#[test]
fn four_mebibytes_of_anything_end() {
    let fill = |piece: &str| piece.repeat(MAX_BYTES / piece.len());
    assert_eq!(faults(&fill("# a comment\n")), [""; 0]);
    assert_eq!(faults(&fill("- a\n")), ["too many values"]);
    assert_eq!(faults(&fill("---\n")), ["too many values"]);
    assert_eq!(faults(&fill("[")), ["too deeply nested"]);
    assert_eq!(faults(&fill("? ")).len(), 1);
    assert_eq!(faults(&fill("a")).len(), 1);
    assert_eq!(faults(&fill("\u{e9}")).len(), 1);
    assert_eq!(faults(&fill("a: 1\n")), ["too many values"]);
    assert!(!faults(&fill("\"")).is_empty());
    assert!(!faults(&fill("&a ")).is_empty());
    assert!(!faults(&fill("{a: ")).is_empty());
}

#[test]
fn aliases_multiply_in_bounds() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, below) in ('b'..='z').zip('a'..='y') {
        let all = vec![format!("*{below}"); 10].join(", ");
        text.push_str(&format!("{name}: &{name} [{all}]\n"));
    }
    assert_eq!(faults(&text), ["too many values"]);
    // One large value, many times.
    let large = vec!["x"; 1000].join(", ");
    let many = vec!["*a"; 1000].join(", ");
    assert_eq!(
        faults(&format!("a: &a [{large}]\nb: [{many}]\n")),
        ["too many values"]
    );
    // Depth hidden behind aliases.
    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(faults(&text), ["too deeply nested"]);
}

#[test]
fn an_alias_is_what_it_stands_for() {
    check(
        &link("mtu: &m 1400\nroutes: [{gateway: 192.0.2.1, mtu: *m}]\n"),
        &[],
    );
    check(
        &link("mtu: *m\n"),
        &["4:6 while parsing node, found unknown anchor"],
    );
    check(
        &link("routes: &r [*r]\n"),
        &["4:13 an alias (*name) stands before the end of its anchor"],
    );
}

#[test]
fn twice_the_same_key() {
    check(
        &link("mtu: 1400\nup: true\nmtu: 1400\n"),
        &["6:1 the key \"mtu\" stands here twice, first in line 4"],
    );
    check(
        "machine: {network: {hostname: a,\n hostname: b}}",
        &["2:2 the key \"hostname\" stands here twice, first in line 1"],
    );
    // Many of them, among many keys.
    let keys: String = (0..20_000)
        .map(|n| format!("k{}: 1\n", n % 10_000))
        .collect();
    assert_eq!(faults(&keys).len(), 101);
}

#[test]
fn what_editors_do() {
    let windows = link("mtu: 1400\nadresses: []\n").replace('\n', "\r\n");
    check(
        &windows,
        &["5:1 LinkConfig: unknown key \"adresses\" (did you mean addresses?)"],
    );
    check(&format!("\u{feff}{}", link("mtu: 1400\n")), &[]);
    check(
        &format!("\u{feff}{}", link("mtuu: 1400\n")),
        &["4:1 LinkConfig: unknown key \"mtuu\" (did you mean mtu?)"],
    );
    let tab = faults(&link("addresses:\n\t- address: 192.0.2.1/24\n"));
    assert!(tab[0].contains("tab"), "{tab:?}");
    let tab = faults("machine:\n\tnetwork: {}\n");
    assert!(tab[0].contains("tab"), "{tab:?}");
}

/// Ten thousand lines, as a large site has them.
#[test]
fn a_large_config_is_read_without_a_fault() {
    let mut text = "machine:\n  network:\n    interfaces:\n".to_owned();
    for n in 0..1000u32 {
        let (high, low) = (n / 250, n % 250);
        text.push_str(&format!(
            "      - interface: eth{n}\n        mtu: 1400\n        addresses:\n          - 10.{high}.{low}.1/24\n"
        ));
    }
    for n in 0..1000u32 {
        text.push_str(&format!(
            "---\napiVersion: v1alpha1\nkind: StaticHostConfig\nname: 10.9.{}.{}\nhostnames:\n  - host{n}\n",
            n / 250,
            n % 250 + 1
        ));
    }
    assert!(text.lines().count() >= 10_000);
    assert_eq!(faults(&text), [""; 0]);
}
