//! Machine configuration: a stream of YAML documents, one `kind` each, or the older form in one document.
//!
//! A text becomes a tree with places ([`tree`]); a tree is read by the declarations of its keys ([`record`]), one file
//! a kind ([`kinds`]), strictly: a key that is not declared is an error with its place and the key that was probably
//! meant. The same declarations give the JSON Schema ([`schema()`]). Documents of an OS that are not about its network
//! are accepted and left alone. Secrets never reach a diagnostic.

mod across;
mod doubt;
#[macro_use]
mod keys;
mod kinds;
mod legacy;
mod record;
mod scalar;
mod schema;
mod source;
mod stream;
#[cfg(test)]
mod tests;
pub mod tree;

pub use self::schema::schema;

use self::kinds::{KINDS, OTHERS, Role};
use self::source::Source;
use self::stream::{Seen, Stream};
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
    let stream = Stream::new(&documents);
    let mut seen = Seen::default();
    doubt::of_text(&source, broken, &mut out);
    for node in &documents {
        if !node.is_null() {
            let errors = source.errors();
            document(&source, node, &stream, &mut seen, &mut out);
            if source.errors() > errors {
                doubt::of_document(&source, node, &mut out);
            }
        }
    }
    across::check(&source, &stream);
    (out, source.into_diagnostics())
}

/// Whether a document is one of the older form.
fn is_older(node: &Node) -> bool {
    node.at("kind").is_none() && LEGACY_KEYS.iter().any(|key| node.at(key).is_some())
}

/// Reads one document of the stream.
fn document(
    source: &Source<'_>,
    node: &Node,
    stream: &Stream<'_>,
    seen: &mut Seen,
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
        if is_older(node) {
            if let Err(line) = seen.older(node.mark) {
                let rule =
                    format!("a second one with machine or cluster, after that of line {line}");
                return refuse(
                    source,
                    node.mark,
                    &rule,
                    Some("write both into one document"),
                );
            }
            return legacy::read(source, node, stream, out);
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
    if let Err(line) = seen.identity(name, identity_text, node.mark) {
        let what = format!("{name} {identity_text}");
        let rule = format!("a second {}, after that of line {line}", what.trim_end());
        let mark = identity.map_or(node.mark, |identity| identity.mark);
        return refuse(source, mark, &rule, Some("write both into one document"));
    }
    if let Err((mark, rule)) = seen.claim(known.name, known.role, node) {
        return refuse(source, mark, &rule, Some("keep one of them"));
    }
    let count = |out: &Document| (out.links.len(), out.addresses.len() + out.routes.len());
    let (links, others) = count(out);
    (known.read)(source, node, out);
    // Whose routes are trusted does not make it a configuration of links.
    let trusts = match out.links.get(links..) {
        Some([link]) => link.only_allows_routes() && count(out) == (links + 1, others),
        Some(_) | None => false,
    };
    let configures = matches!(known.role, Role::Link | Role::Dhcp) && !trusts;
    if configures && out.default_dhcp.is_none() {
        out.default_dhcp = Some(Said::new(false, source.origin(node.mark)));
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

/// The value of `key` at the top of the first document of a text that is not ours: host names in `#cloud-config`.
pub(in crate::config) fn top_level(text: &str, key: &str) -> Option<String> {
    let (documents, _) = tree::parse(text);
    let node = documents.first()?;
    match &node.value {
        Value::Map(_) => node.at(key)?.text().map(str::to_owned),
        Value::Scalar { .. } | Value::List(_) => None,
    }
}

/// Whether a text is meant as a machine configuration, right or wrong: its first document says of which kind it is.
pub(in crate::config) fn is_meant(text: &str) -> bool {
    let (documents, _) = tree::parse(text);
    let mut documents = documents.iter().filter(|node| !node.is_null());
    documents
        .next()
        .is_some_and(|node| node.at("kind").is_some() || is_older(node))
}
