//! What `explain` answers: where an object comes from, and what it overrode.

use core::slice::from_ref;

use super::facts::{Facts, route_id, rule_id, vip_id};
use crate::state::nft::{ElementText, TableStatus};
use crate::state::{FieldOrigin, VipElection, VipSpec, VipState};
use crate::value::{Layer, Origin, Prefix, VipProvider};

/// One object: what it is, its id, and where it comes from.
struct Object<'a> {
    kind: &'static str,
    id: String,
    /// Other names that it answers to.
    short: Vec<String>,
    layer: Layer,
    from: &'a [Origin],
    overrode: &'a [Origin],
    /// Field by field, where several lines make one object.
    fields: &'a [FieldOrigin],
    /// What else there is to say.
    notes: Vec<String>,
}

impl<'a> Object<'a> {
    fn new(kind: &'static str, id: String, layer: Layer, from: &'a [Origin]) -> Self {
        Self {
            kind,
            id,
            short: Vec::new(),
            layer,
            from,
            overrode: &[],
            fields: &[],
            notes: Vec::new(),
        }
    }

    fn answers_to(&self, id: &str) -> bool {
        self.id == id || self.short.iter().any(|short| short == id)
    }

    fn text(&self) -> String {
        let mut text = format!("{} {}\n  layer: {}", self.kind, self.id, self.layer);
        for origin in self.from {
            text.push_str(&format!("\n  from: {origin}"));
        }
        if self
            .fields
            .iter()
            .any(|field| !self.from.contains(&field.origin))
            || !self.overrode.is_empty()
        {
            for FieldOrigin {
                field,
                origin,
                overrode,
            } in self.fields
            {
                text.push_str(&format!("\n  {field}: {origin}"));
                for origin in overrode {
                    text.push_str(&format!("\n    overrode: {origin}"));
                }
            }
        }
        // What the fields have said is not said again.
        let said = |origin: &&Origin| self.fields.iter().any(|f| f.overrode.contains(origin));
        for origin in self.overrode.iter().filter(|origin| !said(origin)) {
            text.push_str(&format!("\n  overrode: {origin}"));
        }
        for note in &self.notes {
            text.push_str(&format!("\n  {note}"));
        }
        text
    }
}

