//! The core on a virtual clock, against a model of a kernel and of a DHCP server: whole boots in microseconds.

mod backoff;
mod change;
mod conflicts;
mod firewall;
mod ipv6;
mod leases;
mod probes;
mod record;
mod vips;

use core::net::SocketAddr;
use std::collections::{BTreeSet, VecDeque};

use super::{
    Core, Doubt, Effect, Ending, Event, Fetched, HttpEvent, MediaNews, Outcome, Reply, Request,
    SavedLeases, Verdict,
};
use crate::config::cmdline;
use crate::plan::{Slots, forecast};
use crate::proto::tls::Trust;
use crate::state::{
    AddressOp, AddressStatus, Family, LinkStatus, OUR_PROTOCOL, Observed, Op, RouteStatus, iff,
};
use crate::value::{Duration, Instant, Rng, earliest};

const START: Instant = Instant::from_secs(5);

/// Steps of one run: more means that core and kernel keep each other busy for ever.
const MAX_STEPS: usize = 20_000;

/// What the model server does with a message.
#[derive(Clone, Copy, PartialEq)]
enum Server {
    Silent,
    Grants,
    Refuses,
}

/// What a connection meets.
#[derive(Clone, Copy)]
enum Peer {
    Silent,
    Refuses,
    Accepts,
    /// Accepts, and answers every request with this.
    Answers(&'static str),
}

/// A machine with its core.
struct Machine {
    core: Core,
    now: Instant,
    kernel: Observed,
    /// Links with a cable in them, by index.
    cables: BTreeSet<u32>,
    server: Server,
    /// Ops whose text holds this fail.
    refused: Option<&'static str>,
    /// With this.
    errno: i32,
    /// So does a firewall with this in its text.
    refused_rule: Option<&'static str>,
    /// Modules that are asked for never come.
    loads: bool,
    /// So many changes of the firewall come too late: somebody else changed rules before.
    late: u32,
    /// What somebody else does after each of our changes.
    rival: Option<fn(&mut Observed)>,
    /// Every op that was done or refused, with its time since the start in milliseconds.
    done: Vec<(u64, String)>,
    /// What was looked at.
    looks: Vec<Doubt>,
    /// Kinds (option 53) of the DHCP messages sent.
    sent: Vec<u8>,
    /// What a router answers to solicitations.
    router: Option<Vec<u8>>,
    /// Solicitations sent.
    solicited: usize,
    /// Links on which advertisements are heard.
    listened: BTreeSet<u32>,
    /// Types of the DHCPv6 messages sent; a server answers all of them.
    sent6: Vec<u8>,
    log: Vec<String>,
    replies: Vec<Reply>,
    /// Connections asked for, with their time since the start in milliseconds.
    connected: Vec<(u64, SocketAddr)>,
    /// Whom names were asked of.
    queried: Vec<SocketAddr>,
    /// How often it was asked whom to trust.
    trust_read: usize,
    /// What they meet.
    peer: Peer,
    /// Connections that are open, or being opened.
    open: BTreeSet<u64>,
    /// Links on which shared addresses are heard of.
    ears: BTreeSet<u32>,
    /// Nothing is.
    deaf: bool,
    /// What was sent for shared addresses, with the time since the start in milliseconds.
    vips: Vec<(u64, vips::Said)>,
    /// How changes ended, with the time since the start in milliseconds.
    endings: Vec<(u64, Ending)>,
    /// What watchers were told.
    pushed: Vec<(u64, Reply)>,
    queue: VecDeque<Event>,
}

fn card(index: u32, name: &str) -> LinkStatus {
    LinkStatus {
        hardware_addr: Some(format!("52:54:00:00:00:{index:02x}").parse().unwrap()),
        ..LinkStatus::new(index, name.parse().unwrap())
    }
}

impl Machine {
    /// Two cards, `eth0` (2) and `eth1` (3), both down; a cable in the first.
    fn new(line: &str) -> Self {
        let (document, _) = cmdline::parse(line, "test");
        let documents = vec![document];
        let mut core = Core::new(
            documents.clone(),
            SavedLeases::default(),
            Rng::new(1),
            START,
        );
        for source in crate::run::remote::sources(&documents) {
            core.fetch(source);
        }
        let cards = [card(2, "eth0"), card(3, "eth1")];
        Self {
            core,
            now: START,
            kernel: Observed {
                links: cards.map(|card| (card.index, card)).into(),
                generation: Some(1),
                ..Observed::default()
            },
            cables: BTreeSet::from([2]),
            server: Server::Silent,
            refused: None,
            errno: libc::EINVAL,
            refused_rule: None,
            loads: true,
            late: 0,
            rival: None,
            done: Vec::new(),
            looks: Vec::new(),
            sent: Vec::new(),
            router: None,
            solicited: 0,
            listened: BTreeSet::new(),
            sent6: Vec::new(),
            log: Vec::new(),
            replies: Vec::new(),
            connected: Vec::new(),
            queried: Vec::new(),
            trust_read: 0,
            peer: Peer::Silent,
            open: BTreeSet::new(),
            ears: BTreeSet::new(),
            deaf: false,
            vips: Vec::new(),
            endings: Vec::new(),
            pushed: Vec::new(),
            queue: VecDeque::from([Event::Tick]),
        }
    }

    fn with(mut self, server: Server) -> Self {
        self.server = server;
        self
    }

    /// Lets `secs` seconds pass.
    fn run(&mut self, secs: u64) {
        let end = self.now + Duration::from_secs(secs);
        self.run_until(end, |_| false);
    }

    /// The reason and the time, in milliseconds, at which the boot hands off.
    #[track_caller]
    fn boot(&mut self) -> (&'static str, u64) {
        let end = START + Duration::from_secs(600);
        self.run_until(end, |core| core.1 != Verdict::Wait);
        match self.core.verdict(self.now) {
            Verdict::HandOff { reason } => (reason, self.elapsed()),
            Verdict::Wait => panic!("waits for ever: {:?}", self.core.readiness()),
        }
    }

