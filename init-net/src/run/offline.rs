//! Work on sources without a boot: `check`, `compile`, `plan`, `apply`, `schema`.

use serde_json::Value;

use super::change::lockout::Around;
use super::change::{self, Net};
use super::core::{Reply, Request, needs};
use super::kernel::Kernel;
use super::sources::{self, ObservedFrom, Read, Sources};
use super::state_file::SavedText;
use super::{
    apply as apply_ops, boot, control, managed, modules, observe, offline_platform, remote,
    supervise,
};
use crate::config::diagnostic::Severity;
use crate::config::{Diagnostic, Document, Meanwhile};
use crate::plan;
use crate::state::{Desired, Observed, Op};
use crate::sys;
use crate::value::{Gather as _, Layer};

/// A boot takes what it can get; a person who applies is told first.
const NOTHING_APPLIED: &str = "nothing is applied: the sources have errors";

/// Most rounds of `apply` until the plan is empty: what depends on what is planned round by round. As many as a supervisor
/// takes (`core::MAX_ROUNDS`): 8 levels of links on links, and what is on them.
const MAX_ROUNDS: usize = 16;

/// Reads everything and compiles it: what is desired, and everything that is wrong with the sources.
pub fn compile(sources: &Sources) -> Result<(Desired, Vec<Diagnostic>), String> {
    let mut read = sources.read()?;
    offline_platform::fetch(sources, &mut read)?;
    compile_read(sources, read)
}

/// The same of what has been read of them.
fn compile_read(sources: &Sources, mut read: Read) -> Result<(Desired, Vec<Diagnostic>), String> {
    let links = sources.links()?;
    read.documents.push(meanwhile(sources, &read));
    let (mut desired, mut diagnostics) = crate::compile::compile(&read.documents, &links);
    // What this boot has leased and fetched counts, too, where its links are meant.
    let kept = if sources.observed == ObservedFrom::Kernel {
        kept(sources, &read, &desired)
    } else {
        Vec::new()
    };
    if !kept.is_empty() {
        read.documents.extend(kept);
        (desired, diagnostics) = crate::compile::compile(&read.documents, &links);
    }
    read.diagnostics.extend(diagnostics);
    read.diagnostics.extend(managed::warnings(&desired));
    Ok((desired, read.diagnostics))
}

/// A source of the boot that nobody here has asked may say what the firewall is to be: what is in force stays then.
fn meanwhile(sources: &Sources, read: &Read) -> Document {
    let fetched = supervise::state_of_this_boot().map(|state| state.fetched);
    let fetched = fetched.unwrap_or_default();
    let boot = remote::sources(&read.documents);
    let asked = boot
        .iter()
        .all(|source| !source.is_named() || fetched.contains_key(&source.name()));
    let mut document = Document::empty(Layer::Default, "built-in default");
    document.firewall.meanwhile = Some(Meanwhile {
        awaited: sources.is_boot() && !asked,
        closed: false,
    });
    document
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
    documents.extend(state.leases.documents(desired));
    documents
}

/// The JSON Schema of a document of a machine config.
pub fn schema() -> Value {
    crate::config::machine::schema()
}

/// Whether `check` says no.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// The ops that would run, as text, all rounds of them: the supervisor's own when it is asked about the sources it keeps.
pub fn plan(sources: &Sources) -> Result<(Vec<String>, Vec<Diagnostic>), String> {
    if sources.is_boot()
        && sources.observed == ObservedFrom::Kernel
        && let Some(ops) = plan_of_the_supervisor()?
    {
        return Ok((ops, Vec::new()));
    }
    let (desired, diagnostics) = compile(sources)?;
    let observed = match sources.observed {
        ObservedFrom::Kernel => look(&mut open()?, &desired)?,
        // Against links that were given, or none: everything is still to do.
        ObservedFrom::Nothing | ObservedFrom::File(_) => Observed {
            links: sources.links()?,
            ..Observed::default()
        },
    };
    let ops = plan::ahead(&desired, &observed);
    Ok((
        ops.iter().map(|op| format!("{op:#}")).collect(),
        diagnostics,
    ))
}

/// What would be done to the firewall by the supervisor, or else by what a boot would read; `None`: it is as it should be.
pub fn firewall_op() -> Result<Option<String>, String> {
    let (ops, _) = plan(&Sources::default())?;
    // Nothing else is done by nft(8).
    Ok(ops.into_iter().find(|op| op.starts_with("nft ")))
}

