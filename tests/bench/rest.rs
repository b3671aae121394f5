//! A supervisor that has nothing to do.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::Result;

/// After the boot: conflict announcements and the like are over.
const SETTLE: Duration = Duration::from_secs(6);

/// How long it is watched. The lease is renewed after half an hour.
const WATCH: Duration = Duration::from_secs(20);

/// Memory, and what it does in [`WATCH`].
pub fn measure(proc: &Path) -> Result<Value> {
    let process = find(proc)?;
    sleep(SETTLE);
    let before = switches(&process)?;
    let ticks = cpu_ns(&process)?;
    sleep(WATCH);
    let after = switches(&process)?;
    let rollup = fs::read_to_string(process.join("smaps_rollup"))?;
    let private = number(&rollup, "Private_Clean:")? + number(&rollup, "Private_Dirty:")?;
    Ok(json!({
        "rssKiB": number(&rollup, "Rss:")?,
        "privateKiB": private,
        "anonymousKiB": number(&rollup, "Anonymous:")?,
        "switches": after - before,
        "cpuNs": cpu_ns(&process)? - ticks,
        "watchedS": WATCH.as_secs(),
    }))
}

/// The one process of the run that is an init-net.
pub fn find(proc: &Path) -> Result<std::path::PathBuf> {
    for entry in fs::read_dir(proc)?.flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        // Its name, as the supervisor gives it to itself.
        if line.starts_with(b"@init-net") {
            return Ok(entry.path());
        }
    }
    Err("no supervisor was left behind".into())
}

fn switches(process: &Path) -> Result<i64> {
    let status = fs::read_to_string(process.join("status"))?;
    Ok(number(&status, "voluntary_ctxt_switches:")?
        + number(&status, "nonvoluntary_ctxt_switches:")?)
}

/// What a process has used of the processors, ns.
pub fn cpu_ns(process: &Path) -> Result<i64> {
    let text = fs::read_to_string(process.join("schedstat"))?;
    let first = text.split_whitespace().next().unwrap_or_default();
    Ok(first.parse()?)
}

fn number(text: &str, key: &str) -> Result<i64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key));
    let value = value.and_then(|value| value.split_whitespace().next());
    Ok(value.ok_or_else(|| format!("no {key}"))?.parse()?)
}