    fn elapsed(&self) -> u64 {
        self.now.saturating_since(START).as_millis() as u64
    }

    fn run_until(&mut self, end: Instant, done: impl Fn((&Core, Verdict)) -> bool) {
        for _ in 0..MAX_STEPS {
            let mut left = MAX_STEPS;
            while let Some(event) = self.queue.pop_front() {
                left = left.checked_sub(1).expect("it comes to rest");
                for effect in self.core.step(event, self.now) {
                    self.perform(effect);
                }
            }
            if done((&self.core, self.core.verdict(self.now))) {
                return;
            }
            let verdict = self.core.verdict_deadline(self.now);
            let next = earliest([self.core.deadline(), verdict, Some(end)]).unwrap();
            if next >= end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            self.queue.push_back(Event::Tick);
        }
        panic!("more than {MAX_STEPS} steps: {:?}", self.done.last());
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::LoadModules(_) if !self.loads => {}
            Effect::LoadModules(_) => self.queue.push_back(Event::ModulesLoaded),
            Effect::Observe(doubt) => {
                let is_look = |event: &Event| matches!(event, Event::Observed(..));
                assert!(!self.queue.iter().any(is_look), "two looks at a time");
                let (now, kernel) = (self.now, &mut self.kernel);
                kernel.at = now;
                kernel
                    .addresses
                    .retain(|a| a.valid_until.is_none_or(|until| until > now));
                // Nothing but what is asked for.
                let mut look = self.kernel.clone();
                doubt.complete(&mut look, Observed::default());
                if !doubt.has(Doubt::FOREIGN_ROUTES) {
                    look.routes.retain(|route| route.protocol == OUR_PROTOCOL);
                } else if !doubt.has(Doubt::ALL_ROUTES) {
                    let slots = Slots::of(self.core.desired());
                    look.routes.retain(|route| slots.concern(route));
                }
                self.looks.push(doubt);
                self.queue.push_back(Event::Observed(Box::new(look), doubt));
            }
            Effect::Apply(ops) => {
                let outcomes = ops.into_iter().map(|op| self.apply(op)).collect();
                if let Some(rival) = self.rival {
                    rival(&mut self.kernel);
                }
                self.queue.push_back(Event::Applied(outcomes));
            }
            Effect::BroadcastDhcp { link, message } | Effect::UnicastDhcp { link, message, .. } => {
                let reply = self.serve(link.index, &message);
                self.queue.extend(reply);
            }
            Effect::ListenToRouters { link } => {
                self.listened.insert(link.index);
            }
            Effect::SolicitRouter { link, .. } => {
                self.solicited += 1;
                let index = link.index;
                let answer = self.router.clone();
                self.queue
                    .extend(answer.map(|packet| Event::Advertisement { index, packet }));
            }
            Effect::SendDhcp6 { link, message } => {
                self.sent6.push(message[0]);
                let index = link.index;
                let reply = ipv6::serve6(&message);
                self.queue
                    .extend(reply.map(|message| Event::Dhcp6 { index, message }));
            }
            Effect::Log(_, text) => self.log.push(text),
            Effect::Diagnostic(diagnostic) => self.log.push(diagnostic.to_string()),
            Effect::Reply { reply, .. } => self.replies.push(reply),
            Effect::Push { id, reply } => self.pushed.push((id, reply)),
            Effect::Sample { id, request, .. } => self.queue.push_back(Event::Sampled {
                id,
                request,
                sample: Box::default(),
            }),
            Effect::Connect { id, address, .. } => {
                self.connected.push((self.elapsed(), address));
                self.open.insert(id);
                let event = match self.peer {
                    Peer::Silent => return,
                    Peer::Refuses => {
                        self.open.remove(&id);
                        HttpEvent::Failed(id, libc::ECONNREFUSED)
                    }
                    Peer::Accepts | Peer::Answers(_) => HttpEvent::Connected(id),
                };
                self.queue.push_back(Event::Http(event));
            }
            Effect::Write { id, bytes } => {
                // A request, or the first record of a handshake.
                let known = bytes.starts_with(b"GET /") || bytes.starts_with(&[22, 3]);
                assert!(known || bytes.starts_with(&[21, 3]), "{bytes:?}");
                if let Peer::Answers(text) = self.peer {
                    let event = HttpEvent::Received(id, text.into());
                    self.queue.push_back(Event::Http(event));
                }
            }
            Effect::Close { id } => {
                self.open.remove(&id);
            }
            Effect::ReadTrust => {
                self.trust_read += 1;
                let (trust, _) = Trust::new([]).unwrap();
                self.queue.push_back(Event::Trust(trust));
            }
            Effect::ChangeEnded(ending) => self.endings.push((self.elapsed(), ending)),
            Effect::QueryDns { server, .. } => self.queried.push(server),
            Effect::ListenVips { link, .. } => {
                self.ears.insert(link.index);
            }
            Effect::CloseVips { index } => {
                self.ears.remove(&index);
            }
            Effect::DrainVips { index } => {
                assert!(self.ears.contains(&index), "nothing is heard of {index}");
                self.queue.push_back(match self.deaf {
                    true => Event::VipsDeaf { index },
                    false => Event::VipsDrained { index },
                });
            }
            Effect::SendVip { link, frame } => {
                self.vips
                    .push((self.elapsed(), vips::Said::Frame(link.index, frame)));
            }
            Effect::SendVrrp { to, payload, .. } => {
                self.vips
                    .push((self.elapsed(), vips::Said::Unicast(to, payload)));
            }
            Effect::Hold(ops) => {
                let outcomes = ops.into_iter().map(|op| self.apply(op)).collect();
                self.queue.push_back(Event::Held(outcomes));
            }
            Effect::Arrived
            | Effect::ReadMedia(_)
            | Effect::RereadMedia
            | Effect::CloseMedia
            | Effect::BroadcastArp { .. }
            | Effect::ListenArp { .. }
            | Effect::CloseArp { .. }
            | Effect::CloseRenew { .. }
            | Effect::CloseClient { .. }
            | Effect::CloseRouter { .. }
            | Effect::CloseDhcp6 { .. } => {}
        }
    }

