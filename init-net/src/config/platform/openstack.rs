//! OpenStack: the config drive, else the metadata service.
//!
//! docs.openstack.org/nova, "Metadata". Both hold the same files; the drive stands first.

use core::net::IpAddr;

use super::facts::Facts;
use super::media::{FileSystem, Medium, Volume};
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::machine::tree::Node;
use crate::config::userdata::{self, Base64, UserData};

/// The provider.
pub struct Openstack;

/// Paths on the drive and behind the base of the service.
const META_DATA: &str = "openstack/latest/meta_data.json";
const NETWORK_DATA: &str = "openstack/latest/network_data.json";
const USER_DATA: &str = "openstack/latest/user_data";
const VENDOR_DATA: &str = "openstack/latest/vendor_data.json";

/// What Nova calls its imitation of EC2, on the drive.
const EC2: &str = "ec2/latest/meta-data.json";

/// The same of the service, one key each.
const ADDRESS: &str = "latest/meta-data/public-ipv4";
const INSTANCE_TYPE: &str = "latest/meta-data/instance-type";

/// The last two are on no drive: a folder that holds what a service said (`--metadata-dir`) has them.
const FILES: [&str; 7] = [
    META_DATA,
    NETWORK_DATA,
    USER_DATA,
    VENDOR_DATA,
    EC2,
    ADDRESS,
    INSTANCE_TYPE,
];

/// The list of versions: what shows that the service is there. Not on the drive.
const VERSIONS: &str = "openstack";

/// The drive.
pub const DRIVE: Medium = Medium::Volume(volume(&["config-2"]));

/// The drive under these labels.
pub const fn volume(labels: &'static [&'static str]) -> Volume {
    Volume {
        labels,
        file_systems: &[FileSystem::Iso9660, FileSystem::Vfat],
        files: &FILES,
    }
}

/// Whether the drive, or the service, has said something of this machine.
pub fn is_there<T>(said: &std::collections::BTreeMap<String, T>) -> bool {
    [META_DATA, NETWORK_DATA, USER_DATA]
        .iter()
        .any(|key| said.contains_key(*key))
}

impl Provider for Openstack {
    fn name(&self) -> &'static str {
        "openstack"
    }

    fn media(&self) -> &'static [Medium] {
        &[DRIVE]
    }

    fn is_told(&self, media: &Bodies) -> bool {
        is_there(media)
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&[
            "http://169.254.169.254",
            "http://[fe80::a9fe:a9fe%25{link}]",
        ])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let heard = answers.contains_key(VERSIONS);
        if !heard && is_there(answers) {
            return Vec::new();
        }
        let path = |key: &str| format!("/{key}");
        let mut asks = vec![Ask::optional(VERSIONS, path(VERSIONS))];
        // Some services have the files and no list.
        if heard {
            asks.push(Ask::required(META_DATA, path(META_DATA)));
        }
        if let (true, Some(Answer::Body(_))) = (heard, answers.get(META_DATA)) {
            let others = [NETWORK_DATA, USER_DATA, VENDOR_DATA, ADDRESS, INSTANCE_TYPE];
            asks.extend(others.map(|key| Ask::optional(key, path(key))));
        }
        asks
    }

    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        key == META_DATA && super::facts::is_blank(body)
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        facts.fact(INSTANCE_TYPE, "instanceType");
        if let Some(address) = facts.value::<IpAddr>(ADDRESS) {
            facts.external(address, ADDRESS);
        }
        read(facts, Some("openstack"))
    }
}

/// Reads the files of a drive or service; `scheme` stands before the identifier of the instance, where Kubernetes knows it.
pub fn read(mut facts: Facts<'_>, scheme: Option<&str>) -> Parsed {
    if let Some(root) = facts.tree(META_DATA) {
        instance(&mut facts, &root, scheme);
    }
    if let Some(root) = facts.tree(EC2) {
        facts.fact_at(&root, "instance-type", "instanceType", EC2);
        if let Some(address) = facts.read::<IpAddr>(&root, "public-ipv4", EC2) {
            facts.external(address, EC2);
        }
    }
    facts.described(NETWORK_DATA);
    finish(facts)
}

