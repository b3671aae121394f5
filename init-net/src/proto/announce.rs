//! [`Announcer`]: tells neighbours that an address is here now, and again, and now and then.

use core::net::IpAddr;

use super::{Frame, Machine, neighbor};
use crate::value::{Duration, Instant, Mac, Rng};

/// When each round of a burst is sent, from its beginning: a lost frame is made good soon, a switch that learns slowly later.
const BURST: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// Between two rounds after that. Machines come that have heard none of it; and where two parts of a network meet again, and the
/// machine that had the address in the other one yields without a word, its neighbours learn it by this alone.
const PERIOD: Duration = Duration::from_secs(10);

/// By how much of [`PERIOD`] a round comes early at most, so that machines do not speak all at once: a tenth.
const JITTER: u64 = PERIOD.as_millis() as u64 / 10;

/// Between the beginnings of two bursts, at least: machines that contradict each other must not fill the link.
const MIN_PAUSE: Duration = Duration::from_millis(200);

/// The announcements of one address on one link. Dropping it ends them.
#[derive(Clone, Debug)]
pub struct Announcer {
    frames: Vec<Frame>,
    /// Beginning of the last burst.
    began: Instant,
    /// Rounds of it that are sent; beyond the burst the slow repetition runs.
    rounds: usize,
    /// Frames of the present round that are sent.
    sent: usize,
    /// When the present round is due.
    due: Instant,
}

impl Announcer {
    /// Begins at `now` to say that the card with the address `mac` has `ip`; `router`: the machine passes packets on.
    pub fn new(ip: IpAddr, mac: Mac, router: bool, now: Instant) -> Self {
        Self {
            frames: neighbor::announcement(ip, mac, router),
            began: now,
            rounds: 0,
            sent: 0,
            due: now,
        }
    }

    /// Another burst: neighbours may have heard something else.
    pub fn again(&mut self, now: Instant) {
        let begin = now.max(self.began + MIN_PAUSE);
        // One that is about to begin does for both.
        if self.rounds == 0 && self.due <= begin {
            return;
        }
        self.began = begin;
        self.rounds = 0;
        self.sent = 0;
        self.due = begin;
    }
}

impl Machine for Announcer {
    type Transmit = Frame;
    type Event = core::convert::Infallible;

    /// Nothing is for it.
    fn receive(&mut self, _message: &[u8], _now: Instant) {}

    /// Everything that is due is something to send.
    fn expire(&mut self, _now: Instant) {}

    fn transmit<E>(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        send: impl FnOnce(Frame) -> Result<(), E>,
    ) -> Result<bool, E> {
        let Some(frame) = self.frames.get(self.sent).filter(|_| self.due <= now) else {
            return Ok(false);
        };
        send(frame.clone())?;
        self.sent += 1;
        if self.sent >= self.frames.len() {
            self.sent = 0;
            self.rounds = self.rounds.saturating_add(1);
            self.due = match BURST.get(self.rounds) {
                // A round that is late does not make the next one later, but two never come at once.
                Some(offset) => (self.began + *offset).max(now + BURST[1]),
                None => now + (PERIOD - Duration::from_millis(rng.below(JITTER))),
            };
        }
        Ok(true)
    }

    fn event(&mut self) -> Option<Self::Event> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.frames.is_empty()).then_some(self.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac::ethernet([0x52, 0x54, 0, 0, 0, 1]);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn announcer(ip: &str) -> Announcer {
        Announcer::new(ip.parse().unwrap(), MAC, false, at(1000))
    }

    /// Milliseconds at which frames are sent until `until`.
    fn run(announcer: &mut Announcer, until: u64) -> Vec<u64> {
        let mut rng = Rng::new(7);
        let mut sent = Vec::new();
        while let Some(due) = announcer.deadline().filter(|due| *due <= at(until)) {
            announcer.transmit_all(due, &mut rng, |_| sent.push(due.as_millis() - 1000));
        }
        sent
    }

    #[test]
    fn a_burst_and_then_each_ten_seconds() {
        let mut six = announcer("2001:db8::1");
        assert_eq!(run(&mut six, 7000), [0, 50, 200, 1000, 5000]);
        let slow = run(&mut six, 50_000);
        let pauses: Vec<u64> = [5000]
            .iter()
            .chain(&slow)
            .zip(&slow)
            .map(|(a, b)| b - a)
            .collect();
        assert!(
            pauses.len() >= 4 && pauses.iter().all(|ms| (9_000..=10_000).contains(ms)),
            "{pauses:?}"
        );
        assert!(
            pauses.windows(2).any(|pair| pair[0] != pair[1]),
            "{pauses:?}"
        );
        // Of IPv4, request and reply.
        assert_eq!(run(&mut announcer("192.0.2.1"), 1100), [0, 0, 50, 50]);
    }

    #[test]
    fn another_burst_waits_for_the_pause_and_counts_once() {
        let mut six = announcer("2001:db8::1");
        assert_eq!(run(&mut six, 1010), [0]);
        for millis in 1010..1100 {
            six.again(at(millis));
        }
        assert_eq!(run(&mut six, 2500), [200, 250, 400, 1200]);
        six.again(at(2500));
        assert_eq!(run(&mut six, 2500), [1500]);
    }

    #[test]
    fn a_card_without_an_ethernet_address_says_nothing() {
        let mac = Mac::from_bytes(&[1; 20]).unwrap();
        let silent = Announcer::new("192.0.2.1".parse().unwrap(), mac, false, at(0));
        assert_eq!(silent.deadline(), None);
    }
}