    fn apply(&mut self, op: Op) -> Outcome {
        self.done.push((self.elapsed(), op.to_string()));
        let firewall = matches!(op, Op::Firewall(_));
        let in_rule = |text| firewall && format!("{op:#}").contains(text);
        if self
            .refused
            .is_some_and(|text| op.to_string().contains(text))
            || self.refused_rule.is_some_and(in_rule)
        {
            let result = Err((self.errno, "refused".to_owned()));
            return Outcome { op, result };
        }
        if let Op::Firewall(change) = &op
            && change.generation.is_some()
            && self.late > 0
        {
            self.late -= 1;
            let result = Err((libc::ERESTART, "late".to_owned()));
            return Outcome { op, result };
        }
        if let Op::RouteAdd(route) = &op
            && self.kernel.routes.iter().any(|r| r.dst == route.dst)
        {
            let result = Err((libc::EEXIST, "File exists".to_owned()));
            return Outcome { op, result };
        }
        self.change(&op);
        Outcome { op, result: Ok(()) }
    }

    /// What the kernel does, as far as these tests look.
    fn change(&mut self, op: &Op) {
        let kernel = &mut self.kernel;
        match op {
            Op::LinkSetUp { link, up } => {
                let lower = if self.cables.contains(&link.index) {
                    iff::LOWER_UP
                } else {
                    0
                };
                let flags = if *up { iff::UP | lower } else { 0 };
                kernel.links.get_mut(&link.index).unwrap().flags = flags;
            }
            Op::AddressReplace(AddressOp {
                link,
                address,
                broadcast,
                scope,
                priority,
                valid_secs,
                no_prefix_route,
                ..
            }) => {
                let same = |a: &AddressStatus| a.link_index == link.index && a.address == *address;
                kernel.addresses.retain(|a| !same(a));
                let until = |secs: u32| self.now + Duration::from_secs(secs.into());
                kernel.addresses.push(AddressStatus {
                    address: *address,
                    peer: None,
                    broadcast: *broadcast,
                    link_index: link.index,
                    link_name: link.name.clone(),
                    family: Family::of(address.address()),
                    scope: *scope,
                    flags: match no_prefix_route {
                        true => AddressStatus::NOPREFIXROUTE,
                        false => 0,
                    },
                    priority: priority.unwrap_or(0),
                    protocol: OUR_PROTOCOL,
                    valid_until: valid_secs.map(until),
                    preferred_until: valid_secs.map(until),
                });
            }
            Op::AddressDel { link, address, .. } => kernel
                .addresses
                .retain(|a| a.link_index != link.index || a.address != *address),
            Op::RouteAdd(route) | Op::RouteReplace(route) => {
                let link = route.link.as_ref().unwrap();
                kernel.routes.retain(|r| r.dst != route.dst);
                kernel.routes.push(RouteStatus {
                    family: route.family,
                    dst: route.dst,
                    src: route.src,
                    gateway: route.gateway,
                    out_link_index: link.index,
                    out_link_name: Some(link.name.clone()),
                    table: route.table,
                    priority: route.priority,
                    scope: route.scope,
                    kind: route.kind,
                    protocol: OUR_PROTOCOL,
                    flags: 0,
                    mtu: None,
                    metrics: route.metrics.clone(),
                    next_hops: Vec::new(),
                });
            }
            Op::RouteDel(route) => kernel
                .routes
                .retain(|r| r.dst != route.dst || r.gateway != route.gateway),
            Op::Firewall(_) => forecast::change(kernel, op).unwrap(),
            Op::SetHostname { name } => kernel.hostname = Some(name.clone()),
            Op::WriteFile(file) => {
                kernel.files.insert(file.path.clone(), file.content.clone());
            }
            Op::LinkSetMac { link, mac } => {
                kernel.links.get_mut(&link.index).unwrap().hardware_addr = Some(*mac);
            }
            Op::LinkRename { .. } | Op::LinkSetMtu { .. } => {}
            other => panic!("no boot of this file plans {other}"),
        }
    }

    /// The server's answer, by hand (RFC 2131 §2): `10.0.0.<index>` for 100 s, router and DNS server 10.0.0.254.
    fn serve(&mut self, index: u32, message: &[u8]) -> Option<Event> {
        let kind = option_53(message);
        self.sent.push(kind);
        let answer = match (kind, self.server) {
            (1, Server::Grants) => 2,
            (3, Server::Grants) => 5,
            (3, Server::Refuses) => 6,
            _ => return None,
        };
        let mut reply = message[..240].to_vec();
        reply[0] = 2;
        let mut options = vec![53, 1, answer, 54, 4, 10, 0, 0, 254];
        if answer != 6 {
            reply[16..20].copy_from_slice(&[10, 0, 0, index as u8]);
            options.extend([51, 4, 0, 0, 0, 100, 1, 4, 255, 255, 255, 0]);
            options.extend([3, 4, 10, 0, 0, 254, 6, 4, 10, 0, 0, 254]);
        }
        reply.extend(options);
        reply.push(255);
        Some(Event::Dhcp {
            index,
            message: reply,
        })
    }

