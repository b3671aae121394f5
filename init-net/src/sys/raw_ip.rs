//! Raw IP sockets that only send: a protocol of its own, to hosts that the kernel finds the way to.

use core::net::{IpAddr, SocketAddr};
use std::io;

use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::value::LinkName;

/// Classic BPF: nothing is received. A raw socket gets a copy of every packet of its protocol.
const NOTHING: SockFilter = SockFilter::new(0x06, 0, 0, 0);

/// Sends from one address, out of one link.
#[derive(Debug)]
pub struct RawIpSocket {
    socket: Socket,
}

impl RawIpSocket {
    /// For packets of `protocol` from `from`, which is an address of this machine, out of `link` with `traffic_class` (type of
    /// service) in their header.
    pub fn open(
        protocol: u8,
        from: IpAddr,
        link: &LinkName,
        traffic_class: u8,
    ) -> io::Result<Self> {
        let kind = Type::RAW.nonblocking().cloexec();
        let local = SocketAddr::new(from, 0);
        let protocol = Protocol::from(i32::from(protocol));
        let socket = Socket::new(Domain::for_address(local), kind, Some(protocol))?;
        socket.attach_filter(&[NOTHING])?;
        socket.bind_device(Some(link.as_str().as_bytes()))?;
        match from {
            IpAddr::V4(_) => socket.set_tos_v4(traffic_class.into())?,
            IpAddr::V6(_) => socket.set_tclass_v6(traffic_class.into())?,
        }
        // A link-local address of IPv6 is one of a link: the device says which.
        socket.bind(&local.into())?;
        Ok(Self { socket })
    }

    /// Sends `payload` to `to` with that hop limit.
    pub fn send(&self, payload: &[u8], to: IpAddr, ttl: u8) -> io::Result<()> {
        match to {
            IpAddr::V4(_) => self.socket.set_ttl_v4(ttl.into())?,
            IpAddr::V6(_) => self.socket.set_unicast_hops_v6(ttl.into())?,
        }
        let to = SocketAddr::new(to, 0);
        self.socket.send_to(payload, &to.into()).map(drop)
    }
}
