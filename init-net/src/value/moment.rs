//! [`Moment`]: when something was, for people and for machines.

use core::fmt;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::calendar::civil;
use super::{Duration, Instant};

/// A point in time on both clocks. The one since the start of the kernel orders; the wall clock may be wrong and jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// CLOCK_BOOTTIME.
    pub boot: Instant,
    /// CLOCK_REALTIME, since 1970.
    pub wall: Duration,
}

/// `bootTime` in seconds, `time` as in RFC 3339.
impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Moment", 2)?;
        fields.serialize_field("bootTime", &(self.boot.as_millis() as f64 / 1e3))?;
        fields.serialize_field("time", &self.to_string())?;
        fields.end()
    }
}

/// RFC 3339, UTC, whole seconds.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 86_400;
        let secs = self.wall.as_secs();
        let (year, month, day) = civil(secs / DAY);
        let (hour, minute, second) = (secs % DAY / 3600, secs % 3600 / 60, secs % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(secs: u64, expect: &str) {
        let moment = Moment {
            wall: Duration::from_secs(secs),
            ..Moment::default()
        };
        assert_eq!(moment.to_string(), expect);
    }

    #[test]
    fn dates() {
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_399, "2000-02-28T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_709_251_199, "2024-02-29T23:59:59Z");
        check(1_709_251_200, "2024-03-01T00:00:00Z");
        check(1_735_689_599, "2024-12-31T23:59:59Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
        // A wall clock that is broken breaks nothing.
        check(u64::MAX, "584554051223-11-09T07:00:15Z");
    }

    #[test]
    fn both_clocks_are_told() {
        let moment = Moment {
            boot: Instant::from_millis(5_250),
            wall: Duration::from_secs(1_709_251_200),
        };
        let text = serde_json::to_string(&moment).unwrap();
        assert_eq!(text, r#"{"bootTime":5.25,"time":"2024-03-01T00:00:00Z"}"#);
    }
}