    /// Puts the cable into a link, or takes it out.
    fn cable(&mut self, index: u32, plugged: bool) {
        let link = self.kernel.links.get_mut(&index).unwrap();
        if plugged {
            self.cables.insert(index);
            if link.is_up() {
                link.flags |= iff::LOWER_UP;
            }
        } else {
            self.cables.remove(&index);
            link.flags &= !iff::LOWER_UP;
        }
        self.queue.push_back(Event::Changed(Doubt::LINKS));
    }

    fn addresses(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .kernel
            .addresses
            .iter()
            .map(|a| format!("{}/{}", a.link_name, a.address))
            .collect();
        all.sort();
        all
    }

    fn gateways(&self) -> Vec<String> {
        let defaults = self.kernel.routes.iter().filter(|r| r.dst.is_none());
        defaults.map(|r| r.gateway.unwrap().to_string()).collect()
    }

    /// How often an op that holds `text` was tried.
    fn tried(&self, text: &str) -> usize {
        self.done.iter().filter(|(_, op)| op.contains(text)).count()
    }
}

fn option_53(message: &[u8]) -> u8 {
    let mut rest = &message[240..];
    while let [code, tail @ ..] = rest {
        match (code, tail) {
            (0, _) => rest = tail,
            (53, [_, kind, ..]) => return *kind,
            (_, [length, value @ ..]) => rest = &value[usize::from(*length)..],
            _ => break,
        }
    }
    panic!("a DHCP message without its type");
}

#[track_caller]
fn check_boot(machine: &mut Machine, reason: &str, millis: u64) {
    let (why, when) = machine.boot();
    assert_eq!(
        (why, when),
        (reason, millis),
        "{:?}",
        machine.core.readiness()
    );
}

const STATIC: &str = "ip=10.9.0.2::10.9.0.1:24:node1:eth0:none";

#[test]
fn a_static_boot_takes_no_time() {
    let mut machine = Machine::new(STATIC);
    check_boot(&mut machine, "ready", 0);
    assert_eq!(machine.addresses(), ["eth0/10.9.0.2/24"]);
    assert_eq!(machine.gateways(), ["10.9.0.1"]);
    assert_eq!(machine.kernel.hostname.as_deref(), Some("node1"));
    assert!(machine.sent.is_empty());
    // Whatever time passes, nothing is left to do.
    let done = machine.done.len();
    machine.run(3600);
    machine.queue.push_back(Event::Changed(Doubt::EVERYTHING));
    machine.run(1);
    assert_eq!(machine.done.len(), done);
    machine.queue.push_back(Event::Request {
        id: 1,
        request: Request::Plan,
    });
    machine.run(1);
    assert_eq!(machine.replies, [Reply::Ok(serde_json::json!([]))]);
}

#[test]
fn a_boot_with_nothing_said_asks_on_every_link_with_carrier() {
    let mut machine = Machine::new("quiet").with(Server::Grants);
    check_boot(&mut machine, "ready", 0);
    assert_eq!(machine.addresses(), ["eth0/10.0.0.2/24"]);
    assert_eq!(machine.gateways(), ["10.0.0.254"]);
    assert_eq!(machine.sent, [1, 3]);
    let resolv_conf = &machine.kernel.files[std::path::Path::new("/etc/resolv.conf")];
    assert!(resolv_conf.ends_with(b"nameserver 10.0.0.254\n"));
}

#[test]
fn a_link_without_carrier_is_not_waited_for() {
    let both = "ip=eth0:dhcp ip=eth1:dhcp";
    let mut machine = Machine::new(both).with(Server::Grants);
    check_boot(&mut machine, "ready", 0);
    assert_eq!(machine.addresses(), ["eth0/10.0.0.2/24"]);
    // It gets its lease when the cable comes, after the hand-off.
    machine.run(60);
    machine.cable(3, true);
    machine.run(1);
    assert_eq!(
        machine.addresses(),
        ["eth0/10.0.0.2/24", "eth1/10.0.0.3/24"]
    );
}

#[test]
fn a_late_carrier_is_waited_for() {
    let mut machine = Machine::new("ip=eth0:dhcp").with(Server::Grants);
    machine.cables.clear();
    machine.run(5);
    assert_eq!(machine.core.verdict(machine.now), Verdict::Wait);
    machine.cable(2, true);
    check_boot(&mut machine, "ready", 5000);
}

#[test]
fn no_carrier_at_all_is_waited_for_ten_seconds() {
    let mut machine = Machine::new("ip=eth0:dhcp");
    machine.cables.clear();
    check_boot(&mut machine, "no-carrier", 10_000);
    assert!(machine.sent.is_empty());
    // A driver that is still loading may bring the link that matters.
    let mut machine = Machine::new("ip=eth0:dhcp initnet.timeout=30");
    machine.cables.clear();
    machine.core.set_drivers_loading(true);
    check_boot(&mut machine, "timeout", 30_000);
}

#[test]
fn a_look_at_the_media_from_before_the_last_driver_decides_nothing() {
    let mut machine = Machine::new("initnet.config=metal-iso");
    let awaits = |machine: &mut Machine, news: Option<MediaNews>| {
        machine.queue.extend(news.map(Event::Media));
        machine.run(1);
        let missing = machine.core.readiness().missing;
        missing
            .iter()
            .any(|missing| missing.contains("initnet.config"))
    };
    machine.core.set_drivers_loading(true);
    assert!(awaits(&mut machine, None));
    assert!(awaits(&mut machine, Some(MediaNews::Scanned)));
    machine.core.set_drivers_loading(false);
    // It was under way when the last driver brought a drive.
    assert!(awaits(&mut machine, Some(MediaNews::Scanned)));
    assert!(!awaits(&mut machine, Some(MediaNews::Scanned)));
}

