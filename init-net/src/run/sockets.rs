//! The sockets of the protocol clients, by link: opened with the first message, closed when the client ends.

use core::net::{Ipv4Addr, SocketAddrV6};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd;

use super::core::Event;
use crate::proto::dhcp4::frame;
use crate::proto::{acd, dhcp6, ndisc};
use crate::state::LinkAt;
use crate::sys;
use crate::sys::packet::{PacketSocket, Protocol, Received};
use crate::sys::poll::Interest;
use crate::value::Mac;

/// Longest datagram that is taken, bytes: an Ethernet frame; DHCP messages are at most 1,500.
const MAX_DATAGRAM: usize = 2048;

/// Datagrams of one socket in one turn: a flood must not keep the loop from its timers.
const MAX_DRAIN: usize = 64;

/// Which of them is ready: its link, and what it is for.
#[derive(Clone, Copy)]
pub(super) enum Ready {
    Dhcp(u32),
    Renew(u32),
    Arp(u32, Ipv4Addr),
    Router(u32),
    Dhcp6(u32),
}

/// All of them, by kernel index of the link.
#[derive(Default)]
pub(super) struct Sockets {
    /// Opened once, closed late (closing waits for an RCU grace period, 8 to 16 ms).
    dhcp: BTreeMap<u32, PacketSocket>,
    /// For unicast renewals: the kernel finds the neighbour, and answers are not refused with ICMP.
    renew: BTreeMap<u32, UdpSocket>,
    arp: BTreeMap<(u32, Ipv4Addr), PacketSocket>,
    routers: BTreeMap<u32, PacketSocket>,
    dhcp6: BTreeMap<u32, UdpSocket>,
    /// Those that nobody needs: closed when nothing else is left to do.
    closing: Vec<PacketSocket>,
}

