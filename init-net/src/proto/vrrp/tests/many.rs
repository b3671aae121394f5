//! Several machines on one virtual clock and one bad network: loss, delay, duplicates, partitions, machines that stand still,
//! restart or fall ill. What must hold is looked at after each step.
//!
//! The model kernel of a machine keeps the address for three seconds after the last refresh, and answers for it meanwhile,
//! whatever its supervisor does: that is what the questions before a promotion are for.

use std::collections::BTreeMap;

use super::*;

/// As long as the kernel keeps an address that nobody refreshes.
const LIFETIME: Duration = Duration::from_secs(3);
const REFRESH: Duration = Duration::from_secs(1);

/// What the network does, and what happens to machines.
#[derive(Clone, Copy, Debug)]
struct Weather {
    /// Packets lost, in 1,000.
    loss: u64,
    /// Longest delay, microseconds.
    delay: u64,
    /// Packets that come twice, in 1,000.
    twice: u64,
    /// Of each machine, mean seconds between two troubles of each kind; 0: none.
    stalls: u64,
    restarts: u64,
    illness: u64,
    /// Mean seconds between two partitions.
    partitions: u64,
}

const CALM: Weather = Weather {
    loss: 0,
    delay: 500,
    twice: 0,
    stalls: 0,
    restarts: 0,
    illness: 0,
    partitions: 0,
};

struct Node {
    vrrp: Option<Vrrp>,
    settings: Settings,
    fit: bool,
    /// Until when its kernel has the address.
    kernel: Option<Instant>,
    refresh: Instant,
    /// Until when its supervisor stands still.
    asleep: Instant,
    /// When it is back, while it is away.
    back: Option<Instant>,
    /// What arrived while it stood still.
    waiting: Vec<Vec<u8>>,
    /// On which side of a partition.
    side: bool,
}

struct World {
    nodes: Vec<Node>,
    weather: Weather,
    rng: Rng,
    now: Instant,
    /// When, in which order, for whom, what.
    wires: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    sequence: u64,
    /// Until when the network is in two.
    split: Option<Instant>,
    /// The last moment at which something happened that excuses none that has the address.
    excused: Instant,
    /// The last moment at which the network was in two: nothing else excuses two of them.
    parted: Instant,
    /// Since when there are two owners, or none, that can be reached by all.
    two_since: Option<Instant>,
    none_since: Option<Instant>,
    longest_two: Duration,
    longest_none: Duration,
    sent: u64,
    promotions: u64,
}

impl World {
    fn new(count: u8, weather: Weather, seed: u64, change: impl Fn(u8, &mut Settings)) -> Self {
        let now = Instant::from_secs(1000);
        let node = |n: u8| {
            let mut settings = settings(100 + 10 * (n % 3));
            change(n, &mut settings);
            Node {
                vrrp: Some(Vrrp::new(settings.clone(), local(n + 1), true, now)),
                settings,
                fit: true,
                kernel: None,
                refresh: now,
                asleep: Instant::BOOT,
                back: None,
                waiting: Vec::new(),
                side: false,
            }
        };
        Self {
            nodes: (0..count).map(node).collect(),
            weather,
            rng: Rng::new(seed),
            now,
            wires: BTreeMap::new(),
            sequence: 0,
            split: None,
            excused: now,
            parted: now,
            two_since: None,
            none_since: None,
            longest_two: Duration::ZERO,
            longest_none: Duration::ZERO,
            sent: 0,
            promotions: 0,
        }
    }

    /// Who has the address in its kernel.
    fn owners(&self) -> Vec<usize> {
        let has = |node: &Node| node.kernel.is_some_and(|until| self.now < until);
        (0..self.nodes.len())
            .filter(|n| has(&self.nodes[*n]))
            .collect()
    }

    fn can_hear(&self, from: usize, to: usize) -> bool {
        from != to && (self.split.is_none() || self.nodes[from].side == self.nodes[to].side)
    }

