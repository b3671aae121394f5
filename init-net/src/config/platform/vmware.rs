//! VMware: variables that the host sets for the guest (guestinfo), and the OVF environment.
//!
//! cloud-init, "VMware"; DMTF DSP0243, "OVF environment". Nothing is needed to read them, not even a network card.

use super::facts::Facts;
use super::media::{FileSystem, Medium, Volume};
use super::{Bodies, Parsed, Provider, cidata, xml};
use crate::config::machine::tree::{self, Node, Value};
use crate::config::userdata::{self, Base64, UserData};

/// The provider.
pub struct Vmware;

const METADATA: &str = "guestinfo/metadata";
const OVF: &str = "guestinfo/ovfenv";
const OVF_CD: &str = "ovf-env.xml";

/// Where the machine configuration may be; that of the operator of the cloud stands behind the OVF environment.
const USER_DATA: [&str; 3] = [
    "guestinfo/talos.config",
    "guestinfo/userdata",
    "guestinfo/vendordata",
];

/// The same among the properties of the OVF environment.
const OVF_USER_DATA: [&str; 3] = ["talos.config", "userdata", "user-data"];

/// What says how the value of the key before it is written.
const ENCODING: &str = ".encoding";

/// The value of a variable that was set and is set no more.
const ERASED: &[u8] = b"---";

/// Longest word for an encoding, bytes.
const MAX_ENCODING: usize = 64;

impl Provider for Vmware {
    fn name(&self) -> &'static str {
        "vmware"
    }

    fn media(&self) -> &'static [Medium] {
        &[
            Medium::GuestInfo(&[
                "metadata",
                "metadata.encoding",
                "talos.config",
                "talos.config.encoding",
                "userdata",
                "userdata.encoding",
                "vendordata",
                "vendordata.encoding",
                "ovfenv",
            ]),
            Medium::Volume(Volume {
                labels: &["OVF-TRANSPORT", "OVFENV", "OVF ENV"],
                file_systems: &[FileSystem::Iso9660],
                files: &[OVF_CD],
            }),
        ]
    }

    fn is_told(&self, media: &Bodies) -> bool {
        let mut keys = USER_DATA.iter().chain(&[METADATA, OVF, OVF_CD]);
        keys.any(|key| media.get(*key).is_some_and(|body| is_set(body)))
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        let (ovf, properties) = environment(&mut facts);
        let property = |name: &str| {
            let found = properties.iter().find(|(key, _)| is_named(key, name));
            let value = found.map(|(_, value)| value.as_bytes());
            value.filter(|value| is_set(value))
        };
        let own = facts.bytes(METADATA);
        if is_set(own) {
            let base64 = encoding(&mut facts, METADATA);
            metadata(&mut facts, own, base64, METADATA);
        } else if let Some(value) = property("metadata") {
            metadata(&mut facts, value, Base64::Maybe, ovf);
        }
        let mut told = facts.document.metadata.iter();
        if told.all(|(name, _)| *name != "instanceId")
            && let Some(id) = property("instance-id")
        {
            let id = String::from_utf8_lossy(id.trim_ascii()).into_owned();
            match id.contains(char::is_control) {
                true => facts.warn(ovf, "has an instance-id with control characters"),
                false => facts.know("instanceId", Some(id)),
            }
        }
        // Metadata that speaks of the network stands before it.
        if facts.document.links.is_empty()
            && let Some(value) = property("network-config")
            && let Some(text) = plain(&mut facts, value, Base64::Maybe, ovf)
        {
            facts.described_by(&text, ovf);
        }
        if let Some(name) = property("hostname") {
            let name = String::from_utf8_lossy(name);
            cidata::hostname(&mut facts, name.trim(), ovf);
        }
        let mut said: Vec<(&str, &[u8], Base64)> = Vec::new();
        let [talos, user, vendor] = USER_DATA;
        for key in [talos, user] {
            let base64 = encoding(&mut facts, key);
            said.push((key, facts.bytes(key), base64));
        }
        for value in OVF_USER_DATA.into_iter().filter_map(property) {
            said.push((ovf, value, Base64::Maybe));
        }
        let base64 = encoding(&mut facts, vendor);
        said.push((vendor, facts.bytes(vendor), base64));
        said.retain(|(_, raw, _)| is_set(raw));
        finish(facts, &said)
    }
}

