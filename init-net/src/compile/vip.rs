//! Shared addresses: same link and address, the highest layer wins.

use super::link::Links;
use super::names::Names;
use crate::config::{Diagnostic, Document, Severity, VipConfig, VipProvider};
use crate::state::{Desired, VipSpec};
use crate::value::{Layer, LinkName};

pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
    links: &Links,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut first = None;
    for document in documents {
        for config in &document.vips {
            first.get_or_insert(&config.origin);
            let found = names.resolve(&config.link);
            if found.is_empty() {
                diagnostics.push(
                    Diagnostic::new(Severity::Warning, "no link of this machine matches")
                        .with_place((&config.origin).into())
                        .with_effect(format!("{} waits for its link", config.address)),
                );
            }
            for link in found {
                let by = (document.layer, &config.origin);
                match links.carries(&link, by) {
                    Ok(()) => {
                        let id = (link.clone(), config.address);
                        desired.vips.insert(id, spec(config, link, document.layer));
                    }
                    Err(fault) => diagnostics.push(*fault),
                }
            }
        }
    }
    if let Some(origin) = first {
        diagnostics.push(
            Diagnostic::new(Severity::Note, "shared addresses are not run yet")
                .with_place(origin.into())
                .with_effect("this machine never takes one"),
        );
    }
}

fn spec(config: &VipConfig, link_name: LinkName, layer: Layer) -> VipSpec {
    let (provider, api_token) = match &config.provider {
        VipProvider::Layer2 => ("layer2", None),
        VipProvider::HCloud { token } => ("hcloud", Some(token.clone())),
        VipProvider::EquinixMetal { token } => ("equinixMetal", Some(token.clone())),
    };
    VipSpec {
        ip: config.address,
        link_name,
        provider,
        api_token,
        layer,
        origin: config.origin.clone(),
    }
}
