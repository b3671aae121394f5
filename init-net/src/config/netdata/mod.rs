//! Network descriptions that clouds share: cloud-init's network-config in both versions, and OpenStack's `network_data.json`.
//!
//! Read leniently: these texts are written by machines we do not own, and an unknown key must not cost a boot. A bad
//! value costs its entry, and is a warning.

mod bond;
mod bridge;
pub mod openstack;
mod reader;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use reader::Reader;

use crate::config::machine::tree::{self, Node};
use crate::config::{Diagnostic, Document, Severity};

/// Adds what the network-config `text`, called `source`, says to `out`: version 1 or 2, alone or below `network`.
pub fn parse(text: &str, source: &str, out: &mut Document) -> Vec<Diagnostic> {
    let (documents, faults) = tree::parse_any(text);
    let mut reader = Reader::new(text, source, out);
    for fault in faults {
        reader.warn(fault.mark, fault.message);
    }
    if let Some(root) = documents.first().filter(|root| !root.is_null()) {
        dispatch(&mut reader, root.at("network").unwrap_or(root));
    }
    reader.diagnostics
}

fn dispatch(reader: &mut Reader<'_>, root: &Node) {
    // A server without any public interface has an empty list here instead of a mapping.
    if root.items().is_empty() {
        return;
    }
    // cloud-init: "network: {config: disabled}" leaves the network to others.
    let disabled = root.at("config").and_then(Node::text) == Some("disabled");
    let version = root.at("version");
    let mark = version.map_or(root.mark, |version| version.mark);
    match version.and_then(Node::text) {
        Some("1") => v1::read(reader, root),
        Some("2") => v2::read(reader, root),
        None if disabled => {}
        version => {
            let rule = match version {
                Some(_) => "this version is not known",
                None => "the version is missing",
            };
            let fix = "write version: 1 or version: 2".to_owned();
            let effect = "nothing of it applies";
            reader.report(Severity::Error, mark, rule.to_owned(), Some(fix), effect);
        }
    }
}
