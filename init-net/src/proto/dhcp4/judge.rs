//! What a reply means: RFC 2131 figure 5, the arrows that begin with a message from a server.

use super::state::{Exchange, Offer, State};
use super::wire::{Kind, Reject, Reply};
use super::{Dhcp4, Event, Lease, LostReason, timing};
use crate::value::{Duration, Instant};

impl Dhcp4 {
    /// What a reply means in the present state.
    pub(super) fn judge(
        &self,
        reply: &mut Reply,
        now: Instant,
    ) -> Result<(State, Option<Event>), Reject> {
        match &self.state {
            State::Selecting {
                exchange,
                wanted,
                offer: None,
            } => {
                belongs_to(exchange, reply)?;
                match reply.kind {
                    Kind::Offer => {
                        if let Some(wait) = reply.ipv6_only(&self.config) {
                            return Ok(ipv6_only(wait, now));
                        }
                        reply.address()?;
                        let offer = Offer {
                            address: reply.your_ip,
                            server_id: reply.server_id,
                            received_at: now,
                        };
                        let (exchange, wanted) = (exchange.clone(), *wanted);
                        Ok((
                            State::Selecting {
                                exchange,
                                wanted,
                                offer: Some(offer),
                            },
                            None,
                        ))
                    }
                    // RFC 4039 §3.1: only with the option, and only when we offered it.
                    Kind::Ack if self.config.rapid_commit && reply.options.rapid_commit() => {
                        match reply.ipv6_only(&self.config) {
                            Some(wait) => Ok(ipv6_only(wait, now)),
                            None => self.bind(reply, exchange, None, now),
                        }
                    }
                    Kind::Ack | Kind::Nak => Err(Reject::Unexpected),
                }
            }
            State::Requesting { exchange, offer } => {
                belongs_to(exchange, reply)?;
                match reply.kind {
                    // A server that probes the address first offers seconds late, once per DISCOVER it got.
                    Kind::Offer => Err(Reject::Unexpected),
                    Kind::Ack | Kind::Nak if reply.server_id != offer.server_id => {
                        Err(Reject::ForeignServer)
                    }
                    Kind::Ack => self.bind(reply, exchange, None, now),
                    Kind::Nak => Ok((self.start_over(now), None)),
                }
            }
            State::Rebooting {
                exchange,
                lease,
                held,
            } => {
                belongs_to(exchange, reply)?;
                match reply.kind {
                    Kind::Offer => Err(Reject::Unexpected),
                    Kind::Ack => match reply.ipv6_only(&self.config) {
                        Some(wait) if !held => Ok(ipv6_only(wait, now)),
                        Some(_) | None => self.bind(reply, exchange, held.then_some(lease), now),
                    },
                    Kind::Nak => Ok((self.start_over(now), held.then_some(LOST_BY_NAK))),
                }
            }
            State::Renewing { exchange, lease } => {
                belongs_to(exchange, reply)?;
                match reply.kind {
                    Kind::Offer => Err(Reject::Unexpected),
                    // A partner of the server may answer for it; a no counts only from the server that was asked.
                    Kind::Ack => self.bind(reply, exchange, Some(lease), now),
                    Kind::Nak if reply.server_id != lease.server_id => Err(Reject::ForeignServer),
                    Kind::Nak => Ok((self.start_over(now), Some(LOST_BY_NAK))),
                }
            }
            State::Rebinding { exchange, lease } => {
                belongs_to(exchange, reply)?;
                match reply.kind {
                    Kind::Offer => Err(Reject::Unexpected),
                    Kind::Ack => self.bind(reply, exchange, Some(lease), now),
                    Kind::Nak => Ok((self.start_over(now), Some(LOST_BY_NAK))),
                }
            }
            State::Selecting { offer: Some(_), .. }
            | State::Init { .. }
            | State::InitReboot { .. }
            | State::Bound { .. }
            | State::Declining { .. }
            | State::Releasing { .. }
            | State::Ipv6Only { .. }
            | State::Down { .. }
            | State::Stopped => Err(Reject::Unexpected),
        }
    }

    fn bind(
        &self,
        reply: &mut Reply,
        exchange: &Exchange,
        held: Option<&Lease>,
        now: Instant,
    ) -> Result<(State, Option<Event>), Reject> {
        let lease = reply.lease(&self.config, exchange.last_sent)?;
        if lease.is_expired(now) {
            return Err(Reject::Unexpected);
        }
        let event = match held {
            Some(before) if before.same_facts(&lease) => Event::Renewed(lease.clone()),
            Some(_) | None => Event::Bound(lease.clone()),
        };
        Ok((State::Bound { lease }, Some(event)))
    }

    /// INIT after a NAK: at once the first time (RFC 2131 §4.4.1), later with growing pauses.
    fn start_over(&self, now: Instant) -> State {
        let pause = match self.naks {
            0 => Duration::ZERO,
            naks => timing::backoff(naks),
        };
        State::Init {
            send_at: now + pause,
            wanted: None,
        }
    }
}

const LOST_BY_NAK: Event = Event::Lost {
    reason: LostReason::Nak,
};

fn belongs_to(exchange: &Exchange, reply: &Reply) -> Result<(), Reject> {
    if reply.xid == exchange.xid {
        Ok(())
    } else {
        Err(Reject::ForeignExchange)
    }
}

fn ipv6_only(wait: Duration, now: Instant) -> (State, Option<Event>) {
    (
        State::Ipv6Only { until: now + wait },
        Some(Event::Ipv6Only { wait }),
    )
}
