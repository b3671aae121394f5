//! VMware: guest info that the host keeps for the machine, and the OVF environment, there or on a CD.
//!
//! cloud-init's and VMware's names: docs.cloud-init.io, "VMware"; DMTF DSP0243 §11 (OVF environment). Nothing needs a
//! network.

use super::cidata;
use super::facts::Facts;
use super::media::{FileSystem, Medium, Volume};
use super::xml::properties;
use super::{Answers, Ask, Bodies, Known, Parsed, Provider};
use crate::config::machine::tree::{self, Node, Value};
use crate::config::userdata::{Base64, decode_text};

/// The provider.
pub struct Vmware;

const METADATA: &str = "guestinfo/metadata";
const VENDOR_DATA: &str = "guestinfo/vendordata";
const ENVIRONMENT: &str = "guestinfo/ovfenv";

/// Keys of the machine configuration, the first that is there counts.
const USER_DATA: [&str; 2] = ["guestinfo/talos.config", "guestinfo/userdata"];

/// The same environment on a CD, for hosts without guest info.
const OVF_FILE: &str = "ovf-env.xml";

/// Most properties of an environment.
const MAX_PROPERTIES: usize = 256;

impl Provider for Vmware {
    fn name(&self) -> &'static str {
        "vmware"
    }

    fn media(&self) -> &'static [Medium] {
        const {
            &[
                Medium::GuestInfo(&[
                    "talos.config",
                    "talos.config.encoding",
                    "userdata",
                    "userdata.encoding",
                    "metadata",
                    "metadata.encoding",
                    "vendordata",
                    "vendordata.encoding",
                    "ovfenv",
                ]),
                Medium::Volume(Volume {
                    labels: &["OVF-TRANSPORT", "OVFENV", "OVF ENV"],
                    file_systems: &[FileSystem::Iso9660],
                    files: &[OVF_FILE],
                }),
            ]
        }
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        Vec::new()
    }

    fn wanted(&self, _answers: &Answers) -> Vec<Ask> {
        Vec::new()
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        let properties = environment(&mut facts);
        let property = |names: &[&str]| {
            let mut all = properties.iter();
            all.find(|(key, _)| names.contains(&key.as_str()))
                .map(|(_, value)| value.as_str())
        };
        match variable(&mut facts, bodies, METADATA) {
            Some(text) => metadata(&mut facts, &text, METADATA),
            None => {
                if let Some(raw) = property(&["metadata"])
                    && let Some(text) =
                        decoded(&mut facts, raw.as_bytes(), Base64::Maybe, ENVIRONMENT)
                {
                    metadata(&mut facts, &text, ENVIRONMENT);
                }
            }
        }
        let mut told = facts.document.metadata.iter();
        if told.all(|(name, _)| *name != "instanceId") {
            let id = property(&["instance-id"]).map(str::trim);
            let id = id.filter(|id| !id.contains(char::is_control));
            facts.know("instanceId", id.map(str::to_owned));
        }
        let is_named = !facts.document.hostnames.is_empty();
        if let Some(name) = property(&["hostname", "local-hostname"]).filter(|_| !is_named) {
            match name.trim().parse() {
                Ok(hostname) => facts.set_hostname(hostname, ENVIRONMENT),
                Err(_) => facts.warn(ENVIRONMENT, "has a hostname that is none"),
            }
        }
        if facts.document.links.is_empty()
            && let Some(raw) = property(&["network-config"])
            && let Some(text) = decoded(&mut facts, raw.as_bytes(), Base64::Maybe, ENVIRONMENT)
        {
            facts.network_config(&text, ENVIRONMENT);
        }
        let found = USER_DATA.into_iter().chain([VENDOR_DATA]).find_map(|key| {
            let (raw, base64) = encoded(bodies, key)?;
            Some((raw.to_vec(), key, base64))
        });
        let or_property = || {
            let raw = property(&["talos.config"])
                .or_else(|| property(&["userdata", "user-data"]))
                .unwrap_or_default();
            (raw.as_bytes().to_vec(), ENVIRONMENT, Base64::Maybe)
        };
        let (raw, key, base64) = found.unwrap_or_else(or_property);
        facts.finish_with(&raw, key, base64)
    }
}

