//! The end of a cable in raw: a packet socket for every frame of an interface.

#![allow(unsafe_code)]

use std::io;
use std::io::IoSliceMut;
use std::mem::size_of;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::time::Duration;
use std::time::SystemTime;

use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::ControlMessageOwned;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::RecvMsg;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockProtocol;
use nix::sys::socket::SockType;
use nix::sys::socket::recv;
use nix::sys::socket::recvmsg;
use nix::sys::socket::send;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt;

use crate::Deadline;
use crate::Namespace;
use crate::Result;
use crate::clock;
use crate::error::Context;

/// Room for the largest frame that the kernel puts together, and the virtio header before it, bytes.
pub(crate) const MAX_FRAME: usize = 65_536 + 64;

/// Frames that wait to be read, bytes with the kernel's own: tens of thousands of small ones.
const BUFFER: usize = 64 << 20;

/// What a socket sees and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Frames that this host sends out at the interface as well.
    pub outgoing: bool,
    /// Each frame behind a virtio header, which keeps what the kernel has put off (checksums, cutting into segments) put off
    /// on the other side as well.
    pub header: bool,
    /// The kernel writes down when each one came.
    pub times: bool,
}

/// A packet socket for every frame that comes in at one interface, whoever it is for. It never blocks.
#[derive(Debug)]
pub(crate) struct End {
    socket: OwnedFd,
}

impl End {
    /// At an interface of `namespace`.
    ///
    /// # Errors
    /// The interface is missing, or the kernel refuses.
    pub(crate) fn open(namespace: &Namespace, interface: &str, options: Options) -> Result<Self> {
        let socket = namespace.enter(|| open(interface, options))?;
        Ok(Self {
            socket: socket.context(interface)?,
        })
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// The interface does not take it: it is down, or full.
    pub(crate) fn send(&self, frame: &[u8]) -> nix::Result<()> {
        send(self.socket.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT).map(drop)
    }

    /// Takes the next frame that waits; `None`: there is none.
    pub(crate) fn take<'a>(&self, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        loop {
            match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => return buffer.get(..length),
                // The interface went down since: told once.
                Err(Errno::ENETDOWN | Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }

    /// [`End::take`] with the time at which the kernel got the frame; [`Options::times`] must be set.
    pub(crate) fn take_at<'a>(&self, buffer: &'a mut [u8]) -> Option<(&'a [u8], SystemTime)> {
        let mut room = nix::cmsg_space!(libc::timespec);
        loop {
            let mut parts = [IoSliceMut::new(buffer)];
            let message = recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut room),
                MsgFlags::MSG_DONTWAIT,
            );
            let (length, time) = match message {
                Ok(message) => (message.bytes, arrival(&message)),
                Err(Errno::ENETDOWN | Errno::EINTR) => continue,
                Err(_) => return None,
            };
            let time = time.unwrap_or_else(clock::wall);
            return Some((buffer.get(..length)?, time));
        }
    }

    /// Waits until a frame waits; false: none came.
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        loop {
            let Some(left) = deadline.remaining() else {
                return false;
            };
            let left = left.min(Duration::from_secs(1));
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let mut waiting = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            if matches!(poll(&mut waiting, timeout), Ok(ready) if ready > 0) {
                return true;
            }
        }
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
impl From<OwnedFd> for End {
    fn from(socket: OwnedFd) -> Self {
        Self { socket }
    }
}

/// When the kernel got a message, by its wall clock.
fn arrival(message: &RecvMsg<'_, '_, ()>) -> Option<SystemTime> {
    message.cmsgs().ok()?.find_map(|part| match part {
        ControlMessageOwned::ScmTimestampns(time) => {
            Some(SystemTime::UNIX_EPOCH + Duration::from(time))
        }
        _ => None,
    })
}

fn open(interface: &str, options: Options) -> io::Result<OwnedFd> {
    let index = nix::net::if_::if_nametoindex(interface)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let none: Option<SockProtocol> = None;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, none)?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &options.times)?;
    let options = [
        (libc::PACKET_VNET_HDR, options.header),
        (libc::PACKET_IGNORE_OUTGOING, !options.outgoing),
    ];
    for (option, on) in options {
        let on = libc::c_int::from(on);
        // SAFETY: `on` is an int, lives through the call, and the length is its size.
        check(unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                option,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        })?;
    }
    let membership = libc::packet_mreq {
        mr_ifindex: index as libc::c_int,
        mr_type: libc::PACKET_MR_PROMISC as libc::c_ushort,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    // SAFETY: `membership` lives through the call and the length is its size.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_ADD_MEMBERSHIP,
            (&raw const membership).cast(),
            size_of::<libc::packet_mreq>() as libc::socklen_t,
        )
    })?;
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::c_ushort,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: index as libc::c_int,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: `address` lives through the call and the length is its size.
    check(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    })?;
    Ok(socket)
}

fn check(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
