//! What to send: the message that is due in each state, and the state after it (RFC 8415 §18.2, appendix B).

use core::net::Ipv6Addr;

use dhcproto::v6::MessageType;

use super::exchange::{Exchange, Open};
use super::state::{Offer, State};
use super::timing::{self, Retry};
use super::wire::{Asks, Request};
use super::{Dhcp6, Lease, Transmit};
use crate::value::{Instant, Prefix, Rng};

impl Dhcp6 {
    /// The message that is due, and the state once it has been sent.
    pub(super) fn compose(&self, now: Instant, rng: &mut Rng) -> Option<(Transmit, State)> {
        let mut next = |exchange: &Exchange, retry: &Retry| exchange.advance(retry, now, rng);
        let (request, state) = match &self.state {
            State::Soliciting { exchange, offer } => {
                let retry = Retry {
                    cap: self.solicit_cap,
                    ..timing::SOLICIT
                };
                let open = next(exchange, &retry);
                let request = Request {
                    addresses: self.any_address(),
                    prefixes: self.any_prefix(),
                    rapid_commit: self.config.rapid_commit,
                    ..message(MessageType::Solicit, &open, Asks::Facts)
                };
                let exchange = Exchange::Open(open);
                let offer = offer.clone();
                (request, State::Soliciting { exchange, offer })
            }
            State::Requesting {
                exchange,
                offer,
                held,
            } => {
                let open = next(exchange, &timing::REQUEST);
                let Offer {
                    addresses,
                    prefixes,
                    ..
                } = offer;
                let request = Request {
                    server_duid: Some(&offer.server_duid),
                    addresses: self.any_address().map(|_| addresses.clone()),
                    prefixes: self.prefixes(prefixes.clone()),
                    ..message(MessageType::Request, &open, Asks::Facts)
                };
                let state = State::Requesting {
                    exchange: Exchange::Open(open),
                    offer: offer.clone(),
                    held: held.clone(),
                };
                (request, state)
            }
            State::Renewing { exchange, lease } => {
                let open = next(exchange, &timing::RENEW);
                let request = Request {
                    server_duid: Some(&lease.server_duid),
                    ..self.extend(MessageType::Renew, &open, lease)
                };
                let (exchange, lease) = (Exchange::Open(open), lease.clone());
                (request, State::Renewing { exchange, lease })
            }
            State::Rebinding { exchange, lease } => {
                let open = next(exchange, &timing::REBIND);
                let request = self.extend(MessageType::Rebind, &open, lease);
                let (exchange, lease) = (Exchange::Open(open), lease.clone());
                (request, State::Rebinding { exchange, lease })
            }
            State::Confirming { exchange, lease } => {
                let open = next(exchange, &timing::CONFIRM);
                let request = if lease.prefixes.is_empty() {
                    Request {
                        addresses: Some(addresses(lease)),
                        ..message(MessageType::Confirm, &open, Asks::Nothing)
                    }
                } else {
                    self.extend(MessageType::Rebind, &open, lease)
                };
                let (exchange, lease) = (Exchange::Open(open), lease.clone());
                (request, State::Confirming { exchange, lease })
            }
            State::Declining {
                exchange,
                declined,
                rest,
            } => {
                let open = next(exchange, &timing::FAREWELL);
                let request = farewell(MessageType::Decline, &open, declined);
                let state = State::Declining {
                    exchange: Exchange::Open(open),
                    declined: declined.clone(),
                    rest: rest.clone(),
                };
                (request, state)
            }
            State::Releasing { exchange, lease } => {
                let open = next(exchange, &timing::FAREWELL);
                let request = farewell(MessageType::Release, &open, lease);
                let (exchange, lease) = (Exchange::Open(open), lease.clone());
                (request, State::Releasing { exchange, lease })
            }
            State::Asking { exchange, known } => {
                let retry = Retry {
                    cap: self.information_cap,
                    ..timing::INFORMATION
                };
                let open = next(exchange, &retry);
                let request = message(MessageType::InformationRequest, &open, Asks::Information);
                let (exchange, known) = (Exchange::Open(open), known.clone());
                (request, State::Asking { exchange, known })
            }
            State::Bound { .. } | State::Informed { .. } | State::Down { .. } | State::Stopped => {
                return None;
            }
        };
        let payload = request.encode(&self.config);
        Some((Transmit { payload }, state))
    }

    /// RENEW and REBIND: what is leased, and what was asked for and is not (RFC 8415 §18.2.4).
    fn extend<'a>(&self, kind: MessageType, open: &Open, lease: &Lease) -> Request<'a> {
        let prefixes = lease.prefixes.iter().map(|leased| leased.prefix).collect();
        Request {
            addresses: self.any_address().map(|_| addresses(lease)),
            prefixes: self.prefixes(prefixes),
            ..message(kind, open, Asks::Facts)
        }
    }

    fn any_address(&self) -> Option<Vec<Ipv6Addr>> {
        self.config.mode.wants_addresses().then(Vec::new)
    }

    fn any_prefix(&self) -> Option<Vec<Prefix>> {
        self.prefixes(Vec::new())
    }

    /// The IA_PD with `known` prefixes; without one, with what is wished for.
    fn prefixes(&self, known: Vec<Prefix>) -> Option<Vec<Prefix>> {
        let hint = self.config.mode.prefix_hint()?;
        if known.is_empty() && !hint.is_default() {
            Some(vec![hint])
        } else {
            Some(known)
        }
    }
}

fn addresses(lease: &Lease) -> Vec<Ipv6Addr> {
    lease
        .addresses
        .iter()
        .map(|leased| leased.address)
        .collect()
}

/// DECLINE and RELEASE: to the server that granted, what is given up and nothing else.
fn farewell<'a>(kind: MessageType, open: &Open, lease: &'a Lease) -> Request<'a> {
    let prefixes: Vec<_> = lease.prefixes.iter().map(|leased| leased.prefix).collect();
    Request {
        server_duid: Some(&lease.server_duid),
        addresses: Some(addresses(lease)).filter(|list| !list.is_empty()),
        prefixes: Some(prefixes).filter(|list| !list.is_empty()),
        ..message(kind, open, Asks::Nothing)
    }
}

fn message<'a>(kind: MessageType, open: &Open, asks: Asks) -> Request<'a> {
    Request {
        kind,
        xid: open.xid,
        elapsed: open.last_sent.saturating_since(open.started),
        server_duid: None,
        addresses: None,
        prefixes: None,
        rapid_commit: false,
        asks,
    }
}
