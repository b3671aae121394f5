//! One message exchange: a message, repeated under one transaction id until it is answered (RFC 8415 §15, §16.1).

use super::timing::Retry;
use super::wire::Reject;
use crate::value::{Duration, Instant, Rng, earliest};

/// Before its first message, and after.
#[derive(Clone, Debug)]
pub(super) enum Exchange {
    /// Nothing was sent, so nothing can be answered.
    Due {
        at: Instant,
    },
    Open(Open),
}

/// An exchange with at least one message sent.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// 24 bits.
    pub xid: u32,
    /// When the first message was sent.
    pub started: Instant,
    /// Messages sent, at least one.
    pub sent: u32,
    /// When the last one was sent.
    pub last_sent: Instant,
    /// RT: the wait after it.
    wait: Duration,
}

impl Exchange {
    /// One whose first message is due at `at`.
    pub fn due(at: Instant) -> Self {
        Self::Due { at }
    }

    /// After one more message.
    pub fn advance(&self, retry: &Retry, now: Instant, rng: &mut Rng) -> Open {
        match self {
            Self::Due { .. } => Open {
                xid: rng.next_u32() >> 8,
                started: now,
                sent: 1,
                last_sent: now,
                wait: retry.first_wait(rng),
            },
            Self::Open(open) => Open {
                sent: open.sent.saturating_add(1),
                last_sent: now,
                wait: retry.next_wait(open.wait, rng),
                ..open.clone()
            },
        }
    }

    /// The exchange that a message with this id answers.
    pub fn answered(&self, xid: u32) -> Result<&Open, Reject> {
        match self {
            Self::Open(open) if open.xid == xid => Ok(open),
            Self::Open(_) => Err(Reject::ForeignExchange),
            Self::Due { .. } => Err(Reject::Unexpected),
        }
    }

    /// When the next message is to be sent.
    pub fn send_due(&self, retry: &Retry) -> Option<Instant> {
        match self {
            Self::Due { at } => Some(*at),
            Self::Open(open) => (open.sent < retry.tries).then(|| open.wait_over()),
        }
    }

    /// When it is given up.
    pub fn end_due(&self, retry: &Retry) -> Option<Instant> {
        match self {
            Self::Due { .. } => None,
            Self::Open(open) => earliest([
                (open.sent >= retry.tries).then(|| open.wait_over()),
                retry.limit.map(|limit| open.started + limit),
            ]),
        }
    }
}

impl Open {
    /// When the wait for an answer to the last message is over.
    pub fn wait_over(&self) -> Instant {
        self.last_sent + self.wait
    }
}