/// The variable `key` as it stands there, and how it is encoded; `None`: it is not set. Three dashes say so as well: the
/// host has no way to take a variable away.
fn encoded<'b>(bodies: &'b Bodies, key: &str) -> Option<(&'b [u8], Base64)> {
    let raw = bodies.get(key)?.trim_ascii();
    let encoding = bodies.get(&format!("{key}.encoding"));
    let encoding = encoding.map(|word| word.trim_ascii()).unwrap_or_default();
    (!raw.is_empty() && raw != b"---").then_some((raw, base64_of(encoding)))
}

/// Compression is seen by the bytes themselves. Older tools wrote base64 without a word of it.
fn base64_of(encoding: &[u8]) -> Base64 {
    match encoding {
        b"base64" | b"b64" | b"gzip+base64" | b"gz+b64" => Base64::Always,
        _ => Base64::Maybe,
    }
}

/// The text of the variable `key`.
fn variable(facts: &mut Facts<'_>, bodies: &Bodies, key: &str) -> Option<String> {
    let (raw, base64) = encoded(bodies, key)?;
    decoded(facts, raw, base64, key)
}

fn decoded(facts: &mut Facts<'_>, raw: &[u8], base64: Base64, key: &str) -> Option<String> {
    let text = decode_text(raw, base64);
    if let Err(error) = &text {
        facts.warn(key, &format!("is not readable: {error}"));
    }
    text.ok()
}

/// Facts and network in one YAML or JSON text. The network is a mapping in it, or a text that is encoded once more.
fn metadata(facts: &mut Facts<'_>, text: &str, key: &str) {
    let (documents, faults) = tree::parse_any(text);
    if let Some(fault) = faults.first() {
        let rule = format!("is damaged at line {}: {}", fault.mark.line, fault.message);
        facts.warn(key, &rule);
    }
    let Some(root) = documents.first().filter(|root| !root.is_null()) else {
        return;
    };
    cidata::instance(facts, root, key, None);
    let Some(network) = root.at("network") else {
        return;
    };
    match &network.value {
        Value::Map(_) => facts.network_config(text, key),
        Value::Scalar { text, .. } => {
            let encoding = root.at("network.encoding").and_then(Node::text);
            let base64 = base64_of(encoding.unwrap_or_default().trim().as_bytes());
            if let Some(text) = decoded(facts, text.as_bytes(), base64, key) {
                facts.network_config(&text, key);
            }
        }
        Value::List(_) => facts.warn(key, "has a network that is a list"),
    }
}

