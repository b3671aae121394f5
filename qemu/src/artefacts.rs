//! What the lab boots: the kernels, busybox and tools that `scripts/setup` fetched, and the binary under test.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::Error;
use crate::Result;

/// How to get what the lab fetches.
const SETUP: &str = "run scripts/setup";

/// Which of the lab's two kernels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Series {
    /// The distribution's own.
    #[default]
    Stable,
    /// One of a later series from the same archive.
    Newer,
}

/// A distribution kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The bootable image.
    pub image: PathBuf,
    /// Its modules, a folder named as its release.
    pub modules: PathBuf,
}

impl Kernel {
    /// The stable kernel, as [`Kernel::of`] finds it.
    ///
    /// # Errors
    /// As [`Kernel::of`].
    pub fn find() -> Result<Self> {
        Self::of(Series::Stable)
    }

    /// `INIT_NET_KERNEL` with `INIT_NET_MODULES` (`INIT_NET_KERNEL_NEWER` with `INIT_NET_MODULES_NEWER`), or what
    /// `scripts/setup` fetched.
    ///
    /// # Errors
    /// [`Error::Missing`] when neither is there.
    pub fn of(series: Series) -> Result<Self> {
        let (folder, image, modules) = match series {
            Series::Stable => ("lab/kernel", "INIT_NET_KERNEL", "INIT_NET_MODULES"),
            Series::Newer => (
                "lab/kernel-newer",
                "INIT_NET_KERNEL_NEWER",
                "INIT_NET_MODULES_NEWER",
            ),
        };
        let fetched = target_folder().join(folder);
        let image = match env::var_os(image) {
            Some(path) => path.into(),
            None => fetched.join("vmlinuz"),
        };
        let modules = match env::var_os(modules) {
            Some(path) => path.into(),
            None => only_entry(&fetched.join("lib/modules")).unwrap_or(fetched),
        };
        Ok(Self {
            image: existing(image, "the kernel", SETUP)?,
            modules: existing(modules.join("modules.dep"), "the modules' index", SETUP)
                .map(|_| modules)?,
        })
    }
}

/// A statically linked busybox: `INIT_NET_BUSYBOX`, or what `scripts/setup` fetched.
///
/// # Errors
/// [`Error::Missing`] when neither is there.
pub fn busybox() -> Result<PathBuf> {
    let path = match env::var_os("INIT_NET_BUSYBOX") {
        Some(path) => path.into(),
        None => target_folder().join("lab/busybox/busybox"),
    };
    existing(path, "a static busybox", SETUP)
}

/// A root folder with the programs that guests ask their kernel with: `INIT_NET_TOOLS`, or what `scripts/setup` fetched.
///
/// # Errors
/// [`Error::Missing`] when neither is there.
pub fn tools() -> Result<PathBuf> {
    let path = match env::var_os("INIT_NET_TOOLS") {
        Some(path) => path.into(),
        None => target_folder().join("lab/tools"),
    };
    existing(path, "the guests' tools", SETUP)
}

/// The program `name` below `root`, in whichever folder the distribution put it.
///
/// # Errors
/// [`Error::Missing`] when no folder for programs has it.
pub fn program(root: &Path, name: &str) -> Result<PathBuf> {
    let folders = ["usr/sbin", "sbin", "usr/bin", "bin"].into_iter();
    let mut paths = folders.map(|folder| root.join(folder).join(name));
    match paths.find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => existing(root.join("usr/sbin").join(name), "a tool", SETUP),
    }
}

/// The binary under test: `INIT_NET_BINARY`, or what the same build of this workspace made.
///
/// # Errors
/// [`Error::Missing`] when it is not built.
pub fn init_net() -> Result<PathBuf> {
    let path = match env::var_os("INIT_NET_BINARY") {
        Some(path) => path.into(),
        None => build_folder().join("init-net"),
    };
    existing(
        path,
        "the binary under test",
        "run cargo build -p init-net, or set INIT_NET_BINARY",
    )
}

/// Cargo's target folder of this workspace.
pub fn target_folder() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target"),
    }
}

/// Where the build put this program: target/TRIPLE/debug, tests in a folder `deps` below.
fn build_folder() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    let folder = own.parent().unwrap_or(&own);
    match folder.parent() {
        Some(parent) if folder.ends_with("deps") => parent.to_owned(),
        _ => folder.to_owned(),
    }
}

fn existing(path: PathBuf, purpose: &str, fix: &'static str) -> Result<PathBuf> {
    match path.canonicalize() {
        Ok(path) => Ok(path),
        Err(error) => Err(Error::Missing {
            what: format!("{purpose}: {} ({error})", path.display()),
            fix,
        }),
    }
}

fn only_entry(folder: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder).ok()?;
    Some(entries.next()?.ok()?.path())
}
