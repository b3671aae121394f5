//! One experiment: a namespace, a folder, and the evidence for when it fails.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::Log;
use crate::Namespace;
use crate::Result;
use crate::artefacts;
use crate::diagnostics;
use crate::error::Context;

/// One experiment. Dropped while panicking, it saves every log and says where.
#[derive(Debug)]
pub struct Lab {
    name: String,
    namespace: Namespace,
    folder: PathBuf,
    evidence: Mutex<Vec<(String, Log)>>,
}

impl Lab {
    /// A fresh namespace and a fresh folder. `name` names the folder of a failure.
    ///
    /// # Errors
    /// Not root, or target/ cannot be written.
    pub fn new(name: &str) -> Result<Self> {
        let runs = artefacts::target_folder().join("lab/run");
        sweep(&runs);
        let folder = runs.join(format!("{name}-{}", std::process::id()));
        let namespace = Namespace::new()?;
        fs::create_dir_all(&folder).context(folder.display().to_string())?;
        let folder = folder
            .canonicalize()
            .context(folder.display().to_string())?;
        Ok(Self {
            name: name.to_owned(),
            namespace,
            folder,
            evidence: Mutex::default(),
        })
    }

    /// The namespace everything of this lab is in.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A folder of this lab's own, removed with it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps a log as evidence: it is saved when the test fails.
    pub fn keep(&self, name: &str, log: &Log) {
        let mut evidence = self
            .evidence
            .lock()
            .expect("no holder of the evidence lock panics");
        evidence.push((name.to_owned(), log.clone()));
    }

    /// Saves every log under target/lab/failures and prints where, with the last lines of each.
    pub fn report_failure(&self) {
        let Ok(evidence) = self.evidence.lock() else {
            return;
        };
        match diagnostics::save(&self.name, &evidence, &self.folder) {
            Ok(folder) => eprintln!("{}: evidence saved in {}", self.name, folder.display()),
            Err(error) => eprintln!("{}: evidence not saved: {error}", self.name),
        }
        for (name, log) in evidence.iter() {
            eprintln!(
                "{}: last lines of {name}:\n{}",
                self.name,
                diagnostics::tail(log)
            );
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.report_failure();
        }
        // Left over at worst: a folder under target/.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes the folders of labs whose process is gone: a killed one cannot do it itself.
fn sweep(runs: &Path) {
    let Ok(entries) = fs::read_dir(runs) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.rsplit_once('-'));
        if owner.is_some_and(|(_, pid)| !Path::new("/proc").join(pid).exists()) {
            // Another lab may be sweeping as well.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
