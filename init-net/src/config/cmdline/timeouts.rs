//! `rd.net.timeout.*`, `rd.net.dhcp.retry=` and the kernel's `carrier_timeout=`.

use super::argument::{Argument, Fault};
use super::reading::{Reading, set};
use super::values;
use crate::config::nearest::nearest;
use crate::value::Duration;

/// The times that have a place.
const NAMES: [&str; 8] = [
    "dhcp",
    "iflink",
    "ifup",
    "route",
    "ipv6dad",
    "ipv6auto",
    "carrier",
    "ip_required",
];

/// `rd.net.timeout.<name>=<seconds>`; `dhcp` may be `infinity`.
pub(super) fn parse(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    name: &str,
) -> Result<(), Fault> {
    let timeouts = &mut reading.document.boot.timeouts;
    let slot = match name {
        "dhcp" => &mut timeouts.dhcp,
        "iflink" => &mut timeouts.iflink,
        "ifup" => &mut timeouts.ifup,
        "route" => &mut timeouts.route,
        "ipv6dad" => &mut timeouts.ipv6dad,
        "ipv6auto" => &mut timeouts.ipv6auto,
        "carrier" => &mut timeouts.carrier,
        "ip_required" => {
            values::duration(argument, true)?;
            let note = argument.note(argument.word.key, "understood, not applied");
            reading.report(
                note,
                "write initnet.timeout= for the time until the boot goes on",
            );
            return Ok(());
        }
        _ => {
            let fix = match nearest(name, NAMES) {
                Some(known) => format!("did you mean rd.net.timeout.{known}?"),
                None => format!("write one of {}", NAMES.join(", ")),
            };
            return Err(argument.error(argument.word.key, "not a known time", fix));
        }
    };
    let time = values::duration(argument, name == "dhcp")?.unwrap_or(Duration::MAX);
    let twice = set(slot, time, argument);
    reading.said(twice);
    Ok(())
}

/// `rd.net.dhcp.retry=<attempts>`, at least one.
pub(super) fn retry(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let fix = "write how often DHCP is tried, from 1";
    let attempts: u32 = values::number(argument, fix)?;
    if attempts == 0 {
        return Err(argument.error(argument.value(), "no attempt at all", fix));
    }
    let twice = set(
        &mut reading.document.boot.timeouts.retry,
        attempts,
        argument,
    );
    reading.said(twice);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::{errors, messages};
    use super::*;

    #[test]
    fn times() {
        let (document, diagnostics) = parse(
            "rd.net.timeout.dhcp=infinity rd.net.timeout.iflink=60 rd.net.timeout.ifup=20s rd.net.timeout.route=1m \
             rd.net.timeout.ipv6dad=50 rd.net.timeout.ipv6auto=40 carrier_timeout=7 rd.net.dhcp.retry=3",
            "x",
        );
        assert_eq!(diagnostics, []);
        let timeouts = document.boot.timeouts;
        let secs = |said: Option<crate::config::Said<Duration>>| said.map(|s| s.value.as_secs());
        assert_eq!(timeouts.dhcp.map(|s| s.value), Some(Duration::MAX));
        assert_eq!(secs(timeouts.iflink), Some(60));
        assert_eq!(secs(timeouts.ifup), Some(20));
        assert_eq!(secs(timeouts.route), Some(60));
        assert_eq!(secs(timeouts.ipv6dad), Some(50));
        assert_eq!(secs(timeouts.ipv6auto), Some(40));
        assert_eq!(secs(timeouts.carrier), Some(7));
        assert_eq!(timeouts.retry.map(|s| s.value), Some(3));
    }

    #[test]
    fn malformed() {
        assert_eq!(
            errors("rd.net.timeout.iflink=infinity"),
            ["rd.net.timeout.iflink=: this time has to end"]
        );
        assert_eq!(
            errors("rd.net.timeout.carier=1"),
            ["rd.net.timeout.carier=: not a known time"]
        );
        assert_eq!(
            errors("carrier-timeout=x"),
            ["carrier-timeout=: not a time"]
        );
        assert_eq!(
            errors("rd.net.dhcp.retry=0"),
            ["rd.net.dhcp.retry=: no attempt at all"]
        );
        assert_eq!(
            errors("rd.net.dhcp.retry=-1"),
            ["rd.net.dhcp.retry=: the number is out of range"]
        );
        assert_eq!(messages("rd.net.timeout.ip-required=20").len(), 1);
        assert_eq!(errors("rd.net.timeout.ip-required=x").len(), 1);
    }
}
