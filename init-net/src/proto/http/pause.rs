//! How long an answer asks to wait: `Retry-After` (RFC 9110 §10.2.3), or the fields of APIs with a rate limit.
//!
//! Both may name a moment. It counts from the server's own `Date`: this machine's clock may be wrong, and so may be the
//! server's, as long as it is the same one.

use crate::value::{Duration, days};

/// Longest wait for the end of a rate limit. Some APIs name the moment when all requests are there again, an hour ahead, and
/// allow single ones long before.
const MAX_RESET: Duration = Duration::from_secs(60);

/// Less is seconds from now, as drafts of a standard have it; more is a moment since 1970.
const FIRST_MOMENT: u64 = 1_000_000_000;

/// The wait that an answer asks for. `field` gives the value of a field of its head.
pub(super) fn asked<'a>(
    status: u16,
    field: impl Fn(&'static str) -> Option<&'a str>,
) -> Option<Duration> {
    let date = || field("date").and_then(moment);
    if let Some(text) = field("retry-after") {
        let until = || Some(moment(text)?.saturating_sub(date()?));
        return digits(text).or_else(until).map(Duration::from_secs);
    }
    // With requests left it was another limit.
    if status != 429 || field("ratelimit-remaining").is_some_and(|left| left != "0") {
        return None;
    }
    let reset = digits(field("ratelimit-reset")?)?;
    let secs = match reset {
        ..FIRST_MOMENT => reset,
        at => at.saturating_sub(date()?),
    };
    Some(Duration::from_secs(secs).min(MAX_RESET))
}

fn digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7, without its obsolete forms).
fn moment(text: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (_, text) = text.split_once(", ")?;
    let mut words = text.strip_suffix(" GMT")?.split([' ', ':']);
    let day = digits(words.next()?)?;
    let month = words.next().filter(|name| name.len() == 3)?;
    let month = MONTHS.find(month).filter(|at| at % 3 == 0)? as u64 / 3 + 1;
    let mut number = || digits(words.next()?).filter(|number| *number <= 9999);
    let (year, hour, minute, second) = (number()?, number()?, number()?, number()?);
    let sound = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let days = days(year, month, day).filter(|_| sound)?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, fields: &[(&str, &str)], expect: Option<u64>) {
        let field = |name| {
            fields
                .iter()
                .find(|(it, _)| *it == name)
                .map(|(_, value)| *value)
        };
        assert_eq!(
            asked(status, field),
            expect.map(Duration::from_secs),
            "{fields:?}"
        );
    }

    #[test]
    fn a_wait_is_seconds_or_a_moment_of_the_server() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        check(503, &[("retry-after", "120")], Some(120));
        check(503, &[("retry-after", "+120")], None);
        check(503, &[("retry-after", "-1")], None);
        let later = ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT");
        check(503, &[later, date], Some(30));
        check(503, &[later], None);
        check(
            503,
            &[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"), date],
            Some(0),
        );
    }

    #[test]
    fn a_rate_limit_ends_by_the_clock_of_the_server_and_never_late() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let modern = ("date", "Thu, 29 Feb 2024 23:59:50 GMT");
        let none = ("ratelimit-remaining", "0");
        check(
            429,
            &[("ratelimit-reset", "1709251204"), none, modern],
            Some(14),
        );
        check(429, &[("ratelimit-reset", "1709251204"), modern], Some(14));
        check(429, &[("ratelimit-reset", "7")], Some(7));
        // What it says first counts.
        check(
            429,
            &[("ratelimit-reset", "7"), ("retry-after", "3")],
            Some(3),
        );
        // It is over, it is far ahead, the server has no clock, or none that could be right.
        check(429, &[("ratelimit-reset", "1709251100"), modern], Some(0));
        check(429, &[("ratelimit-reset", "1709254804"), modern], Some(60));
        check(
            429,
            &[("ratelimit-reset", "18446744073709551615"), modern],
            Some(60),
        );
        check(429, &[("ratelimit-reset", "1709251204"), date], Some(60));
        check(429, &[("ratelimit-reset", "1709251204")], None);
        check(429, &[("ratelimit-reset", "soon"), modern], None);
        check(429, &[("ratelimit-reset", "999999999")], Some(60));
        // Something else was too much, or nothing was.
        check(
            429,
            &[("ratelimit-reset", "7"), ("ratelimit-remaining", "99")],
            None,
        );
        check(403, &[("ratelimit-reset", "7"), none], None);
    }

    #[test]
    fn moments() {
        let check = |text, expect| assert_eq!(moment(text), expect, "{text}");
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777));
        check("Mon, 28 Feb 2000 23:59:59 GMT", Some(951_782_399));
        check("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400));
        check("Fri, 01 Mar 2024 00:00:00 GMT", Some(1_709_251_200));
        check("Mon, 01 Mar 2100 00:00:00 GMT", Some(4_107_542_400));
        for wrong in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 ovD 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
        ] {
            check(wrong, None);
        }
    }
}
