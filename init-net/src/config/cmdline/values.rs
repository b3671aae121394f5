//! Values that several arguments share: addresses, links, numbers, times. Each error has the caret on the field.

use core::fmt::Display;
use core::net::IpAddr;

use super::argument::{Argument, Fault};
use super::fields::Field;
use super::reading::Reading;
use crate::config::LinkRef;
use crate::value::{
    Duration, LinkName, LinkNameError, Mac, Mtu, Prefix, PrefixError, prefix_len_from_netmask,
};

/// An address field: the address and the length of `address/length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    pub(super) ip: IpAddr,
    pub(super) len: Option<(u8, Field<'a>)>,
}

/// `a`, `a/len`, `a/mask`, `[a]`, `[a]/len`, `[a/len]`. Empty, `0.0.0.0` and `::` are "not given"
/// (net/ipv4/ipconfig.c).
pub(super) fn address<'a>(
    argument: &Argument<'_>,
    field: Field<'a>,
    label: impl Display,
) -> Result<Option<Address<'a>>, Fault> {
    let whole = field.unbracketed();
    let (ip, len) = match whole.split_once('/') {
        Some((ip, len)) => (ip.unbracketed(), Some(len)),
        None => (whole, None),
    };
    if ip.is_empty() && len.is_none() {
        return Ok(None);
    }
    let Ok(parsed) = ip.text.parse::<IpAddr>() else {
        return Err(argument.error(
            ip,
            format!("{label} is not an IP address"),
            address_fix(ip.text),
        ));
    };
    if parsed.is_unspecified() {
        return Ok(None);
    }
    let len = match len {
        None => None,
        Some(field) => Some((prefix_len(argument, field, parsed, &label)?, field)),
    };
    Ok(Some(Address { ip: parsed, len }))
}

fn address_fix(text: &str) -> &'static str {
    let hex = |group: &str| group.len() <= 4 && group.bytes().all(|b| b.is_ascii_hexdigit());
    if text.contains('%') {
        "write the address without %<link>"
    } else if !text.is_empty() && !text.contains('.') && text.split(':').all(hex) {
        "write four numbers as in 192.0.2.7; an IPv6 address stands in brackets: [2001:db8::7]"
    } else {
        "write four numbers as in 192.0.2.7, or an IPv6 address in brackets: [2001:db8::7]"
    }
}

/// A netmask or prefix length for an address of the family of `ip`. A length of 0 is refused: it would make the
/// whole internet a neighbour.
pub(super) fn prefix_len(
    argument: &Argument<'_>,
    field: Field<'_>,
    ip: IpAddr,
    label: impl Display,
) -> Result<u8, Fault> {
    let text = field.unbracketed().text;
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let range = || {
        format!(
            "write a length from 1 to {bits}{}",
            if bits == 32 {
                ", or a mask such as 255.255.255.0"
            } else {
                ""
            }
        )
    };
    match text.parse::<IpAddr>() {
        Ok(mask) if mask.is_ipv4() != ip.is_ipv4() => {
            let message = format!("{label}: {}", PrefixError::Family);
            Err(argument.error(field, message, range()))
        }
        Ok(mask) => match prefix_len_from_netmask(mask) {
            Ok(0) => Err(argument.error(field, format!("{label} is empty of one bits"), range())),
            Ok(len) => Ok(len),
            Err(_) => {
                let ones = match mask {
                    IpAddr::V4(m) => m.to_bits().leading_ones(),
                    IpAddr::V6(m) => m.to_bits().leading_ones(),
                };
                let fix = match (mask, ones) {
                    (IpAddr::V4(_), 1..) => {
                        let full = core::net::Ipv4Addr::from_bits(u32::MAX << (32 - ones));
                        format!("write {full} or {ones} if that is what is meant")
                    }
                    _ => range(),
                };
                Err(argument.error(
                    field,
                    format!("{label} has a hole: its one bits must all be in front"),
                    fix,
                ))
            }
        },
        Err(_) => match text.parse::<u8>() {
            Ok(len) if (1..=bits).contains(&len) && !text.starts_with('+') => Ok(len),
            _ => Err(argument.error(
                field,
                format!("{label} is neither a netmask nor a prefix length"),
                range(),
            )),
        },
    }
}

/// A name server or time server address; not given when empty or unspecified.
pub(super) fn host_address(
    argument: &Argument<'_>,
    field: Field<'_>,
    label: impl Display,
) -> Result<Option<IpAddr>, Fault> {
    match address(argument, field, &label)? {
        Some(Address {
            len: Some((_, len)),
            ..
        }) => Err(argument.error(
            len,
            format!("{label} has no prefix length"),
            "write the address alone",
        )),
        found => Ok(found.map(|address| address.ip)),
    }
}

