//! AF_PACKET: frames of one protocol on one link, before it has an address.

use core::mem::{offset_of, size_of};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socket2::{Domain, SockFilter, Socket, Type};

use crate::value::Mac;

/// ETH_P_*, include/uapi/linux/if_ether.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// IPv4.
    Ip = 0x0800,
    /// ARP.
    Arp = 0x0806,
    /// IPv6.
    Ipv6 = 0x86dd,
    /// ETH_P_ALL: all of them, before the firewall sees them.
    All = 0x0003,
}

/// PACKET_OTHERHOST and PACKET_OUTGOING, include/uapi/linux/if_packet.h. The latter are what this machine sends; only
/// [`Protocol::All`] meets them.
const OTHER_HOST: u32 = 3;
const OUTGOING: u32 = 4;

/// SKF_AD_OFF + SKF_AD_PKTTYPE, include/uapi/linux/filter.h: where classic BPF finds for whom a packet is.
const PACKET_TYPE: u32 = 0xffff_f000 + 4;
/// SKF_AD_OFF + SKF_AD_IFINDEX: the link that it came in by, of a VLAN the VLAN.
const LINK_INDEX: u32 = 0xffff_f000 + 8;
/// SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT: whether it still has a tag.
const TAGGED: u32 = 0xffff_f000 + 48;
/// SKF_AD_OFF + SKF_AD_VLAN_TAG: that tag, and the VLAN in it (IEEE 802.1Q §9.6); 0 is none, but a priority.
const TAG: u32 = 0xffff_f000 + 44;
const VLAN: u32 = 0x0fff;

/// TP_STATUS_CSUMNOTREADY, include/uapi/linux/if_packet.h.
const CHECKSUM_NOT_READY: u32 = 1 << 3;

/// `struct sockaddr_ll` with room for the 20 bytes of an InfiniBand address; the kernel takes the longer form.
#[repr(C)]
struct LinkAddress {
    base: libc::sockaddr_ll,
    room: [u8; Mac::MAX_LEN],
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes in the buffer. A frame longer than the buffer is cut.
    pub length: usize,
    /// Who sent it.
    pub source: Option<Mac>,
    /// Whether checksums in it are there yet. Frames of a peer on the same machine (veth, virtio) come without: the
    /// card that would fill them in is never passed.
    pub checksum_ready: bool,
}

/// A socket for one protocol on one link: packets start at the network header, the kernel makes the link header.
///
/// Open it once and close it late: closing waits 8 to 16 ms for a grace period of the kernel (RCU).
pub struct PacketSocket {
    socket: Socket,
    link_index: u32,
    protocol: Protocol,
}

