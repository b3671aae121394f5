//! The DHCPv6 client against a hostile server: messages, replies in its own exchange, and jumps of time.
//!
//! The input is a program: one byte chooses the step, its operands follow. After each step the client is drained as
//! its owner would, and what must always hold is asserted.
#![no_main]

use init_net::proto::Machine as _;
use init_net::proto::dhcp6::{Config, Dhcp6, Mode};
use init_net::value::{Duration, Instant, Mac, Rng};
use libfuzzer_sys::fuzz_target;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
/// DUID-LL of [`MAC`].
const DUID: [u8; 10] = [0, 3, 0, 1, 0x52, 0x54, 0, 0, 0, 1];

fuzz_target!(|program: &[u8]| run(program));

fn run(mut program: &[u8]) {
    let (Some(mac), Ok(hint)) = (Mac::from_bytes(&MAC), "::/56".parse()) else {
        return;
    };
    let mut now = Instant::from_secs(1000);
    let mut rng = Rng::new(1);
    let [stateless] = take(&mut program);
    let mode = match stateless % 4 {
        0 => Mode::Stateless,
        _ => Mode::AddressesAndPrefixes { hint },
    };
    let config = Config {
        mode,
        ..Config::new(mac)
    };
    let mut client = Dhcp6::new(config, now);
    let mut xid = [0; 3];
    while let Some((step, rest)) = program.split_first() {
        program = rest;
        match step % 9 {
            0 => {
                let [a, b] = take(&mut program);
                now = now + Duration::from_millis(u64::from(u16::from_be_bytes([a, b])) * 10);
            }
            1 => now = client.deadline().unwrap_or(now).max(now),
            2 => client.receive(body(&mut program), now),
            3 => client.link_down(now),
            4 => client.link_up(now),
            5 => {
                let leased = client.lease(now).and_then(|lease| lease.addresses.first());
                let address = leased.map(|leased| leased.address);
                client.decline(address.as_slice(), now);
            }
            _ => client.receive(&reply(xid, &mut program), now),
        }
        drain(&mut client, now, &mut rng, &mut xid);
        assert!(
            client.deadline().is_none_or(|due| due > now),
            "a deadline in the past after draining, {}",
            client.state_name()
        );
        if let Some(lease) = client.lease(now) {
            assert!(!lease.is_expired(now));
            assert_eq!(lease.validate(), Ok(()));
        }
        if let Some(information) = client.information() {
            assert_eq!(information.validate(), Ok(()));
        }
    }
}

/// A message in the client's exchange: ADVERTISE or REPLY, both identifiers, then options as they come.
fn reply(xid: [u8; 3], program: &mut &[u8]) -> Vec<u8> {
    let [kind, iaid] = take(program);
    let mut message = vec![if kind % 2 == 0 { 2 } else { 7 }];
    message.extend(xid);
    message.extend([0, 1, 0, 10]);
    message.extend(DUID);
    message.extend([0, 2, 0, 1, 9]);
    let body = body(program);
    // An association of the client's own, around what comes.
    if iaid % 4 != 0 {
        let code = if iaid % 4 == 1 { 25 } else { 3 };
        message.extend([0, code, 0, (body.len() + 12).min(255) as u8]);
        message.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    message.extend(body);
    message
}

fn drain(client: &mut Dhcp6, now: Instant, rng: &mut Rng, xid: &mut [u8; 3]) {
    client.expire(now);
    for _ in 0..4 {
        let sent = client.transmit(now, rng, |transmit| {
            if let Some(bytes) = transmit.payload.get(1..4) {
                xid.copy_from_slice(bytes);
            }
            Ok::<_, ()>(())
        });
        if sent == Ok(false) {
            while client.event().is_some() {}
            return;
        }
    }
    panic!("sends without end, {}", client.state_name());
}

/// The next `N` bytes of the program, zeros where it has ended.
fn take<const N: usize>(program: &mut &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    for byte in &mut bytes {
        if let Some((first, rest)) = program.split_first() {
            *byte = *first;
            *program = rest;
        }
    }
    bytes
}

/// A length and that many bytes, or what there is.
fn body<'a>(program: &mut &'a [u8]) -> &'a [u8] {
    let [len] = take(program);
    let (body, rest) = program.split_at(usize::from(len).min(program.len()));
    *program = rest;
    body
}
