//! A daemon that has nothing to do.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::Result;

/// After the boot: conflict announcements and the like are over, and what gives memory back after some quiet has done so.
const SETTLE: Duration = Duration::from_secs(10);

/// How long it is watched. The lease is renewed after half an hour.
const WATCH: Duration = Duration::from_secs(60);

/// Memory of `daemon`, and what it does in [`WATCH`].
pub fn measure(proc: &Path, daemon: &str) -> Result<Value> {
    let process = find(proc, daemon)?;
    sleep(SETTLE);
    let before = wake_ups(&process)?;
    let ticks = cpu_ns(&process)?;
    sleep(WATCH);
    let after = wake_ups(&process)?;
    let rollup = fs::read_to_string(process.join("smaps_rollup"))?;
    let private = number(&rollup, "Private_Clean:")? + number(&rollup, "Private_Dirty:")?;
    Ok(json!({
        "rssKiB": number(&rollup, "Rss:")?,
        "privateKiB": private,
        "anonymousKiB": number(&rollup, "Anonymous:")?,
        "wakeUps": after - before,
        "cpuNs": cpu_ns(&process)? - ticks,
        "watchedS": WATCH.as_secs(),
    }))
}

/// The one process of the run that calls itself so.
pub fn find(proc: &Path, daemon: &str) -> Result<std::path::PathBuf> {
    for entry in fs::read_dir(proc)?.flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let name = line.split(|byte| *byte == 0).next().unwrap_or_default();
        if name.starts_with(daemon.as_bytes()) {
            return Ok(entry.path());
        }
    }
    Err(format!("no {daemon} was left behind").into())
}

/// How often it went to sleep by itself: once for each time that it was woken.
fn wake_ups(process: &Path) -> Result<i64> {
    let status = fs::read_to_string(process.join("status"))?;
    number(&status, "voluntary_ctxt_switches:")
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
