//! Sources have their turn: what they see of the machine, and what becomes of what they say.

use core::net::SocketAddr;

use super::{Around, Core, Effect, Means};
use crate::compile::defaults;
use crate::value::Instant;

impl Core {
    /// Whom names are asked of.
    pub(super) fn name_servers(&self) -> Vec<SocketAddr> {
        let links = self.observed.as_ref();
        let servers = self.desired.resolver.iter();
        let servers = servers.flat_map(|resolver| &resolver.name_servers);
        servers
            .filter_map(|server| server.socket_addr(|name| Some(links?.link(name)?.index)))
            .collect()
    }

    /// Lets every source act, and takes in the documents of those that ended.
    pub(super) fn turn_fetches(
        &mut self,
        servers: &[SocketAddr],
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        // Late enough for a slow service, early enough for the network of the copy to come up within the boot's own time.
        let timeout = self.settings.timeout.unwrap_or(defaults::TIMEOUT);
        self.fetches.set_copies_from(self.started + timeout / 2);
        let bootstraps = self.fetches.bootstrap().count();
        let leases = self.clients.lease_facts();
        let around = self.observed.as_ref().map(|observed| Around {
            observed,
            leases: &leases,
            drivers_loading: self.drivers_loading,
        });
        let mut means = Means {
            nameservers: servers,
            trusted: &mut self.trusted,
        };
        let fetched = self
            .fetches
            .turn(now, &mut self.rng, around, &mut means, effects);
        if self.fetches.bootstrap().count() != bootstraps {
            self.changed();
        }
        if !fetched.is_empty() {
            effects.push(Effect::Arrived);
        }
        for document in fetched {
            self.documents
                .retain(|old| old.source != document.source || old.layer != document.layer);
            self.documents.push(document);
            self.changed();
        }
    }
}