    /// Puts a packet on the way to all that can hear `from`.
    fn send(&mut self, from: usize, packet: &[u8]) {
        for to in 0..self.nodes.len() {
            if !self.can_hear(from, to) || self.nodes[to].back.is_some() {
                continue;
            }
            let copies = 1 + usize::from(self.rng.below(1000) < self.weather.twice);
            for _ in 0..copies {
                if self.rng.below(1000) < self.weather.loss {
                    continue;
                }
                let delay = Duration::from_micros(50 + self.rng.below(self.weather.delay));
                self.sequence += 1;
                let at = (self.now + delay, self.sequence);
                self.wires.insert(at, (to, packet.to_vec()));
            }
        }
    }

    /// What a machine's kernel or supervisor makes of a packet.
    fn deliver(&mut self, to: usize, packet: Vec<u8>) {
        let now = self.now;
        let owner = self.owners().contains(&to);
        let node = &mut self.nodes[to];
        if node.back.is_some() {
            return;
        }
        let question = neighbor::question(vip(), local(1).mac).unwrap().packet;
        let asked = packet.len() == question.len()
            && packet[24..28] == question[24..28]
            && packet[14..18] == [0; 4];
        if asked {
            // The kernel answers by itself.
            if owner {
                let answer =
                    neighbor::announcement(vip(), local(to as u8 + 1).mac, false).remove(1);
                self.send(to, &answer.packet);
            }
            return;
        }
        if now < node.asleep {
            node.waiting.push(packet);
        } else if let Some(vrrp) = &mut node.vrrp {
            vrrp.receive(&packet, now);
        }
    }

    /// Lets machine `n` do all that it has to.
    fn act(&mut self, n: usize) {
        let now = self.now;
        let node = &mut self.nodes[n];
        if now < node.asleep || node.back.is_some() {
            return;
        }
        let Some(vrrp) = &mut node.vrrp else { return };
        for packet in node.waiting.drain(..) {
            vrrp.receive(&packet, now);
        }
        vrrp.expire(now);
        let mut out = Vec::new();
        for round in 0.. {
            assert!(round < 1000, "it never rests: {vrrp:?}");
            while let Some(event) = vrrp.event() {
                match event {
                    Event::Won => {
                        node.kernel = Some(now + LIFETIME);
                        node.refresh = now + REFRESH;
                        self.promotions += 1;
                    }
                    Event::Lost(_) => node.kernel = None,
                    Event::Contested | Event::Notice(_) => {}
                }
            }
            let mut sent = None;
            let more = vrrp.transmit(now, &mut self.rng, |message| {
                sent = Some(message);
                Ok::<(), ()>(())
            });
            match sent {
                Some(Transmit::Frame(frame) | Transmit::Question(frame)) => out.push(frame.packet),
                Some(Transmit::Datagram { .. }) => panic!("no peers are said"),
                None => {}
            }
            if more == Ok(false) {
                break;
            }
        }
        assert_eq!(vrrp.event(), None, "an event nobody was told of");
        if vrrp.is_active() && node.refresh <= now {
            node.kernel = Some(now + LIFETIME);
            node.refresh = now + REFRESH;
        }
        // An advertisement says that the address is here, or goes after it is gone.
        let due = vrrp.deadline();
        assert!(
            due.is_none_or(|due| due > now),
            "due at {due:?}, it is {now:?}: {vrrp:?}"
        );
        self.sent += out.len() as u64;
        for packet in out {
            self.send(n, &packet);
        }
    }

    /// Whether something happens now that happens every `mean` seconds, asked every `step`.
    fn happens(&mut self, mean: u64, step: Duration) -> bool {
        mean > 0 && self.rng.below(mean * 1_000_000) < step.as_micros() as u64
    }

