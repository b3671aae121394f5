//! Who watches what: first everything that is there, then what comes, changes and goes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::versions::content;
use crate::run::core::{Core, Effect, Reply};
use crate::run::sample::Sample;
use crate::value::{Duration, Instant};

/// Watches at once: people in front of terminals, and a program or two.
const MAX_WATCHES: usize = 8;

/// Most resources of a watched kind, all of which are kept as texts to compare: some 5 MB of them.
const MAX_RESOURCES: usize = 16_384;

/// From one comparison to the next, for each resource that was compared: some five times what that takes, so that a storm of
/// changes costs a sixth of a processor at most. What comes and goes within that is not told: of five addresses a
/// quarter of a millisecond, of ten thousand routes half a second.
const REST: Duration = Duration::from_micros(50);

/// One change, as a watcher is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What happened to it.
    pub event: ChangeKind,
    /// What is there now; of one that is gone what was there last.
    pub resource: Value,
}

/// What happened to a resource, in the signs of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// It came, or was there from the start.
    #[serde(rename = "+")]
    Added,
    /// It changed.
    #[serde(rename = " ")]
    Changed,
    /// It went.
    #[serde(rename = "-")]
    Removed,
}

impl ChangeKind {
    /// Its sign.
    pub const fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Changed => ' ',
            Self::Removed => '-',
        }
    }
}

#[derive(Default)]
pub(super) struct Watches {
    all: Vec<Watch>,
}

struct Watch {
    client: u64,
    kind: &'static str,
    /// Only the resource of this id.
    id: Option<String>,
    /// What was looked at when it began.
    sample: Sample,
    /// What the watcher knows: content by id.
    told: BTreeMap<String, String>,
    /// Something happened since the last comparison.
    dirty: bool,
    /// No comparison before.
    not_before: Instant,
}

impl Watches {
    /// Something may have changed.
    pub(super) fn touch(&mut self) {
        self.all.iter_mut().for_each(|watch| watch.dirty = true);
    }

    pub(super) fn forget(&mut self, client: u64) {
        self.all.retain(|watch| watch.client != client);
    }

    pub(super) fn has(&self, kind: &str) -> bool {
        self.all.iter().any(|watch| watch.kind == kind)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.all.iter().filter(|watch| watch.dirty);
        due.map(|watch| watch.not_before).min()
    }
}

impl Watch {
    /// What `resources` make new to the watcher. Events go by themselves: those that are kept no longer are not told.
    fn changes(&mut self, resources: Vec<Value>) -> Vec<Change> {
        let mut old = core::mem::take(&mut self.told);
        let mut changes = Vec::new();
        for resource in resources {
            let Some(id) = resource.get("id").and_then(Value::as_str) else {
                continue;
            };
            if self.id.as_ref().is_some_and(|only| only != id) {
                continue;
            }
            let (id, content) = (id.to_owned(), content(self.kind, &resource));
            let event = match old.remove(&id) {
                Some(same) if same == content => None,
                Some(_) => Some(ChangeKind::Changed),
                // Of two with one id the first was told already.
                None if self.told.contains_key(&id) => continue,
                None => Some(ChangeKind::Added),
            };
            self.told.insert(id, content);
            changes.extend(event.map(|event| Change { event, resource }));
        }
        let gone = old.into_values().filter(|_| self.kind != "events");
        changes.extend(gone.map(|content| Change {
            event: ChangeKind::Removed,
            // It was made by `to_string`.
            resource: serde_json::from_str(&content).unwrap_or_default(),
        }));
        changes
    }
}

impl Core {
    /// `client` wants to know of every change of `kind` from now on, and is told what is there.
    pub(in crate::run::core) fn watch(
        &mut self,
        client: u64,
        kind: &'static str,
        id: Option<String>,
        sample: Sample,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let refuse = |why: &str| Effect::Reply {
            id: client,
            reply: Reply::Error(why.to_owned()),
        };
        if kind == "neighbors" {
            effects.push(refuse(
                "neighbours are looked at on request only, and not watched",
            ));
            return;
        }
        if self.record.watches.all.len() >= MAX_WATCHES {
            effects.push(refuse("too many watches at once; end one of them"));
            return;
        }
        self.record.watches.all.push(Watch {
            client,
            kind,
            id,
            sample,
            told: BTreeMap::new(),
            dirty: true,
            not_before: now,
        });
    }

