//! The rules of the house, read from the source: who may import whom, what may stand where, how long a file may be.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// DESIGN §1 as data: what a folder of `init-net/src` may name of the others. `run` is left out: it may use everything.
const IMPORTS: [(&str, &[&str]); 9] = [
    ("value", &[]),
    ("config", &["value"]),
    ("proto", &["value"]),
    ("state", &["value"]),
    ("compile", &["value", "config", "state", "proto"]),
    ("plan", &["value", "state"]),
    ("wire", &["value", "state"]),
    ("sys", &["value"]),
    ("cli", &["run", "config::diagnostic"]),
];

/// All folders, so that a path through the crate root can be told from one through a type.
const FOLDERS: [&str; 10] = [
    "value", "config", "proto", "state", "compile", "plan", "wire", "sys", "run", "cli",
];

/// Words that may stand only in these files or folders, and why.
const ONLY_IN: [(&str, &[&str], &str); 8] = [
    ("Instant::now", &["sys/clock.rs"], "time is an argument"),
    ("SystemTime", &["sys/clock.rs"], "time is an argument"),
    ("clock_gettime", &["sys/clock.rs"], "time is an argument"),
    ("unsafe", &["sys/"], "unsafe code lives in sys/"),
    ("static mut", &[], "no globals"),
    ("thread::spawn", &[], "no threads"),
    (
        "Command::new",
        &["sys/process.rs"],
        "no shell, and children start clean",
    ),
    ("dbg!", &[], "left over"),
];

/// Longest file, lines, without its tests.
const MAX_LINES: usize = 600;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../init-net/src")
}

/// Every file as (path below `src`, text), in order.
fn files(folder: &Path, base: &Path, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, base, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path
                .strip_prefix(base)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_house_is_tidy() {
    let mut all = Vec::new();
    files(&source(), &source(), &mut all);
    assert!(all.len() > 20, "the source is not where it was");
    let faults: Vec<String> = all
        .iter()
        .flat_map(|(name, text)| faults(name, text))
        .collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// What is wrong with one file.
fn faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push(format!(
            "{name}: starts without a //! line that says what it is"
        ));
    }
    for (number, line) in text.lines().enumerate() {
        let marked = ["TODO", "FIXME", "XXX"]
            .into_iter()
            .any(|mark| has_word(line, mark));
        if marked && !line.contains('§') {
            faults.push(format!(
                "{name}:{}: open work without the section it is about",
                number + 1
            ));
        }
    }
    if is_test_file(name) {
        return faults;
    }
    let code = code_of(text);
    let shipped = without_tests(&code);
    let lines = shipped.lines().count();
    if lines > MAX_LINES {
        faults.push(format!(
            "{name}: {lines} lines, more than {MAX_LINES}: split it by topic"
        ));
    }
    for (word, places, why) in ONLY_IN {
        if has_word(shipped, word) && !places.iter().any(|place| name.starts_with(place)) {
            faults.push(format!("{name}: `{word}` ({why})"));
        }
    }
    for path in imports(name, shipped) {
        if !may_import(name, &path) {
            faults.push(format!("{name}: may not use crate::{path}"));
        }
    }
    faults
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.contains("/tests/")
}

/// The part before the tests, which stand last in a file.
fn without_tests(code: &str) -> &str {
    let tests = code.match_indices("#[cfg(test)]").find(|(at, mark)| {
        let next = code[at + mark.len()..].trim_start();
        next.starts_with("mod ")
            && next
                .split_once(['{', ';'])
                .is_some_and(|(m, _)| next[m.len()..].starts_with('{'))
    });
    tests.map_or(code, |(at, _)| &code[..at])
}

fn may_import(name: &str, path: &str) -> bool {
    let folder = name.split('/').next().unwrap_or_default();
    if name.starts_with("run/core") && is_below(path, "sys") {
        return false;
    }
    if is_below(path, folder) {
        return true;
    }
    let allowed = match name {
        "main.rs" => Some(&["cli", "run", "config::diagnostic"][..]),
        _ => IMPORTS
            .iter()
            .find(|(of, _)| *of == folder)
            .map(|(_, allowed)| *allowed),
    };
    allowed.is_none_or(|allowed| allowed.iter().any(|prefix| is_below(path, prefix)))
}

fn is_below(path: &str, prefix: &str) -> bool {
    path == prefix
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with("::"))
}

/// The paths from the crate root that `code` names, as far as two parts: `config::diagnostic`.
fn imports(name: &str, code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for root in ["crate::", "init_net::"] {
        for (at, _) in code
            .match_indices(root)
            .filter(|(at, _)| starts_word(code, *at))
        {
            members(&code[at + root.len()..], &mut paths);
        }
    }
    // `super::` as often as the module is deep leads to the root as well.
    let depth = name.split('/').count() - usize::from(name.ends_with("mod.rs"));
    let up = "super::".repeat(depth);
    for (at, _) in code
        .match_indices(&up)
        .filter(|(at, _)| starts_word(code, *at))
    {
        members(&code[at + up.len()..], &mut paths);
    }
    paths.retain(|path| FOLDERS.contains(&path.split("::").next().unwrap_or_default()));
    paths
}

/// The first two parts of the path at the start of `rest`, or of each member of the group there.
fn members(rest: &str, paths: &mut Vec<String>) {
    let Some(group) = rest.strip_prefix('{') else {
        paths.push(two_parts(rest));
        return;
    };
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                paths.push(two_parts(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    return;
                }
            }
            _ => {}
        }
    }
}

fn two_parts(rest: &str) -> String {
    let word = |text: &str| text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let first = word(rest);
    match rest[first..].strip_prefix("::") {
        Some(second) if word(second) > 0 => rest[..first + 2 + word(second)].to_owned(),
        _ => rest[..first].to_owned(),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn starts_word(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| is_word(c) || c == ':')
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let edge = |c: Option<char>| !c.is_some_and(is_word);
        edge(text[..at].chars().next_back()) && edge(text[at + word.len()..].chars().next())
    })
}

