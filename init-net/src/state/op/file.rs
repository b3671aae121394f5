//! Changes of files.

use core::fmt;
use std::path::PathBuf;

/// How much of a file's content an op prints, characters: enough to recognise it.
const MAX_SHOWN: usize = 60;

/// The file of [`super::Op::WriteFile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOp {
    /// Absolute path.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// The bytes.
    pub content: Vec<u8>,
}

impl fmt::Display for FileOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "install -m {:04o} /dev/stdin {}",
            self.mode,
            self.path.display()
        )?;
        let text = String::from_utf8_lossy(&self.content);
        let rows: Vec<&str> = text.lines().filter(|row| !row.starts_with('#')).collect();
        let all = rows.join("; ");
        let shown: String = all.chars().take(MAX_SHOWN).collect();
        let more = if shown.len() < all.len() { "…" } else { "" };
        write!(f, "  # {shown}{more}")
    }
}
