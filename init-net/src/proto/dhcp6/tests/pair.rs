//! A client and a model of a server on one virtual clock, with a network between them that loses, repeats and reorders.

use std::collections::BTreeMap;

use super::*;

/// What the server leases, seconds.
const VALID: u64 = 200;

/// A server that keeps what it gave.
struct Model {
    /// Address and until when.
    leases: BTreeMap<Ipv6Addr, Instant>,
    declined: Vec<Ipv6Addr>,
    next: u16,
}

impl Model {
    fn answer(&mut self, message: &[u8], now: Instant) -> Option<Vec<u8>> {
        let xid = u32::from_be_bytes([0, message[1], message[2], message[3]]);
        let message_options = Message::from_bytes(message).unwrap();
        let options = message_options.opts();
        let asked: Vec<Ipv6Addr> = match options.get(OptionCode::IANA) {
            Some(DhcpOption::IANA(na)) => na
                .opts
                .iter()
                .filter_map(|option| match option {
                    DhcpOption::IAAddr(leased) => Some(leased.addr),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        let known = |leases: &BTreeMap<Ipv6Addr, Instant>| {
            let held = asked.iter().copied();
            held.filter(|address| leases.get(address).is_some_and(|end| *end > now))
                .collect()
        };
        let until = now + Duration::from_secs(VALID);
        let kind = message[0];
        let addresses: Vec<Ipv6Addr> = match kind {
            // SOLICIT, REQUEST: what it has, else a new one.
            1 | 3 => {
                let known: Vec<_> = known(&self.leases);
                if known.is_empty() {
                    let live = self.leases.iter().find(|(_, end)| **end > now);
                    let address = live.map(|(address, _)| *address);
                    vec![address.unwrap_or_else(|| {
                        self.next += 1;
                        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, self.next)
                    })]
                } else {
                    known
                }
            }
            5 | 6 => known(&self.leases),
            9 => {
                for address in asked {
                    self.leases.remove(&address);
                    self.declined.push(address);
                }
                return Some(Server::new(REPLY, xid).status(0).bytes);
            }
            4 => return Some(Server::new(REPLY, xid).status(0).bytes),
            other => panic!("message {other}"),
        };
        if kind == 1 {
            let mut offer = Server::new(ADVERTISE, xid);
            for address in addresses {
                offer = offer.address(&address.to_string(), 100, 200);
            }
            return Some(offer.bytes);
        }
        if addresses.is_empty() {
            return Some(Server::new(REPLY, xid).na(0, 0, &[status(3)]).bytes);
        }
        let mut nested = Vec::new();
        for address in addresses {
            self.leases.insert(address, until);
            nested.push(ia_address(&address.to_string(), 100, 200));
        }
        Some(Server::new(REPLY, xid).na(0, 0, &nested).bytes)
    }
}

/// When the network begins to lose nothing, seconds.
const CALM: u64 = 3700;

/// Messages on their way, by when they arrive.
#[derive(Default)]
struct Network {
    in_flight: BTreeMap<(Instant, u32), Vec<u8>>,
    serial: u32,
}

impl Network {
    /// One in three is lost before [`CALM`], one in five comes twice, each takes up to half a second.
    fn send(&mut self, message: Vec<u8>, now: Instant, rng: &mut Rng) {
        if now < at(CALM) && rng.below(3) == 0 {
            return;
        }
        for _ in 0..=u32::from(rng.below(5) == 0) {
            self.serial += 1;
            let arrives = now + Duration::from_millis(rng.below(500));
            self.in_flight
                .insert((arrives, self.serial), message.clone());
        }
    }

    fn next_at(&self) -> Option<Instant> {
        self.in_flight.keys().next().map(|(at, _)| *at)
    }

    fn arrive(&mut self, now: Instant) -> Option<Vec<u8>> {
        let key = *self.in_flight.keys().next().filter(|(at, _)| *at <= now)?;
        self.in_flight.remove(&key)
    }
}

/// An hour with this seed; the server loses its memory after half of it.
fn hour(seed: u64) {
    let mut rng = Rng::new(seed);
    let (mut to_server, mut to_client) = (Network::default(), Network::default());
    let mut server = Model {
        leases: BTreeMap::new(),
        declined: Vec::new(),
        next: 0,
    };
    let mut now = at(1000);
    let mut client = Dhcp6::new(config(), now);
    let (mut first_bound, mut declined, mut forgot) = (None, false, false);
    let mut steps = 0;
    while now < at(4600) {
        steps += 1;
        assert!(steps < 20_000, "seed {seed}: a storm");
        while let Some(message) = to_client.arrive(now) {
            client.receive(&message, now);
        }
        while let Some(message) = to_server.arrive(now) {
            if let Some(answer) = server.answer(&message, now) {
                to_client.send(answer, now, &mut rng);
            }
        }
        let mut sent = Vec::new();
        while client
            .transmit(now, &mut rng, |transmit| {
                sent.push(transmit.payload);
                Ok::<_, ()>(())
            })
            .unwrap()
        {}
        for message in sent {
            to_server.send(message, now, &mut rng);
        }
        while client.event().is_some() {}
        if let Some(lease) = client.lease(now) {
            first_bound.get_or_insert(now);
            for leased in &lease.addresses {
                assert!(!server.declined.contains(&leased.address), "seed {seed}");
                // The server counts from when it answers, the client from when it asked: never longer.
                let end = server.leases.get(&leased.address);
                assert!(forgot || end.is_some_and(|end| leased.valid_until <= Some(*end)));
            }
            if !declined && now > at(1500) {
                declined = true;
                let addresses: Vec<_> = lease.addresses.iter().map(|l| l.address).collect();
                client.decline(&addresses, now);
                continue;
            }
        }
        if !forgot && now > at(2800) {
            forgot = true;
            server.leases.clear();
        }
        let next = [client.deadline(), to_server.next_at(), to_client.next_at()];
        now = earliest(next).expect("something is always next").max(now);
    }
    let first_bound = first_bound.expect("a lease");
    assert!(
        first_bound < at(1240),
        "seed {seed}: bound only at {first_bound}"
    );
    let lease = client
        .lease(now)
        .unwrap_or_else(|| panic!("seed {seed}: no lease at the end"));
    assert!(
        server.leases.contains_key(&lease.addresses[0].address),
        "seed {seed}"
    );
    assert!(declined);
}

#[test]
fn client_and_server_agree_in_the_end() {
    for seed in 0..60 {
        hour(seed);
    }
}
