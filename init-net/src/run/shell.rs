//! The shell: one poll(2) loop. Turns readiness into events for the core and performs the effects it asks for.
//!
//! No decision is made here: what is tried, when, and what a failure means is the core's.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use super::bells::{Bells, Ring};
use super::connections::{self, Connections};
use super::control::Control;
use super::core::{Core, Doubt, Effect, Ending, Event, Reply, Request};
use super::kernel::Kernel;
use super::media::Media;
use super::modules::Loader;
use super::observe;
use super::rtnetlink::Monitor;
use super::sample::Sample;
use super::slots::Slots;
use super::sockets::{self, Sockets};
use super::vip_sockets::VipSockets;
use crate::sys;
use crate::sys::memory::Program;
use crate::sys::poll::{Interest, poll, poll_at_rest};
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
    vips: VipSockets,
    connections: Connections,
    /// What rings beside rtnetlink, for who stays.
    bells: Option<Bells>,
    /// The child that loads what [`Effect::LoadModules`] asked for.
    loader: Option<Loader>,
    control: Option<Control>,
    /// Where the configs that worked are kept.
    pub slots: Option<Slots>,
    /// Who reads the media, where the stage may: later the root may be another, and rights are few.
    media: Media,
    queue: VecDeque<Event>,
    /// What is to become of the sources, for who keeps them.
    changes: VecDeque<SourceEvent>,
    /// Requests to become another program, for who is the process.
    upgrades: VecDeque<(u64, Option<PathBuf>)>,
    program: Program,
    /// The next wait will be long: see [`Self::rest`].
    resting: bool,
}

/// Something about the sources as a whole.
#[derive(Debug)]
pub enum SourceEvent {
    /// A client wants others; it wants a reply.
    Request(u64, Request),
    /// A change that was to be confirmed has ended.
    Ended(Ending),
}

