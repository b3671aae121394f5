//! Boots on two files, and what a loss of power at any moment leaves of them.

use super::*;
use crate::run::slots::file::Pair;

const LIMIT: u32 = 3;

fn config(text: &str) -> Vec<SavedText> {
    vec![SavedText {
        name: "machine.yaml".into(),
        text: text.into(),
        preference: preference::NAMED,
    }]
}

/// What a boot does to the slots with the texts that it uses; answers which is to be written.
type Step = fn(&mut Pair, &[SavedText], &str) -> Option<usize>;

/// The disk, and the boots of a machine that has it.
#[derive(Clone, Default)]
struct Disk {
    files: [Option<Vec<u8>>; 2],
    boots: u32,
}

/// What a boot did.
#[derive(Debug, PartialEq)]
struct Booted {
    /// The text that was in force.
    text: String,
    /// Writes of it: which file.
    writes: Vec<usize>,
}

impl Disk {
    fn load(&self) -> Pair {
        Pair(self.files.clone().map(|file| Slot::parse(&file?).ok()))
    }

    /// A boot that finds `text` and gets ready or not. With `cut` the power goes during that write, after so many bytes of it,
    /// on a disk that has nothing else than what is written.
    fn boot(&mut self, text: &str, ready: bool, cut: Option<(usize, usize)>) -> Booted {
        self.boots += 1;
        let boot_id = format!("boot-{}", self.boots);
        let mut pair = self.load();
        let found = config(text);
        let left = pair.left(&boot_id, LIMIT);
        let good = left.filter(|(bad, _)| bad.hash == hash_of(&found));
        let used = good.map_or(found, |(_, good)| good.configs.clone());
        let mut booted = Booted {
            text: used[0].text.clone(),
            writes: Vec::new(),
        };
        let steps: [Step; 2] = [
            |pair, used, boot_id| pair.count(used, boot_id),
            |pair, used, _| pair.mark_good(&hash_of(used)),
        ];
        for step in &steps[..1 + usize::from(ready)] {
            let Some(at) = step(&mut pair, &used, &boot_id) else {
                continue;
            };
            let mut bytes = pair.0[at].as_ref().unwrap().render();
            let dies = cut.filter(|(write, _)| *write == booted.writes.len());
            bytes.truncate(dies.map_or(usize::MAX, |(_, length)| length));
            self.files[at] = Some(bytes);
            booted.writes.push(at);
            if dies.is_some() {
                break;
            }
        }
        booted
    }

    #[track_caller]
    fn check(&mut self, text: &str, ready: bool, expect: &str, writes: usize) {
        let booted = self.boot(text, ready, None);
        assert_eq!((&*booted.text, booted.writes.len()), (expect, writes));
    }
}

#[test]
fn a_config_that_never_works_is_left_for_the_last_good_one_until_it_changes() {
    let mut disk = Disk::default();
    disk.check("good", true, "good", 2);
    disk.check("good", true, "good", 0);
    for _ in 0..LIMIT {
        disk.check("bad", false, "bad", 1);
    }
    disk.check("bad", true, "good", 0);
    disk.check("bad", true, "good", 0);
    // Another text has its own tries, and the last good one is still there.
    for _ in 0..LIMIT {
        disk.check("worse", false, "worse", 1);
    }
    disk.check("worse", false, "good", 0);
    // Mended.
    disk.check("better", true, "better", 2);
    for _ in 0..LIMIT {
        disk.check("bad", false, "bad", 1);
    }
    disk.check("bad", true, "better", 0);
}

#[test]
fn a_config_that_works_at_its_last_try_is_good() {
    let mut disk = Disk::default();
    disk.check("good", true, "good", 2);
    disk.check("slow", false, "slow", 1);
    disk.check("slow", false, "slow", 1);
    disk.check("slow", true, "slow", 2);
    for _ in 0..10 {
        disk.check("slow", false, "slow", 0);
    }
}

#[test]
fn what_was_good_before_is_the_last_good_one_again() {
    let mut disk = Disk::default();
    disk.check("one", true, "one", 2);
    disk.check("two", true, "two", 2);
    disk.check("one", true, "one", 1);
    for _ in 0..LIMIT {
        disk.check("bad", false, "bad", 1);
    }
    disk.check("bad", true, "one", 0);
}

#[test]
fn without_a_good_one_nothing_is_left() {
    let mut disk = Disk::default();
    for _ in 0..10 {
        disk.check("bad", false, "bad", 1);
    }
}

#[test]
fn a_boot_without_carrier_and_a_second_look_do_not_count() {
    let mut pair = Pair::default();
    let hash = hash_of(&config("a"));
    assert_eq!(pair.count(&config("a"), "boot-1"), Some(0));
    assert_eq!(pair.count(&config("a"), "boot-1"), None);
    assert_eq!(pair.uncount(&hash, "boot-2"), None, "not its own");
    assert_eq!(pair.uncount(&hash, "boot-1"), Some(0));
    assert_eq!(pair.0[0].as_ref().unwrap().tries, 0);
    assert_eq!(pair.count(&config("a"), "boot-2"), Some(0));
    assert_eq!(pair.0[0].as_ref().unwrap().tries, 1);
}

/// After a loss of power in any write, after any of its bytes, the last good config is what the next boot falls back to.
#[test]
fn power_may_go_at_any_moment() {
    let story = [
        ("good", true),
        ("bad", false),
        ("bad", false),
        ("new", true),
        ("new", true),
    ];
    let mut disk = Disk::default();
    for (at, (text, ready)) in story.into_iter().enumerate() {
        let before = disk.load().good().cloned();
        let whole = disk.clone().boot(text, ready, None).writes;
        for (write, place) in whole.iter().enumerate() {
            let mut probe = disk.clone();
            probe.boot(text, ready, None);
            let length = probe.files[*place].as_ref().unwrap().len() + 8;
            for cut in 0..length {
                let mut torn = disk.clone();
                torn.boot(text, ready, Some((write, cut)));
                let good = torn.load().good().cloned();
                let now = good.as_ref().map(|slot| slot.configs[0].text.clone());
                let old = before.as_ref().map(|slot| slot.configs[0].text.clone());
                assert!(
                    now == old || (ready && now.as_deref() == Some(text)),
                    "boot {at}, write {write}, {cut} bytes: {now:?}"
                );
                // And the machine goes on: the same config is tried and gets good.
                let next = torn.boot(text, true, None);
                assert_eq!(next.text, text);
                assert_eq!(torn.load().good().unwrap().configs[0].text, text);
            }
        }
        disk.boot(text, ready, None);
    }
}

#[test]
fn every_torn_or_foreign_file_is_refused() {
    let mut pair = Pair::default();
    pair.count(&config("secret"), "boot-1");
    let slot = pair.0[0].clone().unwrap();
    let bytes = slot.render();
    assert_eq!(Slot::parse(&bytes), Ok(slot));
    for cut in 0..bytes.len() {
        let error = Slot::parse(&bytes[..cut]).unwrap_err();
        assert!(error.starts_with("malformed"), "{error}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let error = Slot::parse(&damaged).unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
    let other = String::from_utf8(bytes).unwrap();
    let other = other.replacen("\"version\":1", "\"version\":2", 1);
    assert_eq!(
        Slot::parse(other.as_bytes()),
        Err("version 2, not 1".into())
    );
}
