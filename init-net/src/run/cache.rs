//! `initnet.state=DIR`: what was fetched, kept for a boot in which the service does not answer.

use std::collections::BTreeMap;
use std::path::Path;

use super::core::Fetched;
use super::state_file;
use crate::sys;
use crate::value::Gather as _;

/// Name of the file in the folder. 0600: bodies hold secrets.
const NAME: &str = "fetched.json";

/// The bodies of the last boot that had them. What cannot be read or makes no sense is not there.
pub fn load(folder: &Path) -> BTreeMap<String, Fetched> {
    let bytes = sys::file::read(&folder.join(NAME), state_file::MAX_LEN).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Keeps what this boot fetched. A boot that fetched nothing keeps what was there: a service that was down must not cost
/// the copy.
pub fn store(folder: &Path, fetched: &BTreeMap<String, Fetched>) {
    let fresh = fetched.iter().filter(|(_, fetched)| !fetched.cached);
    let fetched: BTreeMap<&String, &Fetched> = fresh.gather();
    if fetched.is_empty()
        || load(folder)
            .iter()
            .eq(fetched.iter().map(|(name, fetched)| (*name, *fetched)))
    {
        return;
    }
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| serde_json::to_vec(&fetched).map_err(std::io::Error::other))
        .and_then(|bytes| sys::file::replace(&folder.join(NAME), 0o600, &bytes));
    if let Err(error) = written {
        log::error!("{}: {error}", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_without_answers_keeps_the_copy() {
        let folder = std::env::temp_dir().join(format!("init-net-cache-{}", std::process::id()));
        let fetched = BTreeMap::from([(
            "hcloud".to_owned(),
            Fetched {
                bodies: BTreeMap::from([("hostname".to_owned(), b"web1".to_vec())]),
                cached: false,
            },
        )]);
        store(&folder, &fetched);
        assert_eq!(load(&folder), fetched);
        store(&folder, &BTreeMap::new());
        assert_eq!(load(&folder), fetched);
        std::fs::write(folder.join(NAME), "{{{").unwrap();
        assert_eq!(load(&folder), BTreeMap::new());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
