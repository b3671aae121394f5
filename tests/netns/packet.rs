//! Packet sockets: what the filter lets through, and what the kernel says about it.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use init_net::sys::packet::{PacketSocket, Protocol};
use init_net::sys::poll::{Interest, poll};
use init_net::sys::udp;
use init_net::value::Mac;

use crate::namespace::{cable, in_namespace, ip, ip_json};

/// UDP to port 68, not a fragment; the packet starts at the IP header, which says its own length.
const PORT_68: [(u16, u8, u8, u32); 8] = [
    (0x30, 0, 0, 9),
    (0x15, 0, 5, 17),
    (0x28, 0, 0, 6),
    (0x45, 3, 0, 0x1fff),
    (0xb1, 0, 0, 0),
    (0x48, 0, 0, 2),
    (0x15, 1, 0, 68),
    (0x06, 0, 0, 0),
];

/// With the accepting return that [`PORT_68`] jumps to.
fn port_68() -> Vec<(u16, u8, u8, u32)> {
    [&PORT_68[..], &[(0x06, 0, 0, u32::MAX)]].concat()
}

fn mac(link: &str) -> Mac {
    ip_json(&format!("link show {link}"))[0]["address"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// The next packet, or `None` after a time that is long for a cable.
fn next(
    socket: &PacketSocket,
    wait: Duration,
) -> Option<(Vec<u8>, init_net::sys::packet::Received)> {
    let ready = poll(&[Interest::read(socket.as_fd())], Some(wait)).unwrap();
    let mut buffer = [0; 1500];
    match socket.receive(&mut buffer) {
        Ok(received) => Some((buffer[..received.length].to_vec(), received)),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            assert!(!ready[0].readable);
            None
        }
    }
}

#[test]
fn only_port_68_arrives_and_checksums_may_be_missing() {
    in_namespace(|| {
        cable();
        ip("addr add 10.0.0.1/24 dev far0");
        let socket = PacketSocket::open(10, Protocol::Ip, &port_68()).unwrap();
        let far = udp::bind(
            "10.0.0.1:67".parse().unwrap(),
            Some(&"far0".parse().unwrap()),
        )
        .unwrap();
        ip("neigh add 10.0.0.9 lladdr ff:ff:ff:ff:ff:ff dev far0");
        far.send_to(b"other port", "10.0.0.9:69").unwrap();
        far.send_to(b"offer", "10.0.0.9:68").unwrap();
        let (packet, received) = next(&socket, Duration::from_secs(5)).unwrap();
        assert_eq!(&packet[28..], b"offer", "from the IP header on");
        assert_eq!(received.source, Some(mac("far0")));
        assert!(!received.checksum_ready, "a veth fills in no checksum");
        assert_eq!(next(&socket, Duration::ZERO), None);
    });
}

#[test]
fn nothing_comes_from_before_the_socket_was_bound() {
    in_namespace(|| {
        cable();
        ip("addr add 10.0.0.1/24 dev far0");
        ip("neigh add 10.0.0.9 lladdr ff:ff:ff:ff:ff:ff dev far0");
        let far = UdpSocket::bind("10.0.0.1:67").unwrap();
        far.send_to(b"early", "10.0.0.9:68").unwrap();
        let socket = PacketSocket::open(10, Protocol::Ip, &port_68()).unwrap();
        assert_eq!(next(&socket, Duration::ZERO), None);
    });
}

#[test]
fn arp_goes_to_the_hardware_address_that_is_said() {
    in_namespace(|| {
        cable();
        let accept = [(0x06, 0, 0, u32::MAX)];
        let near = PacketSocket::open(10, Protocol::Arp, &accept).unwrap();
        let far = PacketSocket::open(11, Protocol::Arp, &accept).unwrap();
        near.send(&[7; 28], &mac("far0")).unwrap();
        let (packet, received) = next(&far, Duration::from_secs(5)).unwrap();
        assert_eq!(packet, [7; 28]);
        assert_eq!(received.source, Some(mac("eth0")));
        assert!(received.checksum_ready);
        near.send(&[8; 28], &"ff:ff:ff:ff:ff:ff".parse().unwrap())
            .unwrap();
        assert_eq!(next(&far, Duration::from_secs(5)).unwrap().0, [8; 28]);
        assert_eq!(next(&near, Duration::ZERO), None, "not our own");
    });
}

/// As frames of a VLAN that is not here are marked.
#[test]
fn what_is_for_another_host_is_not_heard() {
    in_namespace(|| {
        cable();
        let accept = [(0x06, 0, 0, u32::MAX)];
        let near = PacketSocket::open(10, Protocol::Arp, &accept).unwrap();
        let far = PacketSocket::open(11, Protocol::Arp, &accept).unwrap();
        far.send(&[9; 28], &"52:54:00:00:00:99".parse().unwrap())
            .unwrap();
        far.send(&[8; 28], &Mac::BROADCAST).unwrap();
        assert_eq!(next(&near, Duration::from_secs(60)).unwrap().0, [8; 28]);
        assert_eq!(next(&near, Duration::ZERO), None);
    });
}

#[test]
fn udp_keeps_to_its_link() {
    in_namespace(|| {
        cable();
        ip("addr add 10.0.0.2/24 dev eth0");
        ip("addr add 10.9.0.2/24 dev far0");
        let bound =
            |link: &str| udp::bind("0.0.0.0:68".parse().unwrap(), Some(&link.parse().unwrap()));
        let (_one, _two) = (bound("eth0").unwrap(), bound("far0").unwrap());
        assert!(bound("gone0").is_err());
    });
}
