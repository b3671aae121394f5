#![allow(clippy::unwrap_used)] // a test may end where it stands
//! Changes of a configuration: one folder each below `tests/changes/`, from `before.yaml` to `after.yaml` and back.
//!
//! The golden `plan.txt` holds the ops of both ways, round by round, against the forecast of the kernel: only what has to
//! change does. Afterwards the machine is as it was. `scripts/bless` rewrites the goldens;
//! the diff is the review.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use init_net::config::machine;
use init_net::config::{Diagnostic, Severity};
use init_net::state::Observed;
use init_net::{compile, plan};
use tests::golden;

/// Most rounds until a plan is empty. A mode of a bond takes the most: members out, down, set, up, members in.
const MAX_ROUNDS: usize = 8;

/// Applies `config` until the plan is empty, and says what was done.
fn settle(have: &mut Observed, config: &Path) -> String {
    let text = fs::read_to_string(config).unwrap();
    let (document, faults) = machine::parse(&text, "machine.yaml");
    no_errors(config, &faults);
    let documents = [document];
    let mut done = String::new();
    for round in 1..=MAX_ROUNDS {
        let (desired, faults) = compile::compile(&documents, &have.links);
        no_errors(config, &faults);
        // Every parameter has a file, with a value that nobody chose.
        for key in desired.sysctls.keys() {
            have.sysctls
                .entry(key.clone())
                .or_insert_with(|| "-1".into());
        }
        let ops = plan::plan(&desired, have);
        if ops.is_empty() {
            have.decided.extend(desired.sysctls.into_keys());
            return done;
        }
        writeln!(done, "round {round}").unwrap();
        for op in ops {
            writeln!(done, "  {op}").unwrap();
            if let Err(errno) = plan::forecast::change(have, &op) {
                panic!("{}: {op}: error {errno}; after\n{done}", config.display());
            }
        }
    }
    panic!(
        "{}: not there after {MAX_ROUNDS} rounds\n{done}",
        config.display()
    );
}

fn no_errors(config: &Path, faults: &[Diagnostic]) {
    for fault in faults {
        assert!(
            fault.severity != Severity::Error,
            "{}: {fault}",
            config.display()
        );
    }
}

/// What is compared of a machine: indexes are new when a link is made again, and files that nobody names any more stay.
fn summary(have: &Observed) -> String {
    let mut all: Vec<String> = Vec::new();
    let name = |index: u32| {
        have.links
            .get(&index)
            .map_or_else(String::new, |link| link.name.to_string())
    };
    for link in have.links.values() {
        let mut data = serde_json::to_value(link).unwrap();
        let object = data.as_object_mut().unwrap();
        object.remove("index");
        object.insert("linkIndex".into(), name(link.link_index).into());
        object.insert("masterIndex".into(), name(link.master_index).into());
        all.push(format!("{data} {:?}", have.bridge_vlans.get(&link.index)));
        all.extend(have.wireguard.get(&link.index).map(|device| {
            let mut device = device.clone();
            device.peers.sort_by_key(|peer| peer.public_key);
            format!("{device:?}")
        }));
    }
    all.extend(
        have.addresses
            .iter()
            .map(|address| format!("{} {}", address.link_name, address.address)),
    );
    all.extend(
        have.routes
            .iter()
            .map(|route| format!("{:?} {:?} {:?}", route.dst, route.gateway, route.table)),
    );
    all.extend(have.rules.iter().map(|rule| format!("{rule:?}")));
    all.push(format!("{:?}", have.hostname));
    all.sort();
    all.join("\n")
}

fn run(folder: &Path) -> String {
    let mut have = Observed {
        links: tests::links(),
        ..Observed::default()
    };
    let (before, after) = (folder.join("before.yaml"), folder.join("after.yaml"));
    settle(&mut have, &before);
    let at_first = summary(&have);
    let there = settle(&mut have, &after);
    let back = settle(&mut have, &before);
    assert_eq!(
        summary(&have),
        at_first,
        "{}: not as it was",
        folder.display()
    );
    format!("# before.yaml to after.yaml\n{there}\n# and back\n{back}")
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("changes");
    let mut folders: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders
}

#[test]
fn only_what_has_to_change_does_and_back_again() {
    let folders = folders();
    assert!(folders.len() >= 30, "only {} changes", folders.len());
    let goldens = folders.iter();
    golden::compare(goldens.map(|folder| (folder.join("plan.txt"), run(folder))));
}
