//! Router discovery against a hostile link: packets as they come, advertisements with a right header, and jumps of time.
//!
//! The input is a program: one byte chooses the step, its operands follow. After each step the machine is drained as its
//! owner would, and what must always hold is asserted.
#![no_main]

use init_net::proto::Machine as _;
use init_net::proto::ndisc::{MAX_ROUTERS, Ndisc, checksum_is_right};
use init_net::value::{Duration, Instant, Rng};
use libfuzzer_sys::fuzz_target;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];

fuzz_target!(|program: &[u8]| run(program));

fn run(mut program: &[u8]) {
    let mut now = Instant::from_secs(1000);
    let mut rng = Rng::new(1);
    let mut machine = Ndisc::new(MAC, now);
    while let Some((step, rest)) = program.split_first() {
        program = rest;
        match step % 8 {
            0 => {
                let pause = u64::from(byte(&mut program)) << (step >> 4);
                now = now + Duration::from_millis(pause);
            }
            1 => now = machine.deadline().unwrap_or(now).max(now),
            2 => {
                let packet = body(&mut program);
                checksum_is_right(packet);
                machine.receive(packet, now);
            }
            3 => machine.link_down(now),
            4 => machine.link_up(now),
            5 => machine = Ndisc::resume(MAC, machine.routers().to_vec(), now),
            _ => machine.receive(&advertisement(&mut program), now),
        }
        machine.expire(now);
        for _ in 0..2 {
            let _sent = machine.transmit(now, &mut rng, |_| Ok::<_, ()>(()));
        }
        while machine.event().is_some() {}
        assert!(
            machine.deadline().is_none_or(|due| due > now),
            "a deadline in the past after draining, {}",
            machine.state_name()
        );
        assert!(machine.routers().len() <= MAX_ROUTERS);
        for router in machine.routers() {
            assert_eq!(router.validate(), Ok(()));
        }
    }
}

/// A router, flags and a lifetime from the program, then options as they come.
fn advertisement(program: &mut &[u8]) -> Vec<u8> {
    let (router, flags, lifetime) = (byte(program), byte(program), byte(program));
    let options = body(program);
    let length = 16 + options.len() as u16;
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([
        58, 255, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, router,
    ]);
    packet.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    packet.extend([134, 0, 0, 0, 64, flags, 0, lifetime, 0, 0, 0, 0, 0, 0, 0, 0]);
    packet.extend(options);
    packet
}

/// The next byte of the program, zero where it has ended.
fn byte(program: &mut &[u8]) -> u8 {
    let Some((first, rest)) = program.split_first() else {
        return 0;
    };
    *program = rest;
    *first
}

/// A length and that many bytes, or what there is.
fn body<'a>(program: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::from(byte(program)).min(program.len());
    let (body, rest) = program.split_at(length);
    *program = rest;
    body
}