/// Which descriptor of the loop is ready.
#[derive(Clone, Copy)]
enum Ready {
    Monitor,
    Timer,
    Socket(sockets::Ready),
    Vips(u32),
    Connection(connections::Ready),
    Bell(Ring),
    Loader,
    Media,
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
            sockets: Sockets::default(),
            vips: VipSockets::default(),
            connections: Connections::default(),
            control: None,
            slots: None,
            media: Media::default(),
            queue: VecDeque::from([Event::Tick]),
            changes: VecDeque::new(),
            upgrades: VecDeque::new(),
            program: Program::find(),
            resting: false,
        })
    }

    /// Takes requests from `control` from now on.
    pub fn listen(&mut self, control: Control) {
        self.control = Some(control);
    }

    /// The control socket, if there is one.
    pub fn control(&mut self) -> Option<&mut Control> {
        self.control.as_mut()
    }

    /// Nothing is expected for a while: the next wait holds no more memory than it needs.
    pub fn rest(&mut self) {
        self.kernel.nft.rest();
        sys::memory::trim_heap();
        self.resting = true;
    }

    /// The next request to become another program; it wants a reply.
    pub fn next_upgrade(&mut self) -> Option<(u64, Option<PathBuf>)> {
        self.upgrades.pop_front()
    }

    /// From now on listens to everything that can undo what is declared, not only to rtnetlink.
    pub fn guard(&mut self) {
        self.bells = Some(Bells::default());
        // Without it they wake us, and are told apart here.
        if let Err(error) = self.monitor.ignore_foreign_routes() {
            log::warn!("rtnetlink: filter of notifications: {error}");
        }
    }

    /// From now on listens to the firewall as well, in a boot.
    pub fn guard_firewall(&mut self) {
        self.bells = Some(Bells::of_firewall());
    }

    /// From now on disks and other places of the machine are read for who wants them.
    pub fn read_media(&mut self) {
        self.media = Media::Allowed;
    }

    /// What is next to become of the sources.
    pub fn next_change(&mut self) -> Option<SourceEvent> {
        self.changes.pop_front()
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
        self.core.set_wall(sys::clock::wall());
        loop {
            while let Some(event) = self.queue.pop_front() {
                let effects = self.core.step(event, sys::clock::now());
                for effect in effects {
                    self.perform(effect);
                }
                let gone = self.control.iter_mut().flat_map(Control::gone);
                self.queue.extend(gone.map(Event::Gone));
            }
            // What is wanted now may be more than what is listened to: then there is something to look at.
            let followed = self
                .bells
                .as_mut()
                .map(|bells| bells.follow(self.core.desired(), self.core.last_observed()));
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
        self.sockets.close();
        self.vips.close_late();
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
        let control = self.control.as_ref().and_then(Control::deadline);
        let deadline = crate::value::earliest([until, self.core.deadline(), control]);
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
            self.vips
                .interests()
                .map(|(interest, index)| (interest, Ready::Vips(index))),
        );
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
            self.media
                .interest()
                .map(|interest| (interest, Ready::Media)),
        );
        watched.extend(
            self.loader
                .iter()
                .map(|loader| (loader.interest(), Ready::Loader)),
        );
        watched.extend(
            self.control
                .iter()
                .flat_map(Control::interests)
                .map(|interest| (interest, Ready::Control)),
        );
        watched.extend(extra.iter().map(|interest| (*interest, Ready::Extra)));
        let interests: Vec<Interest<'_>> = watched.iter().map(|(interest, _)| *interest).collect();
        let answers = if std::mem::take(&mut self.resting) {
            poll_at_rest(&interests, &self.program)
        } else {
            poll(&interests, None)
        }?;
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
            Ready::Socket(ready) => self.sockets.take(ready, &mut self.queue),
            Ready::Vips(index) => self.vips.take(index, &mut self.queue),
            Ready::Connection(ready) => {
                let mut events = VecDeque::new();
                self.connections.take(ready, &mut events);
                self.queue.extend(events.into_iter().map(Event::Http));
            }
            Ready::Bell(ring) => {
                let rang = self
                    .bells
                    .as_mut()
                    .map(|bells| bells.take(ring, self.kernel.nft.port()));
                match rang.unwrap_or(Ok(None)) {
                    Ok(doubt) => self.queue.extend(doubt.map(Event::Changed)),
                    Err(error) => log::warn!("notices: {error}"),
                }
            }
            Ready::Media => {
                let news = self.media.take();
                self.queue.extend(news.into_iter().map(Event::Media));
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
                let gone = self.control.iter_mut().flat_map(Control::gone);
                self.queue.extend(gone.map(Event::Gone));
                for (id, request) in requests {
                    match request {
                        Ok(
                            request
                            @ (Request::Apply { .. } | Request::Confirm | Request::Rollback),
                        ) => self.changes.push_back(SourceEvent::Request(id, request)),
                        Ok(Request::Upgrade { binary }) => self.upgrades.push_back((id, binary)),
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
            Effect::ListenArp { link, address } => self.sockets.listen_to_arp(&link, address),
            Effect::CloseArp { index, address } => self.sockets.close_arp(index, address),
            Effect::CloseRenew { index } => self.sockets.close_renew(index),
            Effect::CloseClient { index } => self.sockets.close_dhcp(index),
            Effect::CloseRouter { index } => self.sockets.close_router(index),
            Effect::CloseDhcp6 { index } => self.sockets.close_dhcp6(index),
            Effect::ListenVips { link, hearing } => self.vips.listen(&link, hearing),
            Effect::DrainVips { index } => {
                self.vips.drain(index, &mut self.queue);
            }
            Effect::CloseVips { index } => self.vips.close(index),
            Effect::SendVip { link, frame } => self.vips.send(&link, &frame),
            Effect::SendVrrp {
                link,
                from,
                to,
                ttl,
                payload,
            } => self.vips.send_to_peer(&link, from, to, ttl, &payload),
            Effect::Hold(ops) => {
                let outcomes = super::apply::apply(&mut self.kernel, ops);
                self.queue.push_back(Event::Held(outcomes));
            }
            Effect::Connect {
                id,
                address,
                device,
                low_port,
            } => {
                let mut events = VecDeque::new();
                self.connections
                    .connect(id, address, device.as_ref(), low_port, &mut events);
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
            Effect::ReadTrust => self.queue.extend(super::trust::read().map(Event::Trust)),
            Effect::ReadMedia(media) => {
                let ended = self.media.start(media);
                self.queue.extend(ended.map(Event::Media));
            }
            Effect::RereadMedia => self.media.rescan(),
            Effect::CloseMedia => self.media.close(),
            // Before requests that came meanwhile: they find the sources as the end of the change leaves them.
            Effect::ChangeEnded(ending) => self.changes.push_front(SourceEvent::Ended(ending)),
            Effect::Arrived => {
                if let Some(slots) = &mut self.slots {
                    slots.arrived(self.core.fetched());
                    self.core.set_config_note(slots.note());
                }
            }
            Effect::Log(level, text) => log::log!(level, "{text}"),
            Effect::Diagnostic(diagnostic) => super::log_diagnostic(&diagnostic),
            Effect::Sample { id, request, kind } => self.sample(id, request, kind),
            Effect::Push { id, reply } => {
                if let Some(control) = &mut self.control {
                    control.push(id, &reply);
                }
            }
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
                self.queue.push_back(Event::DumpFailed(error.to_string()));
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
        if doubt.has(Doubt::FIREWALL)
            && let Err(error) = bells.listen_to_firewall(desired, self.core.last_observed())
        {
            failed.push((Doubt::FIREWALL, format!("nf_tables: {error}")));
        }
        for (part, error) in failed {
            self.deaf_to(part, &error);
        }
    }

    /// Looks at what a request is about and nothing else.
    fn sample(&mut self, id: u64, request: Request, kind: &'static str) {
        let observed = self.core.last_observed();
        let sample = observed.map(|observed| {
            Sample::take(&mut self.kernel, kind, &observed.links, sys::clock::now())
        });
        self.queue.push_back(Event::Sampled {
            id,
            request,
            sample: Box::new(sample.unwrap_or_default()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Rng;

    #[test]
    fn a_change_that_has_ended_is_dealt_with_before_a_request() {
        let now = sys::clock::now();
        let core = Core::new(Vec::new(), Default::default(), Rng::new(1), now);
        let mut shell = Shell::new(core).unwrap();
        let request = SourceEvent::Request(1, Request::Rollback);
        shell.changes.push_back(request);
        shell.perform(Effect::ChangeEnded(Ending::Confirmed));
        assert!(matches!(
            shell.next_change(),
            Some(SourceEvent::Ended(Ending::Confirmed))
        ));
        assert!(matches!(
            shell.next_change(),
            Some(SourceEvent::Request(1, Request::Rollback))
        ));
    }
}
