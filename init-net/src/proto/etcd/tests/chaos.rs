//! Three machines, one etcd, and all that goes wrong between them: never two owners, and one again when it is over.

use super::model::{Etcd, received, sent};
use super::*;

/// For how long the kernel keeps an address that nobody refreshes, when it is late.
const LIFETIME: Duration = Duration::from_secs(VIP_LIFETIME as u64 + 1);

/// What was asked, on its way.
struct Flight {
    machine: usize,
    /// Which run of the machine asked.
    run: u32,
    number: u64,
    request: Request,
    /// When it is done at etcd; several times, when the network doubles it.
    done_at: Vec<Instant>,
    /// How long the answer takes; `None`: it is lost.
    back: Option<Duration>,
}

struct Machine {
    campaign: Campaign,
    run: u32,
    /// The number of the request on its way, and its deadline.
    asked: Option<(u64, Request)>,
    /// Answers that came, by request.
    inbox: Vec<(u64, Response)>,
    /// Until then the network takes nothing from it or to it.
    cut_until: Instant,
    /// Until then it does not run.
    stalled_until: Instant,
    /// The kernel has the address until then.
    address_until: Instant,
    wins: u32,
}

struct World {
    ttl: Duration,
    now: Instant,
    rng: Rng,
    etcd: Etcd,
    down_until: Instant,
    machines: Vec<Machine>,
    flights: Vec<Flight>,
    /// Watches that wait at etcd.
    watches: Vec<Flight>,
    answers: Vec<(Instant, usize, u32, u64, Response)>,
    number: u64,
    next_chaos: Instant,
    calm: bool,
}

