//! Commands that read sources and, at most, the kernel: `check`, `compile`, `plan`, `apply`.

use serde_json::Value;

use super::args::{CheckOutput, DataOutput, SourceArgs};
use super::{style, yaml};
use crate::compile;
use crate::config::diagnostic::Severity;
use crate::config::{Diagnostic, Document};
use crate::plan;
use crate::run::core::{Reply, Request};
use crate::run::rtnetlink::Rtnetlink;
use crate::run::sources::{ObservedFrom, Read, Sources};
use crate::run::{apply as apply_ops, control, observe, offline_platform, remote, supervise};
use crate::state::{Desired, Observed, OperatorKind};
use crate::sys;
use crate::value::Duration;

/// How long `apply` waits for a supervisor to settle.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most rounds of `apply` until the plan is empty: what depends on what is planned round by round.
const MAX_ROUNDS: usize = 8;

type Exit = Result<u8, String>;

/// Reads everything and compiles it.
fn compiled(args: &SourceArgs) -> Result<(Desired, Vec<Diagnostic>), String> {
    let sources = args.sources();
    let mut read = sources.read()?;
    offline_platform::fetch(&sources, &mut read)?;
    let links = sources.links()?;
    let (desired, mut diagnostics) = compile::compile(&read.documents, &links);
    // What this boot has leased and fetched counts, too, where its links are meant.
    let kept = if sources.observed == ObservedFrom::Kernel {
        kept(&sources, &read, &desired)
    } else {
        Vec::new()
    };
    if kept.is_empty() {
        read.diagnostics.extend(diagnostics);
        return Ok((desired, read.diagnostics));
    }
    read.documents.extend(kept);
    let (desired, again) = compile::compile(&read.documents, &links);
    diagnostics = again;
    read.diagnostics.extend(diagnostics);
    Ok((desired, read.diagnostics))
}

/// Documents of the state file of this boot: fetched ones when the sources are those of the boot, and the leases whose
/// operators `desired` has.
fn kept(sources: &Sources, read: &Read, desired: &Desired) -> Vec<Document> {
    let Some(state) = supervise::state_of_this_boot() else {
        return Vec::new();
    };
    let mut documents = Vec::new();
    if sources.is_boot() {
        documents.extend(remote::documents(&remote::sources(&read.documents), &state.fetched).0);
    }
    for saved in &state.leases {
        if let Some(operator) = desired
            .operators
            .get(&(saved.link_name.clone(), OperatorKind::Dhcp4))
        {
            documents.push(compile::lease::document(&saved.lease, operator).0);
        }
    }
    documents
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
    if sources.sources().is_boot()
        && let Some(Reply::Ok(Value::Array(ops))) = control::ask(&Request::Plan)?
    {
        ops.iter()
            .filter_map(Value::as_str)
            .for_each(|op| println!("{op}"));
        return Ok(changes(&ops));
    }
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
    ops.iter().for_each(|op| println!("{op}"));
    Ok(changes(&ops))
}

/// Exit code of `plan`: 0 nothing to do, 2 changes.
fn changes<T>(ops: &[T]) -> u8 {
    if ops.is_empty() { 0 } else { 2 }
}

pub fn apply(sources: &SourceArgs) -> Exit {
    match control::ask(&Request::Status)? {
        Some(_) => apply_by_supervisor(&sources.sources()),
        None => apply_here(sources),
    }
}

/// The supervisor takes the sources, so that it does not undo them; the command ends when its plan is empty.
fn apply_by_supervisor(sources: &Sources) -> Exit {
    let read = sources.read()?;
    style::print(&read.diagnostics);
    if errors(&read.diagnostics) {
        return Err("nothing is applied: the sources have errors".into());
    }
    let request = if sources.is_boot() {
        Request::Reconcile
    } else {
        let cmdline = sources.cmdline.is_some().then_some(read.cmdline);
        Request::Apply {
            cmdline,
            configs: read.configs,
        }
    };
    if let Some(Reply::Error(error)) = control::ask(&request)? {
        return Err(error);
    }
    let until = sys::clock::now() + SETTLE_TIMEOUT;
    loop {
        match control::ask(&Request::Plan)? {
            Some(Reply::Ok(Value::Array(ops))) if ops.is_empty() => return Ok(0),
            Some(Reply::Ok(Value::Array(ops))) if sys::clock::now() >= until => {
                let ops: Vec<&str> = ops.iter().filter_map(Value::as_str).collect();
                return Err(format!("still to do: {}", ops.join("; ")));
            }
            Some(_) => std::thread::sleep(Duration::from_millis(20)),
            None => return Err("the supervisor has ended".into()),
        }
    }
}

/// Nobody else keeps the machine: the ops are done here.
fn apply_here(sources: &SourceArgs) -> Exit {
    let (desired, diagnostics) = compiled(sources)?;
    style::print(&diagnostics);
    let mut rtnetlink = open()?;
    let mut code = 0;
    for _ in 0..MAX_ROUNDS {
        let observed = look(&mut rtnetlink, &desired)?;
        let ops = plan::plan(&desired, &observed);
        if ops.is_empty() {
            return Ok(code);
        }
        let mut done = false;
        for outcome in apply_ops::apply(&mut rtnetlink, ops) {
            match outcome.result {
                Ok(()) => {
                    done = true;
                    println!("{}", outcome.op);
                }
                Err((_, error)) => {
                    code = 1;
                    eprintln!("init-net: error: {}: {error}", outcome.op);
                }
            }
        }
        // Only what fails is left: another round would fail the same way.
        if !done {
            return Ok(code);
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
