//! When to send again, and what the three times of a lease are.

use crate::value::{Duration, Instant, Rng};

/// First retransmission. RFC 2131 §4.1 says 4 s, from a time of shared 10 Mbit/s cables; the first packet of a boot
/// is often lost while the far end starts to forward, and a boot should not pay 4 s for it.
pub const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest time between retransmissions (RFC 2131 §4.1).
pub const RETRY_CAP: Duration = Duration::from_secs(64);
/// Most that chance adds or takes (RFC 2131 §4.1); of short intervals an eighth.
const JITTER_CAP: Duration = Duration::from_secs(1);

/// DHCPREQUESTs to a server that made an offer: the first and 4 more (RFC 2131 §3.1 item 5), 7.75 s in all.
pub const REQUEST_TRIES: u32 = 5;
/// DHCPREQUESTs for a remembered address before a DISCOVER asks everyone: 1.75 s in all.
pub const REBOOT_TRIES: u32 = 3;
/// DHCPREQUESTs that confirm an address in use after the carrier came back: 64 s in all, so that one gets through
/// after the 30 to 50 s in which a bridge with spanning tree listens and learns.
pub const CONFIRM_TRIES: u32 = 8;
/// Least time from a DECLINE to the next DISCOVER (RFC 2131 §3.1 item 5).
pub const DECLINE_WAIT: Duration = Duration::from_secs(10);
/// RFC 8925 §3.4.
pub const MIN_V6ONLY_WAIT: Duration = Duration::from_secs(300);

/// Lease time when the server names none, or 0: half an hour, seconds.
const DEFAULT_LEASE: u32 = 1800;
/// Shortest lease time believed, seconds: shorter ones would be a stream of renewals at a server's whim.
const MIN_LEASE: u32 = 10;
/// RFC 2131 §3.3.
const INFINITE: u32 = u32::MAX;
/// Least time between two renewals (RFC 2131 §4.4.5), where the lease has that much.
const RENEW_FLOOR: Duration = Duration::from_secs(60);

/// Waiting time after the `sent`-th transmission, without chance: 0.25, 0.5, 1 … 64 s.
pub fn backoff(sent: u32) -> Duration {
    let doublings = sent.saturating_sub(1).min(16);
    RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_CAP)
}

/// [`backoff`], moved by up to an eighth (1 s at most) either way.
pub fn backoff_jittered(sent: u32, rng: &mut Rng) -> Duration {
    let wait = backoff(sent);
    let jitter = (wait / 8).min(JITTER_CAP);
    let spread = u64::try_from(2 * jitter.as_nanos()).unwrap_or(0);
    wait - jitter + Duration::from_nanos(rng.below(spread + 1))
}

/// When to repeat a renewal in `from..until`: RFC 2131 §4.4.5, half of the remaining time, at least a minute, or a
/// quarter of the span where the lease is too short for minutes.
pub fn renewal_retry(now: Instant, from: Instant, until: Instant) -> Instant {
    let floor = RENEW_FLOOR.min(until.saturating_since(from) / 4);
    now + (until.saturating_since(now) / 2).max(floor)
}

/// The times of a finite lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    pub lease_secs: u32,
    /// T1.
    pub renew: Duration,
    /// T2.
    pub rebind: Duration,
}

impl LeaseTimes {
    /// When it ends.
    pub fn expire(&self) -> Duration {
        Duration::from_secs(u64::from(self.lease_secs))
    }
}

/// From options 51, 58 and 59; `None`: infinite. Where T1 < T2 < lease does not hold, T1 and T2 are 0.5 and 0.875 of
/// the lease (RFC 2131 §4.4.5).
pub fn lease_times(lease: Option<u32>, t1: Option<u32>, t2: Option<u32>) -> Option<LeaseTimes> {
    let lease_secs = match lease {
        Some(INFINITE) => return None,
        None | Some(0) => DEFAULT_LEASE,
        Some(secs) => secs.max(MIN_LEASE),
    };
    let lease = Duration::from_secs(u64::from(lease_secs));
    let default = (lease / 2, lease / 8 * 7);
    let said = |secs: Option<u32>| secs.map(|secs| Duration::from_secs(u64::from(secs)));
    let renew = said(t1).unwrap_or(default.0);
    let rebind = said(t2).unwrap_or(default.1);
    let in_order = !renew.is_zero() && renew < rebind && rebind < lease;
    let (renew, rebind) = if in_order { (renew, rebind) } else { default };
    Some(LeaseTimes {
        lease_secs,
        renew,
        rebind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_cap() {
        let millis: Vec<_> = (1..=11).map(|sent| backoff(sent).as_millis()).collect();
        assert_eq!(millis[..4], [250, 500, 1000, 2000]);
        assert_eq!(millis[8..], [64_000; 3]);
        assert_eq!(backoff(u32::MAX), RETRY_CAP);
        let mut rng = Rng::new(1);
        for sent in 1..40 {
            let wait = backoff_jittered(sent, &mut rng);
            let jitter = (backoff(sent) / 8).min(JITTER_CAP);
            assert!(backoff(sent) - jitter <= wait && wait <= backoff(sent) + jitter);
        }
    }

    #[track_caller]
    fn check(
        lease: Option<u32>,
        t1: Option<u32>,
        t2: Option<u32>,
        expect: Option<(u32, f32, f32)>,
    ) {
        let times = lease_times(lease, t1, t2)
            .map(|t| (t.lease_secs, t.renew.as_secs_f32(), t.rebind.as_secs_f32()));
        assert_eq!(times, expect);
    }

    #[test]
    fn times() {
        check(Some(120), None, None, Some((120, 60.0, 105.0)));
        check(Some(120), Some(30), Some(90), Some((120, 30.0, 90.0)));
        check(Some(120), Some(30), None, Some((120, 30.0, 105.0)));
        check(Some(120), None, Some(90), Some((120, 60.0, 90.0)));
        // Out of order in each way there is.
        check(Some(120), Some(90), Some(30), Some((120, 60.0, 105.0)));
        check(Some(120), Some(90), Some(90), Some((120, 60.0, 105.0)));
        check(Some(120), Some(60), Some(120), Some((120, 60.0, 105.0)));
        check(Some(120), Some(0), Some(0), Some((120, 60.0, 105.0)));
        check(Some(120), None, Some(30), Some((120, 60.0, 105.0)));
        check(Some(0), None, None, Some((1800, 900.0, 1575.0)));
        check(None, None, None, Some((1800, 900.0, 1575.0)));
        check(Some(1), None, None, Some((10, 5.0, 8.75)));
        check(Some(u32::MAX), Some(1), Some(2), None);
    }

    #[test]
    fn renewals_are_spaced() {
        let at = Instant::from_secs;
        assert_eq!(renewal_retry(at(1800), at(1800), at(3150)), at(1800 + 675));
        assert_eq!(renewal_retry(at(3100), at(1800), at(3150)), at(3160));
        let short = renewal_retry(at(60), at(60), at(105));
        assert_eq!(short.as_millis(), 82_500);
        assert_eq!(renewal_retry(at(100), at(60), at(105)).as_millis(), 111_250);
    }
}
