//! The shell: one poll(2) loop. Turns readiness into events for the core and performs the effects it asks for.
//!
//! No decision is made here: what is tried, when, and what a failure means is the core's.

use core::net::Ipv4Addr;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;

use super::bells::{Bells, Ring};
use super::connections::{self, Connections};
use super::control::Control;
use super::core::{Core, Doubt, Effect, Event, Reply, Request};
use super::kernel::Kernel;
use super::modules::Loader;
use super::observe;
use super::rtnetlink::Monitor;
use crate::proto::acd;
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

/// Datagrams of one socket in one turn: a flood must not keep the loop from its timers.
const MAX_DRAIN: usize = 64;

/// The core and everything it acts through.
pub struct Shell {
    /// Who decides.
    pub core: Core,
    kernel: Kernel,
    monitor: Monitor,
    timer: Timer,
    /// A socket a link while its DHCP client runs: opened once, closed late (closing waits for an RCU grace period).
    dhcp: BTreeMap<u32, PacketSocket>,
    /// For unicast renewals: the kernel finds the neighbour, and answers are not refused with ICMP.
    renew: BTreeMap<u32, UdpSocket>,
    arp: BTreeMap<(u32, Ipv4Addr), PacketSocket>,
    /// Sockets that nobody needs: closed when nothing else is left to do, for that waits 8 to 16 ms.
    closing: Vec<PacketSocket>,
    connections: Connections,
    /// What rings beside rtnetlink, for who stays.
    bells: Option<Bells>,
    /// The child that loads what [`Effect::LoadModules`] asked for.
    loader: Option<Loader>,
    control: Option<Control>,
    queue: VecDeque<Event>,
    /// Requests to take other sources, for who keeps them.
    applies: VecDeque<(u64, Request)>,
}

/// Which descriptor of the loop is ready.
#[derive(Clone, Copy)]
enum Ready {
    Monitor,
    Timer,
    Dhcp(u32),
    Renew(u32),
    Arp(u32, Ipv4Addr),
    Connection(connections::Ready),
    Bell(Ring),
    Loader,
    Control,
    Extra,
}

impl Shell {
    /// Opens netlink: subscribes before the first dump.
    pub fn new(core: Core) -> io::Result<Self> {
        Ok(Self {
            core,
            monitor: Monitor::open()?,
            kernel: Kernel::open()?,
            loader: None,
            bells: None,
            timer: Timer::open()?,
            dhcp: BTreeMap::new(),
            renew: BTreeMap::new(),
            arp: BTreeMap::new(),
            closing: Vec::new(),
            connections: Connections::default(),
            control: None,
            queue: VecDeque::from([Event::Tick]),
            applies: VecDeque::new(),
        })
    }

    /// Takes requests from `control` from now on.
    pub fn listen(&mut self, control: Control) {
        self.control = Some(control);
    }

    /// From now on listens to everything that can undo what is declared, not only to rtnetlink.
    pub fn guard(&mut self) {
        self.bells = Some(Bells::default());
    }

    /// The next request to take other sources; it wants a reply.
    pub fn next_apply(&mut self) -> Option<(u64, Request)> {
        self.applies.pop_front()
    }

    /// Answers a request.
    pub fn reply(&mut self, id: u64, reply: Reply) {
        self.perform(Effect::Reply { id, reply });
    }

