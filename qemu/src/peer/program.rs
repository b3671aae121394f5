//! Where the programs of real peers are.

use std::path::Path;
use std::process::Command;

use crate::Lab;
use crate::artefacts;

/// Folders of shared libraries in an unpacked package.
const LIBRARIES: [&str; 2] = ["usr/lib", "lib"];

/// The peer `name` as a command in the lab's namespace: as `scripts/setup` unpacked it, with the libraries that came with
/// it, else as it is installed.
pub(super) fn command(lab: &Lab, name: &str) -> Command {
    let root = artefacts::target_folder().join("lab/peers");
    let Ok(program) = artefacts::program(&root, name) else {
        return lab.namespace().command(name);
    };
    let mut command = lab.namespace().command(&program.to_string_lossy());
    command.env("LD_LIBRARY_PATH", libraries(&root));
    command
}

/// Each folder of libraries below `root` and those in it, which Debian names after the machine: `usr/lib/x86_64-linux-gnu`.
fn libraries(root: &Path) -> String {
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
    let folders: Vec<_> = folders
        .iter()
        .map(|folder| folder.to_string_lossy())
        .collect();
    folders.join(":")
}
