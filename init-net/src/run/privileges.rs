//! What a supervisor gives up once it runs: capabilities, system calls, places to write.
//!
//! It reads what strangers send for as long as the machine is up. What it can still do after a fault in that code is what
//! is listed here, and `get status -o json` shows it.

mod calls;
mod capabilities;
mod places;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::Serialize;

use crate::sys::capability::{self, Capability};
use crate::sys::{landlock, process, seccomp};

pub use calls::names as call_names;
pub use capabilities::Situation;

/// What is in force, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InForce {
    /// Capabilities that are left, of those that this program knows; empty: they were not touched, or root is not needed.
    pub capabilities: Vec<&'static str>,
    /// No program that is started gains anything by its file's mode.
    pub no_new_privs: bool,
    /// How many system calls are allowed; absent: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_calls: Option<usize>,
    /// Where files may still be written, or why that is not limited.
    pub files: String,
}

/// Gives up what is not needed (any more).
pub struct Privileges {
    /// [`Situation`] that the capabilities were cut for; `None`: not yet.
    cut_for: Option<Situation>,
    filtered: bool,
    /// Files may be written in [`places`] only.
    confined: bool,
    /// Where else than in [`places`] files are written.
    folders: Vec<PathBuf>,
    in_force: InForce,
    _kept: Vec<OwnedFd>,
}

impl Privileges {
    /// Nothing is given up yet, but for what the program before this one in this process had (`inherited`). Files are
    /// written in `folders` too.
    pub fn new(inherited: Inherited, folders: Vec<PathBuf>) -> Self {
        Self {
            cut_for: None,
            filtered: inherited.filtered,
            confined: inherited.confined,
            folders,
            in_force: InForce::default(),
            _kept: Vec::new(),
        }
    }

    /// What a program that this process becomes has to live with.
    pub fn inherited(&self) -> Inherited {
        Inherited {
            filtered: self.filtered,
            confined: self.confined,
        }
    }

    /// Whether there is anything left to give up: another look at the situation is worth it.
    pub fn may_tighten(&self) -> bool {
        self.cut_for.is_none_or(capabilities::may_tighten)
    }

    /// Gives up what `situation` no longer calls for. Answers what is in force, when that has changed. What a kernel cannot
    /// do is left, and said.
    pub fn tighten(&mut self, situation: Situation) -> Option<&InForce> {
        if self.cut_for == Some(situation) {
            return None;
        }
        self.cut_for = Some(situation);
        if let Err(error) = process::give_up_new_privileges() {
            log::warn!("no_new_privs: {error}");
        } else {
            self.in_force.no_new_privs = true;
        }
        self.cut(situation);
        self.confine(situation);
        self.filter();
        Some(&self.in_force)
    }

    fn cut(&mut self, situation: Situation) {
        let kept = capabilities::needed(situation);
        if let Err(error) = capability::keep(&kept) {
            log::warn!("capabilities: {error}");
        }
        match capability::effective(&capabilities::ALL) {
            Ok(left) => {
                self.in_force.capabilities = left.into_iter().map(Capability::name).collect()
            }
            Err(error) => log::warn!("capabilities: {error}"),
        }
    }

    fn confine(&mut self, situation: Situation) {
        if !self.confined {
            self.in_force.files = match (places::obstacle(situation), landlock::version()) {
                (Some(obstacle), _) => format!("not limited: {obstacle}"),
                (None, None) => "not limited: the kernel has no Landlock".to_owned(),
                (None, Some(version)) => {
                    match landlock::restrict(version, &places::writable(&self.folders)) {
                        Ok(kept) => {
                            self.confined = true;
                            self._kept = kept;
                            String::new()
                        }
                        Err(error) => {
                            log::warn!("landlock: {error}");
                            format!("not limited: {error}")
                        }
                    }
                }
            };
        }
        if self.confined {
            self.in_force.files = places::describe(&self.folders);
        }
    }

    fn filter(&mut self) {
        let calls = calls::allowed();
        if !self.filtered {
            match seccomp::install(&calls) {
                Ok(()) => self.filtered = true,
                Err(error) => log::warn!("seccomp: {error}"),
            }
        }
        self.in_force.system_calls = self.filtered.then_some(calls.len());
    }
}

/// What an earlier program of this process gave up for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inherited {
    /// System calls are filtered.
    pub filtered: bool,
    /// Files are written in [`places`] only.
    pub confined: bool,
}
