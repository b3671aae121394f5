//! Exoscale: keys in the manner of CloudStack, from which it comes. The network is DHCP's alone.
//!
//! community.exoscale.com, "Instance metadata".

use core::net::IpAddr;

use super::facts::Facts;
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::userdata::Base64;

/// The provider.
pub struct Exoscale;

/// The key that shows that the service is there.
const ID: &str = "instance-id";

/// Keys that may be missing.
const KEYS: [&str; 4] = [
    "local-hostname",
    "service-offering",
    "public-ipv4",
    "availability-zone",
];

const USER_DATA: &str = "user-data";

impl Provider for Exoscale {
    fn name(&self) -> &'static str {
        "exoscale"
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://169.254.169.254"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let path = |key: &str| format!("/1.0/meta-data/{key}");
        let mut asks = vec![Ask::required(ID, path(ID))];
        if let Some(Answer::Body(_)) = answers.get(ID) {
            asks.extend(KEYS.iter().map(|key| Ask::optional(*key, path(key))));
            asks.push(Ask::optional(USER_DATA, "/1.0/user-data"));
        }
        asks
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        let [hostname, offering, address, zone] = KEYS;
        instance(&mut facts, [ID, hostname, offering, zone]);
        if let Some(address) = facts.value::<IpAddr>(address) {
            facts.external(address, KEYS[2]);
        }
        facts.finish(USER_DATA, Base64::Maybe)
    }
}

/// What this cloud and CloudStack say of an instance: keys of identifier, host name, offering and zone.
pub fn instance(facts: &mut Facts<'_>, [id, hostname, offering, zone]: [&str; 4]) {
    facts.hostname(hostname);
    let zone = facts.line(zone).map(str::to_owned);
    facts.know("region", zone.clone());
    facts.know("zone", zone);
    let offering = facts.line(offering).unwrap_or_default();
    let kind = offering.split_whitespace().next();
    facts.know("instanceType", kind.map(str::to_lowercase));
    let id = facts.line(id).map(str::to_owned);
    facts.identity(id, facts.name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};

    #[test]
    fn plain() {
        check(
            &Exoscale,
            "exoscale/plain",
            "Ok(Config(64 bytes))",
            &[
                "hostname node7",
                "external 198.51.100.8",
                "region=ch-gva-2",
                "zone=ch-gva-2",
                "instanceType=standard.medium",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000042",
                "providerId=exoscale://0a1b2c3d-0000-4000-8000-000000000042",
            ],
        );
    }

    #[test]
    fn private_network() {
        check(
            &Exoscale,
            "exoscale/private-network",
            "Ok(Absent)",
            &[
                "hostname node8.example.net",
                "region=de-fra-1",
                "zone=de-fra-1",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000043",
                "providerId=exoscale://0a1b2c3d-0000-4000-8000-000000000043",
            ],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [
            (
                ID, r##"a
b"##,
            ),
            ("local-hostname", r##"a b"##),
            ("service-offering", r##"[31m"##),
            ("public-ipv4", r##"198.51.100.300"##),
            ("availability-zone", r##""##),
            (
                USER_DATA,
                r##"#!/bin/sh
"##,
            ),
        ];
        check_bodies(
            &Exoscale,
            &bodies,
            "Err(Foreign(Whole(Script)))",
            &[
                "! exoscale: local-hostname is not what it should be",
                "! exoscale: service-offering is too long or holds control characters",
                "! exoscale: instance-id has more than one line",
                "! exoscale: public-ipv4 is not what it should be",
            ],
        );
    }

    #[test]
    fn requests() {
        let (_, asks) = converse(&Exoscale, "exoscale/plain");
        assert_eq!(asks[0].path, "/1.0/meta-data/instance-id");
        assert_eq!(asks.last().unwrap().path, "/1.0/user-data");
        assert_eq!(asks.len(), 6);
    }
}