/// Whether a field is written as a hardware address: groups joined by `-` or `:`. Twelve bare digits are a link name.
pub(super) fn is_mac(text: &str) -> bool {
    (text.contains(':') || text.contains('-')) && text.parse::<Mac>().is_ok()
}

/// A link by name or by hardware address.
pub(super) fn device(
    argument: &Argument<'_>,
    field: Field<'_>,
    label: impl Display,
) -> Result<LinkRef, Fault> {
    if is_mac(field.text)
        && let Ok(mac) = field.text.parse()
    {
        return Ok(LinkRef::Mac(mac));
    }
    link_name(argument, field, label).map(LinkRef::Name)
}

/// A link name.
pub(super) fn link_name(
    argument: &Argument<'_>,
    field: Field<'_>,
    label: impl Display,
) -> Result<LinkName, Fault> {
    field.text.parse::<LinkName>().map_err(|rule| {
        let (rule, fix) = match rule {
            LinkNameError::Empty => ("is empty", "write a link name such as eth0"),
            LinkNameError::TooLong => (
                "has more than 15 bytes",
                "write a name of at most 15 bytes, or the hardware address",
            ),
            LinkNameError::BadByte | LinkNameError::Dots => (
                "is not a link name",
                "write printable ASCII without space, \"/\" and \":\", such as eth0",
            ),
        };
        argument.error(field, format!("{label} {rule}"), fix)
    })
}

/// A list of links joined by `,`. A bad one is reported and left out; the same one twice counts once.
pub(super) fn members(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    field: Field<'_>,
    master: &LinkName,
) -> Vec<LinkRef> {
    let mut links = Vec::new();
    for piece in field.split(b',') {
        let found = device(argument, piece, "member").and_then(|link| {
            if link == LinkRef::Name(master.clone()) {
                Err(argument.error(
                    piece,
                    format!("{master} cannot be a member of itself"),
                    "remove it",
                ))
            } else {
                Ok(link)
            }
        });
        match found {
            Ok(link) if links.contains(&link) => {}
            Ok(link) => links.push(link),
            Err(fault) => reading.report(fault, "this member is left out; the others are kept"),
        }
    }
    links
}

/// An MTU, bytes.
pub(super) fn mtu(
    argument: &Argument<'_>,
    field: Field<'_>,
    label: impl Display,
) -> Result<Mtu, Fault> {
    field.text.parse().map_err(|rule| {
        argument.error(
            field,
            format!("{label}: {rule}"),
            "write for instance 1500 or 9000",
        )
    })
}

/// A hardware address.
pub(super) fn mac(
    argument: &Argument<'_>,
    field: Field<'_>,
    label: impl Display,
) -> Result<Mac, Fault> {
    field.text.parse().map_err(|_| {
        argument.error(
            field,
            format!("{label} is not a hardware address"),
            "write six two-digit hexadecimal groups: 52:54:00:12:34:56",
        )
    })
}

/// `1 yes true on` and `0 no false off`; the key alone means yes.
pub(super) fn boolean(argument: &Argument<'_>) -> Result<bool, Fault> {
    let Some(field) = argument.word.value else {
        return Ok(true);
    };
    match field.text {
        "1" | "yes" | "true" | "on" | "y" => Ok(true),
        "0" | "no" | "false" | "off" | "n" => Ok(false),
        _ => Err(argument.error(field, "not a yes or no", "write 1 or 0")),
    }
}

/// A whole number.
pub(super) fn number<T: core::str::FromStr>(
    argument: &Argument<'_>,
    fix: &str,
) -> Result<T, Fault> {
    let field = argument.required()?;
    let digits = field.text.strip_prefix('-').unwrap_or(field.text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(argument.error(field, "not a whole number", fix));
    }
    field
        .text
        .parse()
        .map_err(|_| argument.error(field, "the number is out of range", fix))
}

/// Longest time that is taken, seconds: 100 years; anything longer is "infinity".
const MAX_SECONDS: u64 = 100 * 365 * 86_400;

/// `30`, `30s`, `500ms`, `2m`, `1h`; `infinity` is `None`.
pub(super) fn duration(argument: &Argument<'_>, infinity: bool) -> Result<Option<Duration>, Fault> {
    let field = argument.required()?;
    let fix = if infinity {
        "write seconds, or a number with ms, s, m or h, or infinity"
    } else {
        "write seconds, or a number with ms, s, m or h"
    };
    if field.text == "infinity" {
        return if infinity {
            Ok(None)
        } else {
            Err(argument.error(field, "this time has to end", fix))
        };
    }
    let digits = field.text.bytes().take_while(u8::is_ascii_digit).count();
    let amount = field.slice(0, digits).text.parse::<u64>().ok();
    let unit = field.slice(digits, field.text.len()).text;
    let parsed = amount.and_then(|n| match unit {
        "ms" => Some(Duration::from_millis(n)),
        "" | "s" => Some(Duration::from_secs(n)),
        "m" | "min" => n.checked_mul(60).map(Duration::from_secs),
        "h" => n.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    });
    match parsed {
        Some(time) if time.as_secs() <= MAX_SECONDS => Ok(Some(time)),
        Some(_) => Err(argument.error(field, "the time is longer than 100 years", fix)),
        None => Err(argument.error(field, "not a time", fix)),
    }
}

