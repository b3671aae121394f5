//! How Kea's servers are started: what is common to [`super::Kea4`] and [`super::Kea6`].

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::Lab;
use crate::Log;
use crate::Result;
use crate::error::Context;
use crate::process::Process;

/// How long Kea may take to say what takes it milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Starts `kea-dhcp<family>` with this configuration in the lab's namespace and waits until it serves. Its log is what it
/// logs, a line for each packet.
pub(super) fn start(lab: &Lab, family: u8, mut config: Value) -> Result<(Process, Log)> {
    let name = format!("kea-dhcp{family}");
    // What one that was killed left behind would keep the next one from starting.
    let run = lab.folder().join(format!("{name}-run"));
    if run.exists() {
        fs::remove_dir_all(&run).context("the run folder of the last Kea")?;
    }
    fs::create_dir_all(&run).context("a run folder for Kea")?;
    let output = json!({ "output": "stdout", "flush": true, "pattern": "%m\n" });
    config["loggers"] = json!([{
        // DBGLVL_TRACE_DETAIL_DATA: each packet, with its options.
        "name": name, "output_options": [output], "severity": "DEBUG", "debuglevel": 55,
    }]);
    let file = run.join("kea.json");
    let root = format!("Dhcp{family}");
    fs::write(&file, json!({ root: config }).to_string()).context("Kea's configuration")?;

    let mut command = super::program::command(lab, &name);
    command
        .arg("-c")
        .arg(file)
        .env("KEA_PIDFILE_DIR", &run)
        .env("KEA_LOCKFILE_DIR", &run)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = Process::start(&mut command)?;
    let log = process.output(None).unwrap_or_default();
    lab.keep(&name, &log);
    let errors = process.errors(None).unwrap_or_default();
    lab.keep(&format!("{name} errors"), &errors);
    log.wait_for(&format!("DHCP{family}_STARTED"), PATIENCE)?;
    Ok((process, log))
}
