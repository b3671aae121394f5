//! Apache CloudStack: keys from the virtual router that gave the lease, or files of a config drive.
//!
//! docs.cloudstack.apache.org, "User Data and Meta Data". The network is DHCP's alone where the router has it.

use core::net::{IpAddr, Ipv4Addr};

use super::exoscale;
use super::facts::Facts;
use super::media::{FileSystem, Medium, Volume};
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider};
use crate::config::netdata::openstack;
use crate::config::userdata::Base64;

/// The provider.
pub struct Cloudstack;

/// Names in the drive are keys; beside each, where the router has the same.
const ID: (&str, &str) = ("cloudstack/metadata/instance_id.txt", "instance-id");
const HOSTNAME: (&str, &str) = ("cloudstack/metadata/local_hostname.txt", "local-hostname");
const OFFERING: (&str, &str) = (
    "cloudstack/metadata/service_offering.txt",
    "service-offering",
);
const ZONE: (&str, &str) = (
    "cloudstack/metadata/availability_zone.txt",
    "availability-zone",
);
const USER_DATA: (&str, &str) = ("cloudstack/userdata/user_data.txt", "user-data");

/// The network, on drives of newer versions only: where no virtual router gives leases.
const NETWORK: &str = "openstack/latest/network_data.json";

/// The address of the virtual router as the outside sees it: not on the drive.
const ADDRESS: &str = "public-ipv4";

/// Files that only the drive has: with them everything is said.
const DRIVE: [&str; 2] = [
    "cloudstack/metadata/vm_id.txt",
    "cloudstack/metadata/cloud_identifier.txt",
];

/// The name under which the router answers where it is not the server of the lease.
const NAME: &str = "http://data-server";

impl Provider for Cloudstack {
    fn name(&self) -> &'static str {
        "cloudstack"
    }

    fn media(&self) -> &'static [Medium] {
        &[Medium::Volume(Volume {
            labels: &["config-2"],
            file_systems: &[FileSystem::Iso9660, FileSystem::Vfat],
            files: &[
                ID.0,
                HOSTNAME.0,
                OFFERING.0,
                ZONE.0,
                USER_DATA.0,
                DRIVE[0],
                DRIVE[1],
                NETWORK,
            ],
        })]
    }

    fn is_told(&self, media: &Bodies) -> bool {
        DRIVE.iter().any(|key| media.contains_key(*key))
    }

    fn bases(&self, known: &Known) -> Vec<String> {
        let mut bases: Vec<String> = Vec::new();
        let servers = known.leases.iter().map(|lease| lease.server);
        let routers = known.leases.iter().map(|lease| lease.router);
        let said = |address: &Ipv4Addr| !address.is_unspecified();
        for address in servers.chain(routers).flatten().filter(said) {
            let base = format!("http://{address}");
            if !bases.contains(&base) {
                bases.push(base);
            }
        }
        // The name can be resolved only by what a lease tells.
        if !known.leases.is_empty() {
            bases.push(NAME.to_owned());
        }
        bases
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        if DRIVE.iter().any(|key| answers.contains_key(*key)) {
            return Vec::new();
        }
        let path = |name: &str| format!("/latest/meta-data/{name}");
        let mut asks = vec![Ask::required(ID.0, path(ID.1))];
        if let Some(Answer::Body(_)) = answers.get(ID.0) {
            let keys = [HOSTNAME, OFFERING, ZONE, (ADDRESS, ADDRESS)];
            asks.extend(keys.map(|(key, name)| Ask::optional(key, path(name))));
            asks.push(Ask::optional(
                USER_DATA.0,
                format!("/latest/{}", USER_DATA.1),
            ));
        }
        asks
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        exoscale::instance(&mut facts, [ID.0, HOSTNAME.0, OFFERING.0, ZONE.0]);
        if let Some(address) = facts.value::<IpAddr>(ADDRESS) {
            facts.external(address, ADDRESS);
        }
        if let Some(text) = facts.text(NETWORK) {
            let source = "cloudstack network_data.json";
            let faults = openstack::parse(text, source, &mut facts.document);
            facts.diagnostics.extend(faults);
        }
        facts.finish(USER_DATA.0, Base64::Maybe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::LeaseFacts;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn router() {
        check(
            &Cloudstack,
            "cloudstack/router",
            "Ok(Config(64 bytes))",
            &[
                "hostname node7",
                "external 198.51.100.8",
                "region=zone-1",
                "zone=zone-1",
                "instanceType=medium",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000042",
                "providerId=cloudstack://0a1b2c3d-0000-4000-8000-000000000042",
            ],
        );
    }

    #[test]
    fn config_drive() {
        check(
            &Cloudstack,
            "cloudstack/config-drive",
            "Ok(Config(64 bytes))",
            &[
                "hostname node8",
                "region=zone-2",
                "zone=zone-2",
                "instanceType=small",
                "instanceId=i-2-42-VM",
                "providerId=cloudstack://i-2-42-VM",
            ],
        );
    }

    #[test]
    fn config_drive_with_a_network() {
        check(
            &Cloudstack,
            "cloudstack/config-drive-network",
            "Ok(Absent)",
            &[
                "02:00:00:00:00:02 mtu 1500",
                "02:00:00:00:00:02 has 10.1.1.7/24",
                "02:00:00:00:00:02 to all via 10.1.1.1",
                "hostname node9",
                "dns 192.0.2.53",
                "instanceId=i-2-43-VM",
                "providerId=cloudstack://i-2-43-VM",
            ],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [
            (
                ID.0, r##"a
b"##,
            ),
            (HOSTNAME.0, r##".."##),
            (ZONE.0, r##""##),
            (ADDRESS, r##"x"##),
            (USER_DATA.0, r##""##),
        ];
        check_bodies(
            &Cloudstack,
            &bodies,
            "Ok(Absent)",
            &[
                "! cloudstack: cloudstack/metadata/local_hostname.txt is not what it should be",
                "! cloudstack: cloudstack/metadata/instance_id.txt has more than one line",
                "! cloudstack: public-ipv4 is not what it should be",
            ],
        );
    }

    #[test]
    fn the_router_is_found_by_the_leases() {
        let lease = |server: Option<&str>, router: Option<&str>| LeaseFacts {
            link: "eth0".parse().unwrap(),
            server: server.map(|address| address.parse().unwrap()),
            router: router.map(|address| address.parse().unwrap()),
        };
        let bases = |leases| {
            Cloudstack.bases(&Known {
                leases,
                ..Known::default()
            })
        };
        assert!(bases(Vec::new()).is_empty(), "nobody knows yet");
        assert_eq!(bases(vec![lease(None, None)]), [NAME]);
        let two = vec![
            lease(Some("10.1.1.2"), Some("10.1.1.1")),
            lease(Some("0.0.0.0"), Some("10.1.1.2")),
        ];
        assert_eq!(bases(two), ["http://10.1.1.2", "http://10.1.1.1", NAME]);
    }

    #[test]
    fn requests() {
        let (_, asks) = converse(&Cloudstack, "cloudstack/router");
        let paths: Vec<&str> = asks.iter().map(|ask| ask.path.as_str()).collect();
        let root = "/latest/meta-data";
        assert_eq!(
            paths,
            [
                format!("{root}/instance-id"),
                format!("{root}/local-hostname"),
                format!("{root}/service-offering"),
                format!("{root}/availability-zone"),
                format!("{root}/public-ipv4"),
                "/latest/user-data".to_owned(),
            ]
        );
        let (bodies, asks) = converse(&Cloudstack, "cloudstack/config-drive");
        assert!(asks.is_empty() && bodies.len() == 7);
    }
}
