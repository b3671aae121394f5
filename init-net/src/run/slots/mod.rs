//! `initnet.state=DIR`: the last machine config that worked, in two slots with a boot counter.
//!
//! Each boot counts the config that it found into a slot before anything of it is done; when the wait level is reached the
//! slot is good and the count is gone. A config that has been counted so often (`initnet.tries=`) and was never good is left
//! for the last good one, until it changes. The good slot is never written while the other one is tried, so a loss of power
//! at any moment leaves it whole. What `apply` brings is of one boot and is not counted.
//!
//! Nothing mounts the folder: whoever starts init-net does. Where it is missing that is said once.

mod file;
mod guard;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::boot::boot_config;
use super::core::{Fetched, Source};
use super::remote;
use super::sources::{self, Read, preference};
use super::state_file::SavedText;
use crate::config::{ConfigSource, Diagnostic, Document, Severity, pin};
use crate::sys;
use file::{NAMES, Pair, Slot, hash_of};
use guard::Guarded;

/// Boots in which a config may miss its wait level until it is left for the last good one: one of them may be the power
/// going out, and one the other end of the cable.
const TRIES: u32 = 3;

/// Largest file of a slot that is read or written, bytes: the largest config, its text escaped.
const MAX_SLOT: usize = 16 << 20;

/// The slots of this boot.
pub struct Slots {
    folder: PathBuf,
    pair: Pair,
    boot_id: String,
    /// What the image and the command line hold.
    local: Vec<SavedText>,
    /// What is fetched.
    sources: Vec<Box<dyn Source>>,
    left: Option<Left>,
    /// Why the config in force is not the one that was found.
    note: Option<String>,
    /// The config in force is known to be good.
    done: bool,
}

/// A config that is left for another one.
#[derive(Clone)]
pub(super) struct Left {
    hash: String,
    tries: u32,
    good: Vec<SavedText>,
}

impl Left {
    fn holds(&self, configs: &[SavedText]) -> bool {
        !configs.is_empty() && hash_of(configs) == self.hash
    }

    /// What is told of it.
    fn note(&self, configs: &[SavedText]) -> String {
        let name = configs.first().map_or("", |config| config.name.as_str());
        let good = self.good.first().map_or("", |config| config.name.as_str());
        format!(
            "{name} did not reach its wait level in {} boots: the last good config ({good}) is used",
            self.tries
        )
    }

    fn diagnostic(&self, configs: &[SavedText]) -> Diagnostic {
        Diagnostic::new(Severity::Warning, self.note(configs))
            .with_fix("change it: a config that differs in any byte is tried again")
            .with_effect("nothing of it applies")
    }
}

impl Slots {
    /// The slots that `read` names, after its local configs have been read. A config that is to be left is replaced in `read`
    /// by the last good one; so is one that is named and cannot be used. `None`: no folder is named, or it is not there.
    pub fn open(read: &mut Read) -> Option<Self> {
        let boot = boot_config(&read.documents);
        let folder = boot.state_dir.as_ref()?.value.clone();
        if !folder.is_dir() {
            read.diagnostics.push(
                Diagnostic::new(
                    Severity::Warning,
                    format!(
                        "initnet.state={}: there is no such folder",
                        folder.display()
                    ),
                )
                .with_fix("mount it before init-net starts: nothing here does")
                .with_effect("no machine config is kept for a later boot"),
            );
            return None;
        }
        let boot_id = sys::boot_id::read().unwrap_or_default();
        let pair = load(&folder, &mut read.diagnostics);
        let limit = boot.tries.as_ref().map_or(TRIES, |said| said.value);
        let pinned = |good: &Slot| match (&boot.config_sha256, good.configs.as_slice()) {
            (None, _) => true,
            (Some(pin), [only]) => pin::check(only.text.as_bytes(), Some(&pin.value)).is_ok(),
            (Some(_), _) => false,
        };
        let left = pair.left(&boot_id, limit).filter(|(_, good)| pinned(good));
        let left = left.map(|(candidate, good)| Left {
            hash: candidate.hash.clone(),
            tries: candidate.tries,
            good: good.configs.clone(),
        });
        let found = in_force(&read.configs);
        let mut note = None;
        if let Some(left) = left.as_ref().filter(|left| left.holds(&found)) {
            note = Some(left.note(&found));
            let rank = found
                .first()
                .map_or(preference::NAMED, |config| config.preference);
            let diagnostic = left.diagnostic(&found);
            replace(read, &left.good, rank);
            read.diagnostics.push(diagnostic);
        }
        let named = boot.config_inline.is_some()
            || matches!(&boot.config, Some(said) if matches!(said.value, ConfigSource::Path(_)));
        if let Some(good) = pair.good().filter(|good| named && pinned(good))
            && found
                .iter()
                .all(|config| config.preference > preference::NAMED)
        {
            let name = good
                .configs
                .first()
                .map_or("", |config| config.name.as_str());
            note = Some(format!(
                "the config that is named cannot be used: the last good one is ({name})"
            ));
            replace(read, &good.configs, preference::NAMED);
        }
        if let Some(note) = &note {
            tell(note);
        }
        Some(Self {
            folder,
            boot_id,
            local: read.configs.clone(),
            sources: remote::sources(&read.documents),
            left,
            note,
            done: false,
            pair,
        })
    }

