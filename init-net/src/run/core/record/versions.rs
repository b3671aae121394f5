//! The version of a resource: how often its content was seen to change, from 1 on.
//!
//! It is counted when somebody asks or watches, so that nothing is paid for what nobody wants to know: two changes
//! between two questions are one. A resource that goes and comes back begins at 1 again.

use core::hash::{Hash as _, Hasher as _};
use std::collections::BTreeMap;
use std::hash::DefaultHasher;

use serde_json::Value;

/// Resources of a kind that have versions, 32 bytes each; of a kind with more of them (routes of a full table) none has.
const MAX_RESOURCES: usize = 4096;

/// Fields that change by themselves: no change of the resource.
const VOLATILE: [(&str, &[&str]); 2] = [
    ("addresses", &["validUntil", "preferredUntil"]),
    ("firewall", &["packets", "bytes"]),
];

/// Fields of the peers of a WireGuard link that change with its traffic.
const TRAFFIC: [&str; 3] = ["lastHandshakeTime", "receiveBytes", "transmitBytes"];

/// Hash of the id → hash of the content and the version.
type Known = BTreeMap<u64, (u64, u32)>;

/// What is known of each kind that somebody asked for.
#[derive(Debug, Default)]
pub(super) struct Versions(BTreeMap<&'static str, Known>);

impl Versions {
    /// Gives each of `resources`, which are all of `kind`, its version.
    pub(super) fn stamp(&mut self, kind: &'static str, resources: &mut [Value]) {
        let known = self.0.entry(kind).or_default();
        let mut old = core::mem::take(known);
        if resources.len() > MAX_RESOURCES {
            return;
        }
        for resource in resources {
            let id = hash(
                resource
                    .get("id")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
            );
            let content = hash(&content(kind, resource));
            let version = match old.remove(&id) {
                Some((same, version)) if same == content => version,
                Some((_, version)) => version.saturating_add(1),
                None => 1,
            };
            known.insert(id, (content, version));
            if let Value::Object(fields) = resource {
                fields.insert("version".into(), version.into());
            }
        }
    }
}

/// A resource as text, without what changes by itself.
pub(super) fn content(kind: &str, resource: &Value) -> String {
    let mut resource = resource.clone();
    if let Value::Object(fields) = &mut resource {
        fields.remove("version");
        let volatile = VOLATILE.iter().filter(|(of, _)| *of == kind);
        for field in volatile.flat_map(|(_, fields)| *fields) {
            fields.remove(*field);
        }
        let peers = fields
            .get_mut("wireguard")
            .and_then(|it| it.get_mut("peers"));
        for peer in peers.and_then(Value::as_array_mut).into_iter().flatten() {
            if let Value::Object(fields) = peer {
                TRAFFIC.iter().for_each(|field| drop(fields.remove(*field)));
            }
        }
    }
    resource.to_string()
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(versions: &mut Versions, kind: &'static str, resource: Value, expect: Value) {
        let mut all = [resource];
        versions.stamp(kind, &mut all);
        assert_eq!(all[0]["version"], expect);
    }

    #[test]
    fn content_counts_and_time_does_not() {
        let versions = &mut Versions::default();
        let kind = "addresses";
        check(
            versions,
            kind,
            json!({"id": "a", "scope": "global"}),
            json!(1),
        );
        check(
            versions,
            kind,
            json!({"id": "a", "scope": "global"}),
            json!(1),
        );
        check(
            versions,
            kind,
            json!({"id": "a", "scope": "link"}),
            json!(2),
        );
        check(
            versions,
            kind,
            json!({"id": "a", "scope": "link", "validUntil": 5}),
            json!(2),
        );
        check(
            versions,
            kind,
            json!({"id": "a", "scope": "link", "version": 9}),
            json!(2),
        );
        // Another one in its place, and it comes back.
        check(versions, kind, json!({"id": "b"}), json!(1));
        check(
            versions,
            kind,
            json!({"id": "a", "scope": "link"}),
            json!(1),
        );
        // Kinds do not mix.
        check(
            versions,
            "links",
            json!({"id": "a", "validUntil": 1}),
            json!(1),
        );
        check(
            versions,
            "links",
            json!({"id": "a", "validUntil": 2}),
            json!(2),
        );
        let peer = |bytes: u64| json!({"id": "wg0", "wireguard": {"peers": [{"publicKey": "x", "receiveBytes": bytes}]}});
        check(versions, "links", peer(1), json!(1));
        check(versions, "links", peer(2), json!(1));
    }

    #[test]
    fn too_many_have_none() {
        let many = |count: usize| (0..count).map(|id| json!({"id": id.to_string()}));
        let mut versions = Versions::default();
        let mut all: Vec<Value> = many(MAX_RESOURCES).collect();
        versions.stamp("routes", &mut all);
        assert!(all.iter().all(|resource| resource["version"] == 1));
        let mut all: Vec<Value> = many(MAX_RESOURCES + 1).collect();
        versions.stamp("routes", &mut all);
        assert!(all.iter().all(|resource| resource.get("version").is_none()));
        assert!(versions.0.values().all(BTreeMap::is_empty));
    }
}