    fn trouble(&mut self, step: Duration) {
        let now = self.now;
        for n in 0..self.nodes.len() {
            if self.happens(self.weather.stalls, step) {
                let still = Duration::from_millis(self.rng.below(5000));
                self.nodes[n].asleep = now + still;
                self.excused = self.excused.max(now + still);
            }
            if self.happens(self.weather.restarts, step) && self.nodes[n].back.is_none() {
                // It stops well, or dies with its kernel.
                let well = self.rng.below(2) == 0;
                if well && let Some(vrrp) = &mut self.nodes[n].vrrp {
                    vrrp.stop(now);
                    self.act(n);
                }
                let away = Duration::from_millis(self.rng.below(4000));
                let node = &mut self.nodes[n];
                node.vrrp = None;
                node.kernel = None;
                node.waiting.clear();
                node.back = Some(now + away);
                self.excused = self.excused.max(now + away);
            }
            if self.happens(self.weather.illness, step) {
                let node = &mut self.nodes[n];
                node.fit = !node.fit;
                if let Some(vrrp) = &mut node.vrrp
                    && node.asleep <= now
                {
                    vrrp.set_fit(node.fit, now);
                }
                self.excused = self.excused.max(now);
            }
            let node = &mut self.nodes[n];
            if node.back.is_some_and(|back| back <= now) {
                node.back = None;
                let (settings, fit) = (node.settings.clone(), node.fit);
                node.vrrp = Some(Vrrp::new(settings, local(n as u8 + 1), fit, now));
                self.excused = self.excused.max(now);
            }
        }
        if self.happens(self.weather.partitions, step) {
            for n in 0..self.nodes.len() {
                self.nodes[n].side = self.rng.below(2) == 0;
            }
            self.split = Some(now + Duration::from_millis(self.rng.below(8000)));
        }
        if let Some(end) = self.split {
            self.excused = self.excused.max(now);
            self.parted = now;
            self.split = Some(end).filter(|end| now < *end);
        }
    }

    /// One step: the next thing that happens.
    fn step(&mut self) {
        /// What nobody waits for is looked at that often: troubles that begin and end.
        const TICK: Duration = Duration::from_millis(250);
        let tick = self.now + TICK;
        let awake = |node: &Node| {
            let due = node.vrrp.as_ref()?.deadline()?;
            node.back.is_none().then(|| due.max(node.asleep))
        };
        let machines = earliest(self.nodes.iter().map(awake));
        let packet = self.wires.keys().next().map(|(at, _)| *at);
        // A kernel that drops the address is no tick late.
        let ahead = |until: &Instant| *until > self.now;
        let kernels = earliest(self.nodes.iter().map(|node| node.kernel.filter(ahead)));
        let next = earliest([machines, packet, kernels, Some(tick)]).unwrap();
        let step = next.saturating_since(self.now);
        self.now = next.max(self.now);
        self.trouble(step);
        while let Some(entry) = self.wires.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (to, packet) = entry.remove();
            self.deliver(to, packet);
        }
        for n in 0..self.nodes.len() {
            self.act(n);
        }
        self.watch();
    }

    /// Keeps count of how long there are two owners, or none, with nothing to excuse it.
    fn watch(&mut self) {
        let owners = self.owners().len();
        let count = |since: &mut Option<Instant>,
                     longest: &mut Duration,
                     is: bool,
                     from: Instant,
                     now: Instant| {
            if !is {
                *since = None;
                return;
            }
            let began = *since.get_or_insert(now);
            *longest = (*longest).max(now.saturating_since(began.max(from)));
        };
        let now = self.now;
        count(
            &mut self.two_since,
            &mut self.longest_two,
            owners > 1,
            self.parted,
            now,
        );
        count(
            &mut self.none_since,
            &mut self.longest_none,
            owners == 0,
            self.excused,
            now,
        );
    }

    /// Runs for so many seconds.
    fn run(&mut self, secs: u64) {
        let end = self.now + Duration::from_secs(secs);
        while self.now < end {
            self.step();
        }
    }
}

/// Longest time without an owner once nothing excuses it: waits for machines that were away or ill, their holds, the questions.
fn patience(world: &World) -> Duration {
    let longest = world
        .nodes
        .iter()
        .map(|node| {
            node.vrrp
                .as_ref()
                .map_or(Duration::ZERO, Vrrp::down_interval)
        })
        .max();
    longest.unwrap() * (UNFIT_HOLD + 2) + LIFETIME
}

#[test]
fn in_calm_one_machine_has_it_from_the_first_wait_on() {
    for seed in 0..40 {
        let mut world = World::new(2 + (seed % 3) as u8, CALM, seed, |_, _| {});
        world.run(2);
        assert_eq!(world.owners().len(), 1, "seed {seed}");
        let owner = world.owners();
        world.run(1000);
        assert_eq!(world.owners(), owner, "seed {seed}");
        assert_eq!(
            (world.promotions, world.longest_two),
            (1, Duration::ZERO),
            "seed {seed}"
        );
        // The owner says five times a second that it has it; the others say nothing.
        assert!(world.sent < 5020, "{}", world.sent);
    }
}

