//! A program that is not static → the loader and the libraries it needs, as ld.so(8) would find them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::Error;
use crate::elf;

/// Where loaders look by themselves: Debian's multiarch folders, lib64 of others, then the plain ones.
/// RUNPATH is not followed: programs of a distribution have none.
const FOLDERS: [&str; 8] = [
    "lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "lib64",
    "usr/lib64",
    "lib",
    "usr/lib",
];

/// Everything `program` needs that is not itself: contents by path in the image. The first of `roots` that has a file
/// wins, and a library lands where it was found below its root, because the loader looks there.
///
/// # Errors
/// A file cannot be read, is no ELF file, or is in none of the roots.
pub fn needed_by(program: &Path, roots: &[PathBuf]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut found = BTreeMap::new();
    let first = read(program)?;
    let mut open = vec![(program.to_owned(), first.clone())];
    while let Some((path, contents)) = open.pop() {
        let wants = elf::wants(&contents).map_err(|source| Error::Program {
            path: path.clone(),
            source,
        })?;
        let loader = wants.loader.into_iter().map(|path| vec![path]);
        let libraries = wants.libraries.into_iter().map(|name| {
            let folders = FOLDERS.iter();
            folders.map(|folder| format!("{folder}/{name}")).collect()
        });
        for candidates in loader.chain(libraries) {
            let (target, file) =
                find(&candidates, roots, &first).ok_or_else(|| Error::NoLibrary {
                    name: candidates[0].rsplit('/').next().unwrap_or_default().into(),
                    program: path.clone(),
                    roots: roots.to_vec(),
                })?;
            if let Entry::Vacant(place) = found.entry(target) {
                let contents = read(&file)?;
                place.insert(contents.clone());
                open.push((file, contents));
            }
        }
    }
    Ok(found)
}

/// The first candidate, in the first root, that is for the same processor as `program`: its path in the image and here.
fn find(candidates: &[String], roots: &[PathBuf], program: &[u8]) -> Option<(String, PathBuf)> {
    let pairs = roots
        .iter()
        .flat_map(|root| candidates.iter().map(move |path| (root, path)));
    let mut files = pairs.map(|(root, path)| {
        let path = path.trim_start_matches('/');
        (path.to_owned(), root.join(path))
    });
    files.find(|(_, file)| fs::read(file).is_ok_and(|contents| elf::same_kind(&contents, program)))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_all_that_is_needed() {
        let shell = Path::new("/bin/sh");
        let found = needed_by(shell, &["/".into()]).unwrap();
        let is = |name: &str| found.keys().any(|path| path.contains(name));
        assert!(is("/ld-linux") && is("/libc."), "{:?}", found.keys());
        let root = std::env::temp_dir().join(format!("initramfs-libraries-{}", std::process::id()));
        for (path, contents) in &found {
            let target = root.join(path);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::write(&target, contents).unwrap();
        }
        // Nothing else is below that root.
        let again = needed_by(shell, std::slice::from_ref(&root)).unwrap();
        assert_eq!(again, found);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = needed_by(Path::new("/bin/sh"), &["/nowhere".into()]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("/bin/sh") && text.contains("/nowhere"),
            "{text}"
        );
    }
}
