//! Membership of multicast groups: the card lets their frames through, and switches that snoop send them here.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io;

use socket2::{Domain, InterfaceIndexOrAddress, Socket, Type};

/// A membership; it ends when this is dropped.
#[derive(Debug)]
pub struct Membership {
    _socket: Socket,
}

impl Membership {
    /// Joins `group` on the link with that kernel index. Nothing is received by this: who wants the packets has a packet
    /// socket.
    pub fn join(group: IpAddr, link_index: u32) -> io::Result<Self> {
        let kind = Type::DGRAM.nonblocking().cloexec();
        let any: IpAddr = match group {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = Socket::new(Domain::for_address(SocketAddr::new(any, 0)), kind, None)?;
        match group {
            IpAddr::V4(group) => {
                socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(link_index))?;
            }
            IpAddr::V6(group) => socket.join_multicast_v6(&group, link_index)?,
        }
        Ok(Self { _socket: socket })
    }
}
