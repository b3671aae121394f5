//! `network_data.json` of OpenStack: links, the networks on them, and services.
//!
//! OpenStack Nova, "Metadata service", network_data.json and its JSON schema. Links are matched by hardware address: the
//! names that the machine gives them are not known to the cloud.

mod link;
mod network;
#[cfg(test)]
mod tests;

pub(super) use link::infiniband;

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::config::machine::tree::{self, Node};
use crate::config::{Diagnostic, Document, LinkRef, Said, Severity};
use crate::value::{Hostname, Origin};

/// Most links that are read.
const MAX_LINKS: usize = 256;

/// Most networks, and most routes or servers of one list.
const MAX_ITEMS: usize = 4096;

/// Most faults that are told.
const MAX_DIAGNOSTICS: usize = 64;

/// Longest text that a fault shows, characters.
const MAX_SHOWN: usize = 40;

/// Adds what `text`, called `source`, says to `out`.
pub fn parse(text: &str, source: &str, out: &mut Document) -> Vec<Diagnostic> {
    let (documents, faults) = tree::parse_any(text);
    let mut reader = Reader {
        source,
        out,
        links: BTreeMap::new(),
        diagnostics: Vec::new(),
    };
    if let Some(fault) = faults.first() {
        let rule = format!("is damaged: {}", fault.message);
        reader.warn("the text", &rule);
    }
    if let Some(root) = documents.first().filter(|root| !root.is_null()) {
        reader.links(root);
        reader.networks(root);
        reader.services(root, "services");
    }
    reader.diagnostics
}

struct Reader<'a> {
    source: &'a str,
    out: &'a mut Document,
    /// The links that can carry a network, by `id`.
    links: BTreeMap<String, LinkRef>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// `services` of the whole, of a network and of a route.
    fn services(&mut self, node: &Node, place: &str) {
        for service in list(node, "services") {
            if text(service, "type") == Some("dns") {
                self.server(service.at("address"), place);
            }
        }
    }

    /// Servers and domains of a network.
    fn names(&mut self, node: &Node, place: &str) {
        for server in list(node, "dns_nameservers") {
            self.server(Some(server), place);
        }
        for domain in list(node, "dns_search") {
            match domain.text().map(str::parse::<Hostname>) {
                Some(Ok(domain)) => {
                    let said = Said::new(domain, self.origin(place));
                    let domains = self.out.search_domains.get_or_insert_default();
                    if domains.len() < MAX_ITEMS
                        && !domains.iter().any(|known| known.value == said.value)
                    {
                        domains.push(said);
                    }
                }
                Some(Err(_)) | None => self.warn(place, "has a search domain that is none"),
            }
        }
    }

    fn server(&mut self, node: Option<&Node>, place: &str) {
        let Some(Ok(address)) = node.and_then(Node::text).map(str::parse::<IpAddr>) else {
            return self.warn(place, "has a name server that is no IP address");
        };
        let known = &self.out.nameservers;
        if known.len() < MAX_ITEMS && !known.iter().any(|known| known.value == address) {
            let said = Said::new(address.into(), self.origin(place));
            self.out.nameservers.push(said);
        }
    }

    fn origin(&self, place: &str) -> Origin {
        Origin::new(self.source, place, None)
    }

    fn warn(&mut self, place: &str, rule: &str) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            let message = format!("{}: {place} {rule}", self.source);
            let fault = Diagnostic::new(Severity::Warning, message);
            self.diagnostics.push(fault.with_effect("it is ignored"));
        }
    }

    /// The value at `key`, parsed; told when it is there and is not what it should be. An empty text is none.
    fn read<T: core::str::FromStr>(&mut self, node: &Node, key: &str, place: &str) -> Option<T> {
        let value = node.at(key)?;
        let text = value.text().map(str::trim);
        if text == Some("") {
            return None;
        }
        let parsed = text.and_then(|text| text.parse().ok());
        if parsed.is_none() {
            self.warn(place, &format!("has a {key} that is not what it should be"));
        }
        parsed
    }
}

fn list<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    let items = node.at(key).map(Node::items).unwrap_or_default();
    items.get(..MAX_ITEMS).unwrap_or(items)
}

fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.at(key)?
        .text()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// What a fault calls an entry: its position, and its identifier where it has one.
fn place(list: &str, position: usize, node: &Node) -> String {
    match text(node, "id") {
        Some(id) => {
            let id: String = id.chars().take(MAX_SHOWN).collect();
            format!("{list}[{position}] ({})", id.escape_default())
        }
        None => format!("{list}[{position}]"),
    }
}
