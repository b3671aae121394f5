//! The two files, and what is decided from them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::run::state_file::SavedText;

/// Names of the files in the folder. 0600: configs hold secrets.
pub(super) const NAMES: [&str; 2] = ["config-a.json", "config-b.json"];

/// Bumped when a reader of the old form would misread the new one.
const VERSION: u32 = 1;

/// One config and how it fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Slot {
    /// Grows with every write of either slot: the higher one is the later.
    pub(super) serial: u64,
    /// It has reached its wait level.
    pub(super) good: bool,
    /// Boots that counted it and were not ready.
    pub(super) tries: u32,
    /// The last of them: each counts once.
    pub(super) boot_id: String,
    /// [`hash_of`] its texts.
    pub(super) hash: String,
    /// Its texts, in order.
    pub(super) configs: Vec<SavedText>,
}

/// The file around a slot.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File<S> {
    version: u32,
    /// SHA-256 of the slot as JSON without white space, in hexadecimal.
    sha256: String,
    slot: S,
}

impl Slot {
    /// The bytes to write.
    pub(super) fn render(&self) -> Vec<u8> {
        let file = File {
            version: VERSION,
            sha256: self.digest(),
            slot: self,
        };
        serde_json::to_vec(&file).expect("plain data with string keys always serialises")
    }

    /// Reads a file; the error says why it is no slot.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        // serde_json's messages name a line and a column, never the value.
        let file: File<Self> =
            serde_json::from_slice(bytes).map_err(|error| format!("malformed: {error}"))?;
        if file.version != VERSION {
            return Err(format!("version {}, not {VERSION}", file.version));
        }
        if file.sha256 != file.slot.digest() || file.slot.hash != hash_of(&file.slot.configs) {
            return Err("damaged: its SHA-256 is another one".into());
        }
        Ok(file.slot)
    }

    fn digest(&self) -> String {
        let bytes =
            serde_json::to_vec(self).expect("plain data with string keys always serialises");
        hex(&Sha256::digest(bytes))
    }
}

/// What tells one config from another: its texts in order, whatever they are called.
pub(super) fn hash_of(configs: &[SavedText]) -> String {
    let mut hash = Sha256::new();
    for config in configs {
        hash.update(config.text.len().to_le_bytes());
        hash.update(&config.text);
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Both slots, as far as they can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pair(pub(super) [Option<Slot>; 2]);

impl Pair {
    /// The last one that worked.
    pub(super) fn good(&self) -> Option<&Slot> {
        let good = self.0.iter().flatten().filter(|slot| slot.good);
        good.max_by_key(|slot| slot.serial)
    }

    /// The config that is to be left, and the one that it is left for: counted by `limit` earlier boots and never good. A
    /// limit of 0 leaves none.
    pub(super) fn left(&self, boot_id: &str, limit: u32) -> Option<(&Slot, &Slot)> {
        let bad = |slot: &&Slot| !slot.good && slot.tries >= limit && slot.boot_id != boot_id;
        let candidate = self.0.iter().flatten().find(bad)?;
        (limit > 0).then_some((candidate, self.good()?))
    }

    /// Counts `configs` for this boot, unless they are good or counted; answers with the slot to write.
    pub(super) fn count(&mut self, configs: &[SavedText], boot_id: &str) -> Option<usize> {
        let hash = hash_of(configs);
        let (serial, place) = (self.next_serial(), self.place());
        if let Some((at, slot)) = self.find(&hash) {
            if slot.good || slot.boot_id == boot_id {
                return None;
            }
            slot.serial = serial;
            slot.tries = slot.tries.saturating_add(1);
            slot.boot_id = boot_id.to_owned();
            return Some(at);
        }
        *self.0.get_mut(place)? = Some(Slot {
            serial,
            good: false,
            tries: 1,
            boot_id: boot_id.to_owned(),
            hash,
            configs: configs.to_vec(),
        });
        Some(place)
    }

    /// Takes back what this boot counted.
    pub(super) fn uncount(&mut self, hash: &str, boot_id: &str) -> Option<usize> {
        let serial = self.next_serial();
        let (at, slot) = self.find(hash)?;
        if slot.good || slot.boot_id != boot_id {
            return None;
        }
        slot.serial = serial;
        slot.tries = slot.tries.saturating_sub(1);
        slot.boot_id.clear();
        Some(at)
    }

    /// The config has worked: from now on it is the last good one.
    pub(super) fn mark_good(&mut self, hash: &str) -> Option<usize> {
        let last = self.good().map(|slot| slot.hash == hash);
        let serial = self.next_serial();
        let (at, slot) = self.find(hash)?;
        if last == Some(true) {
            return None;
        }
        slot.serial = serial;
        slot.good = true;
        slot.tries = 0;
        Some(at)
    }

    fn find(&mut self, hash: &str) -> Option<(usize, &mut Slot)> {
        let slots = self.0.iter_mut().enumerate();
        let mut slots = slots.filter_map(|(at, slot)| Some((at, slot.as_mut()?)));
        slots.find(|(_, slot)| slot.hash == hash)
    }

    /// Where a new config goes: never over the last good one.
    fn place(&self) -> usize {
        let keep = self.good().map(|slot| slot.serial);
        let [a, b] = &self.0;
        match (a, b) {
            (None, _) => 0,
            (_, None) => 1,
            (Some(a), Some(b)) => usize::from(match keep {
                Some(keep) => a.serial == keep,
                None => b.serial < a.serial,
            }),
        }
    }

    fn next_serial(&self) -> u64 {
        let last = self.0.iter().flatten().map(|slot| slot.serial).max();
        last.map_or(1, |last| last.saturating_add(1))
    }
}