fn plan_of_the_supervisor() -> Result<Option<Vec<String>>, String> {
    let Some(Reply::Ok(Value::Array(ops))) = control::ask(&Request::Plan)? else {
        return Ok(None);
    };
    Ok(Some(
        ops.iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    ))
}

/// One op that `apply` did, or what the kernel said against it.
pub type Done = (String, Result<(), String>);

/// Makes the kernel agree with `sources`. `report` hears of every op that is done here, and of those that fail; a supervisor,
/// where one runs, does them itself. `Ok(false)`: some failed.
pub fn apply(
    sources: &Sources,
    net: Net,
    diagnostics: impl FnOnce(&[Diagnostic]),
    report: impl FnMut(Done),
) -> Result<bool, String> {
    match control::ask(&Request::Status)? {
        Some(_) => apply_by_supervisor(sources, net, diagnostics, report),
        None if net.confirm_within.is_some() => {
            Err("no supervisor runs: nobody would go back to what was before".into())
        }
        None => apply_here(sources, net, diagnostics, report),
    }
}

/// The supervisor takes the sources, so that it does not undo them; the command ends when it has done what it can.
fn apply_by_supervisor(
    sources: &Sources,
    net: Net,
    diagnostics: impl FnOnce(&[Diagnostic]),
    report: impl FnMut(Done),
) -> Result<bool, String> {
    if sources.platform.is_some() {
        return Err("a running supervisor asks its platform itself: leave --platform out".into());
    }
    let read = sources.read()?;
    diagnostics(&read.diagnostics);
    if has_errors(&read.diagnostics) {
        return Err(NOTHING_APPLIED.into());
    }
    if !sources.is_boot() {
        let cmdline = sources.cmdline.is_some().then(|| read.cmdline.clone());
        guard_change(cmdline, read.configs.clone(), net.force)?;
    }
    change::apply(sources, read, net)?;
    settle(report)
}

/// Goes back to the sources before the last change; as [`apply`].
pub fn rollback(force: bool, report: impl FnMut(Done)) -> Result<bool, String> {
    let state = supervise::state_of_this_boot();
    if let Some(back) = state.and_then(|state| state.history.last().cloned()) {
        guard_change(Some(back.cmdline), back.configs, force)?;
    }
    change::rollback()?;
    settle(report)
}

/// Refuses sources that lock people out when the supervisor takes them: with what it has fetched, and without a command line
/// with the one it has.
fn guard_change(
    cmdline: Option<String>,
    configs: Vec<SavedText>,
    force: bool,
) -> Result<(), String> {
    let state = supervise::state_of_this_boot().unwrap_or_default();
    let cmdline = cmdline.unwrap_or(state.cmdline);
    let mut read = sources::parse_boot(&cmdline, configs);
    let remote = remote::sources(&read.documents);
    let fetched = remote::documents(&remote, &state.fetched).0;
    read.documents.extend(fetched);
    let whole = Sources {
        cmdline: Some(cmdline),
        ..Sources::default()
    };
    guard(&compile_read(&whole, read)?.0, None, force)
}

/// Waits for the supervisor; `Ok(false)`: some ops fail.
fn settle(mut report: impl FnMut(Done)) -> Result<bool, String> {
    let failing = change::progress()?;
    let all = failing.is_empty();
    failing
        .into_iter()
        .for_each(|(op, error)| report((op, Err(error))));
    Ok(all)
}