    /// Before anything is done: counts what the image and the command line hold, unless something may yet come that stands
    /// before it.
    pub fn begin(&mut self) {
        let found = in_force(&self.local);
        let first = found.first().map(|config| config.preference);
        if self.sources.is_empty() || first.is_some_and(|first| first <= preference::NAMED) {
            self.count(&found);
        }
    }

    /// Something was fetched, and nothing of it is done yet.
    pub fn arrived(&mut self, fetched: &BTreeMap<String, Fetched>) {
        self.done = false;
        let found = self.current(fetched);
        if let Some(left) = self.left.as_ref().filter(|left| left.holds(&found)) {
            let note = left.note(&found);
            tell(&note);
            self.note = Some(note);
            return;
        }
        // What says nothing of a machine config changes nothing of why this one is in force.
        if hash_of(&found) != hash_of(&in_force(&self.local)) {
            self.note = None;
        }
        self.count(&found);
    }

    /// The boot ends for this reason. Without carrier no config could have worked: that does not count.
    pub fn handed_off(&mut self, reason: &str, fetched: &BTreeMap<String, Fetched>) {
        let found = self.current(fetched);
        match reason {
            "ready" | "nothing-to-wait-for" => self.reached(fetched),
            "no-carrier" => {
                let change = self.pair.uncount(&hash_of(&found), &self.boot_id);
                self.write(change);
            }
            _ => self.count(&found),
        }
    }

    /// The wait level is reached: what is in force is good.
    pub fn reached(&mut self, fetched: &BTreeMap<String, Fetched>) {
        if self.done {
            return;
        }
        self.done = true;
        let found = self.current(fetched);
        self.count(&found);
        let change = self.pair.mark_good(&hash_of(&found));
        self.write(change);
    }

    /// What is in force is known to have worked: there is nothing to do for it any more.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Why the config in force is not the one that was found.
    pub fn note(&self) -> Option<String> {
        self.note.clone()
    }

    /// The texts of the source that stands first.
    fn current(&self, fetched: &BTreeMap<String, Fetched>) -> Vec<SavedText> {
        let mut all = self.local.clone();
        all.extend(self.sources.iter().filter_map(|source| {
            let bodies = fetched.get(&source.name())?;
            source.config(bodies)
        }));
        in_force(&all)
    }

    fn count(&mut self, found: &[SavedText]) {
        if !found.is_empty() {
            let change = self.pair.count(found, &self.boot_id);
            self.write(change);
        }
    }

    /// Writes the slot that has changed, so that it survives a loss of power from now on.
    fn write(&mut self, changed: Option<usize>) {
        let Some((name, slot)) = changed.and_then(|at| {
            let slot = self.pair.0.get(at)?.as_ref()?;
            Some((NAMES.get(at)?, slot))
        }) else {
            return;
        };
        let path = self.folder.join(name);
        let bytes = slot.render();
        let written = if bytes.len() > MAX_SLOT {
            Err(std::io::ErrorKind::FileTooLarge.into())
        } else {
            sys::file::replace_for_good(&path, 0o600, &bytes)
        };
        if let Err(error) = written {
            log::error!("{}: {error}; the config is not kept", path.display());
        }
    }
}

/// What is fetched for `documents`, with a config that is to be left replaced by the last good one.
pub fn guarded(slots: Option<&Slots>, documents: &[Document]) -> Vec<Box<dyn Source>> {
    let sources = remote::sources(documents).into_iter();
    match slots.and_then(|slots| slots.left.as_ref()) {
        None => sources.collect(),
        Some(left) => sources
            .map(|source| Box::new(Guarded::new(source, left.clone())) as Box<dyn Source>)
            .collect(),
    }
}

/// Tells that another config is in force than the one that was found: as an error, which a quiet console shows.
fn tell(note: &str) {
    log::error!("{note}");
}

/// Of all configs those of the source that stands first.
fn in_force(configs: &[SavedText]) -> Vec<SavedText> {
    let first = configs.iter().map(|config| config.preference).min();
    let first = configs.iter().filter(|c| Some(c.preference) == first);
    first.cloned().collect()
}

/// `good` in place of the configs of `read`, with this rank.
fn replace(read: &mut Read, good: &[SavedText], rank: u8) {
    let faults = core::mem::take(&mut read.diagnostics);
    let good = good.iter().map(|config| SavedText {
        preference: rank,
        ..config.clone()
    });
    *read = sources::parse_boot(&read.cmdline, good.collect());
    // What was found stays to be read, the command line's without saying it twice.
    let own = core::mem::take(&mut read.diagnostics);
    let new = own.into_iter().filter(|fault| !faults.contains(fault));
    let new: Vec<Diagnostic> = new.collect();
    read.diagnostics = faults;
    read.diagnostics.extend(new);
}

/// Both slots. What is torn, too long or somebody else's is left alone, with a word.
fn load(folder: &std::path::Path, diagnostics: &mut Vec<Diagnostic>) -> Pair {
    Pair(NAMES.map(|name| {
        let path = folder.join(name);
        let slot = match sys::file::read(&path, MAX_SLOT) {
            Ok(bytes) => Slot::parse(&bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
        };
        slot.map_err(|why| {
            let fault = Diagnostic::new(Severity::Warning, format!("{}: {why}", path.display()))
                .with_effect("this slot of the last good config counts as empty");
            diagnostics.push(fault);
        })
        .ok()
    }))
}
