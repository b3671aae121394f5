//! Reads the firmware's iSCSI boot table, when a command line asks for it.

use std::path::Path;

use crate::config::ibft::{self, Card, FILES};
use crate::config::{AutoMethod, Diagnostic, Document, Severity};
use crate::sys;

/// Where the kernel shows it (`iscsi_ibft`).
const TABLE: &str = "/sys/firmware/ibft";

/// Longest content of one of its files, bytes: a page of sysfs.
const MAX_FILE: usize = 4096;

/// Most cards that are read; the table itself has room for two.
const MAX_CARDS: usize = 8;

/// What the table says, where `document` has the method `ibft`.
pub(super) fn document(document: &Document) -> Option<(Document, Vec<Diagnostic>)> {
    let mut methods = document.operators.iter();
    let asks = methods.find(|operator| operator.method == AutoMethod::Ibft)?;
    let cards = read(Path::new(TABLE));
    if cards.is_empty() {
        let missing = Diagnostic::new(Severity::Warning, "this machine shows no iBFT table")
            .with_place((&asks.origin).into())
            .with_fix("put the kernel module iscsi_ibft into the image, and load it")
            .with_effect("the link is brought up");
        return Some((Document::empty(document.layer, "ibft"), vec![missing]));
    }
    Some(ibft::document(&cards))
}

fn read(table: &Path) -> Vec<Card> {
    let Ok(entries) = std::fs::read_dir(table) else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("ethernet")).collect();
    names.sort();
    names.truncate(MAX_CARDS);
    let card = |name: String| {
        let files = FILES.iter().filter_map(|file| {
            let bytes = sys::file::read(&table.join(&name).join(file), MAX_FILE).ok()?;
            Some((*file, String::from_utf8_lossy(&bytes).into_owned()))
        });
        Card {
            files: files.collect(),
            name,
        }
    };
    names.into_iter().map(card).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_like_that_of_the_kernel() {
        let table = std::env::temp_dir().join(format!("ibft-{}", std::process::id()));
        let card = table.join("ethernet0");
        std::fs::create_dir_all(&card).unwrap();
        std::fs::create_dir_all(table.join("target0")).unwrap();
        std::fs::write(card.join("flags"), "3\n").unwrap();
        std::fs::write(card.join("mac"), "52:54:00:00:00:01\n").unwrap();
        std::fs::write(card.join("index"), "0\n").unwrap();
        let cards = read(&table);
        std::fs::remove_dir_all(&table).unwrap();
        assert_eq!(cards.len(), 1);
        assert_eq!(cards[0].name, "ethernet0");
        assert_eq!(cards[0].files["flags"], "3\n");
        assert_eq!(cards[0].files.len(), 2);
        assert_eq!(read(&table), Vec::new());
    }
}
