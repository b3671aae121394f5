//! What a running supervisor knows, or the kernel when none runs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::control;
use super::core::{Readiness, Record, Reply, Request};
use super::facts::Facts;
use super::kernel::Kernel;
use super::observe;
use super::report::{self, Report};
use super::sample::Sample;
use super::sources::Sources;
use super::{RUN_DIR, state_file};
use crate::compile;
use crate::state::Desired;
use crate::sys;
use crate::value::Moment;

/// Resources of `kind`, which is a first name of [`super::kinds`].
pub fn get(kind: &str) -> Result<Vec<Value>, String> {
    match ask(&Request::Get {
        kind: kind.to_owned(),
    })? {
        Some(Value::Array(resources)) => Ok(resources),
        Some(_) => Err("the supervisor answered something else than resources".into()),
        None => from_kernel(kind, |facts| facts.get(kind)),
    }
}

/// Resources of several kinds, and whether a supervisor gave them; without one the kernel is looked at once.
pub fn several<const N: usize>(kinds: &[&str; N]) -> Result<(bool, [Vec<Value>; N]), String> {
    let mut answers = [const { Vec::new() }; N];
    for (kind, slot) in kinds.iter().zip(&mut answers) {
        let request = Request::Get {
            kind: (*kind).to_owned(),
        };
        match ask(&request)? {
            Some(Value::Array(resources)) => *slot = resources,
            Some(_) => return Err("the supervisor answered something else than resources".into()),
            None => {
                let all = |facts: &Facts<'_>| kinds.map(|kind| facts.get(kind));
                return from_kernel("", all).map(|answers| (false, answers));
            }
        }
    }
    Ok((true, answers))
}

/// Where what `id` names comes from; `None`: nothing is called that.
pub fn explain(id: &str) -> Result<Option<String>, String> {
    match control::ask(&Request::Explain { id: id.to_owned() })? {
        Some(Reply::Ok(Value::String(text))) => Ok(Some(text)),
        Some(_) => Ok(None),
        None => from_kernel("", |facts| facts.explain(id)),
    }
}

/// Counters and gauges in the text form of OpenMetrics.
pub fn metrics() -> Result<String, String> {
    match ask(&Request::Metrics)? {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err("the supervisor answered something else than a text".into()),
        None => Err("no supervisor runs: there is nothing that counts".into()),
    }
}

/// The report that the boot or the supervisor left.
pub fn report() -> Result<Report, String> {
    let path = std::path::Path::new(RUN_DIR).join(report::NAME);
    let bytes = sys::file::read(&path, state_file::MAX_LEN)
        .map_err(|error| format!("{}: {error}; has a boot run?", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// `None`: no supervisor runs.
fn ask(request: &Request) -> Result<Option<Value>, String> {
    match control::ask(request)? {
        Some(Reply::Ok(value)) => Ok(Some(value)),
        Some(Reply::Error(error)) => Err(error),
        None => Ok(None),
    }
}

/// Answers about `kind` from what a boot would read and from the kernel.
fn from_kernel<T>(kind: &str, answer: impl FnOnce(&Facts<'_>) -> T) -> Result<T, String> {
    let read = Sources::default().read()?;
    let mut kernel = Kernel::open().map_err(|error| format!("netlink: {error}"))?;
    let nothing = Desired::default();
    let now = sys::clock::now();
    let observed =
        observe::observe_all(&mut kernel, &nothing, now).map_err(|error| error.to_string())?;
    let (desired, _) = compile::compile(&read.documents, &observed.links);
    // Parameters, cards, keys and files are looked at by name.
    let observed =
        observe::observe_all(&mut kernel, &desired, now).map_err(|error| error.to_string())?;
    let sample = Sample::take(&mut kernel, kind, &observed.links, now);
    let at = Moment {
        boot: now,
        wall: sys::clock::wall(),
    };
    let readiness = report()
        .map(|report| report.readiness)
        .unwrap_or_else(|_| Readiness::default());
    Ok(answer(&Facts {
        desired: &desired,
        observed: &observed,
        leases: &[],
        readiness: &readiness,
        probes: &BTreeMap::new(),
        vips: &BTreeMap::new(),
        standing: &Value::Null,
        record: &Record::of_one_look(&desired, &observed, at),
        sample: &sample,
        now,
    }))
}
