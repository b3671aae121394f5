//! The floor: the least a program of the same C library can do. What it leaves out is the point of it: no lease kept, no
//! conflict check, no state, no report, no other link, no error but "it did not work".
//!
//! ```text
//!   floor dhcp                         link up, four packets, address, default route, resolv.conf
//!   floor static N                     link up, one address, N routes in batches
//!   floor firewall N                   N rules of a subnet and a port each, in one batch
//!   floor firewall-set N               one rule with a set of N subnets
//!   floor exit                         nothing: what starting a process costs
//!   floor enter FD ROOT PROGRAM ARG…   not a contestant but its starting block
//! ```
#![allow(unsafe_code)]

mod enter;
mod netlink;
mod nftables;

use std::io::Error;

use netlink::address;
use netlink::eth0;
use netlink::link_up;
use netlink::message;
use netlink::netlink;
use netlink::route;
use netlink::send;

/// Messages of one send(2): far below the socket's send buffer.
const BATCH: usize = 512;
/// Wait for an answer before asking again, µs.
const RETRY: libc::suseconds_t = 250_000;
const XID: [u8; 4] = [0x1e, 0x57, 0xf1, 0x00];

fn check(result: i32) -> i32 {
    assert!(result >= 0, "{}", Error::last_os_error());
    result
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["dhcp"] => dhcp(),
        ["static", count] => routes(count.parse().expect("a number")),
        ["firewall", count] => nftables::rules(count.parse().expect("a number")),
        ["firewall-set", count] => nftables::set(count.parse().expect("a number")),
        ["enter", descriptor, root, program, ..] => {
            enter::enter(descriptor, root, program, &arguments[4..])
        }
        ["exit"] => {}
        _ => panic!(
            "floor dhcp | static N | firewall N | firewall-set N | exit | enter FD ROOT PROGRAM ARG…"
        ),
    }
}

fn dhcp() {
    let (index, mac) = eth0();
    let netlink = netlink();
    let up = message(libc::RTM_NEWLINK, 0, &link_up(index));
    send(netlink, &[up]);
    // Protocol 0 until bind(2): a packet socket that is created with one waits for the kernel's grace period there.
    // SAFETY: socket calls on structures that live on this stack, with their sizes.
    let packet = unsafe {
        check(libc::socket(
            libc::AF_PACKET,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
            0,
        ))
    };
    let mut to = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_IP as u16).to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0xff; 8],
    };
    let timeout = libc::timeval {
        tv_sec: 0,
        tv_usec: RETRY,
    };
    // SAFETY: as above.
    unsafe {
        check(libc::bind(
            packet,
            (&raw mut to).cast(),
            size_of::<libc::sockaddr_ll>() as u32,
        ));
        let size = size_of::<libc::timeval>() as u32;
        check(libc::setsockopt(
            packet,
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            (&raw const timeout).cast(),
            size,
        ));
    }
    let exchange = |kind: u8, options: &[u8], answer: u8| loop {
        let out = dhcp_packet(mac, kind, options);
        // SAFETY: as above; the buffer has this length.
        unsafe {
            libc::sendto(
                packet,
                out.as_ptr().cast(),
                out.len(),
                0,
                (&raw const to).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        };
        let mut frame = [0u8; 1500];
        loop {
            // SAFETY: as above.
            let length = unsafe { libc::recv(packet, frame.as_mut_ptr().cast(), frame.len(), 0) };
            let Ok(length) = usize::try_from(length) else {
                break;
            };
            let ours =
                length > 268 && frame[9] == 17 && frame[22..24] == [0, 68] && frame[32..36] == XID;
            if ours && option(&frame[268..length], 53) == Some(&[answer]) {
                return frame[28..length].to_vec();
            }
        }
    };
    let offer = exchange(1, &[], 2);
    let mut wish = vec![50, 4];
    wish.extend(&offer[16..20]);
    wish.extend([54, 4]);
    wish.extend(option(&offer[240..], 54).expect("a server"));
    let ack = exchange(3, &wish, 5);
    let fact = |code| option(&ack[240..], code).expect("mask, router and resolver in the ACK");
    let length = fact(1).iter().map(|byte| byte.count_ones()).sum::<u32>() as u8;
    let address = message(
        libc::RTM_NEWADDR,
        libc::NLM_F_CREATE,
        &address(index, &ack[16..20], length),
    );
    let default = message(
        libc::RTM_NEWROUTE,
        libc::NLM_F_CREATE,
        &route(index, &[], 0, fact(3)),
    );
    send(netlink, &[address, default]);
    let server = fact(6);
    let text = format!(
        "nameserver {}.{}.{}.{}\n",
        server[0], server[1], server[2], server[3]
    );
    std::fs::write("/etc/resolv.conf.new", text).expect("/etc");
    std::fs::rename("/etc/resolv.conf.new", "/etc/resolv.conf").expect("/etc");
}

fn routes(count: usize) {
    let (index, _) = eth0();
    let netlink = netlink();
    let up = message(libc::RTM_NEWLINK, 0, &link_up(index));
    let address = address(index, &[192, 0, 2, 10], 24);
    send(
        netlink,
        &[up, message(libc::RTM_NEWADDR, libc::NLM_F_CREATE, &address)],
    );
    for start in (0..count).step_by(BATCH) {
        let batch = (start..count.min(start + BATCH)).map(|number| {
            let destination = [10, (number >> 8) as u8, number as u8, 0];
            message(
                libc::RTM_NEWROUTE,
                libc::NLM_F_CREATE,
                &route(index, &destination, 24, &[192, 0, 2, 1]),
            )
        });
        send(netlink, &batch.collect::<Vec<_>>());
    }
}

/// Subnets of /24 with a gap after each: neighbours would become one.
fn subnet(number: usize) -> [u8; 4] {
    let number = 2 * number;
    [10, (number >> 8) as u8, number as u8, 0]
}

fn dhcp_packet(mac: [u8; 6], kind: u8, options: &[u8]) -> Vec<u8> {
    let mut udp = vec![0, 68, 0, 67, 0, 0, 0, 0, 1, 1, 6, 0];
    udp.extend(XID);
    udp.resize(8 + 28, 0);
    udp.extend(mac);
    udp.resize(8 + 236, 0);
    udp.extend([99, 130, 83, 99, 53, 1, kind, 55, 4, 1, 3, 6, 51]);
    udp.extend(options);
    udp.push(255);
    udp.resize(udp.len().max(8 + 300), 0);
    let (length, total) = (
        (udp.len() as u16).to_be_bytes(),
        (udp.len() as u16 + 20).to_be_bytes(),
    );
    udp[4..6].copy_from_slice(&length);
    let mut ip = vec![
        0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255,
    ];
    let sum = ip
        .chunks(2)
        .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
        .sum::<u32>();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    ip.extend(udp);
    ip
}

fn option(mut options: &[u8], code: u8) -> Option<&[u8]> {
    while let [found, length, rest @ ..] = options {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *found == code {
            return Some(value);
        }
        options = rest;
    }
    None
}
