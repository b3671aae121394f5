//! What a running supervisor knows, or the kernel when none runs.

use serde_json::Value;

use super::control;
use super::core::{Readiness, Reply, Request};
use super::facts::Facts;
pub use super::facts::KINDS;
use super::kernel::Kernel;
use super::observe;
use super::report::{self, Report};
use super::sources::Sources;
use super::{RUN_DIR, state_file};
use crate::compile;
use crate::state::Desired;
use crate::sys;

/// Resources of `kind`.
pub fn get(kind: &str) -> Result<Vec<Value>, String> {
    match ask(&Request::Get {
        kind: kind.to_owned(),
    })? {
        Some(Value::Array(resources)) => Ok(resources),
        Some(_) => Err("the supervisor answered something else than resources".into()),
        None => from_kernel(|facts| facts.get(kind)).map(Option::unwrap_or_default),
    }
}

/// Where what `id` names comes from; `None`: nothing is called that.
pub fn explain(id: &str) -> Result<Option<String>, String> {
    match control::ask(&Request::Explain { id: id.to_owned() })? {
        Some(Reply::Ok(Value::String(text))) => Ok(Some(text)),
        Some(_) => Ok(None),
        None => from_kernel(|facts| facts.explain(id)),
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

/// Answers from what a boot would read and from the kernel.
fn from_kernel<T>(answer: impl FnOnce(&Facts<'_>) -> T) -> Result<T, String> {
    let read = Sources::default().read()?;
    let mut kernel = Kernel::open().map_err(|error| format!("netlink: {error}"))?;
    let nothing = Desired::default();
    let observed = observe::observe_all(&mut kernel, &nothing, sys::clock::now())
        .map_err(|error| error.to_string())?;
    let (desired, _) = compile::compile(&read.documents, &observed.links);
    let readiness = report()
        .map(|report| report.readiness)
        .unwrap_or_else(|_| Readiness::default());
    Ok(answer(&Facts {
        desired: &desired,
        observed: &observed,
        leases: &[],
        readiness: &readiness,
        process: &Value::Null,
    }))
}