#[test]
fn nobody_answers_until_the_timeout() {
    let mut machine = Machine::new("ip=eth0:dhcp initnet.timeout=20");
    check_boot(&mut machine, "timeout", 20_000);
    assert!(machine.sent.len() >= 5 && machine.sent.iter().all(|kind| *kind == 1));
    assert_eq!(machine.core.readiness().missing[0], "lease on eth0");
    assert_eq!(machine.core.ready(), None);
    // The supervisor goes on asking.
    machine.server = Server::Grants;
    machine.run(70);
    assert_eq!(machine.addresses(), ["eth0/10.0.0.2/24"]);
    assert_eq!(machine.core.ready(), Some("ready"), "late, but it is there");
}

#[test]
fn what_was_not_saved_is_still_to_be_saved() {
    let mut machine = Machine::new("ip=eth0:dhcp").with(Server::Grants);
    machine.run(5);
    assert!(machine.core.needs_saving());
    assert!(machine.core.needs_saving(), "asking changes nothing");
    machine.core.saved();
    assert!(!machine.core.needs_saving());
    machine.core.watch_change(None, None);
    assert!(machine.core.needs_saving());
}

#[test]
fn switched_off_is_nothing_to_wait_for() {
    let mut machine = Machine::new("ip=off");
    check_boot(&mut machine, "nothing-to-wait-for", 0);
    assert!(machine.sent.is_empty());
    let mut machine = Machine::new("ip=eth0:dhcp initnet.wait=none");
    assert_eq!(machine.boot().0, "nothing-to-wait-for");
}

#[test]
fn an_op_that_fails_backs_off_and_holds_up_nothing() {
    let line = format!("{STATIC} rd.route=10.60.0.0/16:10.9.0.9:eth0");
    let mut machine = Machine::new(&line);
    machine.refused = Some("10.60.0.0/16");
    check_boot(&mut machine, "ready", 0);
    assert_eq!(machine.gateways(), ["10.9.0.1"]);
    machine.run(600);
    // 0.25 s, doubled up to 60 s, each up to a quarter longer: 8 tries in the first minute, then one a minute.
    let tries = machine.tried("10.60.0.0/16");
    assert!((14..=20).contains(&tries), "{tries}");
    assert_eq!(machine.tried("default"), 1);
    let failures = machine.core.failures();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].1, "refused");
    assert_eq!(
        machine
            .log
            .iter()
            .filter(|line| line.contains("refused"))
            .count(),
        1
    );
    machine.refused = None;
    machine.run(80);
    assert!(machine.core.failures().is_empty());
    assert!(
        machine
            .kernel
            .routes
            .iter()
            .any(|r| r.dst == Some("10.60.0.0/16".parse().unwrap()))
    );
}

#[test]
fn a_rival_that_undoes_everything_is_not_fought_without_end() {
    let mut machine = Machine::new(STATIC);
    machine.rival = Some(|kernel| kernel.routes.clear());
    machine.run(60);
    let tries = machine.tried("default");
    // 16 rounds, then a pause of a second: neither a burnt core nor surrender.
    assert!((500..=1100).contains(&tries), "{tries}");
    assert!(
        machine
            .log
            .iter()
            .any(|line| line.contains("somebody keeps undoing this"))
    );
    let warned = |line: &&String| line.contains("keeps undoing");
    assert_eq!(machine.log.iter().filter(warned).count(), 1, "said once");
    let failures = machine.core.failures();
    assert_eq!(failures.len(), 1, "and shown: {failures:?}");
    machine.rival = None;
    machine.run(2);
    assert_eq!(machine.gateways(), ["10.9.0.1"]);
    assert!(machine.core.failures().is_empty());
}

/// Lets a minute pass, in which the address is lost every 700 ms and has to be back 5 ms later.
#[track_caller]
fn check_repairs_meanwhile(machine: &mut Machine) {
    for _ in 0..86 {
        machine.run_until(machine.now + Duration::from_millis(700), |_| false);
        machine.kernel.addresses.clear();
        machine.queue.push_back(Event::Changed(Doubt::ADDRESSES));
        machine.run_until(machine.now + Duration::from_millis(5), |_| false);
        assert_eq!(machine.addresses(), ["eth0/10.9.0.2/24"]);
    }
}

#[test]
fn what_is_fought_over_holds_up_nothing() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.rival = Some(|kernel| kernel.routes.clear());
    machine.kernel.routes.clear();
    machine.queue.push_back(Event::Changed(Doubt::ROUTES));
    check_repairs_meanwhile(&mut machine);
    let tries = machine.tried("default");
    assert!((500..=2000).contains(&tries), "{tries}");
}

#[test]
fn what_fails_for_ever_holds_up_nothing() {
    let line = format!("{STATIC} rd.route=10.60.0.0/16:10.9.0.9:eth0");
    let mut machine = Machine::new(&line);
    machine.refused = Some("10.60.0.0/16");
    machine.boot();
    check_repairs_meanwhile(&mut machine);
    // Repairs of others do not bring it forward.
    let tries = machine.tried("10.60.0.0/16");
    assert!((6..=12).contains(&tries), "{tries}");
}

#[test]
fn a_look_that_takes_long_is_not_taken_again_for_every_notice() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.run(1);
    let mut took = |took: u64| {
        let looked = machine
            .core
            .step(Event::Changed(Doubt::ROUTES), machine.now);
        assert!(matches!(looked[..], [Effect::Observe(_)]));
        machine.now = machine.now + Duration::from_millis(took);
        let observed = machine.kernel.clone();
        machine.core.step(
            Event::Observed(Box::new(observed), Doubt::ROUTES),
            machine.now,
        );
        machine
            .core
            .step(Event::Changed(Doubt::ROUTES), machine.now);
        let next = machine
            .core
            .deadline()
            .unwrap()
            .saturating_since(machine.now);
        machine.run(5);
        next.as_millis()
    };
    assert_eq!(took(0), 1);
    assert_eq!(took(100), 400);
    assert_eq!(took(3000), 1000);
}

