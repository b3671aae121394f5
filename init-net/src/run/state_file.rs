//! `/run/init-net/state.json`: what the next stage needs to go on as if nothing had happened.
//!
//! Untrusted when loaded: another boot id, another version, a lease that contradicts itself, a file of somebody else are
//! refused, and the boot starts afresh.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::core::{Fetched, Pending, SavedLeases, SavedVip, Timeline};
use super::report::HandedOff;
use crate::value::LinkName;

/// Name of the file in [`super::RUN_DIR`].
pub const NAME: &str = "state.json";

/// Bumped when a reader of the old form would misread the new one.
const VERSION: u32 = 1;

/// Largest file that is read, bytes: the largest sources that `apply` takes with those before them, and a platform's bodies.
pub const MAX_LEN: usize = 64 << 20;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StateFile {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// `/proc/sys/kernel/random/boot_id` of the writer.
    pub boot_id: String,
    /// The kernel command line that was used, whole.
    pub cmdline: String,
    /// Machine config: name of the source and its text, in order.
    pub configs: Vec<SavedText>,
    /// Why machine configs that the boot found are not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// They are what `apply` brought, not what a boot reads.
    #[serde(default)]
    pub applied: bool,
    /// Sources before these, the last ones last.
    #[serde(default)]
    pub history: Vec<SavedSources>,
    /// They are to be confirmed.
    #[serde(default)]
    pub pending: Option<Pending>,
    /// Bodies of what was fetched, by source.
    pub fetched: BTreeMap<String, Fetched>,
    /// Leases held, and what routers said.
    pub leases: SavedLeases,
    /// Names that links had, with their indexes.
    pub names: BTreeMap<LinkName, u32>,
    /// Addresses that were added by us (`link/prefix`): their marks, where the kernel keeps none.
    pub owned: Vec<String>,
    /// Addresses that conflict detection found free.
    pub verified: Vec<String>,
    /// Shared addresses that the machine had, by `link/address`.
    #[serde(default)]
    pub vips: BTreeMap<String, SavedVip>,
    /// Parameters of the baseline that were set or found right.
    #[serde(default)]
    pub decided: Vec<String>,
    /// The boot's stages.
    pub timeline: Timeline,
    /// What the boot stage ended with.
    pub handed_off: HandedOff,
}

/// Sources that were in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedSources {
    /// The kernel command line, whole.
    pub cmdline: String,
    /// Machine configs, in order.
    pub configs: Vec<SavedText>,
    /// `apply` brought them.
    pub applied: bool,
}

impl SavedSources {
    /// Bytes of all texts.
    pub fn bytes(&self) -> usize {
        let configs = self.configs.iter().map(|config| config.text.len());
        self.cmdline.len() + configs.sum::<usize>()
    }
}

/// A source that is text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedText {
    /// As diagnostics call it.
    pub name: String,
    /// All of it; may hold secrets (the file is 0600).
    pub text: String,
    /// Which source stands before which: `run::sources::preference`.
    pub preference: u8,
}

impl fmt::Debug for SavedText {
    /// Without the text: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.text.len())
    }
}

/// Why a state file is not used.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not JSON of this form.
    Malformed(String),
    /// Written by another version.
    Version(u32),
    /// Written during another boot.
    OtherBoot,
    /// A lease in it is impossible.
    Lease(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed: {error}"),
            Self::Version(version) => write!(f, "version {version}, not {VERSION}"),
            Self::OtherBoot => f.write_str("from another boot"),
            Self::Lease(why) => write!(f, "impossible lease: {why}"),
        }
    }
}

impl StateFile {
    /// An empty state of this boot.
    pub fn new(boot_id: impl Into<String>) -> Self {
        Self {
            version: VERSION,
            boot_id: boot_id.into(),
            ..Self::default()
        }
    }

    /// Reads `bytes`, written during the boot `boot_id`.
    pub fn parse(bytes: &[u8], boot_id: &str) -> Result<Self, Refusal> {
        // serde_json's messages name a line and a column, never the value.
        let state: Self =
            serde_json::from_slice(bytes).map_err(|error| Refusal::Malformed(error.to_string()))?;
        if state.version != VERSION {
            return Err(Refusal::Version(state.version));
        }
        if state.boot_id != boot_id {
            return Err(Refusal::OtherBoot);
        }
        state.leases.validate().map_err(Refusal::Lease)?;
        Ok(state)
    }

    /// The bytes to write.
    pub fn render(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data with string keys always serialises")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(bytes: &[u8], expect: &str) {
        let refusal = StateFile::parse(bytes, "boot-1").unwrap_err().to_string();
        assert!(refusal.contains(expect), "{refusal}");
    }

    #[test]
    fn round_trip() {
        let mut state = StateFile::new("boot-1");
        state.cmdline = "ip=dhcp".into();
        state.configs.push(SavedText {
            name: "a.yaml".into(),
            text: "kind: X".into(),
            preference: 0,
        });
        assert_eq!(StateFile::parse(&state.render(), "boot-1"), Ok(state));
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        refused(&StateFile::new("boot-2").render(), "another boot");
        refused(b"", "malformed");
        refused(b"{\"version\":1}", "malformed");
        refused(b"[[[[[[", "malformed");
        let mut other = StateFile::new("boot-1");
        other.version = 2;
        refused(&other.render(), "version 2");
        let whole = StateFile::new("boot-1").render();
        for cut in 0..whole.len() {
            assert!(StateFile::parse(&whole[..cut], "boot-1").is_err());
        }
    }
}
