//! How long a lease of a shared address may be used: whoever has the address has lost it before another one can have the lease.
//!
//! ```text
//!  asked for                          gives up                                   ends
//!     ├── use: renewed each third of it ──┼── margin: the kernel still has the address ──┤
//! ```
//! The owner counts from when it asked, which is before anybody granted it. Up to the moment at which it gives up it refreshes the
//! address; a supervisor that hangs or dies right then leaves it to the kernel.

use super::Duration;

/// How long the kernel keeps a shared address that nobody refreshes, seconds: a machine whose supervisor hangs or died has it
/// no longer than that.
pub const VIP_LIFETIME: u32 = 3;

/// How late the kernel removes what has ended, at most: it looks once a second when something else has just ended
/// (`ADDRCONF_TIMER_FUZZ_MAX`, include/net/addrconf.h; `check_lifetime`, net/ipv4/devinet.c).
const KERNEL_LATE: Duration = Duration::from_secs(1);

/// Longest time from when the supervisor reads the clock to when it refreshes the address: a turn of its loop, with a change of
/// thousands of routes before that.
const LOOP_LATE: Duration = Duration::from_millis(500);

/// How much faster the clock of who grants the lease may be, in parts: a hundredth. The kernel corrects a clock by a two
/// thousandth at most (`MAXFREQ`, include/linux/timex.h); chronyd, which changes the tick, by more only when it is far off.
const CLOCK_PARTS: u32 = 100;

/// The shortest lease that is used. What its margin leaves is three seconds: the cluster may need two to elect a leader of its own
/// (twice the election timeout, a second as it comes), and another one to answer.
pub const LEAST_LEASE: Duration = Duration::from_secs(8);

/// How long before the end of a lease of `ttl` its owner gives it up.
pub fn lease_margin(ttl: Duration) -> Duration {
    let kernel = Duration::from_secs(VIP_LIFETIME.into()) + KERNEL_LATE;
    kernel + LOOP_LATE + ttl / CLOCK_PARTS
}

/// For how long a lease of `ttl` is used after it was asked for.
pub fn lease_use(ttl: Duration) -> Duration {
    ttl.saturating_sub(lease_margin(ttl))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The election of a leader, and an answer.
    const LEAST_USE: Duration = Duration::from_secs(3);

    #[test]
    fn the_shortest_lease_outlives_the_election_of_a_leader() {
        let second = Duration::from_secs(1);
        assert_eq!(lease_margin(LEAST_LEASE), Duration::from_millis(4_580));
        assert_eq!(lease_use(LEAST_LEASE), Duration::from_millis(3_420));
        assert!(lease_use(LEAST_LEASE - second) < LEAST_USE);
        assert!(lease_use(LEAST_LEASE) >= LEAST_USE);
        // As it comes.
        assert_eq!(lease_use(10 * second), Duration::from_millis(5_400));
        assert_eq!(lease_use(4 * second), Duration::ZERO);
    }

    /// The owner's last refresh is right before it gives up, and late; the kernel is late; the other clock is fast.
    #[test]
    fn nothing_is_left_of_the_address_when_the_lease_ends() {
        for seconds in (8..=120).chain([3_600, 86_400, 9_000_000_000]) {
            let ttl = Duration::from_secs(seconds);
            let refreshed = lease_use(ttl) + LOOP_LATE;
            let gone = refreshed + Duration::from_secs(VIP_LIFETIME.into()) + KERNEL_LATE;
            let ends = ttl.mul_f64(1.0 / (1.0 + 1.0 / f64::from(CLOCK_PARTS)));
            assert!(gone <= ends, "{ttl:?}: {gone:?}, {ends:?}");
            // A renewal has its turn twice before that, also when the first goes to a member that says nothing.
            assert!(lease_use(ttl) / 3 * 2 >= Duration::from_secs(2));
        }
    }
}
