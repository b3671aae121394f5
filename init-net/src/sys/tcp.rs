//! TCP connections that never block: start, wait for writable, ask how it went.

use core::net::SocketAddr;
use std::io;
use std::net::TcpStream;

use socket2::{Domain, Protocol, Socket, Type};

use crate::value::LinkName;

/// Starts to connect to `remote` (an IPv6 link-local address with its scope id); with `link`, on that link only. The
/// stream is writable when it is connected or has failed: then ask [`outcome`].
pub fn connect(remote: SocketAddr, link: Option<&LinkName>) -> io::Result<TcpStream> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(remote), kind, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(link) = link {
        socket.bind_device(Some(link.as_str().as_bytes()))?;
    }
    match socket.connect(&remote.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket.into()),
    }
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
        let stream = connect(remote, None).unwrap();
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
}
