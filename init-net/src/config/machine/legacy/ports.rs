//! [`Ports`]: which link of the older form is in which bond or bridge. Each is in one, and has no addresses then.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::interface::Interface;
use crate::config::Severity;
use crate::config::machine::record::At;
use crate::config::machine::source::Source;
use crate::config::machine::tree::Mark;
use crate::value::LinkName;

/// The ports of all bonds and bridges.
#[derive(Debug, Default)]
pub struct Ports(BTreeMap<LinkName, (LinkName, Mark)>);

impl Ports {
    /// Of `interfaces`. Reports a link that is in two masters.
    pub fn of(interfaces: &[Interface], source: &Source<'_>) -> Self {
        let mut ports = Self::default();
        for interface in interfaces {
            if let Interface::Used(keys) = interface {
                keys.claim_ports(&mut ports, source);
            }
        }
        ports
    }

    /// Puts `port` into `master`, said at `mark`.
    pub fn claim(&mut self, port: &LinkName, master: &LinkName, mark: Mark, source: &Source<'_>) {
        match self.0.entry(port.clone()) {
            Entry::Vacant(free) => {
                free.insert((master.clone(), mark));
            }
            Entry::Occupied(taken) => {
                let (other, at) = taken.get();
                let message = format!(
                    "interface: {port} is in {other} already, by line {}",
                    at.line
                );
                source.report(
                    source
                        .fault(Severity::Error, mark, message)
                        .with_fix("a link is in one bond or bridge, and there once")
                        .with_effect(format!("it stays in {other}")),
                );
            }
        }
    }

    /// What `port` is in, and where that is said.
    pub fn master(&self, port: &LinkName) -> Option<(&LinkName, Mark)> {
        self.0.get(port).map(|(master, mark)| (master, *mark))
    }

    /// Those of `members` that were claimed where they stand: the others are elsewhere.
    pub fn kept(&self, members: &[At<LinkName>]) -> Vec<LinkName> {
        let kept = |member: &&At<LinkName>| {
            self.master(&member.value)
                .is_some_and(|(_, mark)| mark == member.mark)
        };
        members
            .iter()
            .filter(kept)
            .map(|member| member.value.clone())
            .collect()
    }
}
