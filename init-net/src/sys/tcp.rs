//! TCP connections that never block: start, wait for writable, ask how it went.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io;
use std::net::TcpStream;

use socket2::{Domain, Protocol, Socket, Type};

use crate::value::LinkName;

/// Starts to connect to `remote` (an IPv6 link-local address with its scope id); with `link`, on that link only; from the
/// first of `sources` that is free, from any port when there are none. The stream is writable when it is connected or has
/// failed: then ask [`outcome`].
pub fn connect(
    remote: SocketAddr,
    link: Option<&LinkName>,
    sources: impl IntoIterator<Item = u16>,
) -> io::Result<TcpStream> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(remote), kind, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(link) = link {
        socket.bind_device(Some(link.as_str().as_bytes()))?;
    }
    bind_first(&socket, remote, sources)?;
    match socket.connect(&remote.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket.into()),
    }
}

/// Binds to the first port that nobody has; to none when there are none. Ports below 1024 want CAP_NET_BIND_SERVICE.
fn bind_first(
    socket: &Socket,
    remote: SocketAddr,
    sources: impl IntoIterator<Item = u16>,
) -> io::Result<()> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut taken = None;
    for port in sources {
        match socket.bind(&SocketAddr::new(any, port).into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken = Some(error),
            outcome => return outcome,
        }
    }
    taken.map_or(Ok(()), Err)
}

/// How connecting went. Only once the stream was writable.
pub fn outcome(stream: &TcpStream) -> io::Result<()> {
    match stream.take_error()? {
        Some(error) => Err(error),
        None => stream.peer_addr().map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use super::super::poll::{Interest, poll};
    use super::*;

    fn settled(remote: SocketAddr) -> (TcpStream, io::Result<()>) {
        let stream = connect(remote, None, []).unwrap();
        assert!(poll(&[Interest::write(stream.as_fd())], None).unwrap()[0].writable);
        let outcome = outcome(&stream);
        (stream, outcome)
    }

    #[test]
    fn connects_or_says_why_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let remote = listener.local_addr().unwrap();
        let (mut stream, outcome) = settled(remote);
        outcome.unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"hello").unwrap();
        assert!(poll(&[Interest::read(stream.as_fd())], None).unwrap()[0].readable);
        let mut buffer = [0; 8];
        assert_eq!(stream.read(&mut buffer).unwrap(), 5);
        drop((server, stream, listener));
        assert_eq!(
            settled(remote).1.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
    }

    #[test]
    fn the_first_free_port_is_the_source() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let remote = listener.local_addr().unwrap();
        let holder = TcpListener::bind("0.0.0.0:0").unwrap();
        let taken = holder.local_addr().unwrap().port();
        let free = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let stream = connect(remote, None, [taken, port]).unwrap();
        assert_eq!(stream.local_addr().unwrap().port(), port);
        let error = connect(remote, None, [taken]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
