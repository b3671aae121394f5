//! Apache CloudStack: keys from the virtual router that gave the lease, or files of a config drive.
//!
//! docs.cloudstack.apache.org, "User Data and Meta Data". The network is DHCP's alone where the router has it.

use core::net::{IpAddr, Ipv4Addr};

use super::exoscale;
use super::facts::Facts;
use super::media::{FileSystem, Medium, Volume};
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider};
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
            ],
        })]
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
        facts.finish(USER_DATA.0, Base64::Maybe)
    }
}
