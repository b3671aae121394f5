//! What a message from a server means in each state (RFC 8415 §18.2.9, §18.2.10).

use super::exchange::{Exchange, Open};
use super::grant::Grant;
use super::options::{code, status};
use super::state::{Offer, State};
use super::wire::{Kind, Reject, Reply};
use super::{Dhcp6, Event, Lease, LostReason, timing};
use crate::value::Instant;

/// The next state and what the owner has to know.
type Outcome = Result<(State, Option<Event>), Reject>;

/// RFC 8415 §18.2.1: the preference that ends the search for better offers.
const TAKE_AT_ONCE: u8 = 255;

impl Dhcp6 {
    /// What a message means in the present state.
    pub(super) fn judge(&self, reply: &mut Reply<'_>, now: Instant) -> Outcome {
        match &self.state {
            State::Soliciting { exchange, offer } => {
                let open = exchange.answered(reply.xid)?;
                match reply.kind {
                    Kind::Advertise => self.advertised(reply, open, offer.as_ref(), now),
                    // RFC 8415 §18.2.1: only with the option, and only when we offered it.
                    Kind::Reply if self.takes_rapid_commit(reply) => {
                        match reply.grant(&self.config, None, open.last_sent)? {
                            Grant::Lease(lease) => bind(*lease, None, now),
                            // Others may still offer something.
                            Grant::NoBinding | Grant::NotOnLink | Grant::Nothing => {
                                Err(Reject::Refused)
                            }
                        }
                    }
                    Kind::Reply => Err(Reject::Unexpected),
                }
            }
            State::Requesting {
                exchange,
                offer,
                held,
            } => {
                let open = exchange.answered(reply.xid)?;
                from(&offer.server_duid, reply)?;
                is_reply(reply)?;
                match reply.grant(&self.config, None, open.last_sent)? {
                    Grant::Lease(lease) => bind(*lease, held.as_ref(), now),
                    Grant::NotOnLink => {
                        Ok(self.start_over(held.as_ref(), LostReason::NotOnLink, now))
                    }
                    Grant::NoBinding | Grant::Nothing => {
                        Ok(self.start_over(held.as_ref(), LostReason::Refused, now))
                    }
                }
            }
            State::Renewing { exchange, lease } => {
                let open = exchange.answered(reply.xid)?;
                from(&lease.server_duid, reply)?;
                self.extended(reply, open, lease, now)
            }
            State::Rebinding { exchange, lease } => {
                let open = exchange.answered(reply.xid)?;
                self.extended(reply, open, lease, now)
            }
            State::Confirming { exchange, lease } if lease.prefixes.is_empty() => {
                exchange.answered(reply.xid)?;
                is_reply(reply)?;
                match reply.options.status() {
                    status::SUCCESS => {
                        let lease = lease.clone();
                        Ok((State::Bound { lease }, None))
                    }
                    status::NOT_ON_LINK => {
                        Ok(self.start_over(Some(lease), LostReason::NotOnLink, now))
                    }
                    _ => Err(Reject::Refused),
                }
            }
            State::Confirming { exchange, lease } => {
                let open = exchange.answered(reply.xid)?;
                self.extended(reply, open, lease, now)
            }
            // RFC 8415 §18.2.10.2, §18.2.10.3: whatever it says, it has been told.
            State::Declining {
                exchange,
                declined,
                rest,
            } => {
                exchange.answered(reply.xid)?;
                from(&declined.server_duid, reply)?;
                is_reply(reply)?;
                let pause = timing::pause(self.refusals);
                Ok((State::after_decline(rest.clone(), now + pause), None))
            }
            State::Releasing { exchange, lease } => {
                exchange.answered(reply.xid)?;
                from(&lease.server_duid, reply)?;
                is_reply(reply)?;
                Ok((State::Stopped, None))
            }
            State::Asking { exchange, .. } => {
                let open = exchange.answered(reply.xid)?;
                is_reply(reply)?;
                let information = reply.information(&self.config, open.last_sent)?;
                let event = Event::Information(information.clone());
                Ok((State::Informed { information }, Some(event)))
            }
            State::Bound { .. } | State::Informed { .. } | State::Down { .. } | State::Stopped => {
                Err(Reject::Unexpected)
            }
        }
    }

    fn advertised(
        &self,
        reply: &mut Reply<'_>,
        open: &Open,
        before: Option<&Offer>,
        now: Instant,
    ) -> Outcome {
        let offer = reply.offer(&self.config, now)?;
        if offer.rank.1 == TAKE_AT_ONCE || open.sent > 1 {
            let exchange = Exchange::due(now);
            let held = None;
            return Ok((
                State::Requesting {
                    exchange,
                    offer,
                    held,
                },
                None,
            ));
        }
        let best = match before {
            Some(before) if before.rank >= offer.rank => before.clone(),
            Some(_) | None => offer,
        };
        Ok((
            State::Soliciting {
                exchange: Exchange::Open(open.clone()),
                offer: Some(best),
            },
            None,
        ))
    }

    fn takes_rapid_commit(&self, reply: &Reply<'_>) -> bool {
        self.config.rapid_commit && reply.options.raw(code::RAPID_COMMIT).is_some()
    }

    /// A REPLY to RENEW and REBIND.
    fn extended(&self, reply: &mut Reply<'_>, open: &Open, lease: &Lease, now: Instant) -> Outcome {
        is_reply(reply)?;
        match reply.grant(&self.config, Some(lease), open.last_sent)? {
            Grant::Lease(new) => bind(*new, Some(lease), now),
            Grant::NoBinding => Ok((
                State::Requesting {
                    exchange: Exchange::due(now),
                    offer: Offer::again(lease, reply.server_duid),
                    held: Some(lease.clone()),
                },
                None,
            )),
            Grant::NotOnLink => Ok(self.start_over(Some(lease), LostReason::NotOnLink, now)),
            Grant::Nothing => Ok(self.start_over(Some(lease), LostReason::Refused, now)),
        }
    }

    /// Everyone is asked again, with a pause when there was a no before.
    fn start_over(
        &self,
        held: Option<&Lease>,
        reason: LostReason,
        now: Instant,
    ) -> (State, Option<Event>) {
        let state = State::soliciting(now + timing::pause(self.refusals));
        (state, held.map(|_| Event::Lost { reason }))
    }
}

fn bind(mut lease: Lease, before: Option<&Lease>, now: Instant) -> Outcome {
    // The answer may be late.
    lease.prune(now);
    if lease.is_empty() {
        return Err(Reject::Refused);
    }
    let event = match before {
        Some(before) if before.same_facts(&lease) => Event::Renewed(lease.clone()),
        Some(_) | None => Event::Bound(lease.clone()),
    };
    Ok((State::Bound { lease }, Some(event)))
}

fn from(server_duid: &[u8], reply: &Reply<'_>) -> Result<(), Reject> {
    if reply.server_duid == server_duid {
        Ok(())
    } else {
        Err(Reject::ForeignServer)
    }
}

fn is_reply(reply: &Reply<'_>) -> Result<(), Reject> {
    match reply.kind {
        Kind::Reply => Ok(()),
        Kind::Advertise => Err(Reject::Unexpected),
    }
}
