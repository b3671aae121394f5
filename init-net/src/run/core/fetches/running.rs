//! One request under way.

use core::convert::Infallible;
use core::net::{IpAddr, SocketAddr};

use super::Trusted;
use crate::proto::Machine;
use crate::proto::dns::{self, Lookup};
use crate::proto::http::{Command, Fetch, FetchError, Response};
use crate::proto::tls::Trust;
use crate::run::core::{Effect, HttpEvent};
use crate::state::Observed;
use crate::value::{Instant, LinkName, Rng, earliest};

/// The answer to one request.
pub(in crate::run::core) type Answer = Result<Response, FetchError>;

/// One request under way: the machine, its connection and its name look-up.
pub(in crate::run::core) struct Running {
    fetch: Fetch,
    pub(super) connection: Option<u64>,
    lookup: Option<Lookup>,
    /// Whether the machine waits to be told whom to believe.
    trusting: bool,
    /// Whom it believes, when that is not whom all others do.
    trust: Option<Trust>,
}

impl Running {
    pub(in crate::run::core) fn new(fetch: Fetch) -> Self {
        Self {
            fetch,
            connection: None,
            lookup: None,
            trusting: false,
            trust: None,
        }
    }

    /// Believes `trust`, when there is one.
    #[must_use]
    pub(in crate::run::core) fn believing(mut self, trust: Option<Trust>) -> Self {
        self.trust = trust;
        self
    }

    pub(in crate::run::core) fn deadline(&self) -> Option<Instant> {
        earliest([
            self.fetch.deadline(),
            self.lookup.as_ref().and_then(Lookup::deadline),
        ])
    }

    /// Takes an event, if it is about this request's connection.
    pub(in crate::run::core) fn receive(&mut self, event: &HttpEvent, now: Instant) {
        match event {
            HttpEvent::Connected(id) if self.connection == Some(*id) => self.fetch.connected(now),
            HttpEvent::Failed(id, errno) if self.connection == Some(*id) => {
                self.connection = None;
                self.fetch.connect_failed(*errno, now);
            }
            HttpEvent::Received(id, bytes) if self.connection == Some(*id) => {
                self.fetch.receive(bytes, now)
            }
            HttpEvent::Closed(id) if self.connection == Some(*id) => {
                self.connection = None;
                self.fetch.closed(now);
            }
            // Every look-up checks the id of the reply by itself.
            HttpEvent::Dns(message) => {
                if let Some(lookup) = &mut self.lookup {
                    lookup.receive(message, now);
                }
            }
            HttpEvent::Connected(_)
            | HttpEvent::Failed(..)
            | HttpEvent::Received(..)
            | HttpEvent::Closed(_) => {}
        }
    }

    /// Lets the request act; answers with its result once there is one.
    pub(in crate::run::core) fn turn(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        wires: &mut Wires<'_>,
    ) -> Option<Answer> {
        self.fetch.expire(now);
        loop {
            self.trust(wires);
            self.look_up(now, rng, wires);
            let mut command = None;
            let more = self.fetch.transmit(now, rng, |said| {
                command = Some(said);
                Ok::<(), Infallible>(())
            });
            match command {
                Some(command) => self.perform(command, now, wires),
                None if matches!(more, Ok(true)) => {}
                None => break,
            }
        }
        let answer = self.fetch.event();
        if answer.is_some() {
            self.close(wires.effects);
        }
        answer
    }

    /// Closes its connection, if there is one.
    pub(in crate::run::core) fn close(&mut self, effects: &mut Vec<Effect>) {
        effects.extend(self.connection.take().map(|id| Effect::Close { id }));
    }

    fn trust(&mut self, wires: &mut Wires<'_>) {
        if !self.trusting {
            return;
        }
        if let Some(trust) = &self.trust {
            self.trusting = false;
            self.fetch.trusted(trust, wires.trusted.wall());
        } else if let Some((trust, wall)) = wires.trusted.get(wires.effects) {
            self.trusting = false;
            self.fetch.trusted(trust, wall);
        }
    }

    fn look_up(&mut self, now: Instant, rng: &mut Rng, wires: &mut Wires<'_>) {
        let found = self
            .lookup
            .as_mut()
            .and_then(|lookup| wires.look_up(lookup, now, rng));
        if let Some(addresses) = found {
            self.lookup = None;
            self.fetch.resolved(&addresses, now);
        }
    }

    fn perform(&mut self, command: Command, now: Instant, wires: &mut Wires<'_>) {
        match command {
            Command::Trust => self.trusting = true,
            Command::Resolve(name) => {
                let deadline = self.fetch.deadline().unwrap_or(now);
                self.lookup = Some(Lookup::new(&name, wires.nameservers, deadline));
            }
            Command::Connect {
                address,
                port,
                device,
                low_port,
            } => {
                self.connection = Some(wires.connect(address, port, device, low_port));
            }
            Command::Send(bytes) => {
                if let Some(id) = self.connection {
                    wires.effects.push(Effect::Write { id, bytes });
                }
            }
            Command::Close => {
                if let Some(id) = self.connection.take() {
                    wires.effects.push(Effect::Close { id });
                }
            }
        }
    }
}

/// What a request works with besides itself.
pub(in crate::run::core) struct Wires<'a> {
    /// Id of the next connection.
    pub(in crate::run::core) next: &'a mut u64,
    pub(in crate::run::core) nameservers: &'a [SocketAddr],
    pub(in crate::run::core) trusted: &'a mut Trusted,
    pub(in crate::run::core) observed: Option<&'a Observed>,
    pub(in crate::run::core) effects: &'a mut Vec<Effect>,
}

impl Wires<'_> {
    /// Asks for a connection and answers with its id. Ids are never reused: an event of a connection that was given up finds
    /// nobody.
    pub(in crate::run::core) fn connect(
        &mut self,
        address: IpAddr,
        port: u16,
        device: Option<LinkName>,
        low_port: Option<u16>,
    ) -> u64 {
        let id = *self.next;
        *self.next += 1;
        let scope = device
            .as_ref()
            .and_then(|name| self.observed?.link(name))
            .map_or(0, |link| link.index);
        let address = match address {
            IpAddr::V4(v4) => SocketAddr::from((v4, port)),
            IpAddr::V6(v6) => core::net::SocketAddrV6::new(v6, port, 0, scope).into(),
        };
        self.effects.push(Effect::Connect {
            id,
            address,
            device,
            low_port,
        });
        id
    }

    /// Lets a look-up act; its result, once there is one: no address is a failure.
    pub(in crate::run::core) fn look_up(
        &mut self,
        lookup: &mut Lookup,
        now: Instant,
        rng: &mut Rng,
    ) -> Option<Vec<IpAddr>> {
        lookup.expire(now);
        lookup.transmit_all(now, rng, |query| {
            self.effects.push(Effect::QueryDns {
                server: query.server,
                message: query.payload,
            });
        });
        lookup.event().map(|event| match event {
            dns::Event::Addresses(addresses) => addresses,
            dns::Event::Failed => Vec::new(),
        })
    }
}
