//! [`Talk`]: a dialogue over HTTP on the connections of the loop.

use crate::proto::Dialogue;
use crate::proto::http::Fetch;
use crate::proto::tls::Trust;
use crate::run::core::fetches::{Running, Wires};
use crate::run::core::{Effect, HttpEvent};
use crate::value::{Instant, Rng, earliest};

/// A dialogue, its request under way, and whom it believes.
pub(super) struct Talk<D> {
    /// Who asks.
    pub(super) dialogue: D,
    running: Option<Running>,
    /// `None`: whom the machine believes anyway.
    trust: Option<Trust>,
}

impl<D: Dialogue> Talk<D> {
    pub(super) fn new(dialogue: D, trust: Option<Trust>) -> Self {
        Self {
            dialogue,
            running: None,
            trust,
        }
    }

    /// Takes an event, if it is about this connection.
    pub(super) fn receive(&mut self, event: &HttpEvent, now: Instant) {
        if let Some(running) = &mut self.running {
            running.receive(event, now);
        }
    }

    /// Goes on as far as it can now.
    pub(super) fn turn(&mut self, now: Instant, rng: &mut Rng, wires: &mut Wires<'_>) {
        loop {
            if let Some(mut running) = self.running.take() {
                if self.dialogue.abandons(now) {
                    running.close(wires.effects);
                } else if let Some(answer) = running.turn(now, rng, wires) {
                    self.dialogue.answer(answer, now);
                } else {
                    self.running = Some(running);
                    return;
                }
            }
            let Some(request) = self.dialogue.request(now) else {
                return;
            };
            let fetch = Fetch::new(request, None, now).once();
            self.running = Some(Running::new(fetch).believing(self.trust.clone()));
        }
    }

    /// Gives up the request under way.
    pub(super) fn close(&mut self, effects: &mut Vec<Effect>) {
        if let Some(mut running) = self.running.take() {
            running.close(effects);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.running {
            Some(running) => earliest([running.deadline()]),
            None => self.dialogue.deadline(),
        }
    }
}
