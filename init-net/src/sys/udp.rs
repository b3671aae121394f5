//! UDP sockets that never block.

use core::net::SocketAddr;
use std::io;
use std::net::UdpSocket;

use socket2::{Domain, Protocol, Socket, Type};

use crate::value::LinkName;

/// Binds `local`; with `link`, packets leave and arrive on it only (SO_BINDTODEVICE), whatever the routes say. Several
/// sockets may share a port (SO_REUSEADDR), each on its link.
pub fn bind(local: SocketAddr, link: Option<&LinkName>) -> io::Result<UdpSocket> {
    let kind = Type::DGRAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(local), kind, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(local.is_ipv4())?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if let Some(link) = link {
        socket.bind_device(Some(link.as_str().as_bytes()))?;
    }
    socket.bind(&local.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_blocks() {
        let any = "127.0.0.1:0".parse().unwrap();
        let (one, two) = (bind(any, None).unwrap(), bind(any, None).unwrap());
        let mut buffer = [0; 8];
        assert_eq!(
            one.recv_from(&mut buffer).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        two.send_to(b"hello", one.local_addr().unwrap()).unwrap();
        assert_eq!(
            one.recv_from(&mut buffer).unwrap(),
            (5, two.local_addr().unwrap())
        );
    }
}
