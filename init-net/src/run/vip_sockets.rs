//! The sockets of shared addresses: one a link that hears what their machines say, and those that only send.

use core::net::IpAddr;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsFd as _;

use super::core::{Event, Hearing};
use super::sockets::open_once;
use crate::proto::{EtherType, Frame, vrrp};
use crate::state::LinkAt;
use crate::sys::multicast::Membership;
use crate::sys::packet::{PacketSocket, Protocol};
use crate::sys::poll::Interest;
use crate::sys::raw_ip::RawIpSocket;

/// Longest packet that is taken, bytes: an advertisement of IPv6 with 255 addresses has 4,128.
const MAX_PACKET: usize = 4352;

/// Packets of one link in one turn: more than wait in a socket's buffer for all but a flood, which must not keep the loop from
/// its timers.
const MAX_DRAIN: usize = 512;

/// By kernel index of the link.
#[derive(Default)]
pub(super) struct VipSockets {
    listening: BTreeMap<u32, Listening>,
    senders: BTreeMap<u32, PacketSocket>,
    unicast: BTreeMap<(u32, IpAddr), RawIpSocket>,
    closing: Vec<PacketSocket>,
}

struct Listening {
    socket: PacketSocket,
    hearing: Hearing,
    _memberships: Vec<Membership>,
}

impl VipSockets {
    /// What to wait for, by index of the link.
    pub(super) fn interests(&self) -> impl Iterator<Item = (Interest<'_>, u32)> {
        let listening = self.listening.iter();
        listening.map(|(index, link)| (Interest::read(link.socket.as_fd()), *index))
    }

    /// Hears what `hearing` says on `link` from now on, and nothing else.
    pub(super) fn listen(&mut self, link: &LinkAt, hearing: Hearing) {
        let heard = self.listening.get(&link.index);
        if heard.is_some_and(|heard| heard.hearing == hearing) {
            return;
        }
        match listen(link, hearing) {
            Ok(listening) => {
                let old = self.listening.insert(link.index, listening);
                self.closing.extend(old.map(|old| old.socket));
            }
            Err(error) => {
                log::error!("vip/{}: listen: {error}", link.name);
                self.close(link.index);
            }
        }
    }

    /// Nothing is heard of a link and sent to it any more.
    pub(super) fn close(&mut self, index: u32) {
        let listening = self.listening.remove(&index).map(|link| link.socket);
        self.closing.extend(listening);
        self.closing.extend(self.senders.remove(&index));
        self.unicast.retain(|(link, _), _| *link != index);
    }

    /// Closing waits for the kernel: there is time now.
    pub(super) fn close_late(&mut self) {
        self.closing.clear();
    }

    /// Reads all that is there, and says that this was all, or that nothing can be heard.
    pub(super) fn drain(&self, index: u32, queue: &mut VecDeque<Event>) {
        self.take(index, queue);
        queue.push_back(match self.listening.contains_key(&index) {
            true => Event::VipsDrained { index },
            false => Event::VipsDeaf { index },
        });
    }

    /// Reads all that is there, as one event.
    pub(super) fn take(&self, index: u32, queue: &mut VecDeque<Event>) {
        let Some(link) = self.listening.get(&index) else {
            return;
        };
        let mut buffer = [0; MAX_PACKET];
        let mut packets = Vec::new();
        for _ in 0..MAX_DRAIN {
            match link.socket.receive(&mut buffer) {
                Ok(packet) => {
                    packets.push(buffer.get(..packet.length).unwrap_or_default().to_vec())
                }
                // A link that went down says so once, and packets may wait behind that.
                Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
                Err(_) => break,
            }
        }
        if !packets.is_empty() {
            queue.push_back(Event::Vip { index, packets });
        }
    }

    /// Sends a frame out of `link`. One that is lost is made good by the next.
    pub(super) fn send(&mut self, link: &LinkAt, frame: &Frame) {
        if let Err(error) = self.try_send(link, frame) {
            log::debug!("vip/{}: send: {error}", link.name);
        }
    }

    fn try_send(&mut self, link: &LinkAt, frame: &Frame) -> io::Result<()> {
        let kind = match frame.kind {
            EtherType::Ip => Protocol::Ip,
            EtherType::Arp => Protocol::Arp,
            EtherType::Ipv6 => Protocol::Ipv6,
        };
        let socket = open_once(&mut self.senders, link.index, || sender(link))?;
        socket.send_as(kind, &frame.packet, &frame.to)
    }

    /// Sends an advertisement to one peer.
    pub(super) fn send_to_peer(
        &mut self,
        link: &LinkAt,
        from: IpAddr,
        to: IpAddr,
        ttl: u8,
        payload: &[u8],
    ) {
        let key = (link.index, from);
        let sent = open_once(&mut self.unicast, key, || {
            RawIpSocket::open(vrrp::PROTOCOL, from, &link.name, vrrp::TRAFFIC_CLASS)
        })
        .and_then(|socket| socket.send(payload, to, ttl));
        if let Err(error) = sent {
            log::debug!("vip/{}: {to}: {error}", link.name);
            // The address or the link may be another one by now.
            self.unicast.remove(&key);
        }
    }
}

fn listen(link: &LinkAt, hearing: Hearing) -> io::Result<Listening> {
    let mut memberships = Vec::new();
    for (wanted, group) in [
        (hearing.group4, IpAddr::V4(vrrp::GROUP4)),
        (hearing.group6, IpAddr::V6(vrrp::GROUP6)),
    ] {
        if wanted {
            memberships.push(Membership::join(group, link.index)?);
        }
    }
    Ok(Listening {
        socket: PacketSocket::open(link.index, Protocol::All, &hearing.filter)?,
        hearing,
        _memberships: memberships,
    })
}

/// A socket that hears nothing.
fn sender(link: &LinkAt) -> io::Result<PacketSocket> {
    const NOTHING: [(u16, u8, u8, u32); 1] = [(0x06, 0, 0, 0)];
    let socket = PacketSocket::open(link.index, Protocol::Arp, &NOTHING)?;
    socket.hurry()?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nobody_can_listen_that_is_said() {
        let mut sockets = VipSockets::default();
        let link = LinkAt {
            index: i32::MAX as u32,
            name: "gone0".parse().unwrap(),
        };
        let hearing = Hearing {
            filter: vrrp::filter(&[], &[51]),
            group4: true,
            group6: true,
        };
        sockets.listen(&link, hearing);
        let mut queue = VecDeque::new();
        sockets.drain(link.index, &mut queue);
        let [Event::VipsDeaf { index }] = queue.make_contiguous() else {
            panic!("{queue:?}");
        };
        assert_eq!(*index, link.index);
    }
}
