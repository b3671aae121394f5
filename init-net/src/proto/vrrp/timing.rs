//! Times of VRRP, in nanoseconds: whole centiseconds would make every skew of a fast group 0, and with it the order.

use super::settings::Settings;
use crate::value::{Duration, VrrpVersion};

/// Silent intervals until the Active counts as gone, RFC 9568 §6.1.
const SILENT: u32 = 3;

/// Skew_Time: the less priority, the later. RFC 9568 §6.1; RFC 3768 §6.1 has it in seconds whatever the interval.
pub(super) fn skew(version: VrrpVersion, priority: u8, interval: Duration) -> Duration {
    let unit = match version {
        VrrpVersion::V2 => Duration::from_secs(1),
        VrrpVersion::V3 => interval,
    };
    unit * (256 - u32::from(priority)) / 256
}

/// Active_Down_Interval, RFC 9568 §6.1; `interval` is that of the Active.
pub(super) fn down(settings: &Settings, priority: u8, interval: Duration) -> Duration {
    interval * SILENT + skew(settings.version, priority, interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(centiseconds: u32, priority: u8, skew_us: u128, down_us: u128) {
        let interval = Duration::from_millis(10) * centiseconds;
        let skew = skew(VrrpVersion::V3, priority, interval);
        assert_eq!(skew.as_micros(), skew_us, "skew");
        assert_eq!((interval * SILENT + skew).as_micros(), down_us, "down");
    }

    #[test]
    fn skews_keep_the_order_of_priorities() {
        check(100, 254, 7_812, 3_007_812);
        check(100, 100, 609_375, 3_609_375);
        check(20, 200, 43_750, 643_750);
        check(20, 100, 121_875, 721_875);
        check(10, 254, 781, 300_781);
        check(10, 100, 60_937, 360_937);
        check(3, 254, 234, 90_234);
        check(3, 253, 351, 90_351);
        check(4095, 1, 40_790_039, 163_640_039);
    }

    #[test]
    fn version_2_counts_in_seconds() {
        let skew = skew(VrrpVersion::V2, 100, Duration::from_secs(5));
        assert_eq!(skew.as_micros(), 609_375);
    }
}
