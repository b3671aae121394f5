//! The shell: one poll(2) loop. Turns readiness into events for the core and performs the effects it asks for.
//!
//! No decision is made here: what is tried, when, and what a failure means is the core's.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsFd as _;

use super::control::Control;
use super::core::{Core, Effect, Event, HttpEvent};
use super::observe;
use super::rtnetlink::{Monitor, Rtnetlink};
use crate::proto::dhcp4::frame;
use crate::state::LinkAt;
use crate::sys;
use crate::sys::packet::{PacketSocket, Protocol};
use crate::sys::poll::{Interest, poll};
use crate::sys::timer::Timer;
use crate::value::{Instant, Mac};
use crate::wire::event::Bell;

/// Longest datagram that is taken, bytes: an Ethernet frame; DHCP messages are at most 1,500.
const MAX_DATAGRAM: usize = 2048;

/// Bytes of a connection read at once.
const READ_SIZE: usize = 16 << 10;

/// Datagrams of one socket in one turn: a flood must not keep the loop from its timers.
const MAX_DRAIN: usize = 64;

/// The core and everything it acts through.
pub struct Shell {
    /// Who decides.
    pub core: Core,
    rtnetlink: Rtnetlink,
    monitor: Monitor,
    timer: Timer,
    /// A socket a link while its DHCP client runs: opened once, closed late (closing waits for an RCU grace period).
    dhcp: BTreeMap<u32, PacketSocket>,
    /// For unicast renewals: the kernel finds the neighbour, and answers are not refused with ICMP.
    renew: BTreeMap<u32, UdpSocket>,
    arp: BTreeMap<u32, PacketSocket>,
    tcp: BTreeMap<u64, Connection>,
    dns: Option<UdpSocket>,
    control: Option<Control>,
    queue: VecDeque<Event>,
}

/// A TCP stream, and whether it stands yet.
struct Connection {
    stream: TcpStream,
    connecting: bool,
}

/// Which descriptor of the loop is ready.
#[derive(Clone, Copy)]
enum Ready {
    Monitor,
    Timer,
    Dhcp(u32),
    Renew(u32),
    Arp(u32),
    Tcp(u64),
    Dns,
    Control,
    Extra,
}

impl Shell {
    /// Opens netlink: subscribes before the first dump.
    pub fn new(core: Core) -> io::Result<Self> {
        Ok(Self {
            core,
            monitor: Monitor::open()?,
            rtnetlink: Rtnetlink::open()?,
            timer: Timer::open()?,
            dhcp: BTreeMap::new(),
            renew: BTreeMap::new(),
            arp: BTreeMap::new(),
            tcp: BTreeMap::new(),
            dns: None,
            control: None,
            queue: VecDeque::from([Event::Tick]),
        })
    }

    /// Takes requests from `control` from now on.
    pub fn listen(&mut self, control: Control) {
        self.control = Some(control);
    }

