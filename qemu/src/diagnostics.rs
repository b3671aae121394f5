//! What is left of a failure: every log of the lab in one folder, and the last lines on the screen.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::Log;
use crate::Result;
use crate::artefacts;
use crate::error::Context;

/// Lines of the serial port shown with a failure.
const TAIL: usize = 60;

/// Saves `logs` under target/lab/failures/`name` and returns the folder.
///
/// # Errors
/// The folder cannot be written.
pub fn save(name: &str, logs: &[(String, Log)], folder: &Path) -> Result<PathBuf> {
    let target = artefacts::target_folder().join("lab/failures").join(name);
    let context = || target.display().to_string();
    if target.exists() {
        fs::remove_dir_all(&target).context(context())?;
    }
    fs::create_dir_all(&target).context(context())?;
    for (log_name, log) in logs {
        fs::write(target.join(format!("{log_name}.log")), log.text()).context(context())?;
    }
    // The inputs as well (initramfs, disks), so that the printed command can be run again.
    let entries = fs::read_dir(folder).context(context())?.flatten();
    for entry in entries.filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), target.join(entry.file_name())).context(context())?;
    }
    Ok(target)
}

/// The last lines of a log, indented.
pub fn tail(log: &Log) -> String {
    let lines = log.lines();
    let skipped = lines.len().saturating_sub(TAIL);
    let lines = lines.iter().skip(skipped);
    lines.map(|line| format!("  | {line}\n")).collect()
}
