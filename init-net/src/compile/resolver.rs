//! Resolvers and time servers: lists that a higher layer replaces, with two exceptions.
//!
//! An empty list replaces nothing. And a higher layer that names servers of one address family only (a DHCPv4 lease
//! beside IPv6 servers from the command line) keeps the other family's servers of the layer below, after its own; the
//! machine config is the exception of the exception: its list stands alone.

use crate::config::Document;
use crate::state::{Desired, ResolverSpec, TimeServerSpec};
use crate::value::{Layer, NameServer, Origin};

pub(super) fn merge(documents: &[&Document], desired: &mut Desired) {
    let mut servers: Vec<(Layer, NameServer, Origin)> = Vec::new();
    let mut overrode: Vec<Origin> = Vec::new();
    let mut search: Vec<String> = Vec::new();
    let mut layers: Vec<Layer> = documents.iter().map(|d| d.layer).collect();
    layers.dedup();
    for layer in layers {
        let of_layer = || documents.iter().filter(|d| d.layer == layer);
        let mut new: Vec<(Layer, NameServer, Origin)> = Vec::new();
        for said in of_layer().flat_map(|d| &d.nameservers) {
            if !new.iter().any(|(_, server, _)| *server == said.value) {
                new.push((layer, said.value.clone(), said.origin.clone()));
            }
        }
        if !new.is_empty() {
            let has = |v4: bool| {
                new.iter()
                    .any(|(_, server, _)| server.address.is_ipv4() == v4)
            };
            let keeps = |server: &NameServer| {
                layer != Layer::Configuration && !has(server.address.is_ipv4())
            };
            let (kept, lost): (Vec<_>, Vec<_>) = servers
                .into_iter()
                .partition(|(_, server, _)| keeps(server));
            overrode.extend(lost.into_iter().map(|(_, _, origin)| origin));
            new.extend(kept);
            servers = new;
        }
        for domains in of_layer().filter_map(|d| d.search_domains.as_ref()) {
            if layer == Layer::Configuration {
                search.clear();
            }
            // New domains stand in front, in their own order.
            let fresh: Vec<String> = domains
                .iter()
                .map(|said| said.value.to_string())
                .filter(|d| !search.contains(d))
                .collect();
            search.splice(0..0, fresh);
        }
    }
    if !servers.is_empty() {
        let own = desired
            .hostname
            .as_ref()
            .map(|h| h.domainname.clone())
            .filter(|domain| !domain.is_empty());
        let refused = |d: &Document| d.search_own_domain.as_ref().is_some_and(|said| !said.value);
        let overridden = documents
            .iter()
            .any(|d| refused(d) || d.layer == Layer::Configuration && d.search_domains.is_some());
        search.extend(own.filter(|domain| !overridden && !search.contains(domain)));
        desired.resolver = Some(ResolverSpec {
            layer: servers
                .iter()
                .map(|(layer, _, _)| *layer)
                .max()
                .unwrap_or(Layer::Default),
            origins: servers
                .iter()
                .map(|(_, _, origin)| origin.clone())
                .collect(),
            name_servers: servers.into_iter().map(|(_, server, _)| server).collect(),
            search_domains: search,
            overrode,
        });
    }
    for document in documents.iter().filter(|d| !d.time_servers.is_empty()) {
        let new = TimeServerSpec {
            time_servers: document
                .time_servers
                .iter()
                .map(|said| said.value.clone())
                .collect(),
            layer: document.layer,
            origins: document
                .time_servers
                .iter()
                .map(|said| said.origin.clone())
                .collect(),
        };
        match &mut desired.time_servers {
            Some(old) if old.layer == new.layer => {
                old.time_servers.extend(new.time_servers);
                old.origins.extend(new.origins);
            }
            slot => *slot = Some(new),
        }
    }
}
