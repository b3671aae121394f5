//! Media that are files already: those of the root file system, the environment of PID 1, and [`folder`] for
//! `--metadata-dir`.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::child::Places;
use super::{MAX_FILE, MAX_MEDIUM};
use crate::config::platform::{Bodies, Found, Medium};
use crate::sys::file;

/// [`Medium::Files`]: those of `paths` that are there.
pub fn read(root: &Path, paths: &[&str]) -> Bodies {
    let keys = paths.iter().map(|path| path.trim_start_matches('/'));
    bodies(root, keys)
}

/// The files of `folder` that are named by `keys`, by key.
fn bodies<K: Into<String> + AsRef<str>>(folder: &Path, keys: impl Iterator<Item = K>) -> Bodies {
    let mut bodies = Bodies::new();
    let mut left = MAX_MEDIUM;
    for key in keys {
        let path = folder.join(key.as_ref());
        match file::read(&path, MAX_FILE.min(left)) {
            Ok(body) => {
                left -= body.len();
                bodies.insert(key.into(), body);
            }
            Err(error) if is_absent(&error) => {}
            Err(error) => log::warn!("media: {}: {error}", path.display()),
        }
    }
    bodies
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory)
}

/// [`Medium::Environment`]: those of `names` that PID 1 was started with.
pub fn environment(places: &Places, names: &[&str]) -> Bodies {
    let of_first = || file::read(&places.proc.join("1/environ"), MAX_MEDIUM).unwrap_or_default();
    // Ours is the same, and needs no /proc.
    let others = if places.first_process {
        Vec::new()
    } else {
        of_first()
    };
    let value = |name: &str| {
        if places.first_process {
            return std::env::var_os(name).map(|value| value.as_bytes().to_owned());
        }
        variable(&others, name)
    };
    let named = names.iter();
    named
        .filter_map(|name| Some((format!("env/{name}"), value(name)?)))
        .filter(|(_, value)| value.len() <= MAX_FILE)
        .collect()
}

/// The value of `name` in `environment`, `NAME=value` each ended by NUL (proc_pid_environ(5)).
pub fn variable(environment: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut entries = environment.split(|byte| *byte == 0);
    entries.find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.to_owned())
    })
}

/// What `media` would say if `dir`, a folder of files named by key, were all of them: one answer for each that has a file
/// there.
pub fn folder(dir: &Path, media: &[Medium]) -> Vec<Found> {
    let found = media.iter().filter_map(|medium| {
        let bodies = match medium {
            Medium::Volume(volume) => bodies(dir, volume.files.iter().copied()),
            Medium::SmbiosSerial => bodies(dir, [Medium::SMBIOS_SERIAL].into_iter()),
            Medium::OemStrings(_) => bodies(dir, names_in(dir, "oem").into_iter()),
            Medium::FirmwareConfig { files, .. } => bodies(dir, below("fw_cfg", files)),
            Medium::GuestInfo(names) => bodies(dir, below("guestinfo", names)),
            Medium::Files(paths) => read(dir, paths),
            Medium::Environment(names) => bodies(dir, below("env", names)),
        };
        (!bodies.is_empty()).then(|| Found {
            place: dir.display().to_string(),
            label: None,
            bodies,
        })
    });
    found.collect()
}

fn below(folder: &'static str, names: &[&str]) -> impl Iterator<Item = String> {
    names.iter().map(move |name| format!("{folder}/{name}"))
}

/// Keys of all files in a folder of `dir`, in order.
fn names_in(dir: &Path, folder: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir.join(folder)) else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut keys: Vec<String> = names.map(|name| format!("{folder}/{name}")).collect();
    keys.sort();
    keys
}
