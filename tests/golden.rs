//! Goldens: files with what came out when somebody last looked. `scripts/bless` rewrites them; the diff is the review.

use std::fs;
use std::path::PathBuf;

/// Compares each file with the text that it should hold; with `INIT_NET_BLESS` in the environment, writes it.
///
/// # Panics
/// Files differ, are missing or cannot be written; says all of them.
#[track_caller]
pub fn compare(files: impl IntoIterator<Item = (PathBuf, String)>) {
    let bless = std::env::var_os("INIT_NET_BLESS").is_some();
    let mut different = Vec::new();
    for (path, text) in files {
        let golden = fs::read_to_string(&path).ok();
        if golden.as_deref() == Some(text.as_str()) {
            continue;
        }
        if bless {
            fs::write(&path, &text).unwrap();
        } else {
            let golden = golden.unwrap_or_else(|| "(missing)".into());
            different.push(format!(
                "{}\n--- golden\n{golden}--- now\n{text}",
                path.display()
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} goldens differ; scripts/bless rewrites them\n{}",
        different.len(),
        different.join("\n")
    );
}
