//! Machine configuration: a stream of YAML documents, one `kind` each, or the older form in one document.
//!
//! A text becomes a tree with places ([`tree`]), a tree is read key by key by one file a kind ([`kinds`]), strictly:
//! a key nobody asks for is an error with its place and the key that was probably meant. Documents of an OS that
//! are not about its network are accepted and left alone. Secrets never reach a diagnostic.

mod kinds;
mod legacy;
mod reader;
mod source;
#[cfg(test)]
mod tests;
pub mod tree;

use std::collections::BTreeSet;

use self::kinds::{KINDS, Kind, OTHERS, Role};
use self::reader::Reader;
use self::source::Source;
use self::tree::{Node, Value, shown};
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
    let Some(mut reader) = Reader::new(source, node, "document") else {
        return;
    };
    let Some(kind) = reader.node("kind") else {
        if LEGACY_KEYS.iter().any(|key| node.at(key).is_some()) {
            return legacy_once(source, node, seen, out);
        }
        return reader.refuse(
            "kind",
            "kind must be given",
            Some("write kind: LinkConfig, or another one"),
        );
    };
    let name = kind.text().unwrap_or_default();
    let version = reader.node("apiVersion").and_then(Node::text);
    if version != Some(API_VERSION) {
        return reader.refuse("apiVersion", "apiVersion must be v1alpha1", None);
    }
    if OTHERS.contains(&name) {
        return;
    }
    let Some(kind) = KINDS.iter().find(|known| known.name == name) else {
        return unknown_kind(source, kind, name);
    };
    let identity = node.at("name").and_then(Node::text).unwrap_or_default();
    if !seen.insert((name.to_owned(), identity.to_owned())) {
        let rule = format!("a second {name} {identity}").trim_end().to_owned();
        return reader.refuse("name", &rule, Some("write both into one document"));
    }
    if matches!(kind.role, Role::Link | Role::Dhcp) && out.default_dhcp.is_none() {
        out.default_dhcp = Some(Said::new(false, reader.origin()));
    }
    read_kind(source, node, kind, out);
}

fn read_kind(source: &Source<'_>, node: &Node, kind: &'static Kind, out: &mut Document) {
    let Some(read) = kind.read else {
        let message = format!("kind {} is not applied yet", kind.name);
        let mark = kind_mark(node);
        return source.report(source.fault(Severity::Note, mark, message));
    };
    if let Some(mut reader) = Reader::new(source, node, kind.name) {
        reader.node("apiVersion");
        reader.node("kind");
        read(reader, out);
    }
}

fn kind_mark(node: &Node) -> tree::Mark {
    node.at("kind").map_or(node.mark, |kind| kind.mark)
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