#[test]
fn only_what_is_in_doubt_is_looked_at() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    // The first look; the parameters that what was compiled from it names; the link was set up and the rest put on it,
    // files and host name came with that.
    let applied = Doubt::LINKS | Doubt::ROUTES | Doubt::FILES;
    let looks = [Doubt::EVERYTHING, Doubt::SETTINGS, applied];
    assert_eq!(machine.looks, looks);
    machine.run(1);
    machine.looks.clear();
    machine.kernel.routes.clear();
    machine.queue.push_back(Event::Changed(Doubt::ROUTES));
    machine.run(1);
    assert_eq!(machine.gateways(), ["10.9.0.1"]);
    assert_eq!(machine.looks, [Doubt::ROUTES; 2]);
    // An op that fails was decided on what is no longer so.
    machine.refused = Some("route");
    machine.kernel.routes.clear();
    machine.looks.clear();
    machine.queue.push_back(Event::Changed(Doubt::ROUTES));
    machine.run_until(machine.now + Duration::from_millis(5), |_| false);
    // There is no firewall, and is to be none.
    let everything = Doubt::EVERYTHING.without(Doubt::FIREWALL);
    assert_eq!(machine.looks, [Doubt::ROUTES, everything]);
    // Asked for, and after a dump that failed: everything.
    machine.looks.clear();
    machine.queue.push_back(Event::Request {
        id: 1,
        request: Request::Reconcile,
    });
    machine.queue.push_back(Event::DumpFailed(String::new()));
    machine.run_until(machine.now + Duration::from_millis(5), |_| false);
    assert_eq!(machine.looks, [everything]);
}

/// A look from before the links came would pass for one at their settings.
#[test]
fn nothing_is_looked_at_before_the_last_look_has_come() {
    let mut machine = Machine::new("ip=10.0.0.2::10.0.0.1:255.255.255.0::eth0:off");
    machine.queue.extend([Event::ModulesLoaded, Event::Tick]);
    machine.boot();
    assert!(machine.looks.len() > 1);
}

#[test]
fn looks_that_never_come_are_tried_later_and_later_and_told_once() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.run(1);
    machine.log.clear();
    let (mut at, mut waits) = (machine.now, Vec::new());
    for _ in 0..8 {
        let failed = Event::DumpFailed("no memory".to_owned());
        for effect in machine.core.step(failed, at) {
            machine.perform(effect);
        }
        let next = machine.core.looks.deadline().unwrap();
        waits.push(next.saturating_since(at).as_millis());
        at = next;
    }
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert_eq!(machine.log, ["dump: no memory; it is tried again"]);
    machine.run(30);
    assert_eq!(machine.log[1..], ["dump: it works again"]);
}

#[test]
fn routes_of_others_are_looked_at_only_when_they_matter() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.run(1);
    let mut other = machine.kernel.routes[0].clone();
    (other.protocol, other.dst) = (186, Some("10.99.0.0/16".parse().unwrap()));
    machine.kernel.routes.push(other);
    let looks = |machine: &mut Machine, event: Event| {
        machine.looks.clear();
        machine.queue.push_back(event);
        machine.run(1);
        machine.looks.clone()
    };
    let (ours, foreign) = (Doubt::ROUTES, Doubt::FOREIGN_ROUTES);
    let changed = || Event::Changed(Doubt::ROUTES);
    assert_eq!(looks(&mut machine, changed()), [ours]);
    // Before one of ours is replaced, which might hit one of others.
    machine.kernel.routes[0].gateway = Some("10.9.0.77".parse().unwrap());
    assert_eq!(looks(&mut machine, changed()), [ours, foreign, ours]);
    assert_eq!(machine.gateways(), ["10.9.0.1"]);
    // For who asks, and nothing of it stays.
    let kind = "routes".to_owned();
    let request = Request::Get { kind };
    let asked = Event::Request { id: 1, request };
    assert_eq!(looks(&mut machine, asked), [Doubt::ALL_ROUTES]);
    let [Reply::Ok(routes)] = &machine.replies[..] else {
        panic!("{:?}", machine.replies);
    };
    assert_eq!(routes.as_array().unwrap().len(), 2);
    assert_eq!(machine.core.last_observed().unwrap().routes.len(), 1);
}

#[test]
fn a_route_of_others_that_is_the_wanted_one_is_no_failure() {
    let line = format!("{STATIC} rd.route=10.60.0.0/16:10.9.0.9:eth0");
    let mut machine = Machine::new(&line);
    machine.boot();
    machine.run(1);
    let wanted = |r: &&mut RouteStatus| r.dst.is_some();
    machine
        .kernel
        .routes
        .iter_mut()
        .find(wanted)
        .unwrap()
        .protocol = 4;
    machine.queue.push_back(Event::Changed(Doubt::ROUTES));
    machine.run(1);
    assert_eq!(machine.tried("10.60.0.0/16"), 2, "made, and refused once");
    assert!(machine.core.failures().is_empty());
    assert!(!machine.log.iter().any(|line| line.contains("exists")));
    // Nothing rings when it goes.
    machine.kernel.routes.retain(|route| route.dst.is_none());
    machine.run(41);
    assert_eq!(machine.tried("10.60.0.0/16"), 3);
    assert_eq!(machine.kernel.routes.len(), 2);
}

#[test]
fn drift_is_undone_at_once() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.run(60);
    machine.kernel.routes.clear();
    machine.kernel.addresses.clear();
    let doubt = Doubt::ADDRESSES | Doubt::ROUTES;
    machine.queue.push_back(Event::Changed(doubt));
    let before = machine.now;
    machine.run_until(before + Duration::from_millis(5), |_| false);
    assert_eq!(machine.addresses(), ["eth0/10.9.0.2/24"]);
    assert_eq!(machine.gateways(), ["10.9.0.1"]);
}

