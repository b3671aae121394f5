//! When to send again (RFC 8415 §15), and what T1 and T2 of a lease are (§14.2, §21.4).

use crate::value::{Duration, Instant, Rng};

/// How one kind of message is repeated; RFC 8415 §7.6 has the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// IRT.
    pub first: Duration,
    /// MRT, before chance is added.
    pub cap: Duration,
    /// MRC: messages in all.
    pub tries: u32,
    /// MRD, from the first message.
    pub limit: Option<Duration>,
    /// The first wait is never shorter than IRT, because answers are collected in it (§18.2.1).
    pub collects: bool,
}

const fn endless(first: u64, cap: u64) -> Retry {
    Retry {
        first: Duration::from_secs(first),
        cap: Duration::from_secs(cap),
        tries: u32::MAX,
        limit: None,
        collects: false,
    }
}

/// SOLICIT. The cap is SOL_MAX_RT, which a server may change.
pub const SOLICIT: Retry = Retry {
    collects: true,
    ..endless(1, 3600)
};
/// REQUEST. REQ_MAX_RC is 10, three minutes with one silent server; after 5, half a minute, all servers are asked again.
pub const REQUEST: Retry = Retry {
    tries: 5,
    ..endless(1, 30)
};
/// CONFIRM, and REBIND in its place. CNF_MAX_RD is 10 s; a minute lets one message through after the 30 to 50 s in which
/// a bridge with spanning tree listens and learns.
pub const CONFIRM: Retry = Retry {
    limit: Some(Duration::from_secs(60)),
    ..endless(1, 4)
};
/// RENEW; ends at T2.
pub const RENEW: Retry = endless(10, 600);
/// REBIND; ends with the lease.
pub const REBIND: Retry = endless(10, 600);
/// INFORMATION-REQUEST. The cap is INF_MAX_RT, which a server may change.
pub const INFORMATION: Retry = endless(1, 3600);
/// RELEASE and DECLINE: REL_MAX_RC, DEC_MAX_RC; 15 s in all.
pub const FAREWELL: Retry = Retry {
    tries: 4,
    ..endless(1, 3600)
};
/// After a message that could not be sent at all.
pub const SEND_FAILED: Retry = Retry {
    first: Duration::from_millis(250),
    ..endless(1, 60)
};

/// What SOL_MAX_RT and INF_MAX_RT may be set to, seconds; other values are ignored (RFC 8415 §21.24, §21.25).
pub const MAX_RT_RANGE: core::ops::RangeInclusive<u32> = 60..=86_400;
/// Information refresh time without option 32, seconds (IRT_DEFAULT, RFC 8415 §7.6).
pub const REFRESH_DEFAULT: u32 = 86_400;
/// Least information refresh time, seconds (IRT_MINIMUM, RFC 8415 §7.6).
pub const REFRESH_MINIMUM: u32 = 600;

/// 0xffffffff seconds: without end (RFC 8415 §7.7).
pub const INFINITE: u32 = u32::MAX;
/// Shortest valid lifetime believed, seconds: shorter ones would be a stream of new leases at a server's whim.
pub const MIN_VALID: u32 = 10;
/// Least time to T1: a stream of renewals otherwise.
const MIN_RENEW: Duration = Duration::from_secs(5);

/// Longest pause before everyone is asked again after servers have said no.
const PAUSE_CAP: Duration = Duration::from_secs(120);

impl Retry {
    /// The wait after the first message.
    pub fn first_wait(&self, rng: &mut Rng) -> Duration {
        if self.collects {
            self.first + Duration::from_nanos(1) + chance(self.first / 10, rng)
        } else {
            around(self.first, self.first, rng)
        }
    }

    /// The wait after another message, when the one before it was `last`.
    pub fn next_wait(&self, last: Duration, rng: &mut Rng) -> Duration {
        let next = around(last.saturating_mul(2), last, rng);
        if next > self.cap {
            around(self.cap, self.cap, rng)
        } else {
            next
        }
    }
}

/// `middle` moved by up to a tenth of `scale` either way.
fn around(middle: Duration, scale: Duration, rng: &mut Rng) -> Duration {
    middle.saturating_sub(scale / 10) + chance(scale / 5, rng)
}

fn chance(range: Duration, rng: &mut Rng) -> Duration {
    let range = u64::try_from(range.as_nanos()).unwrap_or(u64::MAX - 1);
    Duration::from_nanos(rng.below(range + 1))
}

/// The pause before everyone is asked again, when servers have said no `before` times already: none the first time,
/// then 1, 2, 4 … 120 s.
pub fn pause(before: u32) -> Duration {
    match before {
        0 => Duration::ZERO,
        n => Duration::from_secs(1 << (n - 1).min(16)).min(PAUSE_CAP),
    }
}

/// The lifetimes of one address or prefix, from when it was got; `None`: without end.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    pub preferred: Option<Duration>,
    pub valid: Option<Duration>,
}

