//! Where the programs of real peers are.

use std::env;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::Lab;
use crate::Namespace;
use crate::artefacts;

/// Folders of shared libraries in an unpacked package.
const LIBRARIES: [&str; 2] = ["usr/lib", "lib"];

/// The peer `name` as a command in the lab's namespace.
pub(super) fn command(lab: &Lab, name: &str) -> Command {
    command_in(lab.namespace(), name)
}

/// The peer `name` as a command in a namespace: as `scripts/setup` unpacked it, with the libraries that came with it, else
/// as it is installed.
pub(crate) fn command_in(namespace: &Namespace, name: &str) -> Command {
    let root = root();
    let Ok(program) = artefacts::program(&root, name) else {
        return namespace.command(name);
    };
    let mut command = namespace.command(&program.to_string_lossy());
    command.env("LD_LIBRARY_PATH", libraries(&root).join(":"));
    command
}

/// Makes `command`, and what it calls, find the unpacked programs and libraries before those that are installed; also the
/// extensions of iptables.
pub(super) fn with_libraries(command: &mut Command) {
    let root = root();
    if !root.is_dir() {
        return;
    }
    let libraries = libraries(&root);
    command.env("LD_LIBRARY_PATH", libraries.join(":"));
    let mut extensions = libraries.iter().map(|folder| format!("{folder}/xtables"));
    if let Some(extensions) = extensions.find(|folder| Path::new(folder).is_dir()) {
        command.env("XTABLES_LIBDIR", extensions);
    }
    let installed = env::var("PATH").unwrap_or_default();
    let programs = root.join("usr/sbin").display().to_string();
    command.env("PATH", format!("{programs}:{installed}:/usr/sbin:/sbin"));
}

/// Where `scripts/setup` unpacks peers.
fn root() -> PathBuf {
    artefacts::target_folder().join("lab/peers")
}

/// Each folder of libraries below `root` and those in it, which Debian names after the machine: `usr/lib/x86_64-linux-gnu`.
fn libraries(root: &Path) -> Vec<String> {
    let mut folders = Vec::new();
    for folder in LIBRARIES.map(|folder| root.join(folder)) {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        folders.extend(
            entries
                .map(|entry| entry.path())
                .filter(|path| path.is_dir()),
        );
        folders.push(folder);
    }
    folders
        .iter()
        .map(|folder| folder.to_string_lossy().into_owned())
        .collect()
}
