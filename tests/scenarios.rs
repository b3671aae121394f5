#![allow(clippy::unwrap_used)] // a test may end where it stands
//! Scenarios: one folder each below `tests/scenarios/`, inputs and goldens.
//!
//! Inputs: `cmdline` (required), `machine.yaml`. Goldens: `check.txt` (diagnostics), `desired.yaml` (what `compile`
//! prints), `plan.txt` (what `plan` prints). Every scenario runs against the same four links, see [`tests::links`]. Nothing is
//! touched: no kernel, no file but the goldens. `scripts/bless` rewrites the goldens; the diff is the review.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use init_net::config::{cmdline, machine};
use init_net::state::Observed;
use init_net::{compile, plan};
use tests::{golden, links};

/// The goldens that the inputs in `folder` lead to.
fn run(folder: &Path) -> BTreeMap<&'static str, String> {
    let text =
        fs::read_to_string(folder.join("cmdline")).expect("every scenario has a file `cmdline`");
    let (document, mut diagnostics) = cmdline::parse(text.trim_end_matches('\n'), "/proc/cmdline");
    let mut documents = vec![document];
    if let Ok(text) = fs::read_to_string(folder.join("machine.yaml")) {
        let (document, faults) = machine::parse(&text, "machine.yaml");
        documents.push(document);
        diagnostics.extend(faults);
    }
    let (desired, compiled) = compile::compile(&documents, &links());
    diagnostics.extend(compiled);
    diagnostics.extend(init_net::run::managed::warnings(&desired));
    let observed = Observed {
        links: links(),
        ..Observed::default()
    };
    let check = diagnostics
        .iter()
        .map(|diagnostic| format!("{diagnostic}\n"))
        .collect();
    let value = serde_json::to_value(&desired).unwrap();
    let ops = plan::ahead(&desired, &observed);
    BTreeMap::from([
        ("check.txt", check),
        ("desired.yaml", init_net::cli::yaml::render(&value)),
        (
            "plan.txt",
            ops.iter().map(|op| format!("{op:#}\n")).collect(),
        ),
    ])
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(root).unwrap();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

#[test]
fn goldens() {
    golden::compare(folders().into_iter().flat_map(|folder| {
        let goldens = run(&folder).into_iter();
        goldens.map(move |(name, text)| (folder.join(name), text))
    }));
}

#[test]
fn there_are_enough_of_them_and_each_says_something() {
    let folders = folders();
    assert!(folders.len() >= 300, "only {} scenarios", folders.len());
    let documents = folders
        .iter()
        .filter(|folder| folder.join("machine.yaml").exists());
    let documents = documents.count();
    assert!(documents >= 120, "only {documents} scenarios of documents");
    for folder in folders {
        let text = fs::read_to_string(folder.join("cmdline")).unwrap();
        let empty_on_purpose = folder
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("nothing-said"));
        assert!(
            !text.trim().is_empty() || empty_on_purpose,
            "{}: empty",
            folder.display()
        );
    }
}

#[test]
fn diagnostics_fit_100_columns() {
    for folder in folders() {
        let check = run(&folder).remove("check.txt").unwrap();
        for line in check.lines() {
            assert!(line.chars().count() <= 100, "{}: {line}", folder.display());
        }
    }
}
