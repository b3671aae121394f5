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
    facts.fact(zone, "region");
    facts.fact(zone, "zone");
    let offering = facts.line(offering).unwrap_or_default();
    let kind = offering.split_whitespace().next();
    facts.know("instanceType", kind.map(str::to_lowercase));
    facts.fact(id, "instanceId");
    let id = facts.line(id);
    let scheme = facts.name;
    facts.know("providerId", id.map(|id| format!("{scheme}://{id}")));
}
