//! Machine configuration: a stream of YAML documents, one `kind` each, or the older form in one document.
//!
//! A text becomes a tree with places ([`tree`]); a tree is read by the declarations of its keys ([`record`]), one file
//! a kind ([`kinds`]), strictly: a key that is not declared is an error with its place and the key that was probably
//! meant. The same declarations give the JSON Schema ([`schema()`]). Documents of an OS that are not about its network
//! are accepted and left alone. Secrets never reach a diagnostic.

#[macro_use]
mod keys;
mod kinds;
mod legacy;
mod record;
mod scalar;
mod schema;
mod source;
#[cfg(test)]
mod tests;
pub mod tree;

use std::collections::BTreeSet;

pub use self::schema::schema;

use self::kinds::{KINDS, OTHERS, Role};
use self::source::Source;
use self::tree::{Mark, Node, Value, shown};
use super::nearest::nearest;
use super::{Diagnostic, Document, Said, Severity};
use crate::value::Layer;

/// The only version there is.
const API_VERSION: &str = "v1alpha1";

/// Keys of the older form; without `kind`, one of them makes a document one of that form.
const LEGACY_KEYS: [&str; 5] = ["version", "debug", "persist", "machine", "cluster"];

/// Reads `text`, called `source` in origins and diagnostics. Never stops at the first error: what is right applies.
pub fn parse(text: &str, source: &str) -> (Document, Vec<Diagnostic>) {
    let (documents, faults) = tree::parse(text);
    let broken = !faults.is_empty();
    let source = Source::new(text, source, &documents, broken);
    let mut out = Document::empty(Layer::Configuration, source.name());
    for fault in faults {
        source.report(
            source
                .fault(Severity::Error, fault.mark, fault.message)
                .with_effect("what the text says before this place still applies"),
        );
    }
    let mut seen = BTreeSet::new();
    for node in &documents {
        if !node.is_null() {
            document(&source, node, &mut seen, &mut out);
        }
    }
    (out, source.into_diagnostics())
}

/// Reads one document of the stream.
fn document(
    source: &Source<'_>,
    node: &Node,
    seen: &mut BTreeSet<(String, String)>,
    out: &mut Document,
) {
    let Value::Map(_) = &node.value else {
        return refuse(
            source,
            node.mark,
            "expected keys and values (a mapping)",
            None,
        );
    };
    let Some(kind) = node.at("kind") else {
        if LEGACY_KEYS.iter().any(|key| node.at(key).is_some()) {
            return legacy_once(source, node, seen, out);
        }
        let fix = "write kind: LinkConfig, or another one";
        return refuse(source, node.mark, "kind must be given", Some(fix));
    };
    let name = kind.text().unwrap_or_default();
    let version = node.at("apiVersion");
    if version.and_then(Node::text) != Some(API_VERSION) {
        let mark = version.map_or(node.mark, |version| version.mark);
        return refuse(source, mark, "apiVersion must be v1alpha1", None);
    }
    if OTHERS.contains(&name) {
        return;
    }
    let Some(known) = KINDS.iter().find(|known| known.name == name) else {
        return unknown_kind(source, kind, name);
    };
    let identity = node.at("name");
    let identity_text = identity.and_then(Node::text).unwrap_or_default();
    if !seen.insert((name.to_owned(), identity_text.to_owned())) {
        let rule = format!("a second {name} {identity_text}")
            .trim_end()
            .to_owned();
        let mark = identity.map_or(node.mark, |identity| identity.mark);
        return refuse(source, mark, &rule, Some("write both into one document"));
    }
    if matches!(known.role, Role::Link | Role::Dhcp) && out.default_dhcp.is_none() {
        out.default_dhcp = Some(Said::new(false, source.origin(node.mark)));
    }
    match &known.reader {
        Some(reader) => (reader.read)(source, node, out),
        None => {
            let message = format!("kind {name} is not applied yet");
            source.report(source.fault(Severity::Note, kind.mark, message));
        }
    }
}

/// Reports that a document is none of ours.
fn refuse(source: &Source<'_>, mark: Mark, rule: &str, fix: Option<&str>) {
    let message = format!("document: {rule}");
    let mut fault = source.fault(Severity::Error, mark, message);
    if let Some(fix) = fix {
        fault = fault.with_fix(fix);
    }
    source.report(fault.with_effect("this document is ignored"));
}

fn unknown_kind(source: &Source<'_>, node: &Node, name: &str) {
    let message = format!("unknown kind {}", shown(name));
    let mut fault = source
        .fault(Severity::Error, node.mark, message)
        .with_effect("this document is ignored");
    let known = KINDS.iter().map(|kind| kind.name).chain(OTHERS);
    if let Some(near) = nearest(name, known) {
        fault = fault.with_fix(format!("did you mean {near}?"));
    }
    source.report(fault);
}

fn legacy_once(
    source: &Source<'_>,
    node: &Node,
    seen: &mut BTreeSet<(String, String)>,
    out: &mut Document,
) {
    if seen.insert((String::new(), String::new())) {
        legacy::read(source, node, out);
    } else {
        let message = "a second document with machine or cluster";
        source.report(
            source
                .fault(Severity::Error, node.mark, message)
                .with_effect("this document is ignored"),
        );
    }
}

/// The value of `key` at the top of the first document of a text that is not ours: host names in `#cloud-config`.
pub(in crate::config) fn top_level(text: &str, key: &str) -> Option<String> {
    let (documents, _) = tree::parse(text);
    let node = documents.first()?;
    match &node.value {
        Value::Map(_) => node.at(key)?.text().map(str::to_owned),
        Value::Scalar { .. } | Value::List(_) => None,
    }
}
