//! Paths of requests as files of a folder.

use std::fs;
use std::path::Component;
use std::path::Path;

/// What answers where a path leads to a folder.
const INDEX: &str = "index";

/// The body for `path`, which has no query; `None`: there is nothing.
pub(super) fn body(folder: &Path, path: &str) -> Option<Vec<u8>> {
    let path = Path::new(path.trim_matches('/'));
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
    if !path.components().all(inside) {
        return None;
    }
    let path = folder.join(path);
    if !path.is_dir() {
        return fs::read(path).ok();
    }
    fs::read(path.join(INDEX)).ok().or_else(|| listing(&path))
}

/// The names in a folder, one a line; those of folders end in `/`.
fn listing(folder: &Path) -> Option<Vec<u8>> {
    let entries = fs::read_dir(folder).ok()?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| {
            let slash = if entry.path().is_dir() { "/" } else { "" };
            format!("{}{slash}", entry.file_name().to_string_lossy())
        })
        .collect();
    names.sort_unstable();
    Some(names.join("\n").into_bytes())
}
