//! What `get` answers: resources as JSON values, from what is desired, what is observed and what is remembered.

mod files;
mod firewall;
mod link;
mod network;
mod status;

use core::net::IpAddr;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::core::{Readiness, Record};
use super::sample::Sample;
use crate::state::{
    Desired, Observed, ProbeStatus, RouteId, RouteStatus, RuleId, RuleStatus, VipSpec, VipStatus,
};
use crate::value::{Instant, LinkName};

/// Everything a fact can come from.
pub struct Facts<'a> {
    /// The desired side.
    pub desired: &'a Desired,
    /// The kernel's side.
    pub observed: &'a Observed,
    /// DHCP clients with their leases.
    pub leases: &'a [Value],
    /// Readiness.
    pub readiness: &'a Readiness,
    /// How the probes fare, by name; those that have not been tried yet are not there.
    pub probes: &'a BTreeMap<String, ProbeStatus>,
    /// How shared addresses fare, by link and address; nothing without a supervisor.
    pub vips: &'a BTreeMap<(LinkName, IpAddr), VipStatus>,
    /// What the status says besides: an object of the change that is to be confirmed, and of the config in force.
    pub standing: &'a Value,
    /// Events, since when, addresses of the machine.
    pub record: &'a Record,
    /// What was looked at for this answer.
    pub sample: &'a Sample,
    /// The time of the answer.
    pub now: Instant,
}

impl Facts<'_> {
    /// The resources of `kind` (a first name of [`super::kinds`]), each with an `id`.
    pub fn get(&self, kind: &str) -> Vec<Value> {
        let Self {
            desired, observed, ..
        } = self;
        match kind {
            "links" => self.links(),
            "linkspecs" => all(&desired.links, |spec| spec.name.to_string()),
            "addresses" => rows(&observed.addresses, |it| {
                format!("{}/{}", it.link_name, it.address)
            }),
            "addressspecs" => all(&desired.addresses, |spec| spec.id().to_string()),
            "routes" => rows(&observed.routes, route_id),
            "routespecs" => all(&desired.routes, |spec| spec.id().to_string()),
            "rules" => rows(&observed.rules, rule_id),
            "rulespecs" => all(&desired.rules, |spec| spec.id().to_string()),
            "neighbors" => rows(&self.sample.neighbors, |it| {
                format!("{}/{}", it.link_name, it.address)
            }),
            "ethernet" => self.ethernet(),
            "ethernetspecs" => all(&desired.ethernet, |spec| spec.link_name.to_string()),
            "aliases" => self.aliases(),
            "aliasspecs" => all(&desired.aliases, |spec| spec.link_name.to_string()),
            "sysctls" => self.sysctls(),
            "sysctlspecs" => all(&desired.sysctls, |spec| spec.key.to_string()),
            "hostname" => self.hostname(),
            "hostnamespecs" => rows(&desired.hostname, |_| "hostname".into()),
            "resolvers" => files::resolvers(observed),
            "resolverspecs" => rows(&desired.resolver, |_| "resolvers".into()),
            // The clock is not set here: what is merged is all that there is of them.
            "timeservers" | "timeserverspecs" => {
                rows(&desired.time_servers, |_| "timeservers".into())
            }
            "hosts" => files::hosts(observed),
            "hostspecs" => rows(&desired.hosts, |host| host.address.to_string()),
            "nodeaddresses" => self.node_addresses(),
            "nodeaddressfilters" => self.node_address_filters(),
            "operators" => self.operators(),
            "operatorspecs" => all(&desired.operators, |spec| {
                format!("{}/{}", spec.operator, spec.link_name)
            }),
            "leases" => self.leases.to_vec(),
            "vips" => self.vips(),
            "vipspecs" => all(&desired.vips, vip_id),
            "probes" => self.probes(),
            "probespecs" => all(&desired.probes, |spec| spec.name.clone()),
            "firewall" => firewall::rules(self.table()),
            "firewallspecs" => rows(&desired.firewall, |_| "firewall".into()),
            "status" => vec![self.status()],
            "metadata" => vec![with_id("platform".into(), &desired.metadata)],
            "externalips" => desired
                .external_ips
                .iter()
                .map(|ip| json!({ "id": ip.to_string(), "address": ip }))
                .collect(),
            "events" => rows(self.record.ring().events(), |event| event.seq.to_string()),
            _ => Vec::new(),
        }
    }
}

/// The values of a map as resources.
fn all<K, T: serde::Serialize>(map: &BTreeMap<K, T>, id: impl Fn(&T) -> String) -> Vec<Value> {
    rows(map.values(), id)
}

/// Each of `items` as a resource.
fn rows<'a, T: serde::Serialize + 'a>(
    items: impl IntoIterator<Item = &'a T>,
    id: impl Fn(&T) -> String,
) -> Vec<Value> {
    items
        .into_iter()
        .map(|item| with_id(id(item), item))
        .collect()
}

/// A resource: the fields of `resource`, and `id`.
fn with_id(id: String, resource: &impl serde::Serialize) -> Value {
    let mut value = json!({ "id": id });
    add(&mut value, resource);
    value
}

/// Adds the fields of `more` to a resource.
fn add(value: &mut Value, more: &impl serde::Serialize) {
    if let Ok(Value::Object(fields)) = serde_json::to_value(more) {
        extend(value, fields);
    }
}

/// Adds fields to a resource.
fn extend(value: &mut Value, fields: impl IntoIterator<Item = (String, Value)>) {
    if let Value::Object(target) = value {
        target.extend(fields);
    }
}

/// Adds one field to a resource, if there is something to add.
fn put(value: &mut Value, field: &str, content: Option<impl serde::Serialize>) {
    let content = content.and_then(|content| serde_json::to_value(content).ok());
    extend(value, content.map(|content| (field.to_owned(), content)));
}

pub(super) fn route_id(route: &RouteStatus) -> String {
    let id = RouteId {
        table: route.table,
        family: route.family,
        dst: route.dst,
        priority: route.priority,
        gateway: route.gateway,
        link: route.out_link_name.clone(),
    };
    id.to_string()
}

pub(super) fn rule_id(rule: &RuleStatus) -> String {
    let (family, priority) = (rule.family, rule.priority);
    RuleId { family, priority }.to_string()
}

pub(super) fn vip_id(spec: &VipSpec) -> String {
    format!("{}/{}", spec.link_name, spec.ip)
}

#[cfg(test)]
mod tests;
