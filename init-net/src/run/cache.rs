//! `initnet.state=DIR`: what was fetched, kept for a boot in which the service does not answer.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::core::Fetched;
use super::state_file;
use crate::sys;
use crate::value::Gather as _;

/// Name of the file in the folder. 0600: bodies hold secrets.
const NAME: &str = "fetched.json";

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Copy {
    /// The SMBIOS UUID of the machine that it is of: an image that is cloned with its state must not take it over.
    machine: Option<String>,
    /// The bodies by source.
    fetched: BTreeMap<String, Fetched>,
}

/// The bodies of the last boot of this `machine` that had them. What cannot be read or makes no sense is not there.
pub fn load(folder: &Path, machine: Option<&str>) -> BTreeMap<String, Fetched> {
    let copy = read(folder);
    match copy.machine.as_deref() == machine {
        true => copy.fetched,
        false => BTreeMap::new(),
    }
}

fn read(folder: &Path) -> Copy {
    let bytes = sys::file::read(&folder.join(NAME), state_file::MAX_LEN).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Keeps what this boot fetched. What it took from the copy stays there, and a boot that fetched nothing keeps all of it: a
/// service that was down must not cost the copy.
pub fn store(folder: &Path, machine: Option<&str>, fetched: &BTreeMap<String, Fetched>) {
    let fresh = fetched.iter().filter(|(_, fetched)| !fetched.cached);
    let fresh = fresh.filter(|(_, fetched)| !fetched.bodies.is_empty());
    let fresh: BTreeMap<String, Fetched> = fresh
        .map(|(name, fetched)| (name.clone(), fetched.clone()))
        .gather();
    let mut kept = load(folder, machine);
    kept.retain(|name, _| fetched.get(name).is_some_and(|now| now.cached));
    let nothing = fresh.is_empty();
    kept.extend(fresh);
    let copy = Copy {
        machine: machine.map(str::to_owned),
        fetched: kept,
    };
    if nothing || read(folder) == copy {
        return;
    }
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| serde_json::to_vec(&copy).map_err(std::io::Error::other))
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
            Fetched::fresh(BTreeMap::from([("hostname".to_owned(), b"web1".to_vec())])),
        )]);
        let machine = Some("4c4c4544");
        store(&folder, machine, &fetched);
        assert_eq!(load(&folder, machine), fetched);
        store(&folder, machine, &BTreeMap::new());
        assert_eq!(load(&folder, machine), fetched);
        let mut both = fetched.clone();
        both.get_mut("hcloud").unwrap().cached = true;
        let url = Fetched::fresh(BTreeMap::from([("url".to_owned(), b"x".to_vec())]));
        both.insert("initnet.config".to_owned(), url.clone());
        store(&folder, machine, &both);
        let mut expect = fetched.clone();
        expect.insert("initnet.config".to_owned(), url);
        assert_eq!(load(&folder, machine), expect);
        for other in [Some("4c4c4545"), None] {
            assert_eq!(load(&folder, other), BTreeMap::new());
        }
        std::fs::write(folder.join(NAME), "{{{").unwrap();
        assert_eq!(load(&folder, machine), BTreeMap::new());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
