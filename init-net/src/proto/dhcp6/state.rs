//! The states of a client, each with what is legal in it and nothing else. RFC 8415 has no figure of them; the names are
//! those of its messages.

use core::net::Ipv6Addr;

use super::exchange::Exchange;
use super::lease::{Information, Lease};
use super::timing::{self, Retry};
use super::{Event, LostReason};
use crate::value::{Instant, Prefix, earliest};

/// The offer that will be asked for.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub server_duid: Vec<u8>,
    /// Whether it has all that was asked for; then the server's preference. The greater offer is the better.
    pub rank: (bool, u8),
    pub addresses: Vec<Ipv6Addr>,
    pub prefixes: Vec<Prefix>,
}

impl Offer {
    /// What `lease` has, from a server that is to make it anew.
    pub fn again(lease: &Lease, server_duid: &[u8]) -> Self {
        Self {
            server_duid: server_duid.to_vec(),
            rank: (true, 0),
            addresses: lease
                .addresses
                .iter()
                .map(|leased| leased.address)
                .collect(),
            prefixes: lease.prefixes.iter().map(|leased| leased.prefix).collect(),
        }
    }
}

/// What to do when the carrier is back.
#[derive(Clone, Debug)]
pub(super) enum Return {
    /// Ask everyone.
    Solicit,
    /// Ask whether the lease in use is still right here.
    Confirm { lease: Lease },
    /// Ask for information.
    Ask { known: Option<Information> },
}

/// ```text
///     new()                                   carrier back, with a lease
///       │                                                │
///       ▼                                                ▼
///   SOLICITING ◄──── NotOnLink, nothing granted     CONFIRMING ──► SOLICITING: NotOnLink
///       │  │  ▲                                          │ REPLY, or a minute of silence
///       │  │  │ silence               resume()           ▼
///       │  │  │                          └────────────► BOUND ◄───────────────┐
///       │  │  │         REPLY                            │ T1                 │
///       │  └──┼─ REPLY, rapid commit ──────────────► BOUND                    │
///       ▼     │                                          ▼            REPLY   │
///   REQUESTING┴─────────► BOUND ◄── NoBinding ─── RENEWING ──────────────────►│
///    the best offer                 REQUESTING           │ T2                 │
///                                                        ▼            REPLY   │
///                                                   REBINDING ───────────────►┘
///                                                        │ the end of all of the lease
///                                                        ▼
///                                                   SOLICITING
///
///   carrier lost, in any state: DOWN ── carrier back ──► SOLICITING, CONFIRMING or ASKING
///   decline(): DECLINING ──► RENEWING with the rest of the lease, or SOLICITING
///   release(): RELEASING ──► STOPPED
///   stateless: ASKING ── REPLY ──► INFORMED ── refresh time ──► ASKING
/// ```
#[derive(Clone, Debug)]
pub(super) enum State {
    /// With the best offer so far.
    Soliciting {
        exchange: Exchange,
        offer: Option<Offer>,
    },
    /// `held`: a lease that is in use until its end, while its server makes it anew (NoBinding).
    Requesting {
        exchange: Exchange,
        offer: Offer,
        held: Option<Lease>,
    },
    Bound {
        lease: Lease,
    },
    Renewing {
        exchange: Exchange,
        lease: Lease,
    },
    Rebinding {
        exchange: Exchange,
        lease: Lease,
    },
    /// With CONFIRM, or with REBIND where there are prefixes (RFC 8415 §18.2.12).
    Confirming {
        exchange: Exchange,
        lease: Lease,
    },
    /// `declined` has nothing but the addresses to decline, `rest` what stays in use.
    Declining {
        exchange: Exchange,
        declined: Box<Lease>,
        rest: Option<Lease>,
    },
    Releasing {
        exchange: Exchange,
        lease: Lease,
    },
    Asking {
        exchange: Exchange,
        known: Option<Information>,
    },
    Informed {
        information: Information,
    },
    Down {
        on_return: Return,
    },
    Stopped,
}

impl State {
    /// Asks everyone, from `at` on.
    pub fn soliciting(at: Instant) -> Self {
        Self::Soliciting {
            exchange: Exchange::due(at),
            offer: None,
        }
    }