/// An address with the length that its family needs; lengths were checked by [`prefix_len`].
pub(super) fn prefix(ip: IpAddr, len: u8) -> Prefix {
    Prefix::new(ip, len).unwrap_or_else(|_| Prefix::host(ip))
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    fn argument(text: &str) -> Argument<'_> {
        Argument::new(words(text)[0], "x".into())
    }

    #[test]
    fn addresses() {
        #[track_caller]
        fn check(text: &str, expect: Result<Option<(&str, Option<u8>)>, &str>) {
            let text = format!("k={text}");
            let argument = argument(&text);
            let found = address(&argument, argument.value(), "field 1")
                .map(|a| a.map(|a| (a.ip.to_string(), a.len.map(|(len, _)| len))))
                .map_err(|fault| fault.message);
            let expect = expect
                .map(|a| a.map(|(ip, len)| (ip.to_owned(), len)))
                .map_err(|message| format!("k=: {message}"));
            assert_eq!(found, expect);
        }
        check("192.0.2.7", Ok(Some(("192.0.2.7", None))));
        check("192.0.2.7/24", Ok(Some(("192.0.2.7", Some(24)))));
        check("192.0.2.7/255.255.0.0", Ok(Some(("192.0.2.7", Some(16)))));
        check("[2001:db8::7]/64", Ok(Some(("2001:db8::7", Some(64)))));
        check("[2001:db8::7/64]", Ok(Some(("2001:db8::7", Some(64)))));
        check("2001:db8::7", Ok(Some(("2001:db8::7", None))));
        check("0.0.0.0", Ok(None));
        check("[::]", Ok(None));
        check("", Ok(None));
        check("[]", Ok(None));
        check("/24", Err("field 1 is not an IP address"));
        check("10.0.0", Err("field 1 is not an IP address"));
        check("fe80::1%eth0", Err("field 1 is not an IP address"));
        check(
            "10.0.0.1/33",
            Err("field 1 is neither a netmask nor a prefix length"),
        );
        check(
            "10.0.0.1/0",
            Err("field 1 is neither a netmask nor a prefix length"),
        );
        check(
            "10.0.0.1/+8",
            Err("field 1 is neither a netmask nor a prefix length"),
        );
        check("10.0.0.1/0.0.0.0", Err("field 1 is empty of one bits"));
        check(
            "10.0.0.1/255.0.255.0",
            Err("field 1 has a hole: its one bits must all be in front"),
        );
        check(
            "10.0.0.1/ffff::",
            Err("field 1: the netmask is of the other address family"),
        );
    }

    #[test]
    fn devices() {
        let device = |text: &str| {
            let text = format!("k={text}");
            let argument = argument(&text);
            device(&argument, argument.value(), "device")
                .map(|link| format!("{link:?}"))
                .map_err(|fault| fault.message)
        };
        assert_eq!(device("eth0"), Ok("Name(eth0)".to_owned()));
        assert_eq!(device("525400123400"), Ok("Name(525400123400)".to_owned()));
        assert_eq!(
            device("52-54-00-12-34-00"),
            Ok("Mac(52:54:00:12:34:00)".to_owned())
        );
        assert!(device("sixteen-bytes-16").is_err());
        assert!(device("a/b").is_err());
    }

    #[test]
    fn durations() {
        let time = |text: &str, infinity| {
            let text = format!("k={text}");
            duration(&argument(&text), infinity).map_err(|fault| fault.message)
        };
        assert_eq!(time("30", false), Ok(Some(Duration::from_secs(30))));
        assert_eq!(time("500ms", false), Ok(Some(Duration::from_millis(500))));
        assert_eq!(time("2m", false), Ok(Some(Duration::from_secs(120))));
        assert_eq!(time("1h", false), Ok(Some(Duration::from_secs(3600))));
        assert_eq!(time("infinity", true), Ok(None));
        for bad in [
            "-1",
            "1.5",
            "",
            "s",
            "infinity",
            "99999999999999999999",
            "18446744073709551615h",
        ] {
            assert!(time(bad, false).is_err(), "{bad}");
        }
    }
}