    /// Tells watchers what changed, when it is time.
    pub(super) fn push_changes(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let mut all = core::mem::take(&mut self.record.watches.all);
        all.retain_mut(|watch| {
            if !watch.dirty || watch.not_before > now {
                return true;
            }
            watch.dirty = false;
            let Some(mut resources) = self.resources(watch.kind, &watch.sample, now) else {
                return true;
            };
            if resources.len() > MAX_RESOURCES {
                effects.push(Effect::Push {
                    id: watch.client,
                    reply: Reply::Error(format!("more than {MAX_RESOURCES} {}", watch.kind)),
                });
                return false;
            }
            // Of the rules that there were when it began; later the last look counts, which a change of them brings about.
            watch.sample.firewall = None;
            let count = u32::try_from(resources.len()).unwrap_or(u32::MAX);
            watch.not_before = now + REST.saturating_mul(count);
            self.record.stamp(watch.kind, &mut resources);
            for change in watch.changes(resources) {
                let reply = match serde_json::to_value(change) {
                    Ok(change) => Reply::Ok(change),
                    Err(error) => Reply::Error(error.to_string()),
                };
                effects.push(Effect::Push {
                    id: watch.client,
                    reply,
                });
            }
            true
        });
        self.record.watches.all = all;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn watch(kind: &'static str, id: Option<&str>) -> Watch {
        Watch {
            client: 1,
            kind,
            id: id.map(ToOwned::to_owned),
            sample: Sample::default(),
            told: BTreeMap::new(),
            dirty: true,
            not_before: Instant::BOOT,
        }
    }

    #[track_caller]
    fn check(watch: &mut Watch, resources: Value, expect: &[&str]) {
        let Value::Array(resources) = resources else {
            panic!("a list");
        };
        let told: Vec<String> = watch
            .changes(resources)
            .iter()
            .map(|change| {
                let id = change.resource["id"].as_str().unwrap();
                format!("{}{id}", change.event.sign())
            })
            .collect();
        assert_eq!(told, expect);
    }

    #[test]
    fn what_comes_changes_and_goes() {
        let mut all = watch("addresses", None);
        check(&mut all, json!([{"id": "a"}, {"id": "b"}]), &["+a", "+b"]);
        check(
            &mut all,
            json!([{"id": "b"}, {"id": "a", "validUntil": 3}]),
            &[],
        );
        check(
            &mut all,
            json!([{"id": "a", "scope": "link"}, {"id": "c"}]),
            &[" a", "+c", "-b"],
        );
        check(
            &mut all,
            json!([{"id": "c"}, {"id": "c", "other": 1}]),
            &["-a"],
        );
        check(&mut all, json!([]), &["-c"]);
    }

    #[test]
    fn one_resource_only_and_events_that_fall_out_of_the_ring() {
        let mut one = watch("links", Some("eth0"));
        check(
            &mut one,
            json!([{"id": "eth0"}, {"id": "eth1"}]),
            &["+eth0"],
        );
        check(&mut one, json!([{"id": "eth1"}]), &["-eth0"]);
        let mut events = watch("events", None);
        check(
            &mut events,
            json!([{"id": "1"}, {"id": "2"}]),
            &["+1", "+2"],
        );
        check(&mut events, json!([{"id": "2"}, {"id": "3"}]), &["+3"]);
    }

    #[test]
    fn rules_that_count_do_not_change() {
        let mut rules = watch("firewall", None);
        let row = |packets: u64, text: &str| json!([{"id": "a/1", "packets": packets, "bytes": packets, "text": text}]);
        check(&mut rules, row(1, "accept"), &["+a/1"]);
        check(&mut rules, row(2, "accept"), &[]);
        check(&mut rules, row(0, "drop"), &[" a/1"]);
    }

    #[test]
    fn a_change_is_one_sign_and_the_resource() {
        let change = Change {
            event: ChangeKind::Changed,
            resource: json!({"id": "a"}),
        };
        let text = serde_json::to_string(&change).unwrap();
        assert_eq!(text, r#"{"event":" ","resource":{"id":"a"}}"#);
        assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change);
    }
}