    /// Something happened outside the loop.
    pub fn push(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    /// Gives the core every waiting event and performs what it asks for, until nothing is left to do now.
    pub fn pump(&mut self) {
        loop {
            while let Some(event) = self.queue.pop_front() {
                let effects = self.core.step(event, sys::clock::now());
                for effect in effects {
                    self.perform(effect);
                }
            }
            // What is wanted now may be more than what is listened to: then there is something to look at.
            let followed = self
                .bells
                .as_mut()
                .map(|bells| bells.follow(self.core.desired()));
            match followed {
                Some(Ok(doubt)) if doubt != Doubt::default() => {
                    self.queue.push_back(Event::Changed(doubt));
                }
                Some(Err(error)) => {
                    self.deaf_to(Doubt::FILES, &error);
                    break;
                }
                _ => break,
            }
        }
        self.closing.clear();
    }

    /// Changes of `part` will not be heard of.
    fn deaf_to(&mut self, part: Doubt, error: &dyn std::fmt::Display) {
        if self.core.unheard(part) {
            log::warn!("not told of changes, so looking now and then: {error}");
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
        watched.extend(self.arp.iter().map(|((index, address), s)| {
            (Interest::read(s.as_fd()), Ready::Arp(*index, *address))
        }));
        watched.extend(
            self.connections
                .interests()
                .map(|(interest, ready)| (interest, Ready::Connection(ready))),
        );
        watched.extend(
            self.bells
                .iter()
                .flat_map(Bells::interests)
                .map(|(interest, ring)| (interest, Ready::Bell(ring))),
        );
        watched.extend(
            self.loader
                .iter()
                .map(|loader| (loader.interest(), Ready::Loader)),
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
                let bell = self.listen_to_bell();
                if bell.rings() {
                    let doubt = self.core.doubt(&bell);
                    self.queue.push_back(Event::Changed(doubt));
                }
            }
            Ready::Timer => {
                self.queue.push_back(Event::Tick);
            }
            Ready::Dhcp(index) => self.take_dhcp(index),
            Ready::Renew(index) => self.take_renew(index),
            Ready::Arp(index, address) => self.take_arp(index, address),
            Ready::Connection(ready) => {
                let mut events = VecDeque::new();
                self.connections.take(ready, &mut events);
                self.queue.extend(events.into_iter().map(Event::Http));
            }
            Ready::Bell(ring) => {
                let rang = self.bells.as_mut().map(|bells| bells.take(ring));
                match rang.unwrap_or(Ok(None)) {
                    Ok(doubt) => self.queue.extend(doubt.map(Event::Changed)),
                    Err(error) => log::warn!("notices: {error}"),
                }
            }
            // Nothing is ever written: it has ended.
            Ready::Loader => {
                self.loader = None;
                self.queue.push_back(Event::ModulesLoaded);
            }
            Ready::Control => {
                let requests = self
                    .control
                    .as_mut()
                    .map(Control::drain)
                    .unwrap_or_default();
                for (id, request) in requests {
                    match request {
                        Ok(request @ Request::Apply { .. }) => {
                            self.applies.push_back((id, request))
                        }
                        Ok(request) => self.queue.push_back(Event::Request { id, request }),
                        Err(error) => self.perform(Effect::Reply {
                            id,
                            reply: Reply::Error(error),
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

    fn take_arp(&mut self, index: u32, address: Ipv4Addr) {
        let Some(socket) = self.arp.get(&(index, address)) else {
            return;
        };
        let mut buffer = [0; MAX_DATAGRAM];
        for _ in 0..MAX_DRAIN {
            match socket.receive(&mut buffer) {
                Ok(packet) => {
                    let message = buffer.get(..packet.length).unwrap_or_default().to_vec();
                    self.queue.push_back(Event::Arp {
                        index,
                        address,
                        message,
                    });
                }
                Err(_) => break,
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Observe(doubt) => self.observe(doubt),
            Effect::Apply(ops) => {
                let outcomes = super::apply::apply(&mut self.kernel, ops);
                self.queue.push_back(Event::Applied(outcomes));
            }
            Effect::LoadModules(modules) => {
                self.loader = Loader::start(&modules);
                if self.loader.is_none() {
                    self.queue.push_back(Event::ModulesLoaded);
                }
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
                // A NAK comes as a broadcast even to a renewal (RFC 2131 §4.3.2), which the renewal's own socket does
                // not hear.
                if let Err(error) = self.dhcp_socket(&link) {
                    log::debug!("dhcp4/{}: listen: {error}", link.name);
                }
                let sent = self
                    .renew_socket(&link, from)
                    .and_then(|socket| socket.send_to(&message, (server, frame::SERVER_PORT)))
                    .map(drop);
                report_send("dhcp4", &link, sent);
            }
            Effect::BroadcastArp {
                link,
                address,
                message,
            } => {
                let sent = self
                    .arp_socket(&link, address)
                    .and_then(|socket| socket.send(&message, &Mac::BROADCAST));
                report_send("arp", &link, sent);
            }
            Effect::ListenArp { link, address } => {
                if let Err(error) = self.arp_socket(&link, address) {
                    log::debug!("arp/{}: listen: {error}", link.name);
                }
            }
            Effect::CloseArp { index, address } => {
                self.closing.extend(self.arp.remove(&(index, address)));
            }
            Effect::CloseRenew { index } => {
                self.renew.remove(&index);
            }
            Effect::CloseClient { index } => {
                self.closing.extend(self.dhcp.remove(&index));
                self.renew.remove(&index);
            }
            Effect::Connect {
                id,
                address,
                device,
            } => {
                let mut events = VecDeque::new();
                self.connections
                    .connect(id, address, device.as_ref(), &mut events);
                self.queue.extend(events.into_iter().map(Event::Http));
            }
            Effect::Write { id, bytes } => {
                let mut events = VecDeque::new();
                self.connections.write(id, &bytes, &mut events);
                self.queue.extend(events.into_iter().map(Event::Http));
            }
            Effect::Close { id } => self.connections.close(id),
            Effect::QueryDns { server, message } => {
                if let Err(error) = self.connections.query(server, &message) {
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

    /// What has rung by now.
    fn listen_to_bell(&mut self) -> Bell {
        let mut bell = Bell::default();
        if let Err(error) = self.monitor.drain(&mut bell) {
            log::warn!("netlink notices: {error}");
        }
        bell
    }

    fn observe(&mut self, mut doubt: Doubt) {
        // What has rung before the dump, mostly for the ops just done, is seen by it: no second one for that.
        let bell = self.listen_to_bell();
        doubt |= self.core.doubt(&bell);
        self.listen_before(doubt);
        let desired = self.core.desired();
        let known = self.core.last_observed().map(|observed| &observed.links);
        let now = sys::clock::now();
        match observe::observe(&mut self.kernel, doubt, known, desired, now) {
            Ok(observed) => self
                .queue
                .push_back(Event::Observed(Box::new(observed), doubt)),
            Err(error) => {
                log::error!("dump: {error}");
                self.queue.push_back(Event::DumpFailed);
            }
        }
    }

    /// Listens to what is about to be looked at, so that nothing is missed between the look and the next.
    fn listen_before(&mut self, doubt: Doubt) {
        let Some(bells) = &mut self.bells else {
            return;
        };
        let desired = self.core.desired();
        let mut failed: Vec<(Doubt, String)> = Vec::new();
        if doubt.has(Doubt::FILES)
            && let Err(error) = bells.listen_to_files()
        {
            failed.push((Doubt::FILES, format!("files: {error}")));
        }
        if doubt.has(Doubt::SETTINGS) {
            if let Err(error) = bells.listen_to_parameters(desired) {
                failed.push((Doubt::SETTINGS, format!("parameters: {error}")));
            }
            let observed = self.core.last_observed();
            let generic = &mut self.kernel.generic;
            if let Err(error) = bells.listen_to_cards(desired, observed, generic) {
                failed.push((Doubt::SETTINGS, format!("cards: {error}")));
            }
        }
        for (part, error) in failed {
            self.deaf_to(part, &error);
        }
    }

    fn dhcp_socket(&mut self, link: &LinkAt) -> io::Result<&PacketSocket> {
        open_once(&mut self.dhcp, link.index, || {
            PacketSocket::open(link.index, Protocol::Ip, &frame::FILTER)
        })
    }

    fn renew_socket(&mut self, link: &LinkAt, from: Ipv4Addr) -> io::Result<&UdpSocket> {
        let local = (from, frame::CLIENT_PORT).into();
        open_once(&mut self.renew, link.index, || {
            sys::udp::bind(local, Some(&link.name))
        })
    }

    fn arp_socket(&mut self, link: &LinkAt, address: Ipv4Addr) -> io::Result<&PacketSocket> {
        open_once(&mut self.arp, (link.index, address), || {
            PacketSocket::open(link.index, Protocol::Arp, &acd::filter(address))
        })
    }
}

/// The socket of `key`, opened when there is none.
fn open_once<K: Ord, S>(
    sockets: &mut BTreeMap<K, S>,
    key: K,
    open: impl FnOnce() -> io::Result<S>,
) -> io::Result<&S> {
    match sockets.entry(key) {
        Entry::Occupied(socket) => Ok(socket.into_mut()),
        Entry::Vacant(slot) => Ok(slot.insert(open()?)),
    }
}

/// A message that could not be sent is sent again by its machine's timer: worth a word, not an event.
fn report_send(what: &str, link: &LinkAt, sent: io::Result<()>) {
    if let Err(error) = sent {
        log::debug!("{what}/{}: send: {error}", link.name);
    }
}