/// T1 and T2, `None`: never. `said` has the server's in seconds, 0 where it leaves them to us. Where T1 ≤ T2 ≤ the
/// shortest valid lifetime does not hold, and for 0, they are 0.5 and 0.8 of the shortest preferred lifetime (§21.4).
pub fn renewal(
    said: [u32; 2],
    lifetimes: impl Iterator<Item = Lifetimes> + Clone,
) -> [Option<Duration>; 2] {
    let valid = lifetimes.clone().filter_map(|life| life.valid).min();
    // What is deprecated already does not set the pace for the rest.
    let preferred = lifetimes.filter_map(|life| life.preferred);
    let shortest = preferred.filter(|life| !life.is_zero()).min().or(valid);
    let default = [
        shortest.map(|life| life / 2),
        shortest.map(|life| life * 4 / 5),
    ];
    let one = |said: u32, default| match said {
        0 => default,
        INFINITE => None,
        secs => Some(Duration::from_secs(u64::from(secs))),
    };
    let [t1, t2] = [one(said[0], default[0]), one(said[1], default[1])];
    let [t1, t2] = if no_later(t1, t2) && no_later(t2, valid) {
        [t1, t2]
    } else {
        default
    };
    let t1 = t1.map(|t1| t1.max(MIN_RENEW));
    [t1, t2.map(|t2| t2.max(t1.unwrap_or(t2)))]
}

fn no_later(first: Option<Duration>, then: Option<Duration>) -> bool {
    then.is_none_or(|then| first.is_some_and(|first| first <= then))
}

/// The moment `secs` after `at`; `None` for an infinite time.
pub fn after(at: Instant, secs: u32) -> Option<Instant> {
    (secs != INFINITE).then(|| at + Duration::from_secs(u64::from(secs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_their_cap() {
        let mut rng = Rng::new(1);
        for _ in 0..200 {
            let first = SOLICIT.first_wait(&mut rng).as_secs_f64();
            assert!(1.0 < first && first <= 1.100_001, "{first}");
            let first = RENEW.first_wait(&mut rng).as_secs_f64();
            assert!((9.0..=11.0).contains(&first), "{first}");
            let mut wait = REQUEST.first_wait(&mut rng);
            for _ in 0..12 {
                let next = REQUEST.next_wait(wait, &mut rng);
                let factor = next.as_secs_f64() / wait.as_secs_f64();
                let capped = (27.0..=33.0).contains(&next.as_secs_f64());
                assert!((1.9..=2.1).contains(&factor) || capped, "{wait:?} {next:?}");
                wait = next;
            }
            assert!((27.0..=33.0).contains(&wait.as_secs_f64()), "{wait:?}");
        }
        let long = SOLICIT.next_wait(Duration::MAX, &mut rng);
        assert!(long <= Duration::from_secs(3960));
    }

    #[test]
    fn pauses() {
        let secs: Vec<_> = (0..9).map(|before| pause(before).as_secs()).collect();
        assert_eq!(secs, [0, 1, 2, 4, 8, 16, 32, 64, 120]);
        assert_eq!(pause(u32::MAX), PAUSE_CAP);
    }

    /// Preferred and valid lifetimes, the server's T1 and T2, ours; -1: infinite.
    #[track_caller]
    fn check(lifetimes: &[(i64, i64)], said: [i64; 2], expect: [f64; 2]) {
        let secs = |secs: i64| u64::try_from(secs).ok().map(Duration::from_secs);
        let lifetimes = lifetimes.iter().map(|(preferred, valid)| Lifetimes {
            preferred: secs(*preferred),
            valid: secs(*valid),
        });
        let said = said.map(|said| u32::try_from(said).unwrap_or(INFINITE));
        let times = renewal(said, lifetimes).map(|time| time.map_or(-1.0, |t| t.as_secs_f64()));
        assert_eq!(times, expect);
    }

    #[test]
    fn t1_and_t2() {
        check(&[(100, 200)], [0, 0], [50.0, 80.0]);
        check(&[(100, 200)], [30, 60], [30.0, 60.0]);
        check(&[(100, 200)], [30, 0], [30.0, 80.0]);
        check(&[(100, 200)], [0, 60], [50.0, 60.0]);
        // Out of order, or after the end.
        check(&[(100, 200)], [60, 30], [50.0, 80.0]);
        check(&[(100, 200)], [90, 0], [50.0, 80.0]);
        check(&[(100, 200)], [100, 201], [50.0, 80.0]);
        check(&[(100, 200)], [-1, -1], [50.0, 80.0]);
        check(&[(100, 200)], [60, -1], [50.0, 80.0]);
        // The shortest of several counts; what is deprecated or infinite does not.
        check(
            &[(100, 200), (40, 200), (0, 200), (-1, -1)],
            [0, 0],
            [20.0, 32.0],
        );
        check(&[(0, 200)], [0, 0], [100.0, 160.0]);
        check(&[(-1, 200)], [0, 0], [100.0, 160.0]);
        check(&[(-1, -1)], [0, 0], [-1.0, -1.0]);
        check(&[(-1, -1)], [60, 90], [60.0, 90.0]);
        check(&[(-1, -1)], [60, -1], [60.0, -1.0]);
        check(&[(-1, -1)], [-1, 90], [-1.0, -1.0]);
        // Not more often than every five seconds.
        check(&[(100, 200)], [1, 2], [5.0, 5.0]);
        check(&[(6, 10)], [0, 0], [5.0, 5.0]);
    }
}