/// Ends with the first of `said` (key, bytes, how they are written) that is a machine configuration or should be one: of a
/// `#cloud-config` before it the host name counts.
fn finish(mut facts: Facts<'_>, said: &[(&str, &[u8], Base64)]) -> Parsed {
    for (key, raw, base64) in said {
        match userdata::decode(raw, *base64) {
            Ok(UserData::Absent) => {}
            Ok(UserData::CloudConfig(hostname)) => {
                if let Some(hostname) = hostname {
                    facts.set_hostname(hostname, key);
                }
            }
            Ok(UserData::Config(_) | UserData::Include(_)) | Err(_) => {
                return facts.finish_with(raw, key, *base64);
            }
        }
    }
    let (key, raw, base64) = said.first().copied().unwrap_or(("", &[], Base64::Never));
    facts.finish_with(raw, key, base64)
}

/// Whether a variable has a value.
fn is_set(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    !value.is_empty() && value != ERASED
}

/// How the value of `key` is written. Where nothing is said many write base64.
fn encoding(facts: &mut Facts<'_>, key: &str) -> Base64 {
    let name = format!("{key}{ENCODING}");
    let word = facts.bytes(&name);
    let word = String::from_utf8_lossy(word.get(..MAX_ENCODING).unwrap_or(word));
    match word.trim().to_ascii_lowercase().as_str() {
        "" | "---" => Base64::Maybe,
        "base64" | "b64" | "gzip+base64" | "gz+b64" => Base64::Always,
        _ => {
            facts.warn(&name, "is no known encoding");
            Base64::Maybe
        }
    }
}

/// `raw` as text, with compression and base64 undone.
fn plain(facts: &mut Facts<'_>, raw: &[u8], base64: Base64, body: &str) -> Option<String> {
    match userdata::decode(raw, base64) {
        Ok(UserData::Config(text)) => Some(text),
        Ok(UserData::Absent) => None,
        Ok(UserData::Include(_) | UserData::CloudConfig(_)) => {
            facts.warn(body, "is no metadata");
            None
        }
        Err(error) => {
            facts.warn(body, &format!("cannot be read: {error}"));
            None
        }
    }
}

/// The description of the instance, and of its network: inside, or as a text of its own inside.
fn metadata(facts: &mut Facts<'_>, raw: &[u8], base64: Base64, body: &str) {
    let Some(text) = plain(facts, raw, base64, body) else {
        return;
    };
    let (documents, faults) = tree::parse_any(&text);
    if let Some(fault) = faults.first() {
        facts.warn(body, &format!("is damaged: {}", fault.message));
    }
    let Some(root) = documents.into_iter().next() else {
        return;
    };
    cidata::instance(facts, &root, body, None);
    let Some(network) = root.at("network") else {
        return;
    };
    match &network.value {
        Value::Map(_) | Value::List(_) => facts.described_by(&text, body),
        Value::Scalar { text: inner, .. } => {
            let base64 = match root.at("network.encoding").and_then(Node::text) {
                None | Some("") => Base64::Maybe,
                Some(_) => Base64::Always,
            };
            if let Some(text) = plain(facts, inner.as_bytes(), base64, body) {
                facts.described_by(&text, body);
            }
        }
    }
}

/// The properties of the OVF environment, and where it is: a variable, else a CD.
fn environment(facts: &mut Facts<'_>) -> (&'static str, Vec<(String, String)>) {
    let Some(key) = [OVF, OVF_CD]
        .into_iter()
        .find(|key| is_set(facts.bytes(key)))
    else {
        return (OVF, Vec::new());
    };
    let found = facts.text(key).map(xml::properties);
    match found {
        Some(Ok(properties)) => (key, properties),
        Some(Err(rule)) => {
            facts.warn(key, rule);
            (key, Vec::new())
        }
        None => (key, Vec::new()),
    }
}