/// `text` with comments and the insides of strings blanked; lines stay.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (skip, keep) = match c {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), ""),
            '/' if rest.starts_with("/*") => (rest.find("*/").map_or(rest.len(), |n| n + 2), " "),
            'r' if raw_string(rest).is_some() && !code.ends_with(is_word) => {
                (raw_string(rest).unwrap(), "\"\"")
            }
            '"' => (string(rest), "\"\""),
            '\'' => (character(rest), "' '"),
            _ => {
                code.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            }
        };
        code.push_str(keep);
        code.extend(rest[..skip].chars().filter(|c| *c == '\n'));
        rest = &rest[skip..];
    }
    code
}

/// Length of the string literal at the start of `rest`.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
    let open = 1 + hashes;
    if !rest[open..].starts_with('"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    Some(
        rest[open + 1..]
            .find(&close)
            .map_or(rest.len(), |n| open + 1 + n + close.len()),
    )
}

/// Length of the character literal at the start of `rest`; 1 for the quote of a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => rest[3..].find('\'').map_or(rest.len(), |n| n + 4),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[track_caller]
fn check(name: &str, text: &str, expect: &[&str]) {
    assert_eq!(faults(name, &format!("//! It.\n{text}")), expect);
}

#[test]
fn imports_are_found() {
    check(
        "plan/link.rs",
        "use crate::state::Op;\nuse crate::value::Mtu;",
        &[],
    );
    check(
        "plan/link.rs",
        "use crate::sys::file;",
        &["plan/link.rs: may not use crate::sys::file"],
    );
    check(
        "plan/mod.rs",
        "use crate::{state::Op, wire::{self, Kind}};",
        &["plan/mod.rs: may not use crate::wire"],
    );
    check(
        "plan/mod.rs",
        "use super::sys;",
        &["plan/mod.rs: may not use crate::sys"],
    );
    check(
        "plan/link.rs",
        "use super::order;\nuse super::super::wire::encode;",
        &["plan/link.rs: may not use crate::wire::encode"],
    );
    check(
        "plan/link.rs",
        "fn f() { crate::run::boot() }",
        &["plan/link.rs: may not use crate::run::boot"],
    );
    check("proto/dhcp4/mod.rs", "use crate::proto::Machine;", &[]);
    check(
        "proto/dhcp4/wire.rs",
        "use super::super::super::state::Op;",
        &["proto/dhcp4/wire.rs: may not use crate::state::Op"],
    );
    check("proto/dhcp4/wire.rs", "mod wire {}\nuse super::wire;", &[]);
    check("run/shell.rs", "use crate::sys::poll;", &[]);
    check(
        "run/core.rs",
        "use crate::sys::poll;",
        &["run/core.rs: may not use crate::sys::poll"],
    );
    check(
        "run/core/lease.rs",
        "use crate::sys::clock;",
        &["run/core/lease.rs: may not use crate::sys::clock"],
    );
    check("cli/check.rs", "use crate::config::diagnostic::Place;", &[]);
    check(
        "cli/check.rs",
        "use crate::config::Document;",
        &["cli/check.rs: may not use crate::config::Document"],
    );
    check(
        "main.rs",
        "use init_net::plan;",
        &["main.rs: may not use crate::plan"],
    );
    check(
        "plan/a.rs",
        "// crate::sys is not used\nconst A: &str = \"crate::sys\";",
        &[],
    );
}

#[test]
fn tests_may_use_everything() {
    check(
        "plan/a.rs",
        "#[cfg(test)]\nmod tests {\n    use crate::wire;\n}",
        &[],
    );
    check("plan/tests.rs", "use crate::wire;", &[]);
    check(
        "plan/a.rs",
        "#[cfg(test)]\nmod tests;\nuse crate::wire;",
        &["plan/a.rs: may not use crate::wire"],
    );
}

#[test]
fn words_keep_to_their_places() {
    check("sys/clock.rs", "fn f() { SystemTime::now(); }", &[]);
    check(
        "run/shell.rs",
        "fn f() { Instant::now(); }",
        &["run/shell.rs: `Instant::now` (time is an argument)"],
    );
    check(
        "proto/a.rs",
        "unsafe fn f() {}",
        &["proto/a.rs: `unsafe` (unsafe code lives in sys/)"],
    );
    check("sys/a.rs", "unsafe fn f() {}", &[]);
    check("lib.rs", "#[allow(unsafe_code)]\nmod sys;", &[]);
    check(
        "run/a.rs",
        "/* unsafe */ const A: &str = r#\"unsafe \" \"#; const B: char = '\"'; // unsafe",
        &[],
    );
    check(
        "run/a.rs",
        "fn f<'a>(a: &'a str) { Command::new(a); }",
        &["run/a.rs: `Command::new` (no shell, and children start clean)"],
    );
}

#[test]
fn files_are_short_titled_and_finished() {
    let long = "fn f() {}\n".repeat(MAX_LINES);
    check(
        "plan/a.rs",
        &long,
        &["plan/a.rs: 601 lines, more than 600: split it by topic"],
    );
    let tested = format!("{}#[cfg(test)]\nmod tests {{\n{long}}}\n", &long[..5000]);
    check("plan/a.rs", &tested, &[]);
    check(
        "plan/a.rs",
        "// TODO later",
        &["plan/a.rs:2: open work without the section it is about"],
    );
    check("plan/a.rs", "// TODO-correctness: RFC 2131 §4.4.5", &[]);
    assert_eq!(faults("plan/a.rs", "fn f() {}").len(), 1);
}
