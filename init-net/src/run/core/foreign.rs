//! Routes of others: a hundred thousand of them must not cost more than leaving them out. What concerns a desired route is
//! remembered from the last look that asked for it; the rest is looked at for who asks, and forgotten. While somebody watches
//! routes all are remembered; those that do not ring are looked at now and then ([`Patrol`](super::patrol::Patrol)).

use super::{Core, Doubt, Effect, Outcome, Request};
use crate::plan::{Slots, is_silent};
use crate::run::kinds;
use crate::state::Op;
use crate::value::Instant;

/// Requests that wait for one look. The control socket has fewer clients.
const MAX_WAITING: usize = 64;

/// The kind that shows them.
const ROUTES: &str = "routes";

/// What is known of them.
#[derive(Default)]
pub(super) struct Foreign {
    /// The last look saw all that concern what is desired now.
    pub(super) fresh: bool,
    waiting: Vec<(u64, Request)>,
    /// Those that do not concern us are remembered as well.
    all: bool,
}

impl Foreign {
    /// What a look has to show for those who wait.
    pub(super) fn wanted(&self) -> Doubt {
        if self.waiting.is_empty() {
            Doubt::default()
        } else {
            Doubt::ALL_ROUTES
        }
    }

    /// `client` waits for nothing any more.
    pub(super) fn forget_client(&mut self, client: u64) {
        self.waiting.retain(|(id, _)| *id != client);
    }
}

impl Core {
    /// Takes a request: answers it, or looks first where the answer may be a route that is not remembered.
    pub(super) fn ask(
        &mut self,
        id: u64,
        request: Request,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let of_routes = match &request {
            Request::Get { kind } | Request::Watch { kind, .. } => {
                kinds::resolve(kind) == Ok(ROUTES)
            }
            Request::Explain { .. } => true,
            _ => false,
        };
        let has_room = self.foreign.waiting.len() < MAX_WAITING;
        if of_routes && self.observed.is_some() && has_room {
            self.foreign.waiting.push((id, request));
            self.looks.at_once(Doubt::ALL_ROUTES, now);
        } else {
            self.request(id, request, now, effects);
        }
    }

    /// A look at the parts `of` has been taken in: answers who waited for it.
    pub(super) fn answer_with_routes(
        &mut self,
        of: Doubt,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if !of.has(Doubt::ALL_ROUTES) {
            return;
        }
        self.foreign.all = true;
        for (id, request) in core::mem::take(&mut self.foreign.waiting) {
            self.request(id, request, now, effects);
        }
    }

    /// What a look shows that is to show `doubt`: whoever watches routes of others sees no half of them.
    pub(super) fn worth_a_look(&self, doubt: Doubt) -> Doubt {
        let doubt = self.with_firewall_where_used(doubt);
        if doubt.has(Doubt::FOREIGN_ROUTES) && self.record.is_watched(ROUTES) {
            doubt | Doubt::ALL_ROUTES
        } else {
            doubt
        }
    }

    /// Forgets what only those wanted who have their answer, or watch no longer.
    pub(super) fn forget_foreign(&mut self) {
        if !self.foreign.all || self.record.is_watched(ROUTES) {
            return;
        }
        self.foreign.all = false;
        let slots = Slots::of(&self.desired);
        if let Some(observed) = &mut self.observed {
            observed.routes.retain(|route| slots.concern(route));
            observed.routes.shrink_to_fit();
        }
        let silent = self.depends_on_foreign();
        self.patrol.follow_routes(silent);
    }

    /// Looks at them before a route is replaced: the kernel takes the first of its slot, whosever it is. A route that is
    /// added needs no look: the kernel refuses it where the slot is taken. `true`: there will be another look first.
    pub(super) fn looks_at_foreign_first(&mut self, ops: &[Op], now: Instant) -> bool {
        let replaces = ops.iter().any(|op| matches!(op, Op::RouteReplace(_)));
        let wants = replaces && !self.foreign.fresh;
        if wants {
            self.settled = false;
            self.looks.need(Doubt::FOREIGN_ROUTES, now);
        }
        wants
    }

    /// Whether an op was refused only because a route of others was not remembered: no failure, the look that follows
    /// shows it.
    pub(super) fn was_blind(&self, outcome: &Outcome) -> bool {
        let refused = matches!(&outcome.result, Err((libc::EEXIST, _)));
        refused && matches!(outcome.op, Op::RouteAdd(_)) && !self.foreign.fresh
    }

    /// Whether a route of others stands in for a desired one, or in its way, or is watched: nothing rings when it goes.
    pub(super) fn depends_on_foreign(&self) -> bool {
        if self.record.is_watched(ROUTES) {
            return true;
        }
        let mut seen = self.observed.iter().flat_map(|seen| &seen.routes);
        seen.any(is_silent)
    }
}
