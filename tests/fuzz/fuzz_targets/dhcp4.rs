//! The DHCPv4 client against a hostile server: frames, replies in its own transaction, and jumps of time.
//!
//! The input is a program: one byte chooses the step, its operands follow. After each step the client is drained as
//! its owner would, and what must always hold is asserted.
#![no_main]

use init_net::proto::Machine as _;
use init_net::proto::dhcp4::frame;
use init_net::proto::dhcp4::{Config, Dhcp4};
use init_net::value::{Duration, Instant, Mac, Rng};
use libfuzzer_sys::fuzz_target;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];

fuzz_target!(|program: &[u8]| run(program));

fn run(mut program: &[u8]) {
    let Some(mac) = Mac::from_bytes(&MAC) else {
        return;
    };
    let mut now = Instant::from_secs(1000);
    let mut rng = Rng::new(1);
    let config = Config {
        request_ipv6_only: true,
        ..Config::new(mac)
    };
    let mut client = Dhcp4::new(config, now);
    let mut xid = [0; 4];
    while let Some((step, rest)) = program.split_first() {
        program = rest;
        match step % 8 {
            0 => {
                let [a, b] = take(&mut program);
                now = now + Duration::from_millis(u64::from(u16::from_be_bytes([a, b])) * 10);
            }
            1 => now = client.deadline().unwrap_or(now).max(now),
            2 => {
                let packet = body(&mut program);
                for ready in [false, true] {
                    if let Ok(message) = frame::udp_payload(packet, ready) {
                        client.receive(message, now);
                    }
                }
            }
            3 => client.receive(body(&mut program), now),
            4 => client.link_down(now),
            5 => client.link_up(now),
            6 => client.decline("fuzz", now),
            _ => client.receive(&reply(xid, &mut program), now),
        }
        drain(&mut client, now, &mut rng, &mut xid);
        assert!(
            client.deadline().is_none_or(|due| due > now),
            "a deadline in the past after draining, {}",
            client.state_name()
        );
        if let Some(lease) = client.lease(now) {
            assert!(lease.expires_at.is_none_or(|end| end > now));
            assert_eq!(lease.validate(), Ok(()));
        }
    }
}

/// A reply in the client's transaction: kind and yiaddr from the program, then options as they come.
fn reply(xid: [u8; 4], program: &mut &[u8]) -> Vec<u8> {
    let [kind] = take(program);
    let your_ip: [u8; 4] = take(program);
    let mut message = vec![0; 240];
    message[..3].copy_from_slice(&[2, 1, 6]);
    message[4..8].copy_from_slice(&xid);
    message[16..20].copy_from_slice(&your_ip);
    message[28..34].copy_from_slice(&MAC);
    message[236..240].copy_from_slice(&[99, 130, 83, 99]);
    message.extend([53, 1, kind, 54, 4, 10, 0, 0, 1]);
    message.extend(body(program));
    message
}

fn drain(client: &mut Dhcp4, now: Instant, rng: &mut Rng, xid: &mut [u8; 4]) {
    client.expire(now);
    for _ in 0..4 {
        let sent = client.transmit(now, rng, |transmit| {
            if let Some(bytes) = transmit.payload.get(4..8) {
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
