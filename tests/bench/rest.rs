//! A daemon that has nothing to do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::Result;
use crate::contestant::Contestant;

/// After the boot: conflict announcements and the like are over, and what gives memory back after some quiet has done so.
const SETTLE: Duration = Duration::from_secs(10);

/// How long it is watched. The lease is renewed after half an hour.
const WATCH: Duration = Duration::from_secs(60);

/// Memory of the daemon and what it does in [`WATCH`]; the same, apart, of the helper that it cannot do without.
pub fn measure(proc: &Path, contestant: &Contestant) -> Result<Value> {
    let daemon = find(proc, contestant.daemon())?;
    let helper = contestant.helper.map(|name| find(proc, name)).transpose()?;
    sleep(SETTLE);
    let before = threads(&daemon)?;
    let helper_before = helper.as_deref().map(threads).transpose()?;
    sleep(WATCH);
    let mut value = state(&daemon, &before)?;
    value["watchedS"] = json!(WATCH.as_secs());
    if let (Some(process), Some(before)) = (helper, helper_before) {
        value["helper"] = state(&process, &before)?;
        value["helper"]["program"] = json!(contestant.helper);
    }
    Ok(value)
}

/// Memory of a process, and what its threads did since `before`.
fn state(process: &Path, before: &Threads) -> Result<Value> {
    let (mut wake_ups, mut cpu_ns) = (0, 0);
    for (thread, now) in threads(process)? {
        let (wake_ups_before, cpu_ns_before) = before.get(&thread).copied().unwrap_or_default();
        wake_ups += now.0 - wake_ups_before;
        cpu_ns += now.1 - cpu_ns_before;
    }
    let rollup = fs::read_to_string(process.join("smaps_rollup"))?;
    let private = number(&rollup, "Private_Clean:")? + number(&rollup, "Private_Dirty:")?;
    Ok(json!({
        "rssKiB": number(&rollup, "Rss:")?,
        "privateKiB": private,
        "anonymousKiB": number(&rollup, "Anonymous:")?,
        "wakeUps": wake_ups,
        "cpuNs": cpu_ns,
    }))
}

/// By number: wake-ups, and use of the processors in ns.
type Threads = BTreeMap<OsString, (i64, i64)>;

/// The kernel's own sums for a process are those of its first thread.
fn threads(process: &Path) -> Result<Threads> {
    let mut threads = Threads::new();
    for entry in fs::read_dir(process.join("task"))? {
        let entry = entry?;
        let thread = entry.path();
        // One that ends meanwhile does not count.
        if let (Ok(wake_ups), Ok(cpu_ns)) = (wake_ups(&thread), cpu_ns(&thread)) {
            threads.insert(entry.file_name(), (wake_ups, cpu_ns));
        }
    }
    Ok(threads)
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
fn wake_ups(thread: &Path) -> Result<i64> {
    let status = fs::read_to_string(thread.join("status"))?;
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
