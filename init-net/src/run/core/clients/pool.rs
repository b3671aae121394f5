//! [`Pool`]: the clients of one protocol, one a link, started, stopped and informed so that they fit what is desired.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::seat::{Place, Seat};
use crate::config::{Diagnostic, Document};
use crate::run::core::Effect;
use crate::state::{Desired, LinkAt, LinkStatus, Observed, OperatorKind, OperatorSpec};
use crate::value::{Gather as _, Instant, LinkName, Mac, Rng, earliest};

/// What a client holds, on its way through the state file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved<H> {
    /// Of which link, by name…
    pub link_name: LinkName,
    /// …and by the address that stays.
    pub mac: Mac,
    /// The lease, its identity included, or what the routers said.
    pub lease: H,
}

/// The client of one protocol on one link.
pub(super) trait Client: Sized {
    /// What it holds and hands over: a lease.
    type Holding: Clone + Serialize;

    /// Which operators it is the client of.
    const KIND: OperatorKind;

    /// Whether it is to run on a link of `spec` now; `held`: what it has, or inherits.
    fn wanted(spec: &OperatorSpec, place: &Place<'_>, held: Option<&Self::Holding>) -> bool;

    /// Whether it can send: a carrier, and whatever else it takes.
    fn can_send(place: &Place<'_>) -> bool;

    /// Starts on the link of `place`, with what the stage before held. `None`: this link cannot have one.
    fn start(
        seat: &Seat,
        place: &Place<'_>,
        inherited: Option<Self::Holding>,
        now: Instant,
    ) -> Option<Self>;

    /// It can send now, or cannot any more.
    fn set_sending(&mut self, sends: bool, now: Instant);

    /// What was found of its link may have changed. Answers whether something held went by it.
    fn follow(&mut self, seat: &Seat, place: &Place<'_>, now: Instant) -> bool;

    /// Takes a message.
    fn receive(&mut self, message: &[u8], now: Instant);

    /// Lets the machine act.
    fn turn(&mut self, seat: &Seat, now: Instant, rng: &mut Rng, effects: &mut Vec<Effect>)
    -> Turn;

    /// When [`Client::turn`] is due.
    fn deadline(&self) -> Option<Instant>;

    /// Whether it has what it is there for: a lease, a router.
    fn holds(&self) -> bool;

    /// What is held; `None`: nothing.
    fn holding(&self) -> Option<Self::Holding>;

    /// Whether it has, or had, an answer.
    fn is_answered(&self) -> bool;

    /// What its machine is at, by the name of its RFC.
    fn state_name(&self) -> &'static str;

    /// What is held, as a document of layer operator.
    fn document(&self, seat: &Seat) -> Option<(Document, Vec<Diagnostic>)>;

    /// Ends its sockets.
    fn close(index: u32) -> Effect;
}

/// What a turn led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::run::core) struct Turn {
    /// What follows from it has changed.
    pub(in crate::run::core) changed: bool,
    /// Only its times have: worth saving.
    pub(in crate::run::core) refreshed: bool,
}

impl core::ops::BitOrAssign for Turn {
    fn bitor_assign(&mut self, other: Self) {
        self.changed |= other.changed;
        self.refreshed |= other.refreshed;
    }
}

/// All clients of one protocol, by the index of their link.
pub(super) struct Pool<C: Client> {
    by_index: BTreeMap<u32, (Seat, C)>,
    /// What the stage before held, until the link shows up.
    inherited: Vec<Saved<C::Holding>>,
}

impl<C: Client> Pool<C> {
    pub(super) fn new(inherited: Vec<Saved<C::Holding>>) -> Self {
        Self {
            by_index: BTreeMap::new(),
            inherited,
        }
    }

    /// Starts, stops and informs clients so that they fit what is desired and what is there. Answers whether something
    /// held came or went by it. A client belongs to the index of its link, whatever that is called now.
    pub(super) fn follow<'a>(
        &mut self,
        desired: &Desired,
        observed: &'a Observed,
        place: impl Fn(&'a LinkStatus) -> Place<'a>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let wanted: BTreeMap<u32, (&OperatorSpec, Place<'a>)> = desired
            .operators
            .values()
            .filter(|spec| spec.operator == C::KIND)
            .filter_map(|spec| {
                let link = observed.link(&spec.link_name)?;
                let place = place(link);
                let inherited = || {
                    let at = self.inherited_of(link, observed)?;
                    Some(self.inherited.get(at)?.lease.clone())
                };
                let held = match self.by_index.get(&link.index) {
                    Some((_, client)) => client.holding(),
                    None => inherited(),
                };
                C::wanted(spec, &place, held.as_ref()).then_some((link.index, (spec, place)))
            })
            .gather();
        let mut changed = false;
        self.by_index.retain(|index, (_, client)| {
            let keep = wanted.contains_key(index);
            changed |= !keep && client.holds();
            if !keep {
                effects.push(C::close(*index));
            }
            keep
        });
        for (index, (spec, place)) in wanted {
            let won = self.somebody_won();
            match self.by_index.get_mut(&index) {
                Some((seat, client)) => {
                    changed |= client.holds() && seat.spec != *spec;
                    let sends = C::can_send(&place);
                    if seat.follow(spec, place.link)
                        && let Some(new) = C::start(seat, &place, client.holding(), now)
                    {
                        let held = client.holds();
                        *client = new;
                        changed |= held != client.holds();
                        client.set_sending(sends, now);
                        seat.sends = sends;
                    }
                    if seat.sends != sends {
                        seat.sends = sends;
                        client.set_sending(sends, now);
                    }
                    changed |= client.follow(seat, &place, now);
                }
                None if spec.first_lease_wins && won => {}
                None => {
                    let inherited = self.inherited_of(place.link, observed);
                    let inherited = inherited.map(|at| self.inherited.swap_remove(at).lease);
                    changed |= self.start(spec, &place, inherited, now);
                }
            }
        }
        changed
    }

    /// Starts a client where it can be. Answers whether it holds something.
    fn start(
        &mut self,
        spec: &OperatorSpec,
        place: &Place<'_>,
        inherited: Option<C::Holding>,
        now: Instant,
    ) -> bool {
        let sends = C::can_send(place);
        // What the stage before held is held on at once, carrier or not; something new needs a carrier to ask.
        if inherited.is_none() && !sends {
            return false;
        }
        let Some(seat) = Seat::new(spec, place.link, sends, now) else {
            return false;
        };
        let Some(mut client) = C::start(&seat, place, inherited, now) else {
            return false;
        };
        if !sends {
            client.set_sending(false, now);
        }
        let holds = client.holds();
        self.by_index.insert(place.link.index, (seat, client));
        holds
    }

    /// `single-dhcp`: one of the competing links has its lease.
    fn somebody_won(&self) -> bool {
        self.by_index
            .values()
            .any(|(seat, client)| seat.spec.first_lease_wins && client.holds())
    }

    /// Where in the list what the stage before held on this very link is, whatever it was called.
    fn inherited_of(&self, link: &LinkStatus, observed: &Observed) -> Option<usize> {
        let mac = link.stable_mac()?;
        // VLANs and virtual functions share addresses: the name tells them apart, unless it was changed.
        let exact = |saved: &Saved<C::Holding>| saved.mac == mac && saved.link_name == link.name;
        let renamed = |saved: &Saved<C::Holding>| {
            let other = observed.link(&saved.link_name);
            saved.mac == mac && other.and_then(LinkStatus::stable_mac) != Some(mac)
        };
        let found = self.inherited.iter().position(exact);
        found.or_else(|| self.inherited.iter().position(renamed))
    }

    pub(super) fn receive(&mut self, index: u32, message: &[u8], now: Instant) {
        if let Some((_, client)) = self.by_index.get_mut(&index) {
            client.receive(message, now);
        }
    }

    /// The client of a link.
    pub(super) fn get(&self, index: u32) -> Option<&C> {
        self.by_index.get(&index).map(|(_, client)| client)
    }

    /// The client of a link, to be told something.
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut C> {
        self.by_index.get_mut(&index).map(|(_, client)| client)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        earliest(self.by_index.values().map(|(_, client)| client.deadline()))
    }

    /// Lets every machine act.
    pub(super) fn turn(&mut self, now: Instant, rng: &mut Rng, effects: &mut Vec<Effect>) -> Turn {
        let mut all = Turn::default();
        for (seat, client) in self.by_index.values_mut() {
            all |= client.turn(seat, now, rng, effects);
            let state = client.state_name();
            if state != seat.last_state {
                seat.log(log::Level::Debug, state, effects);
                seat.last_state = state;
            }
        }
        if all.changed && self.somebody_won() {
            // The others of `single-dhcp` withdraw.
            self.by_index.retain(|index, (seat, client)| {
                let keep = !seat.spec.first_lease_wins || client.holds();
                if !keep {
                    effects.push(C::close(*index));
                }
                keep
            });
        }
        all
    }

    /// What is held, as documents of layer operator.
    pub(super) fn documents(&self, documents: &mut Vec<Document>, faults: &mut Vec<Diagnostic>) {
        for (seat, client) in self.by_index.values() {
            if let Some((document, new)) = client.document(seat) {
                documents.push(document);
                faults.extend(new);
            }
        }
    }

    /// What is held, and what is for links that have not shown up yet.
    pub(super) fn saved(&self) -> Vec<Saved<C::Holding>> {
        let held = self.by_index.values().filter_map(|(seat, client)| {
            Some(Saved {
                link_name: seat.link.name.clone(),
                mac: seat.permanent,
                lease: client.holding()?,
            })
        });
        held.chain(self.inherited.iter().cloned()).collect()
    }

    /// Each client as a resource: the state by its RFC name, and what it holds.
    pub(super) fn facts(&self) -> impl Iterator<Item = Value> {
        self.by_index.values().map(|(seat, client)| {
            let mut value = json!({ "id": seat.name(), "state": client.state_name() });
            let held = client.holding().map(serde_json::to_value);
            if let (Value::Object(target), Some(Ok(Value::Object(fields)))) = (&mut value, held) {
                target.extend(fields);
            }
            value
        })
    }

    /// Each client as a stage of the boot: its name, when it began, whether it holds something.
    pub(super) fn stages(&self) -> impl Iterator<Item = (String, Instant, bool)> {
        self.by_index
            .values()
            .map(|(seat, client)| (seat.name(), seat.started, client.holds()))
    }

    /// Each client with its seat, and whether it has what it is there for.
    pub(super) fn clients(&self) -> impl Iterator<Item = (&Seat, bool, &C)> {
        self.by_index
            .values()
            .map(|(seat, client)| (seat, client.holds(), client))
    }

    /// Whether what a link gets is an open question: a client is to run and has not had an answer since it started. What an
    /// earlier supervisor left of it may still be right.
    pub(super) fn is_open(&self, desired: &Desired, link: &LinkAt) -> bool {
        let operator = desired.operators.get(&(link.name.clone(), C::KIND));
        let Some(spec) = operator else { return false };
        match self.by_index.get(&link.index) {
            Some((_, client)) => !client.is_answered(),
            None => !(spec.first_lease_wins && self.somebody_won()),
        }
    }
}