    /// For status output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Soliciting { .. } => "soliciting",
            Self::Requesting { .. } => "requesting",
            Self::Bound { .. } => "bound",
            Self::Renewing { .. } => "renewing",
            Self::Rebinding { .. } => "rebinding",
            Self::Confirming { .. } => "confirming",
            Self::Declining { .. } => "declining",
            Self::Releasing { .. } => "releasing",
            Self::Asking { .. } => "asking",
            Self::Informed { .. } => "informed",
            Self::Down { .. } => "down",
            Self::Stopped => "stopped",
        }
    }

    /// The lease in use.
    pub fn held(&self) -> Option<&Lease> {
        match self {
            Self::Bound { lease }
            | Self::Renewing { lease, .. }
            | Self::Rebinding { lease, .. }
            | Self::Confirming { lease, .. }
            | Self::Requesting {
                held: Some(lease), ..
            }
            | Self::Declining {
                rest: Some(lease), ..
            }
            | Self::Down {
                on_return: Return::Confirm { lease },
            } => Some(lease),
            Self::Soliciting { .. }
            | Self::Requesting { held: None, .. }
            | Self::Declining { rest: None, .. }
            | Self::Releasing { .. }
            | Self::Asking { .. }
            | Self::Informed { .. }
            | Self::Down {
                on_return: Return::Solicit | Return::Ask { .. },
            }
            | Self::Stopped => None,
        }
    }

    /// The information in use.
    pub fn known(&self) -> Option<&Information> {
        match self {
            Self::Asking { known, .. }
            | Self::Down {
                on_return: Return::Ask { known },
            } => known.as_ref(),
            Self::Informed { information } => Some(information),
            Self::Soliciting { .. }
            | Self::Requesting { .. }
            | Self::Bound { .. }
            | Self::Renewing { .. }
            | Self::Rebinding { .. }
            | Self::Confirming { .. }
            | Self::Declining { .. }
            | Self::Releasing { .. }
            | Self::Down {
                on_return: Return::Solicit | Return::Confirm { .. },
            }
            | Self::Stopped => None,
        }
    }

    /// Where to begin again when this state is cut short.
    pub fn on_return(&self) -> Option<Return> {
        Some(match self {
            Self::Bound { lease }
            | Self::Renewing { lease, .. }
            | Self::Rebinding { lease, .. }
            | Self::Confirming { lease, .. }
            | Self::Requesting {
                held: Some(lease), ..
            }
            | Self::Declining {
                rest: Some(lease), ..
            } => Return::Confirm {
                lease: lease.clone(),
            },
            Self::Soliciting { .. }
            | Self::Requesting { held: None, .. }
            | Self::Declining { rest: None, .. } => Return::Solicit,
            Self::Asking { known, .. } => Return::Ask {
                known: known.clone(),
            },
            Self::Informed { information } => Return::Ask {
                known: Some(information.clone()),
            },
            Self::Down { on_return } => on_return.clone(),
            Self::Releasing { .. } | Self::Stopped => return None,
        })
    }

    /// What is being sent, and how it is repeated.
    fn exchange(&self) -> Option<(&Exchange, &'static Retry)> {
        Some(match self {
            Self::Soliciting { exchange, .. } => (exchange, &timing::SOLICIT),
            Self::Requesting { exchange, .. } => (exchange, &timing::REQUEST),
            Self::Renewing { exchange, .. } => (exchange, &timing::RENEW),
            Self::Rebinding { exchange, .. } => (exchange, &timing::REBIND),
            Self::Confirming { exchange, .. } => (exchange, &timing::CONFIRM),
            Self::Declining { exchange, .. } | Self::Releasing { exchange, .. } => {
                (exchange, &timing::FAREWELL)
            }
            Self::Asking { exchange, .. } => (exchange, &timing::INFORMATION),
            Self::Bound { .. } | Self::Informed { .. } | Self::Down { .. } | Self::Stopped => {
                return None;
            }
        })
    }

    /// When the next message is to be sent.
    pub fn send_due(&self) -> Option<Instant> {
        // With an offer the wait ends with a REQUEST.
        if let Self::Soliciting { offer: Some(_), .. } = self {
            return None;
        }
        let (exchange, retry) = self.exchange()?;
        exchange.send_due(retry)
    }

    /// When the state ends by itself: T1, T2, giving up, the end of a wait, of a lease or of a part of it.
    pub fn end_due(&self) -> Option<Instant> {
        let own = match self {
            Self::Soliciting {
                exchange: Exchange::Open(open),
                offer: Some(_),
            } => Some(open.wait_over()),
            Self::Bound { lease } => lease.renew_at,
            Self::Renewing { lease, .. } => lease.rebind_at,
            Self::Informed { information } => information.refresh_at,
            Self::Soliciting { .. }
            | Self::Requesting { .. }
            | Self::Rebinding { .. }
            | Self::Confirming { .. }
            | Self::Declining { .. }
            | Self::Releasing { .. }
            | Self::Asking { .. }
            | Self::Down { .. }
            | Self::Stopped => self
                .exchange()
                .and_then(|(exchange, retry)| exchange.end_due(retry)),
        };
        earliest([own, self.held().and_then(Lease::first_end)])
    }

    /// The state after [`State::end_due`], and what that means to the owner.
    pub fn end(self, now: Instant) -> (State, Option<Event>) {
        if let Some(lease) = self.held()
            && lease.first_end().is_some_and(|end| end <= now)
        {
            let mut rest = lease.clone();
            rest.prune(now);
            return if rest.is_empty() {
                let reason = LostReason::Expired;
                (self.without_lease(now), Some(Event::Lost { reason }))
            } else {
                let event = Event::Bound(rest.clone());
                (self.with_lease(rest), Some(event))
            };
        }
        let next = match self {
            Self::Soliciting {
                offer: Some(offer), ..
            } => Self::Requesting {
                exchange: Exchange::due(now),
                offer,
                held: None,
            },
            Self::Requesting { held: None, .. } => Self::soliciting(now),
            Self::Bound { lease } => Self::Renewing {
                exchange: Exchange::due(now),
                lease,
            },
            // The server that answered is silent now: another may know the lease.
            Self::Requesting {
                held: Some(lease), ..
            }
            | Self::Renewing { lease, .. } => Self::Rebinding {
                exchange: Exchange::due(now),
                lease,
            },
            // RFC 8415 §18.2.3: without an answer the lease is used with the times it has.
            Self::Confirming { lease, .. } => Self::Bound { lease },
            Self::Declining { rest, .. } => Self::after_decline(rest, now),
            Self::Releasing { .. } => Self::Stopped,
            Self::Informed { information } => Self::Asking {
                exchange: Exchange::due(now),
                known: Some(information),
            },
            Self::Soliciting { offer: None, .. }
            | Self::Rebinding { .. }
            | Self::Asking { .. }
            | Self::Down { .. }
            | Self::Stopped => self,
        };
        (next, None)
    }

    /// A RENEW asks for what was declined, too.
    pub fn after_decline(rest: Option<Lease>, now: Instant) -> Self {
        match rest {
            Some(lease) => Self::Renewing {
                exchange: Exchange::due(now),
                lease,
            },
            None => Self::soliciting(now),
        }
    }

    /// The same state with `lease` in use in place of the one before.
    fn with_lease(self, new: Lease) -> Self {
        match self {
            Self::Bound { .. } => Self::Bound { lease: new },
            Self::Renewing { exchange, .. } => Self::Renewing {
                exchange,
                lease: new,
            },
            Self::Rebinding { exchange, .. } => Self::Rebinding {
                exchange,
                lease: new,
            },
            Self::Confirming { exchange, .. } => Self::Confirming {
                exchange,
                lease: new,
            },
            Self::Requesting {
                exchange, offer, ..
            } => Self::Requesting {
                exchange,
                offer,
                held: Some(new),
            },
            Self::Declining {
                exchange, declined, ..
            } => Self::Declining {
                exchange,
                declined,
                rest: Some(new),
            },
            Self::Down { .. } => Self::Down {
                on_return: Return::Confirm { lease: new },
            },
            Self::Soliciting { .. }
            | Self::Releasing { .. }
            | Self::Asking { .. }
            | Self::Informed { .. }
            | Self::Stopped => self,
        }
    }

    /// The state when the lease in use has ended.
    fn without_lease(self, now: Instant) -> Self {
        match self {
            Self::Requesting {
                exchange, offer, ..
            } => Self::Requesting {
                exchange,
                offer,
                held: None,
            },
            Self::Declining {
                exchange, declined, ..
            } => Self::Declining {
                exchange,
                declined,
                rest: None,
            },
            Self::Down { .. } => Self::Down {
                on_return: Return::Solicit,
            },
            Self::Bound { .. }
            | Self::Renewing { .. }
            | Self::Rebinding { .. }
            | Self::Confirming { .. } => Self::soliciting(now),
            Self::Soliciting { .. }
            | Self::Releasing { .. }
            | Self::Asking { .. }
            | Self::Informed { .. }
            | Self::Stopped => self,
        }
    }
}