impl Sockets {
    /// What to wait for.
    pub(super) fn interests(&self) -> impl Iterator<Item = (Interest<'_>, Ready)> {
        fn each<'a, K: Copy, S: AsFd>(
            sockets: &'a BTreeMap<K, S>,
            ready: impl Fn(K) -> Ready + 'a,
        ) -> impl Iterator<Item = (Interest<'a>, Ready)> {
            let sockets = sockets.iter();
            sockets.map(move |(key, socket)| (Interest::read(socket.as_fd()), ready(*key)))
        }
        each(&self.dhcp, Ready::Dhcp)
            .chain(each(&self.renew, Ready::Renew))
            .chain(each(&self.arp, |(index, address)| {
                Ready::Arp(index, address)
            }))
            .chain(each(&self.routers, Ready::Router))
            .chain(each(&self.dhcp6, Ready::Dhcp6))
    }

    /// Reads what is there.
    pub(super) fn take(&self, ready: Ready, queue: &mut VecDeque<Event>) {
        match ready {
            Ready::Dhcp(index) => {
                drain(
                    self.dhcp.get(&index),
                    |bytes, packet| match frame::udp_payload(bytes, packet.checksum_ready) {
                        Ok(message) => queue.push_back(Event::Dhcp {
                            index,
                            message: message.to_vec(),
                        }),
                        Err(reject) => log::debug!("dhcp4: frame dropped: {reject:?}"),
                    },
                )
            }
            Ready::Arp(index, address) => drain(self.arp.get(&(index, address)), |bytes, _| {
                queue.push_back(Event::Arp {
                    index,
                    address,
                    message: bytes.to_vec(),
                });
            }),
            Ready::Router(index) => drain(self.routers.get(&index), |bytes, packet| {
                if packet.checksum_ready && !ndisc::checksum_is_right(bytes) {
                    log::debug!("ra: packet dropped: checksum");
                    return;
                }
                queue.push_back(Event::Advertisement {
                    index,
                    packet: bytes.to_vec(),
                });
            }),
            // The packet socket hears the same answer while it is open; the machine takes the first.
            Ready::Renew(index) => drain_udp(self.renew.get(&index), |message| {
                queue.push_back(Event::Dhcp { index, message });
            }),
            Ready::Dhcp6(index) => drain_udp(self.dhcp6.get(&index), |message| {
                queue.push_back(Event::Dhcp6 { index, message });
            }),
        }
    }

    /// A DHCPv4 message as a broadcast frame.
    pub(super) fn broadcast_dhcp(&mut self, link: &LinkAt, message: &[u8]) {
        let packet = frame::ip_udp(
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::BROADCAST,
            frame::CLIENT_PORT,
            frame::SERVER_PORT,
            message,
        );
        let sent = self
            .dhcp_socket(link)
            .and_then(|socket| socket.send(&packet, &Mac::BROADCAST));
        report_send("dhcp4", link, sent);
    }

    /// A DHCPv4 message from a leased address to its server.
    pub(super) fn unicast_dhcp(
        &mut self,
        link: &LinkAt,
        from: Ipv4Addr,
        server: Ipv4Addr,
        message: &[u8],
    ) {
        // A NAK comes as a broadcast even to a renewal (RFC 2131 §4.3.2), which the renewal's own socket does not hear.
        if let Err(error) = self.dhcp_socket(link) {
            log::debug!("dhcp4/{}: listen: {error}", link.name);
        }
        let local = (from, frame::CLIENT_PORT).into();
        let sent = open_once(&mut self.renew, link.index, || {
            sys::udp::bind(local, Some(&link.name))
        })
        .and_then(|socket| socket.send_to(message, (server, frame::SERVER_PORT)));
        report_send("dhcp4", link, sent);
    }

    /// An ARP message as a broadcast frame.
    pub(super) fn broadcast_arp(&mut self, link: &LinkAt, address: Ipv4Addr, message: &[u8]) {
        let sent = self
            .arp_socket(link, address)
            .and_then(|socket| socket.send(message, &Mac::BROADCAST));
        report_send("arp", link, sent);
    }

    /// What is said about `address` is heard from now on.
    pub(super) fn listen_to_arp(&mut self, link: &LinkAt, address: Ipv4Addr) {
        if let Err(error) = self.arp_socket(link, address) {
            log::debug!("arp/{}: listen: {error}", link.name);
        }
    }

    /// A router solicitation.
    pub(super) fn solicit_router(&mut self, link: &LinkAt, packet: &[u8]) {
        let sent = self
            .router_socket(link)
            .and_then(|socket| socket.send(packet, &ndisc::ALL_ROUTERS_MAC));
        report_send("ra", link, sent);
    }

    /// Advertisements are heard from now on.
    pub(super) fn listen_to_routers(&mut self, link: &LinkAt) {
        if let Err(error) = self.router_socket(link) {
            log::warn!("ra/{}: listen: {error}", link.name);
        }
    }

    /// A DHCPv6 message. The kernel takes a link-local source for a link-local group.
    pub(super) fn send_dhcp6(&mut self, link: &LinkAt, message: &[u8]) {
        let local = (core::net::Ipv6Addr::UNSPECIFIED, dhcp6::CLIENT_PORT).into();
        let servers = SocketAddrV6::new(dhcp6::SERVERS, dhcp6::SERVER_PORT, 0, link.index);
        let sent = open_once(&mut self.dhcp6, link.index, || {
            sys::udp::bind(local, Some(&link.name))
        })
        .and_then(|socket| socket.send_to(message, servers));
        report_send("dhcp6", link, sent);
    }

    /// A DHCPv4 renewal has ended.
    pub(super) fn close_renew(&mut self, index: u32) {
        self.renew.remove(&index);
    }

    /// The DHCPv4 client of a link has ended.
    pub(super) fn close_dhcp(&mut self, index: u32) {
        self.closing.extend(self.dhcp.remove(&index));
        self.renew.remove(&index);
    }

    /// Conflict detection of an address has ended.
    pub(super) fn close_arp(&mut self, index: u32, address: Ipv4Addr) {
        self.closing.extend(self.arp.remove(&(index, address)));
    }

    /// Router discovery of a link has ended.
    pub(super) fn close_router(&mut self, index: u32) {
        self.closing.extend(self.routers.remove(&index));
    }

    /// The DHCPv6 client of a link has ended.
    pub(super) fn close_dhcp6(&mut self, index: u32) {
        self.dhcp6.remove(&index);
    }

    /// Closes what has ended: there is time now.
    pub(super) fn close(&mut self) {
        self.closing.clear();
    }

    fn arp_socket(&mut self, link: &LinkAt, address: Ipv4Addr) -> io::Result<&PacketSocket> {
        open_once(&mut self.arp, (link.index, address), || {
            PacketSocket::open(link.index, Protocol::Arp, &acd::filter(address))
        })
    }

    fn router_socket(&mut self, link: &LinkAt) -> io::Result<&PacketSocket> {
        open_once(&mut self.routers, link.index, || {
            PacketSocket::open(link.index, Protocol::Ipv6, &ndisc::FILTER)
        })
    }

    fn dhcp_socket(&mut self, link: &LinkAt) -> io::Result<&PacketSocket> {
        open_once(&mut self.dhcp, link.index, || {
            PacketSocket::open(link.index, Protocol::Ip, &frame::FILTER)
        })
    }
}

/// Packets until there is none, or ENETDOWN once after the link went down: the socket lives on.
fn drain(socket: Option<&PacketSocket>, mut take: impl FnMut(&[u8], Received)) {
    let Some(socket) = socket else { return };
    let mut buffer = [0; MAX_DATAGRAM];
    for _ in 0..MAX_DRAIN {
        let Ok(packet) = socket.receive(&mut buffer) else {
            return;
        };
        take(buffer.get(..packet.length).unwrap_or_default(), packet);
    }
}

fn drain_udp(socket: Option<&UdpSocket>, mut take: impl FnMut(Vec<u8>)) {
    let Some(socket) = socket else { return };
    let mut buffer = [0; MAX_DATAGRAM];
    for _ in 0..MAX_DRAIN {
        let Ok(count) = socket.recv(&mut buffer) else {
            return;
        };
        take(buffer.get(..count).unwrap_or_default().to_vec());
    }
}

/// The socket of `key`, opened when there is none.
pub(super) fn open_once<K: Ord, S>(
    sockets: &mut BTreeMap<K, S>,
    key: K,
    open: impl FnOnce() -> io::Result<S>,
) -> io::Result<&S> {
    match sockets.entry(key) {
        Entry::Occupied(socket) => Ok(socket.into_mut()),
        Entry::Vacant(slot) => Ok(slot.insert(open()?)),
    }
}

/// A message that could not be sent is sent again by its machine's timer: worth a word, not an event.
fn report_send(what: &str, link: &LinkAt, sent: io::Result<impl Sized>) {
    if let Err(error) = sent {
        log::debug!("{what}/{}: send: {error}", link.name);
    }
}
