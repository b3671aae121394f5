//! Netlink sockets: bytes out, datagrams in.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::{NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE};
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use socket2::{SockFilter, SockRef};
use zeroize::Zeroize as _;

/// Receive buffer, bytes. 4 MiB hold about 5,000 notifications (an skb of a route counts 768 bytes) between two turns
/// of the loop; beyond that the kernel drops, says so, and everything is dumped again.
const RECEIVE_BUFFER: usize = 4 << 20;

/// What waits on a socket of nf_tables, bytes, each way: a batch goes as one piece, and ten thousand rules have five MiB.
const NETFILTER_BUFFER: usize = 8 << 20;

/// Longest datagram that is taken, bytes. The kernel fills at most 32 KiB (`netlink_recvmsg`, net/netlink/af_netlink.c).
const MAX_DATAGRAM: usize = 64 << 10;

/// How long an answer may take, seconds. The kernel answers within the system call that asks; the limit is for an
/// answer that got lost, so that nobody waits for it for ever.
const ANSWER_TIMEOUT: i64 = 5;

/// A socket for requests and their answers. Blocking: the kernel answers before `send` returns.
pub struct Requests {
    socket: Socket,
    buffer: Vec<u8>,
    receive_buffer: usize,
    port: u32,
}

impl Requests {
    /// Opens one for links, addresses, routes and rules, with extended and capped acknowledgements (4.12), and strict
    /// checks of dump requests (4.20). Kernels before those work without.
    pub fn open() -> io::Result<Self> {
        Self::open_protocol(NETLINK_ROUTE)
    }

    /// The same for generic netlink: WireGuard, network cards.
    pub fn open_generic() -> io::Result<Self> {
        Self::open_protocol(NETLINK_GENERIC)
    }

    /// The same for nf_tables, with room for large answers.
    pub fn open_netfilter() -> io::Result<Self> {
        let requests = Self::open_protocol(NETLINK_NETFILTER)?;
        enlarge(&requests.socket, NETFILTER_BUFFER);
        Ok(requests)
    }

    fn open_protocol(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        let own = socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let _before_4_12 = socket.set_ext_ack(true).and(socket.set_cap_ack(true));
        let _before_4_20 = socket.set_netlink_get_strict_chk(true);
        enlarge(&socket, RECEIVE_BUFFER);
        setsockopt(
            &socket,
            sockopt::ReceiveTimeout,
            &TimeVal::seconds(ANSWER_TIMEOUT),
        )?;
        Ok(Self {
            receive_buffer: getsockopt(&socket, sockopt::RcvBuf)?,
            socket,
            buffer: Vec::new(),
            port: own.port_number(),
        })
    }

    /// The number that others see in notices of what is done over this socket.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Sends messages that the kernel takes as one, however many they are. EMSGSIZE: CAP_NET_ADMIN is missing, and the
    /// buffer is what everybody gets.
    pub fn send_whole(&self, messages: &[u8]) -> io::Result<()> {
        let room = messages.len().max(NETFILTER_BUFFER);
        let _unprivileged = setsockopt(&self.socket, sockopt::SndBufForce, &room);
        self.send(messages)
    }

    /// How many bytes of answers may wait, as the kernel counts them (`sk_rcvbuf`, overhead included).
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Sends one or more whole messages.
    pub fn send(&self, messages: &[u8]) -> io::Result<()> {
        let sent = self.socket.send(messages, 0)?;
        if sent == messages.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// The next datagram. `ENOBUFS`: answers were lost.
    pub fn receive(&mut self) -> io::Result<&[u8]> {
        receive(&self.socket, &mut self.buffer)
    }

    /// Forgets the bytes of the last datagrams: they held keys.
    pub fn wipe(&mut self) {
        self.buffer.zeroize();
    }
}

/// A socket for notifications. Never blocks.
pub struct Notifications {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Notifications {
    /// Subscribes to multicast `groups` (1 to 32: those that `bind` takes).
    pub fn open(groups: &[u32]) -> io::Result<Self> {
        let mask = groups
            .iter()
            .try_fold(0, |mask, group| Some(mask | mask_of(*group)?));
        let mask = mask.ok_or(io::ErrorKind::InvalidInput)?;
        let mut socket = Self::quiet(NETLINK_ROUTE)?;
        // Port 0: the kernel chooses one.
        socket.bind(&SocketAddr::new(0, mask))?;
        Ok(Self {
            socket,
            buffer: Vec::new(),
        })
    }

    /// From now on each datagram is seen by `filter` first, a classic BPF program (code, jt, jf, k) of at least one
    /// instruction.
    pub fn filter(&self, filter: &[(u16, u8, u8, u32)]) -> io::Result<()> {
        let filter: Vec<SockFilter> = filter
            .iter()
            .map(|(code, jt, jf, k)| SockFilter::new(*code, *jt, *jf, *k))
            .collect();
        SockRef::from(&self.socket).attach_filter(&filter)
    }

    /// Subscribes to one `group` of a family of generic netlink, by the number that the kernel gave it.
    pub fn open_generic(group: u32) -> io::Result<Self> {
        Self::open_group(NETLINK_GENERIC, group)
    }

    /// Subscribes to one `group` of netfilter.
    pub fn open_netfilter(group: u32) -> io::Result<Self> {
        let notifications = Self::open_group(NETLINK_NETFILTER, group)?;
        enlarge(&notifications.socket, NETFILTER_BUFFER);
        Ok(notifications)
    }

    fn open_group(protocol: isize, group: u32) -> io::Result<Self> {
        let mut socket = Self::quiet(protocol)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.add_membership(group)?;
        Ok(Self {
            socket,
            buffer: Vec::new(),
        })
    }

    fn quiet(protocol: isize) -> io::Result<Socket> {
        let socket = Socket::new(protocol)?;
        socket.set_non_blocking(true)?;
        enlarge(&socket, RECEIVE_BUFFER);
        Ok(socket)
    }

    /// The next datagram. `WouldBlock`: none now. `ENOBUFS`: some were lost, more may be there.
    pub fn receive(&mut self) -> io::Result<&[u8]> {
        receive(&self.socket, &mut self.buffer)
    }

    /// Gives back the memory of the last datagrams: it may be long until the next.
    pub fn rest(&mut self) {
        self.buffer = Vec::new();
    }
}

impl AsFd for Notifications {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The bit of a group in `nl_groups` (`nl_mgrp`, net/netlink/af_netlink.c).
fn mask_of(group: u32) -> Option<u32> {
    1_u32.checked_shl(group.checked_sub(1)?)
}

/// SO_RCVBUFFORCE needs CAP_NET_ADMIN; without it the socket works with what it has.
fn enlarge(socket: &Socket, room: usize) {
    let _unprivileged = setsockopt(socket, sockopt::RcvBufForce, &room);
}

fn receive<'a>(socket: &Socket, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    loop {
        // `recv` writes into the spare capacity only.
        buffer.clear();
        buffer.reserve(MAX_DATAGRAM);
        match socket.recv(buffer, libc::MSG_TRUNC) {
            Ok(length) if length > buffer.len() => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "netlink datagram truncated",
                ));
            }
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer)
}
