//! `wait`: readiness as an exit code.

use super::core::{Readiness, Reply, Request};
use super::{control, live};
use crate::config::WaitLevel;
use crate::sys;
use crate::value::Duration;

/// How often the supervisor is asked: a person does not notice, a machine is not kept awake.
const PERIOD: Duration = Duration::from_millis(50);

/// Waits until `level` is reached, at most `timeout`; `any`: on one link. Otherwise what is missing.
pub fn wait(
    level: WaitLevel,
    timeout: Duration,
    any: bool,
) -> Result<Result<(), Vec<String>>, String> {
    let until = sys::clock::now() + timeout;
    loop {
        // A supervisor that is just starting or busy is asked again.
        let readiness = current().unwrap_or_else(|error| Readiness {
            missing: vec![error],
            ..Readiness::default()
        });
        if readiness.reached(level) || (any && readiness.any(level)) {
            return Ok(Ok(()));
        }
        if sys::clock::now() >= until {
            return Ok(Err(readiness.missing));
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
        None => Ok(live::report()
            .map(|report| report.readiness)
            .unwrap_or_else(|error| Readiness {
                missing: vec![error],
                ..Readiness::default()
            })),
    }
}
