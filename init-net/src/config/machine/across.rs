//! Rules that only the whole configuration can break. They look at the trees, not at what was read of them: what is
//! wrong in itself has its report already.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;
use super::stream::Stream;
use super::tree::{Node, shown};
use crate::config::Severity;
use crate::value::Gather as _;

/// Reports the rules that `stream` breaks as a whole.
pub fn check(source: &Source<'_>, stream: &Stream<'_>) {
    encrypted_servers(source, stream);
    mesh(source, stream);
    speakers(source, stream);
}

fn refuse(source: &Source<'_>, at: &Node, rule: &str, fix: &str, effect: &str) {
    let fault = source.fault(Severity::Error, at.mark, rule);
    source.report(fault.with_fix(fix).with_effect(effect));
}

/// Whether the value of `node` is true.
fn is_true(node: Option<&Node>) -> bool {
    node.and_then(Node::truth) == Some(true)
}

/// Only a server on the machine itself can ask encrypted ones for those who look names up.
fn encrypted_servers(source: &Source<'_>, stream: &Stream<'_>) {
    if is_true(stream.older(&["machine", "features", "hostDNS", "enabled"])) {
        return;
    }
    for document in stream.of_kind("ResolverConfig") {
        if is_true(document.at("hostDNS").and_then(|keys| keys.at("enabled"))) {
            continue;
        }
        let servers = document.at("nameservers").map_or(&[][..], Node::items);
        for protocol in servers.iter().filter_map(|server| server.at("protocol")) {
            let name = protocol.text().unwrap_or_default();
            if ["DoT", "DoH"]
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other))
            {
                let rule = format!("protocol: {name} needs hostDNS");
                let fix = "write hostDNS: {enabled: true}";
                refuse(
                    source,
                    protocol,
                    &rule,
                    fix,
                    "this name server is not asked",
                );
            }
        }
    }
}

/// Machines of a mesh find each other by the discovery of the cluster, which keeps what it tells secret.
fn mesh(source: &Source<'_>, stream: &Stream<'_>) {
    let documents = stream
        .of_kind("KubeSpanConfig")
        .map(|document| document.at("enabled"));
    let older = stream.older(&["machine", "network", "kubespan", "enabled"]);
    let enabled = documents
        .chain([older])
        .flatten()
        .find(|node| is_true(Some(node)));
    let Some(enabled) = enabled else {
        return;
    };
    let effect = "the mesh has no way to find its machines";
    let discovery = is_true(stream.older(&["cluster", "discovery", "enabled"]));
    if !discovery && stream.of_kind("DiscoveryServiceConfig").next().is_none() {
        let fix = "write cluster: {discovery: {enabled: true}}";
        return refuse(source, enabled, "a mesh needs discovery", fix, effect);
    }
    for key in ["id", "secret"] {
        if discovery && stream.older(&["cluster", key]).is_none() {
            let rule = format!("discovery needs cluster: {key}");
            refuse(source, enabled, &rule, "write it beside discovery", effect);
        }
    }
}

/// Speakers of BGP: one a routing domain, each VRF is made, and imports come from somewhere and not in a circle.
fn speakers(source: &Source<'_>, stream: &Stream<'_>) {
    let effect = "no routes are exchanged with neighbours in any case";
    let vrfs: BTreeSet<&str> = texts(stream.of_kind("VRFConfig"), "name").gather();
    let names: BTreeSet<&str> = texts(stream.of_kind("BGPInstanceConfig"), "name").gather();
    let mut domains = BTreeMap::new();
    let mut imports: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for document in stream.of_kind("BGPInstanceConfig") {
        let vrf = document.at("vrf");
        let domain = vrf.and_then(Node::text);
        if let (Some(vrf), Some(name)) = (vrf, domain)
            && !vrfs.contains(name)
        {
            let rule = format!("there is no VRFConfig {}", shown(name));
            refuse(source, vrf, &rule, "add one, or leave vrf out", effect);
        }
        let at = document.at("name").unwrap_or(document);
        if let Some(line) = domains.insert(domain, at.mark.line) {
            let rule = format!("the speaker of line {line} has the same routing domain");
            refuse(source, at, &rule, "write both into one document", effect);
        }
        let sources = document.at("importRoutes").map_or(&[][..], Node::items);
        let sources = sources.iter().filter_map(|import| import.at("bgpInstance"));
        for import in sources.clone() {
            let name = import.text().unwrap_or_default();
            if !names.contains(name) {
                let rule = format!("there is no BGPInstanceConfig {}", shown(name));
                refuse(
                    source,
                    import,
                    &rule,
                    "add one, or remove the import",
                    effect,
                );
            }
        }
        imports.insert(at.text().unwrap_or_default(), sources.collect());
    }
    if let Some(at) = circle(&imports) {
        let rule = "routes are imported in a circle";
        refuse(source, at, rule, "remove one of the imports", effect);
    }
}

/// The texts at `key` of `documents`.
fn texts<'t>(
    documents: impl Iterator<Item = &'t Node>,
    key: &'static str,
) -> impl Iterator<Item = &'t str> {
    documents.filter_map(move |document| document.at(key)?.text())
}

/// An import through which an instance of several gets its own routes back.
fn circle<'t>(imports: &BTreeMap<&'t str, Vec<&'t Node>>) -> Option<&'t Node> {
    let mut done = BTreeSet::new();
    for (start, sources) in imports {
        let mut path = vec![(*start, sources.iter())];
        let mut on_path = BTreeSet::from([*start]);
        while let Some((name, sources)) = path.last_mut() {
            let Some(import) = sources.next() else {
                on_path.remove(name);
                done.insert(*name);
                path.pop();
                continue;
            };
            let from = import.text().unwrap_or_default();
            // That an instance does not import from itself is a rule of its own document.
            if from == *name || done.contains(from) {
                continue;
            }
            if on_path.contains(from) {
                return Some(import);
            }
            if let Some((from, sources)) = imports.get_key_value(from) {
                on_path.insert(*from);
                path.push((*from, sources.iter()));
            }
        }
    }
    None
}