#[test]
fn a_lease_is_renewed_in_place() {
    let mut machine = Machine::new("ip=eth0:dhcp").with(Server::Grants);
    machine.boot();
    machine.run(240);
    // T1 is 50 s of 100 s.
    assert_eq!(machine.sent, [1, 3, 3, 3, 3, 3]);
    assert_eq!(machine.tried("ip addr add"), 1);
    assert_eq!(machine.tried("ip addr change"), 4);
    assert_eq!(machine.tried(" del "), 0);
    assert_eq!(machine.tried("default"), 1);
}

/// A lease that is lost at the time `at`, in seconds after the boot, beside a static address.
#[track_caller]
fn check_loss(server: Server, at: u64) {
    let mut machine = Machine::new("ip=eth0:dhcp ip=10.9.0.2:::24::eth0:none").with(Server::Grants);
    machine.boot();
    let both = ["eth0/10.0.0.2/24", "eth0/10.9.0.2/24"];
    assert_eq!(machine.addresses(), both);
    machine.server = server;
    machine.run(at - 1);
    assert_eq!(machine.addresses(), both, "still held");
    machine.run(2);
    assert_eq!(machine.addresses(), ["eth0/10.9.0.2/24"]);
    assert!(machine.gateways().is_empty());
    assert!(machine.core.desired().resolver.is_none());
    assert_eq!(machine.core.leases(), SavedLeases::default());
    machine.server = Server::Grants;
    machine.run(120);
    assert_eq!(machine.addresses(), both);
    assert_eq!(machine.gateways(), ["10.0.0.254"]);
}

#[test]
fn a_lost_lease_takes_along_what_it_brought() {
    check_loss(Server::Refuses, 50);
    check_loss(Server::Silent, 100);
}

#[test]
fn a_config_by_url_is_waited_for() {
    let line = format!("{STATIC} initnet.config=http://10.9.0.1/c initnet.timeout=40");
    let mut machine = Machine::new(&line);
    machine.run(1);
    assert_eq!(machine.addresses(), ["eth0/10.9.0.2/24"]);
    assert!(machine.core.readiness().routable);
    assert_eq!(machine.core.verdict(machine.now), Verdict::Wait);
    // Nobody ever connects. It is given up, or the boot's own time is over: either way the boot goes on.
    let (_, when) = machine.boot();
    assert!((1000..=40_000).contains(&when), "{when}");
}

#[test]
fn an_inherited_lease_is_held_without_a_word() {
    let mut first = Machine::new("ip=eth0:dhcp").with(Server::Grants);
    first.boot();
    let (document, _) = cmdline::parse("ip=eth0:dhcp", "test");
    let mut second = Machine::new("ip=eth0:dhcp");
    second.core = Core::new(vec![document], first.core.leases(), Rng::new(2), first.now);
    (second.now, second.kernel) = (first.now, first.kernel);
    second.run(49);
    assert!(
        second.done.is_empty(),
        "nothing to change: {:?}",
        second.done
    );
    assert!(second.sent.is_empty(), "nobody to ask");
    second.run(2);
    assert_eq!(second.sent, [3], "renewed when it is time");
}

#[test]
fn what_is_left_of_a_forgotten_lease_stays_until_the_server_has_spoken() {
    let forgotten = |server| {
        let mut first = Machine::new("ip=eth0:dhcp").with(Server::Grants);
        first.boot();
        let mut second = Machine::new("ip=eth0:dhcp").with(server);
        second.kernel = first.kernel;
        second
    };
    let mut confirmed = forgotten(Server::Grants);
    confirmed.run(10);
    assert_eq!(confirmed.tried(" del "), 0, "{:?}", confirmed.done);
    assert_eq!(confirmed.addresses(), ["eth0/10.0.0.2/24"]);
    // Nobody confirms it: it ends when the kernel says so, and its route with it.
    let mut silent = forgotten(Server::Silent);
    silent.run(90);
    assert_eq!(silent.addresses(), ["eth0/10.0.0.2/24"]);
    silent.run(20);
    silent.queue.push_back(Event::Changed(Doubt::ADDRESSES));
    silent.run(1);
    assert!(silent.addresses().is_empty() && silent.gateways().is_empty());
    // No client is to run: nothing of a lease can be right.
    let mut elsewhere = Machine::new(STATIC);
    elsewhere.kernel = forgotten(Server::Silent).kernel;
    elsewhere.run(1);
    assert_eq!(elsewhere.addresses(), ["eth0/10.9.0.2/24"]);
    assert_eq!(elsewhere.gateways(), ["10.9.0.1"]);
}

#[test]
fn links_that_never_come_are_not_waited_for_for_ever() {
    let mut machine = Machine::new("quiet");
    machine.kernel.links.clear();
    check_boot(&mut machine, "no-links", 10_000);
    let mut machine = Machine::new("ip=eth7:dhcp");
    machine.kernel.links.get_mut(&2).unwrap().flags = iff::UP | iff::LOWER_UP;
    check_boot(&mut machine, "no-links", 10_000);
}

#[test]
fn one_default_client_without_a_router_is_enough() {
    // eth0 has its lease, whose router the kernel refuses; eth1 has a cable and no server.
    let mut machine = Machine::new("initnet.wait=local").with(Server::Grants);
    machine.cables.insert(3);
    machine.refused = Some("default");
    check_boot(&mut machine, "ready", 0);
}

