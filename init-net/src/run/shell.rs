//! The shell: one poll(2) loop. Turns readiness into events for the core and performs the effects it asks for.
//!
//! No decision is made here: what is tried, when, and what a failure means is the core's.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;

use super::connections::{self, Connections};
use super::control::Control;
use super::core::{Core, Doubt, Effect, Event, Reply, Request};
use super::kernel::Kernel;
use super::modules::Loader;
use super::observe;
use super::rtnetlink::Monitor;
use super::sockets::{self, Sockets};
use crate::sys;
use crate::sys::poll::{Interest, poll};
use crate::sys::timer::Timer;
use crate::value::Instant;
use crate::wire::event::Bell;

/// The core and everything it acts through.
pub struct Shell {
    /// Who decides.
    pub core: Core,
    kernel: Kernel,
    monitor: Monitor,
    timer: Timer,
    sockets: Sockets,
    connections: Connections,
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
    Socket(sockets::Ready),
    Connection(connections::Ready),
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
            timer: Timer::open()?,
            sockets: Sockets::default(),
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
            self.sockets
                .interests()
                .map(|(interest, ready)| (interest, Ready::Socket(ready))),
        );
        watched.extend(
            self.connections
                .interests()
                .map(|(interest, ready)| (interest, Ready::Connection(ready))),
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
                    self.queue.push_back(Event::Changed(bell.into()));
                }
            }
            Ready::Timer => {
                self.queue.push_back(Event::Tick);
            }
            Ready::Socket(ready) => self.sockets.take(ready, &mut self.queue),
            Ready::Connection(ready) => {
                let mut events = VecDeque::new();
                self.connections.take(ready, &mut events);
                self.queue.extend(events.into_iter().map(Event::Http));
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
            Effect::BroadcastDhcp { link, message } => self.sockets.broadcast_dhcp(&link, &message),
            Effect::UnicastDhcp {
                link,
                from,
                server,
                message,
            } => self.sockets.unicast_dhcp(&link, from, server, &message),
            Effect::ListenToRouters { link } => self.sockets.listen_to_routers(&link),
            Effect::SolicitRouter { link, packet } => self.sockets.solicit_router(&link, &packet),
            Effect::SendDhcp6 { link, message } => self.sockets.send_dhcp6(&link, &message),
            Effect::BroadcastArp {
                link,
                address,
                message,
            } => self.sockets.broadcast_arp(&link, address, &message),
            Effect::CloseArp { index, address } => self.sockets.close_arp(index, address),
            Effect::CloseRenew { index } => self.sockets.close_renew(index),
            Effect::CloseClient { index } => self.sockets.close_dhcp(index),
            Effect::CloseRouter { index } => self.sockets.close_router(index),
            Effect::CloseDhcp6 { index } => self.sockets.close_dhcp6(index),
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
        doubt |= self.listen_to_bell().into();
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
}