/// Nobody else keeps the machine: the ops are done here.
fn apply_here(
    sources: &Sources,
    net: Net,
    diagnostics: impl FnOnce(&[Diagnostic]),
    mut report: impl FnMut(Done),
) -> Result<bool, String> {
    let (desired, faults) = compile(sources)?;
    diagnostics(&faults);
    if has_errors(&faults) {
        return Err(NOTHING_APPLIED.into());
    }
    guard(&desired, sources.metadata_url.as_deref(), net.force)?;
    // Nothing made it before us where no boot ran.
    boot::create_run_dir()?;
    modules::load(&needs(&desired));
    let mut kernel = open()?;
    let (mut all, mut tried_firewall) = (true, false);
    for _ in 0..MAX_ROUNDS {
        let observed = look(&mut kernel, &desired)?;
        let mut ops = plan::plan(&desired, &observed);
        if ops.is_empty() {
            return Ok(all);
        }
        // In force, or refused, before a link opens.
        let is_firewall = |op: &Op| matches!(op, Op::Firewall(_));
        if !tried_firewall && ops.iter().any(is_firewall) {
            ops.retain(is_firewall);
        }
        let mut done = false;
        for outcome in apply_ops::apply(&mut kernel, ops) {
            if is_firewall(&outcome.op) {
                // Somebody else changed rules meanwhile: once more, from what is there now.
                if matches!(outcome.result, Err((libc::ERESTART, _))) {
                    done = true;
                    continue;
                }
                // The rest has not been tried.
                done |= !core::mem::replace(&mut tried_firewall, true);
            }
            let result = outcome.result.map_err(|(_, error)| error);
            done |= result.is_ok();
            all &= result.is_ok();
            report((outcome.op.to_string(), result));
        }
        // Only what fails is left: another round would fail the same way.
        if !done {
            return Ok(all);
        }
    }
    Err(format!(
        "not settled after {MAX_ROUNDS} rounds: somebody undoes the changes"
    ))
}

/// How it is known who would be locked out.
const COMPARED: &str = "new connections get through what is in force, and not through this";

/// Refuses what would lock people out, unless they mean it. `url`: `--metadata-url`.
fn guard(desired: &Desired, url: Option<&str>, force: bool) -> Result<(), String> {
    if force {
        return Ok(());
    }
    let cut = locked_out(desired, url, &mut open()?)?;
    if cut.is_empty() {
        return Ok(());
    }
    let cut = cut.join("; ");
    Err(format!(
        "nothing is applied: the firewall would cut {cut} ({COMPARED}); --force applies it all the same"
    ))
}

/// Who gets through the firewall in force, and not through the one that is desired.
fn locked_out(
    desired: &Desired,
    url: Option<&str>,
    kernel: &mut Kernel,
) -> Result<Vec<String>, String> {
    let observed = look(kernel, desired)?;
    let before = observed.firewall.as_ref().map(|there| &there.table);
    let platform = desired.metadata.get("platform").cloned();
    let platform = platform.or_else(platform_of_the_supervisor);
    let around = Around {
        session: sys::session::ssh_connection(),
        metadata: change::lockout::metadata(platform.as_deref(), url),
    };
    Ok(change::lockout::cut(before, desired, &observed, &around))
}

/// The platform of which the supervisor has metadata: sources that are named need not say so.
fn platform_of_the_supervisor() -> Option<String> {
    let kind = "metadata".to_owned();
    match control::ask(&Request::Get { kind }) {
        Ok(Some(Reply::Ok(Value::Array(rows)))) => {
            let mut named = rows.iter().filter_map(|row| row.get("platform")?.as_str());
            named.next().map(str::to_owned)
        }
        _ => None,
    }
}

/// What applying `desired` on this machine would cut, as warnings of `check`: what `apply` refuses, supervisor or not. Nothing
/// where the sources are not for this machine, or the kernel does not tell what is in force.
pub fn lockout(sources: &Sources, desired: &Desired) -> Vec<Diagnostic> {
    if sources.observed != ObservedFrom::Kernel {
        return Vec::new();
    }
    let url = sources.metadata_url.as_deref();
    let cut = open().and_then(|mut kernel| locked_out(desired, url, &mut kernel));
    let warning = |what| {
        Diagnostic::new(Severity::Warning, format!("the firewall would cut {what}"))
            .with_effect(format!("apply refuses it without --force: {COMPARED}"))
    };
    cut.unwrap_or_default().into_iter().map(warning).collect()
}

fn open() -> Result<Kernel, String> {
    Kernel::open().map_err(|error| format!("netlink: {error}"))
}

fn look(kernel: &mut Kernel, desired: &Desired) -> Result<Observed, String> {
    let mut observed = observe::observe_all(kernel, desired, sys::clock::now())
        .map_err(|error| error.to_string())?;
    // What this boot has decided of the baseline stands.
    let state = supervise::state_of_this_boot();
    let decided = state.map(|state| state.decided).unwrap_or_default();
    observed.decided = decided.iter().filter_map(|key| key.parse().ok()).gather();
    Ok(observed)
}
