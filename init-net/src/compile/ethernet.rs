//! Settings of network cards: field by field, a higher layer replaces what it says and leaves the rest.

use super::names::Names;
use crate::config::{Diagnostic, Document, Severity};
use crate::state::{Desired, EthernetSpec};

pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for document in documents {
        for config in &document.ethernet {
            let links = names.resolve(&config.link);
            if links.is_empty()
                || (names.known() && links.iter().all(|link| names.link(link).is_none()))
            {
                diagnostics.push(
                    Diagnostic::new(Severity::Warning, "no link of this machine matches")
                        .with_place((&config.origin).into())
                        .with_effect("its settings are made when it appears"),
                );
            }
            for link_name in links {
                let below = desired.ethernet.remove(&link_name);
                let options = match &below {
                    Some(below) => config.options.over(&below.options),
                    None => config.options.clone(),
                };
                let spec = EthernetSpec {
                    link_name: link_name.clone(),
                    options,
                    layer: document.layer,
                    origin: config.origin.clone(),
                };
                desired.ethernet.insert(link_name, spec);
            }
        }
    }
}