/// vCloud Director writes names in its own case, some tools with what stands before the variables.
fn is_named(key: &str, name: &str) -> bool {
    const PREFIX: &str = "guestinfo.";
    let bare = match key.get(..PREFIX.len()) {
        Some(head) if head.eq_ignore_ascii_case(PREFIX) => key.get(PREFIX.len()..),
        _ => Some(key),
    };
    bare.is_some_and(|bare| bare.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies};

    const CONFIG: &str = "Ok(Config(76 bytes))";

    #[test]
    fn ovf_on_cd() {
        check(
            &Vmware,
            "vmware/ovf-on-cd",
            "Ok(Config(64 bytes))",
            &[
                "00:50:56:aa:bb:01",
                "00:50:56:aa:bb:01 has 198.51.100.9/24",
                "00:50:56:aa:bb:01 to all via 198.51.100.1",
                "hostname node10.example.net",
                "instanceId=vm-45",
            ],
        );
        let ovf = "<Environment><PropertySection><Property key='instance-id' value='a&#7;b'/><Property key='network-config' value='#include'/></PropertySection></Environment>";
        check_bodies(
            &Vmware,
            &[(OVF_CD, ovf)],
            "Ok(Absent)",
            &[
                "! vmware: ovf-env.xml has an instance-id with control characters",
                "! vmware: ovf-env.xml cannot be read: #include names no URL; write one http:// or https:// URL",
            ],
        );
    }

    #[test]
    fn nested_network() {
        check(
            &Vmware,
            "vmware/nested-network",
            CONFIG,
            &[
                "00:50:56:00:00:01 mtu 9000",
                "00:50:56:00:00:01 has 192.0.2.10/24",
                "00:50:56:00:00:01 has 2001:db8::10/64",
                "00:50:56:00:00:01 to all via 192.0.2.1",
                "00:50:56:00:00:01 to all via 2001:db8::1",
                "hostname node8.example.net",
                "dns 192.0.2.53",
                "search example.net",
                "instanceId=vm-43",
                "internalDNS=node8.example.net",
            ],
        );
    }

    #[test]
    fn ovf_environment() {
        check(
            &Vmware,
            "vmware/ovf",
            CONFIG,
            &["hostname node9", "instanceId=vm-44"],
        );
    }

    #[test]
    fn what_speaks() {
        let told = |key: &str, value: &str| {
            Vmware.is_told(&Bodies::from([(key.to_owned(), value.as_bytes().to_vec())]))
        };
        for key in [METADATA, OVF, OVF_CD, USER_DATA[0], USER_DATA[2]] {
            assert!(told(key, "x") && !told(key, " ---\n") && !told(key, ""));
        }
        assert!(!told("guestinfo/userdata.encoding", "base64"));
        assert!(Vmware.wanted(&Default::default()).is_empty());
    }

    #[test]
    fn which_user_data() {
        let ours = ("guestinfo/userdata", "kind: X\n");
        let cloud_config = ("guestinfo/talos.config", "#cloud-config\nhostname: node7\n");
        let ovf = (
            OVF,
            "<E><Property key='TALOS.CONFIG' value='a2luZDogWFhYCg=='/></E>",
        );
        let vendor = ("guestinfo/vendordata", "kind: XXXXX\n");
        check_bodies(&Vmware, &[ours, ovf, vendor], "Ok(Config(8 bytes))", &[]);
        check_bodies(
            &Vmware,
            &[cloud_config, ovf, vendor],
            "Ok(Config(10 bytes))",
            &["hostname node7"],
        );
        check_bodies(
            &Vmware,
            &[cloud_config, vendor],
            "Ok(Config(12 bytes))",
            &["hostname node7"],
        );
        let broken = [
            ("guestinfo/talos.config", "kind: X\n"),
            ("guestinfo/talos.config.encoding", "b64"),
            ours,
        ];
        check_bodies(&Vmware, &broken, "Err(Base64)", &[]);
    }

    #[test]
    fn hostile() {
        check_bodies(
            &Vmware,
            &[
                (
                    METADATA,
                    "{instance-id: [1], local-hostname: ..., network: 'x: ['}",
                ),
                ("guestinfo/metadata.encoding", "rot13"),
                (OVF, "<E><Property key='hostname' value='a b'/><Property/>"),
            ],
            "Ok(Absent)",
            &[
                "! vmware: guestinfo/ovfenv ends too early",
                "! vmware: guestinfo/metadata.encoding is no known encoding",
                "! vmware: guestinfo/metadata has a local-hostname that is not what it should be",
                "! network-config: while parsing a node, did not find expected node content",
                "internalDNS=...",
            ],
        );
        check_bodies(
            &Vmware,
            &[
                (METADATA, "{network: {version: 9}, network.encoding: 7}"),
                (
                    OVF_CD,
                    "<E><Property key='hostname' value='a b'/><Property/><Property key='metadata' value='&x;'/></E>",
                ),
            ],
            "Ok(Absent)",
            &[
                "! vmware: ovf-env.xml has an unknown entity",
                "! network-config: this version is not known",
            ],
        );
        check_bodies(
            &Vmware,
            &[
                (METADATA, "a2luZA"),
                ("guestinfo/metadata.encoding", "gzip+base64"),
                (OVF_CD, "<E><Property key='hostname' value='a b'/></E>"),
            ],
            "Ok(Absent)",
            &["! vmware: ovf-env.xml has a host name that is none"],
        );
        check_bodies(
            &Vmware,
            &[(METADATA, "#!/bin/sh"), (OVF, "\u{1}")],
            "Ok(Absent)",
            &[
                "! vmware: guestinfo/metadata cannot be read: a script (#!) is not run here; give YAML documents with kind",
            ],
        );
    }
}
