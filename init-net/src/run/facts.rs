//! What `get` answers: resources as JSON values, from what is desired and what is observed.

use core::net::IpAddr;

use serde_json::{Value, json};

use super::core::Readiness;
use crate::state::{Desired, LinkStatus, Observed, RuleId, RuleStatus, SysctlSpec, VipSpec};

/// The KINDs of `get` (DESIGN §4), with the spelling people type.
pub const KINDS: [&str; 25] = [
    "links",
    "linkspecs",
    "addresses",
    "addressspecs",
    "routes",
    "routespecs",
    "rules",
    "rulespecs",
    "ethernet",
    "aliases",
    "sysctls",
    "firewall",
    "vips",
    "probes",
    "hostname",
    "hostnamespecs",
    "resolvers",
    "resolverspecs",
    "hosts",
    "timeservers",
    "nodeaddresses",
    "operators",
    "leases",
    "status",
    "metadata",
];

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
    /// The supervisor's process; null where none runs.
    pub process: &'a Value,
}

impl Facts<'_> {
    /// The resources of `kind`, each with an `id`; `None`: no such kind.
    pub fn get(&self, kind: &str) -> Option<Vec<Value>> {
        let desired = self.desired;
        let observed = self.observed;
        Some(match kind {
            "links" => observed.links.values().map(link).collect(),
            "linkspecs" => desired
                .links
                .values()
                .map(|link| with_id(link.name.to_string(), link))
                .collect(),
            "addresses" => observed
                .addresses
                .iter()
                .map(|address| {
                    with_id(
                        format!("{}/{}", address.link_name, address.address),
                        address,
                    )
                })
                .collect(),
            "addressspecs" => desired
                .addresses
                .values()
                .map(|spec| with_id(spec.id().to_string(), spec))
                .collect(),
            "routes" => observed
                .routes
                .iter()
                .map(|route| with_id(route_id(route), route))
                .collect(),
            "routespecs" => desired
                .routes
                .values()
                .map(|spec| with_id(spec.id().to_string(), spec))
                .collect(),
            "rules" => observed
                .rules
                .iter()
                .map(|rule| with_id(rule_id(rule), rule))
                .collect(),
            "rulespecs" => desired
                .rules
                .values()
                .map(|spec| with_id(spec.id().to_string(), spec))
                .collect(),
            "ethernet" => desired
                .ethernet
                .values()
                .map(|spec| with_id(spec.link_name.to_string(), spec))
                .collect(),
            "aliases" => desired
                .aliases
                .values()
                .map(|spec| with_id(spec.link_name.to_string(), spec))
                .collect(),
            "sysctls" => desired
                .sysctls
                .values()
                .map(|spec| sysctl(spec, observed))
                .collect(),
            "firewall" => desired
                .firewall
                .iter()
                .map(|spec| with_id("firewall".into(), spec))
                .collect(),
            "vips" => desired
                .vips
                .values()
                .map(|spec| with_id(vip_id(spec), spec))
                .collect(),
            "probes" => desired
                .probes
                .values()
                .map(|spec| with_id(spec.name.clone(), spec))
                .collect(),
            "hostname" => vec![json!({ "id": "hostname", "hostname": observed.hostname,
                "domainname": desired.hostname.as_ref().map(|h| h.domainname.clone()).unwrap_or_default() })],
            "hostnamespecs" => desired
                .hostname
                .iter()
                .map(|spec| with_id("hostname".into(), spec))
                .collect(),
            "resolvers" | "resolverspecs" => desired
                .resolver
                .iter()
                .map(|spec| with_id("resolvers".into(), spec))
                .collect(),
            "timeservers" => desired
                .time_servers
                .iter()
                .map(|spec| with_id("timeservers".into(), spec))
                .collect(),
            "hosts" => desired
                .hosts
                .iter()
                .map(|host| with_id(host.address.to_string(), host))
                .collect(),
            "operators" => desired
                .operators
                .values()
                .map(|spec| with_id(format!("{}/{}", spec.operator, spec.link_name), spec))
                .collect(),
            "leases" => self.leases.to_vec(),
            "nodeaddresses" => {
                vec![json!({ "id": "current", "addresses": node_addresses(observed) })]
            }
            "status" => vec![self.status()],
            "metadata" => vec![with_id("platform".into(), &desired.metadata)],
            _ => return None,
        })
    }
}

impl Facts<'_> {
    fn status(&self) -> Value {
        let mut value = with_id("status".into(), self.readiness);
        if let Value::Object(fields) = &mut value
            && !self.process.is_null()
        {
            fields.insert("process".into(), self.process.clone());
        }
        value
    }
}

/// A link, with its carrier spelled out of the flags.
fn link(link: &LinkStatus) -> Value {
    let mut value = with_id(link.name.to_string(), link);
    if let Value::Object(fields) = &mut value {
        fields.insert(
            "carrier".into(),
            Value::Bool(link.is_up() && link.has_carrier()),
        );
    }
    value
}

fn with_id(id: String, resource: &impl serde::Serialize) -> Value {
    let mut value = json!({ "id": id });
    if let (Value::Object(target), Ok(Value::Object(fields))) =
        (&mut value, serde_json::to_value(resource))
    {
        target.extend(fields);
    }
    value
}

pub(super) fn route_id(route: &crate::state::RouteStatus) -> String {
    let id = crate::state::RouteId {
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

/// A parameter, with what it reads now.
fn sysctl(spec: &SysctlSpec, observed: &Observed) -> Value {
    let mut value = with_id(spec.key.to_string(), spec);
    if let Value::Object(fields) = &mut value {
        let current = observed.sysctls.get(&spec.key).cloned();
        fields.insert("current".into(), current.map_or(Value::Null, Value::String));
    }
    value
}

/// Global addresses of links that are up with carrier: IPv4 before IPv6, then by number.
fn node_addresses(observed: &Observed) -> Vec<String> {
    let mut all: Vec<_> = observed
        .addresses
        .iter()
        .filter(|a| {
            matches!(
                a.scope,
                crate::state::Scope::Global | crate::state::Scope::Site
            )
        })
        .filter(|a| {
            observed
                .links
                .get(&a.link_index)
                .is_some_and(|link| link.is_up() && link.has_carrier())
        })
        .map(|a| a.address)
        .collect();
    all.sort_by_key(|prefix| (!matches!(prefix.address(), IpAddr::V4(_)), *prefix));
    all.dedup();
    all.iter().map(ToString::to_string).collect()
}