fn instance(facts: &mut Facts<'_>, root: &Node, scheme: Option<&str>) {
    facts.hostname_at(root, "hostname", META_DATA);
    facts.fact_at(root, "availability_zone", "zone", META_DATA);
    let id = facts.word(root, "uuid", META_DATA);
    let known = id.as_ref().zip(scheme);
    let of_provider = known.map(|(id, scheme)| format!("{scheme}:///{id}"));
    facts.know("instanceId", id);
    facts.know("providerId", of_provider);
    for (key, value) in root.at("meta").map(Node::entries).unwrap_or_default() {
        if let Some(value) = value.text() {
            facts.tag(&key.text, value, META_DATA);
        }
    }
}

/// Ends with the user-data; where that holds no machine configuration, with what the operator of the cloud gives to
/// `cloud-init`, when that is one.
fn finish(mut facts: Facts<'_>) -> Parsed {
    let of_user = userdata::decode(facts.bytes(USER_DATA), Base64::Never);
    let is_ours = matches!(of_user, Ok(UserData::Config(_) | UserData::Include(_)));
    if !is_ours
        && let Some(root) = facts.tree(VENDOR_DATA)
        && let Some(text) = root.at("cloud-init").unwrap_or(&root).text()
        && userdata::is_meant(text.as_bytes())
    {
        facts.cloud_config_hostname(USER_DATA);
        return facts.finish_with(text.as_bytes(), VENDOR_DATA, Base64::Never);
    }
    facts.finish(USER_DATA, Base64::Never)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn drive() {
        check(
            &Openstack,
            "openstack/drive",
            "Ok(Config(76 bytes))",
            &[
                "fa:16:3e:00:00:01 mtu 1450",
                "fa:16:3e:00:00:02",
                "fa:16:3e:00:00:01.5 5 on fa:16:3e:00:00:01 as fa:16:3e:00:00:05 mtu 1400",
                "fa:16:3e:00:00:01 has 10.0.0.8/24",
                "fa:16:3e:00:00:01 has 2001:db8:0:1::8/64",
                "fa:16:3e:00:00:01 to all via 10.0.0.1",
                "fa:16:3e:00:00:01 to 10.8.0.0/16 via 10.0.0.254",
                "fa:16:3e:00:00:01 to all via fe80::1",
                "fa:16:3e:00:00:02 runs Dhcp4",
                "fa:16:3e:00:00:02 runs Auto6",
                "fa:16:3e:00:00:01.5 runs Dhcp6",
                "hostname node7.example.net",
                "dns 10.0.0.53",
                "dns 10.0.0.54",
                "dns 2001:db8::53",
                "dns 192.0.2.53",
                "external 198.51.100.8",
                "zone=az1",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000042",
                "providerId=openstack:///0a1b2c3d-0000-4000-8000-000000000042",
                "instanceType=m1.large",
                "tag role=worker",
            ],
        );
        let (_, asks) = converse(&Openstack, "openstack/drive");
        assert!(asks.is_empty(), "the drive says everything");
    }

    #[test]
    fn service() {
        check(
            &Openstack,
            "openstack/service",
            "Ok(Config(76 bytes))",
            &[
                "fa:16:3e:00:00:01 mtu 8950",
                "fa:16:3e:00:00:01 runs Dhcp4",
                "fa:16:3e:00:00:01 runs Auto6",
                "hostname node8",
                "external 198.51.100.9",
                "instanceType=m1.small",
                "zone=az1",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000042",
                "providerId=openstack:///0a1b2c3d-0000-4000-8000-000000000042",
            ],
        );
    }

    #[test]
    fn bond() {
        check(
            &Openstack,
            "openstack/bond",
            "Ok(Absent)",
            &[
                "02:00:00:00:00:01 mtu 9000",
                "02:00:00:00:00:02 mtu 9000",
                "bond0 802.3ad of 02:00:00:00:00:01 02:00:00:00:00:02 mtu 9000",
                "bond0.7 7 on bond0 as 02:00:00:00:00:01 mtu 1500",
                "bond0 has 192.0.2.8/24",
                "bond0.7 has 10.7.0.8/24",
                "bond0 to all via 192.0.2.1",
                "bond0.7 to 10.0.0.0/8 via 10.7.0.1 metric 200",
                "hostname metal1",
                "dns 192.0.2.53",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000043",
                "providerId=openstack:///0a1b2c3d-0000-4000-8000-000000000043",
                "tag role=worker",
            ],
        );
    }

    #[test]
    fn requests() {
        let paths = |answers: &[(&str, Answer)]| {
            let answers = answers.iter();
            let answers = answers.map(|(key, answer)| ((*key).to_owned(), answer.clone()));
            let asks = Openstack.wanted(&answers.collect());
            asks.into_iter().map(|ask| ask.path).collect::<Vec<_>>()
        };
        let body = || Answer::Body(b"{}".to_vec());
        assert_eq!(paths(&[]), ["/openstack"]);
        for key in [META_DATA, NETWORK_DATA, USER_DATA] {
            assert!(paths(&[(key, body())]).is_empty(), "{key} of a drive");
            let drive = Bodies::from([(key.to_owned(), Vec::new())]);
            assert!(Openstack.is_told(&drive));
        }
        let other = Bodies::from([("digitalocean_meta_data.json".to_owned(), Vec::new())]);
        assert!(!Openstack.is_told(&other));
        let two = ["/openstack", "/openstack/latest/meta_data.json"];
        assert_eq!(paths(&[(VERSIONS, Answer::Status(404))]), two);
        let heard = [(VERSIONS, body()), (META_DATA, Answer::Status(404))];
        assert_eq!(paths(&heard), two);
        let all = paths(&[(VERSIONS, body()), (META_DATA, body())]);
        assert_eq!(all.len(), 7);
        assert_eq!(all[6], "/latest/meta-data/instance-type");
        assert!(
            Openstack.is_partial(META_DATA, b"{}") && !Openstack.is_partial(NETWORK_DATA, b"{}")
        );
    }

    #[test]
    fn hostile() {
        check_bodies(
            &Openstack,
            &[
                (
                    META_DATA,
                    r#"{"uuid": 7, "hostname": "a b", "availability_zone": null, "meta": {"a\u0007": "b", "c": {"d": 1}, "e": 5, "": "f"}}"#,
                ),
                (
                    NETWORK_DATA,
                    r#"{"links": {"id": [1]}, "networks": "x", "services": [[]]}"#,
                ),
                (VENDOR_DATA, "[{]"),
                (ADDRESS, "none"),
                (INSTANCE_TYPE, "a\nb"),
                (EC2, r#"{"instance-type": ["x"], "public-ipv4": ""}"#),
            ],
            "Ok(Absent)",
            &[
                "! openstack: latest/meta-data/instance-type has more than one line",
                "! openstack: latest/meta-data/public-ipv4 is not what it should be",
                "! openstack: openstack/latest/meta_data.json has a hostname that is not what it should be",
                "! openstack: openstack/latest/meta_data.json has too many tags, or one that is too long or none",
                "! openstack: openstack/latest/meta_data.json has too many tags, or one that is too long or none",
                "! openstack openstack/latest/network_data.json: links[0] has no ethernet_mac_address",
                "! openstack openstack/latest/network_data.json: networks[0] has a link that is no usable one",
                "! openstack: openstack/latest/vendor_data.json is damaged at line 1: while parsing a node, did not find expected node content",
                "instanceId=7",
                "providerId=openstack:///7",
                "tag e=5",
            ],
        );
        check_bodies(
            &Openstack,
            &[
                (META_DATA, "[]"),
                (NETWORK_DATA, "null"),
                (VENDOR_DATA, "\"kind: X\""),
            ],
            "Ok(Config(7 bytes))",
            &[],
        );
    }
}