impl Facts<'_> {
    /// Where the objects that `id` names come from and what they overrode, as text; `None`: nothing matches.
    pub fn explain(&self, id: &str) -> Option<String> {
        let found = self
            .objects(id)
            .into_iter()
            .filter(|object| object.answers_to(id));
        let blocks: Vec<String> = found.map(|object| object.text()).collect();
        if blocks.is_empty() {
            self.foreign(id)
        } else {
            Some(blocks.join("\n"))
        }
    }

    /// Everything that is desired; what takes long to say is said of the one that is `asked` for.
    fn objects(&self, asked: &str) -> Vec<Object<'_>> {
        let desired = self.desired;
        let mut all: Vec<Object<'_>> = Vec::new();
        all.extend(desired.links.values().map(|spec| Object {
            overrode: &spec.overrode,
            fields: &spec.fields,
            ..Object::new(
                "link",
                spec.name.to_string(),
                spec.layer,
                from_ref(&spec.origin),
            )
        }));
        all.extend(desired.addresses.values().map(|spec| Object {
            short: vec![spec.address.to_string(), spec.address.address().to_string()],
            overrode: &spec.overrode,
            ..Object::new(
                "address",
                spec.id().to_string(),
                spec.layer,
                from_ref(&spec.origin),
            )
        }));
        all.extend(desired.routes.values().map(|spec| Object {
            short: vec![spec.dst.map_or_else(|| "default".to_owned(), |dst| dst.to_string())],
            overrode: &spec.overrode,
            ..Object::new(
                "route",
                spec.id().to_string(),
                spec.layer,
                from_ref(&spec.origin),
            )
        }));
        all.extend(desired.rules.values().map(|spec| Object {
            short: vec![spec.priority.to_string()],
            overrode: &spec.overrode,
            ..Object::new(
                "rule",
                spec.id().to_string(),
                spec.layer,
                from_ref(&spec.origin),
            )
        }));
        all.extend(desired.operators.values().map(|spec| {
            let id = format!("{}/{}", spec.operator, spec.link_name);
            Object {
                overrode: &spec.overrode,
                ..Object::new("operator", id, spec.layer, from_ref(&spec.origin))
            }
        }));
        all.extend(desired.hostname.iter().map(|spec| Object {
            short: vec!["hostname".to_owned()],
            overrode: &spec.overrode,
            ..Object::new("hostname", spec.fqdn(), spec.layer, from_ref(&spec.origin))
        }));
        all.extend(desired.resolver.iter().map(|spec| {
            let mut short: Vec<String> =
                spec.name_servers.iter().map(ToString::to_string).collect();
            let id = short.join(" ");
            short.push("resolvers".into());
            Object {
                short,
                overrode: &spec.overrode,
                ..Object::new("resolvers", id, spec.layer, &spec.origins)
            }
        }));
        all.extend(desired.time_servers.iter().map(|spec| Object {
            short: spec.time_servers.clone(),
            ..Object::new(
                "timeservers",
                "timeservers".into(),
                spec.layer,
                &spec.origins,
            )
        }));
        all.extend(desired.ethernet.values().map(|spec| {
            let id = spec.link_name.to_string();
            Object::new("ethernet", id, spec.layer, from_ref(&spec.origin))
        }));
        all.extend(desired.aliases.values().map(|spec| Object {
            short: vec![spec.link_name.to_string()],
            ..Object::new(
                "alias",
                spec.alias.to_string(),
                spec.layer,
                from_ref(&spec.origin),
            )
        }));
        all.extend(desired.sysctls.values().map(|spec| Object {
            // As a file, as sysctl(8) takes it as well.
            short: vec![spec.key.segments().collect::<Vec<_>>().join("/")],
            overrode: &spec.overrode,
            ..Object::new(
                "sysctl",
                spec.key.to_string(),
                spec.layer,
                from_ref(&spec.origin),
            )
        }));
        all.extend(desired.vips.values().map(|spec| {
            let address = Prefix::host(spec.ip);
            let there = format!("{}/{address}", spec.holder);
            Object {
                short: vec![spec.ip.to_string(), address.to_string(), there],
                notes: self.shared(spec),
                ..Object::new("vip", vip_id(spec), spec.layer, from_ref(&spec.origin))
            }
        }));
        all.extend(desired.probes.values().map(|spec| Object {
            short: vec![spec.target.to_string()],
            ..Object::new(
                "probe",
                spec.name.clone(),
                spec.layer,
                from_ref(&spec.origin),
            )
        }));
        if let Some(spec) = &desired.firewall {
            let id = "firewall".to_owned();
            let there = self.table();
            let notes = match (spec.wanted(), there) {
                (None, _) => vec!["nothing is filtered".to_owned()],
                (Some(table), Some(there)) if !there.foreign && there.table == **table => {
                    vec!["in force".to_owned()]
                }
                (Some(_), _) => vec!["not in force".to_owned()],
            };
            all.push(Object {
                notes,
                ..Object::new("firewall", id, spec.layer, from_ref(&spec.origin))
            });
            all.extend(spec.rules.iter().map(|rule| {
                let id = format!("firewall/{}", rule.name);
                let mut object = Object {
                    short: vec![rule.name.clone()],
                    ..Object::new("firewall rule", id, spec.layer, from_ref(&rule.origin))
                };
                let there = there.filter(|_| object.answers_to(asked));
                object.notes = there.map_or_else(Vec::new, |there| counted(there, &rule.name));
                object
            }));
        }
        all
    }

    /// Who elects for a shared address, what moves it, and how it fares.
    fn shared(&self, spec: &VipSpec) -> Vec<String> {
        let election = match &spec.election {
            VipElection::Vrrp(election) => {
                let derived = match election.vrid_derived {
                    true => " (derived from the address)",
                    false => "",
                };
                format!(
                    "vrrp group {}{derived}, priority {}, every {:?}",
                    election.vrid, election.priority, election.advert_interval
                )
            }
            VipElection::Etcd(election) => format!("etcd key {}", election.key),
        };
        let mut notes = vec![format!("elected by: {election}")];
        if let Some(own) = spec.own_link() {
            notes.push(format!("on: {own}, which has its hardware address"));
        }
        if spec.provider != VipProvider::Layer2 {
            notes.push(format!("moved by: {}", spec.provider.name()));
        }
        let Some(status) = self.vips.get(&(spec.link_name.clone(), spec.ip)) else {
            return notes;
        };
        let state = match status.state {
            VipState::Waiting => "waiting for its link",
            VipState::Fault => "fault",
            VipState::Backup => "another machine may have it",
            VipState::Acquiring => "being moved here",
            VipState::Active => "this machine has it",
        };
        notes.push(format!("state: {state}"));
        notes.extend(status.owner.iter().map(|owner| format!("owner: {owner}")));
        if !status.reason.is_empty() {
            notes.push(format!("last: {}", status.reason));
        }
        notes
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
        let rule = self.observed.rules.iter().find(|rule| rule_id(rule) == id);
        if let Some(rule) = rule {
            return Some(format!(
                "rule {id}\n  not ours (protocol {}): observed, never changed or removed",
                rule.protocol
            ));
        }
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

/// What the rules of that name have counted, chain by chain, and the elements, set by set.
fn counted(there: &TableStatus, name: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (chain, counters) in there.table.chains.iter().zip(&there.counters) {
        for (number, (rule, counter)) in chain.rules.iter().zip(counters).enumerate() {
            if rule.comment.as_deref() == Some(name) {
                lines.push(format!(
                    "{}/{}: {} packets, {} bytes: {rule}",
                    chain.name,
                    number + 1,
                    counter.packets,
                    counter.bytes
                ));
            }
        }
    }
    for (set, counters) in there.table.sets.iter().zip(&there.elements) {
        for (number, (element, counter)) in set.elements.iter().zip(counters).enumerate() {
            if element.comment.as_deref() == Some(name) {
                lines.push(format!(
                    "{}/{}: {} packets, {} bytes: {}",
                    set.name,
                    number + 1,
                    counter.packets,
                    counter.bytes,
                    ElementText(set, element)
                ));
            }
        }
    }
    lines
}