#[test]
fn machines_of_one_priority_agree_within_an_interval() {
    for seed in 0..40 {
        let same = |_, settings: &mut Settings| settings.priority = 100;
        let mut world = World::new(3, CALM, seed, same);
        world.run(2);
        assert_eq!(world.owners().len(), 1);
        assert!(
            world.longest_two <= Duration::from_millis(200),
            "{:?}",
            world.longest_two
        );
    }
}

/// A million seconds in all, in weathers that get worse.
#[test]
fn a_million_seconds() {
    let storms = [
        Weather {
            loss: 10,
            delay: 2000,
            ..CALM
        },
        Weather {
            loss: 50,
            delay: 20_000,
            twice: 20,
            ..CALM
        },
        Weather {
            restarts: 60,
            ..CALM
        },
        Weather {
            illness: 20,
            ..CALM
        },
        Weather { stalls: 30, ..CALM },
        Weather {
            partitions: 40,
            ..CALM
        },
        Weather {
            loss: 50,
            delay: 5000,
            twice: 20,
            stalls: 60,
            restarts: 120,
            illness: 60,
            partitions: 120,
        },
        Weather {
            loss: 300,
            delay: 30_000,
            twice: 100,
            stalls: 60,
            restarts: 120,
            illness: 60,
            partitions: 120,
        },
    ];
    let share = 1_000_000 / (storms.len() as u64 * 4);
    for (kind, weather) in storms.into_iter().enumerate() {
        for seed in 0..4 {
            let change = |n: u8, settings: &mut Settings| {
                // Slow groups are the cheap ones: most of the time goes to those.
                settings.interval = Duration::from_millis(if seed == 0 { 200 } else { 1000 });
                settings.preempt = seed == 2;
                settings.preempt_delay = Duration::from_secs(u64::from(n));
            };
            let secs = if seed == 0 {
                share / 10
            } else {
                share * 13 / 10
            };
            let mut world = World::new(
                2 + (seed % 3) as u8,
                weather,
                seed * 100 + kind as u64,
                change,
            );
            world.run(secs);
            let what = format!(
                "{weather:?}, seed {seed}: two {:?}, none {:?}",
                world.longest_two, world.longest_none
            );
            let interval = world.nodes[0].settings.interval;
            // An advertisement of the other one, of which a few may be lost, and its way. A machine that stands still while the
            // network heals, or in the moment in which it is preempted, or whose answers are lost, has the address until its
            // kernel ends that.
            let lost = if weather.loss > 0 { 3 } else { 0 };
            let slack = Duration::from_micros(2 * weather.delay);
            let excused = weather.loss + weather.partitions > 0 || seed == 2;
            let kernel = if weather.stalls > 0 && excused {
                LIFETIME
            } else {
                Duration::ZERO
            };
            if weather.loss < 100 {
                let bound = interval * (1 + lost) + slack + kernel;
                assert!(world.longest_two <= bound, "{what}");
            }
            // Calm again: one owner soon, and it stays.
            world.weather = CALM;
            world.split = None;
            for node in &mut world.nodes {
                node.asleep = node.asleep.min(world.now);
            }
            let patience = patience(&world) + Duration::from_secs(300);
            world.run(patience.as_secs());
            assert_eq!(world.owners().len(), 1, "{what}");
            let owner = world.owners();
            world.run(60);
            assert_eq!(world.owners(), owner, "{what}");
            // The fit come before the unfit.
            let fit: Vec<bool> = world.nodes.iter().map(|node| node.fit).collect();
            assert!(
                fit[owner[0]] || !fit.contains(&true),
                "{what}: {fit:?}, {owner:?}"
            );
        }
    }
}

#[test]
fn who_is_away_is_missed_for_no_longer_than_the_waits() {
    let weather = Weather {
        restarts: 30,
        ..CALM
    };
    for seed in 0..4 {
        let mut world = World::new(3, weather, seed, |_, _| {});
        world.run(2000);
        let bound = patience(&world);
        assert!(
            world.longest_none <= bound,
            "{:?} of {bound:?}",
            world.longest_none
        );
    }
}
