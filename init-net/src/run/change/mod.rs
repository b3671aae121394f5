//! Other sources while a supervisor runs: `apply`, `confirm`, `rollback`, SIGHUP. The supervisor's side.
//!
//! ```text
//!             apply ──────────────► in force ◄──── confirm, or every probe
//!               │ --confirm-within                    ▲
//!               └───────────────► to be confirmed ────┤
//!                                                     ▼
//!                      the sources before ◄──── rollback, or the time is over
//! ```
//!
//! A change is in the state file before anything of it is done: whoever comes after a `kill -9` knows when it goes back.

mod client;
pub mod lockout;

pub use client::{Net, apply, confirm, progress, rollback};

use super::core::{Ending, Event, Pending, Reply, Request, Source};
use super::report::HandedOff;
use super::shell::{Shell, SourceEvent};
use super::slots::{self, Slots};
use super::sources::{self, Read};
use super::state_file::{self, SavedSources, SavedText, StateFile};
use super::{boot, log_diagnostic, log_if, remote};
use crate::compile;
use crate::config::{Diagnostic, Document, Severity};
use crate::sys;
use crate::value::Duration;

/// Sources that are kept to go back to: the last ones, and those before.
const MAX_HISTORY: usize = 2;

/// Bytes of sources that are kept beside the last ones: both go into the state file.
const MAX_OLDER: usize = 4 << 20;

/// Longest time that a change may wait for its confirmation, seconds: a day.
const MAX_CONFIRM: u64 = 24 * 60 * 60;

/// The sources in force, and those before them.
pub struct Changes {
    /// In force.
    pub read: Read,
    /// `apply` brought them.
    applied: bool,
    /// The last ones last.
    history: Vec<SavedSources>,
    handed_off: HandedOff,
}

impl Changes {
    /// `read` are the sources of `state`.
    pub fn new(read: Read, state: &StateFile) -> Self {
        Self {
            read,
            applied: state.applied,
            history: state.history.clone(),
            handed_off: state.handed_off.clone(),
        }
    }

    /// The supervisor starts: a config that no boot has counted is counted.
    pub fn start(&mut self, shell: &mut Shell) {
        if let Some(slots) = &mut shell.slots
            && self.handed_off.reason.is_none()
        {
            slots.begin();
            self.handed_off.config = slots.note();
        }
        self.tell_config(shell);
    }

    /// Tells why the config in force is not the one that was found: of what `apply` brought there is nothing to tell.
    fn tell_config(&self, shell: &mut Shell) {
        let note = self.handed_off.config.clone();
        shell.core.set_config_note(note.filter(|_| !self.applied));
    }

    /// Once the wait level is reached, what a boot found has worked.
    pub fn keep_good(&self, shell: &mut Shell) {
        let core = &shell.core;
        if let Some(slots) = &mut shell.slots
            && !slots.is_done()
            && core.readiness().reached(core.settings().wait)
        {
            slots.reached(core.fetched());
        }
    }

    /// Does one thing that is to become of the sources; `false`: there is none.
    pub fn serve(&mut self, shell: &mut Shell) -> bool {
        match shell.next_change() {
            None => return false,
            Some(SourceEvent::Request(id, request)) => {
                let reply = match self.answer(shell, request) {
                    Ok(()) => Reply::Ok(serde_json::Value::Null),
                    Err(why) => Reply::Error(why),
                };
                shell.reply(id, reply);
            }
            Some(SourceEvent::Ended(Ending::Confirmed)) => {
                self.confirmed(shell, "confirmed by every probe");
            }
            Some(SourceEvent::Ended(Ending::Unconfirmed(missing))) => {
                log::warn!("the change was not confirmed in time: {missing}; it goes back");
                let ended = format!("went back: {missing}");
                if let Err(error) = self.go_back(shell, &ended) {
                    log::error!("{error}");
                }
            }
        }
        true
    }

