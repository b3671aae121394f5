//! The DHCP clients, one a link, each with the conflict detection of its address.

use core::convert::Infallible;
use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Effect;
use crate::compile::lease;
use crate::config::{Diagnostic, Document};
use crate::proto::Machine;
use crate::proto::dhcp4::{self, Config, Destination, Dhcp4, Lease};
use crate::state::{Desired, LinkAt, LinkStatus, Observed, OperatorKind, OperatorSpec};
use crate::value::{Gather as _, Instant, LinkName, Mac, Rng, earliest};

/// A lease on its way through the state file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedLease {
    /// Of which link, by name…
    pub link_name: LinkName,
    /// …and by the address that stays.
    pub mac: Mac,
    /// The lease, its identity included.
    pub lease: Lease,
}

/// All clients, by the index of their link.
pub(super) struct Clients {
    by_index: BTreeMap<u32, Client>,
    /// Leases of the stage before, until their link shows up.
    inherited: Vec<SavedLease>,
}

struct Client {
    machine: Dhcp4,
    spec: OperatorSpec,
    link: LinkAt,
    started: Instant,
    /// What the link is recognised by after a hand-off.
    permanent: Mac,
    carrier: bool,
    lease: Option<Lease>,
    /// It has, or had, a lease.
    answered: bool,
    last: String,
}

impl Clients {
    pub(super) fn new(inherited: Vec<SavedLease>) -> Self {
        Self {
            by_index: BTreeMap::new(),
            inherited,
        }
    }

    /// Starts, stops and informs clients so that they fit what is desired and what is there. Answers whether a lease
    /// came or went by it. A client belongs to the index of its link, whatever that is called now.
    pub(super) fn follow(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let wanted: BTreeMap<u32, (&OperatorSpec, &LinkStatus)> = desired
            .operators
            .values()
            .filter(|spec| spec.operator == OperatorKind::Dhcp4)
            .filter_map(|spec| {
                observed
                    .link(&spec.link_name)
                    .map(|link| (link.index, (spec, link)))
            })
            .gather();
        let mut changed = false;
        self.by_index.retain(|index, client| {
            let keep = wanted.contains_key(index);
            changed |= !keep && client.lease.is_some();
            if !keep {
                effects.push(Effect::CloseClient { index: *index });
            }
            keep
        });
        for (index, (spec, link)) in wanted {
            let carrier = link.is_up() && link.has_carrier();
            let won = self.somebody_won();
            match self.by_index.get_mut(&index) {
                Some(client) => changed |= client.follow(spec, &link.name, carrier, now),
                None if spec.first_lease_wins && won => {}
                None => {
                    let inherited = self.take_inherited(link);
                    if let Some(client) = Client::start(spec, link, carrier, inherited, now) {
                        changed |= client.lease.is_some();
                        self.by_index.insert(index, client);
                    }
                }
            }
        }
        changed
    }

    /// `single-dhcp`: one of the competing links has its lease.
    fn somebody_won(&self) -> bool {
        self.by_index
            .values()
            .any(|client| client.spec.first_lease_wins && client.lease.is_some())
    }

    /// The lease that the stage before held on this very link, whatever it was called.
    fn take_inherited(&mut self, link: &LinkStatus) -> Option<Lease> {
        let mac = link.stable_mac()?;
        // VLANs and virtual functions share addresses: the name tells them apart, unless it was changed.
        let exact = |saved: &SavedLease| saved.mac == mac && saved.link_name == link.name;
        let found = self.inherited.iter().position(exact);
        let index = found.or_else(|| self.inherited.iter().position(|saved| saved.mac == mac))?;
        Some(self.inherited.swap_remove(index).lease)
    }

    pub(super) fn receive_dhcp(&mut self, index: u32, message: &[u8], now: Instant) {
        if let Some(client) = self.by_index.get_mut(&index) {
            client.machine.receive(message, now);
        }
    }

    /// Declines the lease of `address`, if there is one (RFC 2131 §3.1.5). Answers whether there was.
    pub(super) fn decline(&mut self, index: u32, address: Ipv4Addr, now: Instant) -> bool {
        let Some(client) = self.by_index.get_mut(&index) else {
            return false;
        };
        let leased = client
            .lease
            .as_ref()
            .is_some_and(|lease| lease.ip() == address);
        if leased {
            client.machine.decline("address in use", now);
        }
        leased
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        earliest(
            self.by_index
                .values()
                .map(|client| client.machine.deadline()),
        )
    }

