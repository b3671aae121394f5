//! The clocks. The only place that reads one.

use nix::time::{ClockId, clock_gettime};

use crate::value::{Duration, Instant};

/// Now, on CLOCK_BOOTTIME: it counts while the machine sleeps, as leases do.
pub fn now() -> Instant {
    Instant::BOOT + read(ClockId::CLOCK_BOOTTIME)
}

/// Time since 1970, for reports and certificates only: it may be wrong and jump.
pub fn wall() -> Duration {
    read(ClockId::CLOCK_REALTIME)
}

/// CLOCK_MONOTONIC: what sd_notify(3) counts in.
pub fn monotonic() -> Duration {
    read(ClockId::CLOCK_MONOTONIC)
}

/// CPU time that this process has used.
pub fn cpu() -> Duration {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock).expect("these clocks exist on every Linux since 2.6.39");
    // A wall clock before 1970 counts as 1970.
    let secs = u64::try_from(time.tv_sec()).unwrap_or(0);
    Duration::new(secs, u32::try_from(time.tv_nsec()).unwrap_or(0))
}
