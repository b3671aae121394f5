//! When the kernel says that something is configured.

use std::io;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;

use nix::sys::socket::AddressFamily;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::NetlinkAddr;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockProtocol;
use nix::sys::socket::SockType;
use nix::sys::socket::bind;
use nix::sys::socket::recv;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt;
use nix::time::ClockId;
use nix::time::clock_gettime;

/// RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE (linux/rtnetlink.h).
const GROUPS: u32 = 0x10 | 0x40;
/// More than any contestant makes the kernel say.
const BUFFER: usize = 4 << 20;

const NEWADDR: u16 = 20;
const NEWROUTE: u16 = 24;

/// CLOCK_MONOTONIC, ns.
pub fn now() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("the clock is there");
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

/// What a notification said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Notice {
    /// A global IPv4 address.
    Address,
    /// A unicast IPv4 default route.
    DefaultRoute,
}

/// May be subscribed to IPv4 addresses and routes of the network namespace it was made in.
#[derive(Debug)]
pub struct Notices {
    pub socket: OwnedFd,
}

impl Notices {
    pub fn new(subscribed: bool) -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkRoute,
        )?;
        let groups = if subscribed { GROUPS } else { 0 };
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self { socket })
    }

    /// What has arrived, without waiting.
    pub fn read(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut buffer = [0u8; 16 * 1024];
        while let Ok(length @ 1..) = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            parse(&buffer[..length], &mut notices);
        }
        notices
    }
}

fn parse(mut bytes: &[u8], notices: &mut Vec<Notice>) {
    while bytes.len() >= 16 {
        let length = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        let Some(body) = bytes.get(16..length) else {
            return;
        };
        match (kind, body) {
            // ifaddrmsg: family, prefix length, flags, scope (0: global).
            (NEWADDR, [2, _, _, 0, ..]) => notices.push(Notice::Address),
            // rtmsg: family, destination length, source length, tos, table, protocol, scope, type (1: unicast).
            (NEWROUTE, [2, 0, _, _, _, _, _, 1, ..]) => notices.push(Notice::DefaultRoute),
            _ => {}
        }
        // Messages are padded to four bytes.
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}
