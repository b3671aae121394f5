//! The states of RFC 2131 figure 5, each with what is legal in it and nothing else.

use core::net::Ipv4Addr;

use super::lease::Lease;
use super::timing::{CONFIRM_TRIES, REBOOT_TRIES, REQUEST_TRIES, backoff_jittered};
use crate::value::{Instant, Rng, earliest};

/// One transaction: what was sent so far under one id.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// The same for all messages of the transaction, so that an answer to an earlier one is not lost.
    pub xid: u32,
    /// When its first message was sent.
    pub started: Instant,
    /// Its `secs` field. RFC 2131 §4.4.1: a DHCPREQUEST has that of the DHCPDISCOVER.
    pub secs: u16,
    /// Messages sent in the present state, at least one.
    pub sent: u32,
    /// When the last one was sent.
    pub last_sent: Instant,
    /// When to send the next one, or give up.
    pub send_at: Instant,
}

impl Exchange {
    /// After the first message of a transaction.
    pub fn begin(now: Instant, rng: &mut Rng) -> Self {
        Self {
            xid: rng.next_u32(),
            started: now,
            secs: 0,
            sent: 1,
            last_sent: now,
            send_at: now + backoff_jittered(1, rng),
        }
    }

    /// After the first message of the next state.
    pub fn follow(&self, now: Instant, rng: &mut Rng) -> Self {
        Self {
            sent: 1,
            last_sent: now,
            send_at: now + backoff_jittered(1, rng),
            ..self.clone()
        }
    }

    /// After one more message in the same state.
    pub fn again(&self, now: Instant, rng: &mut Rng) -> Self {
        let sent = self.sent.saturating_add(1);
        Self {
            sent,
            last_sent: now,
            send_at: now + backoff_jittered(sent, rng),
            ..self.clone()
        }
    }

    /// Seconds since the first message, for a repeated one.
    pub fn elapsed_secs(&self, now: Instant) -> u16 {
        u16::try_from(now.saturating_since(self.started).as_secs()).unwrap_or(u16::MAX)
    }
}

/// The offer that will be asked for.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub address: Ipv4Addr,
    pub server_id: Ipv4Addr,
    pub received_at: Instant,
}

/// What to do when the carrier is back.
#[derive(Clone, Debug)]
pub(super) enum Return {
    /// Ask everyone, for the address we last had if there was one.
    Discover { wanted: Option<Ipv4Addr> },
    /// Ask for the address of a lease that is not in use.
    Reboot { lease: Lease },
    /// Ask whether the address in use is still right here.
    Confirm { lease: Lease },
}