/// The properties of the OVF environment, by key in small letters and without `guestinfo.` before it: vApps write both.
fn environment(facts: &mut Facts<'_>) -> Vec<(String, String)> {
    for key in [ENVIRONMENT, OVF_FILE] {
        let Some(text) = facts.text(key).filter(|text| !text.trim().is_empty()) else {
            continue;
        };
        let path = ["Environment", "PropertySection", "Property"];
        match properties(text, &path, MAX_PROPERTIES) {
            Ok(properties) => {
                let properties = properties.into_iter().map(|(key, value)| {
                    let key = key.to_ascii_lowercase();
                    let short = key.strip_prefix("guestinfo.");
                    (short.unwrap_or(&key).to_owned(), value)
                });
                return properties.filter(|(_, value)| !value.is_empty()).collect();
            }
            Err(rule) => facts.warn(key, rule),
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn guestinfo() {
        check(
            &Vmware,
            "vmware/guestinfo",
            "Ok(Config(64 bytes))",
            &[
                "00:50:56:aa:bb:01",
                "00:50:56:aa:bb:02",
                "00:50:56:aa:bb:01 has 192.0.2.10/24",
                "00:50:56:aa:bb:01 to all via 192.0.2.1",
                "00:50:56:aa:bb:02 runs Dhcp4 metric 200",
                "hostname node7.example.net",
                "dns 192.0.2.53",
                "instanceId=vm-42",
                "region=dc-1",
                "internalDNS=node7.example.net",
            ],
        );
    }

    #[test]
    fn plain_yaml() {
        check(
            &Vmware,
            "vmware/plain-yaml",
            "Ok(Config(64 bytes))",
            &[
                "00:50:56:aa:bb:01 mtu 9000",
                "00:50:56:aa:bb:01 has 2001:db8:7::8/64",
                "00:50:56:aa:bb:01 to all via 2001:db8:7::1",
                "00:50:56:aa:bb:01 runs Dhcp4",
                "hostname node8",
                "instanceId=vm-43",
                "internalDNS=node8",
            ],
        );
    }

    #[test]
    fn ovf_environment() {
        check(
            &Vmware,
            "vmware/ovf-environment",
            "Ok(Config(64 bytes))",
            &[
                "00:50:56:aa:bb:01",
                "00:50:56:aa:bb:01 has 198.51.100.9/24",
                "00:50:56:aa:bb:01 to all via 198.51.100.1",
                "hostname node9.example.net",
                "instanceId=vm-44",
            ],
        );
    }

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
        let (_, asks) = converse(&Vmware, "vmware/ovf-on-cd");
        assert!(asks.is_empty());
    }

    #[test]
    fn metadata_in_a_property() {
        let environment = r#"<Environment><PropertySection>
            <Property key="guestinfo.metadata" value="aW5zdGFuY2UtaWQ6IHZtLTQ2"/>
            <Property key="instance-id" value="other"/>
            <Property key="talos.config" value="kind: &lt;X&gt;"/>
            <Property key="user-data" value="kind: Y"/>
            </PropertySection></Environment>"#;
        let bodies = [(ENVIRONMENT, environment)];
        check_bodies(
            &Vmware,
            &bodies,
            "Ok(Config(9 bytes))",
            &["instanceId=vm-46"],
        );
    }

    #[test]
    fn absent_values() {
        let bodies = [
            (METADATA, "---"),
            ("guestinfo/userdata", " --- \n"),
            ("guestinfo/talos.config", ""),
            ("guestinfo/vendordata", "kind: X"),
        ];
        check_bodies(&Vmware, &bodies, "Ok(Config(7 bytes))", &[]);
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [
            (
                METADATA,
                "{\"instance-id\": 7, \"local-hostname\": \"a b\", \"region\": {}, \"network\": \"%%%\", \"network.encoding\": \"b64\"}",
            ),
            ("guestinfo/userdata", "%%%"),
            ("guestinfo/userdata.encoding", "gz+b64"),
            (ENVIRONMENT, "<!DOCTYPE a [<!ENTITY x 'xx'>]><a/>"),
            (OVF_FILE, "<Environment><PropertySection>"),
        ];
        check_bodies(
            &Vmware,
            &bodies,
            "Err(Base64)",
            &[
                "! vmware: guestinfo/ovfenv has entities of its own",
                "! vmware: ovf-env.xml ends too early",
                "! vmware: guestinfo/metadata has a local-hostname that is not what it should be",
                "! vmware: guestinfo/metadata is not readable: not base64",
                "! vmware: guestinfo/userdata is no machine configuration: not base64",
                "instanceId=7",
                "internalDNS=a b",
            ],
        );
        let bodies = [
            (METADATA, "%%%"),
            ("guestinfo/metadata.encoding", "base64"),
            (
                ENVIRONMENT,
                "<Environment><PropertySection><Property key='hostname' value='-'/><Property key='instance-id' value='a&#7;b'/><Property key='x'/><Property value='y'/></PropertySection></Environment>",
            ),
        ];
        check_bodies(&Vmware, &bodies, "Ok(Absent)", &[
    "! vmware: guestinfo/metadata is not readable: not base64",
    "! vmware: guestinfo/ovfenv has a hostname that is none",
]);
        let bodies = [
            (METADATA, "network: [1]\nlocal-hostname: null\n"),
            (
                ENVIRONMENT,
                "<Environment x='1' x='2'><PropertySection><Property key='a' value='&b;'/></PropertySection></Environment>",
            ),
        ];
        check_bodies(&Vmware, &bodies, "Ok(Absent)", &[]);
        check_bodies(&Vmware, &[(METADATA, "- a\n- {b")], "Ok(Absent)", &[]);
    }
}
