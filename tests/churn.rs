//! A day of comings and goings: what the core remembers of them is bounded.
//!
//! A program of its own with one test, because it counts every byte that is allocated in it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use init_net::config::{Severity, cmdline};
use init_net::plan::forecast;
use init_net::run::core::{Core, Doubt, Effect, Event, Outcome};
use init_net::state::{LinkStatus, Observed, arphrd, iff};
use init_net::value::{Duration, Instant, Prefix, Rng};

/// Links that come and go, each with what containers bring: about one every two seconds of a day.
const ROUNDS: u32 = 40_000;

/// Rounds after which everything that is kept for good is there.
const WARM_UP: u32 = 4_000;

/// Growth that is no growth, bytes: tables and logs at another fill.
const SLACK: usize = 64 << 10;

/// Addresses that the command line of the test asks for.
const OURS: usize = 2;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's allocator; only sizes are added up beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise about `pointer` and `layout` is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A core with a model of the kernel, which does what it is told.
struct Machine {
    core: Core,
    kernel: Observed,
    now: Instant,
    queue: VecDeque<Event>,
}

impl Machine {
    fn new(line: &str) -> Self {
        let (document, faults) = cmdline::parse(line, "test");
        assert!(
            faults.iter().all(|fault| fault.severity < Severity::Error),
            "{faults:?}"
        );
        let now = Instant::from_secs(5);
        let mut kernel = Observed {
            links: tests::links(),
            ..Observed::default()
        };
        kernel
            .links
            .values_mut()
            .for_each(|link| link.flags |= iff::UP | iff::LOWER_UP);
        Self {
            core: Core::new(vec![document], Default::default(), Rng::new(1), now),
            kernel,
            now,
            queue: VecDeque::new(),
        }
    }

    /// Something happened, and `millis` pass.
    fn turn(&mut self, millis: u64) {
        self.queue.push_back(Event::Changed(Doubt::EVERYTHING));
        self.drain();
        self.now = self.now + Duration::from_millis(millis);
        self.queue.push_back(Event::Tick);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(event) = self.queue.pop_front() {
            for effect in self.core.step(event, self.now) {
                match effect {
                    Effect::Observe(doubt) => {
                        self.kernel.at = self.now;
                        let seen = Box::new(self.kernel.clone());
                        self.queue.push_back(Event::Observed(seen, doubt));
                    }
                    Effect::Apply(ops) => {
                        let outcomes = ops.into_iter().map(|op| {
                            let result = forecast::change(&mut self.kernel, &op);
                            let result = result.map_err(|errno| (errno, String::new()));
                            Outcome { op, result }
                        });
                        self.queue.push_back(Event::Applied(outcomes.collect()));
                    }
                    Effect::LoadModules(_) => self.queue.push_back(Event::ModulesLoaded),
                    // Nobody is at the other end of the cables.
                    _ => {}
                }
            }
            // As the shell does after each turn.
            let _saved = self.core.needs_saving();
        }
    }
}

/// A pod's link.
fn link(round: u32) -> LinkStatus {
    let [_, a, b, c] = round.to_be_bytes();
    let mac = format!("0a:00:00:{a:02x}:{b:02x}:{c:02x}");
    LinkStatus {
        hw_type: arphrd::ETHER,
        flags: iff::UP | iff::LOWER_UP,
        hardware_addr: Some(mac.parse().unwrap()),
        permanent_addr: Some(mac.parse().unwrap()),
        ..LinkStatus::new(100 + round, format!("pod{round}").parse().unwrap())
    }
}

/// Somebody else's address and route on it, made of ours.
fn equip(kernel: &mut Observed, link: &LinkStatus) {
    let [_, a, b, c] = link.index.to_be_bytes();
    let prefix: Prefix = format!("10.{}.{b}.{c}/32", 64 + a).parse().unwrap();
    let mut address = kernel.addresses[0].clone();
    address.address = prefix;
    address.link_index = link.index;
    address.link_name = link.name.clone();
    address.protocol = 0;
    kernel.addresses.push(address);
    let mut route = kernel.routes[0].clone();
    route.dst = Some(prefix);
    route.out_link_index = link.index;
    route.out_link_name = Some(link.name.clone());
    route.protocol = 4;
    kernel.routes.push(route);
}

#[test]
fn a_day_of_churn_is_forgotten() {
    // A client for every card, pods' included; an address, a route and a link to be kept.
    let mut machine = Machine::new(
        "ip=dhcp ip=10.9.0.2::10.9.0.1:24::eth0:none vlan=eth0.5:eth0 \
                                    ip=10.9.5.2:::24::eth0.5:none",
    );
    (0..8).for_each(|_| machine.turn(1000));
    assert_eq!(
        machine.kernel.addresses.len(),
        OURS,
        "{:?}",
        machine.kernel.addresses
    );
    let (mut base, mut repaired) = (0, 0);
    for round in 0..ROUNDS {
        let link = link(round);
        machine.kernel.links.insert(link.index, link.clone());
        equip(&mut machine.kernel, &link);
        machine.turn(700);
        let kernel = &mut machine.kernel;
        kernel.links.remove(&link.index);
        kernel
            .addresses
            .retain(|address| address.link_index != link.index);
        kernel
            .routes
            .retain(|route| route.out_link_index != link.index);
        // And now and then somebody takes what is ours.
        let taken = round % 8 == 0;
        if taken {
            kernel
                .links
                .retain(|_, link| link.name.as_str() != "eth0.5");
            kernel.addresses.clear();
            kernel.routes.clear();
        }
        machine.turn(700);
        while machine.kernel.routes.is_empty() || machine.kernel.addresses.len() < OURS {
            machine.turn(1000);
        }
        repaired += u32::from(taken);
        if round == WARM_UP {
            base = LIVE.load(Ordering::Relaxed);
        }
    }
    assert_eq!(repaired, ROUNDS / 8);
    let live = LIVE.load(Ordering::Relaxed);
    assert!(
        live < base + SLACK,
        "{base} bytes after {WARM_UP} rounds, {live} after {ROUNDS}"
    );
}
