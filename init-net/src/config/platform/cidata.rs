//! The four files of a NoCloud source: on a volume labelled `cidata`, in the firmware configuration, behind a URL.
//!
//! cloud-init, "NoCloud". Proxmox VE, KubeVirt and IBM Cloud VPC write the same volume.

use super::facts::Facts;
use super::media::{FileSystem, Medium, Volume};
use super::{Bodies, Parsed};
use crate::config::machine::tree::{self, Key, Mark, Node, Value};
use crate::config::userdata::{self, Base64, UserData};
use crate::value::Hostname;

pub const META_DATA: &str = "meta-data";
pub const USER_DATA: &str = "user-data";
pub const NETWORK_CONFIG: &str = "network-config";
pub const VENDOR_DATA: &str = "vendor-data";

/// Their names; on the volume also their keys.
pub const FILES: [&str; 4] = [META_DATA, USER_DATA, NETWORK_CONFIG, VENDOR_DATA];

/// The volume.
pub const VOLUME: Medium = Medium::Volume(Volume {
    labels: &["cidata"],
    file_systems: &[FileSystem::Iso9660, FileSystem::Vfat],
    files: &FILES,
});

/// Longest `key: value` line of a meta-data that is no YAML, bytes.
const MAX_LINE: usize = 1024;

/// Most lines of it.
const MAX_LINES: usize = 1024;

/// Whether any of the files is there, under keys that begin with `root`.
pub fn is_there(bodies: &Bodies, root: &str) -> bool {
    FILES
        .iter()
        .any(|file| bodies.contains_key(&format!("{root}{file}")))
}

/// Reads the files whose keys begin with `root`; the host name and the identifier in `facts` stay.
pub fn read(mut facts: Facts<'_>, root: &str, id: Option<String>) -> Parsed {
    let key = |file: &str| format!("{root}{file}");
    let meta_data = meta_data(&mut facts, &key(META_DATA));
    if let Some(node) = &meta_data {
        instance(&mut facts, node, &key(META_DATA), id);
    } else {
        facts.know("instanceId", id);
    }
    facts.described(&key(NETWORK_CONFIG));
    finish(facts, &key(USER_DATA), &key(VENDOR_DATA))
}

/// What `meta-data` says of the instance; `id` stands before its identifier.
pub fn instance(facts: &mut Facts<'_>, node: &Node, body: &str, id: Option<String>) {
    for key in ["hostname", "local-hostname"] {
        facts.hostname_at(node, key, body);
    }
    let own = facts.word(node, "instance-id", body);
    facts.know("instanceId", id.or(own));
    for (key, name) in [
        ("instance-type", "instanceType"),
        ("provider-id", "providerId"),
        ("region", "region"),
        ("zone", "zone"),
        ("local-hostname", "internalDNS"),
        ("public-hostname", "externalDNS"),
    ] {
        facts.fact_at(node, key, name, body);
    }
    if node.at("network-interfaces").is_some() {
        facts.warn(
            body,
            "has network-interfaces, which is not read: write a network-config",
        );
    }
}

/// `meta-data` as a mapping: YAML, else its `key: value` lines.
fn meta_data(facts: &mut Facts<'_>, key: &str) -> Option<Node> {
    let text = facts.text(key)?;
    let (documents, faults) = tree::parse_any(text);
    let root = documents.into_iter().next();
    match root {
        Some(root) if faults.is_empty() => {
            let usable = matches!(root.value, Value::Map(_)) || root.is_null();
            if !usable {
                facts.warn(key, "is no mapping");
            }
            Some(root).filter(|_| usable)
        }
        None if faults.is_empty() => None,
        Some(_) | None => {
            facts.warn(key, "is no YAML: its lines are read one by one");
            Some(by_lines(text))
        }
    }
}

/// The `key: value` lines of a text; others are left out.
fn by_lines(text: &str) -> Node {
    let mark = Mark::default();
    let lines = text.lines().filter(|line| line.len() <= MAX_LINE);
    let entries = lines.take(MAX_LINES).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let (name, value) = (name.trim(), value.trim());
        let key = Key {
            text: name.to_owned(),
            mark,
        };
        let value = Value::Scalar {
            text: value.trim_matches(['"', '\'']).to_owned(),
            plain: true,
        };
        Some((key, Node { value, mark }))
    });
    Node {
        value: Value::Map(entries.collect()),
        mark,
    }
}

/// Ends with the user-data; where that holds no machine configuration, with the vendor-data, when that holds one.
fn finish(mut facts: Facts<'_>, user_data: &str, vendor_data: &str) -> Parsed {
    let of_user = userdata::decode(facts.bytes(user_data), Base64::Never);
    let is_ours = matches!(of_user, Ok(UserData::Config(_) | UserData::Include(_)));
    if is_ours || !userdata::is_meant(facts.bytes(vendor_data)) {
        return facts.finish(user_data, Base64::Never);
    }
    facts.cloud_config_hostname(user_data);
    facts.finish(vendor_data, Base64::Never)
}

/// Uses the host name `text` that stands in `body` before any of `meta-data`.
pub fn hostname(facts: &mut Facts<'_>, text: &str, body: &str) {
    match text.parse::<Hostname>() {
        Ok(hostname) => facts.set_hostname(hostname, body),
        Err(_) => facts.warn(body, "has a host name that is none"),
    }
}