/// ```text
///    new()                                  reboot(), carrier back
///      │                                              │
///      ▼                                              ▼
///   ┌ INIT ◄───────────────────────────┐         INIT-REBOOT
///   │  │ DISCOVER                      │              │ REQUEST
///   │  ▼         OFFER with 108        │ wait         ▼
///   │ SELECTING ───────────────► IPV6-ONLY        REBOOTING ──► INIT: NAK; silence, unless
///   │  │ OFFER: REQUEST   │                           │ ACK           the address is in use
///   │  ▼                  │ ACK with 80               │
///   │ REQUESTING ─────────┼───────────► BOUND ◄───────┘
///   │  │       ACK        ┘             │   ▲
///   │  ▼                      T1: REQUEST   │ ACK
///   │ INIT: NAK, silence        unicast │   │
///   │                                   ▼   │
///   │                               RENEWING┤ ──► INIT: NAK
///   │                       T2: REQUEST │   │
///   │                         broadcast ▼   │
///   │                               REBINDING ──► INIT: NAK, end of the lease
///   │
///   └ carrier lost, in any state: DOWN ── carrier back ──► INIT or INIT-REBOOT
///
///  decline(): DECLINING ── DECLINE, 10 s ──► INIT        release(): RELEASING ── RELEASE ──► STOPPED
/// ```
///
/// An arrow with a message is taken when that message has been sent.
#[derive(Clone, Debug)]
pub(super) enum State {
    Init {
        send_at: Instant,
        wanted: Option<Ipv4Addr>,
    },
    /// With an offer: its DHCPREQUEST is to be sent.
    Selecting {
        exchange: Exchange,
        wanted: Option<Ipv4Addr>,
        offer: Option<Offer>,
    },
    Requesting {
        exchange: Exchange,
        offer: Offer,
    },
    /// `held`: the address is in use meanwhile (the carrier came back).
    InitReboot {
        send_at: Instant,
        lease: Lease,
        held: bool,
    },
    Rebooting {
        exchange: Exchange,
        lease: Lease,
        held: bool,
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
    /// The reason goes to the server as option 56.
    Declining {
        send_at: Instant,
        lease: Lease,
        reason: &'static str,
    },
    Releasing {
        send_at: Instant,
        lease: Lease,
    },
    /// RFC 8925: this network has no use for IPv4.
    Ipv6Only {
        until: Instant,
    },
    Down {
        on_return: Return,
    },
    Stopped,
}

impl State {
    /// For status output; RFC 2131 names where there is one.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Init { .. } => "init",
            Self::Selecting { .. } => "selecting",
            Self::Requesting { .. } => "requesting",
            Self::InitReboot { .. } => "init-reboot",
            Self::Rebooting { .. } => "rebooting",
            Self::Bound { .. } => "bound",
            Self::Renewing { .. } => "renewing",
            Self::Rebinding { .. } => "rebinding",
            Self::Declining { .. } => "declining",
            Self::Releasing { .. } => "releasing",
            Self::Ipv6Only { .. } => "ipv6-only",
            Self::Down { .. } => "down",
            Self::Stopped => "stopped",
        }
    }

    /// The lease whose address is in use.
    pub fn held(&self) -> Option<&Lease> {
        match self {
            Self::Bound { lease }
            | Self::Renewing { lease, .. }
            | Self::Rebinding { lease, .. }
            | Self::InitReboot {
                lease, held: true, ..
            }
            | Self::Rebooting {
                lease, held: true, ..
            }
            | Self::Down {
                on_return: Return::Confirm { lease },
            } => Some(lease),
            Self::Init { .. }
            | Self::Selecting { .. }
            | Self::Requesting { .. }
            | Self::InitReboot { held: false, .. }
            | Self::Rebooting { held: false, .. }
            | Self::Declining { .. }
            | Self::Releasing { .. }
            | Self::Ipv6Only { .. }
            | Self::Down {
                on_return: Return::Discover { .. } | Return::Reboot { .. },
            }
            | Self::Stopped => None,
        }
    }

    /// Where to begin again when this state is cut short.
    pub fn on_return(&self) -> Option<Return> {
        Some(match self {
            Self::Init { wanted, .. } | Self::Selecting { wanted, .. } => {
                Return::Discover { wanted: *wanted }
            }
            Self::Requesting { offer, .. } => Return::Discover {
                wanted: Some(offer.address),
            },
            Self::InitReboot {
                lease, held: false, ..
            }
            | Self::Rebooting {
                lease, held: false, ..
            } => Return::Reboot {
                lease: lease.clone(),
            },
            Self::Bound { lease }
            | Self::Renewing { lease, .. }
            | Self::Rebinding { lease, .. }
            | Self::InitReboot {
                lease, held: true, ..
            }
            | Self::Rebooting {
                lease, held: true, ..
            } => Return::Confirm {
                lease: lease.clone(),
            },
            // RFC 8925 §3.3: a new attachment ends the wait.
            Self::Declining { .. } | Self::Ipv6Only { .. } => Return::Discover { wanted: None },
            Self::Down { on_return } => on_return.clone(),
            Self::Releasing { .. } | Self::Stopped => return None,
        })
    }

    /// When the next message is to be sent.
    pub fn send_due(&self) -> Option<Instant> {
        match self {
            Self::Init { send_at, .. }
            | Self::InitReboot { send_at, .. }
            | Self::Declining { send_at, .. }
            | Self::Releasing { send_at, .. } => Some(*send_at),
            Self::Selecting {
                offer: Some(offer), ..
            } => Some(offer.received_at),
            Self::Selecting {
                exchange,
                offer: None,
                ..
            }
            | Self::Rebinding { exchange, .. } => Some(exchange.send_at),
            Self::Requesting { exchange, .. } | Self::Rebooting { exchange, .. } => {
                (exchange.sent < self.tries()).then_some(exchange.send_at)
            }
            Self::Bound { lease } => lease.renew_at,
            Self::Renewing { exchange, lease } => {
                earliest([Some(exchange.send_at), lease.rebind_at])
            }
            Self::Ipv6Only { .. } | Self::Down { .. } | Self::Stopped => None,
        }
    }

    /// When the state ends by itself: expiry, giving up, the end of a wait.
    pub fn end_due(&self) -> Option<Instant> {
        let gives_up = match self {
            Self::Requesting { exchange, .. } | Self::Rebooting { exchange, .. } => {
                (exchange.sent >= self.tries()).then_some(exchange.send_at)
            }
            Self::Ipv6Only { until } => Some(*until),
            Self::Init { .. }
            | Self::Selecting { .. }
            | Self::InitReboot { .. }
            | Self::Bound { .. }
            | Self::Renewing { .. }
            | Self::Rebinding { .. }
            | Self::Declining { .. }
            | Self::Releasing { .. }
            | Self::Down { .. }
            | Self::Stopped => None,
        };
        earliest([gives_up, self.held().and_then(|lease| lease.expires_at)])
    }

    /// The state after [`State::end_due`], and whether that was the expiry of a lease in use.
    pub fn end(&self, now: Instant) -> (State, bool) {
        if let Some(lease) = self.held().filter(|lease| lease.is_expired(now)) {
            let wanted = Some(lease.ip());
            let next = match self {
                Self::Down { .. } => Self::Down {
                    on_return: Return::Discover { wanted },
                },
                Self::Init { .. }
                | Self::Selecting { .. }
                | Self::Requesting { .. }
                | Self::InitReboot { .. }
                | Self::Rebooting { .. }
                | Self::Bound { .. }
                | Self::Renewing { .. }
                | Self::Rebinding { .. }
                | Self::Declining { .. }
                | Self::Releasing { .. }
                | Self::Ipv6Only { .. }
                | Self::Stopped => Self::Init {
                    send_at: now,
                    wanted,
                },
            };
            return (next, true);
        }
        let next = match self {
            // RFC 2131 §3.2 item 5: without an answer the address may be used for the rest of the lease.
            Self::Rebooting {
                lease, held: true, ..
            } => Self::Bound {
                lease: lease.clone(),
            },
            Self::Rebooting {
                lease, held: false, ..
            } => Self::Init {
                send_at: now,
                wanted: Some(lease.ip()),
            },
            Self::Requesting { offer, .. } => Self::Init {
                send_at: now,
                wanted: Some(offer.address),
            },
            Self::Ipv6Only { .. } => Self::Init {
                send_at: now,
                wanted: None,
            },
            Self::Init { .. }
            | Self::Selecting { .. }
            | Self::InitReboot { .. }
            | Self::Bound { .. }
            | Self::Renewing { .. }
            | Self::Rebinding { .. }
            | Self::Declining { .. }
            | Self::Releasing { .. }
            | Self::Down { .. }
            | Self::Stopped => self.clone(),
        };
        (next, false)
    }

    /// How often a state with an end sends.
    fn tries(&self) -> u32 {
        match self {
            Self::Rebooting { held: true, .. } => CONFIRM_TRIES,
            Self::Rebooting { held: false, .. } => REBOOT_TRIES,
            Self::Requesting { .. } => REQUEST_TRIES,
            Self::Init { .. }
            | Self::Selecting { .. }
            | Self::InitReboot { .. }
            | Self::Bound { .. }
            | Self::Renewing { .. }
            | Self::Rebinding { .. }
            | Self::Declining { .. }
            | Self::Releasing { .. }
            | Self::Ipv6Only { .. }
            | Self::Down { .. }
            | Self::Stopped => u32::MAX,
        }
    }
}
