//! The side of who types `apply`, `confirm`, `rollback`: asks the supervisor, and waits until it has done what it can.

use crate::run::control;
use crate::run::core::{Progress, Reply, Request};
use crate::run::sources::{Read, Sources};
use crate::sys;
use crate::value::{Duration, Instant};

/// How long a change may take, and how often the supervisor is asked.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);
const SETTLE_PERIOD: Duration = Duration::from_millis(20);

/// How long an op may fail until that is the answer: some succeed at the second try, when the kernel is done with another one.
const FAILING_FOR: Duration = Duration::from_secs(2);

/// What `apply` is to be caught by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Net {
    /// The sources before come back after this time unless the change is confirmed.
    pub confirm_within: Option<Duration>,
    /// Every probe that succeeds confirms it.
    pub by_probe: bool,
    /// In place of a change that is still to be confirmed.
    pub replace: bool,
    /// Although the firewall cuts somebody off.
    pub force: bool,
}

/// Gives the supervisor `read` of `sources`, or without any asks it to look again.
pub fn apply(sources: &Sources, read: Read, net: Net) -> Result<(), String> {
    if !sources.is_boot() {
        return ask(&Request::Apply {
            cmdline: sources.cmdline.is_some().then_some(read.cmdline),
            configs: read.configs,
            confirm_within: net.confirm_within.map(|time| time.as_secs()),
            confirm_by_probe: net.by_probe,
            replace: net.replace,
        });
    }
    if net.confirm_within.is_some() {
        return Err(
            "nothing changes that could be confirmed: name sources, as --config FILE".into(),
        );
    }
    ask(&Request::Reconcile)
}

/// The last change stays.
pub fn confirm() -> Result<(), String> {
    ask(&Request::Confirm)
}

/// The sources before the last change come back.
pub fn rollback() -> Result<(), String> {
    ask(&Request::Rollback)
}

fn ask(request: &Request) -> Result<(), String> {
    match control::ask(request)? {
        Some(Reply::Ok(_)) => Ok(()),
        Some(Reply::Error(error)) => Err(error),
        None => Err("no supervisor runs".into()),
    }
}

/// Waits until the supervisor has done what it can; answers with the ops that fail, and the kernel's words.
pub fn progress() -> Result<Vec<(String, String)>, String> {
    let until = sys::clock::now() + SETTLE_TIMEOUT;
    let mut failing_since: Option<Instant> = None;
    loop {
        let Progress {
            settled,
            left,
            failing,
        } = how_far()?;
        if settled && failing.is_empty() {
            return Ok(Vec::new());
        }
        let now = sys::clock::now();
        if settled {
            let since = *failing_since.get_or_insert(now);
            if now.saturating_since(since) >= FAILING_FOR {
                return Ok(failing);
            }
        } else {
            failing_since = None;
        }
        if now >= until {
            return Err(format!("still to do: {}", left.join("; ")));
        }
        std::thread::sleep(SETTLE_PERIOD);
    }
}

fn how_far() -> Result<Progress, String> {
    match control::ask(&Request::Progress)? {
        Some(Reply::Ok(progress)) => {
            serde_json::from_value(progress).map_err(|error| error.to_string())
        }
        Some(Reply::Error(error)) => Err(error),
        None => Err("the supervisor has ended".into()),
    }
}