    fn answer(&mut self, shell: &mut Shell, request: Request) -> Result<(), String> {
        match request {
            Request::Apply {
                cmdline,
                configs,
                confirm_within,
                confirm_by_probe,
                replace,
            } => {
                let net = match confirm_within {
                    None => None,
                    Some(seconds @ 1..=MAX_CONFIRM) => Some(Pending {
                        deadline: sys::clock::now() + Duration::from_secs(seconds),
                        by_probe: confirm_by_probe,
                    }),
                    Some(_) => return Err("the time to confirm is from 1 s to 24 h".into()),
                };
                self.apply(shell, cmdline, configs, net, replace)
            }
            Request::Confirm => {
                if shell.core.pending_change().is_none() {
                    return Err("no change waits for its confirmation".into());
                }
                self.confirmed(shell, "confirmed");
                Ok(())
            }
            Request::Rollback => self.go_back(shell, "rolled back"),
            _ => Err("not about the sources".into()),
        }
    }

    /// `init-net apply`: other sources in place of the present ones, from now on and after a restart.
    fn apply(
        &mut self,
        shell: &mut Shell,
        cmdline: Option<String>,
        configs: Vec<SavedText>,
        net: Option<Pending>,
        replace: bool,
    ) -> Result<(), String> {
        let pending = shell.core.pending_change();
        if let Some(pending) = pending.filter(|_| !replace) {
            let left = pending.deadline.saturating_since(sys::clock::now());
            return Err(format!(
                "a change waits for its confirmation for {} s more: confirm it, roll it back, or \
                 apply with --replace",
                left.as_secs()
            ));
        }
        let kept = cmdline.is_none().then(|| self.read.cmdline.clone());
        let read = match &kept {
            Some(kept) => sources::parse_boot(kept, configs),
            None => sources::parse(&cmdline.unwrap_or_default(), "cmdline", configs),
        };
        refuse_errors(&faults(&read, kept.is_some(), shell))?;
        let probes = read
            .documents
            .iter()
            .any(|document| !document.probes.is_empty());
        if net.is_some_and(|net| net.by_probe) && !probes {
            return Err("no probe is configured that could confirm the change".into());
        }
        log::info!("apply: {} sources", read.documents.len());
        let before = (self.applied, self.history.clone(), shell.slots.take());
        // What was never confirmed is nothing to go back to.
        if pending.is_none() {
            self.remember();
        }
        self.applied = true;
        self.take(shell, read, net, None).inspect_err(|_| {
            (self.applied, self.history, shell.slots) = before;
        })
    }

    /// SIGHUP: files are read again. The command line stays that of the boot, what was fetched stays as it is.
    pub fn reload(&mut self, shell: &mut Shell) {
        let mut read = sources::parse_boot(&self.read.cmdline, Vec::new());
        sources::local_configs(&mut read);
        let slots = Slots::open(&mut read);
        let refusal = if shell.core.pending_change().is_some() {
            Some("a change waits for its confirmation".to_owned())
        } else {
            let faults = faults(&read, true, shell);
            faults.iter().for_each(log_diagnostic);
            (!faults.is_empty()).then(|| "the files have errors".to_owned())
        };
        if let Some(why) = refusal {
            log::error!("reload refused: {why}; what was in force stays");
            return;
        }
        log::info!("reload: {} sources", read.documents.len());
        if read.configs != self.read.configs {
            self.remember();
        }
        self.applied = false;
        self.handed_off.config = slots.as_ref().and_then(Slots::note);
        shell.slots = slots;
        log_if(self.take(shell, read, None, None));
    }

    fn confirmed(&mut self, shell: &mut Shell, ended: &str) {
        log::info!("the change stays: {ended}");
        shell.core.watch_change(None, Some(ended.to_owned()));
        log_if(self.save(shell));
    }

    /// The sources before the present ones come back, by the ordinary plan.
    fn go_back(&mut self, shell: &mut Shell, ended: &str) -> Result<(), String> {
        let back = self
            .history
            .pop()
            .ok_or("there are no earlier sources to go back to")?;
        log::info!("rollback: {} machine configs", back.configs.len());
        self.applied = back.applied;
        let mut read = sources::parse_boot(&back.cmdline, back.configs);
        shell.slots = boot_slots(&mut read, back.applied);
        self.take(shell, read, None, Some(ended.to_owned()))
    }