impl World {
    fn new(seed: u64, ttl: Duration) -> Self {
        let now = START;
        let machine = |number: usize| Machine {
            campaign: Campaign::new(settings(&format!("m{number}"), ttl), true, now),
            run: 0,
            asked: None,
            inbox: Vec::new(),
            cut_until: now,
            stalled_until: now,
            address_until: now,
            wins: 0,
        };
        Self {
            ttl,
            now,
            rng: Rng::new(seed),
            etcd: Etcd::default(),
            down_until: now,
            machines: (0..3).map(machine).collect(),
            flights: Vec::new(),
            watches: Vec::new(),
            answers: Vec::new(),
            number: 0,
            next_chaos: now,
            calm: false,
        }
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.rng.below(most))
    }

    fn chaos(&mut self) {
        let (now, which) = (self.now, self.rng.below(3) as usize);
        self.next_chaos = now + Duration::from_millis(200) + self.millis(8_000);
        let long = now + self.millis(20_000);
        let kind = self.rng.below(8);
        let fit = self.rng.below(3) > 0;
        let hold = self.millis(5_000);
        let settings = settings(&format!("m{which}"), self.ttl);
        let machine = &mut self.machines[which];
        match kind {
            0 | 1 => machine.cut_until = long,
            2 => machine.stalled_until = long,
            3 => self.down_until = long,
            4 => machine.campaign.set_fit(fit, now),
            5 => machine.campaign.abdicate(hold, now),
            6 => {
                // It is killed and starts anew, which takes the old address away first.
                machine.campaign = Campaign::new(settings, true, now);
                machine.run += 1;
                machine.asked = None;
                machine.address_until = now;
            }
            _ => {
                // Handed over to the next process.
                if let Some(lease) = machine.campaign.lease() {
                    machine.campaign = Campaign::resume(settings, lease, true, now);
                    machine.run += 1;
                    machine.asked = None;
                }
            }
        }
    }

    fn ask(&mut self, which: usize, request: Request) {
        self.number += 1;
        let (now, number) = (self.now, self.number);
        let slow = self.rng.below(10) == 0;
        let there = now + self.millis(if slow { 3_000 } else { 20 });
        let lost = !self.calm && self.rng.below(20) == 0;
        let mut done_at = vec![there];
        if !self.calm && self.rng.below(20) == 0 {
            done_at.push(there + self.millis(5_000));
        }
        let back = (self.rng.below(20) > 0 || self.calm).then(|| self.millis(20));
        let machine = &mut self.machines[which];
        machine.asked = Some((number, request.clone()));
        if !lost && now >= machine.cut_until {
            let run = machine.run;
            self.flights.push(Flight {
                machine: which,
                run,
                number,
                request,
                done_at,
                back,
            });
        }
    }

    /// What is done at etcd by now. A cluster that is down does it when it is back.
    fn deliver(&mut self) {
        let now = self.now;
        if now < self.down_until {
            return;
        }
        let mut index = 0;
        while index < self.flights.len() {
            let flight = &mut self.flights[index];
            if let Some(at) = flight.done_at.iter().position(|at| now >= *at) {
                flight.done_at.remove(at);
                let (path, body) = sent(&flight.request);
                if path == "/v3/watch" {
                    let flight = self.flights.swap_remove(index);
                    self.watches.push(flight);
                    continue;
                }
                let (status, body) = self.etcd.serve(&path, &body, fast(now));
                if let Some(back) = flight.back.take() {
                    let response = received(&flight.request, status, &body);
                    let (machine, run, number) = (flight.machine, flight.run, flight.number);
                    self.answers
                        .push((now + back, machine, run, number, response));
                }
            } else if flight.done_at.is_empty() {
                self.flights.swap_remove(index);
            } else {
                index += 1;
            }
        }
        self.etcd.expire(fast(now));
        for flight in core::mem::take(&mut self.watches) {
            match self.etcd.watched(&sent(&flight.request).1) {
                None => self.watches.push(flight),
                Some(body) => {
                    let response = received(&flight.request, 200, &body);
                    let (which, run, number) = (flight.machine, flight.run, flight.number);
                    let answer = flight.back;
                    let answer = answer.map(|back| (now + back, which, run, number, response));
                    self.answers.extend(answer);
                }
            }
        }
        let (due, later) = (self.answers.drain(..)).partition(|(at, ..)| now >= *at);
        self.answers = later;
        let due: Vec<(Instant, usize, u32, u64, Response)> = due;
        for (_, which, run, number, response) in due {
            let machine = &mut self.machines[which];
            if machine.run == run && now >= machine.cut_until {
                machine.inbox.push((number, response));
            }
        }
    }

    fn turn(&mut self, which: usize) {
        let now = self.now;
        loop {
            let machine = &mut self.machines[which];
            if machine.campaign.abandons(now) {
                machine.asked = None;
            }
            if let Some((number, request)) = &machine.asked {
                let came = machine.inbox.iter().position(|(other, _)| other == number);
                if let Some(at) = came {
                    let (_, response) = machine.inbox.remove(at);
                    machine.asked = None;
                    machine.campaign.answer(Ok(response), now);
                } else if now >= request.deadline {
                    let error = late(request);
                    machine.asked = None;
                    machine.campaign.answer(Err(error), now);
                }
            }
            let request = machine.campaign.request(now);
            while let Some(event) = machine.campaign.event() {
                match event {
                    Event::Won => machine.wins += 1,
                    Event::Lost(_) | Event::Trouble(_) | Event::Owner(_) => {}
                }
            }
            machine.address_until = match machine.campaign.is_active() {
                true => now + LIFETIME,
                false => now,
            };
            match request {
                Some(request) => self.ask(which, request),
                None => return,
            }
        }
    }

    fn step(&mut self) {
        let machines = self.machines.iter().map(|machine| {
            let deadline = machine.campaign.deadline();
            let asked = machine.asked.as_ref().map(|(_, request)| request.deadline);
            let next = earliest([deadline, asked]).map(|at| at.max(machine.stalled_until));
            earliest([
                next,
                Some(machine.stalled_until).filter(|at| *at > self.now),
            ])
        });
        let flights = self.flights.iter().flat_map(|flight| &flight.done_at);
        let flights = flights.map(|at| Some((*at).max(self.down_until)));
        let answers = self
            .answers
            .iter()
            .map(|(at, ..)| Some((*at).max(self.down_until)));
        let chaos = [Some(self.next_chaos).filter(|_| !self.calm)];
        let next = earliest(machines.chain(flights).chain(answers).chain(chaos)).unwrap();
        self.now = next.max(self.now + Duration::from_micros(100));
        if !self.calm && self.now >= self.next_chaos {
            self.chaos();
        }
        self.deliver();
        for which in 0..3 {
            if self.now >= self.machines[which].stalled_until {
                self.turn(which);
            }
        }
        let now = self.now;
        let has = |machine: &&Machine| now < machine.address_until;
        let owners = self.machines.iter().filter(has).count();
        assert!(owners <= 1, "{owners} owners at {now}");
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
        }
    }
}

#[test]
fn never_two_owners_and_one_again() {
    let mut wins = 0;
    for seed in 0..40 {
        let mut world = World::new(seed, if seed % 2 == 0 { TTL } else { LEAST_LEASE });
        world.run(Duration::from_secs(600));
        world.calm = true;
        let now = world.now;
        world.down_until = now;
        for machine in &mut world.machines {
            (machine.cut_until, machine.stalled_until) = (now, now);
            machine.campaign.set_fit(true, now);
        }
        world.run(Duration::from_secs(30));
        let active = |machine: &&Machine| machine.campaign.is_active();
        let owners: Vec<&Machine> = world.machines.iter().filter(active).collect();
        assert_eq!(owners.len(), 1, "seed {seed}");
        let owner = owners[0].campaign.owner();
        assert!(owner.is_some());
        for machine in &world.machines {
            assert_eq!(machine.campaign.owner(), owner, "seed {seed}");
            assert_eq!(machine.campaign.fault(), None);
            wins += machine.wins;
        }
        assert_eq!(world.etcd.names().len(), 3, "{:?}", world.etcd.names());
    }
    assert!(wins > 1_000, "{wins}");
}
