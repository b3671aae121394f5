//! Why the lab could not do something.

use std::fmt;
use std::io;

/// Result of the lab.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the lab could not do something.
#[derive(Debug)]
pub enum Error {
    /// The system refused.
    System {
        /// What was tried, as "open /dev/net/tun".
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program failed.
    Program {
        /// The command as an operator would type it.
        command: String,
        /// Its exit status and what it printed.
        output: String,
    },
    /// A line did not appear, or a program did not end, in time.
    Deadline {
        /// What was waited for.
        what: String,
    },
    /// The program ended before the line that was waited for.
    Ended {
        /// What was waited for.
        what: String,
    },
    /// A file the lab needs is not there.
    Missing {
        /// The file and what it is for.
        what: String,
        /// How to get it.
        fix: &'static str,
    },
    /// The image could not be built.
    Image(initramfs::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { what, source } => write!(f, "{what}: {source}"),
            Self::Program { command, output } => write!(f, "{command}: {output}"),
            Self::Deadline { what } => write!(f, "timed out waiting for {what}"),
            Self::Ended { what } => write!(f, "ended before {what}"),
            Self::Missing { what, fix } => write!(f, "missing {what}; {fix}"),
            Self::Image(error) => write!(f, "image: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<initramfs::Error> for Error {
    fn from(error: initramfs::Error) -> Self {
        Self::Image(error)
    }
}

/// Says what was tried when the system refuses.
pub(crate) trait Context<T> {
    fn context(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|error| Error::System {
            what: what.into(),
            source: error.into(),
        })
    }
}
