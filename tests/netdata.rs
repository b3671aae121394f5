#![allow(clippy::unwrap_used)] // a test may end where it stands
//! Network descriptions of clouds: one folder each below `tests/netdata/`, input and goldens.
//!
//! Inputs: `network-config` (cloud-init, version 1 or 2) or `network_data.json` (OpenStack), and `observed.json`, the links of
//! the machine as `init-net get links -o json` prints them. Goldens: `desired.yaml` (what `compile` prints) and `check.txt`
//! (diagnostics). `scripts/bless` rewrites the goldens; the diff is the review.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use init_net::compile;
use init_net::config::{Document, netdata};
use init_net::state::{LinkStatus, Observed};
use init_net::value::Layer;
use tests::golden;

const INPUTS: [&str; 2] = ["network-config", "network_data.json"];

/// Fewest examples of each input.
const FEWEST: [usize; 2] = [12, 3];

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("netdata");
    let entries = fs::read_dir(root).unwrap();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn links(folder: &Path) -> BTreeMap<u32, LinkStatus> {
    let text = fs::read_to_string(folder.join("observed.json")).unwrap();
    let links: Vec<LinkStatus> = serde_json::from_str(&text).unwrap();
    links.into_iter().map(|link| (link.index, link)).collect()
}

/// What the folder's input says, and what is wrong with it.
fn read(folder: &Path) -> (Document, String) {
    let mut document = Document::empty(Layer::Platform, "test");
    let [config, data] = INPUTS.map(|name| fs::read_to_string(folder.join(name)).ok());
    let faults = match (config, data) {
        (Some(text), None) => netdata::parse(&text, INPUTS[0], &mut document),
        (None, Some(text)) => netdata::openstack::parse(&text, INPUTS[1], &mut document),
        _ => panic!("{}: one of {INPUTS:?}", folder.display()),
    };
    let faults = faults.iter().map(|fault| format!("{fault}\n")).collect();
    (document, faults)
}

/// The goldens that the input in `folder` leads to.
fn run(folder: &Path) -> [(&'static str, String); 2] {
    let (document, mut check) = read(folder);
    let links = links(folder);
    let (desired, compiled) = compile::compile(&[document], &links);
    check.extend(compiled.iter().map(|fault| format!("{fault}\n")));
    let value = serde_json::to_value(&desired).unwrap();
    [
        ("desired.yaml", init_net::cli::yaml::render(&value)),
        ("check.txt", check),
    ]
}

#[test]
fn goldens() {
    golden::compare(folders().into_iter().flat_map(|folder| {
        let goldens = run(&folder).into_iter();
        goldens.map(move |(name, text)| (folder.join(name), text))
    }));
}

#[test]
fn there_are_enough_of_them() {
    let folders = folders();
    for (input, fewest) in INPUTS.into_iter().zip(FEWEST) {
        let count = folders.iter().filter(|f| f.join(input).exists()).count();
        assert!(count >= fewest, "{input}: only {count}");
    }
}

/// What is done twice is what the kernel's model does not keep: a description that never settles.
#[test]
fn plans_settle() {
    for folder in folders() {
        let (document, _) = read(&folder);
        let observed = Observed {
            links: links(&folder),
            ..Observed::default()
        };
        let (desired, _) = compile::compile(&[document], &observed.links);
        let ops = init_net::plan::ahead(&desired, &observed);
        let mut seen = BTreeSet::new();
        for op in ops {
            let text = format!("{op:#}");
            assert!(
                !text.contains(|c: char| c.is_control() && c != '\n'),
                "{text:?}"
            );
            let name = folder.display();
            assert!(seen.insert(text.clone()), "{name}: twice: {text}");
        }
    }
}

#[test]
fn diagnostics_fit_100_columns() {
    for folder in folders() {
        let [_, (_, check)] = run(&folder);
        for line in check.lines() {
            assert!(line.chars().count() <= 100, "{}: {line}", folder.display());
        }
    }
}
