//! Why an image could not be built.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why an image could not be built. Each variant names the input that is at fault.
#[derive(Debug)]
pub enum Error {
    /// A file of the host could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program is not fit to run alone in an initramfs.
    Program {
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        source: crate::elf::ElfError,
    },
    /// No loader or library of this name for this processor.
    NoLibrary {
        /// The file's name.
        name: String,
        /// Who needs it: a program, or another library.
        program: PathBuf,
        /// The root folders that were searched.
        roots: Vec<PathBuf>,
    },
    /// No module of this name, neither as a file nor built into the kernel.
    UnknownModule {
        /// The name as given.
        name: String,
        /// The modules folder that was searched.
        folder: PathBuf,
    },
    /// A path of the image is empty, relative upwards, or too long for its header.
    ImagePath {
        /// The path as given.
        path: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// One path was given two different contents.
    Twice {
        /// The path.
        path: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Program { path, source } => write!(f, "{}: {source}", path.display()),
            Self::NoLibrary {
                name,
                program,
                roots,
            } => write!(
                f,
                "{}: needs {name}, which is not below {roots:?}",
                program.display()
            ),
            Self::UnknownModule { name, folder } => write!(
                f,
                "no module {name:?} in {}: neither in modules.dep nor in modules.builtin",
                folder.display()
            ),
            Self::ImagePath { path, rule } => write!(f, "path {path:?} of the image: {rule}"),
            Self::Twice { path } => write!(f, "path {path:?} of the image has two contents"),
        }
    }
}

impl std::error::Error for Error {}
