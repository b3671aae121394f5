//! [`Stream`]: all documents of a text, looked at before any of them is read; and [`Seen`], what those that were read
//! so far lay claim to. Rules that go across documents stand here and in [`super::across`], so that no kind knows of
//! another.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::kinds::Role;
use super::source::Source;
use super::tree::{Mark, Node, Value};
use super::{API_VERSION, is_older};
use crate::config::Severity;

/// All documents of a text.
pub struct Stream<'t> {
    /// Those with a kind, in order.
    documents: Vec<(&'t str, &'t Node)>,
    /// The one of the older form.
    older: Option<&'t Node>,
}

impl<'t> Stream<'t> {
    /// Of a text that reads as `nodes`.
    pub fn new(nodes: &'t [Node]) -> Self {
        let maps = || {
            nodes
                .iter()
                .filter(|node| matches!(node.value, Value::Map(_)))
        };
        let ours = |node: &&Node| node.at("apiVersion").and_then(Node::text) == Some(API_VERSION);
        let kind = |node: &'t Node| Some((node.at("kind")?.text()?, node));
        Self {
            documents: maps().filter(ours).filter_map(kind).collect(),
            older: maps().find(|node| is_older(node)),
        }
    }

    /// The documents of `kind`.
    pub fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &'t Node> {
        let documents = self.documents.iter();
        documents.filter_map(move |(name, node)| (*name == kind).then_some(*node))
    }

    /// What the older form says at `path`.
    pub fn older(&self, path: &[&str]) -> Option<&'t Node> {
        path.iter().try_fold(self.older?, |node, key| node.at(key))
    }

    /// Whether a document of `kind` stands beside what the older form says at one of `places`, each of which has a
    /// name. It is clear which of them is meant, the document, but there is no reason to write both: that is reported.
    pub fn replaces(
        &self,
        source: &Source<'_>,
        kind: &'static str,
        places: &[(&str, Option<Mark>)],
    ) -> bool {
        let Some(document) = self.of_kind(kind).next() else {
            return false;
        };
        let line = document.mark.line;
        for (what, mark) in places {
            if let Some(mark) = mark {
                let message = format!("{what} stands beside the {kind} of line {line}");
                source.report(
                    source
                        .fault(Severity::Error, *mark, message)
                        .with_fix("keep one of them")
                        .with_effect("the document applies, not this"),
                );
            }
        }
        true
    }
}

/// What the documents so far lay claim to, with the line of each.
#[derive(Debug, Default)]
pub struct Seen {
    documents: BTreeMap<(String, String), usize>,
    links: BTreeMap<String, Owner>,
    vips: BTreeMap<String, Owner>,
    older: Option<usize>,
}

/// Which document has something.
#[derive(Debug)]
struct Owner {
    kind: &'static str,
    line: usize,
}

impl Seen {
    /// Takes the identity of a document; answers the line of the one that has it.
    pub fn identity(&mut self, kind: &str, name: &str, mark: Mark) -> Result<(), usize> {
        match self.documents.entry((kind.to_owned(), name.to_owned())) {
            Entry::Occupied(taken) => Err(*taken.get()),
            Entry::Vacant(free) => {
                free.insert(mark.line);
                Ok(())
            }
        }
    }

    /// Takes the place of the one document of the older form; answers the line of the one that has it.
    pub fn older(&mut self, mark: Mark) -> Result<(), usize> {
        match self.older {
            Some(line) => Err(line),
            None => {
                self.older = Some(mark.line);
                Ok(())
            }
        }
    }

    /// Takes what only one document may be about: a link that it makes or sets up, both ends of a pair, a shared
    /// address. Answers the place of what another one has, and how to say so.
    pub fn claim(
        &mut self,
        kind: &'static str,
        role: Role,
        node: &Node,
    ) -> Result<(), (Mark, String)> {
        let (names, taken) = match role {
            Role::Link => {
                let peer = node.at("peer").and_then(|peer| peer.at("name"));
                ([node.at("name"), peer], &mut self.links)
            }
            Role::Vip => ([node.at("name"), None], &mut self.vips),
            Role::Dhcp | Role::Firewall | Role::Other => return Ok(()),
        };
        for node in names.into_iter().flatten() {
            let Some(name) = node.text() else {
                continue;
            };
            // An address has many spellings.
            let name = match (role, name.parse::<IpAddr>()) {
                (Role::Vip, Ok(address)) => address.to_string(),
                (_, _) => name.to_owned(),
            };
            match taken.entry(name) {
                Entry::Vacant(free) => {
                    let line = node.mark.line;
                    free.insert(Owner { kind, line });
                }
                Entry::Occupied(taken) => {
                    let Owner { kind, line } = taken.get();
                    let rule =
                        format!("the {kind} of line {line} is about {} already", taken.key());
                    return Err((node.mark, rule));
                }
            }
        }
        Ok(())
    }
}
