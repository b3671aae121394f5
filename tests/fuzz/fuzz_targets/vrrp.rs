//! VRRP against a hostile link: packets as they come, advertisements with a right header and checksum, answers about the
//! address, changes of the machine itself, and jumps of time.
//!
//! The input is a program: one byte chooses the step, its operands follow. After each step the machine is drained as its
//! owner would, and what must always hold is asserted.
#![no_main]

use core::net::{IpAddr, Ipv6Addr};

use init_net::proto::vrrp::{Advertisement, Event, Local, Path, Settings, Vrrp};
use init_net::proto::{Machine as _, neighbor};
use init_net::value::{Duration, Instant, Mac, Rng, VrrpChecksum, VrrpVersion};
use libfuzzer_sys::fuzz_target;

/// Messages that one input may make, generously: more are a storm.
const MAX_SENT: usize = 64;

fuzz_target!(|program: &[u8]| run(program));

fn run(mut program: &[u8]) {
    let flags = byte(&mut program);
    let settings = settings(flags, byte(&mut program));
    let card = Mac::ethernet([0x52, 0x54, 0, 0, 0, 1]);
    let local = Local {
        source: if settings.ip.is_ipv4() { v4(1) } else { v6(1) },
        mac: card,
        card,
    };
    let mut now = Instant::from_secs(1000);
    let mut rng = Rng::new(1);
    let mut machine = Vrrp::new(settings.clone(), local, true, now);
    // What the owner believes, from events alone.
    let mut has = false;
    while let Some((step, rest)) = program.split_first() {
        program = rest;
        match step % 16 {
            0 => {
                let pause = u64::from(byte(&mut program)) << (step >> 4);
                now = now + Duration::from_millis(pause);
            }
            1..=3 => now = machine.deadline().unwrap_or(now).max(now),
            4 => machine.receive(body(&mut program), now),
            5 => machine.set_fit(step >> 4 & 1 == 0, now),
            6 => machine.set_local((step >> 4 != 0).then_some(local), now),
            7 => machine.abdicate(Duration::from_secs(u64::from(step >> 4)), now),
            8 => {
                let mac = Mac::ethernet([0x52, 0x54, 0, 0, 0, step >> 4]);
                for frame in neighbor::announcement(settings.ip, mac, false) {
                    machine.receive(&frame.packet, now);
                }
            }
            9 if step >> 4 == 0 => machine.stop(now),
            9 if step >> 4 == 1 => {
                machine = Vrrp::resume(settings.clone(), local, true, now);
                has = true;
            }
            _ => machine.receive(&packet(&settings, &mut program), now),
        }
        machine.expire(now);
        let mut sent = 0;
        loop {
            while let Some(event) = machine.event() {
                match event {
                    Event::Won => has = true,
                    Event::Lost(_) => has = false,
                    Event::Contested => assert!(has, "contested without having it"),
                    Event::Notice(_) => {}
                }
            }
            let more = machine.transmit(now, &mut rng, |_| Ok::<_, ()>(()));
            if more != Ok(true) {
                break;
            }
            sent += 1;
            assert!(sent < MAX_SENT, "a storm");
        }
        while let Some(event) = machine.event() {
            has = match event {
                Event::Won => true,
                Event::Lost(_) => false,
                Event::Contested | Event::Notice(_) => has,
            };
        }
        assert_eq!(has, machine.is_active(), "the owner believes otherwise");
        let due = machine.deadline();
        assert!(due.is_none_or(|due| due > now), "a deadline in the past");
    }
}

/// A group, of either version and family, by `flags`.
fn settings(flags: u8, priority: u8) -> Settings {
    let six = flags & 1 != 0;
    let two = flags & 2 != 0 && !six;
    let peers = if six { [v6(2), v6(3)] } else { [v4(2), v4(3)] };
    Settings {
        version: if two {
            VrrpVersion::V2
        } else {
            VrrpVersion::V3
        },
        vrid: 51,
        ip: if six { IpAddr::V6(VIP6) } else { v4(100) },
        priority: priority.clamp(1, 254),
        interval: Duration::from_millis(if two { 1000 } else { 200 }),
        preempt: flags & 4 != 0,
        preempt_delay: Duration::from_secs(u64::from(flags >> 6)),
        checksum: VrrpChecksum::default(),
        peers: if flags & 8 != 0 {
            peers.into()
        } else {
            Vec::new()
        },
        min_ttl: 255,
        guard: Duration::from_secs(if flags & 16 != 0 { 5 } else { 0 }),
        bootstrap: flags & 32 == 0,
    }
}

const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);

fn v4(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn v6(last: u8) -> IpAddr {
    IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last)])
}

/// An advertisement that is right in itself: sender, priority, interval and addresses come from the program.
fn packet(settings: &Settings, program: &mut &[u8]) -> Vec<u8> {
    let (from, priority, units, what) =
        (byte(program), byte(program), byte(program), byte(program));
    let six = settings.ip.is_ipv6();
    let (from, group) = if six {
        (v6(from), IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x12]))
    } else {
        (v4(from), IpAddr::from([224, 0, 0, 18]))
    };
    let own = if six { v6(1) } else { v4(1) };
    let to = if settings.peers.is_empty() == (what & 1 == 0) {
        group
    } else {
        own
    };
    let mut addresses = if six { vec![v6(0x51)] } else { Vec::new() };
    addresses.push(if what & 14 == 14 { own } else { settings.ip });
    let unit = match settings.version {
        VrrpVersion::V2 => Duration::from_secs(1),
        VrrpVersion::V3 => Duration::from_millis(10),
    };
    let said = Advertisement {
        version: settings.version,
        vrid: settings.vrid,
        priority,
        interval: unit * u32::from(units),
        addresses,
    };
    let path = Path { from, to };
    let form = if what & 16 == 0 {
        VrrpChecksum::Keepalived
    } else {
        VrrpChecksum::Rfc9568
    };
    let message = said.encode(path, form);
    let (read, _) = Advertisement::decode(&message, path).expect("what is written is read");
    assert_eq!(read.encode(path, form), message);
    let length = message.len() as u16;
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let header = if six {
        let mut header = vec![0x60, 0, 0, 0];
        header.extend(length.to_be_bytes());
        header.extend([112, 255]);
        header
    } else {
        let mut header = vec![0x45, 0];
        header.extend((20 + length).to_be_bytes());
        header.extend([0, 0, 0, 0, 255, 112, 0, 0]);
        header
    };
    [header, octets(from), octets(to), message].concat()
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
