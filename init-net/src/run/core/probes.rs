//! Probes: what tells that the network works is tried again and again (`TCPProbeConfig`, `HTTPProbeConfig`).

use std::collections::BTreeMap;

use super::attempt::Attempt;
use super::fetches::{Means, Wires};
use super::{Core, Effect, HttpEvent};
use crate::state::{Observed, ProbeSpec, ProbeStatus};
use crate::value::{Duration, Gather as _, Instant, Rng, earliest};

/// Most probes that run: each has a connection. More count as failing and say so.
const MAX_PROBES: usize = 64;

/// Shortest time between two tries of one probe: an interval of 0 must not keep a processor busy.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Ids of their connections are the upper half of all: they never meet those of what is fetched.
const FIRST_ID: u64 = 1 << 63;

/// All of them.
pub(super) struct Probes {
    running: BTreeMap<String, Running>,
    next: u64,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            running: BTreeMap::new(),
            next: FIRST_ID,
        }
    }
}

struct Running {
    spec: ProbeSpec,
    attempt: Option<Attempt>,
    /// When the next try begins, while there is none.
    next: Instant,
    /// When the last one began.
    began: Option<Instant>,
    /// In a row.
    failures: u32,
    /// `None`: not known yet.
    status: Option<ProbeStatus>,
    /// When the last try began that succeeded, if nothing has failed since.
    proved: Option<Instant>,
}

impl Running {
    fn new(spec: ProbeSpec, now: Instant) -> Self {
        Self {
            spec,
            attempt: None,
            next: now,
            began: None,
            failures: 0,
            status: None,
            proved: None,
        }
    }

    /// Gives a try up.
    fn abandon(&mut self, effects: &mut Vec<Effect>) {
        if let Some(mut attempt) = self.attempt.take() {
            attempt.close(effects);
        }
    }

    fn turn(&mut self, now: Instant, rng: &mut Rng, wires: &mut Wires<'_>) {
        if self.attempt.is_none() && self.next <= now {
            self.began = Some(now);
            let attempt = Attempt::new(&self.spec.target, self.spec.timeout, now);
            self.attempt = Some(attempt);
        }
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        let Some(result) = attempt.turn(now, rng, wires) else {
            return;
        };
        let began = attempt.began;
        self.attempt = None;
        self.next = now.max(began + self.spec.interval.max(MIN_INTERVAL));
        let was = self.status.as_ref().is_some_and(|status| status.success);
        match result {
            Ok(()) => {
                self.failures = 0;
                self.proved = Some(began);
                self.status = Some(ProbeStatus {
                    success: true,
                    last_error: String::new(),
                });
                if !was {
                    let text = format!("probe {}: {} answers", self.spec.name, self.spec.target);
                    wires.effects.push(Effect::Log(log::Level::Info, text));
                }
            }
            Err(last_error) => {
                self.failures = self.failures.saturating_add(1);
                self.proved = None;
                if self.failures >= self.spec.failure_threshold {
                    if was {
                        let text = format!("probe {}: {last_error}", self.spec.name);
                        wires.effects.push(Effect::Log(log::Level::Warn, text));
                    }
                    self.status = Some(ProbeStatus {
                        success: false,
                        last_error,
                    });
                } else if let Some(status) = &mut self.status {
                    status.last_error = last_error;
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.attempt {
            Some(attempt) => attempt.deadline(),
            None => Some(self.next),
        }
    }
}

impl Probes {
    /// Something about a connection, or a DNS reply.
    pub(super) fn receive(&mut self, event: &HttpEvent, now: Instant) {
        let attempts = self.running.values_mut();
        for attempt in attempts.filter_map(|running| running.attempt.as_mut()) {
            attempt.receive(event, now);
        }
    }

    /// Runs what `specs` say, and nothing else.
    pub(super) fn turn(
        &mut self,
        specs: &BTreeMap<String, ProbeSpec>,
        now: Instant,
        rng: &mut Rng,
        observed: Option<&Observed>,
        means: &mut Means<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if observed.is_none() || (specs.is_empty() && self.running.is_empty()) {
            return;
        }
        self.running.retain(|name, running| {
            let stays = specs.get(name) == Some(&running.spec);
            if !stays {
                running.abandon(effects);
            }
            stays
        });
        for (name, spec) in specs.iter().take(MAX_PROBES) {
            if !self.running.contains_key(name) {
                let running = Running::new(spec.clone(), now);
                self.running.insert(name.clone(), running);
            }
        }
        let mut wires = Wires {
            next: &mut self.next,
            nameservers: means.nameservers,
            trusted: means.trusted,
            observed,
            effects,
        };
        for running in self.running.values_mut() {
            running.turn(now, rng, &mut wires);
        }
    }

    /// The network has changed: every probe begins anew, at once.
    pub(super) fn hurry(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for running in self.running.values_mut() {
            running.abandon(effects);
            let rested = running.began.map_or(now, |began| began + MIN_INTERVAL);
            running.next = now.max(rested);
        }
    }

    /// When [`Probes::turn`] has something to do next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        earliest(self.running.values().map(Running::deadline))
    }

    /// Whether each of `specs` has succeeded in a try that began at `at` or later, and there is one.
    pub(super) fn proved_since(&self, specs: &BTreeMap<String, ProbeSpec>, at: Instant) -> bool {
        let proved = |name| {
            let running = self.running.get(name);
            running.is_some_and(|running| running.proved.is_some_and(|began| began >= at))
        };
        !specs.is_empty() && specs.keys().all(proved)
    }

    /// What each of `specs` is known to be; those that have not been tried are not there.
    fn statuses(&self, specs: &BTreeMap<String, ProbeSpec>) -> BTreeMap<String, ProbeStatus> {
        let known = |(at, name): (usize, &String)| {
            let status = match self.running.get(name) {
                Some(running) => running.status.clone()?,
                None if at >= MAX_PROBES => ProbeStatus {
                    success: false,
                    last_error: format!("not tried: at most {MAX_PROBES} probes run"),
                },
                None => return None,
            };
            Some((name.clone(), status))
        };
        specs.keys().enumerate().filter_map(known).gather()
    }
}

impl Core {
    /// How the probes fare, by name; those that have not been tried yet are not there.
    pub fn probes(&self) -> BTreeMap<String, ProbeStatus> {
        self.probes.statuses(&self.desired.probes)
    }

    /// Whether every probe, of which there is one, has succeeded in a try that began at `at` or later.
    pub(super) fn probes_proved_since(&self, at: Instant) -> bool {
        self.probes.proved_since(&self.desired.probes, at)
    }

    /// The probes that do not say that the network works, each with what it met.
    pub(super) fn failing_probes(&self) -> Vec<String> {
        let statuses = self.probes();
        let failing = |name: &String| match statuses.get(name) {
            Some(status) if status.success => None,
            Some(status) => Some(format!("probe {name}: {}", status.last_error)),
            None => Some(format!("probe {name}")),
        };
        self.desired.probes.keys().filter_map(failing).collect()
    }
}