    /// Keeps the present sources to go back to.
    fn remember(&mut self) {
        let present = SavedSources {
            cmdline: self.read.cmdline.clone(),
            configs: self.read.configs.clone(),
            applied: self.applied,
        };
        let older: usize = self.history.iter().map(SavedSources::bytes).sum();
        if older > MAX_OLDER {
            self.history.clear();
        }
        self.history.push(present);
        let surplus = self.history.len().saturating_sub(MAX_HISTORY);
        self.history.drain(..surplus);
    }

    /// Makes `read` the sources in force: first in the state file, then in the kernel. An error: that could not be, and `read`
    /// is to be confirmed, so that nobody would know when it goes back. Then those before stay.
    fn take(
        &mut self,
        shell: &mut Shell,
        read: Read,
        net: Option<Pending>,
        ended: Option<String>,
    ) -> Result<(), String> {
        read.diagnostics.iter().for_each(log_diagnostic);
        let before = core::mem::replace(&mut self.read, read);
        let pending = shell.core.pending_change();
        shell.core.watch_change(net, ended);
        if let Err(error) = self.save(shell) {
            if net.is_some() {
                self.read = before;
                shell.core.watch_change(pending, None);
                return Err(format!("nothing is applied: {error}"));
            }
            log::error!("{error}");
        }
        let (documents, sources) = documents(&self.read, shell);
        if let Some(slots) = &mut shell.slots {
            slots.begin();
        }
        self.tell_config(shell);
        shell.push(Event::Documents(documents, sources));
        Ok(())
    }

    /// Writes the state file.
    pub fn save(&self, shell: &Shell) -> Result<(), String> {
        let mut state = boot::state(shell, &self.read, &self.handed_off)?;
        state.applied = self.applied;
        state.history.clone_from(&self.history);
        state.pending = shell.core.pending_change();
        boot::write(state_file::NAME, 0o600, &state.render())
    }
}

/// The slots of what a boot reads: what `apply` brought is none of their business.
pub fn boot_slots(read: &mut Read, applied: bool) -> Option<Slots> {
    if applied { None } else { Slots::open(read) }
}

/// What `read` and what was fetched for it say, and what is to be fetched.
fn documents(read: &Read, shell: &Shell) -> (Vec<Document>, Vec<Box<dyn Source>>) {
    let sources = slots::guarded(shell.slots.as_ref(), &read.documents);
    let mut documents = read.documents.clone();
    documents.extend(remote::documents(&sources, shell.core.fetched()).0);
    (documents, sources)
}

/// The errors that keep `read` from being taken: those of its texts, and those that it makes together with this machine and
/// that the present sources do not make. With the command line of the boot (`old_line`) its own errors do not count: they
/// were there before, and a boot takes what it can get.
fn faults(read: &Read, old_line: bool, shell: &Shell) -> Vec<Diagnostic> {
    let boot = if old_line {
        sources::parse_boot(&read.cmdline, Vec::new()).diagnostics
    } else {
        Vec::new()
    };
    let error = |fault: &&Diagnostic| fault.severity == Severity::Error;
    let own = read.diagnostics.iter().filter(error);
    let mut faults: Vec<Diagnostic> = own.filter(|fault| !boot.contains(fault)).cloned().collect();
    let core = &shell.core;
    if let Some(observed) = core.last_observed() {
        let (documents, _) = documents(read, shell);
        let (_, together) = compile::compile(&documents, &observed.links);
        let known: Vec<&Diagnostic> = core.diagnostics().collect();
        let new = together.iter().filter(error);
        faults.extend(new.filter(|fault| !known.contains(fault)).cloned());
    }
    faults
}

fn refuse_errors(faults: &[Diagnostic]) -> Result<(), String> {
    if faults.is_empty() {
        return Ok(());
    }
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Err(format!(
        "nothing is applied: the sources have errors\n{}",
        faults.join("\n")
    ))
}