    /// Something happened outside the loop.
    pub fn push(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    /// Gives the core every waiting event and performs what it asks for, until nothing is left to do now.
    pub fn pump(&mut self) {
        while let Some(event) = self.queue.pop_front() {
            let effects = self.core.step(event, sys::clock::now());
            for effect in effects {
                self.perform(effect);
            }
        }
    }

    /// Sleeps until something is ready or `until` (or the core's own deadline) has come; `extra` are more
    /// descriptors to watch. Answers whether one of them is ready.
    pub fn wait(&mut self, until: Option<Instant>, extra: &[Interest<'_>]) -> io::Result<bool> {
        let deadline = crate::value::earliest([until, self.core.deadline()]);
        self.timer.set(deadline)?;
        let mut watched: Vec<(Interest<'_>, Ready)> = vec![
            (Interest::read(self.monitor.as_fd()), Ready::Monitor),
            (Interest::read(self.timer.as_fd()), Ready::Timer),
        ];
        watched.extend(
            self.dhcp
                .iter()
                .map(|(index, s)| (Interest::read(s.as_fd()), Ready::Dhcp(*index))),
        );
        watched.extend(
            self.renew
                .iter()
                .map(|(index, s)| (Interest::read(s.as_fd()), Ready::Renew(*index))),
        );
        watched.extend(
            self.arp
                .iter()
                .map(|(index, s)| (Interest::read(s.as_fd()), Ready::Arp(*index))),
        );
        watched.extend(self.tcp.iter().map(|(id, connection)| {
            let fd = connection.stream.as_fd();
            let interest = if connection.connecting {
                Interest::write(fd)
            } else {
                Interest::read(fd)
            };
            (interest, Ready::Tcp(*id))
        }));
        watched.extend(
            self.dns
                .iter()
                .map(|socket| (Interest::read(socket.as_fd()), Ready::Dns)),
        );
        watched.extend(
            self.control
                .iter()
                .flat_map(Control::fds)
                .map(|fd| (Interest::read(fd), Ready::Control)),
        );
        watched.extend(extra.iter().map(|interest| (*interest, Ready::Extra)));
        let interests: Vec<Interest<'_>> = watched.iter().map(|(interest, _)| *interest).collect();
        let answers = poll(&interests, None)?;
        let ready: Vec<Ready> = watched
            .iter()
            .zip(answers)
            .filter(|(_, answer)| answer.readable || answer.writable)
            .map(|((_, ready), _)| *ready)
            .collect();
        let mut extra_ready = false;
        for ready in ready {
            match ready {
                Ready::Extra => extra_ready = true,
                other => self.take(other),
            }
        }
        Ok(extra_ready)
    }
}

impl Shell {
    /// Reads what is ready into the queue.
    fn take(&mut self, ready: Ready) {
        match ready {
            Ready::Monitor => {
                let mut bell = Bell::default();
                if let Err(error) = self.monitor.drain(&mut bell) {
                    log::warn!("netlink notices: {error}");
                }
                if bell.rings() {
                    self.queue.push_back(Event::Changed);
                }
            }
            Ready::Timer => {
                self.queue.push_back(Event::Tick);
            }
            Ready::Dhcp(index) => self.take_dhcp(index),
            Ready::Renew(index) => self.take_renew(index),
            Ready::Arp(index) => self.take_arp(index),
            Ready::Tcp(id) => self.take_tcp(id),
            Ready::Dns => self.take_dns(),
            Ready::Control => {
                let requests = self
                    .control
                    .as_mut()
                    .map(Control::drain)
                    .unwrap_or_default();
                for (id, request) in requests {
                    match request {
                        Ok(request) => self.queue.push_back(Event::Request { id, request }),
                        Err(error) => self.perform(Effect::Reply {
                            id,
                            reply: super::core::Reply::Error(error),
                        }),
                    }
                }
            }
            Ready::Extra => {}
        }
    }

    fn take_dhcp(&mut self, index: u32) {
        let Some(socket) = self.dhcp.get(&index) else {
            return;
        };
        let mut buffer = [0; MAX_DATAGRAM];
        for _ in 0..MAX_DRAIN {
            match socket.receive(&mut buffer) {
                Ok(packet) => {
                    let bytes = buffer.get(..packet.length).unwrap_or_default();
                    match frame::udp_payload(bytes, packet.checksum_ready) {
                        Ok(message) => self.queue.push_back(Event::Dhcp {
                            index,
                            message: message.to_vec(),
                        }),
                        Err(reject) => log::debug!("dhcp4: frame dropped: {reject:?}"),
                    }
                }
                // Nothing more, or ENETDOWN once after the link went down: the socket lives on.
                Err(_) => break,
            }
        }
    }

    fn take_renew(&mut self, index: u32) {
        let Some(socket) = self.renew.get(&index) else {
            return;
        };
        let mut buffer = [0; MAX_DATAGRAM];
        for _ in 0..MAX_DRAIN {
            match socket.recv(&mut buffer) {
                // The packet socket hears the same answer while it is open; the machine takes the first.
                Ok(count) => {
                    let message = buffer.get(..count).unwrap_or_default().to_vec();
                    self.queue.push_back(Event::Dhcp { index, message });
                }
                Err(_) => break,
            }
        }
    }

    fn take_arp(&mut self, index: u32) {
        let Some(socket) = self.arp.get(&index) else {
            return;
        };
        let mut buffer = [0; MAX_DATAGRAM];
        for _ in 0..MAX_DRAIN {
            match socket.receive(&mut buffer) {
                Ok(packet) => {
                    let message = buffer.get(..packet.length).unwrap_or_default().to_vec();
                    self.queue.push_back(Event::Arp { index, message });
                }
                Err(_) => break,
            }
        }
    }

    fn take_tcp(&mut self, id: u64) {
        let Some(connection) = self.tcp.get_mut(&id) else {
            return;
        };
        if connection.connecting {
            let event = match sys::tcp::outcome(&connection.stream) {
                Ok(()) => HttpEvent::Connected(id),
                Err(error) => HttpEvent::Failed(id, error.raw_os_error().unwrap_or(libc::EIO)),
            };
            connection.connecting = false;
            self.queue.push_back(Event::Http(event));
            return;
        }
        let mut buffer = [0; READ_SIZE];
        for _ in 0..MAX_DRAIN {
            let event = match connection.stream.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => HttpEvent::Closed(id),
                Ok(count) => {
                    HttpEvent::Received(id, buffer.get(..count).unwrap_or_default().to_vec())
                }
            };
            let closed = matches!(event, HttpEvent::Closed(_));
            self.queue.push_back(Event::Http(event));
            if closed {
                self.tcp.remove(&id);
                break;
            }
        }
    }

    fn take_dns(&mut self) {
        let Some(socket) = &self.dns else { return };
        let mut buffer = [0; MAX_DATAGRAM];
        for _ in 0..MAX_DRAIN {
            match socket.recv(&mut buffer) {
                Ok(count) => {
                    let message = buffer.get(..count).unwrap_or_default().to_vec();
                    self.queue.push_back(Event::Http(HttpEvent::Dns(message)));
                }
                Err(_) => break,
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Observe => self.observe(),
            Effect::Apply(ops) => {
                let outcomes = super::apply::apply(&mut self.rtnetlink, ops);
                self.queue.push_back(Event::Applied(outcomes));
            }
            Effect::BroadcastDhcp { link, message } => {
                let packet = frame::ip_udp(
                    Ipv4Addr::UNSPECIFIED,
                    Ipv4Addr::BROADCAST,
                    frame::CLIENT_PORT,
                    frame::SERVER_PORT,
                    &message,
                );
                let sent = self
                    .dhcp_socket(&link)
                    .and_then(|socket| socket.send(&packet, &Mac::BROADCAST));
                report_send("dhcp4", &link, sent);
            }
            Effect::UnicastDhcp {
                link,
                from,
                server,
                message,
            } => {
                let sent = self
                    .renew_socket(&link, from)
                    .and_then(|socket| socket.send_to(&message, (server, frame::SERVER_PORT)))
                    .map(drop);
                report_send("dhcp4", &link, sent);
            }
            Effect::BroadcastArp { link, message } => {
                let sent = self
                    .arp_socket(&link)
                    .and_then(|socket| socket.send(&message, &Mac::BROADCAST));
                report_send("arp", &link, sent);
            }
            Effect::CloseArp { index } => {
                self.arp.remove(&index);
            }
            Effect::CloseRenew { index } => {
                self.renew.remove(&index);
            }
            Effect::CloseClient { index } => {
                self.dhcp.remove(&index);
                self.renew.remove(&index);
                self.arp.remove(&index);
            }
            Effect::Connect {
                id,
                address,
                device,
            } => match sys::tcp::connect(address, device.as_ref()) {
                Ok(stream) => {
                    self.tcp.insert(
                        id,
                        Connection {
                            stream,
                            connecting: true,
                        },
                    );
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(libc::EIO);
                    self.queue
                        .push_back(Event::Http(HttpEvent::Failed(id, errno)));
                }
            },
            Effect::Write { id, bytes } => {
                // Requests are far smaller than a send buffer: a write that would block is a broken connection.
                if let Some(connection) = self.tcp.get_mut(&id)
                    && let Err(error) = connection.stream.write_all(&bytes)
                {
                    log::debug!("http: {error}");
                    self.tcp.remove(&id);
                    self.queue.push_back(Event::Http(HttpEvent::Closed(id)));
                }
            }
            Effect::Close { id } => {
                self.tcp.remove(&id);
            }
            Effect::QueryDns { server, message } => {
                if self.dns.is_none() {
                    let any = if server.is_ipv4() {
                        Ipv4Addr::UNSPECIFIED.into()
                    } else {
                        Ipv6Addr::UNSPECIFIED.into()
                    };
                    self.dns = sys::udp::bind(SocketAddr::new(any, 0), None).ok();
                }
                if let Some(Err(error)) = self
                    .dns
                    .as_ref()
                    .map(|socket| socket.send_to(&message, server))
                {
                    log::debug!("dns: {server}: {error}");
                }
            }
            Effect::Log(level, text) => log::log!(level, "{text}"),
            Effect::Diagnostic(diagnostic) => super::log_diagnostic(&diagnostic),
            Effect::Reply { id, reply } => {
                if let Some(control) = &mut self.control {
                    control.reply(id, &reply);
                }
            }
        }
    }

    fn observe(&mut self) {
        let files: Vec<_> = self.core.desired().files.keys().cloned().collect();
        match observe::observe(&mut self.rtnetlink, files, sys::clock::now()) {
            Ok(observed) => self.queue.push_back(Event::Observed(observed)),
            Err(error) => {
                log::error!("dump: {error}");
                self.queue.push_back(Event::DumpFailed);
            }
        }
    }

    fn dhcp_socket(&mut self, link: &LinkAt) -> io::Result<&PacketSocket> {
        if !self.dhcp.contains_key(&link.index) {
            let socket = PacketSocket::open(link.index, Protocol::Ip, &frame::FILTER)?;
            self.dhcp.insert(link.index, socket);
        }
        self.dhcp
            .get(&link.index)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn renew_socket(&mut self, link: &LinkAt, from: Ipv4Addr) -> io::Result<&UdpSocket> {
        if !self.renew.contains_key(&link.index) {
            let socket = sys::udp::bind((from, frame::CLIENT_PORT).into(), Some(&link.name))?;
            self.renew.insert(link.index, socket);
        }
        self.renew
            .get(&link.index)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn arp_socket(&mut self, link: &LinkAt) -> io::Result<&PacketSocket> {
        if !self.arp.contains_key(&link.index) {
            let socket = PacketSocket::open(link.index, Protocol::Arp, &[])?;
            self.arp.insert(link.index, socket);
        }
        self.arp
            .get(&link.index)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A message that could not be sent is sent again by its machine's timer: worth a word, not an event.
fn report_send(what: &str, link: &LinkAt, sent: io::Result<()>) {
    if let Err(error) = sent {
        log::debug!("{what}/{}: send: {error}", link.name);
    }
}
