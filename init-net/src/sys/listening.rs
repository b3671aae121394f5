//! Which ports are listened on: what the kernel tells in `/proc/net`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::file;
use crate::value::Protocol;

/// Largest table that is read, bytes: some 100,000 sockets of 150.
const MAX_TABLE: usize = 16 << 20;

/// TCP_LISTEN and, of UDP, TCP_CLOSE: bound, and connected to nobody (include/net/tcp_states.h).
const TABLES: [(&str, Protocol, &str); 4] = [
    ("/proc/net/tcp", Protocol::Tcp, "0A"),
    ("/proc/net/tcp6", Protocol::Tcp, "0A"),
    ("/proc/net/udp", Protocol::Udp, "07"),
    ("/proc/net/udp6", Protocol::Udp, "07"),
];

/// Somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// To which port.
    pub port: u16,
    /// At which address; unspecified: at all of them.
    pub address: IpAddr,
}

/// All that listen in this network namespace, each once, in order. Sockets of UDP with a port that the kernel gave them are
/// left out: they ask. A table that is not there has none.
pub fn all() -> Vec<Listener> {
    let given = given_ports();
    let mut found = Vec::new();
    for (path, protocol, state) in TABLES {
        let table = file::read(Path::new(path), MAX_TABLE).unwrap_or_default();
        let table = String::from_utf8_lossy(&table);
        found.extend(
            table
                .lines()
                .filter_map(|line| parse(line, protocol, state)),
        );
    }
    found.retain(|one| {
        let (first, last) = given;
        one.protocol != Protocol::Udp || !(first..=last).contains(&one.port)
    });
    found.sort_unstable();
    found.dedup();
    found
}

/// `net.ipv4.ip_local_port_range`, which IPv6 has, too.
fn given_ports() -> (u16, u16) {
    let path = Path::new("/proc/sys/net/ipv4/ip_local_port_range");
    let text = file::read(path, MAX_TABLE).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut ports = text.split_whitespace().filter_map(|port| port.parse().ok());
    match (ports.next(), ports.next()) {
        (Some(first), Some(last)) => (first, last),
        // The kernel's own default.
        _ => (32_768, 60_999),
    }
}

/// `sl local_address rem_address st …` (`tcp4_seq_show`, net/ipv4/tcp_ipv4.c).
fn parse(line: &str, protocol: Protocol, state: &str) -> Option<Listener> {
    let mut words = line.split_whitespace();
    let local = words.nth(1)?;
    if words.nth(1)? != state {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok();
    // Words as the machine has them in memory, where they are in network order.
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes())),
        32 => {
            let mut octets = [0; 16];
            for (at, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at * 8)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
        }
        _ => return None,
    };
    Some(Listener {
        protocol,
        port: u16::from_str_radix(port, 16).ok()?,
        address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: Option<(&str, u16)>) {
        let found = parse(line, Protocol::Tcp, "0A");
        let found = found.map(|one| (one.address.to_string(), one.port));
        let expect = expect.map(|(address, port)| (address.to_owned(), port));
        assert_eq!(found, expect);
    }

    /// An address as the kernel writes it on this machine, whatever the order of its bytes: numbers made of what is in memory.
    fn written(address: &str) -> String {
        let octets = match address.parse().unwrap() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let words = octets.chunks_exact(4);
        let word = |word: &[u8]| u32::from_ne_bytes(word.try_into().unwrap());
        words.map(|bytes| format!("{:08X}", word(bytes))).collect()
    }

    #[test]
    fn a_line_of_each_family() {
        let (own, other) = (written("10.88.0.2"), written("10.88.0.9"));
        if cfg!(target_endian = "little") {
            assert_eq!(own, "0200580A", "as a PC shows it");
        }
        check(
            &format!("   0: {own}:1F90 00000000:0000 0A 00000000:00000000 00:00000000"),
            Some(("10.88.0.2", 8080)),
        );
        check(
            &format!("   0: {own}:1F90 {other}:C350 01 00000000:0"),
            None,
        );
        let own = written("2001:db8::7");
        check(
            &format!("   1: {own}:0016 00:0000 0A 0:0"),
            Some(("2001:db8::7", 22)),
        );
        check("  sl  local_address rem_address   st tx_queue", None);
        check("", None);
        check("0: ZZ00580A:1F90 0:0 0A", None);
    }

    #[test]
    fn a_socket_of_our_own_is_found() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let listens = |all: &[Listener]| {
            all.iter().any(|one| {
                (one.protocol, one.port) == (Protocol::Tcp, port) && one.address.is_loopback()
            })
        };
        assert!(listens(&all()));
        drop(tcp);
        assert!(!listens(&all()));
    }
}
