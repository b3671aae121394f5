//! Commands that ask a running supervisor, or the kernel when none runs: `get`, `explain`, `timeline`.

use serde_json::{Value, json};

use super::args::GetOutput;
use super::{table, yaml};
use crate::compile;
use crate::run::control;
use crate::run::core::{Readiness, Reply, Request};
use crate::run::facts::{Facts, KINDS};
use crate::run::observe;
use crate::run::report::Report;
use crate::run::rtnetlink::Rtnetlink;
use crate::run::sources::Sources;
use crate::sys;

type Exit = Result<u8, String>;

pub fn get(kind: &str, id: Option<&str>, output: GetOutput) -> Exit {
    if !KINDS.contains(&kind) {
        return Err(format!("no such kind: {kind}; one of {}", KINDS.join(", ")));
    }
    let mut resources = match ask(&Request::Get {
        kind: kind.to_owned(),
    })? {
        Some(Value::Array(resources)) => resources,
        Some(_) => return Err("the supervisor answered something else than resources".into()),
        None => from_kernel(|facts| facts.get(kind)).map(Option::unwrap_or_default)?,
    };
    if let Some(id) = id {
        resources.retain(|resource| resource.get("id").and_then(Value::as_str) == Some(id));
        if resources.is_empty() {
            return Err(format!("{kind}: nothing is called {id}"));
        }
    }
    print(kind, resources, output)
}

pub fn explain(id: &str) -> Exit {
    let text = match ask(&Request::Explain { id: id.to_owned() })? {
        Some(Value::String(text)) => Some(text),
        Some(_) => None,
        None => from_kernel(|facts| facts.explain(id))?,
    };
    match text {
        Some(text) => {
            println!("{text}");
            Ok(0)
        }
        None => Err(format!("nothing here is called {id}")),
    }
}

pub fn timeline(output: GetOutput) -> Exit {
    let report = report()?;
    let rows: Vec<Value> = report
        .timeline
        .stages()
        .iter()
        .map(|stage| {
            let took = stage.end.map(|end| {
                format!(
                    "{:.1} ms",
                    end.saturating_since(stage.start).as_secs_f64() * 1e3
                )
            });
            json!({
                "id": stage.name,
                "start": format!("{:.3} s", stage.start.as_nanos() as f64 / 1e9),
                "took": took.unwrap_or_else(|| "not finished".into()),
            })
        })
        .collect();
    print("timeline", rows, output)
}

/// The report that the boot or the supervisor left.
pub fn report() -> Result<Report, String> {
    let path = std::path::Path::new(crate::run::RUN_DIR).join(crate::run::report::NAME);
    let bytes = sys::file::read(&path, crate::run::state_file::MAX_LEN)
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
    let mut rtnetlink = Rtnetlink::open().map_err(|error| format!("netlink: {error}"))?;
    let observed = observe::observe(&mut rtnetlink, [], sys::clock::now())
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
    }))
}

fn print(kind: &str, resources: Vec<Value>, output: GetOutput) -> Exit {
    match output {
        GetOutput::Table => print!("{}", table::render(kind, &resources)),
        GetOutput::Json => {
            println!(
                "{}",
                serde_json::to_string_pretty(&Value::Array(resources)).map_err(|e| e.to_string())?
            );
        }
        GetOutput::Yaml => print!("{}", yaml::render(&Value::Array(resources))),
    }
    Ok(0)
}
