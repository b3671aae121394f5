//! Fixtures, and the program that compiles them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use init_net::config::platform::{PLATFORMS, Provider};
use tests::program::program;

/// One folder below `tests/platforms/PLATFORM/`.
pub struct Fixture {
    /// `PLATFORM/CASE`.
    pub name: String,
    pub provider: &'static dyn Provider,
    pub folder: PathBuf,
}

impl Fixture {
    /// All of them, in order.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for platform in subfolders(&root()) {
            let name = file_name(&platform);
            let known = PLATFORMS.iter().find(|known| known.name == name);
            let provider = known.and_then(|known| known.provider);
            let provider = provider.unwrap_or_else(|| panic!("{name}: nobody reads its metadata"));
            all.extend(subfolders(&platform).into_iter().map(|folder| Self {
                name: format!("{name}/{}", file_name(&folder)),
                provider,
                folder,
            }));
        }
        all
    }

    /// The folder for `--metadata-dir`.
    pub fn metadata(&self) -> PathBuf {
        self.folder.join("metadata")
    }

    /// `compile` against the fixture's links, with one more argument and its value.
    pub fn compile(&self, option: &str, value: &str) -> Command {
        let mut command = Command::new(program());
        command
            .args(["compile", "--platform", self.provider.name()])
            .args([option, value, "--observed"])
            .arg(self.folder.join("observed.json"))
            // Nothing that stands in the way of comparing.
            .env_clear()
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// What a run of the program printed and ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    pub code: Option<i32>,
    pub desired: String,
    pub check: String,
}

impl Ran {
    /// Runs it to its end.
    pub fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            desired: String::from_utf8(output.stdout).unwrap(),
            check: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Where the fixtures are.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("platforms")
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
