//! Packet sockets: what the filter lets through, and what the kernel says about it.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use init_net::sys::multicast::Membership;
use init_net::sys::packet::{PacketSocket, Protocol};
use init_net::sys::poll::{Interest, poll};
use init_net::sys::raw_ip::RawIpSocket;
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

/// Sends a whole frame to everybody out of the link with that index: `tag` is that of IEEE 802.1Q, of a priority and a VLAN.
#[allow(unsafe_code, reason = "sockets of whole frames have no safe address")]
fn broadcast(index: i32, tag: Option<u16>, packet: &[u8]) {
    let mut frame = vec![0xff; 6];
    frame.extend([0x52, 0x54, 0, 0, 0, 0x77]);
    if let Some(tag) = tag {
        frame.extend([0x81, 0x00]);
        frame.extend(tag.to_be_bytes());
    }
    frame.extend([0x08, 0x06]);
    frame.extend(packet);
    // SAFETY: takes no pointer.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    assert!(socket >= 0);
    // SAFETY: just opened, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: a plain struct of integers, for which all zeros is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = index;
    // SAFETY: frame and address live through the call, and the lengths are theirs.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const address).cast(),
            size_of_val(&address) as libc::socklen_t,
        )
    };
    assert_eq!(usize::try_from(sent), Ok(frame.len()));
}

/// A group of a VLAN is another one, whatever its number: sockets for all protocols get its frames before the VLAN does.
#[test]
fn a_socket_for_all_protocols_hears_no_vlan() {
    in_namespace(|| {
        cable();
        let near = PacketSocket::open(10, Protocol::All, &VRRP_OR_ARP).unwrap();
        // Two VLANs, a mere priority, and no tag at all.
        for (tag, sign) in [
            (Some(7), 7),
            (Some(0xefff), 8),
            (Some(0xe000), 9),
            (None, 10),
        ] {
            let mut packet = [sign; 28];
            packet[..2].copy_from_slice(&[0, 1]);
            broadcast(11, tag, &packet);
        }
        let mut heard = Vec::new();
        while heard.last() != Some(&10) {
            let (packet, _) = next(&near, Duration::from_secs(60)).unwrap();
            heard.push(packet[27]);
        }
        assert_eq!(heard, [9, 10]);
    });
}

/// Protocol 112 of IPv4, and ARP: packets start at the network header.
const VRRP_OR_ARP: [(u16, u8, u8, u32); 7] = [
    (0x28, 0, 0, 0),
    (0x15, 3, 0, 1), // an Ethernet address: ARP
    (0x30, 0, 0, 9),
    (0x15, 1, 0, 112),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, u32::MAX),
    (0x06, 0, 0, u32::MAX),
];

#[test]
fn a_socket_for_all_protocols_hears_what_the_firewall_drops_and_not_itself() {
    in_namespace(|| {
        cable();
        let rules = "add table netdev deaf
            add chain netdev deaf ingress { type filter hook ingress device eth0 priority 0; policy drop; }
            add table inet shut
            add chain inet shut input { type filter hook input priority 0; policy drop; }";
        let nft = std::process::Command::new("nft").arg(rules).status();
        assert!(nft.unwrap().success());
        let near = PacketSocket::open(10, Protocol::All, &VRRP_OR_ARP).unwrap();
        let far = PacketSocket::open(11, Protocol::All, &VRRP_OR_ARP).unwrap();
        let mut advertisement = [0; 40];
        advertisement[0] = 0x45;
        advertisement[9] = 112;
        let group: Mac = "01:00:5e:00:00:12".parse().unwrap();
        far.send_as(Protocol::Ip, &advertisement, &group).unwrap();
        assert_eq!(
            next(&near, Duration::from_secs(60)).unwrap().0,
            advertisement
        );
        let mut question = [0; 28];
        question[1] = 1;
        far.send_as(Protocol::Arp, &question, &Mac::BROADCAST)
            .unwrap();
        assert_eq!(next(&near, Duration::from_secs(60)).unwrap().0, question);
        assert_eq!(next(&far, Duration::ZERO), None, "not its own");
        far.hurry().unwrap();
    });
}

#[test]
fn a_membership_is_one_of_its_link_and_ends_with_it() {
    in_namespace(|| {
        cable();
        let member = |file: &str, group: &str| {
            let groups = std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap();
            groups.contains(group)
        };
        let four = Membership::join("224.0.0.18".parse().unwrap(), 10).unwrap();
        let six = Membership::join("ff02::12".parse().unwrap(), 10).unwrap();
        assert!(member("igmp", "120000E0"));
        assert!(member("igmp6", "ff020000000000000000000000000012"));
        drop((four, six));
        // A test beside this one that starts a program holds copies of all descriptors for a moment.
        while member("igmp", "120000E0") || member("igmp6", "ff020000000000000000000000000012") {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(Membership::join("224.0.0.18".parse().unwrap(), 99).is_err());
    });
}

#[test]
fn raw_packets_go_to_peers_with_the_hop_limit_that_is_said() {
    in_namespace(|| {
        cable();
        for (near, far) in [("10.0.0.2", "10.0.0.1"), ("fd00::2", "fd00::1")] {
            let length = if near.contains(':') { 64 } else { 24 };
            ip(&format!("addr add {near}/{length} dev eth0 nodad"));
            let lladdr = mac("far0");
            ip(&format!("neigh add {far} lladdr {lladdr} dev eth0"));
        }
        let all = [(0x06, 0, 0, u32::MAX)];
        let eth0 = "eth0".parse().unwrap();
        for (protocol, near, far, hops, class) in [
            (Protocol::Ip, "10.0.0.2", "10.0.0.1", 8, 1),
            (Protocol::Ipv6, "fd00::2", "fd00::1", 7, 0),
        ] {
            let heard = PacketSocket::open(11, protocol, &all).unwrap();
            let socket = RawIpSocket::open(112, near.parse().unwrap(), &eth0, 0xc0).unwrap();
            socket.send(b"payload", far.parse().unwrap(), 254).unwrap();
            let packet = loop {
                let (packet, _) = next(&heard, Duration::from_secs(60)).unwrap();
                if packet.ends_with(b"payload") {
                    break packet;
                }
            };
            assert_eq!(packet[hops], 254);
            let traffic_class = if class == 1 {
                packet[1]
            } else {
                packet[0] << 4 | packet[1] >> 4
            };
            assert_eq!(traffic_class, 0xc0);
        }
        assert!(RawIpSocket::open(112, "10.9.9.9".parse().unwrap(), &eth0, 0).is_err());
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
