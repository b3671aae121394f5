//! Raw ICMP and ICMPv6 sockets: echo requests of a chosen size, neighbour solicitations.
//!
//! Raw, because the unprivileged kind (ICMP over SOCK_DGRAM) is closed to everybody, root too, unless
//! `net.ipv4.ping_group_range` says otherwise, and does not hand out what routers say about a packet.

use core::mem::{MaybeUninit, size_of};
use core::net::{IpAddr, SocketAddr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use crate::value::LinkName;

/// IP_PMTUDISC_PROBE and IPV6_PMTUDISC_PROBE, include/uapi/linux/in.h: never fragment, whatever path MTU the kernel has
/// learned already.
const PROBE: libc::c_int = 3;

/// Hop limit of neighbour discovery: a packet that a router has passed on is not believed (RFC 4861 §7.1.1).
const ON_LINK: u32 = 255;

/// Never blocks, never fragments.
pub struct IcmpSocket {
    socket: Socket,
}

impl IcmpSocket {
    /// For packets to addresses of the family of `remote`; with `link`, on that link only.
    pub fn open(remote: IpAddr, link: Option<&LinkName>) -> io::Result<Self> {
        let kind = Type::RAW.nonblocking().cloexec();
        let any = SocketAddr::new(remote, 0);
        let protocol = match remote {
            IpAddr::V4(_) => Protocol::ICMPV4,
            IpAddr::V6(_) => Protocol::ICMPV6,
        };
        let socket = Socket::new(Domain::for_address(any), kind, Some(protocol))?;
        if let Some(link) = link {
            socket.bind_device(Some(link.as_str().as_bytes()))?;
        }
        let (level, name) = match remote {
            IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
            IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
        };
        set(&socket, level, name, PROBE)?;
        if remote.is_ipv6() {
            set(&socket, level, libc::IPV6_DONTFRAG, 1)?;
            socket.set_multicast_hops_v6(ON_LINK)?;
        }
        Ok(Self { socket })
    }

    /// Sends `message`, from its ICMP header on. The checksum of ICMPv6 is the kernel's work (RFC 3542 §3.1).
    pub fn send(&self, message: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(message, &to.into()).map(drop)
    }

    /// The next message of any host and kind; of ICMP with its IP header in front, of ICMPv6 without. `WouldBlock`:
    /// none now.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Option<IpAddr>)> {
        // SAFETY: bytes that are initialised may be seen as bytes that need not be, and recv_from only writes bytes.
        let buffer = unsafe { &mut *(core::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
        let (length, from) = self.socket.recv_from(buffer)?;
        Ok((length, from.as_socket().map(|from| from.ip())))
    }
}

fn set(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: `value` is an int, lives through the call, and the length is its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

impl AsFd for IcmpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
