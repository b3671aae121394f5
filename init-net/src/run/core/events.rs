//! The closed set of what can happen to the core and what it can ask for.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::collections::BTreeSet;

use super::{Doubt, Ending, Hearing, MediaNews, Module, Reply, Request, Source};
use crate::config::platform::Medium;
use crate::config::{Diagnostic, Document};
use crate::proto::Frame;
use crate::proto::tls::Trust;
use crate::run::sample::Sample;
use crate::state::{LinkAt, Observed, Op};
use crate::value::LinkName;

/// What can happen.
#[derive(Debug)]
pub enum Event {
    /// A deadline passed (or nothing did: spurious ticks are harmless).
    Tick,
    /// The kernel said what changed, or that it lost count.
    Changed(Doubt),
    /// A look at these parts of the machine; the others are empty.
    Observed(Box<Observed>, Doubt),
    /// A dump could not be had, and why.
    DumpFailed(String),
    /// The ops of the last [`Effect::Apply`], each with its result.
    Applied(Vec<Outcome>),
    /// What [`Effect::LoadModules`] asked for is there, or cannot be had.
    ModulesLoaded,
    /// A DHCP message (UDP payload) that arrived on a link.
    Dhcp {
        /// Kernel index of the link.
        index: u32,
        /// UDP payload.
        message: Vec<u8>,
    },
    /// A DHCPv6 message (UDP payload) that arrived on a link.
    Dhcp6 {
        /// Kernel index of the link.
        index: u32,
        /// UDP payload.
        message: Vec<u8>,
    },
    /// A router advertisement that arrived on a link.
    Advertisement {
        /// Kernel index of the link.
        index: u32,
        /// The packet from its IPv6 header on, checksum right.
        packet: Vec<u8>,
    },
    /// An ARP message that arrived on a link.
    Arp {
        /// Kernel index of the link.
        index: u32,
        /// Which address it is about.
        address: Ipv4Addr,
        /// What follows the link-layer header.
        message: Vec<u8>,
    },
    /// What was said about shared addresses on a link.
    Vip {
        /// Kernel index of the link.
        index: u32,
        /// Each from its network header on.
        packets: Vec<Vec<u8>>,
    },
    /// Everything that had arrived when [`Effect::DrainVips`] asked for it has been told.
    VipsDrained {
        /// Kernel index of the link.
        index: u32,
    },
    /// In place of that: nothing can be heard on the link, [`Effect::ListenVips`] failed.
    VipsDeaf {
        /// Kernel index of the link.
        index: u32,
    },
    /// The ops of an [`Effect::Hold`], each with its result.
    Held(Vec<Outcome>),
    /// This process is about to end: others are told what they need to go on without it.
    Stop,
    /// Something about a connection that [`Effect::Connect`] asked for.
    Http(HttpEvent),
    /// What [`Effect::ReadTrust`] asked for.
    Trust(Trust),
    /// What the reader of [`Effect::ReadMedia`] says.
    Media(MediaNews),
    /// New documents (reload, `apply`) in place of all old ones, and the sources to fetch for them.
    Documents(Vec<Document>, Vec<Box<dyn Source>>),
    /// A request on the control socket.
    Request {
        /// Which client asks.
        id: u64,
        /// What.
        request: Request,
    },
    /// What [`Effect::Sample`] asked for.
    Sampled {
        /// Which client asks.
        id: u64,
        /// What.
        request: Request,
        /// What was looked at for the answer.
        sample: Box<Sample>,
    },
    /// The client of a watch is gone.
    Gone(u64),
}

/// What can happen to a connection.
#[derive(Debug)]
pub enum HttpEvent {
    /// It is there.
    Connected(u64),
    /// It could not be made: errno.
    Failed(u64, i32),
    /// Bytes arrived.
    Received(u64, Vec<u8>),
    /// The other side is done.
    Closed(u64),
    /// A DNS reply.
    Dns(Vec<u8>),
}

/// One op and what the kernel said to it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was tried.
    pub op: Op,
    /// `Err`: errno and the kernel's own words, if it had any.
    pub result: Result<(), (i32, String)>,
}

