//! Faults that show only when all sources are together.

use super::names::Names;
use crate::config::{Diagnostic, Document, LinkRef, Severity};
use crate::state::Desired;
use crate::value::{Layer, LinkName};

pub(super) fn check(
    documents: &[&Document],
    names: &Names<'_>,
    desired: &Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if names.known() {
        missing_links(documents, names, desired, diagnostics);
    }
}

/// A link that something is configured on and nothing creates.
fn missing_links(
    documents: &[&Document],
    names: &Names<'_>,
    desired: &Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let created: Vec<&LinkName> = documents
        .iter()
        .flat_map(|d| &d.links)
        .filter(|link| link.kind.is_some())
        .filter_map(|link| {
            if let LinkRef::Name(name) = &link.link {
                Some(name)
            } else {
                None
            }
        })
        .collect();
    for link in desired
        .links
        .values()
        .filter(|link| link.layer != Layer::Default)
    {
        if names.link(&link.name).is_none() && !created.contains(&&link.name) {
            diagnostics.push(
                Diagnostic::new(Severity::Warning, format!("there is no link {}", link.name))
                    .with_place((&link.origin).into())
                    .with_fix("name an existing link; `init-net get links` lists them")
                    .with_effect("it is configured when it appears; nothing waits for it"),
            );
        }
    }
}