impl PacketSocket {
    /// Receives what `filter` (classic BPF: code, jt, jf, k; not empty) lets through, of what is for this link and this
    /// machine: the kernel hands frames of a VLAN to the sockets of the link below as well, without their tag, and those of
    /// a VLAN that is not here as those of another host; sockets for [`Protocol::All`] get either before anybody has looked at
    /// the tag (`__netif_receive_skb_core`, net/core/dev.c). The link should be up: binding to one that is down leaves ENETDOWN
    /// for the first send.
    ///
    /// The order matters twice: created with protocol 0 it receives nothing, so no packet slips in before the filter; and
    /// binding then costs microseconds, where re-binding a live socket waits for RCU.
    pub fn open(
        link_index: u32,
        protocol: Protocol,
        filter: &[(u16, u8, u8, u32)],
    ) -> io::Result<Self> {
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::PACKET, kind, Some(socket2::Protocol::from(0)))?;
        let filter: Vec<SockFilter> = ours(link_index)
            .iter()
            .chain(filter)
            .map(|(code, jt, jf, k)| SockFilter::new(*code, *jt, *jf, *k))
            .collect();
        socket.attach_filter(&filter)?;
        let this = Self {
            socket,
            link_index,
            protocol,
        };
        let on: libc::c_int = 1;
        // SAFETY: `on` is an int, lives through the call, and the length is its size.
        check(unsafe {
            libc::setsockopt(
                this.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_AUXDATA,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        })?;
        let address = this.address(protocol, None);
        // SAFETY: `address` lives through the call and the length is that of its `sockaddr_ll` part.
        check(unsafe {
            libc::bind(
                this.socket.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        })?;
        Ok(this)
    }

    fn address(&self, protocol: Protocol, to: Option<&Mac>) -> LinkAddress {
        // SAFETY: both structs are plain integers, for which all zeros is a value.
        let mut address: LinkAddress = unsafe { core::mem::zeroed() };
        address.base.sll_family = libc::AF_PACKET as u16;
        address.base.sll_protocol = (protocol as u16).to_be();
        address.base.sll_ifindex = self.link_index as i32;
        if let Some(to) = to {
            let bytes = to.as_bytes();
            address.base.sll_halen = bytes.len() as u8;
            let (short, long) = bytes.split_at(bytes.len().min(address.base.sll_addr.len()));
            address.base.sll_addr[..short.len()].copy_from_slice(short);
            address.room[..long.len()].copy_from_slice(long);
        }
        address
    }

    /// Sends `packet`, from its network header on, to the hardware address `to`.
    pub fn send(&self, packet: &[u8], to: &Mac) -> io::Result<()> {
        self.send_as(self.protocol, packet, to)
    }

    /// Sends a packet of `protocol`, where the socket takes all of them.
    pub fn send_as(&self, protocol: Protocol, packet: &[u8], to: &Mac) -> io::Result<()> {
        let address = self.address(protocol, Some(to));
        let used = offset_of!(libc::sockaddr_ll, sll_addr) + to.as_bytes().len();
        let length = used.max(size_of::<libc::sockaddr_ll>());
        // SAFETY: `packet` and `address` live through the call; `length` is at most the size of `address`, since a Mac
        // has at most MAX_LEN bytes and `room` follows `sll_addr` without a gap (checked below).
        check(unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                0,
                (&raw const address).cast(),
                length as libc::socklen_t,
            )
        })
        .map(drop)
    }

    /// Packets of this socket leave before others that wait for the link (SO_PRIORITY, the most that needs no rights).
    pub fn hurry(&self) -> io::Result<()> {
        let interactive: libc::c_int = 6;
        // SAFETY: an int that lives through the call, and the length is its size.
        check(unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PRIORITY,
                (&raw const interactive).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        })
        .map(drop)
    }

    /// The next packet, from its network header on. `WouldBlock`: none now.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        // SAFETY: plain integers and pointers, for which all zeros is a value.
        let mut from: LinkAddress = unsafe { core::mem::zeroed() };
        let mut control = [0u64; 16];
        let mut vector = libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        // SAFETY: as for `from`.
        let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
        message.msg_name = (&raw mut from).cast();
        message.msg_namelen = size_of::<LinkAddress>() as libc::socklen_t;
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        // SAFETY: every pointer in `message` is to a local or to `buffer`, with its true length.
        let length = check(unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, 0) })?;
        let hardware = [&from.base.sll_addr[..], &from.room[..]].concat();
        Ok(Received {
            length: length.min(buffer.len()),
            source: hardware
                .get(..from.base.sll_halen.into())
                .and_then(Mac::from_bytes),
            // SAFETY: `message` was filled by recvmsg, and `control`, which it points to, is still there.
            checksum_ready: unsafe { status(&message) } & CHECKSUM_NOT_READY == 0,
        })
    }
}

/// What comes before every filter; jumps are relative, so that it can stand before any.
fn ours(link_index: u32) -> [(u16, u8, u8, u32); 11] {
    [
        (0x20, 0, 0, LINK_INDEX),  // A = link
        (0x15, 0, 8, link_index),  // another one: drop
        (0x20, 0, 0, TAGGED),      // A = whether there is a tag
        (0x15, 3, 0, 0),           // none: on to for whom it is
        (0x20, 0, 0, TAG),         // A = tag
        (0x54, 0, 0, VLAN),        // A = VLAN
        (0x15, 0, 3, 0),           // one of a VLAN: drop
        (0x20, 0, 0, PACKET_TYPE), // A = for whom
        (0x15, 1, 0, OTHER_HOST),  // for another host: drop
        (0x15, 0, 1, OUTGOING),    // not from here: on to the filter
        (0x06, 0, 0, 0),           // drop
    ]
}

const _: () = assert!(offset_of!(LinkAddress, room) == offset_of!(libc::sockaddr_ll, sll_addr) + 8);

/// `tp_status` of the PACKET_AUXDATA control message, 0 without one.
///
/// # Safety
///
/// `message` comes from a successful recvmsg, and its control buffer is alive.
unsafe fn status(message: &libc::msghdr) -> u32 {
    // SAFETY: the control buffer is valid for `msg_controllen` bytes, and CMSG_FIRSTHDR checks that a header fits.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: null, or a whole header inside the control buffer, which is aligned for it.
    let Some(fields) = (unsafe { header.as_ref() }) else {
        return 0;
    };
    // A socklen_t with musl.
    #[allow(clippy::unnecessary_cast)]
    let found = fields.cmsg_len as usize;
    let needed = size_of::<libc::cmsghdr>() + size_of::<libc::tpacket_auxdata>();
    if fields.cmsg_level != libc::SOL_PACKET
        || fields.cmsg_type != libc::PACKET_AUXDATA
        || found < needed
    {
        return 0;
    }
    // SAFETY: the header says that a whole `tpacket_auxdata` follows it; it is read without assuming an alignment.
    unsafe {
        libc::CMSG_DATA(header)
            .cast::<libc::tpacket_auxdata>()
            .read_unaligned()
    }
    .tp_status
}

fn check<T: TryInto<usize>>(returned: T) -> io::Result<usize> {
    // Negative: the error is in errno.
    returned.try_into().map_err(|_| io::Error::last_os_error())
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