/// What the core asks for.
#[derive(Debug)]
pub enum Effect {
    /// Dump at least these parts; answer with [`Event::Observed`].
    Observe(Doubt),
    /// Do these in order; answer with [`Event::Applied`].
    Apply(Vec<Op>),
    /// Load these, as far as they exist; answer with [`Event::ModulesLoaded`].
    LoadModules(BTreeSet<Module>),
    /// Send a DHCP message as a broadcast frame.
    BroadcastDhcp {
        /// Out of which link.
        link: LinkAt,
        /// UDP payload.
        message: Vec<u8>,
    },
    /// Send a DHCP message from a leased address to its server.
    UnicastDhcp {
        /// Out of which link.
        link: LinkAt,
        /// The leased address.
        from: Ipv4Addr,
        /// The server.
        server: Ipv4Addr,
        /// UDP payload.
        message: Vec<u8>,
    },
    /// Listen to router advertisements.
    ListenToRouters {
        /// On which link.
        link: LinkAt,
    },
    /// Send a router solicitation to all routers, and listen to advertisements.
    SolicitRouter {
        /// Out of which link.
        link: LinkAt,
        /// The packet from its IPv6 header on.
        packet: Vec<u8>,
    },
    /// Router discovery of a link has ended: close its socket.
    CloseRouter {
        /// Kernel index of the link.
        index: u32,
    },
    /// Send a DHCPv6 message to all servers, and listen to replies.
    SendDhcp6 {
        /// Out of which link.
        link: LinkAt,
        /// UDP payload.
        message: Vec<u8>,
    },
    /// The DHCPv6 client of a link has ended: close its socket.
    CloseDhcp6 {
        /// Kernel index of the link.
        index: u32,
    },
    /// Send an ARP message as a broadcast frame, and listen for what is said about `address`.
    BroadcastArp {
        /// Out of which link.
        link: LinkAt,
        /// Whose conflicts are looked for.
        address: Ipv4Addr,
        /// What follows the link-layer header.
        message: Vec<u8>,
    },
    /// Listen for what is said about an address that needs no probe any more.
    ListenArp {
        /// On which link.
        link: LinkAt,
        /// Whose conflicts are looked for.
        address: Ipv4Addr,
    },
    /// Conflict detection has ended: stop listening to ARP about the address.
    CloseArp {
        /// Kernel index of the link.
        index: u32,
        /// Which address.
        address: Ipv4Addr,
    },
    /// A renewal has ended: close its socket.
    CloseRenew {
        /// Kernel index of the link.
        index: u32,
    },
    /// The DHCP client of a link has ended: close its sockets.
    CloseClient {
        /// Kernel index of the link.
        index: u32,
    },
    /// Hear what is said about shared addresses on a link, and nothing else; answer with [`Event::Vip`].
    ListenVips {
        /// On which link.
        link: LinkAt,
        /// What.
        hearing: Hearing,
    },
    /// Read all that has arrived on the link; answer with [`Event::Vip`] and then [`Event::VipsDrained`], or with
    /// [`Event::VipsDeaf`].
    DrainVips {
        /// Kernel index of the link.
        index: u32,
    },
    /// Nothing is to be heard of the link any more.
    CloseVips {
        /// Kernel index of the link.
        index: u32,
    },
    /// Send a frame for a shared address.
    SendVip {
        /// Out of which link.
        link: LinkAt,
        /// It.
        frame: Frame,
    },
    /// Send an advertisement to one peer.
    SendVrrp {
        /// Out of which link.
        link: LinkAt,
        /// From which address of this machine.
        from: IpAddr,
        /// The peer.
        to: IpAddr,
        /// Hop limit.
        ttl: u8,
        /// What follows the IP header.
        payload: Vec<u8>,
    },
    /// Put a shared address on its link, or take it away: at once, whatever else is under way; answer with [`Event::Held`].
    Hold(Vec<Op>),
    /// Connect a TCP stream; answer with [`HttpEvent`]s of that id.
    Connect {
        /// Chosen by the core, never reused.
        id: u64,
        /// To where.
        address: SocketAddr,
        /// Out of which link only.
        device: Option<LinkName>,
        /// From a port below 1024: the first one to try.
        low_port: Option<u16>,
    },
    /// Read whom https requests believe; answer with [`Event::Trust`].
    ReadTrust,
    /// Write to a connection.
    Write {
        /// Which.
        id: u64,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Close a connection.
    Close {
        /// Which.
        id: u64,
    },
    /// Send a DNS query over UDP; replies come as [`HttpEvent::Dns`].
    QueryDns {
        /// Which server.
        server: SocketAddr,
        /// The message.
        message: Vec<u8>,
    },
    /// Read these places of the machine, and what appears in them; answer with [`Event::Media`].
    ReadMedia(Vec<Medium>),
    /// Drivers are there now: read again what is new, and say when that is done.
    RereadMedia,
    /// Nobody wants to know more of them.
    CloseMedia,
    /// Documents of a source came. What follows from them comes after this.
    Arrived,
    /// The change that waited for its confirmation has ended by itself, for who keeps the sources.
    ChangeEnded(Ending),
    /// A line for the log.
    Log(log::Level, String),
    /// A fault in the sources, for the log and the report.
    Diagnostic(Diagnostic),
    /// Look at what is looked at for answers only; answer with [`Event::Sampled`].
    Sample {
        /// Which client asks.
        id: u64,
        /// What.
        request: Request,
        /// About which kind of resource.
        kind: &'static str,
    },
    /// A line for a client that watches, behind those that it has not read yet.
    Push {
        /// Which client.
        id: u64,
        /// What.
        reply: Reply,
    },
    /// An answer for a control client.
    Reply {
        /// Which client.
        id: u64,
        /// What.
        reply: Reply,
    },
}
