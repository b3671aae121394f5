//! The control socket: SOCK_STREAM in the file system, mode 0600, or 0660 for a group.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike as _, UnixAddr, getsockname, getsockopt, sockopt,
};
use nix::sys::stat::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// Who is at the other end, as the kernel saw it when the connection was made (SO_PEERCRED).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Process.
    pub pid: i32,
    /// User.
    pub uid: u32,
    /// Its first group; [`super::group::of_peer`] has the others.
    pub gid: u32,
}

/// Listens at `path`; what is there is removed first. Never blocks. Only the owner may connect, from the first moment
/// on: the mode is set before the name exists.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    fchmod(socket.as_fd(), Mode::S_IRUSR | Mode::S_IWUSR)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Lets the members of group `gid` connect to the socket at `path`, too. Who may do what is decided for each peer.
pub fn open_to_group(path: &Path, gid: u32) -> io::Result<()> {
    // In this order nobody of the group before gets in.
    chown(path, None, Some(gid))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
}

/// Takes a descriptor that somebody else opened: it must be a listening SOCK_STREAM of AF_UNIX.
pub fn adopt(socket: OwnedFd) -> io::Result<UnixListener> {
    let stream = getsockopt(&socket, sockopt::SockType)? == SockType::Stream;
    let listens = getsockopt(&socket, sockopt::AcceptConn)?;
    let family = getsockname::<UnixAddr>(std::os::fd::AsRawFd::as_raw_fd(&socket))?.family();
    if !stream || !listens || family != Some(AddressFamily::Unix) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a listening stream socket of AF_UNIX",
        ));
    }
    let listener = UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The next connection, non-blocking, and who made it; `None` when none waits.
pub fn accept(listener: &UnixListener) -> io::Result<Option<(UnixStream, Peer)>> {
    let stream = match listener.accept() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        accepted => accepted?.0,
    };
    stream.set_nonblocking(true)?;
    let credentials = getsockopt(&stream, sockopt::PeerCredentials)?;
    let peer = Peer {
        pid: credentials.pid(),
        uid: credentials.uid(),
        gid: credentials.gid(),
    };
    Ok(Some((stream, peer)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_owner_may_connect() {
        let path = std::env::temp_dir().join(format!("init-net-control-{}", std::process::id()));
        let listener = listen(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(accept(&listener).unwrap().is_none());
        let _client = UnixStream::connect(&path).unwrap();
        let (_, peer) = accept(&listener).unwrap().unwrap();
        assert_eq!(
            peer,
            Peer {
                pid: std::process::id() as i32,
                uid: nix::unistd::getuid().as_raw(),
                gid: nix::unistd::getgid().as_raw(),
            }
        );
        drop(listen(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn only_a_listening_socket_is_adopted() {
        let path = std::env::temp_dir().join(format!("init-net-adopt-{}", std::process::id()));
        let listener = adopt(listen(&path).unwrap().into()).unwrap();
        open_to_group(&path, nix::unistd::getgid().as_raw()).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let client = UnixStream::connect(&path).unwrap();
        assert!(accept(&listener).unwrap().is_some());
        assert!(adopt(client.into()).is_err());
        assert!(adopt(std::fs::File::open("/dev/null").unwrap().into()).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
