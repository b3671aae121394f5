//! Documents, leases and the links of the machine to [`Desired`]: names resolved, layers merged, defaults filled in,
//! cross checks made.
//!
//! Each file is one resource with its merge rule. The rule is the same almost everywhere: same id, the highest
//! [`Layer`] wins whole, the losers are kept as `overrode` for `explain`.

mod address;
mod alias;
mod check;
pub mod defaults;
mod ethernet;
mod files;
mod firewall;
mod hostname;
pub mod lease;
pub mod lease6;
mod link;
mod meanwhile;
mod names;
mod networks;
mod node_address;
mod operator;
mod probe;
mod resolver;
mod route;
mod route_policy;
pub mod router;
mod rule;
mod selector;
mod settings;
mod sysctl;
#[cfg(test)]
mod tests;
mod vip;

use std::collections::BTreeMap;

pub use meanwhile::speaks_of_firewall;
pub use settings::{Settings, settings};

use crate::config::{Diagnostic, Document};
use crate::state::{Desired, HostSpec, LinkStatus};
use crate::value::Layer;

/// What compiling yields: the state wanted, and what the sources together have wrong.
pub type Compiled = (Desired, Vec<Diagnostic>);

/// Compiles `documents` (any order) for a machine with `links` (by index; empty: nothing is known of them).
pub fn compile(documents: &[Document], links: &BTreeMap<u32, LinkStatus>) -> Compiled {
    let mut documents = first_hits(documents);
    documents.sort_by_key(|document| document.layer);
    let mut diagnostics = Vec::new();
    let mut names = names::Names::new(&documents, links, &mut diagnostics);

    let mut desired = Desired::default();
    let mut made = link::Links::merge(&documents, &names, &mut diagnostics);
    names.use_up(made.enslaved().map(|(name, _)| name.clone()), made.used());
    operator::merge(&documents, &names, &made, &mut desired, &mut diagnostics);
    address::merge(&documents, &names, &made, &mut desired, &mut diagnostics);
    route::merge(&documents, &names, &made, &mut desired, &mut diagnostics);
    vip::merge(&documents, &names, &made, &mut desired, &mut diagnostics);
    vip::check_own(&mut desired, &mut diagnostics);
    made.hold_shared(&names, &mut desired, &mut diagnostics);
    made.finish(&documents, &names, &mut desired, &mut diagnostics);
    rule::merge(&documents, &names, &mut desired, &mut diagnostics);
    ethernet::merge(&documents, &names, &mut desired, &mut diagnostics);
    alias::merge(&documents, &names, &mut desired);
    sysctl::merge(&documents, &names, &mut desired, &mut diagnostics);
    probe::merge(&documents, &mut desired);
    meanwhile::merge(&documents, &mut desired, &mut diagnostics);
    firewall::check_members(&desired, links, &mut diagnostics);
    hostname::merge(&documents, &names, &mut desired);
    operator::tell_hostname(&documents, &names, &mut desired);
    resolver::merge(&documents, &mut desired);
    desired.node_addresses = node_address::merge(&documents);
    for document in &documents {
        desired
            .hosts
            .extend(document.hosts.iter().map(|host| HostSpec {
                address: host.address,
                hostnames: host.names.iter().map(ToString::to_string).collect(),
                layer: document.layer,
                origin: host.origin.clone(),
            }));
        desired
            .external_ips
            .extend(document.external_ips.iter().map(|said| said.value));
        desired.metadata.extend(
            document
                .metadata
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone())),
        );
        let tags = document.tags.iter();
        let tags = tags.map(|(key, value)| (format!("tags.{key}"), value.clone()));
        desired.metadata.extend(tags);
    }
    files::render(&mut desired);
    check::check(&documents, &mut diagnostics);
    (desired, diagnostics)
}

/// Whether anything is, or by default would be, configured on any link: whether a boot has links to wait for.
pub fn wants_links(documents: &[Document]) -> bool {
    operator::wants_links(&documents.iter().collect::<Vec<_>>())
}

/// The documents that count: of the machine configs those of the source that stands first (DESIGN §3).
fn first_hits(documents: &[Document]) -> Vec<&Document> {
    let config = |d: &&Document| d.layer == Layer::Configuration;
    let first = documents.iter().filter(config).map(|d| d.preference).min();
    documents
        .iter()
        .filter(|d| !config(d) || Some(d.preference) == first)
        .collect()
}
