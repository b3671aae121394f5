//! What follows the method of an `ip=`: `[<mtu>][:<mac>]`, or `[<dns1>][:<dns2>][:<ntp0>]`.

use core::net::IpAddr;

use super::argument::{Argument, Fault};
use super::fields::Field;
use super::reading::Reading;
use super::values;
use crate::config::Said;
use crate::value::{Hostname, Mac, Mtu};

/// The fields after the method of the long form, read one way or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// `[<mtu>][:<mac>]`.
    Link,
    /// `[<dns1>][:<dns2>][:<ntp0>]`.
    Servers,
}

/// Digits begin an MTU, anything else a server; behind an empty first field the next one decides.
pub(super) fn kind(fields: &[Field<'_>]) -> Tail {
    let is_server = |f: &Field<'_>| f.unbracketed().text.parse::<IpAddr>().is_ok();
    match fields {
        [] => Tail::Link,
        [first, rest @ ..] if first.is_empty() => {
            if rest.iter().take(2).any(is_server) {
                Tail::Servers
            } else {
                Tail::Link
            }
        }
        [first, ..] if first.text.bytes().all(|b| b.is_ascii_digit()) => Tail::Link,
        [_, ..] => Tail::Servers,
    }
}

/// MTU and hardware address. A bad one is reported and left out. `number` is the field number of the first.
pub(super) fn link_settings(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    [mtu, mac]: [Option<Field<'_>>; 2],
    number: usize,
) -> (Option<Mtu>, Option<Mac>) {
    let mtu = mtu.and_then(|field| {
        kept(
            reading,
            values::mtu(argument, field, format!("field {number} (mtu)")),
            "the MTU stays as it is; the rest of this argument applies",
        )
    });
    let mac = mac.and_then(|field| {
        kept(
            reading,
            values::mac(argument, field, format!("field {} (mac)", number + 1)),
            "the hardware address stays as it is; the rest of this argument applies",
        )
    });
    (mtu, mac)
}

/// The value, or its fault with what it costs.
pub(super) fn kept<T>(
    reading: &mut Reading<'_>,
    result: Result<T, Fault>,
    effect: &str,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(fault) => {
            reading.report(fault, effect);
            None
        }
    }
}

/// The hardware address at `at`, and what is too much behind it. Groups of two digits belong to one address, however
/// many there are, so that a short one is told as such.
pub(super) fn mac_field<'a>(
    value: Field<'a>,
    fields: &[Field<'a>],
    at: usize,
) -> (Option<Field<'a>>, Option<Field<'a>>) {
    let end = value.slice(value.text.len(), value.text.len());
    let Some(mac) = fields.get(at).copied() else {
        return (None, None);
    };
    let rest = fields.get(at + 1).map(|next| value.between(*next, end));
    match rest {
        // Colons alone say nothing.
        Some(rest) if rest.text.bytes().all(|b| b == b':') => (Some(mac), None),
        Some(_) if mac.text.len() == 2 => (Some(value.between(mac, end)), None),
        _ => (Some(mac), rest),
    }
}

/// Fields that no form has.
pub(super) fn surplus(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    field: Field<'_>,
    most: usize,
) {
    let error = argument.error(
        field,
        format!("more than {most} fields"),
        "remove what is too much",
    );
    reading.report(
        error,
        "the surplus is not read; the rest of this argument applies",
    );
}

/// `dns1`, `dns2` and `ntp0`: fields 8, 9 and 10. A bad one costs only itself.
pub(super) fn servers(reading: &mut Reading<'_>, argument: &Argument<'_>, fields: &[Field<'_>]) {
    for (number, field) in (8..).zip(fields.iter().take(2)) {
        let label = if number == 8 && !field.text.contains(['.', ':']) {
            "field 8 (name server or mtu)".to_owned()
        } else {
            format!("field {number} (name server)")
        };
        let found = values::host_address(argument, *field, label);
        let effect = "this name server is left out; the rest of this argument applies";
        if let Some(Some(ip)) = kept(reading, found, effect) {
            name_server(reading, argument, ip);
        }
    }
    if let Some(field) = fields.get(2).filter(|field| !field.is_empty()) {
        match time_server(argument, *field) {
            Ok(Some(server)) => {
                let said = Said::new(server, argument.origin());
                reading.document.time_servers.push(said);
            }
            Ok(None) => {}
            Err(fault) => {
                reading.report(
                    fault,
                    "this time server is left out; the rest of this argument applies",
                );
            }
        }
    }
}

/// Adds a name server, once.
pub(super) fn name_server(reading: &mut Reading<'_>, argument: &Argument<'_>, ip: IpAddr) {
    let servers = &mut reading.document.nameservers;
    if !servers.iter().any(|known| known.value == ip) {
        servers.push(Said::new(ip.into(), argument.origin()));
    }
}

/// An address, or a host name that has a letter.
fn time_server(argument: &Argument<'_>, field: Field<'_>) -> Result<Option<String>, Fault> {
    let name = field.text.parse::<Hostname>();
    match name {
        Ok(name) if field.text.bytes().any(|b| b.is_ascii_alphabetic()) => {
            Ok(Some(name.to_string()))
        }
        _ => Ok(
            values::host_address(argument, field, "field 10 (time server)")?
                .map(|ip| ip.to_string()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Tail) {
        assert_eq!(kind(&Field::new(text).split(b':')), expect, "{text}");
    }

    #[test]
    fn the_first_field_decides() {
        check("", Tail::Link);
        check("1400", Tail::Link);
        check("1400:52:54:00:12:34:00", Tail::Link);
        check(":52-54-00-12-34-00", Tail::Link);
        check("::", Tail::Link);
        check("192.0.2.53", Tail::Servers);
        check("[2001:db8::53]:192.0.2.53", Tail::Servers);
        check(":192.0.2.53", Tail::Servers);
        check("::192.0.2.123", Tail::Servers);
        check("foo", Tail::Servers);
        check("-1", Tail::Servers);
    }
}
