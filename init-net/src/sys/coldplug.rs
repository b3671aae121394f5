//! The devices that were there before us: their modaliases, and the modules for them, loaded by a child.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::module_index::ModuleIndex;
use super::poll::{Interest, poll};
use super::uevent::Uevents;
use super::{file, module, process};

/// Folders below each other that are followed in `/sys/devices`. Real ones have about 15.
const MAX_DEPTH: usize = 32;

/// Longest modalias, bytes: `input:` ones have about 300, uevents end at 2048.
const MAX_MODALIAS: usize = 4096;

/// Largest index file, bytes. Debian's modules.alias has 1 MiB.
const MAX_INDEX: usize = 16 << 20;

/// Every modalias below `root` (`/sys/devices`), once each. What cannot be read is left out: devices vanish.
pub fn modaliases(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(root, 0, &mut found);
    found
}

fn walk(folder: &Path, depth: usize, found: &mut BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        // Of the entry itself: symbolic links lead to other devices and in circles.
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(&entry.path(), depth + 1, found);
        } else if kind.is_file() && entry.file_name() == "modalias" {
            let content = file::read(&entry.path(), MAX_MODALIAS).unwrap_or_default();
            let text = String::from_utf8_lossy(&content);
            found.extend(Some(text.trim().to_owned()).filter(|text| !text.is_empty()));
        }
    }
}

/// `/lib/modules/<release of the running kernel>`.
pub fn module_folder() -> io::Result<PathBuf> {
    let name = nix::sys::utsname::uname()?;
    Ok(Path::new("/lib/modules").join(name.release()))
}

/// depmod's files in `folder`. One that is missing counts as empty: an image without modules has none.
pub fn index(folder: &Path) -> io::Result<ModuleIndex> {
    let text = |name: &str| match file::read(&folder.join(name), MAX_INDEX) {
        Ok(content) => Ok(String::from_utf8_lossy(&content).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    };
    Ok(ModuleIndex::parse(
        &text("modules.alias")?,
        &text("modules.dep")?,
        &text("modules.softdep")?,
        &text("modules.builtin")?,
    ))
}

/// A module to load, or a modalias, with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Name or modalias.
    pub name: String,
    /// `max_bonds=0`, usually empty; only for the module of that name, not for what it needs.
    pub parameters: CString,
}

/// Loads what `wanted` names, then what every device asks for, those that appear later included, in a child: initialising a
/// card can take seconds, and the loop goes on meanwhile. The child writes one byte to the pipe when it has nothing more to
/// do for now, and ends when the other end of the pipe is closed.
pub fn load_in_child(folder: PathBuf, wanted: Vec<Wanted>) -> io::Result<(i32, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    // With both ends the child outlives a hand-off: a card that comes after it gets its driver, too.
    let kept = [reader.as_fd(), writer.as_fd()];
    let pid = process::fork(&kept, || match serve(&folder, &wanted, &writer) {
        Ok(()) => 0,
        Err(error) => {
            log::warn!("modules: {error}");
            1
        }
    })?;
    Ok((pid, reader))
}

/// Loads what `wanted` names, in a child, which ends: that closes the pipe.
pub fn load_once_in_child(folder: PathBuf, wanted: Vec<Wanted>) -> io::Result<(i32, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let pid = process::fork(&[writer.as_fd()], || match index(&folder) {
        Ok(index) => {
            let mut loaded = BTreeSet::new();
            for wanted in &wanted {
                load(&folder, &index, wanted, &mut loaded);
            }
            0
        }
        Err(error) => {
            log::warn!("modules: {error}");
            1
        }
    })?;
    Ok((pid, reader))
}

/// Loads the module `name`, and what it needs, in this process; what fails is logged.
pub fn load_here(name: &str) -> io::Result<()> {
    let folder = module_folder()?;
    let wanted = Wanted {
        name: name.to_owned(),
        parameters: CString::default(),
    };
    load(&folder, &index(&folder)?, &wanted, &mut BTreeSet::new());
    Ok(())
}

fn serve(folder: &Path, wanted: &[Wanted], mut idle: &PipeWriter) -> io::Result<()> {
    // Before the first look, so that nothing falls between the two.
    let uevents = Uevents::open()?;
    let index = index(folder)?;
    let mut loaded = BTreeSet::new();
    for wanted in wanted {
        load(folder, &index, wanted, &mut loaded);
    }
    let mut seen = BTreeSet::new();
    let mut look = |name: String| {
        if seen.insert(name.clone()) {
            let parameters = CString::default();
            load(folder, &index, &Wanted { name, parameters }, &mut loaded);
        }
    };
    modaliases(Path::new("/sys/devices"))
        .into_iter()
        .for_each(&mut look);
    let mut told = false;
    loop {
        match uevents.next() {
            Ok(modalias) => look(modalias),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                modaliases(Path::new("/sys/devices"))
                    .into_iter()
                    .for_each(&mut look);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !told {
                    idle.write_all(b"i")?;
                    told = true;
                }
                let ready = poll(
                    &[
                        Interest::read(uevents.as_fd()),
                        Interest::hang_up(idle.as_fd()),
                    ],
                    None,
                )?;
                if ready.get(1).is_some_and(|pipe| pipe.readable) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Loads what `wanted` names, with what it needs, less what `loaded` holds; what fails is logged.
fn load<'a>(
    folder: &Path,
    index: &'a ModuleIndex,
    wanted: &Wanted,
    loaded: &mut BTreeSet<&'a str>,
) {
    let paths = index.resolve(&wanted.name);
    let last = paths.last().copied();
    for relative in paths {
        if !loaded.insert(relative) {
            continue;
        }
        let parameters = if last == Some(relative) {
            wanted.parameters.as_c_str()
        } else {
            c""
        };
        let path = folder.join(relative);
        match module::load(&path, parameters) {
            Ok(state) => log::debug!("module {relative}: {state:?}"),
            // The index may know more modules than the image holds. ENOENT of a module that is there means a missing
            // symbol.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => {
                log::debug!("module {relative}: not in the image");
            }
            // Not our hardware after all: several drivers may claim one modalias.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
            Err(error) => log::warn!("module {relative}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modaliases_are_found_once_and_links_are_not_followed() {
        let root = std::env::temp_dir().join(format!("init-net-coldplug-{}", std::process::id()));
        let device = root.join("pci0000:00/0000:00:03.0/virtio0");
        std::fs::create_dir_all(&device).unwrap();
        std::fs::write(device.join("modalias"), "virtio:d00000001v00001AF4\n").unwrap();
        std::fs::write(
            root.join("pci0000:00/modalias"),
            "virtio:d00000001v00001AF4\n",
        )
        .unwrap();
        std::fs::write(device.join("../modalias"), "\n").unwrap();
        std::os::unix::fs::symlink(&root, device.join("subsystem")).unwrap();
        let found = modaliases(&root);
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["virtio:d00000001v00001AF4"]
        );
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn an_image_without_modules_needs_none() {
        let index = index(Path::new("/does/not/exist")).unwrap();
        let wanted = Wanted {
            name: "bonding".into(),
            parameters: c"max_bonds=0".into(),
        };
        let mut loaded = BTreeSet::new();
        load(Path::new("/does/not/exist"), &index, &wanted, &mut loaded);
        assert!(loaded.is_empty());
    }
}
