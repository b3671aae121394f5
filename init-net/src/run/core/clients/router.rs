//! Router discovery on a link. Ethernet only: elsewhere nobody sends advertisements, or (IP over InfiniBand) the kernel's
//! own part has to do.

use core::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::advice::Advice;
use super::pool::{Client, Turn};
use super::seat::{Place, Seat};
use crate::compile::router;
use crate::config::{Diagnostic, Document};
use crate::proto::Machine;
use crate::proto::ndisc::{Event, Ndisc, Router};
use crate::run::core::Effect;
use crate::state::{OperatorKind, OperatorSpec};
use crate::value::{Instant, Rng};

/// The machine.
pub(super) struct RouterClient {
    machine: Ndisc,
    /// A router has spoken, or it was waited for in vain.
    answered: bool,
    /// Its socket was asked for: with routers of the stage before, nothing is sent that would open it.
    listens: bool,
}

/// What the routers of a link said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Routers {
    /// In the order in which they were found.
    pub routers: Vec<Router>,
}

impl RouterClient {
    /// What the routers say of DHCPv6.
    pub(super) fn advice(&self) -> Advice {
        Advice::of(self.machine.routers(), self.answered)
    }

    /// Whether there is a router for everything.
    pub(super) fn has_default_router(&self) -> bool {
        let routers = self.machine.routers();
        routers.iter().any(|router| router.default_until.is_some())
    }

    fn set_source(&mut self, place: &Place<'_>) {
        let source = place.link_local().unwrap_or(Ipv6Addr::UNSPECIFIED);
        self.machine.set_source(source);
    }

    /// Drains the machine's events.
    fn drain(&mut self, seat: &Seat, effects: &mut Vec<Effect>) -> Turn {
        let mut turn = Turn::default();
        while let Some(event) = self.machine.event() {
            self.answered = true;
            let (level, text) = match event {
                Event::Refreshed(_) => {
                    turn.refreshed = true;
                    continue;
                }
                Event::Found(router) => (log::Level::Info, format!("router {router}")),
                Event::Changed(router) => {
                    let text = format!("router {router} says something else");
                    (log::Level::Info, text)
                }
                Event::Gone(router) => (log::Level::Warn, format!("router {router} is gone")),
                Event::Silent => (log::Level::Debug, "no router has answered".to_owned()),
            };
            turn.changed = true;
            seat.log(level, &text, effects);
        }
        turn
    }
}

impl Client for RouterClient {
    type Holding = Routers;

    const KIND: OperatorKind = OperatorKind::Router;

    fn wanted(_spec: &OperatorSpec, _place: &Place<'_>, _held: Option<&Routers>) -> bool {
        true
    }

    fn can_send(place: &Place<'_>) -> bool {
        place.has_carrier() && place.has_ipv6()
    }

    fn start(
        seat: &Seat,
        place: &Place<'_>,
        inherited: Option<Routers>,
        now: Instant,
    ) -> Option<Self> {
        let mac = seat.mac.as_ethernet()?;
        let machine = match inherited {
            Some(held) => Ndisc::resume(mac, held.routers, now),
            None => Ndisc::new(mac, now),
        };
        let mut this = Self {
            answered: !machine.routers().is_empty(),
            machine,
            listens: false,
        };
        this.set_source(place);
        Some(this)
    }

    fn set_sending(&mut self, sends: bool, now: Instant) {
        if sends {
            self.machine.link_up(now)
        } else {
            self.machine.link_down(now)
        }
    }

    fn follow(&mut self, _seat: &Seat, place: &Place<'_>, _now: Instant) -> bool {
        self.set_source(place);
        false
    }

    fn receive(&mut self, message: &[u8], now: Instant) {
        self.machine.receive(message, now);
    }

    fn turn(
        &mut self,
        seat: &Seat,
        now: Instant,
        rng: &mut Rng,
        effects: &mut Vec<Effect>,
    ) -> Turn {
        if !self.listens {
            self.listens = true;
            let link = seat.link.clone();
            effects.push(Effect::ListenToRouters { link });
        }
        self.machine.expire(now);
        self.machine.transmit_all(now, rng, |packet| {
            let link = seat.link.clone();
            effects.push(Effect::SolicitRouter { link, packet });
        });
        self.drain(seat, effects)
    }

    fn deadline(&self) -> Option<Instant> {
        self.machine.deadline()
    }

    fn holds(&self) -> bool {
        !self.machine.routers().is_empty()
    }

    fn holding(&self) -> Option<Routers> {
        self.holds().then(|| Routers {
            routers: self.machine.routers().to_vec(),
        })
    }

    fn is_answered(&self) -> bool {
        self.answered
    }

    fn state_name(&self) -> &'static str {
        self.machine.state_name()
    }

    fn document(&self, seat: &Seat) -> Option<(Document, Vec<Diagnostic>)> {
        let document = || router::document(self.machine.routers(), &seat.spec);
        self.holds().then(|| (document(), Vec::new()))
    }

    fn close(index: u32) -> Effect {
        Effect::CloseRouter { index }
    }
}
