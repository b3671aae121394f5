//! What `get` and `explain` answer: resources as JSON values, from what is desired and what is observed.

use core::net::IpAddr;
use core::slice::from_ref;

use serde_json::{Value, json};

use super::core::Readiness;
use crate::state::{Desired, LinkStatus, Observed};
use crate::value::{Layer, Origin};

/// The KINDs of `get` (DESIGN §4), with the spelling people type.
pub const KINDS: [&str; 18] = [
    "links",
    "linkspecs",
    "addresses",
    "addressspecs",
    "routes",
    "routespecs",
    "rules",
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
                .map(|rule| with_id(format!("{}/{:05}", family(rule), rule.priority), rule))
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
            "status" => vec![with_id("status".into(), self.readiness)],
            "metadata" => vec![with_id("platform".into(), &desired.metadata)],
            _ => return None,
        })
    }

    /// Where the objects that `id` names come from and what they overrode, as text; `None`: nothing matches.
    pub fn explain(&self, id: &str) -> Option<String> {
        let desired = self.desired;
        let mut blocks: Vec<String> = Vec::new();
        // One object: what it is, its id, other names it answers to, and where it comes from.
        let mut object = |kind: &str,
                          full: String,
                          short: &[String],
                          layer: Layer,
                          from: &[Origin],
                          over: &[Origin]| {
            if full == id || short.iter().any(|short| short == id) {
                blocks.push(block(kind, &full, layer, from, over));
            }
        };
        for spec in desired.links.values() {
            object(
                "link",
                spec.name.to_string(),
                &[],
                spec.layer,
                from_ref(&spec.origin),
                &spec.overrode,
            );
        }
        for spec in desired.addresses.values() {
            let short = [spec.address.to_string(), spec.address.address().to_string()];
            object(
                "address",
                spec.id().to_string(),
                &short,
                spec.layer,
                from_ref(&spec.origin),
                &spec.overrode,
            );
        }
        for spec in desired.routes.values() {
            let short = [spec
                .dst
                .map_or_else(|| "default".to_owned(), |dst| dst.to_string())];
            object(
                "route",
                spec.id().to_string(),
                &short,
                spec.layer,
                from_ref(&spec.origin),
                &spec.overrode,
            );
        }
        for spec in desired.operators.values() {
            let full = format!("{}/{}", spec.operator, spec.link_name);
            object(
                "operator",
                full,
                &[],
                spec.layer,
                from_ref(&spec.origin),
                &spec.overrode,
            );
        }
        if let Some(spec) = &desired.hostname {
            let short = ["hostname".to_owned()];
            object(
                "hostname",
                spec.fqdn(),
                &short,
                spec.layer,
                from_ref(&spec.origin),
                &spec.overrode,
            );
        }
        if let Some(spec) = &desired.resolver {
            let mut short: Vec<String> =
                spec.name_servers.iter().map(ToString::to_string).collect();
            let full = short.join(" ");
            short.push("resolvers".into());
            object(
                "resolvers",
                full,
                &short,
                spec.layer,
                &spec.origins,
                &spec.overrode,
            );
        }
        if blocks.is_empty() {
            blocks.extend(self.foreign(id));
        }
        if blocks.is_empty() {
            None
        } else {
            Some(blocks.join("\n"))
        }
    }

    /// What is there but not ours.
    fn foreign(&self, id: &str) -> Option<String> {
        let address = self.observed.addresses.iter().find(|a| {
            a.address.to_string() == id
                || a.address.address().to_string() == id
                || format!("{}/{}", a.link_name, a.address) == id
        });
        let route = self.observed.routes.iter().find(|route| {
            route_id(route) == id
                || route
                    .dst
                    .map_or(id == "default", |dst| dst.to_string() == id)
        });
        match (address, route) {
            (Some(address), _) => Some(format!(
                "address {}/{}\n  not ours (protocol {}): observed, never changed or removed",
                address.link_name, address.address, address.protocol
            )),
            (None, Some(route)) => Some(format!(
                "route {}\n  not ours (protocol {}): observed, never changed or removed",
                route_id(route),
                route.protocol
            )),
            (None, None) => None,
        }
    }
}

fn block(kind: &str, id: &str, layer: Layer, origins: &[Origin], overrode: &[Origin]) -> String {
    let mut text = format!("{kind} {id}\n  layer: {layer}");
    for origin in origins {
        text.push_str(&format!("\n  from: {origin}"));
    }
    for origin in overrode {
        text.push_str(&format!("\n  overrode: {origin}"));
    }
    text
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

fn route_id(route: &crate::state::RouteStatus) -> String {
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

fn family(rule: &crate::state::RuleStatus) -> &'static str {
    match rule.family {
        crate::state::Family::Inet4 => "inet4",
        crate::state::Family::Inet6 => "inet6",
    }
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