    /// Lets every machine act. Answers whether what the leases say has changed.
    pub(super) fn turn(&mut self, now: Instant, rng: &mut Rng, effects: &mut Vec<Effect>) -> bool {
        let mut changed = false;
        for client in self.by_index.values_mut() {
            changed |= client.turn(now, rng, effects);
        }
        if changed && self.somebody_won() {
            // The others of `single-dhcp` withdraw.
            self.by_index.retain(|index, client| {
                let keep = !client.spec.first_lease_wins || client.lease.is_some();
                if !keep {
                    effects.push(Effect::CloseClient { index: *index });
                }
                keep
            });
        }
        changed
    }

    /// What the leases say, as documents of layer operator.
    pub(super) fn documents(&self) -> (Vec<Document>, Vec<Diagnostic>) {
        let mut documents = Vec::new();
        let mut diagnostics = Vec::new();
        for client in self.by_index.values() {
            let Some(lease) = &client.lease else { continue };
            let (document, faults) = lease::document(lease, &client.spec);
            documents.push(document);
            diagnostics.extend(faults);
        }
        (documents, diagnostics)
    }

    /// The leases held, and those whose link has not shown up yet.
    pub(super) fn saved(&self) -> Vec<SavedLease> {
        let held = self.by_index.values().filter_map(|client| {
            Some(SavedLease {
                link_name: client.link.name.clone(),
                mac: client.permanent,
                lease: client.lease.clone()?,
            })
        });
        held.chain(self.inherited.iter().cloned()).collect()
    }

    /// Each client as a resource: the state by its RFC name, the lease, the rival for its address, what was not taken.
    pub(super) fn facts(&self) -> Vec<Value> {
        let fact = |client: &Client| {
            let mut value = json!({
                "id": format!("dhcp4/{}", client.link.name),
                "state": client.machine.state_name(),
            });
            let lease = client
                .lease
                .as_ref()
                .and_then(|lease| serde_json::to_value(lease).ok());
            if let (Value::Object(target), Some(Value::Object(fields))) = (&mut value, lease) {
                target.extend(fields);
            }
            value
        };
        self.by_index.values().map(fact).collect()
    }

    /// Each client as a stage of the boot: its name, when it began, whether it has its lease.
    pub(super) fn stages(&self) -> impl Iterator<Item = (String, Instant, bool)> {
        let stage = |c: &Client| {
            (
                format!("dhcp4/{}", c.link.name),
                c.started,
                c.lease.is_some(),
            )
        };
        self.by_index.values().map(stage)
    }

    /// Links with carrier whose client still has no lease.
    pub(super) fn unbound(&self) -> impl Iterator<Item = &OperatorSpec> {
        self.by_index
            .values()
            .filter(|client| client.carrier && client.lease.is_none())
            .map(|client| &client.spec)
    }

    /// Whether the lease of this link is an open question: a client is to run and has not had an answer since it
    /// started. What an earlier supervisor left of a lease on it may still be right.
    pub(super) fn is_open(&self, desired: &Desired, link: &LinkAt) -> bool {
        let operator = desired
            .operators
            .get(&(link.name.clone(), OperatorKind::Dhcp4));
        let Some(spec) = operator else { return false };
        match self.by_index.get(&link.index) {
            Some(client) => !client.answered,
            None => !(spec.first_lease_wins && self.somebody_won()),
        }
    }

    /// How many clients have a lease.
    pub(super) fn bound(&self) -> usize {
        self.by_index
            .values()
            .filter(|client| client.lease.is_some())
            .count()
    }
}

impl Client {
    fn start(
        spec: &OperatorSpec,
        link: &LinkStatus,
        carrier: bool,
        inherited: Option<Lease>,
        now: Instant,
    ) -> Option<Self> {
        let mac = link.hardware_addr?;
        // A lease of the stage before is held on at once, carrier or not; a new one needs a carrier to ask.
        if inherited.is_none() && !carrier {
            return None;
        }
        let config = config(spec, mac);
        let (mut machine, lease) =
            match inherited.filter(|lease| lease.validate().is_ok() && !lease.is_expired(now)) {
                Some(lease) => (Dhcp4::resume(config, lease.clone(), now), Some(lease)),
                None => (Dhcp4::new(config, now), None),
            };
        if !carrier {
            machine.link_down(now);
        }
        Some(Self {
            machine,
            spec: spec.clone(),
            link: LinkAt {
                index: link.index,
                name: link.name.clone(),
            },
            started: now,
            permanent: link.stable_mac()?,
            carrier,
            answered: lease.is_some(),
            lease,
            last: String::new(),
        })
    }

