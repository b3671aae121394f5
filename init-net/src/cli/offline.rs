//! Commands that read sources and, at most, the kernel: `check`, `compile`, `plan`, `apply`.

use super::args::{CheckOutput, DataOutput, SourceArgs};
use super::{style, yaml};
use crate::compile;
use crate::config::Diagnostic;
use crate::config::diagnostic::Severity;
use crate::plan;
use crate::run::observe;
use crate::run::rtnetlink::Rtnetlink;
use crate::run::sources::ObservedFrom;
use crate::run::{apply as apply_ops, offline_platform};
use crate::state::{Desired, Observed};
use crate::sys;

/// Most rounds of `apply` until the plan is empty: what depends on what is planned round by round.
const MAX_ROUNDS: usize = 8;

type Exit = Result<u8, String>;

/// Reads everything and compiles it.
fn compiled(sources: &SourceArgs) -> Result<(Desired, Vec<Diagnostic>), String> {
    let sources = sources.sources();
    let mut read = sources.read()?;
    offline_platform::fetch(&sources, &mut read)?;
    let (desired, diagnostics) = compile::compile(&read.documents, &sources.links()?);
    read.diagnostics.extend(diagnostics);
    Ok((desired, read.diagnostics))
}

fn errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
}

pub fn check(sources: &SourceArgs, output: CheckOutput) -> Exit {
    let (_, diagnostics) = compiled(sources)?;
    match output {
        CheckOutput::Text => style::print(&diagnostics),
        CheckOutput::Json => println!(
            "{}",
            serde_json::to_string_pretty(&diagnostics).map_err(|e| e.to_string())?
        ),
    }
    Ok(u8::from(errors(&diagnostics)))
}

pub fn compile(sources: &SourceArgs, output: DataOutput) -> Exit {
    let (desired, diagnostics) = compiled(sources)?;
    style::print(&diagnostics);
    let value = serde_json::to_value(&desired).map_err(|e| e.to_string())?;
    match output {
        DataOutput::Json => println!(
            "{}",
            serde_json::to_string_pretty(&value).map_err(|e| e.to_string())?
        ),
        DataOutput::Yaml => print!("{}", yaml::render(&value)),
    }
    Ok(u8::from(errors(&diagnostics)))
}

pub fn plan(sources: &SourceArgs) -> Exit {
    let (desired, diagnostics) = compiled(sources)?;
    style::print(&diagnostics);
    let observed = match sources.sources().observed {
        ObservedFrom::Kernel => look(&mut open()?, &desired)?,
        // Against links that were given, or none: everything is still to do.
        ObservedFrom::Nothing | ObservedFrom::File(_) => Observed {
            links: sources.sources().links()?,
            ..Observed::default()
        },
    };
    let ops = plan::plan(&desired, &observed);
    for op in &ops {
        println!("{op}");
    }
    Ok(if ops.is_empty() { 0 } else { 2 })
}

pub fn apply(sources: &SourceArgs) -> Exit {
    let (desired, diagnostics) = compiled(sources)?;
    style::print(&diagnostics);
    let mut rtnetlink = open()?;
    for _ in 0..MAX_ROUNDS {
        let observed = look(&mut rtnetlink, &desired)?;
        let ops = plan::plan(&desired, &observed);
        if ops.is_empty() {
            return Ok(0);
        }
        let mut failed = false;
        for outcome in apply_ops::apply(&mut rtnetlink, ops) {
            match outcome.result {
                Ok(()) => println!("{}", outcome.op),
                Err((_, error)) => {
                    failed = true;
                    eprintln!("init-net: error: {}: {error}", outcome.op);
                }
            }
        }
        if failed {
            return Ok(1);
        }
    }
    Err(format!(
        "not settled after {MAX_ROUNDS} rounds: somebody undoes the changes"
    ))
}

fn open() -> Result<Rtnetlink, String> {
    Rtnetlink::open().map_err(|error| format!("netlink: {error}"))
}

fn look(rtnetlink: &mut Rtnetlink, desired: &Desired) -> Result<Observed, String> {
    observe::observe(rtnetlink, desired.files.keys().cloned(), sys::clock::now())
        .map_err(|error| error.to_string())
}
