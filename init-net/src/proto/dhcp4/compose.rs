//! What to send: the message that is due in each state, and the state after it (RFC 2131 table 5).

use core::net::Ipv4Addr;

use dhcproto::v4::MessageType;

use super::state::{Exchange, Offer, State};
use super::wire::Request;
use super::{Destination, Dhcp4, Lease, Transmit, timing};
use crate::value::{Instant, Rng};

impl Dhcp4 {
    /// The message that is due, and the state once it has been sent.
    pub(super) fn compose(&self, now: Instant, rng: &mut Rng) -> Option<(Transmit, State)> {
        Some(match &self.state {
            State::Init { wanted, .. } => {
                let exchange = Exchange::begin(now, rng);
                let wanted = *wanted;
                let transmit = self.discover(&exchange, wanted);
                (
                    transmit,
                    State::Selecting {
                        exchange,
                        wanted,
                        offer: None,
                    },
                )
            }
            State::Selecting {
                exchange,
                wanted,
                offer: None,
            } => {
                let mut exchange = exchange.again(now, rng);
                exchange.secs = exchange.elapsed_secs(now);
                let wanted = *wanted;
                let transmit = self.discover(&exchange, wanted);
                (
                    transmit,
                    State::Selecting {
                        exchange,
                        wanted,
                        offer: None,
                    },
                )
            }
            State::Selecting {
                exchange,
                offer: Some(offer),
                ..
            } => {
                let exchange = exchange.follow(now, rng);
                let transmit = self.request_offer(&exchange, offer);
                (
                    transmit,
                    State::Requesting {
                        exchange,
                        offer: offer.clone(),
                    },
                )
            }
            State::Requesting { exchange, offer } => {
                let exchange = exchange.again(now, rng);
                let transmit = self.request_offer(&exchange, offer);
                (
                    transmit,
                    State::Requesting {
                        exchange,
                        offer: offer.clone(),
                    },
                )
            }
            State::InitReboot { lease, held, .. } => {
                let exchange = Exchange::begin(now, rng);
                let transmit = self.request_again(&exchange, lease);
                (
                    transmit,
                    State::Rebooting {
                        exchange,
                        lease: lease.clone(),
                        held: *held,
                    },
                )
            }
            State::Rebooting {
                exchange,
                lease,
                held,
            } => {
                let mut exchange = exchange.again(now, rng);
                exchange.secs = exchange.elapsed_secs(now);
                let transmit = self.request_again(&exchange, lease);
                (
                    transmit,
                    State::Rebooting {
                        exchange,
                        lease: lease.clone(),
                        held: *held,
                    },
                )
            }
            State::Bound { lease } => {
                let exchange = Exchange::begin(now, rng);
                self.extend(exchange, lease.clone(), now)
            }
            State::Renewing { exchange, lease } | State::Rebinding { exchange, lease } => {
                let mut exchange = exchange.again(now, rng);
                exchange.secs = exchange.elapsed_secs(now);
                self.extend(exchange, lease.clone(), now)
            }
            State::Declining { lease, reason, .. } => {
                let request = Request {
                    requested_ip: Some(lease.ip()),
                    server_id: Some(lease.server_id),
                    message: Some(reason),
                    ..bare(MessageType::Decline, rng.next_u32())
                };
                let send_at = now + timing::DECLINE_WAIT;
                (
                    self.broadcast(&request),
                    State::Init {
                        send_at,
                        wanted: None,
                    },
                )
            }
            State::Releasing { lease, .. } => {
                let request = Request {
                    client_ip: Some(lease.ip()),
                    server_id: Some(lease.server_id),
                    ..bare(MessageType::Release, rng.next_u32())
                };
                (self.unicast(&request, lease), State::Stopped)
            }
            State::Ipv6Only { .. } | State::Down { .. } | State::Stopped => return None,
        })
    }

    fn discover(&self, exchange: &Exchange, wanted: Option<Ipv4Addr>) -> Transmit {
        self.broadcast(&Request {
            secs: exchange.secs,
            requested_ip: wanted,
            ..bare(MessageType::Discover, exchange.xid)
        })
    }

    fn request_offer(&self, exchange: &Exchange, offer: &Offer) -> Transmit {
        self.broadcast(&Request {
            secs: exchange.secs,
            requested_ip: Some(offer.address),
            server_id: Some(offer.server_id),
            ..bare(MessageType::Request, exchange.xid)
        })
    }

    /// RFC 2131 §4.3.2, INIT-REBOOT: the address as option 50, no server identifier, ciaddr 0.
    fn request_again(&self, exchange: &Exchange, lease: &Lease) -> Transmit {
        self.broadcast(&Request {
            secs: exchange.secs,
            requested_ip: Some(lease.ip()),
            ..bare(MessageType::Request, exchange.xid)
        })
    }

    /// RFC 2131 §4.3.2, RENEWING and REBINDING: the address as ciaddr and nothing else, to the server until T2 and
    /// to everyone after it.
    fn extend(&self, mut exchange: Exchange, lease: Lease, now: Instant) -> (Transmit, State) {
        let request = Request {
            secs: exchange.secs,
            client_ip: Some(lease.ip()),
            ..bare(MessageType::Request, exchange.xid)
        };
        // An infinite lease has no times and does not come here.
        let never = Instant::from_nanos(u64::MAX);
        let t1 = lease.renew_at.unwrap_or(never);
        let t2 = lease.rebind_at.unwrap_or(never);
        if now < t2 {
            exchange.send_at = timing::renewal_retry(now, t1, t2);
            (
                self.unicast(&request, &lease),
                State::Renewing { exchange, lease },
            )
        } else {
            let end = lease.expires_at.unwrap_or(never);
            exchange.send_at = timing::renewal_retry(now, t2, end);
            (
                self.broadcast(&request),
                State::Rebinding { exchange, lease },
            )
        }
    }

    fn broadcast(&self, request: &Request) -> Transmit {
        let payload = request.encode(&self.config);
        Transmit {
            to: Destination::Broadcast,
            payload,
        }
    }

    fn unicast(&self, request: &Request, lease: &Lease) -> Transmit {
        let payload = request.encode(&self.config);
        let to = Destination::Unicast {
            from: lease.ip(),
            server: lease.server_id,
        };
        Transmit { to, payload }
    }
}

fn bare(kind: MessageType, xid: u32) -> Request {
    Request {
        kind,
        xid,
        secs: 0,
        client_ip: None,
        requested_ip: None,
        server_id: None,
        message: None,
    }
}