#[test]
fn a_link_is_not_bounced_for_an_address_that_its_driver_refuses() {
    let mut machine = Machine::new("ip=10.9.0.2::10.9.0.1:24::eth0:none:1500:02:00:00:00:00:99");
    machine.kernel.links.get_mut(&2).unwrap().flags = iff::UP | iff::LOWER_UP;
    machine.refused = Some("address 02:00:00:00:00:99");
    machine.run(60);
    let down = machine.tried("eth0 down");
    assert!(
        (5..=10).contains(&down),
        "{down} bounces in a minute, one a try"
    );
    assert_eq!(machine.addresses(), ["eth0/10.9.0.2/24"]);
    assert_eq!(machine.tried("ip addr"), 1, "what is on the link stays");
}

#[test]
fn a_link_that_somebody_renames_keeps_what_it_has() {
    let mut machine = Machine::new("ip=eth0:dhcp").with(Server::Grants);
    check_boot(&mut machine, "ready", 0);
    let done = machine.done.len();
    let renamed = "ens3".parse().unwrap();
    for address in &mut machine.kernel.addresses {
        address.link_name = "ens3".parse().unwrap();
    }
    for route in &mut machine.kernel.routes {
        route.out_link_name = Some("ens3".parse().unwrap());
    }
    machine.kernel.links.get_mut(&2).unwrap().name = renamed;
    machine.queue.push_back(Event::Changed(Doubt::EVERYTHING));
    machine.run(10);
    let touched: Vec<&String> = machine.done[done..]
        .iter()
        .map(|(_, op)| op)
        .filter(|op| op.starts_with("ip "))
        .collect();
    assert!(touched.is_empty(), "{touched:?}");
    assert_eq!(machine.sent, [1, 3], "no server is asked again");
    // It is renewed under its new name.
    machine.run(60);
    assert_eq!(machine.sent, [1, 3, 3]);
    assert_eq!(machine.addresses(), ["ens3/10.0.0.2/24"]);
}

#[test]
fn a_source_that_gives_nothing_holds_the_boot_up_once_and_is_asked_again() {
    let line = "ip=eth0:dhcp initnet.config=http://10.0.0.254/x.yaml initnet.timeout=300";
    let mut machine = Machine::new(line).with(Server::Grants);
    // Nobody answers: the model connects to nothing.
    let (reason, millis) = machine.boot();
    assert_eq!(reason, "ready");
    assert!((40_000..60_000).contains(&millis), "{millis}");
    let asked = machine.connected.len();
    assert!(asked > 0);
    machine.run(300);
    assert!(
        machine.connected.len() > asked,
        "the supervisor goes on asking"
    );
}

#[test]
fn a_copy_of_an_earlier_boot_serves_before_the_time_of_a_silent_one_is_over() {
    let url = "http://10.0.0.254/x.yaml";
    // No server gives an address: the source can neither answer nor fail.
    let mut machine = Machine::new(&format!(
        "ip=eth0:dhcp initnet.config={url} initnet.timeout=20"
    ));
    let text = b"apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: web1\n".to_vec();
    let copy = Fetched::fresh([(url.to_owned(), text)].into());
    let name = "initnet.config".to_owned();
    machine.core.set_cached([(name.clone(), copy)].into());
    let (reason, _) = machine.boot();
    assert_eq!(reason, "timeout");
    assert!(machine.core.fetched()[&name].cached);
    let said = machine.core.documents.iter();
    let mut said = said.flat_map(|document| &document.hostnames);
    assert!(said.any(|said| said.value.name() == "web1"));
}

#[test]
fn a_copy_of_an_earlier_boot_serves_and_is_fetched_again() {
    let url = "http://10.0.0.254/x.yaml";
    let line = format!("ip=eth0:dhcp initnet.config={url} initnet.timeout=300");
    let line = line.as_str();
    let mut machine = Machine::new(line).with(Server::Grants);
    let (document, _) = cmdline::parse(line, "test");
    let sources = crate::run::remote::sources(std::slice::from_ref(&document));
    let name = sources[0].name();
    let copy = Fetched::fresh([(url.to_owned(), b"machine: {}\n".to_vec())].into());
    machine.core.set_cached([(name.clone(), copy)].into());
    let (reason, _) = machine.boot();
    assert_eq!(reason, "ready");
    assert!(machine.core.fetched()[&name].cached);
    assert!(machine.core.wants(sources[0].as_ref()));

    // A reload asks at once; it does not wait for the next turn of the old job.
    let asked = machine.connected.len();
    machine
        .queue
        .push_back(Event::Documents(vec![document.clone()], sources));
    machine.run(1);
    assert!(machine.connected.len() > asked);

    // Without the source nobody is asked any more.
    machine
        .queue
        .push_back(Event::Documents(vec![document], Vec::new()));
    machine.run(1);
    let asked = machine.connected.len();
    machine.run(600);
    assert_eq!(machine.connected.len(), asked);
}

#[test]
fn another_url_or_pin_is_fetched_although_the_old_one_was() {
    let line = |path: &str| format!("ip=eth0:dhcp initnet.config=http://10.0.0.254/{path}");
    let mut machine = Machine::new(&line("x.yaml")).with(Server::Grants);
    machine.peer = Peer::Answers("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nmachine: {}\n");
    machine.boot();
    assert_eq!(machine.connected.len(), 1);
    let apply = |machine: &mut Machine, line: &str| {
        let documents = vec![cmdline::parse(line, "test").0];
        let sources = crate::run::remote::sources(&documents);
        let event = Event::Documents(documents, sources);
        machine.queue.push_back(event);
        machine.run(1);
        machine.connected.len()
    };
    assert_eq!(apply(&mut machine, &line("x.yaml")), 1, "it is here");
    assert_eq!(apply(&mut machine, &line("y.yaml")), 2);
    assert_eq!(apply(&mut machine, &line("y.yaml")), 2);
    let pinned = format!(
        "{} initnet.config.sha256={}",
        line("y.yaml"),
        "0".repeat(64)
    );
    assert_eq!(apply(&mut machine, &pinned), 3);
}
