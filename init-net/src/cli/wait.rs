//! `wait`: readiness as an exit code.

use super::args::Level;
use crate::config::WaitLevel;
use crate::run::control;
use crate::run::core::{Readiness, Reply, Request};
use crate::sys;
use crate::value::Duration;

/// How often the supervisor is asked: a person does not notice, a machine is not kept awake.
const PERIOD: Duration = Duration::from_millis(50);

/// 0 when `level` is reached within `timeout`, else 1 with what is missing on stderr.
pub fn wait(level: Level, timeout: Duration, any: bool) -> Result<u8, String> {
    let level = match level {
        Level::Links => WaitLevel::Links,
        Level::Local => WaitLevel::Local,
        Level::Routable => WaitLevel::Routable,
        Level::Online => WaitLevel::Online,
    };
    let until = sys::clock::now() + timeout;
    loop {
        let readiness = current()?;
        if readiness.reached(level) || (any && readiness.any(level)) {
            return Ok(0);
        }
        if sys::clock::now() >= until {
            eprintln!(
                "init-net: not ready: missing {}",
                readiness.missing.join(", ")
            );
            return Ok(1);
        }
        std::thread::sleep(PERIOD);
    }
}

/// From the supervisor, else from the report of a boot that is still running.
fn current() -> Result<Readiness, String> {
    match control::ask(&Request::Status)? {
        Some(Reply::Ok(value)) => serde_json::from_value(value).map_err(|error| error.to_string()),
        Some(Reply::Error(error)) => Ok(Readiness {
            missing: vec![error],
            ..Readiness::default()
        }),
        None => Ok(super::live::report()
            .map(|report| report.readiness)
            .unwrap_or_else(|error| Readiness {
                missing: vec![error],
                ..Readiness::default()
            })),
    }
}