    /// Answers whether what is made of the lease changes: another metric, routes to be ignored…
    fn follow(
        &mut self,
        spec: &OperatorSpec,
        name: &LinkName,
        carrier: bool,
        now: Instant,
    ) -> bool {
        let changed = self.lease.is_some() && self.spec != *spec;
        self.spec = spec.clone();
        self.link.name = name.clone();
        if carrier != self.carrier {
            self.carrier = carrier;
            if carrier {
                self.machine.link_up(now)
            } else {
                self.machine.link_down(now)
            }
        }
        changed
    }

    fn turn(&mut self, now: Instant, rng: &mut Rng, effects: &mut Vec<Effect>) -> bool {
        self.machine.expire(now);
        let changed = self.drain(effects);
        loop {
            let link = &self.link;
            let sent = self.machine.transmit(now, rng, |transmit| {
                effects.push(match transmit.to {
                    Destination::Broadcast => Effect::BroadcastDhcp {
                        link: link.clone(),
                        message: transmit.payload,
                    },
                    Destination::Unicast { from, server } => Effect::UnicastDhcp {
                        link: link.clone(),
                        from,
                        server,
                        message: transmit.payload,
                    },
                });
                Ok::<(), Infallible>(())
            });
            if !matches!(sent, Ok(true)) {
                break;
            }
        }
        let state = self.machine.state_name();
        if state != self.last {
            effects.push(Effect::Log(
                log::Level::Debug,
                format!("dhcp4/{}: {state}", self.link.name),
            ));
            self.last = state.to_owned();
        }
        changed
    }

    /// Drains the machine's events. Answers whether the lease changed.
    fn drain(&mut self, effects: &mut Vec<Effect>) -> bool {
        let mut changed = false;
        let mut log = |level, text: String| {
            effects.push(Effect::Log(
                level,
                format!("dhcp4/{}: {text}", self.link.name),
            ))
        };
        while let Some(event) = self.machine.event() {
            self.answered = true;
            let held = match &event {
                dhcp4::Event::Bound(lease) | dhcp4::Event::Renewed(lease) => {
                    self.lease.as_ref() == Some(lease)
                }
                dhcp4::Event::Lost { .. } | dhcp4::Event::Ipv6Only { .. } => false,
            };
            // A resumed lease is told once more.
            if held {
                continue;
            }
            changed = true;
            match event {
                dhcp4::Event::Bound(lease) => {
                    log(
                        log::Level::Info,
                        format!(
                            "{} from {} for {}",
                            lease.address,
                            lease.server_id,
                            length(&lease)
                        ),
                    );
                    self.lease = Some(lease);
                }
                dhcp4::Event::Renewed(lease) => {
                    log(
                        log::Level::Info,
                        format!("{} renewed for {}", lease.address, length(&lease)),
                    );
                    self.lease = Some(lease);
                }
                dhcp4::Event::Lost { reason } => {
                    log(log::Level::Warn, format!("lease lost: {reason:?}"));
                    self.lease = None;
                }
                dhcp4::Event::Ipv6Only { wait } => {
                    log(
                        log::Level::Info,
                        format!(
                            "the network is IPv6-only (option 108), no IPv4 for {} s",
                            wait.as_secs()
                        ),
                    );
                }
            }
        }
        if changed {
            // Renewed or lost: the socket that renewed the old lease is of no use any more.
            effects.push(Effect::CloseRenew {
                index: self.link.index,
            });
        }
        changed
    }
}

fn config(spec: &OperatorSpec, mac: Mac) -> Config {
    Config {
        mac,
        client_id: Some(spec.client_identifier.clone()).filter(|id| !id.is_empty()),
        hostname: None,
        vendor_class: spec.vendor_class.clone(),
        rapid_commit: true,
        // Until the IPv6 clients exist, waiting for IPv6 alone would leave the machine without an address.
        request_ipv6_only: false,
        request_mtu: true,
    }
}

/// `3600 s`, `ever`.
fn length(lease: &Lease) -> String {
    lease
        .lease_secs
        .map_or_else(|| "ever".to_owned(), |secs| format!("{secs} s"))
}
